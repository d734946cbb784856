/* SPDX-License-Identifier: Apache-2.0 */
/* api_ivf.c - the public functions on indexes. Checks arguments and copies numbers out; knows no
 * list. */
#include "check.h"
#include "eval.h"
#include "ivf.h"
#include "ivf_search.h"
#include "tune.h"

fg_status fg_ivf_build(fg_context *ctx, fg_source *rows, const fg_ivf_options *opt, fg_ivf **out,
                       fg_fit_report *report)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(rows, "rows"));
    FGI_CHECK_STRUCT(opt, "index options");
    FG_TRY(fgi_check_given(out, "out"));
    if (report) FG_TRY(fgi_check_struct_size(report->struct_size, sizeof *report, "fit report"));
    return fgi_ivf_build(ctx, rows, opt, out, report);
}

fg_status fg_ivf_add(fg_context *ctx, fg_ivf *ivf, fg_source *rows, const int64_t *ids)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(ivf, "ivf"));
    FG_TRY(fgi_check_given(rows, "rows"));
    return fgi_ivf_add(ctx, ivf, rows, ids, NULL);
}

fg_status fg_ivf_remove(fg_ivf *ivf, const int64_t *ids, int64_t count, int64_t *removed)
{
    FG_TRY(fgi_check_given(ivf, "ivf"));
    if (count < 0)
        return fgi_fail(FG_ARGUMENT, "count is %lld; it must be 0 or above", (long long)count);
    if (count > 0) FG_TRY(fgi_check_given(ids, "ids"));
    return fgi_ivf_remove(ivf, ids, count, removed);
}

static fg_status check_queries(const fg_context *ctx, const fg_ivf *ivf, const fg_view *queries)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(ivf, "ivf"));
    FG_TRY(fgi_view_check(queries, "queries"));
    if (queries->cols != fgi_ivf_dims(ivf))
        return fgi_fail(FG_ARGUMENT, "queries have %d columns; the index has %d dimensions",
                        queries->cols, fgi_ivf_dims(ivf));
    if (ctx->kernels->scan_l2[queries->dtype]) return FG_OK; /* the types that rows may have */
    return fgi_fail(FG_ARGUMENT, "queries are %s; they must be f32, f16, bf16, i8 or u8",
                    fg_dtype_text((fg_dtype)queries->dtype));
}

fg_status fg_ivf_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                        const fg_search_options *opt, const fg_out *ids, const fg_out *scores,
                        fg_search_stats *stats)
{
    FG_TRY(check_queries(ctx, ivf, queries));
    FGI_CHECK_STRUCT(opt, "search options");
    if (stats) FG_TRY(fgi_check_struct_size(stats->struct_size, sizeof *stats, "search stats"));
    fg_search_options resolved;
    FG_TRY(fgi_search_resolve(ivf, opt, &resolved));
    FG_TRY(fgi_out_check(ids, "ids", queries->rows, resolved.n, FG_I64, FG_I64));
    if (scores) FG_TRY(fgi_out_check(scores, "scores", queries->rows, resolved.n, FG_F32, FG_F32));
    return fgi_ivf_search(ctx, ivf, queries, &resolved, ids, scores, stats);
}

fg_status fg_ivf_get_info(const fg_ivf *ivf, fg_ivf_info *info)
{
    FG_TRY(fgi_check_given(ivf, "ivf"));
    FGI_CHECK_STRUCT(info, "index info");
    *info = (fg_ivf_info){
        .struct_size = sizeof *info,
        .rows = ivf->rows,
        .entries = ivf->entries,
        .dims = fgi_ivf_dims(ivf),
        .dtype = ivf->dtype,
        .lists = fgi_ivf_lists(ivf),
        .metric = ivf->metric,
        .assign = ivf->rule.kind,
        .max_lists = ivf->rule.max_lists,
        .coarse = ivf->coarse.params.kind == FGI_HARD ? FG_COARSE_KMEANS : FG_COARSE_GMM,
        .strict = ivf->rule.strict,
        .threshold = ivf->rule.threshold,
        .tuned_queries = ivf->calibration.queries,
        .tuned_n = ivf->calibration.n,
        .tuned_recall = ivf->calibration.points[FGI_CALIBRATION_POINTS - 1].recall,
        .bytes = fgi_ivf_bytes(ivf),
        .graph_edges = ivf->graph.k > 0 ? ivf->graph.begin[ivf->graph.k] : 0};
    return FG_OK;
}

fg_status fg_ivf_get_lists(const fg_ivf *ivf, const fg_out *sizes, const fg_out *centroids)
{
    FG_TRY(fgi_check_given(ivf, "ivf"));
    const int32_t lists = fgi_ivf_lists(ivf), d = fgi_ivf_dims(ivf);
    if (sizes) FG_TRY(fgi_out_check(sizes, "sizes", lists, 1, FG_I64, FG_I64));
    if (centroids) FG_TRY(fgi_out_check(centroids, "centroids", lists, d, FG_F32, FG_F32));
    for (int32_t l = 0; sizes && l < lists; l++)
        fgi_out_set_integer(sizes, l, 0, ivf->lists[l].count);
    for (int32_t l = 0; centroids && l < lists; l++)
        for (int32_t i = 0; i < d; i++)
            fgi_out_set(centroids, l, i, (double)ivf->coarse.centroids[(int64_t)l * d + i]);
    return FG_OK;
}

fg_status fg_ivf_eval(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                      const fg_eval_options *opt, const int32_t *probes, int32_t count,
                      fg_eval_point *points)
{
    FG_TRY(check_queries(ctx, ivf, queries));
    FGI_CHECK_STRUCT(opt, "eval options");
    if (count < 1) return fgi_fail(FG_ARGUMENT, "count is %d; it must be at least 1", count);
    if (!opt->recalls) FG_TRY(fgi_check_given(probes, "probes"));
    FG_TRY(fgi_check_given(points, "points"));
    fg_eval_options resolved;
    FG_TRY(fgi_eval_resolve(ivf, queries, opt, &resolved));
    return fgi_ivf_eval(ctx, ivf, queries, &resolved, probes, count, points);
}

fg_status fg_ivf_tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries,
                      const fg_tune_options *opt, fg_tune_report *report)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(ivf, "ivf"));
    if (queries) FG_TRY(check_queries(ctx, ivf, queries));
    FGI_CHECK_STRUCT(opt, "tune options");
    if (report) FG_TRY(fgi_check_struct_size(report->struct_size, sizeof *report, "tune report"));
    return fgi_ivf_tune(ctx, ivf, queries, opt, report);
}

fg_status fg_ivf_save(const fg_ivf *ivf, const char *path)
{
    FG_TRY(fgi_check_given(ivf, "ivf"));
    FG_TRY(fgi_check_given(path, "path"));
    return fgi_ivf_save(ivf, path);
}

fg_status fg_ivf_load(const char *path, int32_t mapped, fg_ivf **out)
{
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_given(out, "out"));
    return fgi_ivf_load(path, mapped != 0, out);
}

void fg_ivf_destroy(fg_ivf *ivf)
{
    fgi_ivf_destroy(ivf);
}
