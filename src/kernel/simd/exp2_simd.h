/* SPDX-License-Identifier: Apache-2.0 */
/* exp2_simd.h - powers of two and their sum, over the vocabulary of vec.h.
 *     2^v = 2^n (1 + f Q(f)),  n = v rounded to an integer,  f = v - n in [-1/2, 1/2], exact
 *
 * Q makes the largest |(1 + f Q(f)) / 2^f - 1| least, found by Remez exchange in 40 digits; 2^-25.9
 * with coefficients rounded to f32. The last addition rounds by 2^-24 at most, the product before it by less
 * than half of that: 2^-23 in all. 2^0 is exactly 1. */
#ifndef FGI_EXP2_SIMD_H
#define FGI_EXP2_SIMD_H

FGI_INLINE vec_f32 exp2_lanes(vec_f32 v)
{
    /* adding 3 * 2^22 leaves the integer n in the lowest bits, and takes the fraction away */
    const vec_f32 to_integer = vec_splat(0x1.8p23f);
    const vec_f32 shifted = vec_add(v, to_integer);
    const vec_f32 f = vec_sub(v, vec_sub(shifted, to_integer));
    static const float q[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6aee8p-5f,
                              0x1.3b2d4cp-7f, 0x1.5f3e52p-10f, 0x1.41fbbcp-13f};
    vec_f32 sum = vec_splat(q[5]);
    for (int k = 4; k >= 0; k--) sum = vec_fma(sum, f, vec_splat(q[k]));
    sum = vec_fma(sum, f, vec_splat(1));
    return vec_unless_below(vec_scale_exponent(sum, shifted), v, vec_splat(-126));
}

/* f32(value - most), n of them */
FGI_INLINE vec_f32 exponents(const double *value, vec_f64 most, int32_t n)
{
    const int32_t low = n < LANES / 2 ? n : LANES / 2;
    return wide_narrow(wide_sub(wide_load(value, low), most),
                       wide_sub(wide_load(value + low, n - low), most));
}

static float exp2_sum(const double *value, double most, int32_t count, float *FGI_RESTRICT power)
{
    const int32_t whole = count / LANES * LANES;
    const vec_f64 top = wide_splat(most);
    vec_f32 sum = vec_splat(0);
    for (int32_t c = 0; c < whole; c += LANES) {
        const vec_f32 powers = exp2_lanes(exponents(value + c, top, LANES));
        vec_store(power + c, LANES, powers);
        sum = vec_add(sum, powers);
    }
    if (whole < count) {
        const vec_f32 powers = exp2_lanes(exponents(value + whole, top, count - whole));
        vec_store(power + whole, count - whole, powers);
        sum =
            vec_add(sum, vec_keep(powers, count - whole)); /* anything in the lanes past the end */
    }
    return vec_sum(sum);
}

#endif
