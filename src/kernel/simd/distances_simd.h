/* SPDX-License-Identifier: Apache-2.0 */
/* distances_simd.h - squared distances of pairs of a row and a component, over the vocabulary of vec.h.
 *     out = sum of s (x - m)^2
 *
 * Four pairs go side by side, whosever they are: how many a row has is never asked, so that nothing is
 * there to be guessed wrong. A lone pair takes all four places: a sum's bits depend on its pair alone. */
#ifndef FGI_DISTANCES_SIMD_H
#define FGI_DISTANCES_SIMD_H

typedef struct four_pairs {
    const float *x[4], *mean[4], *scale[4];
} four_pairs;

/* Adds the terms of dimensions i .. i + n - 1. */
FGI_INLINE void add_differences(vec_f32 sum[4], const four_pairs *four, int32_t i, int32_t n,
                                bool scaled)
{
    FGI_UNROLL
    for (int c = 0; c < 4; c++) {
        const vec_f32 difference =
            vec_sub(vec_load(four->x[c] + i, n, FG_F32), vec_load(four->mean[c] + i, n, FG_F32));
        const vec_f32 factor =
            scaled ? vec_mul(vec_load(four->scale[c] + i, n, FG_F32), difference) : difference;
        sum[c] = vec_fma(factor, difference, sum[c]);
    }
}

FGI_INLINE void pair_distances(const fgi_distances_args *a, bool scaled)
{
    const int32_t whole = a->d / LANES * LANES, last = a->pairs.count - 1;
    for (int32_t begin = 0; begin <= last; begin += 4) {
        four_pairs four;
        for (int32_t c = 0; c < 4; c++) {
            const int32_t at = begin + c < last ? begin + c : last;
            const int64_t component = (int64_t)a->pairs.component[at] * a->ld;
            four.x[c] = a->x + (int64_t)a->pairs.row[at] * a->ldx;
            four.mean[c] = a->means + component;
            if (scaled) four.scale[c] = a->scale + component;
        }
        vec_f32 sum[4] = {vec_splat(0), vec_splat(0), vec_splat(0), vec_splat(0)};
        for (int32_t i = 0; i < whole; i += LANES) add_differences(sum, &four, i, LANES, scaled);
        if (whole < a->d) add_differences(sum, &four, whole, a->d - whole, scaled);
        vec_store4(a->out + begin, last + 1 - begin, vec_sum4(sum));
    }
}

static void distances(const fgi_distances_args *a)
{
    if (a->scale)
        pair_distances(a, true);
    else
        pair_distances(a, false);
}

#endif
