/* SPDX-License-Identifier: Apache-2.0 */
/* api_model.c - the public functions on a mixture as an object: parameters in and out, criteria, files, samples.
 * Checks arguments; knows no pass. */
#include "check.h"
#include "draw.h"
#include "gmm_file.h"
#include "source.h"

#include <math.h> /* exp, log, isfinite */

fg_status fg_gmm_get_info(const fg_gmm *gmm, fg_gmm_info *info)
{
    FG_TRY(fgi_check_given(gmm, "gmm"));
    FGI_CHECK_STRUCT(info, "mixture info");
    const fgi_params *p = &gmm->params;
    *info = (fg_gmm_info){
        .struct_size = info->struct_size,
        .components = p->k,
        .dims = p->d,
        .covariance = fgi_covariance_of_kind(p->kind),
        .normalize = p->normalize,
        .iterations = gmm->iterations,
        .stop_reason = gmm->stop_reason,
        .rows = gmm->rows,
        .log_likelihood = gmm->log_likelihood,
        .parameters = fgi_gmm_parameters(gmm),
    };
    return FG_OK;
}

static fg_status check_outputs(const fg_gmm *gmm, const fg_out *weights, const fg_out *means,
                               const fg_out *variances, const fg_out *states)
{
    const fgi_params *p = &gmm->params;
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    if (weights) FG_TRY(fgi_out_check(weights, "weights", p->k, 1, FG_F64, FG_F32));
    if (means) FG_TRY(fgi_out_check(means, "means", p->k, p->d, FG_F64, FG_F32));
    if (variances) FG_TRY(fgi_out_check(variances, "variances", p->k, cols, FG_F64, FG_F32));
    if (states) FG_TRY(fgi_out_check(states, "states", p->k, 1, FG_I32, FG_I32));
    return FG_OK;
}

fg_status fg_gmm_get(const fg_gmm *gmm, const fg_out *weights, const fg_out *means,
                     const fg_out *variances, const fg_out *states)
{
    FG_TRY(fgi_check_given(gmm, "gmm"));
    FG_TRY(check_outputs(gmm, weights, means, variances, states));
    const fgi_params *p = &gmm->params;
    const int32_t d = p->d, cols = fgi_variance_cols(p->kind, d);
    for (int32_t j = 0; j < p->k; j++) {
        const double *mean = p->means + (int64_t)j * d,
                     *variance = p->variances + (int64_t)j * cols;
        if (weights) fgi_out_set(weights, j, 0, exp(p->log_weights[j]));
        for (int32_t i = 0; means && i < d; i++)
            fgi_out_set(means, j, i, mean[i] + (double)p->center[i]);
        for (int32_t i = 0; variances && i < cols; i++) fgi_out_set(variances, j, i, variance[i]);
        if (states) fgi_out_set_integer(states, j, 0, gmm->states[j]);
    }
    return FG_OK;
}

/* ---- a mixture from given parameters */

static fg_status check_parameters(const fg_view *weights, const fg_view *means,
                                  const fg_view *variances, fgi_kind kind)
{
    FG_TRY(fgi_view_check(weights, "weights"));
    FG_TRY(fgi_view_check(means, "means"));
    FG_TRY(fgi_view_check(variances, "variances"));
    const int64_t k = means->rows;
    const int32_t cols = fgi_variance_cols(kind, means->cols);
    if (k < 1 || k > INT32_MAX)
        return fgi_fail(FG_ARGUMENT, "means has %lld rows; it must be in 1..%d", (long long)k,
                        INT32_MAX);
    if (weights->rows != k || weights->cols != 1)
        return fgi_fail(FG_ARGUMENT, "weights is %lld x %d; it must be %lld x 1",
                        (long long)weights->rows, weights->cols, (long long)k);
    if (variances->rows != k || variances->cols != cols)
        return fgi_fail(FG_ARGUMENT, "variances is %lld x %d; it must be %lld x %d",
                        (long long)variances->rows, variances->cols, (long long)k, cols);
    return FG_OK;
}

static fg_status take_weights(const fg_view *weights, fg_gmm *gmm)
{
    const int32_t k = gmm->params.k;
    double sum = 0.0;
    for (int32_t j = 0; j < k; j++) {
        const double w = fgi_view_get(weights, j, 0);
        if (!(w >= 0.0 && isfinite(w)))
            return fgi_fail(FG_ARGUMENT, "weight %d is %g; it must be finite and at least 0", j, w);
        sum += w;
    }
    if (!(sum > 0.0 && isfinite(sum)))
        return fgi_fail(FG_ARGUMENT, "the %d weights sum to %g; the sum must be positive", k, sum);
    for (int32_t j = 0; j < k; j++) {
        const double w = fgi_view_get(weights, j, 0);
        gmm->params.log_weights[j] = log(w / sum); /* -inf for 0 */
        gmm->states[j] = w > 0.0 ? FG_COMPONENT_OK : FG_COMPONENT_DEAD;
    }
    return FG_OK;
}

/* Means are kept about their own mean. */
static fg_status take_means(const fg_view *means, fgi_params *p)
{
    for (int32_t i = 0; i < p->d; i++) {
        double sum = 0.0;
        for (int32_t j = 0; j < p->k; j++) {
            const double m = fgi_view_get(means, j, i);
            if (!(fabs(m) <= FGI_MOST_MEAN))
                return fgi_fail(FG_ARGUMENT,
                                "mean %d, dimension %d is %g; it must be finite and at most %g", j,
                                i, m, FGI_MOST_MEAN);
            sum += m;
        }
        p->center[i] = (float)(sum / p->k);
        for (int32_t j = 0; j < p->k; j++)
            p->means[(int64_t)j * p->d + i] = fgi_view_get(means, j, i) - (double)p->center[i];
    }
    return FG_OK;
}

static fg_status take_variances(const fg_view *variances, fgi_params *p)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    for (int32_t j = 0; j < p->k; j++)
        for (int32_t i = 0; i < cols; i++) {
            const double v = fgi_view_get(variances, j, i);
            if (!(v >= FGI_LEAST_VARIANCE && v <= FGI_MOST_VARIANCE))
                return fgi_fail(FG_ARGUMENT,
                                "variance %d, dimension %d is %g; it must be in %g..%g", j, i, v,
                                FGI_LEAST_VARIANCE, FGI_MOST_VARIANCE);
            p->variances[(int64_t)j * cols + i] = v;
        }
    return FG_OK;
}

fg_status fg_gmm_from(const fg_view *weights, const fg_view *means, const fg_view *variances,
                      fg_covariance covariance, fg_gmm **out)
{
    fgi_kind kind;
    fg_gmm *gmm;
    FG_TRY(fgi_check_given(out, "out"));
    FG_TRY(fgi_kind_of_covariance((int32_t)covariance, &kind));
    FG_TRY(check_parameters(weights, means, variances, kind));
    FG_TRY(fgi_gmm_create(kind, (int32_t)means->rows, means->cols, &gmm));
    fg_status s = take_weights(weights, gmm);
    if (s == FG_OK) s = take_means(means, &gmm->params);
    if (s == FG_OK) s = take_variances(variances, &gmm->params);
    if (s == FG_OK)
        *out = gmm;
    else
        fg_gmm_destroy(gmm);
    return s;
}

/* ---- criteria, files, samples */

double fg_gmm_aic(const fg_gmm *gmm, double mean_log_likelihood, int64_t rows)
{
    return 2.0 * (double)fgi_gmm_parameters(gmm) - 2.0 * mean_log_likelihood * (double)rows;
}

double fg_gmm_bic(const fg_gmm *gmm, double mean_log_likelihood, int64_t rows)
{
    const double n = (double)rows;
    return log(n) * (double)fgi_gmm_parameters(gmm) - 2.0 * mean_log_likelihood * n;
}

fg_status fg_gmm_save(const fg_gmm *gmm, const char *path)
{
    FG_TRY(fgi_check_given(gmm, "gmm"));
    FG_TRY(fgi_check_given(path, "path"));
    return fgi_gmm_save(gmm, path);
}

fg_status fg_gmm_load(const char *path, int32_t mapped, fg_gmm **out)
{
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_given(out, "out"));
    return fgi_gmm_load(path, mapped != 0, out);
}

fg_status fg_gmm_sample(const fg_gmm *gmm, uint64_t seed, int64_t first, const fg_out *out,
                        const fg_out *labels)
{
    FG_TRY(fgi_check_given(gmm, "gmm"));
    FG_TRY(fgi_check_given(out, "out"));
    if (first < 0)
        return fgi_fail(FG_ARGUMENT, "first is %lld; it must be at least 0", (long long)first);
    FG_TRY(fgi_out_check(out, "out", out->rows, gmm->params.d, FG_F32, FG_F32));
    if (labels) FG_TRY(fgi_out_check(labels, "labels", out->rows, 1, FG_I32, FG_I32));
    if (gmm->params.normalize)
        return fgi_fail(FG_UNSUPPORTED,
                        "a mixture of normalised rows has no density to draw rows from");
    return fgi_gmm_draw(gmm, seed, first, out, labels);
}
