/* SPDX-License-Identifier: Apache-2.0 */
/* load.cu - rows of any type to centred f32:  x_i = row_i / |row| - center_i, the division only where asked for.
 *
 * grid: a warp a row, whole tiles of rows, so that no product reads what nobody wrote. bound: memory */
#include "cuda_pass.h"
#include "flashgmm.h"
#include "follow.cuh"
#include "reduce.cuh"
#include "rows.cuh"

#include <cuda_bf16.h>      /* __nv_bfloat16 */
#include <cuda_fp16.h>      /* __half */
#include <math_constants.h> /* CUDART_NAN */

namespace
{

enum { WARPS = 8 };

template <class T> __device__ __forceinline__ T widened(T v)
{
    return v;
}
__device__ __forceinline__ float widened(__half v)
{
    return __half2float(v);
}
__device__ __forceinline__ float widened(__nv_bfloat16 v)
{
    return __bfloat162float(v);
}

/* What to multiply a row by to give it length 1; NaN where no number does. */
template <class T> __device__ double unit_scale(const T *row, int32_t d)
{
    double sum = 0.0;
    for (int32_t i = threadIdx.x % 32; i < d; i += 32) {
        const double v = (double)widened(row[i]);
        sum += v * v;
    }
    sum = fgi_warp_reduce(sum, fgi_add());
    return sum > 0.0 && sum < CUDART_INF ? 1.0 / sqrt(sum) : CUDART_NAN;
}

template <class T> __global__ void __launch_bounds__(32 * WARPS) load(fgi_cuda_model m, fgi_cuda_rows rows)
{
    fgi_follow_here();
    if (rows.wanted && *rows.wanted == 0) return;
    const int32_t r = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool there = r < fgi_rows_there(rows);
    const T *row = reinterpret_cast<const T *>(static_cast<const char *>(rows.raw) + r * rows.pitch_bytes);
    const double scale = there && m.normalize ? unit_scale(row, m.d) : 1.0;
    float *x = rows.x + (int64_t)r * m.ld;
    float norm2 = 0.0f;
    for (int32_t i = lane; i < m.ld; i += 32) {
        float v = 0.0f;
        if (there && i < m.d) {
            const auto given = widened(row[i]);
            if (m.normalize || sizeof(T) == 8)
                v = (float)((double)given * scale - (double)m.center[i]);
            else
                v = (float)given - m.center[i];
        }
        x[i] = v;
        norm2 = fmaf(v, v, norm2);
    }
    norm2 = fgi_warp_reduce(norm2, fgi_add());
    if (lane == 0) rows.norm2[r] = norm2;
}

template <class T> cudaError_t launch(const fgi_cuda_model *m, const fgi_cuda_rows *rows, cudaStream_t stream)
{
    const int32_t tiles = (rows->rows + FGI_CUDA_TILE - 1) / FGI_CUDA_TILE;
    return fgi_follow(load<T>, (unsigned)(tiles * (FGI_CUDA_TILE / WARPS)), 32 * WARPS, 0, stream, *m, *rows);
}

} // namespace

extern "C" cudaError_t fgi_cuda_load(const fgi_cuda_model *model, const fgi_cuda_rows *rows, cudaStream_t stream)
{
    switch (rows->dtype) {
    case FG_F32: return launch<float>(model, rows, stream);
    case FG_F16: return launch<__half>(model, rows, stream);
    case FG_BF16: return launch<__nv_bfloat16>(model, rows, stream);
    case FG_I8: return launch<int8_t>(model, rows, stream);
    case FG_U8: return launch<uint8_t>(model, rows, stream);
    case FG_F64: return launch<double>(model, rows, stream);
    default: return cudaErrorInvalidValue;
    }
}
