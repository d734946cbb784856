/* SPDX-License-Identifier: Apache-2.0 */
/* soft_settle.cu - what rows have beside their planes, before their density is known and after; which of them count, and what they
 * tell the totals. Of deep rows also the density itself, of what tiles of values tell, and what the shares of a tile are of it.
 *
 * grid     a thread a row, of whole blocks of rows
 * bytes    32 a row; of deep ones 24 for each tile besides
 * bound    launches */
#include "follow.cuh"
#include "reduce.cuh"
#include "soft_layout.cuh"

#include <math.h>           /* INFINITY */
#include <math_constants.h> /* CUDART_INF_F */

namespace soft
{

enum { BEGIN_THREADS = 256 };

__global__ void __launch_bounds__(BEGIN_THREADS) begin(const __grid_constant__ fgi_soft_args a)
{
    fgi_follow_here();
    const int32_t row = blockIdx.x * BEGIN_THREADS + threadIdx.x;
    const float norm = row < a.rows.rows ? a.rows.norm[row] : 0.0f;
    const three_halves n = split3(isfinite(norm) && !a.model.ups ? ldexpf(norm, -norm_shift(a.model.d)) : 0.0f);
    const __half one = __float2half(1.0f), zero = __float2half(0.0f);
    const __half all[BESIDE] = {n.part[0], n.part[0], n.part[0], n.part[1], n.part[1], n.part[2], one,  one,
                                one,       zero,      zero,      zero,      zero,      zero,      zero, zero};
    uint4 *to = reinterpret_cast<uint4 *>(static_cast<__half *>(a.beside) + (int64_t)row * BESIDE);
    to[0] = reinterpret_cast<const uint4 *>(all)[0];
    to[1] = reinterpret_cast<const uint4 *>(all)[1];
}

/* log2 of the density of a deep row. */
__device__ float density_of(const fgi_soft_args &a, int32_t row)
{
    const fgi_soft_kept &kept = a.kept;
    float top = -CUDART_INF_F, tight = -CUDART_INF_F, sum = 0.0f;
    for (int32_t t = 0; t < kept.tiles; t++) {
        const int64_t at = (int64_t)t * kept.rows + row;
        top = fmaxf(top, kept.top[at]);
        tight = fmaxf(tight, kept.tight[at]);
    }
    for (int32_t t = 0; t < kept.tiles; t++) {
        const int64_t at = (int64_t)t * kept.rows + row;
        sum += kept.sum[at] * fgi_exp2(kept.top[at] - top);
    }
    const float density = top - LIFT + log2f(sum);
    return tight > density - a.cut ? -CUDART_INF_F : density;
}

/* By what shares of a deep row are to be multiplied: 0 if it does not count. */
__device__ void write_factors(const fgi_soft_kept &kept, int32_t row, bool counts, float normalizer)
{
    for (int32_t t = 0; t < kept.tiles; t++) {
        float *top = kept.top + (int64_t)t * kept.rows + row;
        *top = counts ? fgi_exp2(*top - normalizer) : 0.0f;
    }
}

__global__ void __launch_bounds__(FGI_SOFT_TOLD_ROWS) settle(const __grid_constant__ fgi_soft_args a)
{
    fgi_follow_here();
    const int32_t row = blockIdx.x * FGI_SOFT_TOLD_ROWS + threadIdx.x;
    const bool there = row < a.rows.rows;
    const bool deep = a.kept.tiles != 0;
    const float norm = there ? a.rows.norm[row] : 0.0f;
    const float normalizer = !there ? 0.0f : deep ? density_of(a, row) : a.normalizer[row];
    const bool served = isfinite(norm) && fabsf(normalizer) <= MOST_BESIDE;
    const bool bad = isnan(norm), counts = there && !bad && served;
    const uint32_t left = __ballot_sync(FGI_ALL_LANES, there && !bad && !served);
    const three_halves n = split3(counts ? normalizer - LIFT : -never);
    const __half last[4] = {n.part[0], n.part[1], n.part[2], __float2half(0.0f)};
    *reinterpret_cast<uint2 *>(static_cast<__half *>(a.beside) + (int64_t)row * BESIDE + NORMALIZER) =
        *reinterpret_cast<const uint2 *>(last);
    if (there && threadIdx.x % 32 == 0) a.left[row / 32] = left;
    if (there) a.normalizer[row] = counts ? normalizer : bad ? CUDART_NAN_F : -CUDART_INF_F;
    write_factors(a.kept, row, counts, normalizer);
    const double density = fgi_block_reduce<FGI_SOFT_TOLD_ROWS>(counts ? (double)normalizer : 0.0, fgi_add());
    const int counted = __syncthreads_count(counts), skipped = __syncthreads_count(bad);
    if (bad) atomicMin((long long *)&a.told->first_bad_row, (long long)(a.first + row));
    if (threadIdx.x != 0) return;
    a.density[blockIdx.x] = density;
    atomicAdd((unsigned long long *)&a.told->rows, (unsigned long long)counted);
    if (skipped) atomicAdd((unsigned long long *)&a.told->bad_rows, (unsigned long long)skipped);
}

inline unsigned padded_rows(const fgi_soft_args &a)
{
    return (unsigned)(blocks_of(a) * a.block_rows);
}

} // namespace soft

using namespace soft;

/* Norms that diagonal components are asked about weigh nothing. */
extern "C" float fgi_soft_most_norm(int32_t kind, int32_t d)
{
    return kind == FGI_CUDA_DIAGONAL ? INFINITY : ldexpf(MOST_BESIDE, norm_shift(d));
}

extern "C" cudaError_t fgi_soft_begin(const fgi_soft_args *a, cudaStream_t stream)
{
    return fgi_follow(begin, padded_rows(*a) / BEGIN_THREADS, BEGIN_THREADS, 0, stream, *a);
}

extern "C" cudaError_t fgi_soft_settle(const fgi_soft_args *a, cudaStream_t stream)
{
    return fgi_follow(settle, padded_rows(*a) / FGI_SOFT_TOLD_ROWS, FGI_SOFT_TOLD_ROWS, 0, stream, *a);
}
