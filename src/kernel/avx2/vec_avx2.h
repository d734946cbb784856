/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx2.h - the vector vocabulary of vec.h in AVX2, FMA, F16C. Knows instructions; knows no kernel. */
#ifndef FGI_VEC_AVX2_H
#define FGI_VEC_AVX2_H
#include "vec.h"

#include <immintrin.h> /* all vector types and instructions */

enum {
    LANES = 8,
    REGISTERS = 16,
    ROW_GROUP = 6 /* with two vectors a row: 12 sums, 2 weights and a value in 16 registers */
};

#define FGI_ROW_COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef __m256 vec_f32;
typedef __m256d vec_f64;
typedef __m256i vec_i16, vec_i32;

/* All bits of the first n lanes. */
FGI_INLINE __m256i first_lanes(int32_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

FGI_INLINE __m256i first_wide_lanes(int32_t n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

/* `bytes` bytes, 0 to 8, in the low end; two reads that overlap leave no byte out. */
FGI_INLINE uint64_t load_bytes(const char *from, int32_t bytes)
{
    uint64_t whole = 0;
    uint32_t word, last_word;
    uint16_t pair, last_pair;
    if (bytes == 8) {
        memcpy(&whole, from, 8);
    } else if (bytes >= 4) {
        memcpy(&word, from, 4);
        memcpy(&last_word, from + bytes - 4, 4);
        whole = word | (uint64_t)last_word << 8 * (bytes - 4);
    } else if (bytes >= 2) {
        memcpy(&pair, from, 2);
        memcpy(&last_pair, from + bytes - 2, 2);
        whole = pair | (uint64_t)last_pair << 8 * (bytes - 2);
    } else if (bytes == 1) {
        whole = (unsigned char)*from;
    }
    return whole;
}

/* n elements of 1 byte, of 8 */
FGI_INLINE __m128i load_8x8(const void *elements, int32_t n)
{
    if (n == LANES) return _mm_loadl_epi64(elements);
    return _mm_cvtsi64_si128((int64_t)load_bytes(elements, n));
}

/* n elements of 2 bytes, of 8 */
FGI_INLINE __m128i load_16x8(const void *elements, int32_t n)
{
    if (n == LANES) return _mm_loadu_si128(elements);
    const int32_t low = n < 4 ? n : 4;
    const char *from = elements;
    return _mm_set_epi64x((int64_t)load_bytes(from + 2 * low, 2 * (n - low)),
                          (int64_t)load_bytes(from, 2 * low));
}

FGI_INLINE vec_f32 vec_load(const void *elements, int32_t n, fg_dtype dtype)
{
    switch (dtype) {
    case FG_F32:
        return n == LANES ? _mm256_loadu_ps(elements)
                          : _mm256_maskload_ps(elements, first_lanes(n));
    case FG_F16: return _mm256_cvtph_ps(load_16x8(elements, n));
    case FG_BF16:
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16x8(elements, n)), 16));
    case FG_I8: return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8x8(elements, n)));
    case FG_U8: return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(load_8x8(elements, n)));
    default: return _mm256_setzero_ps();
    }
}

FGI_INLINE void vec_store(float *to, int32_t n, vec_f32 a)
{
    if (n == LANES)
        _mm256_storeu_ps(to, a);
    else
        _mm256_maskstore_ps(to, first_lanes(n), a);
}

FGI_INLINE vec_f32 vec_keep(vec_f32 a, int32_t n)
{
    return _mm256_and_ps(a, _mm256_castsi256_ps(first_lanes(n)));
}

FGI_INLINE vec_f32 vec_splat(float value)
{
    return _mm256_set1_ps(value);
}

FGI_INLINE vec_f32 vec_add(vec_f32 a, vec_f32 b)
{
    return _mm256_add_ps(a, b);
}

FGI_INLINE vec_f32 vec_sub(vec_f32 a, vec_f32 b)
{
    return _mm256_sub_ps(a, b);
}

FGI_INLINE vec_f32 vec_mul(vec_f32 a, vec_f32 b)
{
    return _mm256_mul_ps(a, b);
}

FGI_INLINE vec_f32 vec_div(vec_f32 a, vec_f32 b)
{
    return _mm256_div_ps(a, b);
}

FGI_INLINE vec_f32 vec_fma(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return _mm256_fmadd_ps(a, b, c);
}

FGI_INLINE vec_f32 vec_max(vec_f32 a, vec_f32 b)
{
    return _mm256_max_ps(a, b);
}

FGI_INLINE float vec_largest(vec_f32 a)
{
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

FGI_INLINE __m128 vec_sum4(const vec_f32 a[4])
{
    const __m256 ab = _mm256_hadd_ps(a[0], a[1]), cd = _mm256_hadd_ps(a[2], a[3]);
    const __m256 abcd = _mm256_hadd_ps(ab, cd);
    return _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
}

FGI_INLINE void vec_store4(float *to, int32_t n, __m128 sums)
{
    if (n >= 4)
        _mm_storeu_ps(to, sums);
    else
        _mm_maskstore_ps(to, _mm256_castsi256_si128(first_lanes(n)), sums);
}

FGI_INLINE __m128i load_8x16(const char *elements, int32_t n)
{
    if (n == 2 * LANES) return _mm_loadu_si128((const __m128i *)(const void *)elements);
    const int32_t low = n < 8 ? n : 8;
    return _mm_set_epi64x((int64_t)load_bytes(elements + low, n - low),
                          (int64_t)load_bytes(elements, low));
}

FGI_INLINE vec_i16 whole_load(const void *elements, int32_t n, fg_dtype dtype)
{
    if (dtype == FG_I8) return _mm256_cvtepi8_epi16(load_8x16(elements, n));
    return _mm256_cvtepu8_epi16(load_8x16(elements, n));
}

FGI_INLINE vec_i16 whole_read(const int16_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

FGI_INLINE vec_i32 whole_zero(void)
{
    return _mm256_setzero_si256();
}

FGI_INLINE vec_i16 whole_sub(vec_i16 a, vec_i16 b)
{
    return _mm256_sub_epi16(a, b);
}

FGI_INLINE vec_i32 whole_add_products(vec_i16 a, vec_i16 b, vec_i32 sum)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

FGI_INLINE __m128 whole_sum4(const vec_i32 a[4])
{
    const __m256i ab = _mm256_hadd_epi32(a[0], a[1]), cd = _mm256_hadd_epi32(a[2], a[3]);
    const __m256i abcd = _mm256_hadd_epi32(ab, cd);
    return _mm_cvtepi32_ps(
        _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1)));
}

FGI_INLINE float vec_sum(vec_f32 a)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

FGI_INLINE vec_f32 vec_scale_exponent(vec_f32 a, vec_f32 bits)
{
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(bits), 23)));
}

FGI_INLINE vec_f32 vec_unless_below(vec_f32 a, vec_f32 b, vec_f32 bound)
{
    return _mm256_and_ps(a, _mm256_cmp_ps(b, bound, _CMP_NLT_UQ));
}

FGI_INLINE uint32_t vec_at_least(vec_f32 a, vec_f32 b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}

FGI_INLINE void vec_write_lanes(uint32_t bits, int32_t first, int32_t *index)
{
    for (; bits; bits &= bits - 1) *index++ = first + __builtin_ctz(bits);
}

FGI_INLINE void vec_write_same(int32_t value, int32_t *to)
{
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_set1_epi32(value));
}

/* Stays in memory: registers hold 8 entries each, and there are 16. */
typedef struct vec_table {
    const float *entries;
} vec_table;

FGI_INLINE vec_table vec_table_load(const float *from)
{
    return (vec_table){from};
}

FGI_INLINE vec_f32 vec_lookup(const vec_table *table, const uint8_t *index)
{
    return _mm256_i32gather_ps(table->entries, _mm256_cvtepu8_epi32(load_8x8(index, LANES)), 4);
}

FGI_INLINE vec_f64 wide_low(vec_f32 a)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}

FGI_INLINE vec_f64 wide_high(vec_f32 a)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}

FGI_INLINE vec_f32 wide_narrow(vec_f64 low, vec_f64 high)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

FGI_INLINE vec_f64 wide_load(const void *from, int32_t n)
{
    return n == LANES / 2 ? _mm256_loadu_pd(from) : _mm256_maskload_pd(from, first_wide_lanes(n));
}

FGI_INLINE void wide_store(double *to, int32_t n, vec_f64 a)
{
    if (n == LANES / 2)
        _mm256_storeu_pd(to, a);
    else
        _mm256_maskstore_pd(to, first_wide_lanes(n), a);
}

/* n elements of a table, by their numbers; 0 in the other lanes */
FGI_INLINE vec_f64 wide_gather(const double *table, const int32_t *index, int32_t n)
{
    const __m128i places = _mm_maskload_epi32(index, _mm256_castsi256_si128(first_lanes(n)));
    return _mm256_mask_i32gather_pd(_mm256_setzero_pd(), table, places,
                                    _mm256_castsi256_pd(first_wide_lanes(n)), 8);
}

/* The first n lanes, `other` in the others. */
FGI_INLINE vec_f64 wide_keep(vec_f64 a, int32_t n, double other)
{
    return _mm256_blendv_pd(_mm256_set1_pd(other), a, _mm256_castsi256_pd(first_wide_lanes(n)));
}

/* The larger; b where one of them is NaN. */
FGI_INLINE vec_f64 wide_max(vec_f64 a, vec_f64 b)
{
    return _mm256_max_pd(a, b);
}

FGI_INLINE double wide_largest(vec_f64 a)
{
    const __m128d pair = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_max_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

FGI_INLINE vec_f64 wide_add(vec_f64 a, vec_f64 b)
{
    return _mm256_add_pd(a, b);
}

FGI_INLINE vec_f64 wide_sub(vec_f64 a, vec_f64 b)
{
    return _mm256_sub_pd(a, b);
}

FGI_INLINE vec_f64 wide_splat(double value)
{
    return _mm256_set1_pd(value);
}

FGI_INLINE vec_f64 wide_mul(vec_f64 a, vec_f64 b)
{
    return _mm256_mul_pd(a, b);
}

FGI_INLINE vec_f64 wide_fma(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm256_fmadd_pd(a, b, c);
}

FGI_INLINE vec_f64 wide_fms(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm256_fmsub_pd(a, b, c);
}

FGI_INLINE double wide_sum(vec_f64 a)
{
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#endif
