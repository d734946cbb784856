/* SPDX-License-Identifier: Apache-2.0 */
/* mstep.h - statistics into parameters, and what to do with components that came out empty. Knows no pass. */
#ifndef FGI_MSTEP_H
#define FGI_MSTEP_H
#include "stats.h"

/* A component with less mass than this, in rows, is empty. */
extern const double fgi_empty_mass;

/* Where a centroid goes. */
typedef enum fgi_centroid_rule {
    FGI_TO_MEAN, /* of its rows */
    FGI_TO_SPHERE /* that mean, scaled to length 1: of all unit vectors, nearest to rows of length 1 */
} fgi_centroid_rule;

/* Moves centroids; empty ones stay. The sum over rows of the squared distance to the moved centroids, rows staying where
 * they are. */
double fgi_update_centroids(fgi_params *centroids, const fgi_stats *stats, fgi_centroid_rule rule);

/* Whether every centroid is where the rule would put it, but for the rounding of its rows' mean and of itself. */
bool fgi_centroids_rest(const fgi_params *centroids, const fgi_stats *stats,
                        fgi_centroid_rule rule);

/* The M-step: weights, means and variances about the new means, not below floor (fgi_variance_floor). `params` holds the
 * means that the statistics are about. An empty component gets weight 0 and keeps the rest. states: k. */
void fgi_update_mixture(fgi_params *params, const fgi_stats *stats, const double *floor,
                        int32_t *states);

/* Gives all components the mean of their variances, weighted by their mass: the M-step of one shared variance (one a
 * dimension if diagonal), after fgi_update_mixture. Those that stood at the floor no longer do, unless the mean does. */
void fgi_share_variance(fgi_params *params, const double *floor, int32_t *states);

/* Every empty component takes over half of the richest one, if any has something to give; the number of those re-seeded.
 * Centroids: richest by squared error, moved apart by half a standard deviation in a random direction. Mixtures: richest
 * by weight times the log of its volume over the floor's (its share of the entropy), moved apart along its widest axis if
 * diagonal. `draw` numbers the calls of a fit, so that directions differ. */
int32_t fgi_revive_centroids(fgi_params *centroids, fgi_stats *stats, uint64_t seed, uint64_t draw);
int32_t fgi_revive_components(fgi_params *params, const double *floor, int32_t *states,
                              uint64_t seed, uint64_t draw);

#endif
