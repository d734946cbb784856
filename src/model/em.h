/* SPDX-License-Identifier: Apache-2.0 */
/* em.h - fits a mixture: start, EM iterations, restarts. Knows passes and convergence; knows no ISA, no file. */
#ifndef FGI_EM_H
#define FGI_EM_H
#include "gmm.h"
#include "pass.h"

/* Fills in the defaults of `in` and checks it against the shape of the data. */
fg_status fgi_gmm_resolve(const fg_gmm_options *in, int64_t rows, int32_t cols,
                          fg_gmm_options *out);

/* report may be NULL; its struct_size needs no check here. */
fg_status fgi_gmm_fit(fg_context *ctx, fg_source *rows, const fg_gmm_options *opt, fg_gmm **out,
                      fg_fit_report *report);

#endif
