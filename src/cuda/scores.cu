/* SPDX-License-Identifier: Apache-2.0 */
/* scores.cu - the screening product on tensor cores of any chip: f16 factors, f32 sums.
 *
 * grid     a block a tile of 128 rows x 128 lanes; 8 warps of 64 x 32 scores each
 * shared   two stages of 32 columns of both operands, 40 KB; the next stage travels through registers, where rows are
 *          rounded. Rows stand 80 bytes apart: the eight that are loaded together touch different banks
 * squares  of diagonal components, in a second round over the rows, which are squared as they enter the product
 * bytes    768 d a tile from L2, 4 a score to L2
 * bound    mma.sync, then writes to L2 */
#include "cuda_pass.h"
#include "follow.cuh"
#include "half.cuh"
#include "rows.cuh"

namespace
{

enum {
    TILE = FGI_CUDA_TILE,
    STEP = FGI_CUDA_DEPTH,
    DEPTH = 2 * STEP, /* columns of a stage */
    PITCH = DEPTH + 8,
    THREADS = 256,
    SEGMENT = 8, /* halves that travel together */
    WARP_ROWS = 64,
    WARP_LANES = 32,
    ROW_PARTS = WARP_ROWS / 16,
    LANE_PARTS = WARP_LANES / 8,
};

typedef __half stage[TILE][PITCH];

/* A thread's share of a stage: a segment of rows r and r + 64 of each operand. */
struct share {
    float4 a[2][2];
    uint4 b[2];
};

__device__ __forceinline__ share fetch(const float *a, const __half *b, int ld, bool inside)
{
    share s = {};
#pragma unroll
    for (int i = 0; i < 2 && inside; i++) {
        const float4 *row = reinterpret_cast<const float4 *>(a + (int64_t)i * (TILE / 2) * ld);
        s.a[i][0] = row[0];
        s.a[i][1] = row[1];
        s.b[i] = *reinterpret_cast<const uint4 *>(b + (int64_t)i * (TILE / 2) * ld);
    }
    return s;
}

__device__ __forceinline__ uint32_t halves(float a, float b)
{
    const __half2 v = __floats2half2_rn(a, b);
    return *reinterpret_cast<const uint32_t *>(&v);
}

/* per_unit: of rows r and r + 64. */
__device__ __forceinline__ void put(stage &rows, stage &lanes, int side, int part, const share &s,
                                    const float (&per_unit)[2])
{
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const float4 v = s.a[i][0], w = s.a[i][1];
        const float u = per_unit[i];
        *reinterpret_cast<uint4 *>(&rows[side + i * (TILE / 2)][part]) = make_uint4(
            halves(u * v.x, u * v.y), halves(u * v.z, u * v.w), halves(u * w.x, u * w.y), halves(u * w.z, u * w.w));
        *reinterpret_cast<uint4 *>(&lanes[side + i * (TILE / 2)][part]) = s.b[i];
    }
}

/* The unit of a row. */
__device__ __forceinline__ float unit_of(float norm2)
{
    return fgi_unit_for(sqrtf(norm2));
}

__device__ __forceinline__ void square(uint32_t (&a)[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        __half2 *v = reinterpret_cast<__half2 *>(&a[i]);
        *v = __hmul2(*v, *v);
    }
}

/* A warp's scores: of rows 16 m + g and 16 m + g + 8, lanes 8 n + 2 q and the next, with 4 g + q its lane. */
typedef float scores_of_warp[ROW_PARTS][LANE_PARTS][4];

__device__ __forceinline__ void multiply(const stage &rows, const stage &lanes, int row, int lane, bool squared,
                                         scores_of_warp &acc)
{
    const int in = threadIdx.x % 32;
#pragma unroll
    for (int column = 0; column < DEPTH; column += STEP) {
        uint32_t b[LANE_PARTS / 2][4];
#pragma unroll
        for (int n = 0; n < LANE_PARTS / 2; n++)
            fgi_load_squares(b[n],
                             fgi_shared_address_of(&lanes[lane + 16 * n + in % 8 + in / 16 * 8][column + in / 8 % 2 * 8]));
#pragma unroll
        for (int m = 0; m < ROW_PARTS; m++) {
            uint32_t a[4];
            fgi_load_squares(a, fgi_shared_address_of(&rows[row + 16 * m + in % 16][column + in / 16 * 8]));
            if (squared) square(a);
#pragma unroll
            for (int n = 0; n < LANE_PARTS; n++)
                fgi_multiply_16x8x16(acc[m][n], a, b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
        }
    }
}

/* Multiplies the sums of rows by their unit, or its square, and those of lanes by theirs. */
__device__ __forceinline__ void apply_units(const float *norm2, const float *lane_unit, bool squared, bool back,
                                            scores_of_warp &acc)
{
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
#pragma unroll
    for (int m = 0; m < ROW_PARTS; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float one = unit_of(norm2[16 * m + g + 8 * r]), unit = squared ? one * one : one;
            const float row = back ? 1.0f / unit : unit;
#pragma unroll
            for (int n = 0; n < LANE_PARTS; n++) {
                const float2 lane = *reinterpret_cast<const float2 *>(lane_unit + 8 * n + 2 * q);
                acc[m][n][2 * r] *= row * (back ? 1.0f / lane.x : lane.x);
                acc[m][n][2 * r + 1] *= row * (back ? 1.0f / lane.y : lane.y);
            }
        }
}

__device__ __forceinline__ void write(const fgi_cuda_model &m, const float *norm2, int64_t lane, float *out,
                                      const scores_of_warp &acc)
{
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < ROW_PARTS; i++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = 16 * i + g + 8 * r;
            const float length = norm2[row];
#pragma unroll
            for (int n = 0; n < LANE_PARTS; n++) {
                const int64_t j = lane + 8 * n + 2 * q;
                const float2 bias = *reinterpret_cast<const float2 *>(m.bias + j);
                const float2 slope = *reinterpret_cast<const float2 *>(m.slope + j);
                *reinterpret_cast<float2 *>(out + (int64_t)row * m.lanes + j) = make_float2(
                    acc[i][n][2 * r] + fmaf(slope.x, length, bias.x), acc[i][n][2 * r + 1] + fmaf(slope.y, length, bias.y));
            }
        }
}

__global__ void __launch_bounds__(THREADS, 2)
    scores(const __grid_constant__ fgi_cuda_model m, const __grid_constant__ fgi_cuda_rows rows, float *out)
{
    __shared__ __align__(16) stage s_rows[2], s_lanes[2];
    fgi_follow_here();
    const int64_t first_row = (int64_t)blockIdx.y * TILE, first_lane = (int64_t)blockIdx.x * TILE;
    if (first_row >= fgi_rows_there(rows)) return;
    const int side = threadIdx.x / 4, part = threadIdx.x % 4 * SEGMENT; /* as it loads */
    const int warp = threadIdx.x / 32, row = warp / 4 * WARP_ROWS, lane = warp % 4 * WARP_LANES;
    const int steps = (m.ld + DEPTH - 1) / DEPTH, all = m.squares ? 2 * steps : steps;
    const float *__restrict__ a = rows.x + (first_row + side) * m.ld;
    const int64_t b = (first_lane + side) * m.ld;
    const float *__restrict__ of_rows = rows.norm2 + first_row;
    const float per_unit[2] = {1.0f / unit_of(of_rows[side]), 1.0f / unit_of(of_rows[side + TILE / 2])};
    auto fetch_step = [&](int step) {
        const bool squared = step >= steps;
        const int column = (squared ? step - steps : step) * DEPTH + part;
        return fetch(a + column, static_cast<const __half *>(squared ? m.squares : m.weights) + b + column, m.ld,
                     column < m.ld);
    };
    scores_of_warp acc = {};
    share next = fetch_step(0);
    for (int step = 0; step < all; step++) {
        if (step == steps) { /* from units of the first product to those of the second */
            apply_units(of_rows + row, m.weight_unit + first_lane + lane, false, false, acc);
            apply_units(of_rows + row, m.square_unit + first_lane + lane, true, true, acc);
        }
        put(s_rows[step % 2], s_lanes[step % 2], side, part, next, per_unit);
        __syncthreads();
        if (step + 1 < all) next = fetch_step(step + 1);
        multiply(s_rows[step % 2], s_lanes[step % 2], row, lane, step >= steps, acc);
    }
    const bool squared = all > steps;
    apply_units(of_rows + row, (squared ? m.square_unit : m.weight_unit) + first_lane + lane, squared, false, acc);
    write(m, of_rows + row, first_lane + lane, out + (first_row + row) * m.lanes, acc);
}

} // namespace

extern "C" cudaError_t fgi_cuda_scores(const fgi_cuda_model *model, const fgi_cuda_rows *rows, float *out,
                                       cudaStream_t stream)
{
    const dim3 grid(model->lanes / TILE, (rows->rows + TILE - 1) / TILE);
    return fgi_follow(scores, grid, THREADS, 0, stream, *model, *rows, out);
}
