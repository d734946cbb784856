/* SPDX-License-Identifier: Apache-2.0 */
/* kmeans.c - k-means from options to centroids: moments, seeds, Lloyd, restarts. Knows no ISA, no file. */
#include "kmeans.h"

#include "centroids.h"
#include "fit.h"
#include "lloyd.h"
#include "mstep.h"
#include "seeding.h"

fg_status fgi_kmeans_resolve(const fg_kmeans_options *in, int64_t rows, int32_t cols,
                             fg_kmeans_options *out)
{
    fg_kmeans_options o = *in;
    FG_TRY(fgi_check_k(o.k, rows));
    FG_TRY(fgi_check_init(o.init));
    FG_TRY(fgi_check_range("max_iter", o.max_iter, 0, FGI_MAX_ITERATIONS));
    FG_TRY(fgi_check_range("restarts", o.restarts, 0, 1000));
    FG_TRY(fgi_check_range("sample_rows", o.sample_rows, 0, INT64_MAX));
    FG_TRY(fgi_check_range("bad_rows", o.bad_rows, FG_BAD_ROWS_REFUSE, FG_BAD_ROWS_SKIP));
    if (o.sample_rows && o.sample_rows < o.k)
        return fgi_fail(FG_ARGUMENT, "sample_rows is %lld; it must be at least k, %d",
                        (long long)o.sample_rows, o.k);
    if (o.spherical && !o.normalize)
        return fgi_fail(FG_ARGUMENT,
                        "spherical is %d, but normalize is 0: centroids of length 1 "
                        "need rows of length 1",
                        o.spherical);
    if (o.init == FG_INIT_GIVEN) {
        if (!o.start) return fgi_fail(FG_ARGUMENT, "start is NULL; FG_INIT_GIVEN needs centroids");
        FG_TRY(fgi_view_check(o.start, "start"));
        if (o.start->rows != o.k || o.start->cols != cols)
            return fgi_fail(FG_ARGUMENT, "start is %lld x %d; it must be k x cols, %d x %d",
                            (long long)o.start->rows, o.start->cols, o.k, cols);
        FG_TRY(fgi_centroids_check(o.start, "start"));
    }
    if (!o.max_iter) o.max_iter = 25;
    if (!o.restarts || o.init == FG_INIT_GIVEN) o.restarts = 1; /* one start, one result */
    if (o.tol == 0.0) o.tol = 1e-4;
    *out = o;
    return FG_OK;
}

static fgi_reading reading_of(const fg_kmeans_options *o)
{
    return (fgi_reading){.normalize = o->normalize != 0, .bad_rows = (fg_bad_rows)o->bad_rows};
}

static fg_status start(fg_context *ctx, fg_source *src, const fg_kmeans_options *o, uint64_t seed,
                       fgi_listener *listener, fgi_params *centroids)
{
    if (o->init != FG_INIT_GIVEN) {
        const fgi_seeding how = {
            .method = (fg_init)o->init,
            .seed = seed,
            .reading = reading_of(o),
        };
        return fgi_seed(ctx, src, &how, listener, centroids);
    }
    for (int32_t j = 0; j < o->k; j++)
        for (int32_t i = 0; i < centroids->d; i++)
            centroids->means[(int64_t)j * centroids->d + i] =
                fgi_view_get(o->start, j, i) - centroids->center[i];
    return FG_OK;
}

/* One restart. The last update belongs to the result: its objective is about the moved centroids. */
static fg_status fit_once(fgi_fit *fit, const fg_kmeans_options *o, int32_t restart,
                          fgi_lloyd_state *state)
{
    const uint64_t seed = o->seed + (uint64_t)restart;
    FG_TRY(start(fit->ctx, fit->rows, o, seed, &fit->listener, state->centroids));
    if (restart == 0) fgi_fit_started(fit);
    const fgi_lloyd how = {
        .max_iter = o->max_iter,
        .tol = o->tol,
        .seed = seed,
        .reading = reading_of(o),
        .rule = o->spherical ? FGI_TO_SPHERE : FGI_TO_MEAN,
    };
    FG_TRY(fgi_lloyd_run(fit->ctx, fit->rows, &how, &fit->listener, state));
    state->objective =
        fgi_update_centroids(state->centroids, state->stats, how.rule) / (double)state->stats->rows;
    return FG_OK;
}

/* Two tries that trade places: the best so far and the one at work. */
typedef struct tries {
    fgi_params centroids[2];
    double *history[2];
    fgi_lloyd_state state[2];
    fgi_stats stats;
    int32_t best, restart; /* restart: which one the best was */
} tries;

static void tries_free(tries *t)
{
    for (int i = 0; i < 2; i++) {
        fgi_params_destroy(&t->centroids[i]);
        fgi_free(t->history[i]);
    }
    fgi_stats_destroy(&t->stats);
}

static fg_status tries_create(fgi_fit *fit, const fg_kmeans_options *o, tries *t)
{
    const int32_t d = fit->moments.d;
    *t = (tries){0};
    FG_TRY(fgi_stats_create(&fit->ctx->ledger, FGI_HARD, o->k, d, &t->stats));
    for (int i = 0; i < 2; i++) {
        /* without a ledger: one of the two becomes the caller's, and outlives the context */
        FG_TRY(fgi_params_create(NULL, FGI_HARD, o->k, d, &t->centroids[i]));
        FG_TRY(fgi_alloc(NULL, o->max_iter, sizeof(double), &t->history[i]));
        t->centroids[i].normalize = fit->reading.normalize;
        for (int32_t c = 0; c < d; c++) t->centroids[i].center[c] = fit->moments.center[c];
    }
    return FG_OK;
}

static fg_status run_tries(fgi_fit *fit, const fg_kmeans_options *o, tries *t)
{
    for (int32_t restart = 0; restart < o->restarts && !fit->listener.cancelled; restart++) {
        const int at = restart == 0 ? 0 : 1 - t->best;
        t->state[at] = (fgi_lloyd_state){
            .centroids = &t->centroids[at],
            .stats = &t->stats,
            .history = t->history[at],
        };
        const fg_status s = fit_once(fit, o, restart, &t->state[at]);
        if (restart > 0 && fgi_fit_was_stopped(fit, s)) break; /* the best so far stands */
        FG_TRY(s);
        if (restart == 0 || t->state[at].objective < t->state[t->best].objective) {
            t->best = at;
            t->restart = restart;
        }
    }
    return FG_OK;
}

static void tell_report(const fgi_fit *fit, const tries *t, fg_fit_report *report)
{
    if (!report) return;
    const fgi_lloyd_state *best = &t->state[t->best];
    report->iterations = best->iterations;
    report->stop_reason = fit->listener.cancelled ? FG_STOP_CALLBACK : best->stop_reason;
    report->restart = t->restart;
    report->revived = best->revived;
    report->dead = best->empty;
    report->floored = 0;
    report->dropped = 0.0;
    report->objective = best->objective;
    fgi_fit_report(fit, best->history, best->iterations, report);
}

fg_status fgi_kmeans_fit(fg_context *ctx, fg_source *rows, const fg_kmeans_options *opt,
                         fgi_params *centroids, fg_fit_report *report)
{
    fg_kmeans_options o;
    FG_TRY(fgi_kmeans_resolve(opt, rows->rows, rows->cols, &o));
    const fgi_fit_plan plan = {
        .sample_rows = o.sample_rows,
        .seed = o.seed,
        .reading = reading_of(&o),
        .progress = o.progress,
        .user = o.user,
    };
    fgi_fit fit;
    FG_TRY(fgi_fit_open(ctx, rows, &plan, &fit));
    tries t;
    fg_status s = tries_create(&fit, &o, &t);
    if (s == FG_OK) s = fgi_check_k(o.k, fit.moments.rows);
    if (s == FG_OK) s = run_tries(&fit, &o, &t);
    if (s == FG_OK) {
        tell_report(&fit, &t, report);
        *centroids = t.centroids[t.best];
        t.centroids[t.best] = (fgi_params){0};
    }
    tries_free(&t);
    fgi_fit_close(&fit);
    return s;
}
