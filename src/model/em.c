/* SPDX-License-Identifier: Apache-2.0 */
/* em.c - expectation maximisation: passes that give statistics, updates that use them, until nothing is gained.
 * Knows passes and convergence; knows no ISA, no file, no start. */
#include "em.h"

#include "em_start.h"
#include "fit.h"
#include "turns.h"

#include <math.h> /* fabs */

static fg_status check_shares(const fg_gmm_options *o)
{
    if (isnan(o->tol) || isnan(o->tol_relative))
        return fgi_fail(FG_ARGUMENT, "tol or tol_relative is NaN; use a negative number for never");
    if (o->var_floor >= 0.0 && o->var_floor <= 1.0) return FG_OK;
    return fgi_fail(FG_ARGUMENT,
                    "var_floor is %g; it must be in 0..1 (a share of the data's variance)",
                    o->var_floor);
}

static fg_status check_start(const fg_gmm_options *o, fgi_kind kind, int32_t cols)
{
    if (o->init != FG_INIT_GIVEN) return FG_OK;
    if (!o->start) return fgi_fail(FG_ARGUMENT, "start is NULL; FG_INIT_GIVEN needs a mixture");
    const fgi_params *p = &o->start->params;
    if (p->k != o->k) return fgi_fail(FG_ARGUMENT, "k is %d; start has %d components", o->k, p->k);
    if (p->d != cols)
        return fgi_fail(FG_ARGUMENT, "start has %d dimensions; the rows have %d", p->d, cols);
    if (p->kind != kind)
        return fgi_fail(FG_ARGUMENT, "covariance is %d; start's is %d (fg_covariance)",
                        o->covariance, fgi_covariance_of_kind(p->kind));
    if (p->normalize != (o->normalize != 0))
        return fgi_fail(FG_ARGUMENT, "normalize is %d; start was made with %d", o->normalize,
                        p->normalize);
    return FG_OK;
}

fg_status fgi_gmm_resolve(const fg_gmm_options *in, int64_t rows, int32_t cols, fg_gmm_options *out)
{
    fg_gmm_options o = *in;
    fgi_kind kind;
    FG_TRY(fgi_check_k(o.k, rows));
    FG_TRY(fgi_kind_of_covariance(o.covariance, &kind));
    FG_TRY(fgi_check_init(o.init));
    FG_TRY(fgi_check_range("kmeans_iter", o.kmeans_iter, 0, FGI_MAX_ITERATIONS));
    FG_TRY(fgi_check_range("max_iter", o.max_iter, 0, FGI_MAX_ITERATIONS));
    FG_TRY(fgi_check_range("restarts", o.restarts, 0, 1000));
    FG_TRY(fgi_check_range("sample_rows", o.sample_rows, 0, INT64_MAX));
    FG_TRY(fgi_check_range("bad_rows", o.bad_rows, FG_BAD_ROWS_REFUSE, FG_BAD_ROWS_SKIP));
    if (o.sample_rows && o.sample_rows < o.k)
        return fgi_fail(FG_ARGUMENT, "sample_rows is %lld; it must be at least k, %d",
                        (long long)o.sample_rows, o.k);
    FG_TRY(check_shares(&o));
    FG_TRY(check_start(&o, kind, cols));
    if (!o.kmeans_iter) o.kmeans_iter = 10;
    if (!o.max_iter) o.max_iter = 90;
    if (!o.restarts || o.init == FG_INIT_GIVEN) o.restarts = 1; /* one start, one result */
    if (o.tol == 0.0) o.tol = 1e-4;
    if (o.tol_relative == 0.0) o.tol_relative = 1e-7;
    if (o.var_floor == 0.0) o.var_floor = 1e-6;
    *out = o;
    return FG_OK;
}

/* A mixture at work. */
typedef struct trial {
    fgi_params params;
    int32_t *states;
    double *history; /* max_iter + 1: the log-likelihood of every pass */
    int32_t passes, updates, revived, restart, stop_reason;
    double log_likelihood, dropped; /* of params */
} trial;

/* What one fit of several trials shares. */
typedef struct em_fit {
    fgi_fit *fit;
    const fg_gmm_options *options;
    fgi_stats stats;
    double *floor;
    trial trials[2]; /* the best so far and the one at work trade places */
    int32_t best;
} em_fit;

/* Whether to stop with the parameters that the last pass has just evaluated. */
static bool is_over(const em_fit *e, trial *t, double before, bool revived)
{
    const fg_gmm_options *o = e->options;
    const double rise = t->log_likelihood - before;
    const bool comparable = t->passes > 1 && !revived;
    if (e->fit->listener.cancelled)
        t->stop_reason = FG_STOP_CALLBACK;
    else if (comparable && o->tol >= 0.0 && rise <= o->tol)
        t->stop_reason = FG_STOP_TOL;
    else if (comparable && o->tol_relative >= 0.0 &&
             rise <= o->tol_relative * fabs(t->log_likelihood))
        t->stop_reason = FG_STOP_TOL;
    else if (t->updates == o->max_iter)
        t->stop_reason = FG_STOP_MAX_ITER;
    else
        return false;
    return true;
}

static fg_status evaluate(em_fit *e, trial *t, fgi_turns *turns)
{
    e->fit->listener.now.step = t->passes + 1;
    FG_TRY(fgi_turns_next(turns, (int64_t)e->options->max_iter + 1 - t->passes));
    const double rows = (double)turns->now.rows;
    t->log_likelihood = turns->now.objective / rows;
    t->dropped = turns->now.dropped / rows;
    t->history[t->passes++] = t->log_likelihood;
    fgi_listener_value(&e->fit->listener, t->log_likelihood);
    return FG_OK;
}

static fg_status take_turns(em_fit *e, trial *t, fgi_turns *turns)
{
    int32_t count = 0;
    FG_TRY(fgi_turns_begin(turns));
    for (double before = 0.0;; before = t->log_likelihood) {
        FG_TRY(evaluate(e, t, turns));
        if (is_over(e, t, before, count > 0)) return fgi_turns_settle(turns);
        t->updates++;
        /* bounded, so that a fit cannot revive for ever */
        FG_TRY(fgi_turns_update(turns, t->revived < t->params.k, &count));
        t->revived += count;
    }
}

static fg_status iterate(em_fit *e, trial *t)
{
    fgi_turns turns = {
        .ctx = e->fit->ctx,
        .src = e->fit->rows,
        .plan = {.floor = e->floor,
                 .shared_variance = e->options->shared_variance != 0,
                 .seed = e->options->seed + (uint64_t)t->restart,
                 .bad_rows = e->fit->reading.bad_rows,
                 .listener = &e->fit->listener},
        .params = &t->params,
        .states = t->states,
        .stats = &e->stats,
    };
    fgi_listener_phase(&e->fit->listener, "em", (int64_t)e->options->max_iter + 1);
    const fg_status s = take_turns(e, t, &turns);
    fgi_turns_end(&turns);
    return s;
}

static fg_status run_trial(em_fit *e, int32_t restart, trial *t)
{
    t->passes = t->updates = t->revived = 0;
    t->restart = restart;
    const fgi_em_start how = {
        .options = e->options,
        .seed = e->options->seed + (uint64_t)restart,
        .floor = e->floor,
    };
    FG_TRY(fgi_em_start_run(e->fit, &how, &e->stats, &t->params, t->states));
    if (restart == 0) fgi_fit_started(e->fit);
    return iterate(e, t);
}

static fg_status run_trials(em_fit *e)
{
    for (int32_t restart = 0; restart < e->options->restarts; restart++) {
        if (restart > 0 && e->fit->listener.cancelled) break;
        trial *t = &e->trials[restart == 0 ? 0 : 1 - e->best];
        const fg_status s = run_trial(e, restart, t);
        if (restart > 0 && fgi_fit_was_stopped(e->fit, s)) break; /* the best so far stands */
        FG_TRY(s);
        if (restart == 0 || t->log_likelihood > e->trials[e->best].log_likelihood)
            e->best = (int32_t)(t - e->trials);
    }
    return FG_OK;
}

static fg_status em_fit_create(fgi_fit *fit, const fg_gmm_options *o, em_fit *e)
{
    fgi_ledger *ledger = &fit->ctx->ledger;
    const int32_t d = fit->moments.d;
    *e = (em_fit){.fit = fit, .options = o};
    fgi_kind kind;
    FG_TRY(fgi_kind_of_covariance(o->covariance, &kind));
    FG_TRY(fgi_stats_create(ledger, kind, o->k, d, &e->stats));
    FG_TRY(fgi_alloc(ledger, fgi_variance_cols(kind, d), sizeof(double), &e->floor));
    fgi_variance_floor(&fit->moments, kind, o->var_floor, e->floor);
    for (int i = 0; i < (o->restarts > 1 ? 2 : 1); i++) {
        trial *t = &e->trials[i];
        FG_TRY(fgi_params_create(ledger, kind, o->k, d, &t->params));
        FG_TRY(fgi_alloc_zero(ledger, o->k, sizeof *t->states, &t->states));
        FG_TRY(fgi_alloc(ledger, (int64_t)o->max_iter + 1, sizeof *t->history, &t->history));
        t->params.normalize = fit->reading.normalize;
        for (int32_t c = 0; c < d; c++) t->params.center[c] = fit->moments.center[c];
    }
    return FG_OK;
}

static void em_fit_free(em_fit *e)
{
    for (int i = 0; i < 2; i++) {
        fgi_params_destroy(&e->trials[i].params);
        fgi_free(e->trials[i].states);
        fgi_free(e->trials[i].history);
    }
    fgi_free(e->floor);
    fgi_stats_destroy(&e->stats);
}

/* A callback that stops any of the restarts has stopped the fit. */
static int32_t stop_reason(const em_fit *e)
{
    return e->fit->listener.cancelled ? FG_STOP_CALLBACK : e->trials[e->best].stop_reason;
}

/* Squares of differences are f32 on their way into the sums. */
static fg_status check_variances(const fgi_params *p)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    for (int64_t i = 0; i < (int64_t)p->k * cols; i++)
        if (!(p->variances[i] <= FGI_MOST_VARIANCE))
            return fgi_fail(FG_NUMERIC,
                            "component %lld has variance %g; at most %g can be, and rows lie too "
                            "far apart for f32",
                            (long long)(i / cols), p->variances[i], FGI_MOST_VARIANCE);
    return FG_OK;
}

static fg_status hand_over(const em_fit *e, fg_gmm **out)
{
    const trial *t = &e->trials[e->best];
    fg_gmm *gmm;
    FG_TRY(check_variances(&t->params));
    FG_TRY(fgi_gmm_create(t->params.kind, t->params.k, t->params.d, &gmm));
    fgi_params_copy(&gmm->params, &t->params);
    for (int32_t j = 0; j < t->params.k; j++) gmm->states[j] = t->states[j];
    gmm->iterations = t->updates;
    gmm->stop_reason = stop_reason(e);
    gmm->rows = e->fit->moments.rows;
    gmm->log_likelihood = t->log_likelihood;
    *out = gmm;
    return FG_OK;
}

static void tell_report(const em_fit *e, fg_fit_report *report)
{
    if (!report) return;
    const trial *t = &e->trials[e->best];
    report->iterations = t->updates;
    report->stop_reason = stop_reason(e);
    report->restart = t->restart;
    report->revived = t->revived;
    report->dead = report->floored = 0;
    for (int32_t j = 0; j < t->params.k; j++) {
        report->dead += t->states[j] == FG_COMPONENT_DEAD;
        report->floored += t->states[j] == FG_COMPONENT_FLOORED;
    }
    report->objective = t->log_likelihood;
    report->dropped = t->dropped;
    fgi_fit_report(e->fit, t->history, t->passes, report);
}

fg_status fgi_gmm_fit(fg_context *ctx, fg_source *rows, const fg_gmm_options *opt, fg_gmm **out,
                      fg_fit_report *report)
{
    fg_gmm_options o;
    FG_TRY(fgi_gmm_resolve(opt, rows->rows, rows->cols, &o));
    const fgi_fit_plan plan = {
        .sample_rows = o.sample_rows,
        .seed = o.seed,
        .reading = {.normalize = o.normalize != 0, .bad_rows = (fg_bad_rows)o.bad_rows},
        .progress = o.progress,
        .user = o.user,
    };
    fgi_fit fit;
    FG_TRY(fgi_fit_open(ctx, rows, &plan, &fit));
    em_fit e;
    fg_status s = em_fit_create(&fit, &o, &e);
    if (s == FG_OK) s = fgi_check_k(o.k, fit.moments.rows);
    if (s == FG_OK) s = run_trials(&e);
    if (s == FG_OK) s = hand_over(&e, out);
    if (s == FG_OK) tell_report(&e, report);
    em_fit_free(&e);
    fgi_fit_close(&fit);
    return s;
}
