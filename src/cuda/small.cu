/* SPDX-License-Identifier: Apache-2.0 */
/* small.cu - a pass with a small model: tiles of 32 rows through distances, responsibilities and statistics in one kernel.
 *
 * Distances: a lane a row, a warp 8 components. Responsibilities: 8 threads a row. Statistics: a lane a dimension, a warp 8
 * components; four rows are summed in f32, whose rounding is that of the difference itself, then in f64.
 *
 * grid     256 blocks of 256 threads, each of which takes every 256th tile: sums have one order on every chip
 * shared   26 to 62 KB: the tile, means (and scales), distances, responsibilities
 * bytes    4 d a row; the model once a block
 * bound    FP32: 4 k d a row (diagonal 6 k d); latency where rows are few */
#include "cuda_small.h"
#include "follow.cuh"
#include "grant.cuh"
#include "reduce.cuh"
#include "units.cuh"

#include <math_constants.h> /* CUDART_INF */

namespace
{

enum {
    ROWS = 32,
    WARPS = 8,
    THREADS = 32 * WARPS,
    OWN = 8, /* components of a warp, and of a thread that shares a row */
    MOST_K = FGI_CUDA_SMALL_K,
    PITCH_K = MOST_K + 4, /* whole units of 16 bytes, in other banks */
    PITCH_R = ROWS + 4,
    PARTS = FGI_CUDA_SMALL_PARTS
};

/* DIMS: columns, in units of 32. */
template <int DIMS> struct block_memory {
    float mean[32 * DIMS][PITCH_K];
    float r[MOST_K][PITCH_R];
    float x[ROWS][32 * DIMS + 1];
    float distance[MOST_K][ROWS + 1]; /* scaled, if diagonal */
    double offset[MOST_K], h[MOST_K];
    int usable[ROWS];
    float scale[32 * DIMS][PITCH_K]; /* diagonal alone: there is no room for it otherwise */
};

/* What a thread has found of whole rows. */
struct tally {
    double objective, dropped;
    long long good, skipped, survivors, bad;
};

struct place {
    double value;
    int32_t j;
    __device__ bool operator<(const place &o) const /* worse: a lower value; of equals, the higher number */
    {
        return value < o.value || (value == o.value && j > o.j);
    }
};

template <int DIMS, bool SCALED> __device__ void load_model(const fgi_cuda_model &m, block_memory<DIMS> &s)
{
#pragma unroll 8 /* all on their way at once, as of rows below: nothing else hides what they take */
    for (int e = threadIdx.x; e < MOST_K * 32 * DIMS; e += THREADS) {
        const int j = e / (32 * DIMS), i = e % (32 * DIMS);
        const bool there = j < m.k && i < m.d;
        s.mean[i][j] = there ? __ldg(m.means + (int64_t)j * m.ld + i) : 0.0f;
        if (SCALED) s.scale[i][j] = there ? __ldg(m.scale + (int64_t)j * m.ld + i) : 0.0f;
    }
    for (int j = threadIdx.x; j < MOST_K; j += THREADS) {
        s.offset[j] = j < m.k ? m.offset[j] : -CUDART_INF;
        s.h[j] = j < m.k ? m.h[j] : 1.0;
    }
}

/* Rows that cannot be used, or are not there, become 0. */
template <int DIMS> __device__ void load_tile(const fgi_cuda_small_args &a, int32_t first, block_memory<DIMS> &s)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int t = 0; t < ROWS / WARPS; t++) {
        const int r = threadIdx.x / 32 + t * WARPS;
        const bool there = first + r < a.rows.rows;
        const float *row = a.rows.x + (int64_t)(first + r) * a.model.ld;
        const float norm2 = there ? __ldg(a.rows.norm2 + first + r) : CUDART_INF_F;
        const bool usable = isfinite(norm2);
#pragma unroll
        for (int q = 0; q < DIMS; q++) {
            const int i = lane + 32 * q;
            const float value = there && i < a.model.d ? __ldg(row + i) : 0.0f;
            s.x[r][i] = usable ? value : 0.0f;
        }
        if (lane == 0) s.usable[r] = usable;
    }
}

/* Of the row that is this lane's, to the components of this warp. */
template <int DIMS, bool SCALED> __device__ void find_distances(int32_t d, block_memory<DIMS> &s, float (&sum)[OWN])
{
    const int lane = threadIdx.x % 32, j = threadIdx.x / 32 * OWN;
#pragma unroll
    for (int c = 0; c < OWN; c++) sum[c] = 0.0f;
#pragma unroll 4
    for (int i = 0; i < d; i++) {
        const float x = s.x[lane][i];
#pragma unroll
        for (int c = 0; c < OWN; c += 4) {
            const float4 m = *reinterpret_cast<const float4 *>(&s.mean[i][j + c]);
            const float difference[4] = {x - m.x, x - m.y, x - m.z, x - m.w};
            float factor[4] = {1.0f, 1.0f, 1.0f, 1.0f};
            if (SCALED) {
                const float4 v = *reinterpret_cast<const float4 *>(&s.scale[i][j + c]);
                factor[0] = v.x, factor[1] = v.y, factor[2] = v.z, factor[3] = v.w;
            }
#pragma unroll
            for (int e = 0; e < 4; e++)
                sum[c + e] = fmaf(SCALED ? factor[e] * difference[e] : difference[e], difference[e], sum[c + e]);
        }
    }
#pragma unroll
    for (int c = 0; c < OWN; c++) s.distance[j + c][lane] = sum[c];
}

/* For rows so far away that f32 overflows. */
template <int DIMS, bool SCALED>
__device__ __noinline__ double wide_distance(int32_t d, const block_memory<DIMS> &s, int r, int j)
{
    double sum = 0.0;
    for (int i = 0; i < d; i++) {
        const double difference = (double)s.x[r][i] - s.mean[i][j];
        sum += (SCALED ? s.scale[i][j] : 1.0) * difference * difference;
    }
    return sum;
}

/* Distances into responsibilities: 8 threads a row, every 8th component is one thread's. */
template <int DIMS, bool SCALED>
__device__ void find_responsibilities(const fgi_cuda_small_args &a, int32_t first, block_memory<DIMS> &s, tally &found)
{
    const int r = threadIdx.x / 8, own = threadIdx.x % 8;
    const bool hard = a.model.kind == FGI_CUDA_HARD, usable = s.usable[r];
    double value[OWN];
    place best = {-CUDART_INF, INT32_MAX};
#pragma unroll
    for (int q = 0; q < OWN; q++) {
        const int j = own + 8 * q;
        double distance = s.distance[j][r];
        if (!isfinite(distance)) distance = wide_distance<DIMS, SCALED>(a.model.d, s, r, j);
        value[q] = s.offset[j] - s.h[j] * distance;
        const place here = {value[q], j};
        if (best < here) best = here;
    }
#pragma unroll
    for (int step = 1; step < 8; step *= 2) {
        const place other = {__shfl_xor_sync(FGI_ALL_LANES, best.value, step), __shfl_xor_sync(FGI_ALL_LANES, best.j, step)};
        if (best < other) best = other;
    }
    float share[OWN], sum = 0.0f;
    int left_out = 0;
#pragma unroll
    for (int q = 0; q < OWN; q++) {
        const float difference = (float)(value[q] - best.value);
        const bool kept = hard ? own + 8 * q == best.j : difference >= -a.cut;
        share[q] = kept ? exp2f(difference) : 0.0f; /* of the best one: 1 */
        left_out += !kept && own + 8 * q < a.model.k;
        sum += share[q];
    }
#pragma unroll
    for (int step = 1; step < 8; step *= 2) sum += __shfl_xor_sync(FGI_ALL_LANES, sum, step);
    int survivors = 0;
#pragma unroll
    for (int q = 0; q < OWN; q++) {
        const float kept = usable ? share[q] / sum : 0.0f;
        s.r[own + 8 * q][r] = kept;
        survivors += kept != 0.0f;
    }
    found.survivors += survivors;
    if (usable && !hard) found.dropped += left_out * exp2f(-a.cut);
    if (own != 0 || first + r >= a.rows.rows) return;
    if (usable) {
        found.objective += hard ? best.value : fgi_ln_2 * (best.value + log2f(sum));
        found.good++;
    } else {
        found.skipped++;
        found.bad = min(found.bad, (long long)(a.first + first + r));
    }
}

/* Sums that a thread keeps from tile to tile. */
template <int DIMS, bool EACH> struct sums {
    double mass[OWN], square[OWN];                       /* of this lane's rows */
    double shift[DIMS][OWN], each[EACH ? DIMS : 1][OWN]; /* of this lane's dimensions */
};

template <int DIMS, bool EACH>
__device__ void add_rows(const fgi_cuda_small_args &a, const block_memory<DIMS> &s, const float (&distance)[OWN],
                         sums<DIMS, EACH> &to)
{
    const int lane = threadIdx.x % 32, j = threadIdx.x / 32 * OWN;
#pragma unroll
    for (int c = 0; c < OWN; c++) {
        const float r = s.r[j + c][lane];
        if (r == 0.0f) continue;
        to.mass[c] += r;
        if (!EACH)
            to.square[c] +=
                r * (isfinite(distance[c]) ? (double)distance[c] : wide_distance<DIMS, false>(a.model.d, s, lane, j + c));
    }
}

template <int DIMS, bool EACH>
__device__ void add_columns(const block_memory<DIMS> &s, const float (&mean)[DIMS][OWN], sums<DIMS, EACH> &to)
{
    const int lane = threadIdx.x % 32, j = threadIdx.x / 32 * OWN;
    for (int row = 0; row < ROWS; row += 4) {
        float x[DIMS][4];
#pragma unroll
        for (int q = 0; q < DIMS; q++)
#pragma unroll
            for (int e = 0; e < 4; e++) x[q][e] = s.x[row + e][lane + 32 * q];
#pragma unroll
        for (int c = 0; c < OWN; c++) {
            const float4 four = *reinterpret_cast<const float4 *>(&s.r[j + c][row]);
            if (four.x + four.y + four.z + four.w == 0.0f) continue;
            const float r[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (int q = 0; q < DIMS; q++) {
                float first = 0.0f, second = 0.0f;
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    const float difference = x[q][e] - mean[q][c], weighted = r[e] * difference;
                    first += weighted;
                    if (EACH) second = fmaf(weighted, difference, second);
                }
                to.shift[q][c] += first;
                if (EACH) to.each[q][c] += second;
            }
        }
    }
}

__device__ __forceinline__ void put(double *to, double value, bool add)
{
    *to = add ? *to + value : value;
}

template <int DIMS, bool EACH> __device__ void write_sums(const fgi_cuda_small_args &a, const sums<DIMS, EACH> &from)
{
    const fgi_cuda_model &m = a.model;
    const int lane = threadIdx.x % 32, first = threadIdx.x / 32 * OWN;
    double *mass = a.parts + blockIdx.x * a.part_doubles, *shift = mass + m.k, *square = shift + (int64_t)m.k * m.d;
#pragma unroll
    for (int c = 0; c < OWN; c++) {
        const double rows = fgi_warp_reduce(from.mass[c], fgi_add());
        const double all = fgi_warp_reduce(from.square[c], fgi_add());
        const int j = first + c;
        if (j >= m.k) continue;
        if (lane == 0) put(mass + j, rows, a.add);
        if (lane == 0 && !EACH) put(square + j, all, a.add);
#pragma unroll
        for (int q = 0; q < DIMS; q++) {
            const int i = lane + 32 * q;
            if (i < m.d) put(shift + (int64_t)j * m.d + i, from.shift[q][c], a.add);
            if (EACH && i < m.d) put(square + (int64_t)j * m.d + i, from.each[q][c], a.add);
        }
    }
}

__device__ void add_totals(fgi_cuda_totals *to, const tally &found, bool add)
{
    const double objective = fgi_block_reduce<THREADS>(found.objective, fgi_add());
    const double dropped = fgi_block_reduce<THREADS>(found.dropped, fgi_add());
    const long long good = fgi_block_reduce<THREADS>(found.good, fgi_add());
    const long long skipped = fgi_block_reduce<THREADS>(found.skipped, fgi_add());
    const long long survivors = fgi_block_reduce<THREADS>(found.survivors, fgi_add());
    const long long bad = fgi_block_reduce<THREADS>(found.bad, fgi_least());
    if (threadIdx.x != 0) return;
    fgi_cuda_totals all = {};
    all.first_bad_row = -1;
    if (add) all = *to;
    all.objective += objective;
    all.dropped += dropped;
    all.rows += good;
    all.rows_skipped += skipped;
    all.survivors += survivors;
    if (bad < INT64_MAX && (all.first_bad_row < 0 || bad < all.first_bad_row)) all.first_bad_row = bad;
    *to = all;
}

template <int DIMS, bool SCALED, bool EACH>
__global__ void __launch_bounds__(THREADS) pass(const __grid_constant__ fgi_cuda_small_args a)
{
    fgi_follow_here();
    extern __shared__ __align__(16) unsigned char shared[];
    block_memory<DIMS> &s = *reinterpret_cast<block_memory<DIMS> *>(shared);
    load_model<DIMS, SCALED>(a.model, s);
    __syncthreads();
    float mean[DIMS][OWN];
#pragma unroll
    for (int q = 0; q < DIMS; q++)
#pragma unroll
        for (int c = 0; c < OWN; c++) mean[q][c] = s.mean[threadIdx.x % 32 + 32 * q][threadIdx.x / 32 * OWN + c];
    sums<DIMS, EACH> sum = {};
    tally found = {};
    found.bad = INT64_MAX;
    for (int32_t first = blockIdx.x * ROWS; first < a.rows.rows; first += PARTS * ROWS) {
        float distance[OWN];
        __syncthreads();
        load_tile(a, first, s);
        __syncthreads();
        find_distances<DIMS, SCALED>(a.model.d, s, distance);
        __syncthreads();
        find_responsibilities<DIMS, SCALED>(a, first, s, found);
        __syncthreads();
        add_rows(a, s, distance, sum);
        add_columns(s, mean, sum);
    }
    write_sums(a, sum);
    add_totals(a.totals + blockIdx.x, found, a.add);
}

template <int DIMS, bool SCALED, bool EACH> cudaError_t launch(const fgi_cuda_small_args *a, cudaStream_t stream)
{
    const size_t all = sizeof(block_memory<DIMS>), scale = sizeof(((block_memory<DIMS> *)nullptr)->scale);
    const size_t bytes = SCALED ? all : all - scale;
    const cudaError_t error = fgi_grant_shared(pass<DIMS, SCALED, EACH>, bytes);
    if (error != cudaSuccess) return error;
    return fgi_follow(pass<DIMS, SCALED, EACH>, PARTS, THREADS, bytes, stream, *a);
}

template <int DIMS> cudaError_t launch_kind(const fgi_cuda_small_args *a, cudaStream_t stream)
{
    if (a->model.kind == FGI_CUDA_DIAGONAL) return launch<DIMS, true, true>(a, stream);
    return a->each ? launch<DIMS, false, true>(a, stream) : launch<DIMS, false, false>(a, stream);
}

/* ---- merging */

enum { SLICES = 8, MERGE_THREADS = 32 * SLICES };

struct merging {
    fgi_cuda_small_args from;
    double *stats;
    fgi_cuda_totals *totals;
};

/* An element a lane; a warp a slice of the parts. The last block adds up totals. */
__global__ void __launch_bounds__(MERGE_THREADS) merge(const __grid_constant__ merging to)
{
    fgi_follow_here();
    const fgi_cuda_small_args &a = to.from;
    __shared__ double slice_sum[SLICES][32];
    if (blockIdx.x == gridDim.x - 1) {
        const fgi_cuda_totals t = a.totals[threadIdx.x];
        const tally found = {t.objective,    t.dropped,   t.rows,
                             t.rows_skipped, t.survivors, t.first_bad_row < 0 ? INT64_MAX : (long long)t.first_bad_row};
        add_totals(to.totals, found, false);
        return;
    }
    const int lane = threadIdx.x % 32, slice = threadIdx.x / 32;
    const int64_t e = (int64_t)blockIdx.x * 32 + lane;
    double sum = 0.0;
    if (e < a.part_doubles)
#pragma unroll 16
        for (int part = slice * (PARTS / SLICES); part < (slice + 1) * (PARTS / SLICES); part++)
            sum += a.parts[part * a.part_doubles + e];
    slice_sum[slice][lane] = sum;
    __syncthreads();
    if (slice != 0 || e >= a.part_doubles) return;
    sum = 0.0;
    for (int i = 0; i < SLICES; i++) sum += slice_sum[i][lane];
    to.stats[e] = sum;
}

} // namespace

static_assert((int)MERGE_THREADS == (int)PARTS && (int)MERGE_THREADS == (int)THREADS, "a thread a part's totals");

extern "C" cudaError_t fgi_cuda_small(const fgi_cuda_small_args *a, cudaStream_t stream)
{
    return a->model.d <= 32 ? launch_kind<1>(a, stream) : launch_kind<2>(a, stream);
}

extern "C" cudaError_t fgi_cuda_small_merge(const fgi_cuda_small_args *a, double *stats, fgi_cuda_totals *totals,
                                            cudaStream_t stream)
{
    return fgi_follow(merge, (unsigned)((a->part_doubles + 31) / 32 + 1), MERGE_THREADS, 0, stream,
                      merging{*a, stats, totals});
}
