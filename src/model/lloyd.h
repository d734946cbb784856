/* SPDX-License-Identifier: Apache-2.0 */
/* lloyd.h - Lloyd's iteration, shared by k-means and by the start of a mixture. Knows passes and updates. */
#ifndef FGI_LLOYD_H
#define FGI_LLOYD_H
#include "moments.h"
#include "mstep.h"

typedef struct fgi_lloyd {
    int32_t max_iter;
    double tol; /* stop when the objective falls by at most this share; negative: never */
    uint64_t seed;
    fgi_reading reading;
    fgi_centroid_rule rule;
} fgi_lloyd;

typedef struct fgi_lloyd_state {
    fgi_params *centroids; /* in: seeds; out: those of the last pass */
    fgi_stats *stats;   /* of the last pass, about those centroids; its kind may be a mixture's */
    double *history;    /* mean squared distance of every pass: room for max_iter values, or NULL */
    int32_t iterations; /* passes */
    int32_t stop_reason, revived;
    int32_t empty;    /* centroids without rows in the last pass */
    double objective; /* mean squared distance in the last pass */
} fgi_lloyd_state;

/* Alternates hard passes and updates, and ends after a pass: which last update is made of its statistics is the caller's to
 * decide. */
fg_status fgi_lloyd_run(fg_context *ctx, fg_source *src, const fgi_lloyd *how,
                        fgi_listener *listener, fgi_lloyd_state *state);

#endif
