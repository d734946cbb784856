/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_predict.c - the components of each row: the best one, the best few, or all above a bound. */
#include "command.h"
#include "rows.h"
#include "sinks.h"
#include "stopwatch.h"
#include "text.h"

#include <stdlib.h> /* free */

typedef struct predict_args {
    const char *model, *data, *format, *output;
    int32_t top; /* 0: labels alone */
    double tau;  /* 0: the best few instead */
} predict_args;

/* Where the results go; without files, to standard output. */
typedef struct predict_files {
    fg_sink *components, *responsibilities, *offsets;
    int64_t entries;
} predict_files;

static fg_status open_files(session *s, const predict_args *args, predict_files *files)
{
    const char *path = args->output;
    if (!path) return FG_OK;
    fg_status status = FG_OK;
    if (args->tau > 0) {
        status = sinks_open_beside(s, path, "offsets", SINK_NUMBERS, 1, FG_I64, &files->offsets);
        if (status == FG_OK)
            status = sinks_open_beside(s, path, "components", SINK_NUMBERS, 1, FG_I32,
                                       &files->components);
    } else {
        int32_t cols = args->top ? args->top : 1;
        status = sinks_open(s, path, SINK_NUMBERS, cols, FG_I32, &files->components);
    }
    if (status == FG_OK && (args->tau > 0 || args->top))
        status = sinks_open_beside(s, path, "responsibilities", SINK_REALS,
                                   args->top ? args->top : 1, FG_F32, &files->responsibilities);
    return status;
}

static fg_status end_files(predict_files *files, fg_status status)
{
    status = sinks_end(files->components, status);
    status = sinks_end(files->responsibilities, status);
    return sinks_end(files->offsets, status);
}

static void print_entry(int64_t row, int32_t component, float responsibility)
{
    printf("%lld\t%d\t%.6g\n", (long long)row, component, (double)responsibility);
}

/* The best `top` of every row of a block; places left over (-1) are not printed. */
static fg_status predict_top(const predict_args *args, const fg_gmm *gmm, const blocks *b,
                             predict_files *files, const fg_out *best[2])
{
    fg_out components = *best[0], responsibilities = *best[1];
    components.rows = responsibilities.rows = b->rows;
    fg_status status = fg_gmm_top(b->session->ctx, gmm, b->source, &components, &responsibilities);
    if (status != FG_OK) return status;
    files->entries += b->rows * components.cols;
    if (args->output) {
        fg_view written = rows_written(&components, b->rows);
        status = fg_sink_write(files->components, &written);
        written = rows_written(&responsibilities, b->rows);
        if (status == FG_OK && files->responsibilities)
            status = fg_sink_write(files->responsibilities, &written);
        return status;
    }
    const int32_t *component = components.data;
    const float *responsibility = responsibilities.data;
    for (int64_t i = 0; i < b->rows * components.cols; i++)
        if (component[i] >= 0)
            print_entry(b->first + i / components.cols, component[i], responsibility[i]);
    return FG_OK;
}

static fg_status write_above(const fg_csr *csr, predict_files *files)
{
    int64_t entries = csr->offsets[csr->rows];
    /* offsets of the whole file: this block's, moved by the entries before it */
    for (int64_t i = 0; i <= csr->rows; i++) csr->offsets[i] += files->entries;
    fg_view offsets = {.data = csr->offsets, .rows = csr->rows, .cols = 1, .dtype = FG_I64};
    fg_view components = {.data = csr->components, .rows = entries, .cols = 1, .dtype = FG_I32};
    fg_view responsibilities = {
        .data = csr->responsibilities, .rows = entries, .cols = 1, .dtype = FG_F32};
    fg_status status = fg_sink_write(files->offsets, &offsets);
    if (status == FG_OK) status = fg_sink_write(files->components, &components);
    return status == FG_OK ? fg_sink_write(files->responsibilities, &responsibilities) : status;
}

static fg_status predict_above(const predict_args *args, const fg_gmm *gmm, const blocks *b,
                               predict_files *files)
{
    fg_csr *csr = NULL;
    fg_status status = fg_gmm_above(b->session->ctx, gmm, b->source, args->tau, &csr);
    if (status != FG_OK) return status;
    int64_t entries = csr->offsets[csr->rows];
    if (args->output)
        status = write_above(csr, files);
    else
        for (int64_t i = 0; i < csr->rows; i++)
            for (int64_t e = csr->offsets[i]; e < csr->offsets[i + 1]; e++)
                print_entry(b->first + i, csr->components[e], csr->responsibilities[e]);
    files->entries += entries;
    fg_csr_destroy(csr);
    return status;
}

/* The end of the last row: what makes rows + 1 offsets. */
static fg_status write_last_offset(const predict_files *files)
{
    fg_view last = {.data = &files->entries, .rows = 1, .cols = 1, .dtype = FG_I64};
    return fg_sink_write(files->offsets, &last);
}

static fg_status predict_blocks(session *s, const predict_args *args, const fg_gmm *gmm,
                                fg_source *data, predict_files *files)
{
    blocks b;
    int32_t cols = args->top ? args->top : 1;
    fg_out components = {0}, responsibilities = {0};
    const fg_out *best[2] = {&components, &responsibilities};
    /* above tau, a row has 1/tau entries at most, of 8 bytes each and its offset */
    int64_t result_bytes = args->tau > 0 ? 8 + (int64_t)(8 / args->tau) : 8 * (int64_t)cols;
    fg_status status = blocks_open(s, data, "predict", result_bytes, &b);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, cols, FG_I32, &components);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, cols, FG_F32, &responsibilities);
    while (status == FG_OK && (status = blocks_next(&b)) == FG_OK && b.rows > 0) {
        status = args->tau > 0 ? predict_above(args, gmm, &b, files)
                               : predict_top(args, gmm, &b, files, best);
        status = blocks_blame(&b, status);
    }
    if (status == FG_OK && files->offsets) status = write_last_offset(files);
    free(components.data);
    free(responsibilities.data);
    blocks_close(&b);
    return status;
}

static void tell(session *s, const predict_args *args, int64_t rows, int32_t components,
                 int64_t entries)
{
    double seconds = stopwatch_seconds() - s->began;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "model", args->model);
    json_text(out, "data", args->data);
    json_text(out, "output", args->output);
    json_whole(out, "rows", rows);
    json_whole(out, "components", components);
    json_whole(out, "entries", entries);
    json_real(out, "seconds", seconds);
    json_close(out, '}');
    if (!args->output) return;
    session_say(s, "written          %s: %s, %.3g component%s a row, in %s",
                args->tau > 0 ? "offsets, components, responsibilities"
                              : text_file_name(args->output),
                text_plural(rows, "row").s, (double)entries / (double)rows,
                entries == rows ? "" : "s", text_seconds(seconds).s);
}

static fg_status run(session *s, predict_args *args)
{
    fg_gmm *gmm = NULL;
    fg_source *data = NULL;
    fg_source_info shape;
    fg_gmm_info info = {.struct_size = sizeof info};
    predict_files files = {0};
    fg_status status = fg_gmm_load(args->model, 1, &gmm);
    if (status == FG_OK) status = fg_gmm_get_info(gmm, &info);
    if (status == FG_OK) status = rows_open(args->data, args->format, &data, &shape);
    if (status == FG_OK && args->top > info.components)
        status = session_fail(s, FG_ARGUMENT, "--top is %d; the model has %d components", args->top,
                              info.components);
    if (status == FG_OK) status = open_files(s, args, &files);
    if (status == FG_OK) status = predict_blocks(s, args, gmm, data, &files);
    status = end_files(&files, status);
    if (status == FG_OK) tell(s, args, shape.rows, info.components, files.entries);
    fg_source_destroy(data);
    fg_gmm_destroy(gmm);
    return status;
}

int cmd_predict(int argc, char **argv)
{
    predict_args args = {0};
    const operand operands[] = {{"MODEL", "a mixture made by flashgmm fit", &args.model},
                                {"DATA", "a file of rows", &args.data}};
    const option options[] = {
        {"output", 'o', "FILE",
         "write labels to .npy, .ivecs or .ibin (default: lines on standard output)",
         .text = &args.output},
        {"top", 0, "M", "the M most probable components of every row", .i32 = &args.top,
         AT_LEAST(1)},
        {"tau", 0, "T", "all components with a responsibility above T, and always the best",
         .f64 = &args.tau, BETWEEN(0, 1)},
        {"format", 0, "NAME", "of DATA (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "predict",
        .summary = "which components each row belongs to, and how much",
        .synopsis = "MODEL DATA [-o FILE] [--top M | --tau T]",
        TABLES(operands, options),
        .notes = "Lines hold row, component and responsibility, with tabs between. With -o x.npy, "
                 "--top also\n"
                 "writes x.responsibilities.npy; --tau writes x.offsets.npy, x.components.npy and\n"
                 "x.responsibilities.npy: row i has the entries offsets[i] .. offsets[i + 1] - 1.",
        .example = "flashgmm predict words.fgm words.fvecs --top 3 -o parts.npy"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (args.top && args.tau > 0)
        return options_mistake(&line, "--top and --tau exclude each other");
    if (args.tau > 0 && args.output && !text_ends_in(args.output, ".npy"))
        return options_mistake(&line, "--tau writes .npy files; -o is %s", args.output);
    if (!args.output && session_json_alone(&s))
        return options_mistake(&line, "--json - leaves no place for the labels; add -o FILE");
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
