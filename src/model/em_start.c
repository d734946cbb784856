/* SPDX-License-Identifier: Apache-2.0 */
/* em_start.c - first parameters: a hard assignment is a mixture whose responsibilities are 0 and 1, so its M-step is the
 * mixture's own. Knows seeding and Lloyd; knows no iteration of EM. */
#include "em_start.h"

#include "lloyd.h"
#include "mstep.h"
#include "seeding.h"

static void take_given(const fg_gmm *start, fgi_params *p, int32_t *states)
{
    const fgi_params *from = &start->params;
    const int32_t d = p->d, cols = fgi_variance_cols(p->kind, d);
    for (int32_t j = 0; j < p->k; j++) {
        p->log_weights[j] = from->log_weights[j];
        states[j] = start->states[j];
        for (int32_t i = 0; i < d; i++) {
            const int64_t at = (int64_t)j * d + i;
            p->means[at] = from->means[at] + ((double)from->center[i] - p->center[i]);
        }
        for (int32_t i = 0; i < cols; i++) {
            const int64_t at = (int64_t)j * cols + i;
            p->variances[at] = from->variances[at];
        }
    }
}

static fg_status seed_and_assign(fgi_fit *fit, const fgi_em_start *how, fgi_stats *stats,
                                 fgi_params *centroids)
{
    const fg_gmm_options *o = how->options;
    const fgi_seeding seeding = {
        .method = (fg_init)o->init,
        .seed = how->seed,
        .reading = fit->reading,
    };
    FG_TRY(fgi_seed(fit->ctx, fit->rows, &seeding, &fit->listener, centroids));
    const fgi_lloyd lloyd = {
        .max_iter = o->init == FG_INIT_KMEANS ? o->kmeans_iter : 1,
        .tol = -1.0, /* a fixed schedule: EM goes on from wherever it ends */
        .seed = how->seed,
        .reading = fit->reading,
    };
    fgi_lloyd_state state = {.centroids = centroids, .stats = stats};
    return fgi_lloyd_run(fit->ctx, fit->rows, &lloyd, &fit->listener, &state);
}

fg_status fgi_em_start_run(fgi_fit *fit, const fgi_em_start *how, fgi_stats *stats,
                           fgi_params *params, int32_t *states)
{
    if (how->options->init == FG_INIT_GIVEN) {
        take_given(how->options->start, params, states);
        return FG_OK;
    }
    fgi_params centroids;
    FG_TRY(fgi_params_create(&fit->ctx->ledger, FGI_HARD, params->k, params->d, &centroids));
    centroids.normalize = params->normalize;
    for (int32_t i = 0; i < params->d; i++) centroids.center[i] = params->center[i];
    const fg_status s = seed_and_assign(fit, how, stats, &centroids);
    if (s == FG_OK) {
        const int32_t cols = fgi_variance_cols(params->kind, params->d);
        for (int64_t i = 0; i < (int64_t)params->k * params->d; i++)
            params->means[i] = centroids.means[i]; /* what the statistics are about */
        for (int64_t i = 0; i < (int64_t)params->k * cols; i++)
            params->variances[i] = how->floor[i % cols]; /* what an empty component keeps */
        fgi_update_mixture(params, stats, how->floor, states);
        if (how->options->shared_variance) fgi_share_variance(params, how->floor, states);
        fgi_revive_components(params, how->floor, states, how->seed, 0);
    }
    fgi_params_destroy(&centroids);
    return s;
}
