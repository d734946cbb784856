/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_bounds.h - what Lloyd's passes over the same rows keep of each: its centroid, and how far away the others are at
 * least, group by group. Knows centroids and their drifts; knows no kernel. */
#ifndef FGI_CPU_BOUNDS_H
#define FGI_CPU_BOUNDS_H
#include "backend.h"

/* Groups of centroids at most, and what their size is a multiple of: every screen's panel divides it. */
enum { FGI_CPU_GROUPS = 8, FGI_CPU_GROUP_UNIT = 32 };

/* For a row x with centroid `label`, every other centroid m of group g has
 *     |x - m| >= bound[g] - drift[g]
 * where drift[g] is the sum over passes of how far a centroid of the group has moved at most: so bounds are written only
 * when a group is looked at, and no pass adds a rounding. */
typedef struct fgi_cpu_bounds {
    const void *source; /* whose rows are held; NULL: none, and nothing below is there */
    int64_t rows;
    int32_t least_k; /* with fewer centroids, no bounds are kept */
    int32_t *label;  /* rows; -1: none, and no bound is used */
    float *bound;    /* rows x FGI_CPU_GROUPS; 0: none */
    /* of the last pass that used bounds */
    int32_t k, d;
    bool normalize;
    float *center, *means; /* d, k x d */
    int32_t *order,
        *lane; /* k: the centroid of each lane, group after group; the lane of each centroid */
    int32_t groups, group_lanes;
    double drift[FGI_CPU_GROUPS];
    double spread; /* mean squared distance of rows in that pass; 0: it has not come to its end */
    bool grouped;  /* order, lane and bounds are there */
    bool refused;  /* there was no memory: not asked for again */
} fgi_cpu_bounds;

void fgi_cpu_bounds_hold(fgi_cpu_bounds *bounds, const fgi_hold *rows, int32_t least_k);
void fgi_cpu_bounds_release(fgi_cpu_bounds *bounds);

/* Whether this pass goes by bounds; then they are those of its centroids. The first such pass has no labels, the second
 * no bounds. Where memory fails, there are none. */
bool fgi_cpu_bounds_begin(fgi_cpu_bounds *bounds, fgi_ledger *ledger, const fgi_pass_spec *spec);
void fgi_cpu_bounds_end(fgi_cpu_bounds *bounds, const fgi_stats *stats);

#endif
