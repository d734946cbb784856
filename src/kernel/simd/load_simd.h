/* SPDX-License-Identifier: Apache-2.0 */
/* load_simd.h - rows of any type to centred f32, over the vocabulary of vec.h.
 *     x[i] = row[i] * scale - center[i],  scale = 1 or 1 / |row|, in f64 with one rounding to f32 */
#ifndef FGI_LOAD_SIMD_H
#define FGI_LOAD_SIMD_H

typedef struct wide_pair {
    vec_f64 low, high;
} wide_pair;

FGI_INLINE wide_pair widen(vec_f32 a)
{
    return (wide_pair){wide_low(a), wide_high(a)};
}

FGI_INLINE wide_pair load_wide(const char *elements, int32_t n, fg_dtype dtype)
{
    if (dtype != FG_F64) return widen(vec_load(elements, n, dtype));
    const int32_t low = n < LANES / 2 ? n : LANES / 2;
    return (wide_pair){wide_load(elements, low), wide_load(elements + low * 8, n - low)};
}

FGI_INLINE vec_f64 add_squares(vec_f64 sum, wide_pair a)
{
    return wide_fma(a.low, a.low, wide_fma(a.high, a.high, sum));
}

/* What to multiply a row by to give it length 1; NaN where no number does. */
FGI_INLINE double unit_scale(const char *row, int32_t d, fg_dtype dtype)
{
    const int64_t bytes = element_bytes(dtype);
    const int32_t whole = d / LANES * LANES;
    vec_f64 sums = wide_splat(0);
    for (int32_t i = 0; i < whole; i += LANES)
        sums = add_squares(sums, load_wide(row + i * bytes, LANES, dtype));
    if (whole < d) sums = add_squares(sums, load_wide(row + whole * bytes, d - whole, dtype));
    const double sum = wide_sum(sums);
    return sum > 0 && sum < INFINITY ? 1 / sqrt(sum) : NAN;
}

typedef struct load_row {
    const char *elements;
    const float *center;
    float *x;
    vec_f64 scale;
    bool scaled;
} load_row;

/* Elements i .. i + n - 1; gives norm2 back with their squares added. */
FGI_INLINE vec_f32 load_lanes(const load_row *row, int32_t i, int32_t n, fg_dtype dtype,
                              vec_f32 norm2)
{
    const char *elements = row->elements + i * element_bytes(dtype);
    const vec_f32 center = vec_load(row->center + i, n, FG_F32);
    vec_f32 x;
    if (row->scaled || dtype == FG_F64) {
        const wide_pair value = load_wide(elements, n, dtype), mid = widen(center);
        x = wide_narrow(wide_fms(value.low, row->scale, mid.low),
                        wide_fms(value.high, row->scale, mid.high));
    } else { /* an f32 difference is rounded once too */
        x = vec_sub(vec_load(elements, n, dtype), center);
    }
    vec_store(row->x + i, n, x);
    return vec_fma(x, x, norm2);
}

FGI_INLINE void load_rows(const fgi_load_args *a, fg_dtype dtype)
{
    const int32_t whole = a->d / LANES * LANES;
    for (int32_t r = 0; r < a->count; r++) {
        load_row row = {
            .elements = (const char *)a->rows + r * a->stride * element_bytes(dtype),
            .center = a->center,
            .x = a->x + (int64_t)r * a->ldx,
            .scale = wide_splat(1),
            .scaled = a->normalize,
        };
        if (a->normalize) row.scale = wide_splat(unit_scale(row.elements, a->d, dtype));
        vec_f32 norm2 = vec_splat(0);
        for (int32_t i = 0; i < whole; i += LANES) norm2 = load_lanes(&row, i, LANES, dtype, norm2);
        if (whole < a->d) norm2 = load_lanes(&row, whole, a->d - whole, dtype, norm2);
        a->norm2[r] = vec_sum(norm2);
    }
}

#define FGI_X(NAME, name)                                                                          \
    static void load_##name(const fgi_load_args *a)                                                \
    {                                                                                              \
        load_rows(a, FG_##NAME);                                                                   \
    }
FGI_LOAD_DTYPES(FGI_X)
#undef FGI_X

#endif
