/* SPDX-License-Identifier: Apache-2.0 */
/* assign.h - the rules that say which lists hold a row. Knows candidates of one row and their
 * values; knows no index. */
#ifndef FGI_ASSIGN_H
#define FGI_ASSIGN_H
#include "pass.h"

enum { FGI_MAX_LISTS = 64 /* lists that hold one row, at most */ };

/* The lists that may hold a row, best first. */
typedef struct fgi_candidates {
    const int32_t *lists;
    const float *values; /* squared distances to the centroids, or responsibilities */
    int32_t count;       /* at least 1 */
} fgi_candidates;

typedef struct fgi_rule {
    fg_assign kind;
    int32_t max_lists; /* 1 .. FGI_MAX_LISTS */
    double threshold;  /* as in fg_ivf_options, resolved */
} fgi_rule;

/* The candidates of row `row` in a chunk's results of `top` columns. */
fgi_candidates fgi_candidates_of(const fgi_row_results *results, int64_t row, int32_t top);

/* Writes the chosen lists, ascending, to chosen (FGI_MAX_LISTS); returns how many, at least 1. */
int32_t fgi_rule_choose(const fgi_rule *rule, const fgi_candidates *candidates, int32_t *chosen);

/* What a pass must be asked for, and with which parameters, so that its results are the rule's
 * candidates: distances to the means for a margin, else the quantizer's own order; also under inner
 * product, by which only queries ask. The parameters share the memory of `coarse`. */
fgi_row_request fgi_rule_request(const fgi_rule *rule);
fgi_params fgi_rule_params(const fgi_rule *rule, const fgi_params *coarse);

/* Sets rule->threshold such that the rows of the source are stored `copies` times on average, as
 * far as a sample of them tells. FG_ARGUMENT if max_lists, or responsibilities of 0, keep the mean
 * below that: the message says what can be reached. */
fg_status fgi_rule_solve(fg_context *ctx, fg_source *rows, const fgi_params *coarse, double copies,
                         uint64_t seed, fgi_rule *rule);

#endif
