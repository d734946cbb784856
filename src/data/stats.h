/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - sufficient statistics: all that an update of the parameters needs to know of the rows.
 * Additive over tiles, threads, devices and machines. Knows no backend, no algorithm.
 *
 *     mass_j   = sum over rows of r_j
 *     shift_j  = sum of r_j (x - mean_j)                 about the old mean: nothing cancels
 *     square_j = sum of r_j (x - mean_j)^2               over dimensions too, unless diagonal
 *
 * mean_j is the old mean rounded to f32, as every backend computes with it:
 * (double)(float)means[j][i]. */
#ifndef FGI_STATS_H
#define FGI_STATS_H
#include "params.h"

typedef struct fgi_stats {
    fgi_kind kind;
    int32_t k, d;
    double *mass;     /* k */
    double *shift;    /* k x d */
    double *square;   /* k x d for FGI_DIAGONAL, else k */
    double objective; /* sum over rows: log-density in nats, or squared distance for FGI_HARD */
    double dropped;   /* sum over rows of an upper bound on the responsibility left out */
    int64_t rows, rows_skipped, survivors; /* survivors: responsibilities that were kept */
    int64_t screened;      /* pairs of a row and a component that were multiplied, if it counts */
    int64_t first_bad_row; /* lowest number of a row with NaN or infinity; -1: none */
} fgi_stats;

/* Sums of a shape, in one block: mass, shift, square, which are fgi_stats_doubles(). */
int64_t fgi_stats_doubles(fgi_kind kind, int32_t k, int32_t d);
fg_status fgi_stats_create(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d, fgi_stats *out);
/* The same, to be cleared by whoever is to have its memory near. */
fg_status fgi_stats_create_uncleared(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d,
                                     fgi_stats *out);
void fgi_stats_clear(fgi_stats *stats);
void fgi_stats_merge(fgi_stats *into, const fgi_stats *from);
void fgi_stats_destroy(fgi_stats *stats);

#endif
