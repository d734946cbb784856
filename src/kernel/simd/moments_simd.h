/* SPDX-License-Identifier: Apache-2.0 */
/* moments_simd.h - rows' shares of a component's moments, over the vocabulary of vec.h.
 *     shift += r (x - mean)     square += r (x - mean)^2,  the difference in f32, all else in f64
 *
 * A block of dimensions stays in registers for all rows. Every sum takes the rows in order. */
#ifndef FGI_MOMENTS_SIMD_H
#define FGI_MOMENTS_SIMD_H

/* sums of two vectors of dimensions: as many as hide the latency of an addition */
enum { MOMENT_VECTORS = 2, MOMENT_HALVES = 2 * MOMENT_VECTORS };

typedef struct moment_sums {
    vec_f64 shift[MOMENT_HALVES], square[MOMENT_HALVES];
} moment_sums;

/* How many of n dimensions fall into half a vector. */
FGI_INLINE int32_t half_count(int32_t n, int32_t half)
{
    const int32_t left = n - half * (LANES / 2);
    return left < 0 ? 0 : left < LANES / 2 ? left : LANES / 2;
}

FGI_INLINE void add_half(moment_sums *sums, int half, vec_f64 difference, vec_f64 r, bool squares)
{
    sums->shift[half] = wide_fma(r, difference, sums->shift[half]);
    if (squares)
        sums->square[half] = wide_fma(wide_mul(r, difference), difference, sums->square[half]);
}

/* Dimensions i .. i + n - 1 of all rows. */
FGI_INLINE void add_block(const fgi_moments_args *a, int32_t i, int32_t n, bool squares)
{
    moment_sums sums;
    vec_f32 mean[MOMENT_VECTORS];
    FGI_UNROLL
    for (int32_t h = 0; h < MOMENT_HALVES; h++) {
        sums.shift[h] = wide_load(a->shift + i + h * LANES / 2, half_count(n, h));
        if (squares) sums.square[h] = wide_load(a->square + i + h * LANES / 2, half_count(n, h));
    }
    FGI_UNROLL
    for (int32_t v = 0; v < MOMENT_VECTORS; v++)
        mean[v] = vec_load(a->mean + i + v * LANES, half_count(n, 2 * v) + half_count(n, 2 * v + 1),
                           FG_F32);
    for (int32_t c = 0; c < a->count; c++) {
        const float *x = a->x + (int64_t)a->row[c] * a->ldx + i;
        const vec_f64 r = wide_splat(a->weight[c]);
        FGI_UNROLL
        for (int32_t v = 0; v < MOMENT_VECTORS; v++) {
            const int32_t lanes = half_count(n, 2 * v) + half_count(n, 2 * v + 1);
            const vec_f32 difference = vec_sub(vec_load(x + v * LANES, lanes, FG_F32), mean[v]);
            add_half(&sums, 2 * v, wide_low(difference), r, squares);
            add_half(&sums, 2 * v + 1, wide_high(difference), r, squares);
        }
    }
    FGI_UNROLL
    for (int32_t h = 0; h < MOMENT_HALVES; h++) {
        wide_store(a->shift + i + h * LANES / 2, half_count(n, h), sums.shift[h]);
        if (squares) wide_store(a->square + i + h * LANES / 2, half_count(n, h), sums.square[h]);
    }
}

FGI_INLINE void add_blocks(const fgi_moments_args *a, bool squares)
{
    const int32_t block = MOMENT_VECTORS * LANES, whole = a->d / block * block;
    for (int32_t i = 0; i < whole; i += block) add_block(a, i, block, squares);
    if (whole < a->d) add_block(a, whole, a->d - whole, squares);
}

static void add_moments(const fgi_moments_args *a)
{
    if (a->square)
        add_blocks(a, true);
    else
        add_blocks(a, false);
}

#endif
