/* SPDX-License-Identifier: Apache-2.0 */
/* pass.c - drives a backend over the chunks of a source. Knows neither what the pass is for nor how it is
 * computed. */
#include "pass.h"

#include "clock.h"

#include <math.h> /* NAN */

static fg_status alloc_results(fgi_ledger *ledger, const fgi_row_request *want, int64_t rows,
                               fgi_row_results *out)
{
    fg_status s = FG_OK;
    if (want->top) s = fgi_alloc(ledger, rows * want->top, sizeof(int32_t), &out->components);
    if (want->top && s == FG_OK)
        s = fgi_alloc(ledger, rows * want->top, sizeof(float), &out->values);
    if (want->log_density && s == FG_OK)
        s = fgi_alloc(ledger, rows, sizeof(double), &out->log_density);
    return s;
}

static void free_results(fgi_row_results *results)
{
    fgi_free(results->components);
    fgi_free(results->values);
    fgi_free(results->log_density);
}

static fg_progress no_progress(const char *phase, int64_t steps)
{
    return (fg_progress){.struct_size = sizeof(fg_progress),
                         .phase = phase,
                         .steps = steps,
                         .rows_total = -1,
                         .objective = NAN,
                         .change = NAN};
}

fgi_listener fgi_listener_begin(fg_progress_fn progress, void *user)
{
    return (fgi_listener){
        .progress = progress,
        .user = user,
        .started = fgi_seconds(),
        .now = no_progress("", 0),
    };
}

void fgi_listener_phase(fgi_listener *listener, const char *phase, int64_t steps)
{
    if (listener) listener->now = no_progress(phase, steps);
}

static void tell(fgi_listener *listener)
{
    if (!listener->progress) return;
    listener->now.seconds = fgi_seconds() - listener->started;
    if (listener->progress(listener->user, &listener->now)) listener->cancelled = true;
}

fg_status fgi_listener_step(fgi_listener *listener, int64_t step, int64_t steps)
{
    if (!listener) return FG_OK;
    listener->now.step = step;
    listener->now.steps = steps;
    tell(listener);
    if (!listener->cancelled) return FG_OK;
    return fgi_fail(FG_CANCELLED, "stopped by the progress function at %s step %lld of %lld",
                    listener->now.phase, (long long)step, (long long)steps);
}

void fgi_listener_value(fgi_listener *listener, double objective)
{
    listener->now.change = objective - listener->now.objective;
    listener->now.objective = objective;
}

void fgi_listener_rows(fgi_listener *listener, int64_t rows, int64_t rows_total)
{
    if (!listener) return;
    listener->now.rows = rows;
    listener->now.rows_total = rows_total;
    tell(listener);
}

/* Chunks on their way through the backend: where it lets results come later, one is handed over while the next is computed. */
typedef struct stream {
    fg_context *ctx;
    const fgi_pass *pass;
    fgi_chunks chunks;
    bool stop_early, lags;
    fgi_row_results results; /* of a chunk, where it does not */
} stream;

/* A chunk that was absorbed; of 0 rows: there is none. */
typedef struct absorbed {
    int64_t first, rows;
} absorbed;

static fg_status hand_over(const stream *s, const absorbed *chunk)
{
    const fgi_pass *pass = s->pass;
    if (chunk->rows == 0) return FG_OK;
    fgi_row_results results = s->results;
    if (s->lags) FG_TRY(s->ctx->backend->ops->await(s->ctx->backend, &results));
    if (pass->consume) FG_TRY(pass->consume(pass->user, chunk->first, chunk->rows, &results));
    fgi_listener_rows(pass->listener, chunk->first + chunk->rows, s->chunks.src->rows);
    if (s->stop_early && pass->listener && pass->listener->cancelled)
        return fgi_fail(FG_CANCELLED, "stopped by the progress function after row %lld",
                        (long long)(chunk->first + chunk->rows));
    return FG_OK;
}

static fg_status absorb_all(stream *s)
{
    fgi_backend *backend = s->ctx->backend;
    absorbed last = {0};
    for (;;) {
        fg_view chunk;
        absorbed now = {0};
        FG_TRY(fgi_chunks_next(&s->chunks, &chunk, &now.first));
        now.rows = chunk.rows;
        if (now.rows > 0) FG_TRY(backend->ops->absorb(backend, &chunk, now.first, &s->results));
        FG_TRY(hand_over(s, s->lags ? &last : &now));
        if (now.rows == 0) return FG_OK;
        last = now;
    }
}

fg_status fgi_bad_rows_check(const fgi_bad_rows *found, fg_bad_rows rule, const fg_source *src)
{
    if (found->first < 0 || rule == FG_BAD_ROWS_SKIP) return FG_OK;
    return fgi_fail(
        FG_NUMERIC,
        "%s%srow %lld holds NaN, infinity%s or a value too large for f32 (%lld such rows)",
        src->name ? src->name : "", src->name ? ": " : "", (long long)found->first,
        found->normalize ? ", only zeros (it has no direction)" : "", (long long)found->count);
}

static fg_status run_once(fg_context *ctx, fg_source *src, const fgi_pass *pass, bool stop_early,
                          bool *again)
{
    fgi_backend *backend = ctx->backend;
    const fgi_pass_spec spec = {
        .params = pass->params,
        .rows = pass->rows,
        .stats = pass->stats != NULL,
        .stats_kind = pass->stats ? pass->stats->kind : pass->params->kind,
        .source = src,
        .dtype = src->dtype,
    };
    const int64_t chunk_rows = backend->ops->unit_rows(backend, &spec);
    stream through = {.ctx = ctx,
                      .pass = pass,
                      .stop_early = stop_early,
                      .lags = backend->ops->await && fgi_asks_rows(&pass->rows)};
    *again = false;
    if (pass->stats) fgi_stats_clear(pass->stats);
    fg_status s = FG_OK;
    if (!through.lags) s = alloc_results(&ctx->ledger, &pass->rows, chunk_rows, &through.results);
    if (s == FG_OK) s = fgi_chunks_begin(&through.chunks, &ctx->ledger, src, chunk_rows);
    if (s == FG_OK) {
        s = backend->ops->begin(backend, &spec);
        if (s == FG_OK) {
            s = absorb_all(&through);
            const fg_status ended = backend->ops->end(backend, pass->stats, again);
            if (s == FG_OK) s = ended;
        }
        fgi_chunks_end(&through.chunks);
    }
    free_results(&through.results);
    return s;
}

fg_status fgi_pass_run(fg_context *ctx, fg_source *src, const fgi_pass *pass, bool stop_early)
{
    bool again;
    do FG_TRY(run_once(ctx, src, pass, stop_early, &again));
    while (again);
    if (!pass->stats) return FG_OK;
    const fgi_bad_rows bad = {
        .first = pass->stats->first_bad_row,
        .count = pass->stats->rows_skipped,
        .normalize = pass->params->normalize,
    };
    return fgi_bad_rows_check(&bad, pass->bad_rows, src);
}
