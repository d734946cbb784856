/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_score.c - how probable rows are under a mixture: the mean, the criteria, and each row. */
#include "command.h"
#include "rows.h"
#include "sinks.h"
#include "stopwatch.h"
#include "text.h"

#include <stdlib.h> /* free */

typedef struct score_args {
    const char *model, *data, *format, *output;
} score_args;

static void tell(session *s, const score_args *args, const fg_gmm *gmm, int64_t rows, double mean)
{
    double aic = fg_gmm_aic(gmm, mean, rows), bic = fg_gmm_bic(gmm, mean, rows);
    double seconds = stopwatch_seconds() - s->began;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "model", args->model);
    json_text(out, "data", args->data);
    json_text(out, "output", args->output);
    json_whole(out, "rows", rows);
    json_real(out, "log_likelihood", mean);
    json_real(out, "aic", aic);
    json_real(out, "bic", bic);
    json_real(out, "seconds", seconds);
    json_close(out, '}');
    session_say(s, "rows             %s", text_count(rows).s);
    session_say(s, "log-likelihood   %.6g nats a row", mean);
    session_say(s, "AIC              %.8g", aic);
    session_say(s, "BIC              %.8g", bic);
    if (args->output) session_say(s, "written          %s, one value a row", args->output);
}

static fg_status score_blocks(session *s, const fg_gmm *gmm, fg_source *data, fg_sink *sink,
                              fg_dtype dtype, double *mean)
{
    blocks b;
    fg_out densities = {0};
    double sum = 0;
    fg_status status = blocks_open(s, data, "score", (int64_t)sizeof(double), &b);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, 1, dtype, &densities);
    while (status == FG_OK && (status = blocks_next(&b)) == FG_OK && b.rows > 0) {
        double block_mean;
        densities.rows = b.rows;
        status = fg_gmm_score(s->ctx, gmm, b.source, &densities, &block_mean);
        fg_view written = rows_written(&densities, b.rows);
        if (status == FG_OK) sum += block_mean * (double)b.rows;
        if (status == FG_OK && sink) status = fg_sink_write(sink, &written);
        status = blocks_blame(&b, status);
    }
    *mean = sum / (double)b.total;
    free(densities.data);
    blocks_close(&b);
    return status;
}

static fg_status run(session *s, const score_args *args)
{
    fg_gmm *gmm = NULL;
    fg_source *data = NULL;
    fg_source_info shape;
    fg_sink *sink = NULL;
    fg_dtype dtype = FG_F64;
    double mean = 0;
    fg_status status = fg_gmm_load(args->model, 1, &gmm);
    if (status == FG_OK) status = rows_open(args->data, args->format, &data, &shape);
    if (status == FG_OK && args->output) {
        status = sinks_dtype(s, args->output, SINK_REALS, FG_F64, &dtype);
        if (status == FG_OK) status = fg_sink_file(args->output, NULL, 1, dtype, &sink);
    }
    if (status == FG_OK) status = score_blocks(s, gmm, data, sink, dtype, &mean);
    status = sinks_end(sink, status);
    if (status == FG_OK) tell(s, args, gmm, shape.rows, mean);
    fg_source_destroy(data);
    fg_gmm_destroy(gmm);
    return status;
}

int cmd_score(int argc, char **argv)
{
    score_args args = {0};
    const operand operands[] = {{"MODEL", "a mixture made by flashgmm fit", &args.model},
                                {"DATA", "a file of rows", &args.data}};
    const option options[] = {
        {"output", 'o', "FILE", "write each row's log-density to .npy (f64), .fvecs or .fbin (f32)",
         .text = &args.output},
        {"format", 0, "NAME", "of DATA (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "score",
        .summary = "how probable the rows are under a mixture; AIC and BIC",
        .synopsis = "MODEL DATA [-o FILE]",
        TABLES(operands, options),
        .notes = "AIC and BIC are lower for better models, whatever their number of components.",
        .example = "flashgmm score words.fgm held-out.fvecs"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
