/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_plan.h - parameters as the CPU's kernels want them: packed for screening, row-major for refining.
 * Knows parameters and the packed layout; knows no row.
 *
 * In log2 units the value of component j for a row x (normalised, centred) is
 *     value_j(x) = offset_j - sum over i of h_ji (x_i - m_ji)^2,   h_ji = log2(e) / (2 var_ji)
 *     offset_j   = log2 w_j - sum over i of log2(2 pi var_ji) / 2
 * (a centroid: offset 0, h 1, so that the value is minus the squared distance). Screening evaluates its expanded
 * form as a product in f32. With s_j = sum of h_ji m_ji^2 and b_j = offset_j - s_j, the terms of that product
 * have absolute values that sum to at most |b_j| + s_j + 2 sum of h_ji x_i^2 (by 2 h m x <= h m^2 + h x^2), so
 * its rounding error is at most gamma times that, gamma = (2 depth + 8) 2^-24 (Higham 2002, section 3.1; the
 * factor two covers the rounding of weights and features). The plan adds this bound to bias and weights: a score is
 * never below the true value, and a component whose score is too low to matter is proved not to. */
#ifndef FGI_CPU_PLAN_H
#define FGI_CPU_PLAN_H
#include "kernels.h"
#include "params.h"

typedef struct fgi_cpu_plan {
    fgi_kind kind;
    int32_t k, d;
    int32_t depth;  /* of the screening product: d + 1, or 2 d for diagonal */
    int32_t panels; /* packed panels, the last one padded */
    int32_t ld;     /* elements from row to row of means and scale */
    bool normalize;
    double gamma;        /* relative bound on the rounding error of a score */
    double most_norm2;   /* rows longer than this might overflow a score: they are not screened */
    const float *center; /* the parameters' own */
    float *packed, *bias;
    float *means;   /* k x ld */
    float *scale;   /* k x ld: h of diagonal components, else NULL */
    double *offset; /* k; -inf: dead */
    double *h;      /* k: h of spherical components and centroids, 1 for diagonal ones */
} fgi_cpu_plan;

/* Packs the parameters, which must outlive the plan. */
fg_status fgi_cpu_plan_create(fgi_ledger *ledger, const fgi_kernels *kernels,
                              const fgi_params *params, fgi_cpu_plan *out);
void fgi_cpu_plan_destroy(fgi_cpu_plan *plan);

#endif
