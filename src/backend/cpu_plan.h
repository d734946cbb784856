/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_plan.h - parameters as the CPU's kernels want them: packed for screening, row-major for refining, packed again for
 * rows to which most components matter.
 * Knows parameters and the packed layout; knows no row.
 *
 * In log2 units the value of component j for a row x (normalised, centred) is
 *     value_j(x) = offset_j - sum over i of h_ji (x_i - m_ji)^2,   h_ji = log2(e) / (2 var_ji)
 *     offset_j   = log2 w_j - sum over i of log2(2 pi var_ji) / 2
 * (a centroid: offset 0, h 1, so that the value is minus the squared distance). Screening evaluates its expanded
 * form as a product. With s_j = sum of h_ji m_ji^2 and b_j = offset_j - s_j, with e_p and e_s the errors of products
 * and of the two other terms, and with g that of a refined distance (kernels.h), a score and a refined value lie apart by
 * at most
 *     e_p sum of h_ji |2 m_ji x_i|  +  e_s (|b_j| + sum of h_ji x_i^2)  +  2 g (s_j + sum of h_ji x_i^2)
 * (diagonal components: |g_ji| |x_i^2 - c_i| with e_p and R_j H_i x_i^2 with e_s, see fgi_cpu_squares).
 * For any X_i > 0, |2 m x_i| <= |m| (X_i + x_i^2 / X_i): so this bound too has the form of a bias and of weights on
 * x_i^2. The plan takes the data's root mean square, at which nothing is given away, and adds the bound to bias and
 * weights: a score is never below the value, true or as refined in f32, and a component whose score is too low to
 * matter is proved not to. For spherical components, |m| and |x| stand in place of m_ji and x_i. */
#ifndef FGI_CPU_PLAN_H
#define FGI_CPU_PLAN_H
#include "kernels.h"
#include "params.h"

/* Diagonal components differ from each other less than from nothing. With H_i a scale of no component but typical of all, R_j
 * what fits component j best, and c_i and u_i an origin and a unit of x_i^2,
 *     sum of h_ji x_i^2  =  R_j sum of H_i x_i^2  +  sum of g_ji c_i  +  sum of (g_ji / u_i) (x_i^2 - c_i) u_i
 * with g_ji = h_ji - R_j H_i: one number a row with a slope, a bias, and products that are small, so that a screen may lose
 * more of them. */
typedef struct fgi_cpu_squares {
    float *scale, *origin, *unit; /* H, c, u: d; NULL where components are not diagonal */
} fgi_cpu_squares;

/* Components whose values lie so far below the best, and log2 of their number more, do not matter. */
enum { FGI_CPU_CUT = 26 };

typedef struct fgi_cpu_plan {
    fgi_kind kind;
    int32_t k, d;
    int32_t depth;  /* of the screening product: d, or 2 d for diagonal */
    int32_t panels; /* packed panels, the last one padded */
    int32_t ld;     /* elements from row to row of means and scale */
    bool normalize;
    const fgi_screen *screen;
    /* how far a score lies above the true value, about: margin + margin_slope * |x|^2 */
    double margin, margin_slope;
    double most_norm2;    /* rows longer than this might overflow a score: they are not screened */
    const float *center;  /* the parameters' own */
    const int32_t *order; /* k: the component of each lane of the panels; NULL: its number */
    void *packed;
    float *bias, *slope; /* of each lane */
    fgi_cpu_squares squares;
    float *means;   /* k x ld */
    float *scale;   /* k x ld: h of diagonal components, else NULL */
    double *offset; /* k; -inf: dead */
    double *h;      /* k: h of spherical components and centroids, 1 for diagonal ones */
    /* of all components, padded with such as have no row (kernels.h) */
    int32_t dense_panels; /* 0: not made, since the shape is too large or no share is soft */
    float *dense_means, *dense_scale; /* scale: h of diagonal components, else NULL */
    double *dense_offset, *dense_h;
} fgi_cpu_plan;

/* Packs the parameters in this order (NULL: as they are). Both must outlive the plan. */
fg_status fgi_cpu_plan_create(fgi_ledger *ledger, const fgi_kernels *kernels,
                              const fgi_params *params, const int32_t *order, fgi_cpu_plan *out);
void fgi_cpu_plan_destroy(fgi_cpu_plan *plan);

#endif
