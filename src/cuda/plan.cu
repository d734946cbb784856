/* SPDX-License-Identifier: Apache-2.0 */
/* plan.cu - parameters as the kernels want them (formulas: cuda_pass.h). Knows no row.
 *
 * With s = sum of h m^2 and b = offset - s, the terms of a score have absolute values that sum to at most
 *     A = |b| + s + 2 sum of h x^2                      by 2 h m x <= h m^2 + h x^2
 * and a sum of p products in f32 is off by at most gamma A, gamma = (2 p + 8) 2^-24. So gamma (|b| + s) is added to the
 * bias and 2 gamma h to the weights of x^2.
 *
 * grid: a block of 128 threads a lane */
#include "cuda_pass.h"
#include "reduce.cuh"

#include <math_constants.h> /* CUDART_INF_F */

namespace {

enum { THREADS = 128 };

__device__ const double log2_e = 1.4426950408889634, two_pi = 6.283185307179586;

/* Terms beyond this are not trusted to f32: such a component's score is infinite, and its rows are not screened. */
__device__ const double most_term = 1e37;

__device__ double inverse_scale(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j, int32_t i)
{
    if (m.kind == FGI_CUDA_HARD) return 1.0;
    const int64_t at = m.kind == FGI_CUDA_SPHERICAL ? j : (int64_t)j * m.d + i;
    return 0.5 * log2_e / p.variances[at];
}

/* Half the log2 of the volume, summed over this thread's dimensions. */
__device__ double half_log2_volume(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j)
{
    double sum = 0.0;
    if (m.kind == FGI_CUDA_DIAGONAL)
        for (int32_t i = threadIdx.x; i < m.d; i += THREADS)
            sum += log2(two_pi * p.variances[(int64_t)j * m.d + i]);
    else if (m.kind == FGI_CUDA_SPHERICAL && threadIdx.x == 0)
        sum = m.d * log2(two_pi * p.variances[j]);
    return 0.5 * sum;
}

__global__ void __launch_bounds__(THREADS) plan(fgi_cuda_params p, fgi_cuda_model m)
{
    const int32_t j = blockIdx.x;
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    const bool diagonal = m.kind == FGI_CUDA_DIAGONAL;
    const double gamma = ((diagonal ? 4.0 : 2.0) * m.d + 8.0) * 0x1p-24;
    double s = 0.0, largest = 0.0;
    for (int32_t i = threadIdx.x; i < m.d && j < m.k; i += THREADS) {
        const int64_t at = (int64_t)j * m.ld + i;
        const float mean = (float)p.means[(int64_t)j * m.d + i];
        const double h = inverse_scale(p, m, j, i);
        m.means[at] = mean;
        m.weights[at] = alive ? (float)(2.0 * h * mean) : 0.0f;
        if (diagonal) {
            m.scale[at] = (float)h;
            m.squares[at] = alive ? (float)(-h * (1.0 - 2.0 * gamma)) : 0.0f;
        }
        s += h * mean * mean;
        largest = h > largest ? h : largest;
    }
    s = fgi_block_reduce<THREADS>(s, fgi_add());
    largest = fgi_block_reduce<THREADS>(largest, fgi_largest());
    const double volume = fgi_block_reduce<THREADS>(j < m.k ? half_log2_volume(p, m, j) : 0.0, fgi_add());
    if (threadIdx.x != 0) return;
    if (!alive) {
        m.bias[j] = -CUDART_INF_F;
        m.slope[j] = 0.0f;
        if (j < m.k) {
            m.offset[j] = -CUDART_INF;
            m.h[j] = 1.0;
        }
        return;
    }
    const double h = diagonal ? 1.0 : largest;
    const double offset = m.kind == FGI_CUDA_HARD ? 0.0 : p.log_weights[j] * log2_e - volume;
    const double b = offset - s;
    m.offset[j] = offset;
    m.h[j] = h;
    m.bias[j] = s < most_term && fabs(b) < most_term ? (float)(b + gamma * (fabs(b) + s) + 1e-30)
                                                     : CUDART_INF_F;
    m.slope[j] = diagonal ? 0.0f : (float)(-h * (1.0 - 2.0 * gamma));
    /* of floats that are not negative, the order of the bits is the order of the values */
    atomicMax(reinterpret_cast<unsigned *>(m.largest_h), __float_as_uint((float)largest));
}

} // namespace

extern "C" cudaError_t fgi_cuda_plan(const fgi_cuda_params *params, const fgi_cuda_model *model,
                                     cudaStream_t stream)
{
    const cudaError_t error = cudaMemsetAsync(model->largest_h, 0, sizeof(float), stream);
    if (error != cudaSuccess) return error;
    plan<<<model->lanes, THREADS, 0, stream>>>(*params, *model);
    return cudaGetLastError();
}
