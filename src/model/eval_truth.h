/* SPDX-License-Identifier: Apache-2.0 */
/* eval_truth.h - the true nearest rows of queries. Knows searches and ids; knows no measure. */
#ifndef FGI_EVAL_TRUTH_H
#define FGI_EVAL_TRUTH_H
#include "ivf.h"

/* Of each query its n true nearest, ascending by id; -1 in front where there are fewer rows. */
typedef struct fgi_truth {
    int32_t n;
    int64_t *ids; /* queries x n */
    float *last;  /* queries: the score of the last of them in the order of search; NaN if there is
                     none */
} fgi_truth;

/* From a search of every list, or, if given is not NULL, from its first n columns (i32 or i64),
 * best first. FG_ARGUMENT names a given id that the index does not have. */
fg_status fgi_truth_create(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                           const fg_view *given, int32_t n, fgi_truth *out);
void fgi_truth_destroy(fgi_truth *truth);

/* How many of the query's true rows there are, and how many of them n results of a search stand
 * for. */
int32_t fgi_truth_count(const fgi_truth *truth, int64_t query);
int32_t fgi_truth_found(const fgi_truth *truth, int64_t query, const int64_t *ids,
                        const float *scores);

#endif
