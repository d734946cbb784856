/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.cuh - sums and the like over a warp or a block, always in the same order. Every thread takes part and learns the
 * result. */
#ifndef FGI_REDUCE_CUH
#define FGI_REDUCE_CUH
#include <stdint.h> /* uint32_t */

#define FGI_ALL_LANES 0xffffffffu

struct fgi_add {
    template <class T> __device__ T operator()(T a, T b) const
    {
        return a + b;
    }
};

struct fgi_least {
    template <class T> __device__ T operator()(T a, T b) const
    {
        return b < a ? b : a;
    }
};

struct fgi_largest {
    template <class T> __device__ T operator()(T a, T b) const
    {
        return a < b ? b : a;
    }
};

__device__ __forceinline__ float fgi_largest_of(const float4 &v)
{
    return fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w));
}

template <class T, class Op> __device__ __forceinline__ T fgi_warp_reduce(T value, Op op)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2) value = op(value, __shfl_xor_sync(FGI_ALL_LANES, value, step));
    return value;
}

/* THREADS: of the block, a multiple of 32. */
template <int THREADS, class T, class Op> __device__ __forceinline__ T fgi_block_reduce(T value, Op op)
{
    value = fgi_warp_reduce(value, op);
    if (THREADS == 32) return value;
    __shared__ T parts[THREADS / 32];
    __syncthreads(); /* an earlier reduction may still be read */
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    value = parts[0];
#pragma unroll
    for (int w = 1; w < THREADS / 32; w++) value = op(value, parts[w]);
    return value;
}

#endif
