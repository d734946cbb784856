/* SPDX-License-Identifier: Apache-2.0 */
/* gather.cu - responsibilities to statistics: differences in f32, sums in f64, as everywhere.
 *     mass_j = sum of r_j     shift_j = sum of r_j (x - mean_j)     square_j = sum of r_j (x - mean_j)^2
 *
 * grid     a block a group of 8 components, a slice of 128 columns, a segment of the rows; 128 threads
 * shared   41 KB: sums of all the group's columns, each of them one thread's own; the tile's survivors in order
 * threads  one a column; where a row has fewer columns, several rows side by side
 * crowds   where a quarter of a tile's responsibilities survive, all of them are taken: sums of 32 rows in f32, in registers
 * bytes    32 a row and group for the responsibilities, 4 d a survivor for its row, both from L2
 * bound    latency of the survivors' rows; of crowds, f32 */
#include "cuda_pass.h"
#include "follow.cuh"
#include "grant.cuh"
#include "reduce.cuh"
#include "rows.cuh"

namespace
{

enum {
    GROUP = FGI_CUDA_GROUP,
    THREADS = FGI_CUDA_SLICE,
    AHEAD = 8,                    /* survivors whose rows are on their way together */
    ENOUGH_BLOCKS = 1024,         /* several for each multiprocessor */
    MOST_PARTS_DOUBLES = 1 << 20, /* 8 MB */
    CROWD = THREADS * GROUP / 4,  /* survivors of a tile */
    SUMMED_ROWS = 32              /* in f32 */
};

struct survivor {
    float r;
    uint16_t row, component; /* in the tile, in the group */
};

/* Survivors of a tile of rows in the order of rows, then components. Tells how many. */
__device__ int32_t list_survivors(const float *responsibilities, int64_t pitch, int32_t rows, survivor *list)
{
    __shared__ int32_t before[THREADS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float r[GROUP] = {};
    int32_t count = 0;
    if (threadIdx.x < rows) {
        const float4 *from = reinterpret_cast<const float4 *>(responsibilities + threadIdx.x * pitch);
        const float4 low = from[0], high = from[1];
        r[0] = low.x, r[1] = low.y, r[2] = low.z, r[3] = low.w;
        r[4] = high.x, r[5] = high.y, r[6] = high.z, r[7] = high.w;
#pragma unroll
        for (int c = 0; c < GROUP; c++) count += r[c] != 0.0f;
    }
    int32_t place = count;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const int32_t earlier = __shfl_up_sync(FGI_ALL_LANES, place, step);
        if (lane >= step) place += earlier;
    }
    if (lane == 31) before[warp] = place;
    __syncthreads();
    place -= count;
    int32_t all = 0;
#pragma unroll
    for (int w = 0; w < THREADS / 32; w++) {
        if (w == warp) place += all;
        all += before[w];
    }
#pragma unroll
    for (int c = 0; c < GROUP; c++)
        if (r[c] != 0.0f) list[place++] = {r[c], (uint16_t)threadIdx.x, (uint16_t)c};
    __syncthreads();
    return all;
}

/* Columns of a block: 2^n, so many that they hold the rest of a row or are all its threads. */
__device__ __forceinline__ int32_t width_of(int32_t columns)
{
    int32_t width = 1;
    while (width < columns && width < THREADS) width *= 2;
    return width;
}

struct sums {
    double shift[GROUP][THREADS], square[GROUP][THREADS];
    float mean[GROUP][THREADS];
};

/* Survivors one after the other. tile: the thread's column of the tile's first row */
__device__ __forceinline__ void add_survivors(sums &s, const survivor *list, int32_t count, const float *tile, int64_t pitch,
                                              int32_t side, int32_t sides)
{
    for (int32_t i = side; i < count; i += AHEAD * sides) {
        float value[AHEAD];
#pragma unroll
        for (int q = 0; q < AHEAD; q++)
            value[q] = i + q * sides < count ? __ldg(tile + (int64_t)list[i + q * sides].row * pitch) : 0.0f;
#pragma unroll
        for (int q = 0; q < AHEAD; q++) {
            if (i + q * sides >= count) break;
            const survivor v = list[i + q * sides];
            const double difference = value[q] - s.mean[v.component][threadIdx.x];
            const double weighted = v.r * difference;
            s.shift[v.component][threadIdx.x] += weighted;
            s.square[v.component][threadIdx.x] += weighted * difference;
        }
    }
}

/* All components of all rows. responsibilities: the group's, of the tile's first row */
__device__ __forceinline__ void add_crowd(sums &s, const float *responsibilities, int64_t lanes, int32_t rows,
                                          const float *tile, int64_t pitch, int32_t side, int32_t sides)
{
    float mean[GROUP];
#pragma unroll
    for (int c = 0; c < GROUP; c++) mean[c] = s.mean[c][threadIdx.x];
    for (int32_t first = 0; first < rows; first += SUMMED_ROWS) {
        float shift[GROUP] = {}, square[GROUP] = {};
#pragma unroll 4
        for (int32_t r = first + side; r < min(rows, first + SUMMED_ROWS); r += sides) {
            const float value = __ldg(tile + r * pitch);
            const float4 *from = reinterpret_cast<const float4 *>(responsibilities + r * lanes);
            const float4 low = __ldg(from), high = __ldg(from + 1);
            const float weight[GROUP] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            if (fmaxf(fgi_largest_of(low), fgi_largest_of(high)) == 0.0f) continue; /* bad rows hold what is not finite */
#pragma unroll
            for (int c = 0; c < GROUP; c++) {
                const float difference = value - mean[c], weighted = weight[c] * difference;
                shift[c] += weighted;
                square[c] = fmaf(weighted, difference, square[c]);
            }
        }
#pragma unroll
        for (int c = 0; c < GROUP; c++) {
            s.shift[c][threadIdx.x] += shift[c];
            s.square[c][threadIdx.x] += square[c];
        }
    }
}

/* Adds one column of every component to the statistics: read all, then write all. */
__device__ __forceinline__ void add_columns(const double (*sums)[THREADS], int32_t width, int32_t components, double *to,
                                            int32_t pitch)
{
    double v[GROUP];
#pragma unroll
    for (int c = 0; c < GROUP; c++) v[c] = c < components ? to[(int64_t)c * pitch] : 0.0;
#pragma unroll
    for (int c = 0; c < GROUP; c++) {
        for (int32_t i = threadIdx.x; i < THREADS; i += width) v[c] += sums[c][i];
        if (c < components) to[(int64_t)c * pitch] = v[c];
    }
}

__device__ void write_sums(const sums &s, double mass, int32_t group, int32_t width, const fgi_cuda_sums &out)
{
    const int32_t column = blockIdx.y * FGI_CUDA_SLICE + threadIdx.x;
    double *part = out.parts + blockIdx.z * out.part_doubles;
    double *shift = part + out.k, *square = shift + (int64_t)out.k * out.d;
    if ((int32_t)threadIdx.x < width && column < out.d) {
        add_columns(s.shift, width, out.k - group, shift + (int64_t)group * out.d + column, out.d);
        if (out.diagonal) add_columns(s.square, width, out.k - group, square + (int64_t)group * out.d + column, out.d);
    }
    if (blockIdx.y == 0 && threadIdx.x < GROUP && group + (int32_t)threadIdx.x < out.k) part[group + threadIdx.x] += mass;
    const int lane = threadIdx.x % 32;
    for (int c = threadIdx.x / 32; c < GROUP && group + c < out.k && !out.diagonal; c += THREADS / 32) {
        double sum = 0.0;
        for (int32_t i = lane; i < THREADS; i += 32) sum += s.square[c][i];
        sum = fgi_warp_reduce(sum, fgi_add());
        if (lane == 0) square[(int64_t)(group + c) * out.square_cols + blockIdx.y] += sum;
    }
}

__global__ void __launch_bounds__(THREADS)
    gather(const __grid_constant__ fgi_cuda_model m, const __grid_constant__ fgi_cuda_rows rows,
           const float *__restrict__ responsibilities, const __grid_constant__ fgi_cuda_sums out)
{
    extern __shared__ __align__(16) unsigned char shared[];
    fgi_follow_here();
    sums &s = *reinterpret_cast<sums *>(shared);
    survivor *list = reinterpret_cast<survivor *>(shared + sizeof(sums));
    const int32_t group = blockIdx.x * GROUP, first_column = blockIdx.y * FGI_CUDA_SLICE;
    const int32_t width = width_of(m.d - first_column), sides = THREADS / width;
    const int32_t side = threadIdx.x / width, column = first_column + threadIdx.x % width;
    const bool inside = column < m.d;
    for (int c = 0; c < GROUP; c++) {
        s.shift[c][threadIdx.x] = s.square[c][threadIdx.x] = 0.0;
        s.mean[c][threadIdx.x] = inside && group + c < m.k ? m.means[(int64_t)(group + c) * m.ld + column] : 0.0f;
    }
    double mass = 0.0;
    const int32_t begin = blockIdx.z * out.segment_rows, end = min(fgi_rows_there(rows), begin + out.segment_rows);
    for (int32_t first = begin; first < end; first += THREADS) {
        const int32_t count =
            list_survivors(responsibilities + (int64_t)first * m.lanes + group, m.lanes, min(THREADS, end - first), list);
        if (threadIdx.x < GROUP)
            for (int32_t i = 0; i < count; i++)
                if (list[i].component == threadIdx.x) mass += list[i].r;
        const float *tile = rows.x + (int64_t)first * m.ld + column;
        if (inside && count > CROWD)
            add_crowd(s, responsibilities + (int64_t)first * m.lanes + group, m.lanes, min(THREADS, end - first), tile, m.ld,
                      side, sides);
        else if (inside)
            add_survivors(s, list, count, tile, m.ld, side, sides);
        __syncthreads(); /* before the list is written again */
    }
    __syncthreads();
    write_sums(s, mass, group, width, out);
}

enum { MERGE_THREADS = 256 };

/* A thread an element of the statistics. */
__global__ void __launch_bounds__(MERGE_THREADS) merge(const __grid_constant__ fgi_cuda_sums sums, double *out)
{
    fgi_follow_here();
    const int64_t i = (int64_t)blockIdx.x * MERGE_THREADS + threadIdx.x, sides = sums.part_doubles;
    const int64_t before = sums.k * (1 + (int64_t)sums.d), all = before + (sums.diagonal ? sides - before : sums.k);
    if (i >= all) return;
    const bool summed = i >= before && !sums.diagonal;
    const int64_t from = summed ? before + (i - before) * sums.square_cols : i;
    double sum = 0.0;
    for (int32_t part = 0; part < sums.segments; part++)
        for (int32_t c = 0; c < (summed ? sums.square_cols : 1); c++) sum += sums.parts[part * sides + from + c];
    out[i] += sum;
}

enum { TALLY_THREADS = 256 };

__global__ void __launch_bounds__(TALLY_THREADS)
    tally(const fgi_cuda_row_told *told, const __grid_constant__ fgi_cuda_rows piece, int64_t first, fgi_cuda_totals *totals)
{
    fgi_follow_here();
    const int32_t rows = fgi_rows_there(piece);
    double objective = 0.0, dropped = 0.0;
    long long good = 0, survivors = 0, bad = INT64_MAX;
    for (int32_t r = threadIdx.x; r < rows; r += TALLY_THREADS) {
        const fgi_cuda_row_told t = told[r];
        if (isnan(t.density)) {
            bad = min(bad, (long long)(piece.numbers ? piece.numbers[r] : first + r));
            continue;
        }
        good++;
        objective += t.density;
        dropped += t.dropped;
        survivors += t.survivors;
    }
    objective = fgi_block_reduce<TALLY_THREADS>(objective, fgi_add());
    dropped = fgi_block_reduce<TALLY_THREADS>(dropped, fgi_add());
    good = fgi_block_reduce<TALLY_THREADS>(good, fgi_add());
    survivors = fgi_block_reduce<TALLY_THREADS>(survivors, fgi_add());
    bad = fgi_block_reduce<TALLY_THREADS>(bad, fgi_least());
    if (threadIdx.x != 0) return;
    totals->objective += objective;
    totals->dropped += dropped;
    totals->rows += good;
    totals->rows_skipped += rows - good;
    totals->survivors += survivors;
    if (bad < INT64_MAX && (totals->first_bad_row < 0 || bad < totals->first_bad_row)) totals->first_bad_row = bad;
}

} // namespace

extern "C" fgi_cuda_sums fgi_cuda_sums_shape(int32_t kind, int32_t k, int32_t d, int32_t most_rows)
{
    fgi_cuda_sums s = {};
    s.k = k;
    s.d = d;
    s.diagonal = kind == FGI_CUDA_DIAGONAL;
    s.slices = (d + FGI_CUDA_SLICE - 1) / FGI_CUDA_SLICE;
    s.square_cols = s.diagonal ? d : s.slices;
    s.part_doubles = k * (1 + (int64_t)d + s.square_cols);
    const int64_t blocks = (int64_t)((k + GROUP - 1) / GROUP) * s.slices, tiles = (most_rows + THREADS - 1) / THREADS;
    int64_t segments = (ENOUGH_BLOCKS + blocks - 1) / blocks;
    segments = min(segments, MOST_PARTS_DOUBLES / s.part_doubles);
    segments = max((int64_t)1, min(segments, tiles));
    s.segment_rows = (int32_t)((tiles + segments - 1) / segments) * THREADS;
    s.segments = (most_rows + s.segment_rows - 1) / s.segment_rows;
    return s;
}

extern "C" cudaError_t fgi_cuda_gather(const fgi_cuda_model *model, const fgi_cuda_rows *rows, const float *responsibilities,
                                       const fgi_cuda_sums *out, cudaStream_t stream)
{
    const size_t bytes = sizeof(sums) + GROUP * THREADS * sizeof(survivor);
    const cudaError_t error = fgi_grant_shared(gather, bytes);
    if (error != cudaSuccess) return error;
    const int32_t segments = (rows->rows + out->segment_rows - 1) / out->segment_rows;
    const dim3 grid((model->k + GROUP - 1) / GROUP, out->slices, segments);
    return fgi_follow(gather, grid, THREADS, bytes, stream, *model, *rows, responsibilities, *out);
}

extern "C" cudaError_t fgi_cuda_merge(const fgi_cuda_sums *sums, double *out, cudaStream_t stream)
{
    const int64_t count = sums->part_doubles;
    return fgi_follow(merge, (unsigned)((count + MERGE_THREADS - 1) / MERGE_THREADS), MERGE_THREADS, 0, stream, *sums, out);
}

extern "C" cudaError_t fgi_cuda_tally(const fgi_cuda_row_told *told, const fgi_cuda_rows *rows, int64_t first,
                                      fgi_cuda_totals *totals, cudaStream_t stream)
{
    return fgi_follow(tally, 1, TALLY_THREADS, 0, stream, told, *rows, first, totals);
}
