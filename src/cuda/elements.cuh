/* SPDX-License-Identifier: Apache-2.0 */
/* elements.cuh - rows of any type, 16 bytes at a time. Knows no kernel. */
#ifndef FGI_ELEMENTS_CUH
#define FGI_ELEMENTS_CUH
#include "flashgmm.h"

#include <cuda_bf16.h> /* __nv_bfloat16 */
#include <cuda_fp16.h> /* __half */
#include <stdint.h>    /* uint32_t */

template <class T> struct fgi_unit {
    static constexpr int elements = 16 / sizeof(T);
    float x[elements];
};

__device__ __forceinline__ void fgi_widen(const uint4 &raw, fgi_unit<float> &to)
{
    to.x[0] = __uint_as_float(raw.x), to.x[1] = __uint_as_float(raw.y);
    to.x[2] = __uint_as_float(raw.z), to.x[3] = __uint_as_float(raw.w);
}

__device__ __forceinline__ void fgi_widen(const uint4 &raw, fgi_unit<__half> &to)
{
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float2 v = __half22float2(*reinterpret_cast<const __half2 *>(&words[i]));
        to.x[2 * i] = v.x, to.x[2 * i + 1] = v.y;
    }
}

__device__ __forceinline__ void fgi_widen(const uint4 &raw, fgi_unit<__nv_bfloat16> &to)
{
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        to.x[2 * i] = __uint_as_float(words[i] << 16);
        to.x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    }
}

/* A byte becomes the last of 2^23 + byte: no conversion, of which a chip does few at a time. */
template <class T> __device__ __forceinline__ void fgi_widen_bytes(const uint4 &raw, uint32_t flip, T &to)
{
    const uint32_t words[4] = {raw.x ^ flip, raw.y ^ flip, raw.z ^ flip, raw.w ^ flip};
    const float base = 8388608.0f + (flip & 0xff);
#pragma unroll
    for (int i = 0; i < 16; i++) to.x[i] = __uint_as_float(__byte_perm(words[i / 4], 0x4b000000u, 0x7650 + i % 4)) - base;
}

__device__ __forceinline__ void fgi_widen(const uint4 &raw, fgi_unit<uint8_t> &to)
{
    fgi_widen_bytes(raw, 0, to);
}

__device__ __forceinline__ void fgi_widen(const uint4 &raw, fgi_unit<int8_t> &to)
{
    fgi_widen_bytes(raw, 0x80808080u, to); /* from 0 on */
}

/* How many of the 16 bytes from element `first` on belong to a row of d elements. */
template <class T> __device__ __forceinline__ int fgi_unit_bytes(int first, int d)
{
    const int left = (d - first) * (int)sizeof(T);
    return left < 0 ? 0 : left < 16 ? left : 16;
}

/* Zeros in place of all but the first `bytes`. */
__device__ __forceinline__ uint4 fgi_keep_bytes(const uint4 &raw, int bytes)
{
    uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int keep = bytes - 4 * i;
        if (keep < 4) words[i] = keep <= 0 ? 0 : words[i] & ((1u << 8 * keep) - 1);
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}

/* Calls f(T()) for a type that has units. */
template <class F> cudaError_t fgi_with_element(int32_t dtype, F f)
{
    switch (dtype) {
    case FG_F32: return f(float());
    case FG_F16: return f(__half());
    case FG_BF16: return f(__nv_bfloat16());
    case FG_I8: return f(int8_t());
    case FG_U8: return f(uint8_t());
    default: return cudaErrorInvalidValue;
    }
}

#endif
