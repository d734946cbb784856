/* SPDX-License-Identifier: Apache-2.0 */
/* api_kmeans.c - the public functions on k-means. Checks arguments and copies results out; knows no iteration. */
#include "centroids.h"
#include "check.h"
#include "infer.h"
#include "kmeans.h"
#include "source.h"

fg_status fg_kmeans_fit(fg_context *ctx, fg_source *rows, const fg_kmeans_options *opt,
                        const fg_out *centroids, fg_fit_report *report)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(rows, "rows"));
    FGI_CHECK_STRUCT(opt, "k-means options");
    if (report) FG_TRY(fgi_check_struct_size(report->struct_size, sizeof *report, "fit report"));
    fg_kmeans_options resolved; /* checks k before it is used as a size */
    FG_TRY(fgi_kmeans_resolve(opt, rows->rows, rows->cols, &resolved));
    FG_TRY(fgi_out_check(centroids, "centroids", opt->k, rows->cols, FG_F32, FG_F64));
    fgi_params fitted;
    FG_TRY(fgi_kmeans_fit(ctx, rows, opt, &fitted, report));
    for (int32_t j = 0; j < fitted.k; j++)
        for (int32_t i = 0; i < fitted.d; i++)
            fgi_out_set(centroids, j, i,
                        fitted.means[(int64_t)j * fitted.d + i] + (double)fitted.center[i]);
    fgi_params_destroy(&fitted);
    return FG_OK;
}

static fg_status check_ranks(const fg_out *labels, const fg_out *sqdist, const fg_source *rows,
                             int32_t k)
{
    if (!labels && !sqdist) return fgi_fail(FG_ARGUMENT, "labels and sqdist are both NULL");
    const int32_t m = (labels ? labels : sqdist)->cols;
    if (m < 1 || m > k)
        return fgi_fail(FG_ARGUMENT,
                        "%s has %d columns; it must be in 1..%d (the number of centroids)",
                        labels ? "labels" : "sqdist", m, k);
    if (labels) FG_TRY(fgi_out_check(labels, "labels", rows->rows, m, FG_I32, FG_I32));
    if (sqdist) FG_TRY(fgi_out_check(sqdist, "sqdist", rows->rows, m, FG_F32, FG_F32));
    return FG_OK;
}

fg_status fg_kmeans_assign(fg_context *ctx, const fg_view *centroids, fg_source *rows,
                           const fg_out *labels, const fg_out *sqdist)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(rows, "rows"));
    FG_TRY(fgi_view_check(centroids, "centroids"));
    if (centroids->rows < 1 || centroids->rows > INT32_MAX || centroids->cols != rows->cols)
        return fgi_fail(FG_ARGUMENT, "centroids are %lld x %d; the rows have %d columns",
                        (long long)centroids->rows, centroids->cols, rows->cols);
    int64_t count;
    FG_TRY(fgi_source_count(rows, &count));
    FG_TRY(check_ranks(labels, sqdist, rows, (int32_t)centroids->rows));
    fgi_params params;
    FG_TRY(fgi_centroids_from(&ctx->ledger, centroids, &params));
    const fgi_top_outputs out = {.components = labels, .values = sqdist, .all_ranks = true};
    const fg_status s = fgi_infer_top(ctx, &params, rows, &out);
    fgi_params_destroy(&params);
    return s;
}
