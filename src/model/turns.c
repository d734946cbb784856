/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c - takes turns on the host, or lets the backend take them. Knows both to give the same; knows no convergence. */
#include "turns.h"

static bool is_hard(const fgi_turns *t)
{
    return t->params->kind == FGI_HARD;
}

/* Hard masses count rows. */
static double least_mass(const fgi_turns *t)
{
    return is_hard(t) ? 1.0 : fgi_empty_mass;
}

fg_status fgi_turns_begin(fgi_turns *t)
{
    const fgi_backend_ops *ops = t->ctx->backend->ops;
    const fgi_pass_spec spec = {
        .params = t->params,
        .stats = true,
        .stats_kind = t->stats->kind,
        .source = t->src,
        .dtype = t->src->dtype,
    };
    const fgi_update update = {
        .least_mass = least_mass(t),
        .floor = t->plan.floor,
        .to_sphere = t->plan.rule == FGI_TO_SPHERE,
        .seed = t->plan.seed,
        .first_draw = (uint64_t)t->count + 1,
    };
    t->ahead = false;
    if (!ops->turns_begin || t->plan.shared_variance) return FG_OK;
    return ops->turns_begin(t->ctx->backend, &spec, &update, &t->ahead);
}

static fg_status fetch(fgi_turns *t, fgi_stats *stats)
{
    return t->ctx->backend->ops->turns_fetch(t->ctx->backend, t->params, t->states, stats);
}

static int32_t empty_components(const fgi_turns *t)
{
    int32_t empty = 0;
    for (int32_t j = 0; j < t->stats->k; j++) empty += t->stats->mass[j] < least_mass(t);
    return empty;
}

static fg_status evaluate(fgi_turns *t)
{
    const fgi_pass pass = {
        .params = t->params,
        .stats = t->stats,
        .listener = t->plan.listener,
        .bad_rows = t->plan.bad_rows,
    };
    FG_TRY(fgi_pass_run(t->ctx, t->src, &pass, false));
    t->now = (fgi_turn){
        .objective = t->stats->objective,
        .dropped = t->stats->dropped,
        .rows = t->stats->rows,
        .rows_skipped = t->stats->rows_skipped,
        .first_bad_row = t->stats->first_bad_row,
        .empty = empty_components(t),
        .at_rest = is_hard(t) && fgi_centroids_rest(t->params, t->stats, t->plan.rule),
    };
    return FG_OK;
}

fg_status fgi_turns_next(fgi_turns *t, int64_t most)
{
    t->count++;
    if (t->ahead) {
        FG_TRY(t->ctx->backend->ops->turns_next(t->ctx->backend, most, &t->now));
        if (!t->now.again) {
            const fgi_bad_rows bad = {
                .first = t->now.first_bad_row,
                .count = t->now.rows_skipped,
                .normalize = t->params->normalize,
            };
            fgi_listener_rows(t->plan.listener, t->now.rows + t->now.rows_skipped, t->src->rows);
            return fgi_bad_rows_check(&bad, t->plan.bad_rows, t->src);
        }
        FG_TRY(fetch(t, NULL));
        fgi_turns_end(t);
    }
    return evaluate(t);
}

static void update(fgi_turns *t)
{
    if (is_hard(t)) {
        fgi_update_centroids(t->params, t->stats, t->plan.rule);
        return;
    }
    fgi_update_mixture(t->params, t->stats, t->plan.floor, t->states);
    if (t->plan.shared_variance) fgi_share_variance(t->params, t->plan.floor, t->states);
}

static int32_t revive(fgi_turns *t)
{
    const uint64_t seed = t->plan.seed, draw = (uint64_t)t->count;
    if (is_hard(t)) return fgi_revive_centroids(t->params, t->stats, seed, draw);
    return fgi_revive_components(t->params, t->plan.floor, t->states, seed, draw);
}

fg_status fgi_turns_update(fgi_turns *t, bool may_revive, int32_t *revived)
{
    const bool ahead = t->ahead, try_revival = may_revive && t->now.empty > 0;
    *revived = ahead ? t->now.revived : 0;
    if (ahead && (is_hard(t) || !try_revival))
        return FG_OK; /* the backend has made the same update */
    if (ahead) FG_TRY(fetch(t, t->stats));
    update(t);
    if (try_revival) *revived = revive(t);
    if (ahead && *revived == 0) return FG_OK;
    fgi_turns_end(t);
    return fgi_turns_begin(t);
}

fg_status fgi_turns_settle(fgi_turns *t)
{
    if (!t->ahead) return FG_OK;
    t->stats->objective = t->now.objective;
    t->stats->dropped = t->now.dropped;
    t->stats->rows = t->now.rows;
    t->stats->rows_skipped = t->now.rows_skipped;
    t->stats->first_bad_row = t->now.first_bad_row;
    return fetch(t, t->stats);
}

void fgi_turns_end(fgi_turns *t)
{
    if (t->ahead) t->ctx->backend->ops->turns_end(t->ctx->backend);
    t->ahead = false;
}
