/* SPDX-License-Identifier: Apache-2.0 */
/* soft_answer.cu - what single rows have to tell: their densities, and their best components.
 *
 * grid     a thread a row
 * bytes    12 a row, and as many to it; bound: HBM */
#include "cuda_soft.h"
#include "follow.cuh"
#include "units.cuh"

#include <math_constants.h> /* CUDART_NAN */

namespace
{

enum { THREADS = 256 };

__global__ void __launch_bounds__(THREADS) answer(const __grid_constant__ fgi_soft_args a, fgi_cuda_answers to)
{
    fgi_follow_here();
    const int32_t row = blockIdx.x * THREADS + threadIdx.x;
    if (row >= a.rows.rows) return;
    const float normalizer = a.normalizer[row]; /* NaN: a bad row; -inf: left over, and answered later */
    const bool bad = isnan(normalizer);
    if (to.densities) to.densities[row] = fgi_ln_2 * (double)normalizer;
    if (to.top == 0) return;
    to.components[row] = bad ? -1 : a.best[row];
    to.values[row] = bad ? 0.0f : fminf(exp2f(a.best_value[row] - normalizer), 1.0f);
}

} // namespace

extern "C" cudaError_t fgi_soft_answer(const fgi_soft_args *a, const fgi_cuda_answers *to, cudaStream_t stream)
{
    return fgi_follow(answer, (unsigned)((a->rows.rows + THREADS - 1) / THREADS), THREADS, 0, stream, *a, *to);
}
