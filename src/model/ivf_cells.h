/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_cells.h - where the rows of a set lie, as far as the distances to centroids tell. Knows sets
 * and centroids; knows no query.
 *
 * The mean of a set's rows is replaced by its nearest point `a` in the affine hull of a few centroids:
 * those of the set's own lists and of the one it faces. With a = sum w_l c_l, sum w_l = 1,
 *
 *     |q - a|^2 = sum_l w_l |q - c_l|^2 + offset,    offset = - sum_{l < m} w_l w_m |c_l - c_m|^2
 *
 * so a query that knows its distances to the centroids knows that to `a` at the cost of one multiplication
 * a centroid, whatever the dimension. (Baranchuk, Babenko, Malkov: Revisiting the inverted indices
 * for billion-scale approximate nearest neighbors, ECCV 2018, group a list's rows in this way
 * with one weight for a whole list.) */
#ifndef FGI_IVF_CELLS_H
#define FGI_IVF_CELLS_H
#include "ivf_coarse.h"
#include "ivf_sets.h"

enum { FGI_MOST_ANCHORS = 3 /* two of the own lists, and the one faced */ };

/* Of one set. */
typedef struct fgi_cell {
    int32_t lists[FGI_MOST_ANCHORS]; /* unused ones have weight 0 */
    float weights[FGI_MOST_ANCHORS];
    float offset;
} fgi_cell;

/* The cell of a set whose rows have this mean (d, in the centroids' coordinates). */
fgi_cell fgi_cell_fit(const fgi_coarse *coarse, const fgi_sets *sets, int32_t set,
                      const double *mean);

/* |q - a|^2, where sqdist holds |q - c_l|^2 of every list. */
static inline float fgi_cell_sqdist(const fgi_cell *cell, const float *sqdist)
{
    float sum = cell->offset;
    for (int32_t i = 0; i < FGI_MOST_ANCHORS; i++) sum += cell->weights[i] * sqdist[cell->lists[i]];
    return sum > 0 ? sum : 0;
}

#endif
