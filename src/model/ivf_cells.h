/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_cells.h - where the rows of a set lie, as far as the distances to centroids tell. Knows centroids
 * and kernels; knows no row and no query.
 *
 * The rows of a set are one cell. It is at home in one of the set's lists, the one nearest to the
 * mean of its rows. Their mean is replaced by a near point `a` in the affine hull of the home's
 * centroid c_0 and of a few of the FGI_NEAR centroids around it. With a = c_0 + sum w_i (c_i - c_0),
 *
 *     |q - a|^2 = |q - c_0|^2 + sum w_i (|q - c_i|^2 - |q - c_0|^2) + offset
 *     offset    = |a - c_0|^2 - sum w_i |c_i - c_0|^2
 *
 * so a query that knows its distances to the centroids knows that to `a` at the cost of
 * FGI_BLEND_TERMS multiplications, whatever the dimension. (Baranchuk, Babenko, Malkov: Revisiting the
 * inverted indices for billion-scale approximate nearest neighbors, ECCV 2018, group a list's rows
 * in this way, with one centroid beside c_0 and one weight for a whole list.)
 *
 * Which centroids: orthogonal matching pursuit, the one that explains most of what is left of the mean,
 * again and again. */
#ifndef FGI_IVF_CELLS_H
#define FGI_IVF_CELLS_H
#include "ivf_coarse.h"
#include "memory.h"

enum { FGI_NEAR = FGI_BLEND_TABLE };

/* Where the rows of one set lie. */
typedef struct fgi_cell {
    int32_t home;
    uint8_t near
        [8]; /* the c_i, by their places among the lists around home; unused ones have weight 0 */
    float weights[FGI_BLEND_TERMS];
    float offset;
} fgi_cell;

/* The lists around a list: FGI_NEAR others, the nearest first; itself in places without one. */
void fgi_near_find(const fgi_coarse *coarse, const fgi_kernels *kernels, int32_t list,
                   float *sqdist, int32_t *near);

/* What fits of cells at home in one list share. */
typedef struct fgi_around {
    int32_t home;
    float *edges; /* FGI_NEAR x d: c_i - c_0 */
    float *gram;  /* FGI_NEAR x FGI_NEAR: their inner products */
} fgi_around;

fg_status fgi_around_create(fgi_ledger *ledger, int32_t d, fgi_around *out);
void fgi_around_destroy(fgi_around *around); /* also of a zeroed one */

/* near: the lists around `home`. */
void fgi_around_set(fgi_around *around, const fgi_coarse *coarse, const fgi_kernels *kernels,
                    int32_t home, const int32_t *near);

/* The cell of rows with this mean (d; overwritten), in the coordinates of the centroids. */
fgi_cell fgi_cell_fit(const fgi_around *around, const fgi_coarse *coarse,
                      const fgi_kernels *kernels, float *mean);

/* The cells at home in a list, side by side for the blend kernel, which gives |q - c_0|^2 - |q - a|^2
 * from a table of |q - c_0|^2 - |q - c_i|^2. */
typedef struct fgi_places {
    int32_t count;
    int32_t stride;    /* a multiple of 16: places that there are; unused ones have bias -inf */
    int32_t *segments; /* of the list */
    float *bias;
    uint16_t *
        weights; /* FGI_BLEND_TERMS x stride, as f16: half the memory to read, and an order needs no more */
    uint8_t *near; /* the same */
} fgi_places;

/* No cells yet, and room for so many. */
fg_status fgi_places_create(int32_t room, fgi_places *out);
void fgi_places_destroy(fgi_places *places); /* also of zeroed ones */

void fgi_places_add(fgi_places *places, const fgi_cell *cell, int32_t segment);

int64_t fgi_places_bytes(const fgi_places *places);

#endif
