/* SPDX-License-Identifier: Apache-2.0 */
/* plan.cuh - what values need of a component, made of its parameters by a block of threads. Knows no score. */
#ifndef FGI_PLAN_CUH
#define FGI_PLAN_CUH
#include "cuda_pass.h"
#include "reduce.cuh"
#include "units.cuh"

#include <math_constants.h> /* CUDART_INF */

__device__ __forceinline__ double fgi_inverse_scale(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j, int32_t i)
{
    if (m.kind == FGI_CUDA_HARD) return 1.0;
    const int64_t at = m.kind == FGI_CUDA_SPHERICAL ? j : (int64_t)j * m.d + i;
    return 0.5 * fgi_log2_e / p.variances[at];
}

/* Half the log2 of the component's volume. */
template <int THREADS> __device__ double fgi_half_log2_volume(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j)
{
    double sum = 0.0;
    if (m.kind == FGI_CUDA_DIAGONAL)
        for (int32_t i = threadIdx.x; i < m.d; i += THREADS) sum += log2(fgi_two_pi * p.variances[(int64_t)j * m.d + i]);
    else if (m.kind == FGI_CUDA_SPHERICAL && threadIdx.x == 0)
        sum = m.d * log2(fgi_two_pi * p.variances[j]);
    return fgi_block_reduce<THREADS>(0.5 * sum, fgi_add());
}

/* offset: -inf if dead. */
__device__ __forceinline__ double fgi_offset(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j, double volume)
{
    if (!(p.log_weights[j] > -CUDART_INF)) return -CUDART_INF;
    return m.kind == FGI_CUDA_HARD ? 0.0 : p.log_weights[j] * fgi_log2_e - volume;
}

/* A thread reads what it wrote of the parameters itself: means and variances of every THREADS-th dimension, and the first
 * one the weight. */
template <int THREADS> __device__ void fgi_plan_values(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j)
{
    for (int32_t i = threadIdx.x; i < m.d; i += THREADS) {
        m.means[(int64_t)j * m.ld + i] = (float)p.means[(int64_t)j * m.d + i];
        if (m.scale) m.scale[(int64_t)j * m.ld + i] = (float)fgi_inverse_scale(p, m, j, i);
    }
    const double volume = fgi_half_log2_volume<THREADS>(p, m, j);
    if (threadIdx.x != 0) return;
    m.offset[j] = fgi_offset(p, m, j, volume);
    m.h[j] = m.scale ? 1.0 : fgi_inverse_scale(p, m, j, 0);
}

#endif
