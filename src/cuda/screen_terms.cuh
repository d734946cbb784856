/* SPDX-License-Identifier: Apache-2.0 */
/* screen_terms.cuh - what plans write for screening to read, and the numbers that both go by. */
#ifndef FGI_SCREEN_TERMS_CUH
#define FGI_SCREEN_TERMS_CUH
#include "cuda_sparse.h"
#include "units.cuh"

#include <cuda_fp16.h>      /* __half */
#include <math_constants.h> /* CUDART_INF_F */

namespace screening
{

enum { PLAN_WARPS = 8, STEP = 16 /* of the product's depth: what is rounded at once */ };

/* 2^-11, which rounds to f16 once, and what no term of a bound covers. */
constexpr double unit = (1.0 + 1.0 / 16) / 2048;

/* Rows longer than this, in typical lengths, or whose products may be larger than this, are not trusted to f16. */
__device__ const double most_length = 60.0, most_product = 30000.0;

/* Halves of a row of the plane for its values; diagonal ones have as many for their squares. */
__device__ __forceinline__ int32_t padded(int32_t d)
{
    return (d + FGI_SPARSE_PLANE_PAD - 1) / FGI_SPARSE_PLANE_PAD * FGI_SPARSE_PLANE_PAD;
}

/* What |score| and the sum of absolute products are multiplied by in the bound: roundings of the sums of as many steps, and three
 * more. A step of f32 sums is off by 2^-19 at most, a 256th of a rounding to f16. */
__host__ __device__ __forceinline__ double roundings(const fgi_sparse_model &m, int32_t depth)
{
    const double steps = (depth + STEP - 1) / STEP;
    return unit * ((m.wide ? steps / 256 : steps) + 3);
}

/* Halves: where slope and bias of a lane stand among the terms, which come as the computing threads read them: for each
 * tile of lanes 16 pairs of blocks of 8 columns x 4 quads x (two slopes, two biases of block 0, then of block 1). */
__device__ __forceinline__ int64_t place_of(int32_t j)
{
    const int in = j % FGI_SPARSE_LANES, block = in >> 3, quad = in >> 1 & 3;
    return (int64_t)(j / FGI_SPARSE_LANES) * (2 * FGI_SPARSE_LANES) + ((block >> 1) * 4 + quad) * 8 + (block & 1) * 4 +
           (in & 1);
}

__device__ __forceinline__ void write_terms(void *terms, int32_t j, __half slope, __half bias)
{
    __half *to = static_cast<__half *>(terms) + place_of(j);
    to[0] = slope;
    to[2] = bias;
}

/* By one thread: a lane that no row joins. */
__device__ __forceinline__ void write_dead(const fgi_sparse_model &m, int32_t j)
{
    const __half zero = __float2half(0.0f), never = __float2half(-CUDART_INF_F);
    write_terms(m.high, j, zero, never);
    write_terms(m.low, j, zero, never);
    if (j >= m.k) return;
    if (m.constants) m.constants[j] = -CUDART_INF;
    m.spheres[2 * j] = make_float4(1.0f, -CUDART_INF_F, 0.0f, 1.0f);
    m.spheres[2 * j + 1] = make_float4(0.0f, 0.0f, 1.0f, 0.0f);
}

/* Rows are screened that are no longer than every component allows. weights: the length of what multiplies the row. */
__device__ __forceinline__ void shorten_rows(const fgi_sparse_model &m, double weights)
{
    const double longest = fmin(most_product / (weights + 1e-6), most_length * sqrt((double)m.d));
    atomicMin(reinterpret_cast<uint32_t *>(&m.limits->longest), __float_as_uint((float)longest));
}

/* To no less than this, which is not negative. */
__device__ __forceinline__ void raise(float *limit, double least)
{
    atomicMax(reinterpret_cast<uint32_t *>(limit), __float_as_uint((float)(least * (1.0 + 0x1p-20))));
}

/* Scores of a component may be above its values by above + slope |row|^2. */
__device__ __forceinline__ void allow_scores(const fgi_sparse_model &m, double above, double slope)
{
    raise(&m.limits->above, above);
    raise(&m.limits->above_slope, slope);
}

/* Before components are planned. */
static inline cudaError_t reset_limits(const fgi_sparse_model *m, cudaStream_t stream)
{
    const cudaError_t error = cudaMemsetAsync(m->limits, 0, sizeof *m->limits, stream);
    return error == cudaSuccess ? cudaMemsetAsync(&m->limits->longest, 0x7f, sizeof m->limits->longest, stream) : error;
}

} // namespace screening

#endif
