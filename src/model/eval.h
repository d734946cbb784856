/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - how much is found, at what cost. Knows searches; knows no list.
 *
 *     recall = rows found / true rows, over all queries;
 *     a returned row is found if it is among the n true nearest or has the same score as the
 *     last of them: rows that tie for the last place can stand for each other.
 *
 * So a truth of other rows or of another metric shows as little recall, not as much.
 * Scores are the search's own, also where the truth is given as ids, so that equal means equal
 * bits. */
#ifndef FGI_EVAL_H
#define FGI_EVAL_H
#include "ivf.h"

/* Fills in the defaults of `in` and checks it against index and queries. */
fg_status fgi_eval_resolve(const fg_ivf *ivf, const fg_view *queries, const fg_eval_options *in,
                           fg_eval_options *out);

/* As fg_ivf_eval, with resolved options. */
fg_status fgi_ivf_eval(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                       const fg_eval_options *opt, const int32_t *probes, int32_t count,
                       fg_eval_point *points);

#endif
