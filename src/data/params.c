/* SPDX-License-Identifier: Apache-2.0 */
/* params.c - parameters live in one block: log_weights, means, variances, then the centre. Knows
 * shapes; knows no meaning. */
#include "params.h"

#include <string.h> /* memcpy */

/* Cannot overflow: k and d are below 2^31. */
int64_t fgi_params_doubles(fgi_kind kind, int32_t k, int32_t d)
{
    return k * (1 + (int64_t)d + fgi_variance_cols(kind, d));
}

static size_t block_bytes(fgi_kind kind, int32_t k, int32_t d)
{
    return (size_t)fgi_params_doubles(kind, k, d) * sizeof(double) + (size_t)d * sizeof(float);
}

fg_status fgi_params_create(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d,
                            fgi_params *out)
{
    const int64_t doubles = fgi_params_doubles(kind, k, d), centre_doubles = ((int64_t)d + 1) / 2;
    double *block;
    FG_TRY(fgi_alloc_zero(ledger, doubles + centre_doubles, sizeof *block, &block));
    *out = (fgi_params){.kind = kind,
                        .k = k,
                        .d = d,
                        .log_weights = block,
                        .means = block + k,
                        .variances = block + k + (int64_t)k * d,
                        .center = (float *)(void *)(block + doubles)};
    return FG_OK;
}

void fgi_params_copy(fgi_params *to, const fgi_params *from)
{
    FGI_ASSERT(to->kind == from->kind && to->k == from->k && to->d == from->d);
    to->normalize = from->normalize;
    memcpy(to->log_weights, from->log_weights, block_bytes(from->kind, from->k, from->d));
}

void fgi_params_destroy(fgi_params *params)
{
    fgi_free(params->log_weights);
    *params = (fgi_params){0};
}
