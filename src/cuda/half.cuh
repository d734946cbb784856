/* SPDX-License-Identifier: Apache-2.0 */
/* half.cuh - factors of products in f16, and warps' products of them. Knows no row, no component.
 *
 * Factors have a unit, a power of two: a component's that brings its largest to 64..128, a row's its length to there. Then squares
 * of factors are still finite, and what underflows is less than 2^-31 of the largest, or of the length. */
#ifndef FGI_HALF_CUH
#define FGI_HALF_CUH
#include <cuda_fp16.h> /* __half */
#include <stdint.h>    /* uint32_t */

/* The unit of factors of that size; 1 if it is 0 or not finite. */
__device__ __forceinline__ float fgi_unit_for(float size)
{
    if (!(size > 0.0f) || isinf(size)) return 1.0f;
    return scalbnf(1.0f, max(ilogbf(size) - 6, -126));
}

__device__ __forceinline__ uint32_t fgi_shared_address_of(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Four squares of 8 x 8 halves: lane l gives the address of row l % 8 of square l / 8, and gets elements 2 (l % 4) and the next
 * of row l / 4 of each. */
__device__ __forceinline__ void fgi_load_squares(uint32_t (&to)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}

/* c[16 x 8] += a[16 x 16] b[8 x 16]^T, sums in f32. a: squares (rows 0, columns 0), (8, 0), (0, 8), (8, 8); b: columns 0, 8. Lane
 * 4 g + q holds elements (g, 2 q), (g, 2 q + 1), (g + 8, 2 q), (g + 8, 2 q + 1) of c. */
__device__ __forceinline__ void fgi_multiply_16x8x16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

#endif
