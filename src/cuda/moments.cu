/* SPDX-License-Identifier: Apache-2.0 */
/* moments.cu - the pass of a single component. Its log-likelihood needs no row, only the sums:
 *     objective = n (log w - 1/2 sum of log(2 pi v_i)) - 1/2 sum of square_i / v_i          (a centroid: - sum of square_i)
 *
 * grid     a block of 128 threads, one a column, for 128 columns of 256 rows; four rows are summed in f32, then in f64
 * bytes    4 d a row
 * bound    memory */
#include "cuda_moments.h"
#include "reduce.cuh"
#include "units.cuh"

namespace
{

enum { THREADS = 128, ROWS = FGI_CUDA_MOMENTS_ROWS, FOUR = 4 };

__device__ __forceinline__ void put(double *to, double value, bool add)
{
    *to = add ? *to + value : value;
}

/* Which of the segment's rows can be used. Tells how many there are. */
__device__ int32_t find_usable(const fgi_cuda_moments_args &a, int32_t first, bool *usable)
{
    const int32_t there = max(0, min((int32_t)ROWS, a.rows.rows - first));
    for (int32_t r = threadIdx.x; r < ROWS; r += THREADS) usable[r] = r < there && isfinite(a.rows.norm2[first + r]);
    __syncthreads();
    return there;
}

__device__ void add_totals(const fgi_cuda_moments_args &a, int32_t first, int32_t there, const bool *usable)
{
    int32_t good = 0, bad = ROWS;
    for (int32_t r = threadIdx.x; r < there; r += THREADS) {
        good += usable[r];
        if (!usable[r]) bad = min(bad, r);
    }
    good = fgi_block_reduce<THREADS>(good, fgi_add());
    bad = fgi_block_reduce<THREADS>(bad, fgi_least());
    if (threadIdx.x != 0) return;
    fgi_cuda_totals all = {};
    all.first_bad_row = -1;
    if (a.add) all = a.totals[blockIdx.y];
    all.rows += good;
    all.rows_skipped += there - good;
    if (bad < ROWS && all.first_bad_row < 0) all.first_bad_row = a.first + first + bad;
    a.totals[blockIdx.y] = all;
}

/* Chunks come in order, so the first bad row of a segment is the first that it has met. */
__global__ void __launch_bounds__(THREADS) add_columns(const __grid_constant__ fgi_cuda_moments_args a)
{
    __shared__ bool usable[ROWS];
    const int32_t first = blockIdx.y * ROWS, column = blockIdx.x * THREADS + threadIdx.x;
    const int32_t there = find_usable(a, first, usable);
    if (blockIdx.x == 0) add_totals(a, first, there, usable);
    if (column >= a.d) return;
    const float mean = (float)a.params.means[column];
    const float *x = a.rows.x + (int64_t)first * a.ld + column;
    double shift = 0.0, square = 0.0;
    for (int32_t r = 0; r < there; r += FOUR) {
        float difference[FOUR], sum = 0.0f, sum2 = 0.0f;
#pragma unroll
        for (int e = 0; e < FOUR; e++) {
            const bool used = r + e < there && usable[r + e];
            difference[e] = used ? x[(int64_t)(r + e) * a.ld] - mean : 0.0f;
            sum += difference[e];
            sum2 = fmaf(difference[e], difference[e], sum2);
        }
        shift += sum;
        if (isfinite(sum2))
            square += sum2;
        else
            for (int e = 0; e < FOUR; e++) square += (double)difference[e] * difference[e];
    }
    const int64_t at = (int64_t)blockIdx.y * a.d + column;
    put(a.shift + at, shift, a.add);
    put(a.square + at, square, a.add);
}

/* A thread a column; the sums stay in the first part. */
__global__ void __launch_bounds__(THREADS) merge(const __grid_constant__ fgi_cuda_moments_args a)
{
    const int32_t column = blockIdx.x * THREADS + threadIdx.x;
    if (column >= a.d) return;
    double shift = 0.0, square = 0.0;
#pragma unroll 8
    for (int32_t s = 0; s < a.segments; s++) {
        shift += a.shift[(int64_t)s * a.d + column];
        square += a.square[(int64_t)s * a.d + column];
    }
    a.shift[column] = shift;
    a.square[column] = square;
}

/* What the sums add to the objective, over this thread's dimensions. */
__device__ double objective_of(const fgi_cuda_moments_args &a, double rows)
{
    double sum = 0.0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
        if (a.kind == FGI_CUDA_HARD) {
            sum -= a.square[i];
            continue;
        }
        const double v = a.params.variances[a.kind == FGI_CUDA_DIAGONAL ? i : 0];
        sum -= 0.5 * (rows * log(fgi_two_pi * v) + a.square[i] / v);
    }
    return sum;
}

/* One block. */
__global__ void __launch_bounds__(THREADS)
    settle(const __grid_constant__ fgi_cuda_moments_args a, double *stats, fgi_cuda_totals *totals)
{
    long long good = 0, skipped = 0, bad = INT64_MAX;
    for (int32_t s = threadIdx.x; s < a.segments; s += THREADS) {
        const fgi_cuda_totals t = a.totals[s];
        good += t.rows;
        skipped += t.rows_skipped;
        if (t.first_bad_row >= 0) bad = min(bad, (long long)t.first_bad_row);
    }
    good = fgi_block_reduce<THREADS>(good, fgi_add());
    skipped = fgi_block_reduce<THREADS>(skipped, fgi_add());
    bad = fgi_block_reduce<THREADS>(bad, fgi_least());
    const double objective = fgi_block_reduce<THREADS>(objective_of(a, (double)good), fgi_add());
    double *shift = stats + 1, *square = shift + a.d, all = 0.0;
    for (int32_t i = threadIdx.x; i < a.d; i += THREADS) {
        shift[i] += a.shift[i];
        if (a.each) square[i] += a.square[i];
        all += a.square[i];
    }
    all = fgi_block_reduce<THREADS>(all, fgi_add());
    if (threadIdx.x != 0) return;
    stats[0] += (double)good;
    if (!a.each) square[0] += all;
    totals->objective += objective;
    if (a.kind != FGI_CUDA_HARD && good > 0) totals->objective += good * a.params.log_weights[0];
    totals->rows += good;
    totals->rows_skipped += skipped;
    totals->survivors += good;
    if (bad < INT64_MAX) totals->first_bad_row = bad;
}

} // namespace

extern "C" cudaError_t fgi_cuda_moments(const fgi_cuda_moments_args *a, cudaStream_t stream)
{
    /* all segments, though a last chunk has rows for a few: the others' parts are written too */
    add_columns<<<dim3((a->d + THREADS - 1) / THREADS, a->segments), THREADS, 0, stream>>>(*a);
    return cudaGetLastError();
}

extern "C" cudaError_t fgi_cuda_moments_merge(const fgi_cuda_moments_args *a, double *stats, fgi_cuda_totals *totals,
                                              cudaStream_t stream)
{
    merge<<<(a->d + THREADS - 1) / THREADS, THREADS, 0, stream>>>(*a);
    settle<<<1, THREADS, 0, stream>>>(*a, stats, totals);
    return cudaGetLastError();
}
