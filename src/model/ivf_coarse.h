/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_coarse.h - the coarse quantizer of an index: its parameters, and the order in which a query
 * should visit the lists. Knows parameters and kernels; knows no list. */
#ifndef FGI_IVF_COARSE_H
#define FGI_IVF_COARSE_H
#include "kernels.h"
#include "params.h"

typedef struct fgi_coarse {
    fgi_params params;
    float *centroids; /* k x d, with the centre added back */
    /* of a mixture, for the order by posterior; NULL for centroids */
    float *means;   /* k x d, relative to the centre */
    float *scale;   /* k x variance columns: 1 / (2 variance) */
    float *offset;  /* k */
    int32_t *every; /* 0 .. k - 1 */
} fgi_coarse;

/* Copies the parameters, whose numbers must be finite (log-weights may be -inf). */
fg_status fgi_coarse_create(const fgi_params *params, fgi_coarse *out);
void fgi_coarse_destroy(fgi_coarse *coarse); /* also of a zeroed one */

/* Keys of all k lists: the lower, the sooner should a query visit the list.
 * distance:  |query - c_j|^2
 * inner:     -<query, c_j>
 * posterior: -log(w_j N(query | j)) + a constant; from this query the centre has been subtracted */
void fgi_coarse_distance(const fgi_coarse *coarse, const fgi_kernels *kernels, const float *query,
                         float *keys);
void fgi_coarse_inner(const fgi_coarse *coarse, const fgi_kernels *kernels, const float *query,
                      float *keys);
void fgi_coarse_posterior(const fgi_coarse *coarse, const fgi_kernels *kernels, const float *query,
                          float *keys);

/* Bytes of its tables. */
int64_t fgi_coarse_bytes(const fgi_coarse *coarse);

#endif
