/* SPDX-License-Identifier: Apache-2.0 */
/* bench_lloyd.c - whole iterations of Lloyd's with and without bounds of rows. Knows sources, passes and Lloyd; knows no ISA.
 *
 *     bench_lloyd [FILE [K [ISA [THREADS [RUNS [PASSES]]]]]]     (default: demo/glove-20k.npy, 1024, the best, 1, 7, 25)
 *
 * Seeds are rows at equal distances. Both ways run in turn; their centroids and histories must be the same bits. Prints a line
 * of JSON: the least and the median seconds of each, and which share of the products bounds have left in the last pass. */
#include "clock.h"
#include "context.h"
#include "lloyd.h"
#include "source.h"

#include <inttypes.h> /* PRId64 */
#include <stdio.h>    /* printf, fprintf */
#include <stdlib.h>   /* atoi, exit, qsort */
#include <string.h>   /* memcmp, strrchr */

enum { MOST_RUNS = 99 };

typedef struct bench {
    fg_context *ctx;
    fg_source *src;
    fgi_moments moments;
    int32_t k, passes;
    float *seeds; /* k x cols */
} bench;

typedef struct result {
    fgi_params centroids;
    double *history, seconds;
    int32_t iterations;
    int64_t screened; /* in the last pass */
} result;

static void must(fg_status s)
{
    if (s == FG_OK) return;
    fprintf(stderr, "bench_lloyd: %s\n", fg_last_error());
    exit(1);
}

static void read_seeds(bench *b)
{
    const int32_t d = b->src->cols;
    must(fgi_alloc(NULL, (int64_t)b->k * d, sizeof *b->seeds, &b->seeds));
    for (int32_t j = 0; j < b->k; j++) {
        const fg_out out = {
            .data = b->seeds + (int64_t)j * d, .rows = 1, .cols = d, .dtype = FG_F32};
        must(fgi_source_read(b->src, b->src->rows * j / b->k, &out));
    }
}

static result run(const bench *b, bool held)
{
    const int32_t d = b->src->cols;
    const fgi_backend_ops *ops = b->ctx->backend->ops;
    const fgi_hold all = {
        .source = b->src, .rows = b->src->rows, .cols = d, .dtype = b->src->dtype};
    const fgi_lloyd how = {.max_iter = b->passes, .tol = -1.0};
    result r = {0};
    fgi_stats stats;
    must(fgi_params_create(NULL, FGI_HARD, b->k, d, &r.centroids));
    must(fgi_alloc(NULL, b->passes, sizeof *r.history, &r.history));
    must(fgi_stats_create(NULL, FGI_HARD, b->k, d, &stats));
    for (int32_t i = 0; i < d; i++) r.centroids.center[i] = b->moments.center[i];
    for (int64_t i = 0; i < (int64_t)b->k * d; i++)
        r.centroids.means[i] = (double)b->seeds[i] - b->moments.center[i % d];
    fgi_lloyd_state state = {.centroids = &r.centroids, .stats = &stats, .history = r.history};
    const double begin = fgi_seconds();
    if (held) ops->hold(b->ctx->backend, &all);
    must(fgi_lloyd_run(b->ctx, b->src, &how, NULL, &state));
    if (held) ops->release(b->ctx->backend);
    r.seconds = fgi_seconds() - begin;
    r.iterations = state.iterations;
    r.screened = stats.screened;
    fgi_stats_destroy(&stats);
    return r;
}

static void check(const result *a, const result *b, const bench *of)
{
    const size_t means = (size_t)of->k * (size_t)of->src->cols * sizeof(double);
    if (a->iterations == b->iterations && !memcmp(a->centroids.means, b->centroids.means, means) &&
        !memcmp(a->history, b->history, (size_t)a->iterations * sizeof(double)))
        return;
    fprintf(stderr, "bench_lloyd: bounds change the result\n");
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs both ways in turn; seconds of each are sorted. Gives the share of products that bounds have left back. */
static double compare(const bench *b, int32_t runs, double seconds[2][MOST_RUNS])
{
    double left = 0.0;
    for (int32_t i = 0; i < runs; i++) {
        result plain = run(b, false), bounded = run(b, true);
        check(&plain, &bounded, b);
        seconds[0][i] = plain.seconds;
        seconds[1][i] = bounded.seconds;
        left = (double)bounded.screened / (double)plain.screened;
        fgi_params_destroy(&plain.centroids);
        fgi_params_destroy(&bounded.centroids);
        fgi_free(plain.history);
        fgi_free(bounded.history);
    }
    for (int way = 0; way < 2; way++) qsort(seconds[way], (size_t)runs, sizeof(double), by_size);
    return left;
}

static void print(const bench *b, const char *file, int32_t runs, double seconds[2][MOST_RUNS])
{
    const char *slash = strrchr(file, '/');
    const double *plain = seconds[0], *bounds = seconds[1];
    printf("{\"file\": \"%s\", \"N\": %" PRId64 ", \"D\": %d, \"K\": %d, ",
           slash ? slash + 1 : file, b->src->rows, b->src->cols, b->k);
    printf("\"isa\": \"%s\", \"threads\": %d, \"passes\": %d, \"runs\": %d, ", b->ctx->kernels->isa,
           fgi_pool_threads(b->ctx->pool), b->passes, runs);
    printf("\"plain_least\": %.4f, \"plain_median\": %.4f, ", plain[0], plain[runs / 2]);
    printf("\"bounds_least\": %.4f, \"bounds_median\": %.4f, ", bounds[0], bounds[runs / 2]);
    printf("\"times_least\": %.3f, \"times_median\": %.3f, ", plain[0] / bounds[0],
           plain[runs / 2] / bounds[runs / 2]);
}

int main(int argc, char **argv)
{
    const char *file = argc > 1 ? argv[1] : "demo/glove-20k.npy", *isa = argc > 3 ? argv[3] : NULL;
    const int32_t threads = argc > 4 ? atoi(argv[4]) : 1, asked = argc > 5 ? atoi(argv[5]) : 7;
    const int32_t runs = asked < 1 ? 1 : asked < MOST_RUNS ? asked : MOST_RUNS;
    bench b = {.k = argc > 2 ? atoi(argv[2]) : 1024, .passes = argc > 6 ? atoi(argv[6]) : 25};
    const fg_context_options o = {
        .struct_size = sizeof o, .backend = FG_BACKEND_CPU, .threads = threads, .isa = isa};
    static double seconds[2][MOST_RUNS];
    must(fg_context_create(&o, &b.ctx));
    must(fgi_source_file(file, NULL, &b.src));
    must(fgi_moments_of(b.ctx, b.src, &(fgi_reading){0}, NULL, &b.moments));
    read_seeds(&b);
    const double left = compare(&b, runs, seconds);
    print(&b, file, runs, seconds);
    printf("\"left\": %.3f}\n", left);
    fgi_free(b.seeds);
    fgi_moments_destroy(&b.moments);
    fg_source_destroy(b.src);
    fg_context_destroy(b.ctx);
    return 0;
}
