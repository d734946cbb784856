/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - the parameters of a pass: k components in d dimensions, in f64. Knows no backend, no
 * algorithm. */
#ifndef FGI_PARAMS_H
#define FGI_PARAMS_H
#include "memory.h"

#include <stdbool.h> /* bool */

/* What a component is. Tied and full covariance become two more kinds here. */
typedef enum fgi_kind {
    FGI_HARD = 0,      /* a centroid: nearest wins, as the limit of zero variance */
    FGI_SPHERICAL = 1, /* one variance a component */
    FGI_DIAGONAL = 2   /* one variance a component and dimension */
} fgi_kind;

/* What the parameters of a mixture keep to, so that every value of a living component is finite: f32 can hold the
 * reciprocals of variances, f64 the rest. Weights as small as the least f64 have a logarithm of -745. */
#define FGI_LEAST_VARIANCE   0x1p-100
#define FGI_MOST_VARIANCE    0x1p200
#define FGI_MOST_MEAN        1e30
#define FGI_LEAST_LOG_WEIGHT (-1000.0)

/* Rows are normalised (if asked), then centred, before anything else; means are relative to the
 * centre, which is what keeps products of f32 exact enough. */
typedef struct fgi_params {
    fgi_kind kind;
    int32_t k, d;
    bool normalize;
    float *center;       /* d */
    double *log_weights; /* k, nats; -inf: a dead component, which no row joins */
    double *means;       /* k x d, relative to the centre */
    double *variances;   /* k x fgi_variance_cols: none for FGI_HARD */
} fgi_params;

static inline int32_t fgi_variance_cols(fgi_kind kind, int32_t d)
{
    return kind == FGI_HARD ? 0 : kind == FGI_SPHERICAL ? 1 : d;
}

/* Zeroed parameters of a shape, in one block: log_weights, means, variances, which are fgi_params_doubles(), and then the
 * centre. */
int64_t fgi_params_doubles(fgi_kind kind, int32_t k, int32_t d);
fg_status fgi_params_create(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d,
                            fgi_params *out);
/* `to` must have the same shape. */
void fgi_params_copy(fgi_params *to, const fgi_params *from);
void fgi_params_destroy(fgi_params *params);

#endif
