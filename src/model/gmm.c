/* SPDX-License-Identifier: Apache-2.0 */
/* gmm.c - mixtures as objects. Knows parameters; knows no pass and no file. */
#include "gmm.h"

#include <math.h>   /* NAN */
#include <string.h> /* memcpy */

fg_status fgi_gmm_create(fgi_kind kind, int32_t k, int32_t d, fg_gmm **out)
{
    fg_gmm *gmm;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *gmm, &gmm));
    gmm->log_likelihood = NAN;
    fg_status s = fgi_params_create(NULL, kind, k, d, &gmm->params);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, k, sizeof *gmm->states, &gmm->states);
    if (s != FG_OK) {
        fg_gmm_destroy(gmm);
        return s;
    }
    *out = gmm;
    return FG_OK;
}

fg_status fgi_gmm_clone(const fg_gmm *gmm, fg_gmm **out)
{
    const fgi_params *p = &gmm->params;
    fg_gmm *copy;
    FG_TRY(fgi_gmm_create(p->kind, p->k, p->d, &copy));
    fgi_params_copy(&copy->params, p);
    memcpy(copy->states, gmm->states, (size_t)p->k * sizeof *copy->states);
    copy->iterations = gmm->iterations;
    copy->stop_reason = gmm->stop_reason;
    copy->rows = gmm->rows;
    copy->log_likelihood = gmm->log_likelihood;
    *out = copy;
    return FG_OK;
}

void fg_gmm_destroy(fg_gmm *gmm)
{
    if (!gmm) return;
    if (!gmm->mapped) fgi_params_destroy(&gmm->params);
    fgi_container_close(&gmm->file);
    fgi_free(gmm->states);
    fgi_free(gmm);
}

static bool shares_variance(const fgi_params *p)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    const size_t bytes = (size_t)cols * sizeof *p->variances;
    for (int64_t j = 1; j < p->k; j++)
        if (memcmp(p->variances, p->variances + j * cols, bytes) != 0) return false;
    return true;
}

int64_t fgi_gmm_parameters(const fg_gmm *gmm)
{
    const fgi_params *p = &gmm->params;
    const int64_t variances = shares_variance(p) ? 1 : p->k;
    return p->k - 1 + (int64_t)p->k * p->d + variances * fgi_variance_cols(p->kind, p->d);
}

fg_status fgi_kind_of_covariance(int32_t covariance, fgi_kind *out)
{
    switch (covariance) {
    case FG_COV_DIAG: *out = FGI_DIAGONAL; return FG_OK;
    case FG_COV_SPHERICAL: *out = FGI_SPHERICAL; return FG_OK;
    case FG_COV_FULL:
    case FG_COV_TIED:
        return fgi_fail(FG_UNSUPPORTED, "%s covariance is not supported; use spherical or diagonal",
                        covariance == FG_COV_FULL ? "full" : "tied");
    default:
        return fgi_fail(FG_ARGUMENT, "covariance is %d; it must be in 0..3 (fg_covariance)",
                        covariance);
    }
}

fg_covariance fgi_covariance_of_kind(fgi_kind kind)
{
    return kind == FGI_DIAGONAL ? FG_COV_DIAG : FG_COV_SPHERICAL;
}
