/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_strategy.c - the order of preference among strategies. Knows their names; knows none from within. */
#include "cuda_strategy.h"

const fgi_cuda_strategy *const fgi_cuda_strategies[FGI_CUDA_STRATEGIES] = {
    &fgi_cuda_one_component, &fgi_cuda_small_models, &fgi_cuda_soft,
    &fgi_cuda_sparse,        &fgi_cuda_dense,
};

void fgi_cuda_carve_answers(fgi_cuda_carver *c, const fgi_row_request *want, int64_t rows,
                            fgi_cuda_answers *out)
{
    *out = (fgi_cuda_answers){.top = want->top};
    if (want->log_density) out->densities = fgi_cuda_carve(c, rows, sizeof *out->densities);
    if (want->top == 0) return;
    out->components = fgi_cuda_carve(c, rows * want->top, sizeof *out->components);
    out->values = fgi_cuda_carve(c, rows * want->top, sizeof *out->values);
}
