/* SPDX-License-Identifier: Apache-2.0 */
/* vec_neon.h - the vector vocabulary of vec.h in NEON of 64-bit ARM. Knows instructions; knows no kernel.
 *
 * A vector is two registers, so that sums have as many lanes as with AVX2, and its bounds hold here too. */
#ifndef FGI_VEC_NEON_H
#define FGI_VEC_NEON_H
#include "vec.h"

#include <arm_neon.h> /* all vector types and instructions */

enum {
    LANES = 8,
    REGISTERS = 16, /* pairs */
    ROW_GROUP = 6   /* with two vectors a row: 12 sums, 2 weights and a value in 16 pairs */
};

#define FGI_ROW_COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef float32x4x2_t vec_f32;
typedef float64x2x2_t vec_f64;
typedef int16x8x2_t vec_i16;
typedef int32x4x2_t vec_i32;

FGI_INLINE vec_f32 pair_f32(float32x4_t low, float32x4_t high)
{
    return (vec_f32){{low, high}};
}

FGI_INLINE vec_f64 pair_f64(float64x2_t low, float64x2_t high)
{
    return (vec_f64){{low, high}};
}

/* All bits of the first n of 8 lanes. */
FGI_INLINE uint32x4x2_t first_lanes(int32_t n)
{
    static const int32_t numbers[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int32x4_t count = vdupq_n_s32(n);
    return (uint32x4x2_t){
        {vcltq_s32(vld1q_s32(numbers), count), vcltq_s32(vld1q_s32(numbers + 4), count)}};
}

/* Eight elements of 2 bytes. */
FGI_INLINE vec_f32 widen_halves(const void *elements, fg_dtype dtype)
{
    const uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(elements));
    if (dtype == FG_BF16)
        return pair_f32(vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
                        vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(halves), 16)));
    return pair_f32(vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(halves))),
                    vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(halves))));
}

/* Eight elements of 1 byte. */
FGI_INLINE vec_f32 widen_bytes(const void *elements, fg_dtype dtype)
{
    const uint8x8_t bytes = vld1_u8(elements);
    if (dtype == FG_I8) {
        const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(bytes));
        return pair_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                        vcvtq_f32_s32(vmovl_s16(vget_high_s16(wide))));
    }
    const uint16x8_t wide = vmovl_u8(bytes);
    return pair_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))),
                    vcvtq_f32_u32(vmovl_u16(vget_high_u16(wide))));
}

FGI_INLINE vec_f32 load_whole(const void *elements, fg_dtype dtype)
{
    const uint8_t *bytes = elements;
    switch (dtype) {
    case FG_F32:
        return pair_f32(vreinterpretq_f32_u8(vld1q_u8(bytes)),
                        vreinterpretq_f32_u8(vld1q_u8(bytes + 16)));
    case FG_F16:
    case FG_BF16: return widen_halves(elements, dtype);
    default: return widen_bytes(elements, dtype);
    }
}

FGI_INLINE vec_f32 vec_load(const void *elements, int32_t n, fg_dtype dtype)
{
    if (n == LANES) return load_whole(elements, dtype);
    char some[LANES * sizeof(float)] = {0};
    memcpy(some, elements, (size_t)(n * element_bytes(dtype)));
    return load_whole(some, dtype);
}

FGI_INLINE void vec_store(float *to, int32_t n, vec_f32 a)
{
    float some[LANES];
    float *whole = n == LANES ? to : some;
    vst1q_f32(whole, a.val[0]);
    vst1q_f32(whole + 4, a.val[1]);
    if (n != LANES) memcpy(to, some, (size_t)n * sizeof *to);
}

FGI_INLINE vec_f32 keep_lanes(vec_f32 a, uint32x4x2_t lanes)
{
    return pair_f32(
        vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.val[0]), lanes.val[0])),
        vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.val[1]), lanes.val[1])));
}

FGI_INLINE vec_f32 vec_keep(vec_f32 a, int32_t n)
{
    return keep_lanes(a, first_lanes(n));
}

FGI_INLINE vec_f32 vec_splat(float value)
{
    return pair_f32(vdupq_n_f32(value), vdupq_n_f32(value));
}

FGI_INLINE vec_f32 vec_add(vec_f32 a, vec_f32 b)
{
    return pair_f32(vaddq_f32(a.val[0], b.val[0]), vaddq_f32(a.val[1], b.val[1]));
}

FGI_INLINE vec_f32 vec_sub(vec_f32 a, vec_f32 b)
{
    return pair_f32(vsubq_f32(a.val[0], b.val[0]), vsubq_f32(a.val[1], b.val[1]));
}

FGI_INLINE vec_f32 vec_mul(vec_f32 a, vec_f32 b)
{
    return pair_f32(vmulq_f32(a.val[0], b.val[0]), vmulq_f32(a.val[1], b.val[1]));
}

FGI_INLINE vec_f32 vec_div(vec_f32 a, vec_f32 b)
{
    return pair_f32(vdivq_f32(a.val[0], b.val[0]), vdivq_f32(a.val[1], b.val[1]));
}

FGI_INLINE vec_f32 vec_fma(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return pair_f32(vfmaq_f32(c.val[0], a.val[0], b.val[0]),
                    vfmaq_f32(c.val[1], a.val[1], b.val[1]));
}

/* The larger; b where one of them is NaN, which vmaxq would pass on. */
FGI_INLINE vec_f32 vec_max(vec_f32 a, vec_f32 b)
{
    return pair_f32(vbslq_f32(vcgtq_f32(a.val[0], b.val[0]), a.val[0], b.val[0]),
                    vbslq_f32(vcgtq_f32(a.val[1], b.val[1]), a.val[1], b.val[1]));
}

FGI_INLINE float vec_largest(vec_f32 a)
{
    return vmaxvq_f32(vmaxq_f32(a.val[0], a.val[1]));
}

FGI_INLINE float32x4_t vec_sum4(const vec_f32 a[4])
{
    float32x4_t sum[4];
    FGI_UNROLL
    for (int i = 0; i < 4; i++) sum[i] = vaddq_f32(a[i].val[0], a[i].val[1]);
    return vpaddq_f32(vpaddq_f32(sum[0], sum[1]), vpaddq_f32(sum[2], sum[3]));
}

FGI_INLINE void vec_store4(float *to, int32_t n, float32x4_t sums)
{
    float some[4];
    vst1q_f32(n >= 4 ? to : some, sums);
    if (n < 4) memcpy(to, some, (size_t)n * sizeof *to);
}

FGI_INLINE vec_i16 whole_load(const void *elements, int32_t n, fg_dtype dtype)
{
    uint8_t some[2 * LANES] = {0};
    const uint8_t *whole = elements;
    if (n != 2 * LANES) whole = memcpy(some, elements, (size_t)n);
    const uint8x16_t bytes = vld1q_u8(whole);
    if (dtype == FG_I8) {
        const int8x16_t with_sign = vreinterpretq_s8_u8(bytes);
        return (vec_i16){{vmovl_s8(vget_low_s8(with_sign)), vmovl_high_s8(with_sign)}};
    }
    return (vec_i16){{vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))),
                      vreinterpretq_s16_u16(vmovl_high_u8(bytes))}};
}

FGI_INLINE vec_i16 whole_read(const int16_t *from)
{
    return (vec_i16){{vld1q_s16(from), vld1q_s16(from + LANES)}};
}

FGI_INLINE vec_i32 whole_zero(void)
{
    return (vec_i32){{vdupq_n_s32(0), vdupq_n_s32(0)}};
}

FGI_INLINE vec_i16 whole_sub(vec_i16 a, vec_i16 b)
{
    return (vec_i16){{vsubq_s16(a.val[0], b.val[0]), vsubq_s16(a.val[1], b.val[1])}};
}

FGI_INLINE vec_i32 whole_add_products(vec_i16 a, vec_i16 b, vec_i32 sum)
{
    FGI_UNROLL
    for (int i = 0; i < 2; i++) {
        sum.val[0] = vmlal_s16(sum.val[0], vget_low_s16(a.val[i]), vget_low_s16(b.val[i]));
        sum.val[1] = vmlal_high_s16(sum.val[1], a.val[i], b.val[i]);
    }
    return sum;
}

FGI_INLINE float32x4_t whole_sum4(const vec_i32 a[4])
{
    int32x4_t sum[4];
    FGI_UNROLL
    for (int i = 0; i < 4; i++) sum[i] = vaddq_s32(a[i].val[0], a[i].val[1]);
    return vcvtq_f32_s32(vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3])));
}

FGI_INLINE float vec_sum(vec_f32 a)
{
    return vaddvq_f32(vaddq_f32(a.val[0], a.val[1]));
}

FGI_INLINE float32x4_t add_to_exponent(float32x4_t a, float32x4_t bits)
{
    const uint32x4_t shifted = vshlq_n_u32(vreinterpretq_u32_f32(bits), 23);
    return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a), shifted));
}

FGI_INLINE vec_f32 vec_scale_exponent(vec_f32 a, vec_f32 bits)
{
    return pair_f32(add_to_exponent(a.val[0], bits.val[0]), add_to_exponent(a.val[1], bits.val[1]));
}

FGI_INLINE vec_f32 vec_unless_below(vec_f32 a, vec_f32 b, vec_f32 bound)
{
    return keep_lanes(a, (uint32x4x2_t){{vmvnq_u32(vcltq_f32(b.val[0], bound.val[0])),
                                         vmvnq_u32(vcltq_f32(b.val[1], bound.val[1]))}});
}

FGI_INLINE uint32_t vec_at_least(vec_f32 a, vec_f32 b)
{
    static const uint16_t bit[LANES] = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint16x8_t lanes = vcombine_u16(vmovn_u32(vcgeq_f32(a.val[0], b.val[0])),
                                          vmovn_u32(vcgeq_f32(a.val[1], b.val[1])));
    return vaddvq_u16(vandq_u16(lanes, vld1q_u16(bit)));
}

FGI_INLINE void vec_write_lanes(uint32_t bits, int32_t first, int32_t *index)
{
    for (; bits; bits &= bits - 1) *index++ = first + __builtin_ctz(bits);
}

FGI_INLINE void vec_write_same(int32_t value, int32_t *to)
{
    vst1q_s32(to, vdupq_n_s32(value));
    vst1q_s32(to + 4, vdupq_n_s32(value));
}

FGI_INLINE vec_f64 wide_half(float32x4_t a)
{
    return pair_f64(vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a));
}

typedef struct vec_table {
    const float *entries;
} vec_table;

FGI_INLINE vec_table vec_table_load(const float *from)
{
    return (vec_table){from};
}

/* One by one: there is no gather. */
FGI_INLINE vec_f32 vec_lookup(const vec_table *table, const uint8_t *index)
{
    float lanes[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = table->entries[index[l]];
    return pair_f32(vld1q_f32(lanes), vld1q_f32(lanes + 4));
}

FGI_INLINE vec_f64 wide_low(vec_f32 a)
{
    return wide_half(a.val[0]);
}

FGI_INLINE vec_f64 wide_high(vec_f32 a)
{
    return wide_half(a.val[1]);
}

FGI_INLINE vec_f32 wide_narrow(vec_f64 low, vec_f64 high)
{
    return pair_f32(vcvt_high_f32_f64(vcvt_f32_f64(low.val[0]), low.val[1]),
                    vcvt_high_f32_f64(vcvt_f32_f64(high.val[0]), high.val[1]));
}

FGI_INLINE vec_f64 wide_load(const void *from, int32_t n)
{
    uint8_t some[LANES / 2 * sizeof(double)] = {0};
    const uint8_t *bytes = from;
    if (n != LANES / 2) bytes = memcpy(some, from, (size_t)n * sizeof(double));
    return pair_f64(vreinterpretq_f64_u8(vld1q_u8(bytes)),
                    vreinterpretq_f64_u8(vld1q_u8(bytes + 16)));
}

FGI_INLINE void wide_store(double *to, int32_t n, vec_f64 a)
{
    double some[LANES / 2];
    double *whole = n == LANES / 2 ? to : some;
    vst1q_f64(whole, a.val[0]);
    vst1q_f64(whole + 2, a.val[1]);
    if (n != LANES / 2) memcpy(to, some, (size_t)n * sizeof *to);
}

/* n elements of a table, by their numbers; 0 in the other lanes */
FGI_INLINE vec_f64 wide_gather(const double *table, const int32_t *index, int32_t n)
{
    double some[LANES / 2] = {0};
    for (int32_t l = 0; l < n; l++) some[l] = table[index[l]];
    return pair_f64(vld1q_f64(some), vld1q_f64(some + 2));
}

/* The first n lanes, `other` in the others. */
FGI_INLINE vec_f64 wide_keep(vec_f64 a, int32_t n, double other)
{
    static const int64_t numbers[LANES / 2] = {0, 1, 2, 3};
    const int64x2_t count = vdupq_n_s64(n);
    const float64x2_t others = vdupq_n_f64(other);
    return pair_f64(vbslq_f64(vcltq_s64(vld1q_s64(numbers), count), a.val[0], others),
                    vbslq_f64(vcltq_s64(vld1q_s64(numbers + 2), count), a.val[1], others));
}

/* The larger; b where one of them is NaN. */
FGI_INLINE vec_f64 wide_max(vec_f64 a, vec_f64 b)
{
    return pair_f64(vbslq_f64(vcgtq_f64(a.val[0], b.val[0]), a.val[0], b.val[0]),
                    vbslq_f64(vcgtq_f64(a.val[1], b.val[1]), a.val[1], b.val[1]));
}

FGI_INLINE double wide_largest(vec_f64 a)
{
    return vmaxvq_f64(vmaxq_f64(a.val[0], a.val[1]));
}

FGI_INLINE vec_f64 wide_add(vec_f64 a, vec_f64 b)
{
    return pair_f64(vaddq_f64(a.val[0], b.val[0]), vaddq_f64(a.val[1], b.val[1]));
}

FGI_INLINE vec_f64 wide_sub(vec_f64 a, vec_f64 b)
{
    return pair_f64(vsubq_f64(a.val[0], b.val[0]), vsubq_f64(a.val[1], b.val[1]));
}

FGI_INLINE vec_f64 wide_splat(double value)
{
    return pair_f64(vdupq_n_f64(value), vdupq_n_f64(value));
}

FGI_INLINE vec_f64 wide_mul(vec_f64 a, vec_f64 b)
{
    return pair_f64(vmulq_f64(a.val[0], b.val[0]), vmulq_f64(a.val[1], b.val[1]));
}

FGI_INLINE vec_f64 wide_fma(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return pair_f64(vfmaq_f64(c.val[0], a.val[0], b.val[0]),
                    vfmaq_f64(c.val[1], a.val[1], b.val[1]));
}

FGI_INLINE vec_f64 wide_fms(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return wide_fma(a, b, pair_f64(vnegq_f64(c.val[0]), vnegq_f64(c.val[1])));
}

FGI_INLINE double wide_sum(vec_f64 a)
{
    return vaddvq_f64(vaddq_f64(a.val[0], a.val[1]));
}

#endif
