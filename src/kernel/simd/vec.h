/* SPDX-License-Identifier: Apache-2.0 */
/* vec.h - what every vector vocabulary (vec_ISA.h) and every kernel written in one shares. Knows no
 * instruction set.
 *
 * A vocabulary defines, for LANES lanes of f32 and twice LANES / 2 lanes of f64:
 *     vec_load   n elements of a type at any address, as f32; lanes from n on are 0, and no byte past the
 *                n-th element is touched
 *     vec_store  the first n lanes
 *     vec_keep   the first n lanes, 0 in the others
 *     vec_sum4   four sums over lanes, each by the same tree of additions
 *     vec_lookup entries of a table of 64, by LANES numbers of one byte
 *     wide_...   the same in f64
 *     whole_...  for 2 LANES lanes of i16, whose products are summed in LANES lanes of i32; whole_sum4 gives sums
 *                as f32
 * n is LANES in loops and less in tails: written as a constant, it costs nothing. */
#ifndef FGI_VEC_H
#define FGI_VEC_H
#include "kernels.h"

#include <math.h>   /* INFINITY, NAN, sqrt */
#include <string.h> /* memcpy */

/* without it a kernel's constants (row count, element type) would be variables at run time */
#define FGI_INLINE static inline __attribute__((always_inline))

/* In front of a loop over an array of vectors: it stays in registers only if the loop is unrolled early,
 * which gcc has to be told and clang does by itself. */
#ifdef __clang__
#define FGI_UNROLL
#else
#define FGI_UNROLL _Pragma("GCC unroll 16")
#endif

FGI_INLINE int64_t element_bytes(fg_dtype dtype)
{
    switch (dtype) {
    case FG_F64: return 8;
    case FG_F32: return 4;
    case FG_F16:
    case FG_BF16: return 2;
    default: return 1;
    }
}

#endif
