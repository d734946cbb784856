/* SPDX-License-Identifier: Apache-2.0 */
/* soft_plan.cu - parameters as the soft pass wants them, and statistics of its sums. Knows no row.
 *
 * In scaled units and log2, with h = log2(e) / (2 variance), y the row as its halves add up to, and w / 2 h the mean as its
 * weights' halves add up to:
 *     value_j(y) = bias_j + slope_j |y|^2 + <w_j, y> = constant_j - h_j |y - w_j / 2 h_j|^2
 *     slope = -h, w = 2 h m in one half or two, bias = constant - |w|^2 / 4 h
 * so values are those of rows and means that have moved a little: by 2^-11 of their size in one half, by 2^-22 in two, or
 * 2^-25 at least. What is lost otherwise is f32's rounding of terms of the size h (|y|^2 + |m|^2), of which there are few, since
 * the tensor cores sum along the depth, cutting off what is below 2^-23 of the sum at each of depth / 16 steps. Slope, bias and
 * |y|^2 have three halves each (soft_layout.cuh). In one half a number they come last, when the sum becomes small; in rounds they
 * are the first, so that it only shrinks.
 *
 * A component is tight if h (d + |m|^2) > most_term: then the terms are too large for that. Beyond largest_term it takes part
 * with a smaller h, hence with values above its own. Rows to which a tight component matters are left to kernels that take
 * differences.
 *
 * With N, S, Q a component's sums of r, r y and r |y|^2, where r is as its halves add up to in all three:
 *     sum of r |y - m|^2 = Q - 2 <m, S> + N |m|^2
 *
 * grid: a warp a component */
#include "follow.cuh"
#include "soft_terms.cuh"
#include "told.cuh"

namespace soft
{

enum { MERGE_THREADS = 256 };

/* Sums of all components. */
__host__ __device__ inline int64_t entries_for(int32_t k, int32_t depth)
{
    return (int64_t)k * (columns_for(depth) + SUMMED);
}

__global__ void __launch_bounds__(32 * WARPS) plan(fgi_cuda_params p, const __grid_constant__ fgi_soft_model m, int32_t ld)
{
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= m.lanes) return;
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    const double up = m.scale->up;
    double mean2 = 0.0, weight2 = 0.0;
    for (int32_t c = lane; c < m.d && alive; c += 32) {
        const double mean = up * (float)p.means[(int64_t)j * m.d + c];
        mean2 += mean * mean;
    }
    mean2 = fgi_warp_reduce(mean2, fgi_add());
    const double variance = alive ? p.variances[j] : 1.0, own = 0.5 * fgi_log2_e / (variance * up * up),
                 length2 = m.d + mean2, h = fmin(own, largest_term / length2);
    for (int32_t c = lane; c < ld && j < m.k; c += 32) {
        const double mean = alive && c < m.d ? up * (float)p.means[(int64_t)j * m.d + c] : 0.0;
        const double w = write_weight(m, (int64_t)j * ld + c, 2.0 * h * mean);
        weight2 += w * w;
    }
    weight2 = fgi_warp_reduce(weight2, fgi_add());
    if (lane != 0) return;
    if (alive) {
        const double constant = fgi_log2_e * p.log_weights[j] - 0.5 * m.d * log2(fgi_two_pi * variance);
        write_beside(m, j, -h, constant - 0.25 * weight2 / h);
    } else {
        write_dead(m, j);
    }
    if (alive && own * length2 > most_term(m)) mark_tight(m, j);
}

/* Statistics of a component. */
__global__ void __launch_bounds__(32 * WARPS) finish(const __grid_constant__ fgi_soft_finish_args a)
{
    fgi_follow_here();
    const fgi_soft_model &m = a.model;
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= m.k) return;
    const summed s = summed_of(a, j);
    const double up = m.scale->up, down = m.scale->down;
    double square = 0.0;
    for (int32_t c = lane; c < m.d; c += 32) {
        const double mean = (float)a.params.means[(int64_t)j * m.d + c], scaled = up * mean, sum = s.unit * s.columns[c];
        a.shift[(int64_t)j * m.d + c] += down * sum - s.mass * mean;
        square += scaled * (s.mass * scaled - 2.0 * sum);
    }
    square = fgi_warp_reduce(square, fgi_add());
    if (lane != 0) return;
    square += ldexp(s.unit * (s.beside[NORM] + s.beside[NORM_2] + s.beside[NORM_3]), norm_shift(m.d));
    a.mass[j] += s.mass;
    a.square[j] += down * down * fmax(square, 0.0);
}

__global__ void finish_totals(const __grid_constant__ fgi_soft_finish_args a)
{
    fgi_follow_here();
    const double objective = fgi_ln_2 * a.sums[entries_for(a.model.k, a.ld)];
    fgi_add_told(a.told, objective, a.dropped, (int64_t)a.told->rows * a.model.k, a.totals);
}

/* *sum += what rows have told, in their order. */
__device__ void add_densities(const double *density, int32_t count, double *sum)
{
    __shared__ double some[MERGE_THREADS];
    double all = *sum;
    for (int32_t first = 0; first < count; first += MERGE_THREADS) {
        __syncthreads();
        some[threadIdx.x] = first + (int32_t)threadIdx.x < count ? density[first + threadIdx.x] : 0.0;
        __syncthreads();
        for (int i = 0; i < MERGE_THREADS && threadIdx.x == 0; i++) all += some[i];
    }
    if (threadIdx.x == 0) *sum = all;
}

/* A thread a column of a component; the last block: densities. */
__global__ void __launch_bounds__(MERGE_THREADS) merge(const __grid_constant__ fgi_soft_args a, int64_t stride)
{
    fgi_follow_here();
    const int64_t entries = entries_for(a.model.k, a.rows.depth);
    const int32_t blocks = blocks_of(a);
    if (blockIdx.x == gridDim.x - 1) {
        add_densities(a.density, blocks * (a.block_rows / FGI_SOFT_TOLD_ROWS), a.sums + entries);
        return;
    }
    const int64_t at = (int64_t)blockIdx.x * MERGE_THREADS + threadIdx.x;
    if (at >= entries) return;
    double sum = a.sums[at];
#pragma unroll 8
    for (int32_t b = 0; b < blocks; b++) sum += (double)a.partial[b * stride + at];
    a.sums[at] = sum;
}

} // namespace soft

using namespace soft;

extern "C" cudaError_t fgi_soft_plan(const fgi_cuda_params *params, const fgi_soft_model *model, int32_t ld,
                                     cudaStream_t stream)
{
    const cudaError_t e = cudaMemsetAsync(model->tight, 0, (size_t)model->lanes / 8, stream);
    if (e != cudaSuccess) return e;
    if (model->kind == FGI_CUDA_DIAGONAL) return fgi_soft_plan_diagonal(params, model, ld, stream);
    plan<<<(model->lanes + WARPS - 1) / WARPS, 32 * WARPS, 0, stream>>>(*params, *model, ld);
    return cudaGetLastError();
}

extern "C" int64_t fgi_soft_partial_floats(int32_t lanes, int32_t depth)
{
    return entries_for(lanes, depth);
}

extern "C" int64_t fgi_soft_sums_doubles(int32_t k, int32_t depth)
{
    return entries_for(k, depth) + 1; /* the last: of log2 densities */
}

extern "C" cudaError_t fgi_soft_merge(const fgi_soft_args *a, cudaStream_t stream)
{
    const int64_t entries = entries_for(a->model.k, a->rows.depth);
    return fgi_follow(merge, (unsigned)((entries + MERGE_THREADS - 1) / MERGE_THREADS + 1), MERGE_THREADS, 0, stream, *a,
                      fgi_soft_partial_floats(a->model.lanes, a->rows.depth));
}

extern "C" cudaError_t fgi_soft_finish(const fgi_soft_finish_args *a, cudaStream_t stream)
{
    const cudaError_t e = fgi_follow(finish_totals, 1, 1, 0, stream, *a);
    if (e != cudaSuccess) return e;
    if (a->model.kind == FGI_CUDA_DIAGONAL) return fgi_soft_finish_diagonal(a, stream);
    return fgi_follow(finish, (unsigned)((a->model.k + WARPS - 1) / WARPS), 32 * WARPS, 0, stream, *a);
}
