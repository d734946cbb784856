/* SPDX-License-Identifier: Apache-2.0 */
/* fit.c - the frame around a fit. Knows sources and moments; knows neither k-means nor mixtures. */
#include "fit.h"

#include "clock.h"
#include "random.h"

fg_status fgi_check_range(const char *name, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return FG_OK;
    if (most >= INT32_MAX)
        return fgi_fail(FG_ARGUMENT, "%s is %lld; it must be at least %lld", name, (long long)value,
                        (long long)least);
    return fgi_fail(FG_ARGUMENT, "%s is %lld; it must be in %lld..%lld", name, (long long)value,
                    (long long)least, (long long)most);
}

fg_status fgi_check_k(int32_t k, int64_t rows)
{
    if (k >= 1 && (rows < 0 || k <= rows)) return FG_OK;
    if (rows < 0) return fgi_fail(FG_ARGUMENT, "k is %d; it must be at least 1", k);
    return fgi_fail(FG_ARGUMENT, "k is %d; it must be in 1..%lld (the number of rows)", k,
                    (long long)rows);
}

fg_status fgi_check_init(int32_t init)
{
    return fgi_check_range("init", init, FG_INIT_KMEANS, FG_INIT_GIVEN);
}

static void hold_rows(fg_context *ctx, const fg_source *rows)
{
    const fgi_hold all = {
        .source = rows, .rows = rows->rows, .cols = rows->cols, .dtype = rows->dtype};
    if (ctx->backend->ops->hold) ctx->backend->ops->hold(ctx->backend, &all);
}

fg_status fgi_fit_open(fg_context *ctx, fg_source *rows, const fgi_fit_plan *plan, fgi_fit *out)
{
    fgi_fit fit = {
        .ctx = ctx,
        .rows = rows,
        .reading = plan->reading,
        .listener = fgi_listener_begin(plan->progress, plan->user),
        .held_before = atomic_load(&ctx->ledger.now_bytes),
    };
    fgi_ledger_mark(&ctx->ledger);
    fg_status s = FG_OK;
    if (plan->sample_rows > 0) {
        s = fgi_source_sample(rows, &ctx->ledger, plan->sample_rows, plan->seed, FGI_STREAM_SAMPLE,
                              &fit.sample);
        if (s == FG_OK) fit.rows = fit.sample;
    }
    const bool counted = fit.rows->rows >= 0;
    if (s == FG_OK && counted) hold_rows(ctx, fit.rows);
    if (s == FG_OK) s = fgi_moments_of(ctx, fit.rows, &fit.reading, &fit.listener, &fit.moments);
    if (s == FG_OK && !counted) hold_rows(ctx, fit.rows); /* the moments' pass has counted them */
    if (s == FG_OK)
        *out = fit;
    else
        fgi_fit_close(&fit);
    return s;
}

void fgi_fit_close(fgi_fit *fit)
{
    if (fit->ctx->backend->ops->release) fit->ctx->backend->ops->release(fit->ctx->backend);
    fgi_moments_destroy(&fit->moments);
    fg_source_destroy(fit->sample);
}

bool fgi_fit_was_stopped(const fgi_fit *fit, fg_status s)
{
    return s == FG_CANCELLED && fit->listener.cancelled;
}

void fgi_fit_started(fgi_fit *fit)
{
    fit->seconds_init = fgi_seconds() - fit->listener.started;
}

void fgi_fit_report(const fgi_fit *fit, const double *history, int32_t count, fg_fit_report *report)
{
    if (!report) return;
    report->rows = fit->moments.rows;
    report->rows_skipped = fit->moments.rows_skipped;
    report->seconds = fgi_seconds() - fit->listener.started;
    report->seconds_init = fit->seconds_init;
    report->peak_workspace_bytes = atomic_load(&fit->ctx->ledger.peak_bytes) - fit->held_before;
    report->history_count = report->history ? count : 0;
    if (report->history_count > report->history_capacity)
        report->history_count = report->history_capacity;
    for (int32_t i = 0; i < report->history_count; i++) report->history[i] = history[i];
}
