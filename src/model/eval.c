/* SPDX-License-Identifier: Apache-2.0 */
/* eval.c - searches with more and more probes, counts and times. Knows searches and their truth;
 * knows no list. */
#include "eval.h"

#include "calibration.h"
#include "clock.h"
#include "eval_truth.h"
#include "fit.h"
#include "ivf_search.h"

#include <stdlib.h> /* qsort */
#include <string.h> /* memcpy */

enum { DEFAULT_LATENCY_QUERIES = 1000 };

typedef struct evaluation {
    fg_context *ctx;
    const fg_ivf *ivf;
    const fg_view *queries;
    const fg_eval_options *opt;
    fgi_truth truth;
    int64_t *ids;   /* queries x n */
    float *scores;  /* queries x n */
    double *waited; /* latency_queries */
} evaluation;

/* Searches for queries first .. first + count - 1; gives the seconds. */
static fg_status timed_search(evaluation *e, int64_t first, int64_t count,
                              const fg_eval_point *point, fg_search_stats *stats, double *seconds)
{
    const int32_t n = e->opt->n;
    const fg_search_options wanted = {
        .n = n, .probes = point->probes, .order = e->opt->order, .recall = point->target};
    const fg_view queries = fgi_view_rows(e->queries, first, count);
    const fg_out ids = {.data = e->ids + first * n, .rows = count, .cols = n, .dtype = FG_I64};
    const fg_out scores = {
        .data = e->scores + first * n, .rows = count, .cols = n, .dtype = FG_F32};
    fg_search_options resolved;
    FG_TRY(fgi_search_resolve(e->ivf, &wanted, &resolved));
    const double began = fgi_seconds();
    FG_TRY(fgi_ivf_search(e->ctx, e->ivf, &queries, &resolved, &ids, &scores, stats));
    *seconds = fgi_seconds() - began;
    return FG_OK;
}

static double recall_of(const evaluation *e)
{
    int64_t found = 0, wanted = 0;
    for (int64_t q = 0; q < e->queries->rows; q++) {
        const int64_t at = q * e->opt->n;
        found += fgi_truth_found(&e->truth, q, e->ids + at, e->scores + at);
        wanted += fgi_truth_count(&e->truth, q);
    }
    return wanted > 0 ? (double)found / (double)wanted : 1.0; /* nothing to find */
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least of the sorted values that so many hundredths of them do not exceed. */
static double percentile(const double *sorted, int64_t count, int32_t hundredths)
{
    return sorted[(count * hundredths + 99) / 100 - 1];
}

static fg_status measure_latency(evaluation *e, fg_eval_point *point)
{
    const int64_t count = e->opt->latency_queries;
    for (int64_t q = 0; q < count; q++) FG_TRY(timed_search(e, q, 1, point, NULL, &e->waited[q]));
    qsort(e->waited, (size_t)count, sizeof *e->waited, ascending);
    point->p50_us = 1e6 * percentile(e->waited, count, 50);
    point->p99_us = 1e6 * percentile(e->waited, count, 99);
    return FG_OK;
}

/* point: probes or target is set, the rest is found out. */
static fg_status measure(evaluation *e, fg_eval_point *point)
{
    fg_search_stats stats;
    double seconds;
    FG_TRY(timed_search(e, 0, e->queries->rows, point, &stats, &seconds));
    const double queries = (double)stats.queries;
    *point = (fg_eval_point){.probes = point->probes,
                             .target = point->target,
                             .recall = recall_of(e),
                             .dco = (double)(stats.centroids + stats.entries) / queries,
                             .dco_unique = (double)(stats.centroids + stats.distances) / queries,
                             .qps = queries / seconds};
    return measure_latency(e, point);
}

static fg_status prepare(evaluation *e)
{
    fgi_ledger *ledger = &e->ctx->ledger;
    const int64_t rows = e->queries->rows;
    const size_t n = (size_t)e->opt->n;
    FG_TRY(fgi_alloc(ledger, rows, n * sizeof *e->ids, &e->ids));
    FG_TRY(fgi_alloc(ledger, rows, n * sizeof *e->scores, &e->scores));
    FG_TRY(fgi_alloc(ledger, e->opt->latency_queries, sizeof *e->waited, &e->waited));
    return fgi_truth_create(e->ctx, e->ivf, e->queries, e->opt->truth, e->opt->n, &e->truth);
}

static fg_status measure_all(evaluation *e, const int32_t *probes, int32_t count,
                             fg_eval_point *points)
{
    fgi_listener listener = fgi_listener_begin(e->opt->progress, e->opt->user);
    listener.now.phase = "eval";
    for (int32_t i = 0; i < count; i++) {
        points[i] = (fg_eval_point){.probes = e->opt->recalls ? 0 : probes[i],
                                    .target = e->opt->recalls ? e->opt->recalls[i] : 0};
        FG_TRY(measure(e, &points[i]));
        FG_TRY(fgi_listener_step(&listener, i + 1, count));
    }
    return FG_OK;
}

static fg_status check_truth(const fg_view *truth, int64_t queries, int32_t n)
{
    FG_TRY(fgi_view_check(truth, "truth"));
    if (truth->rows != queries)
        return fgi_fail(FG_ARGUMENT, "truth has %lld rows; there are %lld queries",
                        (long long)truth->rows, (long long)queries);
    if (truth->cols < n)
        return fgi_fail(FG_ARGUMENT, "truth has %d columns; n is %d", truth->cols, n);
    if (truth->dtype == FG_I32 || truth->dtype == FG_I64) return FG_OK;
    return fgi_fail(FG_ARGUMENT, "truth is %s; it must be i32 or i64",
                    fg_dtype_text((fg_dtype)truth->dtype));
}

fg_status fgi_eval_resolve(const fg_ivf *ivf, const fg_view *queries, const fg_eval_options *in,
                           fg_eval_options *out)
{
    fg_eval_options o = *in;
    const fg_search_options search = {.n = o.n, .order = o.order};
    fg_search_options resolved;
    FG_TRY(fgi_search_resolve(ivf, &search, &resolved));
    o.n = resolved.n;
    if (o.truth) FG_TRY(check_truth(o.truth, queries->rows, o.n));
    FG_TRY(fgi_check_range("latency_queries", o.latency_queries, 0, INT32_MAX));
    if (o.latency_queries == 0) o.latency_queries = DEFAULT_LATENCY_QUERIES;
    if (o.latency_queries > queries->rows) o.latency_queries = (int32_t)queries->rows;
    *out = o;
    return FG_OK;
}

fg_status fgi_ivf_eval(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                       const fg_eval_options *opt, const int32_t *probes, int32_t count,
                       fg_eval_point *points)
{
    for (int32_t i = 0; !opt->recalls && i < count; i++)
        FG_TRY(fgi_check_range("probes", probes[i], 1, INT32_MAX));
    for (int32_t i = 0; opt->recalls && i < count; i++) {
        fgi_rules rules;
        FG_TRY(fgi_calibration_find(ivf, opt->recalls[i], &rules));
    }
    evaluation e = {.ctx = ctx, .ivf = ivf, .queries = queries, .opt = opt};
    fg_eval_point *measured = NULL;
    fg_status s = prepare(&e);
    if (s == FG_OK) s = fgi_alloc(&ctx->ledger, count, sizeof *measured, &measured);
    if (s == FG_OK) s = measure_all(&e, probes, count, measured);
    if (s == FG_OK && count > 0) memcpy(points, measured, (size_t)count * sizeof *points);
    fgi_truth_destroy(&e.truth);
    fgi_free(e.ids);
    fgi_free(e.scores);
    fgi_free(e.waited);
    fgi_free(measured);
    return s;
}
