/* SPDX-License-Identifier: Apache-2.0 */
/* moments_simd.h - a row's share of a component's moments, over the vocabulary of vec.h.
 *     shift += r (x - mean)     square += r (x - mean)^2,  the difference in f32, all else in f64 */
#ifndef FGI_MOMENTS_SIMD_H
#define FGI_MOMENTS_SIMD_H

/* Up to half a vector: n elements; square is NULL where it is not wanted. */
FGI_INLINE void add_half(double *shift, double *square, vec_f64 difference, vec_f64 r, int32_t n)
{
    wide_store(shift, n, wide_fma(r, difference, wide_load(shift, n)));
    if (square)
        wide_store(square, n, wide_fma(wide_mul(r, difference), difference, wide_load(square, n)));
}

FGI_INLINE void add_lanes(double *shift, double *square, const float *x, const float *mean,
                          vec_f64 r, int32_t n)
{
    const vec_f32 difference = vec_sub(vec_load(x, n, FG_F32), vec_load(mean, n, FG_F32));
    const int32_t low = n < LANES / 2 ? n : LANES / 2;
    add_half(shift, square, wide_low(difference), r, low);
    add_half(shift + low, square ? square + low : NULL, wide_high(difference), r, n - low);
}

FGI_INLINE void add_row(double *shift, double *square, const float *x, const float *mean, int32_t d,
                        double r)
{
    const vec_f64 weight = wide_splat(r);
    const int32_t whole = d / LANES * LANES;
    for (int32_t i = 0; i < whole; i += LANES)
        add_lanes(shift + i, square ? square + i : NULL, x + i, mean + i, weight, LANES);
    if (whole < d)
        add_lanes(shift + whole, square ? square + whole : NULL, x + whole, mean + whole, weight,
                  d - whole);
}

static void add_shift(double *FGI_RESTRICT shift, const float *x, const float *mean, int32_t d,
                      double r)
{
    add_row(shift, NULL, x, mean, d, r);
}

static void add_moments(double *FGI_RESTRICT shift, double *FGI_RESTRICT square, const float *x,
                        const float *mean, int32_t d, double r)
{
    add_row(shift, square, x, mean, d, r);
}

#endif
