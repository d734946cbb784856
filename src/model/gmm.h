/* SPDX-License-Identifier: Apache-2.0 */
/* gmm.h - a fitted mixture as an object: its parameters and how it came to be. Knows no pass. */
#ifndef FGI_GMM_H
#define FGI_GMM_H
#include "container.h"
#include "params.h"

struct fg_gmm {
    fgi_params params; /* kind FGI_SPHERICAL or FGI_DIAGONAL */
    int32_t *states;   /* k, fg_component_state */
    int32_t iterations, stop_reason;
    int64_t rows;
    double log_likelihood; /* NaN if not fitted */
    fgi_container file;    /* closed, unless the parameters lie in a mapped file */
    bool mapped;           /* the parameters are the file's, not ours to free */
};

/* A mixture with zeroed parameters, every state OK, not fitted. */
fg_status fgi_gmm_create(fgi_kind kind, int32_t k, int32_t d, fg_gmm **out);

/* A copy that shares nothing. */
fg_status fgi_gmm_clone(const fg_gmm *gmm, fg_gmm **out);

/* Free parameters: k - 1 weights, k * d means, the variances. */
int64_t fgi_gmm_parameters(const fg_gmm *gmm);

/* FG_UNSUPPORTED for covariances that this version does not fit. */
fg_status fgi_kind_of_covariance(int32_t covariance, fgi_kind *out);
fg_covariance fgi_covariance_of_kind(fgi_kind kind);

#endif
