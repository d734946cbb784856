/* SPDX-License-Identifier: Apache-2.0 */
/* shares_simd.h - rows' shares of their candidates, over the vocabulary of vec.h.
 *     share = 2^(value - most) / sum of those
 *
 *     2^v = 2^n (1 + f Q(f)),  n = v rounded to an integer,  f = v - n in [-1/2, 1/2], exact
 * Q makes the largest |(1 + f Q(f)) / 2^f - 1| least, found by Remez exchange in 40 digits; 2^-25.9
 * with coefficients rounded to f32. The last addition rounds by 2^-24 at most, the product before it by less
 * than half of that: 2^-23 in all. 2^0 is exactly 1. */
#ifndef FGI_SHARES_SIMD_H
#define FGI_SHARES_SIMD_H

/* 0 where v < least, which is at least -126. */
FGI_INLINE vec_f32 exp2_lanes(vec_f32 v, float least)
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
    return vec_unless_below(vec_scale_exponent(sum, shifted), v, vec_splat(least));
}

static const float least_normal = -126;

/* n values, and -inf in the lanes past them: their power is 0. */
typedef struct value_pair {
    vec_f64 low, high;
} value_pair;

FGI_INLINE value_pair load_values(const double *value, int32_t n)
{
    const int32_t low = n < LANES / 2 ? n : LANES / 2;
    return (value_pair){wide_keep(wide_load(value, low), low, -INFINITY),
                        wide_keep(wide_load(value + low, n - low), n - low, -INFINITY)};
}

FGI_INLINE vec_f32 powers_of(value_pair values, vec_f64 most, float least)
{
    return exp2_lanes(wide_narrow(wide_sub(values.low, most), wide_sub(values.high, most)), least);
}

/* A row of at most LANES candidates, which stay in registers. */
FGI_INLINE void share_few(const fgi_shares_args *a, int32_t r, int32_t n)
{
    const value_pair values = load_values(a->value + a->begin[r], n);
    a->most[r] = wide_largest(wide_max(values.low, values.high));
    const vec_f32 powers = powers_of(values, wide_splat(a->most[r]), least_normal);
    a->sum[r] = vec_sum(powers);
    vec_store(a->share + a->begin[r], n, vec_div(powers, vec_splat(a->sum[r])));
}

FGI_INLINE void share_many(const fgi_shares_args *a, int32_t r, int32_t count)
{
    const double *value = a->value + a->begin[r];
    float *share = a->share + a->begin[r];
    vec_f64 most = wide_splat(-INFINITY);
    for (int32_t c = 0; c < count; c += LANES) {
        const value_pair values = load_values(value + c, count - c < LANES ? count - c : LANES);
        most = wide_max(wide_max(values.low, values.high), most);
    }
    a->most[r] = wide_largest(most);
    most = wide_splat(a->most[r]);
    vec_f32 sum = vec_splat(0);
    for (int32_t c = 0; c < count; c += LANES) {
        const int32_t n = count - c < LANES ? count - c : LANES;
        const vec_f32 powers = powers_of(load_values(value + c, n), most, least_normal);
        vec_store(share + c, n, powers);
        sum = vec_add(sum, powers);
    }
    a->sum[r] = vec_sum(sum);
    const vec_f32 divisor = vec_splat(a->sum[r]);
    for (int32_t c = 0; c < count; c += LANES) {
        const int32_t n = count - c < LANES ? count - c : LANES;
        vec_store(share + c, n, vec_div(vec_load(share + c, n, FG_F32), divisor));
    }
}

static void shares(const fgi_shares_args *a)
{
    for (int32_t r = 0; r < a->rows; r++) {
        const int32_t count = a->begin[r + 1] - a->begin[r];
        if (count > LANES) {
            share_many(a, r, count);
        } else if (count > 0) {
            share_few(a, r, count);
        } else {
            a->most[r] = -INFINITY;
            a->sum[r] = 0;
        }
    }
}

#endif
