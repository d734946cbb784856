/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.cu - rows and models into the form that screening reads. */
#include "prepare.h"

#include <cuda_fp16.h>
#include <math_constants.h>

namespace {

/* One warp a row: centred f16, and |x|^2 of what was rounded. */
__global__ void pack_rows(const float *x, int64_t rows, int d, const float *center, int ld, __half *out, float *norm)
{
    const int64_t row = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int c = lane; c < ld; c += 32) {
        const __half h = __float2half_rn(c < d ? x[row * d + c] - center[c] : 0.0f);
        const float v = __half2float(h);
        out[row * ld + c] = h;
        sum = fmaf(v, v, sum);
    }
    for (int step = 1; step < 32; step *= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) norm[row] = sum;
}

/* Halves: where slope and bias of component j stand among the terms. */
__device__ __forceinline__ int64_t slope_place(int j)
{
    const int in = j & 255, block = in >> 3, quad = in >> 1 & 3;
    return (int64_t)(j >> 8) * 512 + ((block >> 1) * 4 + quad) * 8 + (block & 1) * 4 + (in & 1);
}

/* One warp a component, `padded` of them. largest: of |scaled mean|, |slope|, |bias|, as bits (all are >= 0). */
__global__ void pack_model(int kind, int k, int d, int ld, float unit, float norm_scale, const double *means,
                           const double *variance, const double *log_weight, __half *means16, float *means32,
                           float2 *terms, __half *terms16, float4 *spheres, const __half *last16,
                           const float4 *last_spheres, uint32_t *largest, int padded)
{
    const int j = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= padded) return;
    __half *to = terms16 + slope_place(j);
    if (j >= k) {
        if (lane == 0) to[0] = __float2half(0.0f), to[2] = __float2half(-CUDART_INF_F);
        return;
    }
    const double log2e = 1.4426950408889634, h = kind == FGI_CUDA_SPHERICAL ? 0.5 * log2e / variance[j] / unit : 0.5;
    const double last_h = last16 ? (kind == FGI_CUDA_SPHERICAL ? (double)last_spheres[j].x : 0.5) : 1.0;
    double sum = 0.0, moved = 0.0;
    for (int c = lane; c < ld; c += 32) {
        const double m = c < d ? means[(int64_t)j * d + c] : 0.0;
        const __half scaled = __float2half_rn((float)(2.0 * h * m));
        const double v = (double)__half2float(scaled) / (2.0 * h);
        means16[(int64_t)j * ld + c] = scaled;
        if (c < d) means32[(int64_t)j * d + c] = (float)m;
        sum += v * v;
        if (last16) {
            const double by = v - (double)__half2float(last16[(int64_t)j * ld + c]) / (2.0 * last_h);
            moved += by * by;
        }
    }
    for (int step = 1; step < 32; step *= 2) {
        sum += __shfl_xor_sync(~0u, sum, step);
        moved += __shfl_xor_sync(~0u, moved, step);
    }
    if (lane != 0) return;
    const double constant =
        kind == FGI_CUDA_SPHERICAL ? (log2e * log_weight[j] - 0.5 * d * log2(2.0 * CUDART_PI * variance[j])) / unit : 0.0;
    const float slope = kind == FGI_CUDA_SPHERICAL ? (float)-h : 0.0f, bias = (float)(constant - h * sum);
    spheres[j] = make_float4((float)h, (float)constant, (float)(sqrt(moved) * 1.00001), 0.0f);
    terms[j] = make_float2(slope, bias);
    to[0] = __float2half_rn(slope / norm_scale);
    to[2] = __float2half_rn(bias);
    atomicMax(largest, __float_as_uint((float)(2.0 * h * sqrt(sum))));
    atomicMax(largest + 1, __float_as_uint(fabsf(slope)));
    atomicMax(largest + 2, __float_as_uint(fabsf(bias)));
}

/* One block a component: the M-step, spherical. */
__global__ void update(int d, double rows, const double *mass, const double *shift, const double *square,
                       const double *old_means, double *means, double *variance, double *log_weight)
{
    const int j = blockIdx.x;
    const double n = mass[j], inverse = n > 0.0 ? 1.0 / n : 0.0;
    __shared__ double part[32];
    double moved = 0.0;
    for (int c = threadIdx.x; c < d; c += blockDim.x) {
        const double by = shift[(int64_t)j * d + c] * inverse;
        means[(int64_t)j * d + c] = old_means[(int64_t)j * d + c] + by;
        moved += by * by;
    }
    for (int step = 1; step < 32; step *= 2) moved += __shfl_xor_sync(~0u, moved, step);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = moved;
    __syncthreads();
    if (threadIdx.x != 0) return;
    moved = 0.0;
    for (int w = 0; w < (int)blockDim.x / 32; w++) moved += part[w];
    const double v = (square[j] * inverse - moved) / d;
    variance[j] = v > 1e-6 ? v : 1e-6;
    log_weight[j] = n > 0.0 ? log(n / rows) : -1e3;
}

} // namespace

extern "C" fg_status fgi_cuda_pack_rows(const float *x, int64_t rows, int32_t d, const float *center, int32_t ld,
                                        void *high, float *norm, cudaStream_t s)
{
    pack_rows<<<(unsigned)((rows + 7) / 8), 256, 0, s>>>(x, rows, d, center, ld, (__half *)high, norm);
    return cudaGetLastError();
}

extern "C" fg_status fgi_cuda_pack_model(const fgi_cuda_model *m, const fgi_cuda_params *p, const fgi_cuda_model *last,
                                         cudaStream_t s)
{
    const cudaError_t e = cudaMemsetAsync((void *)m->largest, 0, 12, s);
    if (e != cudaSuccess) return e;
    const int padded = (m->k + 255) / 256 * 256;
    pack_model<<<(padded + 7) / 8, 256, 0, s>>>(m->kind, m->k, m->d, m->ld, m->unit, m->norm_scale, p->means,
                                                p->variance, p->log_weight, (__half *)m->means16, (float *)m->means,
                                                (float2 *)m->terms, (__half *)m->terms16, (float4 *)m->spheres,
                                                last ? (const __half *)last->means16 : nullptr,
                                                last ? last->spheres : nullptr, (uint32_t *)m->largest, padded);
    return cudaGetLastError();
}

extern "C" fg_status fgi_cuda_update(int32_t k, int32_t d, double rows, const double *mass, const double *shift,
                                     const double *square, const fgi_cuda_params *from, fgi_cuda_params *to,
                                     cudaStream_t s)
{
    update<<<k, 128, 0, s>>>(d, rows, mass, shift, square, from->means, to->means, to->variance, to->log_weight);
    return cudaGetLastError();
}
