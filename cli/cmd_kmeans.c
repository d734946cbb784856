/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_kmeans.c - clusters the rows of a file by k-means; writes centroids and, if asked, labels. */
#include "command.h"
#include "report.h"
#include "rows.h"
#include "sinks.h"
#include "words.h"

#include <float.h>  /* DBL_MIN */
#include <stdlib.h> /* free */

#define WORDS_INIT "kmeans|kmeans++|random" /* fg_init */

typedef struct kmeans_args {
    const char *data, *format, *output, *labels, *init;
    fg_kmeans_options opt;
    bool skip_bad_rows, normalize, spherical;
} kmeans_args;

static void tell(session *s, const kmeans_args *args, const fg_fit_report *report, int32_t dims)
{
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "data", args->data);
    json_text(out, "output", args->output);
    json_whole(out, "rows", report->rows);
    json_whole(out, "dims", dims);
    json_whole(out, "clusters", args->opt.k);
    json_real(out, "mean_squared_distance", report->objective);
    report_fit_json(s, report, args->opt.restarts);
    json_close(out, '}');

    session_say(s, "centroids        %s: %s of %d dimensions, of %s", text_file_name(args->output),
                text_count(args->opt.k).s, dims, text_plural(report->rows, "row").s);
    session_say(s, "mean sq. dist.   %.6g", report->objective);
    report_fit_say(s, report, args->opt.restarts);
    session_say(s, "next: flashgmm index %s --centroids %s -o index.fgi", args->data, args->output);
}

static fg_status write_centroids(session *s, const char *path, const fg_out *centroids)
{
    fg_sink *sink = NULL;
    fg_status status = sinks_open(s, path, SINK_REALS, centroids->cols, FG_F32, &sink);
    fg_view written = rows_written(centroids, centroids->rows);
    if (status == FG_OK) status = fg_sink_write(sink, &written);
    return sinks_end(sink, status);
}

static fg_status write_labels(session *s, const char *path, const fg_out *centroids,
                              fg_source *data)
{
    blocks b;
    fg_sink *sink = NULL;
    fg_out labels = {0};
    const fg_view given = rows_written(centroids, centroids->rows);
    fg_status status = blocks_open(s, data, "labels", (int64_t)sizeof(int32_t), &b);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, 1, FG_I32, &labels);
    if (status == FG_OK) status = sinks_open(s, path, SINK_NUMBERS, 1, FG_I32, &sink);
    while (status == FG_OK && (status = blocks_next(&b)) == FG_OK && b.rows > 0) {
        labels.rows = b.rows;
        fg_view written = rows_written(&labels, b.rows);
        status = fg_kmeans_assign(s->ctx, &given, b.source, &labels, NULL);
        if (status == FG_OK) status = fg_sink_write(sink, &written);
        status = blocks_blame(&b, status);
    }
    free(labels.data);
    blocks_close(&b);
    return sinks_end(sink, status);
}

/* A word, or a file of centroids, which then decides on k. */
static fg_status take_start(session *s, kmeans_args *args, fg_view *start)
{
    int32_t word = words_find(WORDS_INIT, args->init);
    if (word >= 0) {
        args->opt.init = word;
        return FG_OK;
    }
    fg_status status = rows_load(s, args->init, NULL, start);
    if (status != FG_OK) return status;
    args->opt.init = FG_INIT_GIVEN;
    args->opt.start = start;
    if (!args->opt.k) args->opt.k = (int32_t)start->rows;
    return FG_OK;
}

static fg_status run(session *s, kmeans_args *args)
{
    fg_kmeans_options *opt = &args->opt;
    fg_source *data = NULL;
    fg_source_info shape;
    fg_view start = {0};
    fg_out centroids = {0};
    fg_fit_report report = {.struct_size = sizeof report, .history_capacity = opt->max_iter + 1};
    void *history = NULL;
    fg_dtype dtype;
    fg_status status = sinks_dtype(s, args->output, SINK_REALS, FG_F32, &dtype);
    if (status == FG_OK) status = rows_open(args->data, args->format, &data, &shape);
    if (status == FG_OK) status = take_start(s, args, &start);
    if (status == FG_OK) status = rows_alloc(s, opt->k, shape.cols, FG_F32, &centroids);
    if (status == FG_OK)
        status = session_alloc(s, report.history_capacity, sizeof(double), &history);
    if (status == FG_OK) {
        report.history = history;
        opt->struct_size = sizeof *opt;
        opt->bad_rows = args->skip_bad_rows ? FG_BAD_ROWS_SKIP : FG_BAD_ROWS_REFUSE;
        opt->normalize = args->normalize;
        opt->spherical = args->spherical;
        opt->progress = progress_report;
        opt->user = &s->progress;
        status = fg_kmeans_fit(s->ctx, data, opt, &centroids, &report);
    }
    if (status == FG_OK) status = write_centroids(s, args->output, &centroids);
    if (status == FG_OK && args->labels) status = write_labels(s, args->labels, &centroids, data);
    if (status == FG_OK) tell(s, args, &report, shape.cols);
    free(history);
    free(centroids.data);
    rows_free(&start);
    fg_source_destroy(data);
    return status;
}

int cmd_kmeans(int argc, char **argv)
{
    kmeans_args args = {.output = "centroids.fvecs", .init = "kmeans++", .opt = {.max_iter = 25}};
    fg_kmeans_options *opt = &args.opt;
    double tol = 1e-4;
    const operand operands[] = {{"DATA", "a file of rows, one vector each", &args.data}};
    const option options[] = {
        {"k", 'k', "K", "number of clusters; needed unless --init is a file", .i32 = &opt->k,
         AT_LEAST(1)},
        {"output", 'o', "FILE",
         "where the centroids go: .fvecs, .npy or .fbin (default centroids.fvecs)",
         .text = &args.output},
        {"labels", 0, "FILE", "write the nearest centroid of each row to .ivecs, .npy or .ibin",
         .text = &args.labels},
        {"init", 0, "HOW", "kmeans++ (default), random, or a file of centroids to start from",
         .text = &args.init},
        {"max-iter", 0, "N", "iterations at most (default 25)", .i32 = &opt->max_iter,
         WITHIN(1, 1000000)},
        {"tol", 0, "SHARE",
         "stop when the mean squared distance falls by at most this share (default 1e-4; "
         "negative: never)",
         .f64 = &tol},
        {"restarts", 0, "R", "runs from other seeds; the best is kept (default 1)",
         .i32 = &opt->restarts, AT_LEAST(1)},
        {"seed", 0, "S", "of the random choices (default 0)", .u64 = &opt->seed},
        {"sample", 0, "ROWS", "train on this many random rows (default: all)",
         .i64 = &opt->sample_rows, AT_LEAST(1)},
        {"normalize", 0, NULL, "scale every row to length 1 first (cosine)",
         .flag = &args.normalize},
        {"spherical", 0, NULL, "with --normalize: scale centroids to length 1 too",
         .flag = &args.spherical},
        {"skip-bad-rows", 0, NULL, "pass over rows with NaN or infinity instead of refusing them",
         .flag = &args.skip_bad_rows},
        {"format", 0, "NAME", "of DATA (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "kmeans",
        .summary = "cluster the rows of a file by k-means",
        .synopsis = "DATA -k K [-o CENTROIDS.fvecs] [options]",
        TABLES(operands, options),
        .notes = "Ctrl-C ends the run after the pass at hand and keeps the centroids so far.",
        .example = "flashgmm kmeans words.fvecs -k 256 -o centroids.fvecs --labels labels.ivecs"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (!opt->k && words_find(WORDS_INIT, args.init) >= 0)
        return options_mistake(&line, "-k is missing; usage: flashgmm kmeans %s", line.synopsis);
    opt->tol = tol == 0 ? DBL_MIN : tol; /* the library reads 0 as its default */
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
