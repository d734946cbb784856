/* SPDX-License-Identifier: Apache-2.0 */
/* lloyd.c - Lloyd's iteration. Knows passes and updates; knows no seeding and no mixture. */
#include "lloyd.h"

#include "turns.h"

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

static fg_status iterate(fgi_turns *turns, const fgi_lloyd *how, fgi_lloyd_state *state)
{
    fgi_listener *listener = turns->plan.listener;
    bool at_rest = false;
    for (double before = 0.0;; before = state->objective) {
        if (listener) listener->now.step = state->iterations + 1;
        FG_TRY(fgi_turns_next(turns, how->max_iter - state->iterations));
        state->objective = turns->now.objective / (double)turns->now.rows;
        if (state->history) state->history[state->iterations] = state->objective;
        state->iterations++;
        if (listener) fgi_listener_value(listener, state->objective);
        if (is_over(how, listener, before, at_rest, state)) return fgi_turns_settle(turns);
        int32_t revived;
        FG_TRY(fgi_turns_update(turns, true, &revived));
        state->revived += revived;
        at_rest = turns->now.at_rest && revived == 0;
    }
}

fg_status fgi_lloyd_run(fg_context *ctx, fg_source *src, const fgi_lloyd *how,
                        fgi_listener *listener, fgi_lloyd_state *state)
{
    fgi_turns turns = {
        .ctx = ctx,
        .src = src,
        .plan = {.rule = how->rule,
                 .seed = how->seed,
                 .bad_rows = how->reading.bad_rows,
                 .listener = listener},
        .params = state->centroids,
        .stats = state->stats,
    };
    fgi_listener_phase(listener, "k-means", how->max_iter);
    fg_status s = fgi_turns_begin(&turns);
    if (s == FG_OK) s = iterate(&turns, how, state);
    state->empty = turns.now.empty;
    fgi_turns_end(&turns);
    return s;
}
