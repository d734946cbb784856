/* SPDX-License-Identifier: Apache-2.0 */
/* moments_simd.h - rows' shares of components' moments, over the vocabulary of vec.h.
 *     shift += r (x - mean)     square += r (x - mean)^2,  the difference in f32, all else in f64
 *
 * A block of dimensions stays in registers for a run of pairs of one component. Every sum takes the pairs in order. */
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

/* Pairs of one component. */
typedef struct pair_run {
    int32_t begin, end;
    const float *mean;
    double *shift, *square;
} pair_run;

/* Dimensions i .. i + n - 1 of a run. */
FGI_INLINE void add_block(const fgi_moments_args *a, const pair_run *run, int32_t i, int32_t n,
                          bool squares)
{
    moment_sums sums;
    vec_f32 mean[MOMENT_VECTORS];
    FGI_UNROLL
    for (int32_t h = 0; h < MOMENT_HALVES; h++) {
        sums.shift[h] = wide_load(run->shift + i + h * LANES / 2, half_count(n, h));
        if (squares) sums.square[h] = wide_load(run->square + i + h * LANES / 2, half_count(n, h));
    }
    FGI_UNROLL
    for (int32_t v = 0; v < MOMENT_VECTORS; v++)
        mean[v] = vec_load(run->mean + i + v * LANES,
                           half_count(n, 2 * v) + half_count(n, 2 * v + 1), FG_F32);
    for (int32_t c = run->begin; c < run->end; c++) {
        if (a->share[c] == 0.0f) continue;
        const float *x = a->x + (int64_t)a->pairs.row[c] * a->ldx + i;
        const vec_f64 r = wide_splat(a->share[c]);
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
        wide_store(run->shift + i + h * LANES / 2, half_count(n, h), sums.shift[h]);
        if (squares) wide_store(run->square + i + h * LANES / 2, half_count(n, h), sums.square[h]);
    }
}

/* Sums of more components than a cache holds lie where pairs happen to want them: those of a pair soon to come are
 * fetched meanwhile. */
enum { PAIRS_AHEAD = 4, LINE_ELEMENTS = 8 };

FGI_INLINE void fetch_sums(const fgi_moments_args *a, int32_t pair, bool squares)
{
    if (pair >= a->pairs.count) return;
    const int64_t first = (int64_t)a->pairs.component[pair] * a->d;
    for (int32_t i = 0; i < a->d; i += LINE_ELEMENTS) {
        __builtin_prefetch(a->shift + first + i, 1);
        if (squares) __builtin_prefetch(a->square + first + i, 1);
    }
}

FGI_INLINE void add_pairs(const fgi_moments_args *a, bool squares)
{
    const int32_t block = MOMENT_VECTORS * LANES, whole = a->d / block * block;
    const int32_t *component = a->pairs.component;
    for (int32_t begin = 0, end; begin < a->pairs.count; begin = end) {
        for (end = begin + 1; end < a->pairs.count && component[end] == component[begin];) end++;
        const int64_t j = component[begin];
        fetch_sums(a, end - 1 + PAIRS_AHEAD, squares);
        const pair_run run = {
            .begin = begin,
            .end = end,
            .mean = a->means + j * a->ld,
            .shift = a->shift + j * a->d,
            .square = squares ? a->square + j * a->d : NULL,
        };
        for (int32_t i = 0; i < whole; i += block) add_block(a, &run, i, block, squares);
        if (whole < a->d) add_block(a, &run, whole, a->d - whole, squares);
    }
}

static void add_moments(const fgi_moments_args *a)
{
    if (a->square)
        add_pairs(a, true);
    else
        add_pairs(a, false);
}

#endif
