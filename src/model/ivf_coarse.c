/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_coarse.c - tables for ranking lists. Knows parameters and kernels; knows no list.
 *
 *     -log(w_j N(x | m_j, v_j)) = offset_j + sum_i (x_i - m_ji)^2 / (2 v_ji) + constant
 *     offset_j = sum_i log(v_ji) / 2 - log(w_j) */
#include "ivf_coarse.h"

#include <float.h> /* FLT_MAX */
#include <math.h>  /* log */

static void fill_centroids(fgi_coarse *c)
{
    const fgi_params *p = &c->params;
    for (int32_t j = 0; j < p->k; j++)
        for (int32_t i = 0; i < p->d; i++) {
            const int64_t at = (int64_t)j * p->d + i;
            c->centroids[at] = (float)(p->center[i] + p->means[at]);
        }
}

static void fill_density(fgi_coarse *c)
{
    const fgi_params *p = &c->params;
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    for (int64_t at = 0; at < (int64_t)p->k * p->d; at++) c->means[at] = (float)p->means[at];
    for (int32_t j = 0; j < p->k; j++) {
        double log_det = 0;
        for (int32_t i = 0; i < cols; i++) {
            const int64_t at = (int64_t)j * cols + i;
            const double scale = 0.5 / p->variances[at];
            c->scale[at] = scale < FLT_MAX ? (float)scale : FLT_MAX; /* 0 * inf would be NaN */
            log_det += log(p->variances[at]);
        }
        log_det *= p->kind == FGI_SPHERICAL ? p->d : 1;
        c->offset[j] = (float)(0.5 * log_det - p->log_weights[j]);
        c->every[j] = j;
    }
}

fg_status fgi_coarse_create(const fgi_params *params, fgi_coarse *out)
{
    const int64_t k = params->k, cells = k * params->d;
    const bool mixture = params->kind != FGI_HARD;
    fgi_coarse c = {0};
    fg_status s = fgi_params_create(NULL, params->kind, params->k, params->d, &c.params);
    if (s == FG_OK) s = fgi_alloc(NULL, cells, sizeof(float), &c.centroids);
    if (s == FG_OK && mixture) s = fgi_alloc(NULL, cells, sizeof(float), &c.means);
    if (s == FG_OK && mixture)
        s = fgi_alloc(NULL, k * fgi_variance_cols(params->kind, params->d), sizeof(float),
                      &c.scale);
    if (s == FG_OK && mixture) s = fgi_alloc(NULL, k, sizeof(float), &c.offset);
    if (s == FG_OK && mixture) s = fgi_alloc(NULL, k, sizeof(int32_t), &c.every);
    if (s != FG_OK) {
        fgi_coarse_destroy(&c);
        return s;
    }
    fgi_params_copy(&c.params, params);
    fill_centroids(&c);
    if (mixture) fill_density(&c);
    *out = c;
    return FG_OK;
}

void fgi_coarse_destroy(fgi_coarse *c)
{
    fgi_params_destroy(&c->params);
    fgi_free(c->centroids);
    fgi_free(c->means);
    fgi_free(c->scale);
    fgi_free(c->offset);
    fgi_free(c->every);
    *c = (fgi_coarse){0};
}

void fgi_coarse_distance(const fgi_coarse *c, const fgi_kernels *kernels, const float *query,
                         float *keys)
{
    kernels->scan_l2[FG_F32](query, c->centroids, NULL, c->params.k, c->params.d, keys);
}

void fgi_coarse_inner(const fgi_coarse *c, const fgi_kernels *kernels, const float *query,
                      float *keys)
{
    kernels->scan_ip[FG_F32](query, c->centroids, NULL, c->params.k, c->params.d, keys);
    for (int32_t j = 0; j < c->params.k; j++) keys[j] = -keys[j];
}

void fgi_coarse_posterior(const fgi_coarse *c, const fgi_kernels *kernels, const float *query,
                          float *keys)
{
    const int32_t k = c->params.k, d = c->params.d;
    if (c->params.kind == FGI_DIAGONAL) {
        kernels->sqdist_scaled(query, c->means, c->scale, d, d, c->every, k, keys);
        for (int32_t j = 0; j < k; j++) keys[j] += c->offset[j];
    } else {
        kernels->scan_l2[FG_F32](query, c->means, NULL, k, d, keys);
        for (int32_t j = 0; j < k; j++) keys[j] = c->offset[j] + c->scale[j] * keys[j];
    }
}

int64_t fgi_coarse_bytes(const fgi_coarse *c)
{
    const fgi_params *p = &c->params;
    const int64_t k = p->k, d = p->d, variances = k * fgi_variance_cols(p->kind, p->d);
    const int64_t params_bytes = (k + k * d + variances) * (int64_t)sizeof(double);
    const int64_t floats = p->kind == FGI_HARD ? k * d + d : 2 * k * d + d + variances + 2 * k;
    return params_bytes + floats * (int64_t)sizeof(float);
}
