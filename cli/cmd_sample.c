/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_sample.c - draws rows from a mixture, a block at a time. */
#include "command.h"
#include "rows.h"
#include "sinks.h"
#include "stopwatch.h"
#include "text.h"

#include <stdlib.h> /* free */

typedef struct sample_args {
    const char *model, *output, *labels;
    int64_t rows;
    uint64_t seed;
} sample_args;

typedef struct sample_files {
    fg_sink *rows, *labels;
} sample_files;

enum { BLOCK_ROWS = 1 << 14 };

static fg_status draw(session *s, const sample_args *args, const fg_gmm *gmm, int32_t dims,
                      const sample_files *files)
{
    fg_out rows = {0}, labels = {0};
    int64_t capacity = args->rows < BLOCK_ROWS ? args->rows : BLOCK_ROWS;
    fg_status status = rows_alloc(s, capacity, dims, FG_F32, &rows);
    if (status == FG_OK) status = rows_alloc(s, capacity, 1, FG_I32, &labels);
    for (int64_t first = 0; status == FG_OK && first < args->rows; first += capacity) {
        int64_t left = args->rows - first;
        rows.rows = labels.rows = left < capacity ? left : capacity;
        fg_view row_view = rows_written(&rows, rows.rows);
        fg_view label_view = rows_written(&labels, labels.rows);
        status = session_progress(s, "sample", first, args->rows);
        if (status == FG_OK) status = fg_gmm_sample(gmm, args->seed, first, &rows, &labels);
        if (status == FG_OK) status = fg_sink_write(files->rows, &row_view);
        if (status == FG_OK && files->labels) status = fg_sink_write(files->labels, &label_view);
    }
    free(rows.data);
    free(labels.data);
    return status;
}

static void tell(session *s, const sample_args *args, int32_t dims)
{
    double seconds = stopwatch_seconds() - s->began;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "model", args->model);
    json_text(out, "output", args->output);
    json_text(out, "labels", args->labels);
    json_whole(out, "rows", args->rows);
    json_whole(out, "dims", dims);
    json_real(out, "seconds", seconds);
    json_close(out, '}');
    session_say(s, "written          %s: %s of %d dimensions, in %s", text_file_name(args->output),
                text_plural(args->rows, "row").s, dims, text_seconds(seconds).s);
}

static fg_status run(session *s, const sample_args *args)
{
    fg_gmm *gmm = NULL;
    fg_gmm_info info = {.struct_size = sizeof info};
    sample_files files = {0};
    fg_status status = fg_gmm_load(args->model, 1, &gmm);
    if (status == FG_OK) status = fg_gmm_get_info(gmm, &info);
    if (status == FG_OK)
        status = sinks_open(s, args->output, SINK_REALS, info.dims, FG_F32, &files.rows);
    if (status == FG_OK && args->labels)
        status = sinks_open(s, args->labels, SINK_NUMBERS, 1, FG_I32, &files.labels);
    if (status == FG_OK) status = draw(s, args, gmm, info.dims, &files);
    status = sinks_end(files.rows, status);
    status = sinks_end(files.labels, status);
    if (status == FG_OK) tell(s, args, info.dims);
    fg_gmm_destroy(gmm);
    return status;
}

int cmd_sample(int argc, char **argv)
{
    sample_args args = {0};
    const operand operands[] = {{"MODEL", "a mixture made by flashgmm fit", &args.model}};
    const option options[] = {
        {"n", 'n', "N", "how many rows", .i64 = &args.rows, AT_LEAST(1), .required = true},
        {"output", 'o', "FILE", "where they go: .fvecs, .npy or .fbin", .text = &args.output,
         .required = true},
        {"labels", 0, "FILE", "write the component of each row to .ivecs, .npy or .ibin",
         .text = &args.labels},
        {"seed", 0, "S", "row i depends on the seed and i alone (default 0)", .u64 = &args.seed}};
    const command_line line = {
        .command = "sample",
        .summary = "draw rows from a mixture",
        .synopsis = "MODEL -n N -o FILE [options]",
        TABLES(operands, options),
        .example = "flashgmm sample words.fgm -n 1000 -o drawn.fvecs --labels drawn.ivecs"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
