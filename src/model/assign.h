/* SPDX-License-Identifier: Apache-2.0 */
/* assign.h - the rules that say which lists hold a row. Knows candidates of one row and their
 * values; knows no index. */
#ifndef FGI_ASSIGN_H
#define FGI_ASSIGN_H
#include "pass.h"

enum { FGI_MAX_LISTS = 64 /* lists that hold one row, and candidates for it, at most */ };

/* The lists that may hold a row, best first. */
typedef struct fgi_candidates {
    const int32_t *lists;
    const float *values; /* squared distances to the centroids, or responsibilities */
    int32_t count;       /* at least 1 */
} fgi_candidates;

typedef struct fgi_rule {
    fg_assign kind;
    int32_t max_lists; /* 1 .. FGI_MAX_LISTS */
    bool strict;       /* RAIR, SOAR: always max_lists lists */
    double threshold;  /* as in fg_ivf_options, resolved */
} fgi_rule;

/* How many candidates the rule looks at: the width of a pass's results. At least max_lists. */
int32_t fgi_rule_candidates(const fgi_rule *rule, int32_t lists);

/* The candidates of row `row` in a chunk's results of `top` columns. */
fgi_candidates fgi_candidates_of(const fgi_row_results *results, int64_t row, int32_t top);

/* Writes the chosen lists, ascending, to chosen (FGI_MAX_LISTS); returns how many, at least 1.
 * coarse: the quantizer, for the distances between its means. */
int32_t fgi_rule_choose(const fgi_rule *rule, const fgi_params *coarse,
                        const fgi_candidates *candidates, int32_t *chosen);

/* From which threshold on candidate j (from 1) joins, where that depends on nothing but the first
 * candidate and itself: INFINITY if from none. Not for HARD, NEAREST and RNG. */
double fgi_rule_joins(const fgi_rule *rule, const fgi_params *coarse, const fgi_candidates *c,
                      int32_t j);

/* What a pass must be asked for, and with which parameters, so that its results are the rule's
 * candidates: distances to the means for rules on distances, else the quantizer's own order; also
 * under inner product, by which only queries ask. The parameters share the memory of `coarse`. */
fgi_row_request fgi_rule_request(const fgi_rule *rule, const fgi_params *coarse);
fgi_params fgi_rule_params(const fgi_rule *rule, const fgi_params *coarse);

/* Sets rule->threshold such that the rows of the source are stored `copies` times on average, as
 * far as a sample of them tells. FG_ARGUMENT if max_lists, or what no threshold lets join, keeps
 * the mean below that: the message says what can be reached. */
fg_status fgi_rule_solve(fg_context *ctx, fg_source *rows, const fgi_params *coarse, double copies,
                         uint64_t seed, fgi_rule *rule);

#endif
