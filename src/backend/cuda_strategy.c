/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_strategy.c - the order of preference among strategies. Knows their names; knows none from within. */
#include "cuda_strategy.h"

const fgi_cuda_strategy *const fgi_cuda_strategies[FGI_CUDA_STRATEGIES] = {
    &fgi_cuda_one_component, &fgi_cuda_small_models, &fgi_cuda_soft,
    &fgi_cuda_sparse,        &fgi_cuda_dense,
};
