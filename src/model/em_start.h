/* SPDX-License-Identifier: Apache-2.0 */
/* em_start.h - where EM begins: the first parameters of a mixture. */
#ifndef FGI_EM_START_H
#define FGI_EM_START_H
#include "fit.h"
#include "gmm.h"

typedef struct fgi_em_start {
    const fg_gmm_options *options; /* resolved */
    uint64_t seed;
    const double *floor;
} fgi_em_start;

/* Fills params (created, centred) and states by options->init:
 *   KMEANS             seeds, kmeans_iter Lloyd passes, and the M-step of the last one's hard assignment
 *   PLUSPLUS, RANDOM   the same with a single pass
 *   GIVEN              options->start, about the new centre
 * stats: of the mixture's kind, used for the passes. */
fg_status fgi_em_start_run(fgi_fit *fit, const fgi_em_start *how, fgi_stats *stats,
                           fgi_params *params, int32_t *states);

#endif
