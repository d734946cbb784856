/* SPDX-License-Identifier: Apache-2.0 */
/* rows_simd.h - sums over the elements of a query and of rows in memory, over the vocabulary of vec.h.
 *     SQUARE: (q - v)^2     SCALED: s (q - v)^2     PRODUCT: q v
 *
 * Four rows go side by side, one vector of sums each: enough independent additions to keep the units
 * busy. A lone row takes all four places, so that a sum's bits depend on its query and row alone. */
#ifndef FGI_ROWS_SIMD_H
#define FGI_ROWS_SIMD_H

typedef enum row_term { SQUARE, SCALED, PRODUCT } row_term;

typedef struct row_four {
    const char *row[4];
    const float *scale[4]; /* SCALED only */
} row_four;

/* Adds the terms of elements i .. i + n - 1. */
FGI_INLINE void add_terms(vec_f32 sum[4], const row_four *four, const float *query, int32_t i,
                          int32_t n, fg_dtype dtype, row_term term)
{
    const vec_f32 q = vec_load(query + i, n, FG_F32);
    for (int c = 0; c < 4; c++) {
        const vec_f32 v = vec_load(four->row[c] + i * element_bytes(dtype), n, dtype);
        if (term == PRODUCT) {
            sum[c] = vec_fma(q, v, sum[c]);
        } else {
            const vec_f32 difference = vec_sub(q, v);
            vec_f32 scaled = difference;
            if (term == SCALED)
                scaled = vec_mul(vec_load(four->scale[c] + i, n, FG_F32), difference);
            sum[c] = vec_fma(scaled, difference, sum[c]);
        }
    }
}

/* The first `count` of the four sums. */
FGI_INLINE void sum_rows(const row_four *four, const float *query, int32_t d, int64_t count,
                         fg_dtype dtype, row_term term, float *out)
{
    vec_f32 sum[4] = {vec_splat(0), vec_splat(0), vec_splat(0), vec_splat(0)};
    const int32_t whole = d / LANES * LANES;
    for (int32_t i = 0; i < whole; i += LANES) add_terms(sum, four, query, i, LANES, dtype, term);
    if (whole < d) add_terms(sum, four, query, whole, d - whole, dtype, term);
    float sums[4];
    _mm_storeu_ps(sums, vec_sum4(sum));
    for (int64_t c = 0; c < 4 && c < count; c++) out[c] = sums[c];
}

FGI_INLINE void scan_rows(const float *query, const void *rows, int64_t count, int32_t d,
                          float *out, fg_dtype dtype, row_term term)
{
    for (int64_t r = 0; r < count; r += 4) {
        row_four four = {0};
        for (int64_t c = 0; c < 4; c++) {
            const int64_t row = r + c < count ? r + c : count - 1;
            four.row[c] = (const char *)rows + row * d * element_bytes(dtype);
        }
        sum_rows(&four, query, d, count - r, dtype, term, out + r);
    }
}

static void sqdist(const float *x, const float *means, int32_t ld, int32_t d, const int32_t *index,
                   int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t r = 0; r < count; r += 4) {
        row_four four = {0};
        for (int32_t c = 0; c < 4; c++) {
            const int64_t mean = index[r + c < count ? r + c : count - 1];
            four.row[c] = (const char *)(means + mean * ld);
        }
        sum_rows(&four, x, d, count - r, FG_F32, SQUARE, out + r);
    }
}

static void sqdist_scaled(const float *x, const float *means, const float *scale, int32_t ld,
                          int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t r = 0; r < count; r += 4) {
        row_four four = {0};
        for (int32_t c = 0; c < 4; c++) {
            const int64_t mean = index[r + c < count ? r + c : count - 1];
            four.row[c] = (const char *)(means + mean * ld);
            four.scale[c] = scale + mean * ld;
        }
        sum_rows(&four, x, d, count - r, FG_F32, SCALED, out + r);
    }
}

#define FGI_X(NAME, name)                                                                          \
    static void scan_l2_##name(const float *query, const void *rows, int64_t count, int32_t d,     \
                               float *FGI_RESTRICT out)                                            \
    {                                                                                              \
        scan_rows(query, rows, count, d, out, FG_##NAME, SQUARE);                                  \
    }                                                                                              \
    static void scan_ip_##name(const float *query, const void *rows, int64_t count, int32_t d,     \
                               float *FGI_RESTRICT out)                                            \
    {                                                                                              \
        scan_rows(query, rows, count, d, out, FG_##NAME, PRODUCT);                                 \
    }
FGI_SCAN_DTYPES(FGI_X)
#undef FGI_X

#endif
