/* SPDX-License-Identifier: Apache-2.0 */
/* integers_avx512vnni.h - what sets the steps of factors that become whole numbers. Knows AVX-512. */
#ifndef FGI_INTEGERS_AVX512VNNI_H
#define FGI_INTEGERS_AVX512VNNI_H
#include "vec_avx512.h"

/* Weights up to the one, and rows whose squares sum to less than the other, count as 0: their steps might underflow. */
#define FGI_LEAST_WEIGHT  0x1p-100f
#define FGI_LEAST_SQUARES 0x1p-80f

static float largest_of(const float *weight, int32_t depth)
{
    float largest = 0.0f;
    for (int32_t p = 0; p < depth; p++) largest = fmaxf(largest, fabsf(weight[p]));
    return largest;
}

/* The largest absolute value of a row, and the sum of its squares. */
typedef struct extent {
    float largest, squares;
} extent;

FGI_INLINE extent extent_of(const float *x, int32_t depth)
{
    vec_f32 largest = vec_splat(0.0f), squares = vec_splat(0.0f);
    for (int32_t p = 0; p < depth; p += LANES) {
        const vec_f32 value = vec_load(x + p, depth - p < LANES ? depth - p : LANES, FG_F32);
        largest = vec_max(_mm512_abs_ps(value), largest);
        squares = vec_fma(value, value, squares);
    }
    return (extent){.largest = vec_largest(largest), .squares = vec_sum(squares)};
}

#endif
