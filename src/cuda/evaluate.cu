/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate.cu - values of all components, from differences, for the rows of a piece that too many of them matter to: means that
 * many rows want are read once for 64 of these.
 *
 *     in place    score_j becomes value_j - reference; -inf of a dead component, or none
 *
 * grid     blocks of 128 threads go from tile to tile: 64 listed rows x 64 components, 8 x 4 of a thread's
 * sums     f32, 16 columns at a time
 * shared   16 columns of both sides, one after the other; the next travel through registers
 * bound    f32: 2 d instructions a value, of diagonal components 3 d */
#include "cuda_pass.h"
#include "differences.cuh"
#include "follow.cuh"
#include "reduce.cuh"

#include <math_constants.h> /* CUDART_INF_F */

namespace
{

enum {
    TILE = 64, /* rows, and components */
    THREADS = 128,
    BLOCKS = 1024,
    COLUMNS = FGI_CUDA_DEPTH,
    PITCH = TILE + 4,
    OWN_ROWS = 8,
    OWN_LANES = 4,
    LANE_THREADS = TILE / OWN_LANES,
    UNITS = COLUMNS / 4, /* float4 of a row's columns */
    EACH = TILE * UNITS / THREADS
};

/* Columns of a side's 64 rows, one column after the other. */
typedef float side[COLUMNS][PITCH];

/* A thread's share of a side's columns. */
struct share {
    float4 unit[EACH];
};

/* rows: of the unit's row, or NULL: zeros. */
__device__ __forceinline__ share fetch(const float *const (&rows)[EACH], int column)
{
    share s;
#pragma unroll
    for (int i = 0; i < EACH; i++)
        s.unit[i] =
            rows[i] ? __ldg(reinterpret_cast<const float4 *>(rows[i] + column)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    return s;
}

__device__ __forceinline__ int row_of(int i)
{
    return (threadIdx.x + i * THREADS) / UNITS;
}

__device__ __forceinline__ void put(side &to, const share &s)
{
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int row = row_of(i), column = threadIdx.x % UNITS * 4;
        to[column][row] = s.unit[i].x;
        to[column + 1][row] = s.unit[i].y;
        to[column + 2][row] = s.unit[i].z;
        to[column + 3][row] = s.unit[i].w;
    }
}

template <int COUNT> __device__ __forceinline__ void take(const float *from, float (&to)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; i += 4) {
        const float4 v = *reinterpret_cast<const float4 *>(from + i);
        to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
}

typedef float sums[OWN_ROWS][OWN_LANES];

template <bool SCALED>
__device__ __forceinline__ void add_columns(const side &x, const side &mean, const side &scale, int row, int lane, sums &all)
{
    sums some = {};
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        float a[OWN_ROWS], m[OWN_LANES], h[OWN_LANES];
        take(&x[c][row], a);
        take(&mean[c][lane], m);
        if (SCALED) take(&scale[c][lane], h);
#pragma unroll
        for (int i = 0; i < OWN_ROWS; i++)
#pragma unroll
            for (int j = 0; j < OWN_LANES; j++) {
                const float difference = a[i] - m[j];
                some[i][j] = fmaf(SCALED ? h[j] * difference : difference, difference, some[i][j]);
            }
    }
#pragma unroll
    for (int i = 0; i < OWN_ROWS; i++)
#pragma unroll
        for (int j = 0; j < OWN_LANES; j++) all[i][j] += some[i][j];
}

/* A thread's values; lane: the first of its components. */
__device__ __forceinline__ void write(const fgi_cuda_refine_args &a, int32_t first, int32_t lane, const sums &distances)
{
    const fgi_cuda_model &m = a.model;
    const int32_t last = *a.crowd.count - 1;
#pragma unroll
    for (int i = 0; i < OWN_ROWS; i++) {
        const int32_t listed = min(first + i, last); /* beyond it there are copies */
        const int32_t r = a.crowd.rows[listed];
        const double reference = a.crowd.references[listed];
        float value[OWN_LANES];
#pragma unroll
        for (int e = 0; e < OWN_LANES; e++) {
            const int32_t j = lane + e;
            value[e] = -CUDART_INF_F;
            if (j >= m.k || !(m.offset[j] > -CUDART_INF)) continue;
            const double distance =
                isfinite(distances[i][e]) ? (double)distances[i][e] : fgi_wide_distance(m, a.rows.x + (int64_t)r * m.ld, j);
            value[e] = (float)(m.offset[j] - m.h[j] * distance - reference);
        }
        *reinterpret_cast<float4 *>(a.scores + (int64_t)r * m.lanes + lane) =
            make_float4(value[0], value[1], value[2], value[3]);
    }
}

template <bool SCALED> __global__ void __launch_bounds__(THREADS) evaluate(const __grid_constant__ fgi_cuda_refine_args a)
{
    __shared__ __align__(16) side x, mean, scale;
    fgi_follow_here();
    const fgi_cuda_model &m = a.model;
    const int32_t count = *a.crowd.count, lane_tiles = m.lanes / TILE, tiles = (count + TILE - 1) / TILE * lane_tiles;
    const int row = threadIdx.x / LANE_THREADS * OWN_ROWS, lane = threadIdx.x % LANE_THREADS * OWN_LANES;
    for (int32_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        const int32_t first_row = t / lane_tiles * TILE, first_lane = t % lane_tiles * TILE;
        const float *from_rows[EACH], *from_means[EACH], *from_scales[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const int32_t listed = min(first_row + row_of(i), count - 1), j = first_lane + row_of(i),
                          column = threadIdx.x % UNITS * 4;
            from_rows[i] = a.rows.x + (int64_t)a.crowd.rows[listed] * m.ld + column;
            from_means[i] = j < m.k ? m.means + (int64_t)j * m.ld + column : nullptr;
            from_scales[i] = SCALED && j < m.k ? m.scale + (int64_t)j * m.ld + column : nullptr;
        }
        sums all = {};
        share next_x = fetch(from_rows, 0), next_mean = fetch(from_means, 0), next_scale = {};
        if (SCALED) next_scale = fetch(from_scales, 0);
        for (int32_t column = 0; column < m.ld; column += COLUMNS) {
            __syncthreads(); /* the columns before were read */
            put(x, next_x);
            put(mean, next_mean);
            if (SCALED) put(scale, next_scale);
            __syncthreads();
            if (column + COLUMNS < m.ld) {
                next_x = fetch(from_rows, column + COLUMNS);
                next_mean = fetch(from_means, column + COLUMNS);
                if (SCALED) next_scale = fetch(from_scales, column + COLUMNS);
            }
            add_columns<SCALED>(x, mean, scale, row, lane, all);
        }
        write(a, first_row + row, first_lane + lane, all);
    }
}

} // namespace

extern "C" cudaError_t fgi_cuda_evaluate(const fgi_cuda_refine_args *a, cudaStream_t stream)
{
    const int64_t tiles = ((int64_t)a->rows.rows + TILE - 1) / TILE * (a->model.lanes / TILE);
    const unsigned grid = (unsigned)(tiles < BLOCKS ? tiles : (int64_t)BLOCKS);
    return fgi_follow(a->model.scale ? evaluate<true> : evaluate<false>, grid, THREADS, 0, stream, *a);
}
