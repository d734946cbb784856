/* SPDX-License-Identifier: Apache-2.0 */
/* screen_values.cuh - values of single pairs of a row and a component, from differences, in f32: a warp has eight pairs at a
 * time. */
#ifndef FGI_SCREEN_VALUES_CUH
#define FGI_SCREEN_VALUES_CUH
#include "cuda_sparse.h"
#include "elements.cuh"

namespace screening
{

enum { PAIRS = 8 /* evaluated at once by a warp */ };

/* Position of the n-th set bit, n = 0 .. PAIRS - 1; 32 where there are fewer. */
__device__ __forceinline__ int nth_bit(uint32_t bits, int n)
{
    int at = 32;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        if (i == n && bits) at = __ffs(bits) - 1;
        bits &= bits - 1;
    }
    return at;
}

/* Less its first PAIRS set bits. */
__device__ __forceinline__ uint32_t without_first(uint32_t bits)
{
#pragma unroll
    for (int i = 0; i < PAIRS; i++) bits &= bits - 1;
    return bits;
}

/* A lane's share of the squared distance of a row from a mean; its quad has the rest. */
template <class T> __device__ __forceinline__ float quad_squares(const fgi_sparse_screen_args &a, int64_t row, uint32_t j)
{
    constexpr int EACH = fgi_unit<T>::elements;
    const fgi_sparse_exact &e = a.rows.exact;
    const uint4 *x = reinterpret_cast<const uint4 *>(static_cast<const char *>(e.data) + row * e.pitch);
    const float *mean = a.model.means + (int64_t)j * a.model.ld;
    const float *scale = a.model.scales ? a.model.scales + (int64_t)j * a.model.ld : nullptr;
    const float factor = e.factor ? __ldg(e.factor) : 1.0f;
    float sum = 0.0f;
#pragma unroll 4
    for (int u = threadIdx.x & 3; u * EACH < a.rows.d; u += 4) {
        uint4 raw = __ldg(x + u);
        if ((u + 1) * EACH > a.rows.d) raw = fgi_keep_bytes(raw, fgi_unit_bytes<T>(u * EACH, a.rows.d));
        fgi_unit<T> v;
        fgi_widen(raw, v);
#pragma unroll
        for (int c = 0; c < EACH; c += 4) {
            const float4 m = __ldg(reinterpret_cast<const float4 *>(mean + u * EACH + c));
            const float4 o = __ldg(reinterpret_cast<const float4 *>(e.center + u * EACH + c));
            const float d[4] = {fmaf(v.x[c], factor, -o.x) - m.x, fmaf(v.x[c + 1], factor, -o.y) - m.y,
                                fmaf(v.x[c + 2], factor, -o.z) - m.z, fmaf(v.x[c + 3], factor, -o.w) - m.w};
            float4 h = make_float4(1.0f, 1.0f, 1.0f, 1.0f);
            if (scale) h = __ldg(reinterpret_cast<const float4 *>(scale + u * EACH + c));
            sum = fmaf(d[0] * h.x, d[0], fmaf(d[1] * h.y, d[1], sum));
            sum = fmaf(d[2] * h.z, d[2], fmaf(d[3] * h.w, d[3], sum));
        }
    }
    return sum;
}

/* h |x - mean|^2 of eight pairs of a row and a component, one for each quad of the warp; all lanes of a quad pass the same
 * pair and learn the result. */
template <class T> __device__ __forceinline__ float below_constant(const fgi_sparse_screen_args &a, int64_t row, uint32_t j)
{
    float sum = quad_squares<T>(a, row, j);
    __syncwarp();
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    return __ldg(a.model.spheres + 2 * j).x * sum;
}

} // namespace screening

#endif
