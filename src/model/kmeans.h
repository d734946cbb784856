/* SPDX-License-Identifier: Apache-2.0 */
/* kmeans.h - Lloyd's algorithm over passes. Knows seeding and updates; knows no ISA, no file. */
#ifndef FGI_KMEANS_H
#define FGI_KMEANS_H
#include "pass.h"

/* Fills in the defaults of `in` and checks it against the shape of the data. */
fg_status fgi_kmeans_resolve(const fg_kmeans_options *in, int64_t rows, int32_t cols,
                             fg_kmeans_options *out);

/* Fits opt->k centroids: *centroids is created here, kind FGI_HARD, and becomes the caller's. report may be NULL; its
 * struct_size needs no check here. */
fg_status fgi_kmeans_fit(fg_context *ctx, fg_source *rows, const fg_kmeans_options *opt,
                         fgi_params *centroids, fg_fit_report *report);

#endif
