/* SPDX-License-Identifier: Apache-2.0 */
/* squares_simd.h - squares of rows' elements about an origin, over the vocabulary of vec.h. */
#ifndef FGI_SQUARES_SIMD_H
#define FGI_SQUARES_SIMD_H

/* Elements i .. i + n - 1 of a row; gives its level back with their part added. */
FGI_INLINE vec_f32 square_lanes(const fgi_squares_args *a, float *x, int32_t i, int32_t n,
                                vec_f32 level)
{
    const vec_f32 value = vec_load(x + i, n, FG_F32), scale = vec_load(a->scale + i, n, FG_F32);
    const vec_f32 origin = vec_load(a->origin + i, n, FG_F32);
    const vec_f32 unit = vec_load(a->unit + i, n, FG_F32), square = vec_mul(value, value);
    vec_store(x + a->d + i, n, vec_mul(vec_sub(square, origin), unit));
    return vec_fma(scale, square, level);
}

static void squares(const fgi_squares_args *a)
{
    const int32_t whole = a->d / LANES * LANES;
    for (int32_t r = 0; r < a->rows; r++) {
        float *x = a->x + (int64_t)r * a->ldx;
        vec_f32 level = vec_splat(0);
        for (int32_t i = 0; i < whole; i += LANES) level = square_lanes(a, x, i, LANES, level);
        if (whole < a->d) level = square_lanes(a, x, whole, a->d - whole, level);
        a->level[r] = vec_sum(level);
    }
}

#endif
