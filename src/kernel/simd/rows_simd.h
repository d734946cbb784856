/* SPDX-License-Identifier: Apache-2.0 */
/* rows_simd.h - sums over the elements of a query and of rows in memory, over the vocabulary of vec.h.
 *     SQUARE: (q - v)^2     SCALED: s (q - v)^2     PRODUCT: q v
 *
 * Four rows go side by side, one vector of sums each: enough independent additions to keep the units
 * busy. A lone row takes all four places, so that a sum's bits depend on its query and row alone.
 *
 * Rows of bytes are scanned in integers where the query could be such a row, too: twice as many lanes, and no
 * conversion to f32.
 *
 * What lies one page ahead is fetched meanwhile, where it is to be scanned too: the processor's own prefetching
 * stops at the end of a page, and lists are seldom in its caches. Of rows picked by number it foresees none. */
#ifndef FGI_ROWS_SIMD_H
#define FGI_ROWS_SIMD_H

typedef enum row_term { SQUARE, SCALED, PRODUCT } row_term;

/* What is summed over which rows: a constant in each kernel. */
typedef struct row_sum {
    row_term term;
    fg_dtype dtype;
} row_sum;

typedef struct row_four {
    const float *query;
    const int16_t *whole; /* the query, or NULL: see whole_query */
    const char *row[4];
    const float *scale[4]; /* SCALED only */
    int32_t d;
} row_four;

/* Adds the terms of elements i .. i + n - 1. */
FGI_INLINE void add_terms(vec_f32 sum[4], const row_four *four, int32_t i, int32_t n, row_sum kind)
{
    const vec_f32 q = vec_load(four->query + i, n, FG_F32);
    FGI_UNROLL
    for (int c = 0; c < 4; c++) {
        const char *elements = four->row[c] + i * element_bytes(kind.dtype);
        const vec_f32 v = vec_load(elements, n, kind.dtype);
        const vec_f32 difference = vec_sub(q, v);
        switch (kind.term) {
        case SQUARE: sum[c] = vec_fma(difference, difference, sum[c]); break;
        case PRODUCT: sum[c] = vec_fma(q, v, sum[c]); break;
        case SCALED: {
            const vec_f32 scale = vec_load(four->scale[c] + i, n, FG_F32);
            sum[c] = vec_fma(vec_mul(scale, difference), difference, sum[c]);
        }
        }
    }
}

/* The same for a query of whole numbers. */
FGI_INLINE void add_products(vec_i32 sum[4], const row_four *four, int32_t i, int32_t n,
                             row_sum kind)
{
    const vec_i16 q = whole_read(four->whole + i);
    FGI_UNROLL
    for (int c = 0; c < 4; c++) {
        const vec_i16 v = whole_load(four->row[c] + i, n, kind.dtype);
        const vec_i16 a = kind.term == SQUARE ? whole_sub(q, v) : q;
        sum[c] = whole_add_products(a, kind.term == SQUARE ? a : v, sum[c]);
    }
}

enum { AHEAD_BYTES = 4096, LINE_BYTES = 64 };

/* Brings in so many bytes, from so far behind `here` on. A hint: there may be no memory. */
FGI_INLINE void fetch(const char *here, int64_t ahead, int64_t bytes)
{
    for (int64_t b = 0; b < bytes; b += LINE_BYTES)
        __builtin_prefetch((const char *)((uintptr_t)here + (uintptr_t)(ahead + b)));
}

FGI_INLINE void sum_whole_rows(const row_four *four, int64_t count, float *out, row_sum kind)
{
    enum { STEP = 2 * LANES };
    const int32_t whole = four->d / STEP * STEP;
    vec_i32 sum[4] = {whole_zero(), whole_zero(), whole_zero(), whole_zero()};
    for (int32_t i = 0; i < whole; i += STEP) add_products(sum, four, i, STEP, kind);
    if (whole < four->d) add_products(sum, four, whole, four->d - whole, kind);
    vec_store4(out, count < 4 ? (int32_t)count : 4, whole_sum4(sum));
}

/* The first `count` of the four sums. */
FGI_INLINE void sum_rows(const row_four *four, int64_t count, float *out, row_sum kind)
{
    const int32_t whole = four->d / LANES * LANES;
    vec_f32 sum[4] = {vec_splat(0), vec_splat(0), vec_splat(0), vec_splat(0)};
    for (int32_t i = 0; i < whole; i += LANES) add_terms(sum, four, i, LANES, kind);
    if (whole < four->d) add_terms(sum, four, whole, four->d - whole, kind);
    vec_store4(out, count < 4 ? (int32_t)count : 4, vec_sum4(sum));
}

/* Rows to scan: those with the numbers index[0 .. count - 1], or all if index is NULL. */
typedef struct row_scan {
    const char *rows;
    const int32_t *index;
    int64_t count;
} row_scan;

enum { MOST_WHOLE = 256 };

FGI_INLINE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A query that rows of bytes could be, too, as whole numbers with zeros behind it; NULL: it is none, or so long that
 * f32 would round its sums, which come to MOST_WHOLE 255^2 < 2^24 here. So results are the same. */
FGI_INLINE const int16_t *whole_query(const float *query, int32_t d, fg_dtype dtype,
                                      int16_t whole[MOST_WHOLE])
{
    const float shift = 0x1.8p23f; /* whole numbers added to it stand in the last bits */
    const uint32_t least = dtype == FG_U8 ? 0 : (uint32_t)-128;
    uint32_t others = 0;
    if (d > MOST_WHOLE) return NULL;
    for (int32_t i = 0; i < d; i++) {
        const float shifted = query[i] + shift;
        const uint32_t number = bits_of(shifted) - bits_of(shift);
        others |= (bits_of(shifted - shift) ^ bits_of(query[i])) | (number - least) >> 8;
        whole[i] = (int16_t)number;
    }
    for (int32_t i = d; i % (2 * LANES) != 0; i++) whole[i] = 0;
    return others ? NULL : whole;
}

/* As many rows as a page holds, but at least the next four. */
FGI_INLINE int64_t rows_ahead(int64_t row_bytes)
{
    return row_bytes < AHEAD_BYTES / 4 ? AHEAD_BYTES / row_bytes : 4;
}

/* Brings in four rows to scan later than the r-th and its three neighbours. */
FGI_INLINE void fetch_four(const row_scan *scan, int64_t r, int64_t row_bytes, int64_t ahead)
{
    if (!scan->index) {
        if ((scan->count - r) * row_bytes > AHEAD_BYTES)
            fetch(scan->rows + r * row_bytes, AHEAD_BYTES, 4 * row_bytes);
        return;
    }
    for (int64_t at = r + ahead; at < r + ahead + 4 && at < scan->count; at++)
        fetch(scan->rows + scan->index[at] * row_bytes, 0, row_bytes);
}

FGI_INLINE void scan_rows(const float *query, const row_scan *scan, int32_t d, float *out,
                          row_sum kind)
{
    const int64_t row_bytes = d * element_bytes(kind.dtype), ahead = rows_ahead(row_bytes);
    const bool bytes = kind.dtype == FG_I8 || kind.dtype == FG_U8;
    int16_t numbers[MOST_WHOLE];
    const int16_t *whole = bytes ? whole_query(query, d, kind.dtype, numbers) : NULL;
    for (int64_t r = 0; r < scan->count; r += 4) {
        row_four four = {.query = query, .whole = whole, .d = d};
        for (int64_t c = 0; c < 4; c++) {
            const int64_t at = r + c < scan->count ? r + c : scan->count - 1;
            four.row[c] = scan->rows + (scan->index ? scan->index[at] : at) * row_bytes;
        }
        fetch_four(scan, r, row_bytes, ahead);
        if (bytes && whole)
            sum_whole_rows(&four, scan->count - r, out + r, kind);
        else
            sum_rows(&four, scan->count - r, out + r, kind);
    }
}

static void sqdist_scaled(const float *x, const float *means, const float *scale, int32_t ld,
                          int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t r = 0; r < count; r += 4) {
        row_four four = {.query = x, .d = d};
        for (int32_t c = 0; c < 4; c++) {
            const int64_t mean = index[r + c < count ? r + c : count - 1];
            four.row[c] = (const char *)(means + mean * ld);
            four.scale[c] = scale + mean * ld;
        }
        sum_rows(&four, count - r, out + r, (row_sum){SCALED, FG_F32});
    }
}

#define FGI_X(NAME, name)                                                                          \
    static void scan_l2_##name(const float *query, const void *rows, const int32_t *index,         \
                               int64_t count, int32_t d, float *FGI_RESTRICT out)                  \
    {                                                                                              \
        scan_rows(query, &(row_scan){rows, index, count}, d, out, (row_sum){SQUARE, FG_##NAME});   \
    }                                                                                              \
    static void scan_ip_##name(const float *query, const void *rows, const int32_t *index,         \
                               int64_t count, int32_t d, float *FGI_RESTRICT out)                  \
    {                                                                                              \
        scan_rows(query, &(row_scan){rows, index, count}, d, out, (row_sum){PRODUCT, FG_##NAME});  \
    }
FGI_SCAN_DTYPES(FGI_X)
#undef FGI_X

#endif
