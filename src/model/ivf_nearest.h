/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_nearest.h - the few centroids nearest to each of some queries, of which most are ruled out by a matrix product.
 * Knows the coarse quantizer, kernels and the plan of a pass; knows no list.
 *
 * A pass screens rows against components by scores that are never below the true values (cpu_plan.h). A query is such a
 * row, and centroids are such components, with the value -|x - m|^2, x and m the query and the centroid less the
 * centre, each rounded. What decides is the key of fgi_coarse_distance, found from the query q and the centroid c as they
 * are. With u = 2^-24, C the largest |c| + |m|, and g the relative error of a key:
 *
 *     key <= t   ->   |q - c|^2 <= t / (1 - g)   ->   |x - m| <= sqrt(t / (1 - g)) + u (|x| + C) = R
 *                ->   score >= -R^2
 *
 * So keys are computed for a few centroids of high scores, t is the worst of the best, and those whose scores are below
 * -R^2 are left out: what is found is the same as by all keys, to the bit. */
#ifndef FGI_IVF_NEAREST_H
#define FGI_IVF_NEAREST_H
#include "cpu_plan.h"
#include "ivf_coarse.h"
#include "ivf_hits.h"
#include "order.h"

/* Centroids as these kernels multiply them. */
typedef struct fgi_packed {
    const fgi_kernels *kernels; /* NULL: nothing is packed */
    fgi_cpu_plan plan;
    double lengths; /* C */
} fgi_packed;

/* Packs those of many; of few, nothing. The quantizer must outlive it. */
fg_status fgi_packed_create(const fgi_coarse *coarse, const fgi_kernels *kernels, fgi_packed *out);
void fgi_packed_destroy(fgi_packed *packed); /* also of a zeroed one */
int64_t fgi_packed_bytes(const fgi_packed *packed);

/* Whether it takes less time than all keys do, for queries that come alone or many together. */
bool fgi_nearest_pays(const fgi_packed *packed, const fgi_kernels *kernels, int32_t wanted,
                      bool alone);

/* One worker's queries, a few at a time. */
typedef struct fgi_nearest {
    const fgi_coarse *coarse;
    const fgi_packed *packed;
    int32_t wanted, rows; /* centroids of a query; queries at a time */
    int32_t lanes;        /* scores of a query: of centroids, and of none */
    int32_t ld_scores;
    float *x; /* rows x d */
    void *prepared;
    float *norm2, *largest, *scores; /* rows, and rows x ld_scores */
    int32_t *row, *number;           /* of those selected; row is of no use here */
    float *key;
    fgi_order order;
} fgi_nearest;

/* alone: for one query at a time. */
fg_status fgi_nearest_create(fgi_ledger *ledger, const fgi_coarse *coarse, const fgi_packed *packed,
                             int32_t wanted, bool alone, fgi_nearest *out);
void fgi_nearest_destroy(fgi_nearest *nearest); /* also of a zeroed one */

/* Scores of up to `rows` queries, without gaps. */
void fgi_nearest_screen(fgi_nearest *nearest, const float *queries, int32_t count);

/* The centroids nearest to the query that was screened as the row-th, the nearest first, of equals that with the lower
 * number. False, and nothing written, if its scores might overflow. */
bool fgi_nearest_find(fgi_nearest *nearest, int32_t row, const float *query, fgi_hit *found);

#endif
