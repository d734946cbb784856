/* SPDX-License-Identifier: Apache-2.0 */
/* scores.cu - the screening product in f32, on any chip.
 *
 * grid     a block a tile of 128 rows x 128 lanes; 256 threads, 8 x 8 scores each, as 2 x 2 squares of 4 x 4
 * shared   two stages of 16 columns of both operands, transposed: 33 KB; the next stage travels through registers
 * bytes    512 d a tile side from L2
 * bound    FFMA: d (diagonal: 2 d) a score */
#include "cuda_pass.h"

namespace {

enum { TILE = FGI_CUDA_TILE, DEPTH = FGI_CUDA_DEPTH, THREADS = 256, PITCH = TILE + 4 };

/* A thread's share of a stage: 8 columns of one row of each operand. */
struct share {
    float4 a[2], b[2];
};

__device__ __forceinline__ share fetch(const float *a, const float *b, bool squared)
{
    share s;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        s.a[i] = reinterpret_cast<const float4 *>(a)[i];
        s.b[i] = reinterpret_cast<const float4 *>(b)[i];
        if (squared)
            s.a[i] = make_float4(s.a[i].x * s.a[i].x, s.a[i].y * s.a[i].y, s.a[i].z * s.a[i].z,
                                 s.a[i].w * s.a[i].w);
    }
    return s;
}

__device__ __forceinline__ void put(float (*to)[PITCH], int column, int row, const float4 &v)
{
    to[column][row] = v.x;
    to[column + 1][row] = v.y;
    to[column + 2][row] = v.z;
    to[column + 3][row] = v.w;
}

__device__ __forceinline__ void take_eight(const float *from, float (&v)[8])
{
    const float4 low = *reinterpret_cast<const float4 *>(from);
    const float4 high = *reinterpret_cast<const float4 *>(from + TILE / 2);
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
    v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

__device__ __forceinline__ void multiply(const float (*a)[PITCH], const float (*b)[PITCH], int row, int lane,
                                         float (&acc)[8][8])
{
#pragma unroll
    for (int p = 0; p < DEPTH; p++) {
        float u[8], v[8];
        take_eight(&a[p][row], u);
        take_eight(&b[p][lane], v);
#pragma unroll
        for (int r = 0; r < 8; r++)
#pragma unroll
            for (int c = 0; c < 8; c++) acc[r][c] = fmaf(u[r], v[c], acc[r][c]);
    }
}

__global__ void __launch_bounds__(THREADS, 2)
    scores(fgi_cuda_model m, const float *__restrict__ x, const float *__restrict__ norm2, float *out)
{
    __shared__ float s_rows[2][DEPTH][PITCH], s_lanes[2][DEPTH][PITCH];
    const int64_t first_row = (int64_t)blockIdx.y * TILE, first_lane = (int64_t)blockIdx.x * TILE;
    const int side = threadIdx.x / 2, part = threadIdx.x % 2 * 8;          /* as it loads */
    const int row = threadIdx.x / 16 * 4, lane = threadIdx.x % 16 * 4;     /* as it computes */
    const int steps = m.ld / DEPTH, all = m.squares ? 2 * steps : steps;
    const float *a = x + (first_row + side) * m.ld + part;
    const int64_t b = (first_lane + side) * m.ld + part;
    float acc[8][8] = {};
    share next = fetch(a, m.weights + b, false);
    for (int step = 0; step < all; step++) {
        const int stage = step % 2;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            put(s_rows[stage], part + 4 * i, side, next.a[i]);
            put(s_lanes[stage], part + 4 * i, side, next.b[i]);
        }
        __syncthreads();
        if (step + 1 < all) {
            const bool squared = step + 1 >= steps;
            const int column = (squared ? step + 1 - steps : step + 1) * DEPTH;
            next = fetch(a + column, (squared ? m.squares : m.weights) + b + column, squared);
        }
        multiply(s_rows[stage], s_lanes[stage], row, lane, acc);
    }
#pragma unroll
    for (int r = 0; r < 8; r++) {
        const int64_t at = first_row + row + r % 4 + r / 4 * (TILE / 2);
        const float length = norm2[at];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int64_t j = first_lane + lane + half * (TILE / 2);
            const float4 bias = *reinterpret_cast<const float4 *>(m.bias + j);
            const float4 slope = *reinterpret_cast<const float4 *>(m.slope + j);
            const float *sum = &acc[r][4 * half];
            *reinterpret_cast<float4 *>(out + at * m.lanes + j) =
                make_float4(sum[0] + fmaf(slope.x, length, bias.x), sum[1] + fmaf(slope.y, length, bias.y),
                            sum[2] + fmaf(slope.z, length, bias.z), sum[3] + fmaf(slope.w, length, bias.w));
        }
    }
}

} // namespace

extern "C" cudaError_t fgi_cuda_scores(const fgi_cuda_model *model, const fgi_cuda_rows *rows, float *out,
                                       cudaStream_t stream)
{
    const dim3 grid(model->lanes / TILE, (rows->rows + TILE - 1) / TILE);
    scores<<<grid, THREADS, 0, stream>>>(*model, rows->x, rows->norm2, out);
    return cudaGetLastError();
}
