/* SPDX-License-Identifier: Apache-2.0 */
/* lloyd.c - Lloyd's iteration. Knows passes and updates; knows no seeding and no mixture. */
#include "lloyd.h"

/* Whether the iteration is over after a pass with this objective, and why. */
static bool is_over(const fgi_lloyd *how, const fgi_listener *listener, double before, bool at_rest,
                    fgi_lloyd_state *state)
{
    const double fall = before - state->objective;
    if (listener && listener->cancelled)
        state->stop_reason = FG_STOP_CALLBACK;
    else if (at_rest)
        state->stop_reason = FG_STOP_STEADY;
    else if (state->iterations > 1 && how->tol >= 0.0 && fall >= 0.0 && fall <= how->tol * before)
        state->stop_reason = FG_STOP_TOL;
    else if (state->iterations == how->max_iter)
        state->stop_reason = FG_STOP_MAX_ITER;
    else
        return false;
    return true;
}

static int32_t empty_clusters(const fgi_stats *stats)
{
    int32_t empty = 0;
    for (int32_t j = 0; j < stats->k; j++) empty += stats->mass[j] == 0.0;
    return empty;
}

fg_status fgi_lloyd_run(fg_context *ctx, fg_source *src, const fgi_lloyd *how,
                        fgi_listener *listener, fgi_lloyd_state *state)
{
    const fgi_pass pass = {
        .params = state->centroids,
        .stats = state->stats,
        .listener = listener,
        .bad_rows = how->reading.bad_rows,
    };
    fgi_listener_phase(listener, "k-means", how->max_iter);
    bool at_rest = false;
    for (double before = 0.0;; before = state->objective) {
        if (listener) listener->now.step = state->iterations + 1;
        FG_TRY(fgi_pass_run(ctx, src, &pass, false));
        state->objective = state->stats->objective / (double)state->stats->rows;
        if (state->history) state->history[state->iterations] = state->objective;
        state->iterations++;
        if (listener) fgi_listener_value(listener, state->objective);
        if (is_over(how, listener, before, at_rest, state)) {
            state->empty = empty_clusters(state->stats);
            return FG_OK;
        }
        at_rest = fgi_centroids_rest(state->centroids, state->stats, how->rule);
        fgi_update_centroids(state->centroids, state->stats, how->rule);
        const int32_t revived = fgi_revive_centroids(state->centroids, state->stats, how->seed,
                                                     (uint64_t)state->iterations);
        state->revived += revived;
        if (revived) at_rest = false;
    }
}
