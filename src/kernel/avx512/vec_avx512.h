/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx512.h - the vector vocabulary of vec.h in AVX-512 F, BW, DQ, VL. Knows instructions; knows no
 * kernel. */
#ifndef FGI_VEC_AVX512_H
#define FGI_VEC_AVX512_H
#include "vec.h"

#include <immintrin.h> /* all vector types and instructions */

enum {
    LANES = 16,
    REGISTERS = 32,
    ROW_GROUP = 12 /* with two vectors a row: 24 sums, 2 weights and a value in 32 registers */
};

#define FGI_ROW_COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

typedef __m512 vec_f32;
typedef __m512d vec_f64;
typedef __m512i vec_i16, vec_i32;

FGI_INLINE __mmask16 first_lanes(int32_t n)
{
    return (__mmask16)((1u << n) - 1);
}

FGI_INLINE vec_f32 vec_load(const void *elements, int32_t n, fg_dtype dtype)
{
    const __mmask16 lanes = first_lanes(n);
    switch (dtype) {
    case FG_F32: return _mm512_maskz_loadu_ps(lanes, elements);
    case FG_F16: return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, elements));
    case FG_BF16:
        return _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, elements)), 16));
    case FG_I8:
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, elements)));
    case FG_U8:
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, elements)));
    default: return _mm512_setzero_ps();
    }
}

FGI_INLINE void vec_store(float *to, int32_t n, vec_f32 a)
{
    _mm512_mask_storeu_ps(to, first_lanes(n), a);
}

FGI_INLINE vec_f32 vec_keep(vec_f32 a, int32_t n)
{
    return _mm512_maskz_mov_ps(first_lanes(n), a);
}

FGI_INLINE vec_f32 vec_splat(float value)
{
    return _mm512_set1_ps(value);
}

FGI_INLINE vec_f32 vec_add(vec_f32 a, vec_f32 b)
{
    return _mm512_add_ps(a, b);
}

FGI_INLINE vec_f32 vec_sub(vec_f32 a, vec_f32 b)
{
    return _mm512_sub_ps(a, b);
}

FGI_INLINE vec_f32 vec_mul(vec_f32 a, vec_f32 b)
{
    return _mm512_mul_ps(a, b);
}

FGI_INLINE vec_f32 vec_div(vec_f32 a, vec_f32 b)
{
    return _mm512_div_ps(a, b);
}

/* a * b + c, rounded once */
FGI_INLINE vec_f32 vec_fma(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* The larger; b where one of them is NaN. */
FGI_INLINE vec_f32 vec_max(vec_f32 a, vec_f32 b)
{
    return _mm512_max_ps(a, b);
}

FGI_INLINE float vec_largest(vec_f32 a)
{
    return _mm512_reduce_max_ps(a);
}

FGI_INLINE __m256 sum_halves(vec_f32 a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

FGI_INLINE __m128 vec_sum4(const vec_f32 a[4])
{
    const __m256 ab = _mm256_hadd_ps(sum_halves(a[0]), sum_halves(a[1]));
    const __m256 cd = _mm256_hadd_ps(sum_halves(a[2]), sum_halves(a[3]));
    const __m256 abcd = _mm256_hadd_ps(ab, cd);
    return _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
}

/* The first n of four sums, n >= 1: all if there are more. */
FGI_INLINE void vec_store4(float *to, int32_t n, __m128 sums)
{
    if (n >= 4)
        _mm_storeu_ps(to, sums);
    else
        _mm_mask_storeu_ps(to, (__mmask8)first_lanes(n), sums);
}

FGI_INLINE vec_i16 whole_load(const void *elements, int32_t n, fg_dtype dtype)
{
    const __mmask32 lanes = (__mmask32)((UINT64_C(1) << n) - 1);
    if (dtype == FG_I8) return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(lanes, elements));
    return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(lanes, elements));
}

FGI_INLINE vec_i16 whole_read(const int16_t *from)
{
    return _mm512_loadu_si512(from);
}

FGI_INLINE vec_i32 whole_zero(void)
{
    return _mm512_setzero_si512();
}

FGI_INLINE vec_i16 whole_sub(vec_i16 a, vec_i16 b)
{
    return _mm512_sub_epi16(a, b);
}

FGI_INLINE vec_i32 whole_add_products(vec_i16 a, vec_i16 b, vec_i32 sum)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

FGI_INLINE __m256i whole_sum_halves(vec_i32 a)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti32x8_epi32(a, 1));
}

FGI_INLINE __m128 whole_sum4(const vec_i32 a[4])
{
    const __m256i ab = _mm256_hadd_epi32(whole_sum_halves(a[0]), whole_sum_halves(a[1]));
    const __m256i cd = _mm256_hadd_epi32(whole_sum_halves(a[2]), whole_sum_halves(a[3]));
    const __m256i abcd = _mm256_hadd_epi32(ab, cd);
    return _mm_cvtepi32_ps(
        _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1)));
}

FGI_INLINE float vec_sum(vec_f32 a)
{
    return _mm512_reduce_add_ps(a);
}

/* a * 2^n, where the lowest bits of `bits` are the integer n: adds to the exponent, with no check. */
FGI_INLINE vec_f32 vec_scale_exponent(vec_f32 a, vec_f32 bits)
{
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(bits), 23)));
}

/* a, or 0 where b < bound. */
FGI_INLINE vec_f32 vec_unless_below(vec_f32 a, vec_f32 b, vec_f32 bound)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(b, bound, _CMP_NLT_UQ), a);
}

/* Bit l is set where lane l of a >= the one of b. */
FGI_INLINE uint32_t vec_at_least(vec_f32 a, vec_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}

/* Writes first + l for each set bit l, in order; may write LANES places. */
FGI_INLINE void vec_write_lanes(uint32_t bits, int32_t first, int32_t *index)
{
    const __m512i numbers =
        _mm512_add_epi32(_mm512_set1_epi32(first),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_si512(index, _mm512_maskz_compress_epi32((__mmask16)bits, numbers));
}

/* Writes value to LANES places. */
FGI_INLINE void vec_write_same(int32_t value, int32_t *to)
{
    _mm512_storeu_si512(to, _mm512_set1_epi32(value));
}

typedef struct vec_table {
    __m512 part[4];
} vec_table;

FGI_INLINE vec_table vec_table_load(const float *from)
{
    return (vec_table){{_mm512_loadu_ps(from), _mm512_loadu_ps(from + 16),
                        _mm512_loadu_ps(from + 32), _mm512_loadu_ps(from + 48)}};
}

/* Two registers are one table to the permutation, so there are two answers; bit 5 chooses. */
FGI_INLINE vec_f32 vec_lookup(const vec_table *table, const uint8_t *index)
{
    const __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)index));
    const __m512 low = _mm512_permutex2var_ps(table->part[0], at, table->part[1]);
    const __m512 high = _mm512_permutex2var_ps(table->part[2], at, table->part[3]);
    return _mm512_mask_mov_ps(low, _mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), high);
}

FGI_INLINE vec_f64 wide_low(vec_f32 a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}

FGI_INLINE vec_f64 wide_high(vec_f32 a)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}

FGI_INLINE vec_f32 wide_narrow(vec_f64 low, vec_f64 high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high),
                              1);
}

FGI_INLINE vec_f64 wide_load(const void *from, int32_t n)
{
    return _mm512_maskz_loadu_pd((__mmask8)first_lanes(n), from);
}

FGI_INLINE void wide_store(double *to, int32_t n, vec_f64 a)
{
    _mm512_mask_storeu_pd(to, (__mmask8)first_lanes(n), a);
}

/* n elements of a table, by their numbers; 0 in the other lanes */
FGI_INLINE vec_f64 wide_gather(const double *table, const int32_t *index, int32_t n)
{
    const __mmask8 lanes = (__mmask8)first_lanes(n);
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), lanes,
                                    _mm256_maskz_loadu_epi32(lanes, index), table, 8);
}

/* The first n lanes, `other` in the others. */
FGI_INLINE vec_f64 wide_keep(vec_f64 a, int32_t n, double other)
{
    return _mm512_mask_mov_pd(_mm512_set1_pd(other), (__mmask8)first_lanes(n), a);
}

/* The larger; b where one of them is NaN. */
FGI_INLINE vec_f64 wide_max(vec_f64 a, vec_f64 b)
{
    return _mm512_max_pd(a, b);
}

FGI_INLINE double wide_largest(vec_f64 a)
{
    return _mm512_reduce_max_pd(a);
}

FGI_INLINE vec_f64 wide_add(vec_f64 a, vec_f64 b)
{
    return _mm512_add_pd(a, b);
}

FGI_INLINE vec_f64 wide_sub(vec_f64 a, vec_f64 b)
{
    return _mm512_sub_pd(a, b);
}

FGI_INLINE vec_f64 wide_splat(double value)
{
    return _mm512_set1_pd(value);
}

FGI_INLINE vec_f64 wide_mul(vec_f64 a, vec_f64 b)
{
    return _mm512_mul_pd(a, b);
}

FGI_INLINE vec_f64 wide_fma(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm512_fmadd_pd(a, b, c);
}

/* a * b - c */
FGI_INLINE vec_f64 wide_fms(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm512_fmsub_pd(a, b, c);
}

FGI_INLINE double wide_sum(vec_f64 a)
{
    return _mm512_reduce_add_pd(a);
}

#endif
