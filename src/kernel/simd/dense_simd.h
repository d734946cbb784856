/* SPDX-License-Identifier: Apache-2.0 */
/* dense_simd.h - distances, shares and moments of all components, which are the lanes, over the vocabulary of vec.h.
 *     r = sum of s (x - m)^2     then r = 2^(value - most) / sum     then shift += r (x - m), square += r (x - m)^2
 *
 * Differences throughout: nothing cancels, wherever the means are. Sums of f32 are short: 8 dimensions in a distance,
 * FGI_DENSE_RUN rows in a moment. */
#ifndef FGI_DENSE_SIMD_H
#define FGI_DENSE_SIMD_H

/* Rows of a distance tile, each with two sums; and dimensions of a moment tile, each with a mean and two sums. */
enum { DENSE_ROWS = REGISTERS / 4, DENSE_DIMS = REGISTERS / 4, DENSE_TERMS = 8 };

/* Where lane 0 of the components from j on is for dimension 0. */
FGI_INLINE int64_t packed_at(const fgi_dense_args *a, int32_t j)
{
    return (int64_t)(j / FGI_DENSE_PANEL) * a->d * FGI_DENSE_PANEL + j % FGI_DENSE_PANEL;
}

/* ---------------------------------------------------------------------------------------- distances */

/* DENSE_ROWS rows of a tile. */
typedef struct dense_rows {
    const fgi_dense_args *all;
    const float *x[DENSE_ROWS];
    float *out[DENSE_ROWS];
} dense_rows;

/* Adds dimensions begin .. end - 1 for LANES components, whose packed means begin at `at`. */
FGI_INLINE void add_terms_of_all(const dense_rows *d, int64_t at, int32_t begin, int32_t end,
                                 bool scaled, vec_f32 sum[DENSE_ROWS])
{
    const fgi_dense_args *a = d->all;
    vec_f32 part[DENSE_ROWS];
    FGI_UNROLL
    for (int r = 0; r < DENSE_ROWS; r++) part[r] = vec_splat(0);
    for (int32_t i = begin; i < end; i++) {
        const int64_t lanes = at + (int64_t)i * FGI_DENSE_PANEL;
        const vec_f32 mean = vec_load(a->means + lanes, LANES, FG_F32);
        const vec_f32 scale = scaled ? vec_load(a->scale + lanes, LANES, FG_F32) : mean;
        FGI_UNROLL
        for (int r = 0; r < DENSE_ROWS; r++) {
            const vec_f32 difference = vec_sub(vec_splat(d->x[r][i]), mean);
            const vec_f32 factor = scaled ? vec_mul(scale, difference) : difference;
            part[r] = vec_fma(factor, difference, part[r]);
        }
    }
    FGI_UNROLL
    for (int r = 0; r < DENSE_ROWS; r++) sum[r] = vec_add(sum[r], part[r]);
}

/* DENSE_ROWS rows from `row` on, the last one again where there are fewer, by all components. */
FGI_INLINE void measure_rows(const fgi_dense_args *a, int32_t row, bool scaled)
{
    dense_rows rows = {.all = a};
    for (int32_t r = 0; r < DENSE_ROWS; r++) {
        const int64_t n = row + r < a->rows ? row + r : a->rows - 1;
        rows.x[r] = a->x + n * a->ldx;
        rows.out[r] = a->r + n * a->ld;
    }
    for (int32_t j = 0; j < a->panels * FGI_DENSE_PANEL; j += LANES) {
        vec_f32 sum[DENSE_ROWS];
        FGI_UNROLL
        for (int r = 0; r < DENSE_ROWS; r++) sum[r] = vec_splat(0);
        int32_t i = 0;
        for (; i + DENSE_TERMS <= a->d; i += DENSE_TERMS)
            add_terms_of_all(&rows, packed_at(a, j), i, i + DENSE_TERMS, scaled, sum);
        if (i < a->d) add_terms_of_all(&rows, packed_at(a, j), i, a->d, scaled, sum);
        FGI_UNROLL
        for (int r = 0; r < DENSE_ROWS; r++) vec_store(rows.out[r] + j, LANES, sum[r]);
    }
}

static void dense_distances(const fgi_dense_args *a)
{
    for (int32_t row = 0; row < a->rows; row += DENSE_ROWS) {
        if (a->scale)
            measure_rows(a, row, true);
        else
            measure_rows(a, row, false);
    }
}

/* ------------------------------------------------------------------------------------------- shares */

FGI_INLINE void add_wide(double *sums, vec_f64 low, vec_f64 high)
{
    const int32_t half = LANES / 2;
    wide_store(sums, half, wide_add(wide_load(sums, half), low));
    wide_store(sums + half, half, wide_add(wide_load(sums + half, half), high));
}

/* The largest of a row's values, which are written. */
FGI_INLINE double evaluate_all(const fgi_dense_shares_args *a, const float *distance)
{
    const int32_t half = LANES / 2;
    vec_f64 most = wide_splat(-INFINITY);
    for (int32_t j = 0; j < a->count; j += LANES) {
        const vec_f32 distances = vec_load(distance + j, LANES, FG_F32);
        const vec_f64 low = wide_sub(wide_load(a->offset + j, half),
                                     wide_mul(wide_load(a->scale + j, half), wide_low(distances)));
        const vec_f64 high =
            wide_sub(wide_load(a->offset + j + half, half),
                     wide_mul(wide_load(a->scale + j + half, half), wide_high(distances)));
        wide_store(a->value + j, half, low);
        wide_store(a->value + j + half, half, high);
        most = wide_max(wide_max(low, high), most);
    }
    return wide_largest(most);
}

/* Powers take the places of values, as f32, so that distances stay. */
FGI_INLINE float sum_powers(const fgi_dense_shares_args *a, double most)
{
    const vec_f64 top = wide_splat(most);
    vec_f32 sum = vec_splat(0);
    for (int32_t j = 0; j < a->count; j += LANES) {
        const vec_f32 powers = powers_of(load_values(a->value + j, LANES), top, FGI_DENSE_LEAST);
        vec_store((float *)(void *)(a->value + j), LANES, powers);
        sum = vec_add(sum, powers);
    }
    return vec_sum(sum);
}

static void dense_shares(const fgi_dense_shares_args *a)
{
    for (int32_t n = 0; n < a->rows; n++) {
        float *r = a->r + (int64_t)n * a->ld;
        a->most[n] = evaluate_all(a, r);
        a->sum[n] = sum_powers(a, a->most[n]);
        const vec_f32 inverse = vec_splat(1 / a->sum[n]);
        for (int32_t j = 0; j < a->count; j += LANES) {
            const vec_f32 distance = vec_load(r + j, LANES, FG_F32);
            const vec_f32 share = vec_mul(vec_load(a->value + j, LANES, FG_F32), inverse);
            const vec_f64 low = wide_low(share), high = wide_high(share);
            add_wide(a->mass + j, low, high);
            if (a->square)
                add_wide(a->square + j, wide_mul(low, wide_low(distance)),
                         wide_mul(high, wide_high(distance)));
            vec_store(r + j, LANES, share);
        }
    }
}

/* ------------------------------------------------------------------------------------------ moments */

typedef struct moment_place {
    int32_t j, i; /* the first component and dimension */
    double *shift, *square;
} moment_place;

/* Rows begin .. end - 1, `dims` dimensions, LANES components. */
FGI_INLINE void add_run(const fgi_dense_args *a, const moment_place *p, int32_t begin, int32_t end,
                        const int dims, bool squares)
{
    const int64_t at = packed_at(a, p->j) + (int64_t)p->i * FGI_DENSE_PANEL;
    vec_f32 mean[DENSE_DIMS], shift[DENSE_DIMS], square[DENSE_DIMS];
    FGI_UNROLL
    for (int i = 0; i < dims; i++) {
        mean[i] = vec_load(a->means + at + i * FGI_DENSE_PANEL, LANES, FG_F32);
        shift[i] = square[i] = vec_splat(0);
    }
    for (int32_t n = begin; n < end; n++) {
        const float *x = a->x + (int64_t)n * a->ldx + p->i;
        const vec_f32 r = vec_load(a->r + (int64_t)n * a->ld + p->j, LANES, FG_F32);
        FGI_UNROLL
        for (int i = 0; i < dims; i++) {
            const vec_f32 difference = vec_sub(vec_splat(x[i]), mean[i]);
            if (squares) {
                const vec_f32 weighted = vec_mul(r, difference);
                shift[i] = vec_add(shift[i], weighted);
                square[i] = vec_fma(weighted, difference, square[i]);
            } else {
                shift[i] = vec_fma(r, difference, shift[i]);
            }
        }
    }
    FGI_UNROLL
    for (int i = 0; i < dims; i++) {
        const int64_t to = at + i * FGI_DENSE_PANEL;
        add_wide(p->shift + to, wide_low(shift[i]), wide_high(shift[i]));
        if (squares) add_wide(p->square + to, wide_low(square[i]), wide_high(square[i]));
    }
}

FGI_INLINE void add_runs(const fgi_dense_args *a, const moment_place *p, const int dims,
                         bool squares)
{
    for (int32_t begin = 0; begin < a->rows; begin += FGI_DENSE_RUN) {
        const int32_t end = a->rows - begin < FGI_DENSE_RUN ? a->rows : begin + FGI_DENSE_RUN;
        add_run(a, p, begin, end, dims, squares);
    }
}

FGI_INLINE void add_all(const fgi_dense_args *a, double *shift, double *square, bool squares)
{
    moment_place p = {.shift = shift, .square = square};
    for (p.j = 0; p.j < a->panels * FGI_DENSE_PANEL; p.j += LANES) {
        for (p.i = 0; p.i + DENSE_DIMS <= a->d; p.i += DENSE_DIMS)
            add_runs(a, &p, DENSE_DIMS, squares);
        for (; p.i < a->d; p.i++) add_runs(a, &p, 1, squares);
    }
}

static void dense_moments(const fgi_dense_args *a, double *shift, double *square)
{
    if (square)
        add_all(a, shift, square, true);
    else
        add_all(a, shift, NULL, false);
}

#endif
