/* SPDX-License-Identifier: Apache-2.0 */
/* mixtures.c - the public interface in the shape that tests want it. Knows cmocka; judges nothing. */
#include "mixtures.h"

#include "kernels.h"
#include "random.h"

#include <stdlib.h> /* malloc */

const char *const every_isa[] = {"ref", "neon", "avx2", "avx512", "avx512vnni", "amx", NULL};
const fg_covariance both_kinds[2] = {FG_COV_DIAG, FG_COV_SPHERICAL};

fg_context *context_of(const char *isa, int32_t threads)
{
    if (isa && !fgi_kernels_pick(isa)) return NULL;
    const fg_context_options o = {
        .struct_size = sizeof o, .backend = FG_BACKEND_CPU, .threads = threads, .isa = isa};
    fg_context *ctx;
    expect_ok(fg_context_create(&o, &ctx));
    return ctx;
}

float *blob_rows(const blobs *how)
{
    enum { CENTERS = 1, ROWS = 2 }; /* streams of random numbers */
    float *x = malloc((size_t)how->n * (size_t)how->d * sizeof *x);
    for (int64_t n = 0; n < how->n; n++)
        for (int32_t i = 0; i < how->d; i++) {
            const uint64_t center = (uint64_t)(n % how->blobs * how->d + i);
            const uint64_t place = (uint64_t)(n * how->d + i);
            x[place] = (float)(how->spread * fgi_random_normal(how->seed, CENTERS, center) +
                               fgi_random_normal(how->seed, ROWS, place));
        }
    return x;
}

double *widened(const float *x, int64_t count)
{
    double *wide = malloc((size_t)count * sizeof *wide);
    for (int64_t i = 0; i < count; i++) wide[i] = x[i];
    return wide;
}

fg_view view_of(const void *data, int64_t rows, int32_t cols, fg_dtype dtype)
{
    return (fg_view){.data = data, .rows = rows, .cols = cols, .dtype = (int16_t)dtype};
}

fg_out out_of(void *data, int64_t rows, int32_t cols, fg_dtype dtype)
{
    return (fg_out){.data = data, .rows = rows, .cols = cols, .dtype = (int16_t)dtype};
}

fg_source *source_of(const void *data, int64_t rows, int32_t cols, fg_dtype dtype)
{
    const fg_view view = view_of(data, rows, cols, dtype);
    fg_source *src;
    expect_ok(fg_source_memory(&view, &src));
    return src;
}

void fit(fg_context *ctx, fg_source *src, fg_gmm_options opt, fitted *out)
{
    opt.struct_size = sizeof opt;
    *out = (fitted){.report = {.struct_size = sizeof out->report, .history_capacity = HISTORY}};
    out->report.history = out->history;
    expect_ok(fg_gmm_fit(ctx, src, &opt, &out->gmm, &out->report));
}

void fitted_free(fitted *f)
{
    fg_gmm_destroy(f->gmm);
    f->gmm = NULL;
}

static fg_gmm_info info_of(const fg_gmm *gmm)
{
    fg_gmm_info info = {.struct_size = sizeof info};
    expect_ok(fg_gmm_get_info(gmm, &info));
    return info;
}

oracle start_at_rows(const float *x, int64_t n, int32_t d, int32_t k, fg_covariance covariance)
{
    const oracle o = oracle_new(k, d, covariance == FG_COV_SPHERICAL);
    for (int32_t j = 0; j < k; j++) {
        o.weights[j] = 1.0 / k;
        for (int32_t i = 0; i < d; i++) {
            o.means[j * d + i] = x[(n * j / k) * d + i];
            o.variances[j * d + i] = 4.0;
        }
    }
    return o;
}

oracle oracle_of(const fg_gmm *gmm)
{
    const fg_gmm_info info = info_of(gmm);
    const int32_t k = info.components, d = info.dims;
    const oracle o = oracle_new(k, d, info.covariance == FG_COV_SPHERICAL);
    const fg_out weights = out_of(o.weights, k, 1, FG_F64), means = out_of(o.means, k, d, FG_F64);
    fg_out variances = out_of(o.variances, k, o.spherical ? 1 : d, FG_F64);
    variances.row_stride = d;
    expect_ok(fg_gmm_get(gmm, &weights, &means, &variances, NULL));
    for (int32_t j = 0; o.spherical && j < k; j++)
        for (int32_t i = 1; i < d; i++) o.variances[j * d + i] = o.variances[j * d];
    return o;
}

fg_gmm *gmm_of(const oracle *o)
{
    const int32_t k = o->k, d = o->d;
    const fg_view weights = view_of(o->weights, k, 1, FG_F64),
                  means = view_of(o->means, k, d, FG_F64);
    fg_view variances = view_of(o->variances, k, o->spherical ? 1 : d, FG_F64);
    variances.row_stride = d;
    fg_gmm *gmm;
    expect_ok(fg_gmm_from(&weights, &means, &variances,
                          o->spherical ? FG_COV_SPHERICAL : FG_COV_DIAG, &gmm));
    return gmm;
}

void states_of(const fg_gmm *gmm, int32_t *states)
{
    const fg_out out = out_of(states, info_of(gmm).components, 1, FG_I32);
    expect_ok(fg_gmm_get(gmm, NULL, NULL, NULL, &out));
}
