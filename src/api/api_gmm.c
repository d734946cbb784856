/* SPDX-License-Identifier: Apache-2.0 */
/* api_gmm.c - the public functions that fit a mixture and ask it about rows. Checks arguments; knows no
 * iteration. */
#include "check.h"
#include "em.h"
#include "infer.h"
#include "source.h"

fg_status fg_gmm_options_resolve(const fg_gmm_options *in, int64_t rows, int32_t cols,
                                 fg_gmm_options *out)
{
    FGI_CHECK_STRUCT(in, "mixture options");
    FG_TRY(fgi_check_given(out, "out"));
    return fgi_gmm_resolve(in, rows, cols, out);
}

fg_status fg_gmm_fit(fg_context *ctx, fg_source *rows, const fg_gmm_options *opt, fg_gmm **out,
                     fg_fit_report *report)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(rows, "rows"));
    FGI_CHECK_STRUCT(opt, "mixture options");
    FG_TRY(fgi_check_given(out, "out"));
    if (report) FG_TRY(fgi_check_struct_size(report->struct_size, sizeof *report, "fit report"));
    return fgi_gmm_fit(ctx, rows, opt, out, report);
}

/* What every question about rows needs; counts the rows of a reader that did not say. */
static fg_status check_question(const fg_context *ctx, const fg_gmm *gmm, fg_source *rows)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FG_TRY(fgi_check_given(gmm, "gmm"));
    FG_TRY(fgi_check_given(rows, "rows"));
    if (rows->cols != gmm->params.d)
        return fgi_fail(FG_ARGUMENT, "the rows have %d columns; the mixture has %d dimensions",
                        rows->cols, gmm->params.d);
    int64_t count;
    return fgi_source_count(rows, &count);
}

fg_status fg_gmm_predict(fg_context *ctx, const fg_gmm *gmm, fg_source *rows, const fg_out *labels,
                         const fg_out *posterior)
{
    FG_TRY(check_question(ctx, gmm, rows));
    if (!labels && !posterior) return fgi_fail(FG_ARGUMENT, "labels and posterior are both NULL");
    if (labels) FG_TRY(fgi_out_check(labels, "labels", rows->rows, 1, FG_I32, FG_I32));
    if (posterior) FG_TRY(fgi_out_check(posterior, "posterior", rows->rows, 1, FG_F32, FG_F32));
    const fgi_top_outputs out = {.components = labels, .values = posterior};
    return fgi_infer_top(ctx, &gmm->params, rows, &out);
}

fg_status fg_gmm_score(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                       const fg_out *log_density, double *mean_log_likelihood)
{
    FG_TRY(check_question(ctx, gmm, rows));
    if (log_density)
        FG_TRY(fgi_out_check(log_density, "log_density", rows->rows, 1, FG_F64, FG_F32));
    return fgi_infer_score(ctx, &gmm->params, rows, log_density, mean_log_likelihood);
}

fg_status fg_gmm_top(fg_context *ctx, const fg_gmm *gmm, fg_source *rows, const fg_out *components,
                     const fg_out *responsibilities)
{
    FG_TRY(check_question(ctx, gmm, rows));
    FG_TRY(fgi_check_given(components, "components"));
    const int32_t m = components->cols;
    if (m < 1 || m > gmm->params.k)
        return fgi_fail(FG_ARGUMENT,
                        "components has %d columns; it must be in 1..%d (the components)", m,
                        gmm->params.k);
    FG_TRY(fgi_out_check(components, "components", rows->rows, m, FG_I32, FG_I32));
    if (responsibilities)
        FG_TRY(fgi_out_check(responsibilities, "responsibilities", rows->rows, m, FG_F32, FG_F32));
    const fgi_top_outputs out = {.components = components, .values = responsibilities};
    return fgi_infer_top(ctx, &gmm->params, rows, &out);
}

fg_status fg_gmm_above(fg_context *ctx, const fg_gmm *gmm, fg_source *rows, double tau,
                       fg_csr **out)
{
    FG_TRY(check_question(ctx, gmm, rows));
    FG_TRY(fgi_check_given(out, "out"));
    if (!(tau > 0.0 && tau < 1.0))
        return fgi_fail(FG_ARGUMENT, "tau is %g; it must lie between 0 and 1", tau);
    return fgi_infer_above(ctx, &gmm->params, rows, tau, out);
}

fg_status fg_gmm_responsibilities(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                                  const fg_out *responsibilities)
{
    FG_TRY(check_question(ctx, gmm, rows));
    FG_TRY(fgi_out_check(responsibilities, "responsibilities", rows->rows, gmm->params.k, FG_F32,
                         FG_F32));
    return fgi_infer_dense(ctx, &gmm->params, rows, responsibilities);
}
