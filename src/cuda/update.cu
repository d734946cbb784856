/* SPDX-License-Identifier: Apache-2.0 */
/* update.cu - statistics into parameters, in f64: the formulas of mstep.c, each sum in an order of its own. Knows no row.
 *
 * With N, S, Q the mass, shift and square of a component about its old mean m, and m' the new one:
 *     m' = f32(m + S / N)       variance = (Q - 2 (m' - m) S + N (m' - m)^2) / N       weight = N / sum of N
 *
 * grid     a block of 128 threads a component; then, unless all know it, one block for what concerns them all
 * bound    latency */
#include "cuda_update.h"
#include "flashgmm.h"
#include "follow.cuh"
#include "plan.cuh"
#include "random.h"

namespace
{

enum { THREADS = 128, SETTLE_THREADS = 256 };

/* A component's part of everything. */
struct component {
    const double *from, *shift, *square;
    double *mean;
    double mass;
};

/* One coordinate of a mean; gives the correction of the square back. */
__device__ double move_to(const component &c, int32_t i, double target)
{
    const double mean = (float)target, moved = mean - (float)c.from[i];
    c.mean[i] = mean;
    return moved * (c.mass * moved - 2.0 * c.shift[i]);
}

__device__ double target_of(const component &c, int32_t i)
{
    return (float)c.from[i] + c.shift[i] / c.mass;
}

__device__ void keep(const fgi_cuda_update_args &a, const component &c, int32_t j)
{
    const int32_t cols = a.kind == FGI_CUDA_DIAGONAL ? a.d : a.kind == FGI_CUDA_SPHERICAL ? 1 : 0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) c.mean[i] = c.from[i];
    for (int32_t i = threadIdx.x; i < cols; i += THREADS)
        a.to.variances[(int64_t)j * cols + i] = a.from.variances[(int64_t)j * cols + i];
    if (threadIdx.x == 0) a.states[j] = a.kind == FGI_CUDA_HARD ? 0 : FG_COMPONENT_DEAD;
}

/* Tells whether the variance stands at its floor. */
__device__ bool settle_variance(double *variance, double value, double floor)
{
    *variance = value > floor ? value : floor;
    return !(value > floor);
}

__device__ bool update_spherical(const fgi_cuda_update_args &a, const component &c, int32_t j)
{
    double correction = 0.0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) correction += move_to(c, i, target_of(c, i));
    correction = fgi_block_reduce<THREADS>(correction, fgi_add());
    return settle_variance(a.to.variances + j, (c.square[0] + correction) / (c.mass * a.d), a.floor[0]);
}

__device__ bool update_diagonal(const fgi_cuda_update_args &a, const component &c, int32_t j)
{
    int floored = 0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
        const double correction = move_to(c, i, target_of(c, i));
        floored |= settle_variance(a.to.variances + (int64_t)j * a.d + i, (c.square[i] + correction) / c.mass, a.floor[i]);
    }
    return fgi_block_reduce<THREADS>(floored, fgi_largest());
}

/* As fgi_centroids_rest has it. */
__device__ bool moves(const fgi_cuda_update_args &a, const component &c)
{
    const int32_t cols = a.stats_kind == FGI_CUDA_DIAGONAL ? a.d : 1;
    double step2 = 0.0, length2 = 0.0, along = 0.0, error = 0.0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
        const double step = c.shift[i] / c.mass;
        step2 += step * step;
        length2 += c.from[i] * c.from[i];
        along += step * (a.from.center[i] + c.from[i]);
        if (i < cols) error += c.square[i];
    }
    step2 = fgi_block_reduce<THREADS>(step2, fgi_add());
    length2 = fgi_block_reduce<THREADS>(length2, fgi_add());
    along = fgi_block_reduce<THREADS>(along, fgi_add());
    error = fgi_block_reduce<THREADS>(error, fgi_add());
    if (a.to_sphere) step2 -= along * along;
    return step2 > 0x1p-45 * (length2 + error / c.mass);
}

__device__ void update_centroid(const fgi_cuda_update_args &a, const component &c)
{
    double length = 1.0;
    if (a.to_sphere) { /* about the origin, which lies at -center */
        double sum = 0.0;
        for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
            const double at = a.from.center[i] + target_of(c, i);
            sum += at * at;
        }
        length = sqrt(fgi_block_reduce<THREADS>(sum, fgi_add()));
    }
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
        const double target = target_of(c, i), center = a.from.center[i];
        if (!a.to_sphere)
            move_to(c, i, target);
        else if (length > 0.0)
            move_to(c, i, (center + target) / length - center);
        else
            c.mean[i] = c.from[i]; /* a mean of 0 has no direction */
    }
}

__device__ void update_component(const fgi_cuda_update_args &a, int32_t j)
{
    const int32_t square_cols = a.stats_kind == FGI_CUDA_DIAGONAL ? a.d : 1;
    const int64_t at = (int64_t)j * a.d;
    const component c = {
        a.from.means + at, a.stats + a.k + at, a.stats + a.k + (int64_t)a.k * a.d + (int64_t)j * square_cols,
        a.to.means + at,   a.stats[j],
    };
    if (c.mass < a.least_mass) {
        keep(a, c, j);
        return;
    }
    if (a.kind == FGI_CUDA_HARD) {
        const bool moved = moves(a, c);
        update_centroid(a, c);
        if (threadIdx.x == 0) a.states[j] = moved;
        return;
    }
    const bool floored = a.kind == FGI_CUDA_SPHERICAL ? update_spherical(a, c, j) : update_diagonal(a, c, j);
    if (threadIdx.x == 0) a.states[j] = floored ? FG_COMPONENT_FLOORED : FG_COMPONENT_OK;
}

/* What a component has to know of all others. */
struct census {
    double mass; /* of the living */
    int32_t empty;
};

template <int N> __device__ census take_census(const fgi_cuda_update_args &a)
{
    census all = {};
    for (int32_t j = threadIdx.x; j < a.k; j += N) {
        const double mass = a.stats[j];
        const bool alive = mass >= a.least_mass;
        if (alive) all.mass += mass;
        all.empty += !alive;
    }
    all.mass = fgi_block_reduce<N>(all.mass, fgi_add());
    all.empty = fgi_block_reduce<N>(all.empty, fgi_add());
    return all;
}

/* Weights sum to 1 over the living. */
__device__ double log_weight_of(const fgi_cuda_update_args &a, int32_t j, double all)
{
    return a.stats[j] >= a.least_mass ? log(a.stats[j] / all) : -CUDART_INF;
}

__host__ __device__ bool has_few(const fgi_cuda_update_args &a)
{
    return a.kind != FGI_CUDA_HARD && a.k <= FGI_CUDA_FEW;
}

__global__ void __launch_bounds__(THREADS) update(const __grid_constant__ fgi_cuda_update_args a)
{
    fgi_follow_here();
    const int32_t j = blockIdx.x;
    update_component(a, j);
    if (!has_few(a)) return;
    const census all = take_census<THREADS>(a);
    if (threadIdx.x == 0) a.to.log_weights[j] = log_weight_of(a, j, all.mass);
    if (threadIdx.x == 0 && j == 0) *a.report = {*a.totals, all.empty, 0, 0};
    if (a.plans) fgi_plan_values<THREADS>(a.to, a.model, j);
}

/* ------------------------------------------------------------------------------------------ by one block */

struct cluster {
    double error;
    int32_t j;
};

__device__ cluster richest_of(const fgi_cuda_update_args &a)
{
    cluster best = {-1.0, a.k};
    for (int32_t j = threadIdx.x; j < a.k; j += SETTLE_THREADS)
        if (a.errors[j] > best.error) best = {a.errors[j], j};
    const double error = fgi_block_reduce<SETTLE_THREADS>(best.error, fgi_largest());
    return {error, fgi_block_reduce<SETTLE_THREADS>(best.error == error ? best.j : a.k, fgi_least())};
}

/* The cluster's centroid and a twin, half a deviation to either side. */
__device__ void part_by_lot(const fgi_cuda_update_args &a, const cluster &from, int32_t to)
{
    double *mean = a.to.means + (int64_t)from.j * a.d, *twin = a.to.means + (int64_t)to * a.d;
    const double mass = a.masses[from.j], half = 0.5 * sqrt(from.error / (mass * a.d));
    const uint64_t lot = (a.draw * (uint64_t)a.k + (uint64_t)to) * (uint64_t)a.d;
    for (int32_t i = threadIdx.x; i < a.d; i += SETTLE_THREADS) {
        const double step = fgi_random_u64(a.seed, FGI_STREAM_SPLIT, lot + (uint64_t)i) & 1 ? half : -half;
        twin[i] = (float)(mean[i] + step);
        mean[i] = (float)(mean[i] - step);
    }
    __syncthreads(); /* all have read the mass */
    if (threadIdx.x > 0) return;
    a.masses[from.j] = a.masses[to] = 0.5 * mass;
    a.errors[from.j] = a.errors[to] = 0.5 * from.error;
}

/* As fgi_revive_centroids has it, but that the statistics stay what they are. */
__device__ int32_t revive(const fgi_cuda_update_args &a)
{
    __shared__ uint32_t empties[SETTLE_THREADS / 32];
    const int32_t cols = a.stats_kind == FGI_CUDA_DIAGONAL ? a.d : 1;
    const double *square = a.stats + a.k + (int64_t)a.k * a.d;
    for (int32_t j = threadIdx.x; j < a.k; j += SETTLE_THREADS) {
        a.masses[j] = a.stats[j];
        a.errors[j] = 0.0;
        for (int32_t i = 0; i < cols; i++) a.errors[j] += square[(int64_t)j * cols + i];
    }
    int32_t revived = 0;
    for (int32_t first = 0; first < a.k; first += SETTLE_THREADS) {
        const int32_t own = first + threadIdx.x;
        const bool empty = own < a.k && a.stats[own] == 0.0;
        const uint32_t bits = __ballot_sync(FGI_ALL_LANES, empty);
        if (threadIdx.x % 32 == 0) empties[threadIdx.x / 32] = bits;
        if (__syncthreads_count(empty) == 0) continue;
        for (int32_t w = 0; w < SETTLE_THREADS / 32; w++)
            for (uint32_t left = empties[w]; left; left &= left - 1, revived++) {
                const cluster from = richest_of(a);
                if (!(from.error > 0.0) || a.masses[from.j] < 2.0) return revived; /* as many centroids as distinct rows */
                part_by_lot(a, from, first + 32 * w + __ffs(left) - 1);
                __syncthreads();
            }
        __syncthreads(); /* the next ones are written */
    }
    return revived;
}

__global__ void __launch_bounds__(SETTLE_THREADS) settle(const __grid_constant__ fgi_cuda_update_args a)
{
    fgi_follow_here();
    const bool hard = a.kind == FGI_CUDA_HARD;
    const census all = take_census<SETTLE_THREADS>(a);
    int32_t moved = 0;
    for (int32_t j = threadIdx.x; j < a.k; j += SETTLE_THREADS) {
        moved += hard && a.states[j];
        a.to.log_weights[j] = hard ? a.from.log_weights[j] : log_weight_of(a, j, all.mass);
    }
    moved = fgi_block_reduce<SETTLE_THREADS>(moved, fgi_add());
    const int32_t revived = hard && all.empty > 0 ? revive(a) : 0;
    if (threadIdx.x == 0) *a.report = {*a.totals, all.empty, moved, revived};
}

enum { CLEAR_THREADS = 256, MOST_CLEAR_BLOCKS = 1024 };

__global__ void __launch_bounds__(CLEAR_THREADS) clear(double *stats, int64_t doubles, fgi_cuda_totals *totals)
{
    fgi_follow_here();
    const int64_t first = (int64_t)blockIdx.x * CLEAR_THREADS + threadIdx.x;
    for (int64_t i = first; i < doubles; i += (int64_t)gridDim.x * CLEAR_THREADS) stats[i] = 0.0;
    if (first > 0) return;
    *totals = {};
    totals->first_bad_row = -1;
}

} // namespace

extern "C" cudaError_t fgi_cuda_clear(double *stats, int64_t doubles, fgi_cuda_totals *totals, cudaStream_t stream)
{
    const int64_t blocks = (doubles + CLEAR_THREADS - 1) / CLEAR_THREADS;
    return fgi_follow(clear, (unsigned)max((int64_t)1, min(blocks, (int64_t)MOST_CLEAR_BLOCKS)), CLEAR_THREADS, 0, stream,
                      stats, doubles, totals);
}

extern "C" cudaError_t fgi_cuda_update(const fgi_cuda_update_args *a, cudaStream_t stream)
{
    const cudaError_t e = fgi_follow(update, (unsigned)a->k, THREADS, 0, stream, *a);
    return e == cudaSuccess && !has_few(*a) ? fgi_follow(settle, 1, SETTLE_THREADS, 0, stream, *a) : e;
}
