/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_close.cu - what a chunk leaves to the dense kernels: the rows left over, compacted in order; and what
 * a pass leaves behind: totals.
 *
 * Responsibilities r_ij with entropy H_i have  log p(x_i) = sum over j of r_ij l_j(x_i) + H_i,  so the objective of
 * all rows follows from the statistics:
 *     sum over i of log p(x_i) = sum over j of (mass_j (log w_j - d/2 log(2 pi v_j)) - square_j / (2 v_j)) + sum of H_i
 * It is stationary where the r are right: an error of r counts only squared. */
#include "follow.cuh"
#include "reduce.cuh"
#include "told.cuh"
#include "units.cuh"

#include <math_constants.h> /* CUDART_PI */

namespace
{

enum { THREADS = 1024, EACH = 4 /* words that a thread reads at once */, WARPS = 8, COPY_BLOCKS = 64 };

enum counts { SPILLED, BEFORE };

/* Exclusive sum over the block; *all: of all threads. */
__device__ int32_t place_among(int32_t count, int32_t *all)
{
    __shared__ int32_t before[THREADS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int32_t upto = count;
    for (int step = 1; step < 32; step *= 2) {
        const int32_t earlier = __shfl_up_sync(FGI_ALL_LANES, upto, step);
        if (lane >= step) upto += earlier;
    }
    __syncthreads(); /* the last call's counts were read */
    if (lane == 31) before[warp] = upto;
    __syncthreads();
    int32_t place = upto - count, sum = 0;
    for (int w = 0; w < THREADS / 32; w++) {
        if (w == warp) place += sum;
        sum += before[w];
    }
    *all = sum;
    return place;
}

/* The words of rows left over from `first` on, of `words` in all. */
__device__ __forceinline__ uint4 left_from(const uint32_t *left, int32_t first, int32_t words)
{
    uint4 v = make_uint4(0, 0, 0, 0);
    if (first + EACH <= words) return *reinterpret_cast<const uint4 *>(left + first);
    if (first < words) v.x = left[first]; /* nobody writes beyond the last */
    if (first + 1 < words) v.y = left[first + 1];
    if (first + 2 < words) v.z = left[first + 2];
    return v;
}

__device__ void put_rows(const fgi_sparse_close_args &a, uint32_t bits, int32_t first, int32_t place, int32_t room)
{
    for (; bits && place < room; bits &= bits - 1, place++) a.spill.from[place] = first + __ffs(bits) - 1;
}

/* One block: which row goes to which place. */
__global__ void __launch_bounds__(THREADS) list(const __grid_constant__ fgi_sparse_close_args a)
{
    fgi_follow_here();
    const int32_t words = (a.rows + 31) / 32, before = a.spill.count[SPILLED], room = a.spill.capacity - before;
    int32_t found = 0;
    for (int32_t from = 0; from < words; from += THREADS * EACH) {
        const int32_t first = from + threadIdx.x * EACH;
        const uint4 v = left_from(a.left, first, words);
        if (!__syncthreads_or((v.x | v.y | v.z | v.w) != 0)) continue;
        const uint32_t bits[EACH] = {v.x, v.y, v.z, v.w};
        int32_t all, place = found + place_among(__popc(v.x) + __popc(v.y) + __popc(v.z) + __popc(v.w), &all);
        for (int i = 0; i < EACH; place += __popc(bits[i]), i++)
            if (bits[i]) put_rows(a, bits[i], (first + i) * 32, place, room);
        found += all;
    }
    if (threadIdx.x != 0) return;
    const int32_t taken = min(found, room);
    a.spill.count[BEFORE] = before;
    a.spill.count[SPILLED] = before + taken;
    a.told->left += (uint64_t)found;
    a.told->lost += (uint64_t)(found - taken);
}

/* A warp a row that this chunk spills. */
__global__ void __launch_bounds__(32 * WARPS) copy(const __grid_constant__ fgi_sparse_close_args a)
{
    fgi_follow_here();
    const int64_t units = a.spill.pitch_bytes / (int64_t)sizeof(uint4);
    const int32_t before = a.spill.count[BEFORE], spilled = a.spill.count[SPILLED];
    for (int32_t to = before + blockIdx.x * WARPS + threadIdx.x / 32; to < spilled; to += gridDim.x * WARPS) {
        const int64_t row = a.spill.from[to - before];
        const uint4 *from = static_cast<const uint4 *>(a.raw) + row * units;
        uint4 *there = static_cast<uint4 *>(a.spill.raw) + to * units;
        for (int64_t u = threadIdx.x % 32; u < units; u += 32) there[u] = from[u];
        if (threadIdx.x % 32 == 0) a.spill.numbers[to] = a.first + row;
    }
}

/* A component's part of the objective: a warp each. */
__global__ void __launch_bounds__(32 * WARPS) sum_components(const __grid_constant__ fgi_sparse_finish_args a)
{
    fgi_follow_here();
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= a.k) return;
    const int32_t each = a.diagonal ? a.d : 1; /* squares of a component */
    const double *square = a.stats + (int64_t)a.k * (1 + a.d) + (int64_t)j * each, n = a.stats[j];
    double sum = 0.0;
    for (int32_t c = lane; c < each; c += 32) {
        const double v = a.kind == FGI_CUDA_HARD       ? 0.5
                         : a.kind == FGI_CUDA_DIAGONAL ? a.params.variances[(int64_t)j * a.d + c]
                                                       : a.params.variances[j];
        sum -= 0.5 * square[c] / v;
        if (a.kind != FGI_CUDA_HARD && n > 0.0) sum -= 0.5 * n * a.d / each * log(2.0 * CUDART_PI * v);
    }
    sum = fgi_warp_reduce(sum, fgi_add());
    if (lane == 0) a.parts[j] = a.kind != FGI_CUDA_HARD && n > 0.0 ? sum + n * a.params.log_weights[j] : sum;
}

__global__ void __launch_bounds__(THREADS) finish(const __grid_constant__ fgi_sparse_finish_args a)
{
    fgi_follow_here();
    double sum = 0.0;
    for (int32_t j = threadIdx.x; j < a.k; j += THREADS) sum += a.parts[j];
    sum = fgi_block_reduce<THREADS>(sum, fgi_add());
    if (threadIdx.x != 0) return;
    const double objective = sum + fgi_ln_2 * 0x1p-24 * (double)a.told->entropy;
    if (a.candidates_each) *a.candidates_each = (float)a.told->candidates / (float)max(a.told->rows, (uint64_t)1);
    fgi_add_told(a.told, objective, a.dropped, (int64_t)a.told->survivors, a.totals);
}

} // namespace

extern "C" cudaError_t fgi_sparse_close(const fgi_sparse_close_args *a, cudaStream_t stream)
{
    const cudaError_t e = fgi_follow(list, 1, THREADS, 0, stream, *a);
    return e == cudaSuccess ? fgi_follow(copy, COPY_BLOCKS, 32 * WARPS, 0, stream, *a) : e;
}

extern "C" cudaError_t fgi_sparse_finish(const fgi_sparse_finish_args *a, cudaStream_t stream)
{
    const cudaError_t e = fgi_follow(sum_components, (unsigned)((a->k + WARPS - 1) / WARPS), 32 * WARPS, 0, stream, *a);
    return e == cudaSuccess ? fgi_follow(finish, 1, THREADS, 0, stream, *a) : e;
}
