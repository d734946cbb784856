/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_search.h - queries against an index. Knows lists and kernels; knows no pass and no file. */
#ifndef FGI_IVF_SEARCH_H
#define FGI_IVF_SEARCH_H
#include "ivf_scan.h"

/* Fills in the defaults of `in` and checks it against the index. */
fg_status fgi_search_resolve(const fg_ivf *ivf, const fg_search_options *in,
                             fg_search_options *out);

/* As fg_ivf_search, whose arguments have been checked: opt resolved, the outputs of the right
 * shape. scores and stats may be NULL. */
fg_status fgi_ivf_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         const fg_search_options *opt, const fg_out *ids, const fg_out *scores,
                         fg_search_stats *stats);

/* A query as d floats, of length 1 under cosine, minus center (d). False if it is not finite, or
 * has no direction under cosine. */
bool fgi_query_load(const fg_ivf *ivf, const fgi_kernels *kernels, const fg_view *queries,
                    int64_t number, const float *center, float *query);

#endif
