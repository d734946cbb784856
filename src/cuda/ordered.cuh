/* SPDX-License-Identifier: Apache-2.0 */
/* ordered.cuh - bits whose order as unsigned numbers is that of the floating-point numbers they stand for. */
#ifndef FGI_ORDERED_CUH
#define FGI_ORDERED_CUH
#include <stdint.h> /* uint32_t */

__device__ __forceinline__ uint32_t fgi_ordered(float x)
{
    const uint32_t bits = __float_as_uint(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float fgi_from_ordered(uint32_t key)
{
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

__device__ __forceinline__ unsigned long long fgi_ordered(double x)
{
    const unsigned long long bits = (unsigned long long)__double_as_longlong(x);
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}

__device__ __forceinline__ double fgi_from_ordered(unsigned long long key)
{
    return __longlong_as_double((long long)(key >> 63 ? key & ~(1ull << 63) : ~key));
}

#endif
