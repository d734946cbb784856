/* SPDX-License-Identifier: Apache-2.0 */
/* pairs_avx512bf16.c - screening scores as products of pairs of bf16, summed in f32. Knows AVX-512 BF16.
 *
 * A word is two values, the first in the lower half, each rounded to bf16: so a product errs by (2^-7 + 2^-16) |x w|. It
 * is exact in f32, and each is added with one rounding, so that sums err like any in f32. Denormals count as 0.
 *
 * Rows are words, too, each on lines of its own. */
#include "screens_avx512bf16.h"

#include "half.h"
#include "vec_avx512.h"

/* sum + x.first * w.first + x.second * w.second, lane by lane */
FGI_INLINE vec_f32 pair_fma(vec_f32 x, vec_f32 w, vec_f32 sum)
{
    __m512bh left, right;
    memcpy(&left, &x, sizeof left);
    memcpy(&right, &w, sizeof right);
    return _mm512_dpbf16_ps(sum, left, right);
}

#define FGI_WORD_FMA pair_fma
#include "product_simd.h"

static int32_t words_of(int32_t depth)
{
    return (depth + 1) / 2;
}

/* Words from row to row. */
static int32_t row_words(int32_t depth)
{
    return (words_of(depth) + LANES - 1) / LANES * LANES;
}

size_t fgi_pairs_panel_bytes(int32_t depth)
{
    return PANEL * (size_t)words_of(depth) * sizeof(float);
}

size_t fgi_pairs_group_bytes(int32_t depth)
{
    return ROW_GROUP * (size_t)row_words(depth) * sizeof(float);
}

void fgi_pairs_pack(const float *weight, int32_t depth, int32_t lane, void *panel)
{
    uint16_t *halves = panel;
    for (int32_t p = 0; p < depth; p++)
        halves[((int64_t)(p / 2) * PANEL + lane) * 2 + p % 2] = fgi_bf16_of_f32(weight[p]);
}

/* Up to 2 LANES values into as many halves; those that are lacking are 0. */
FGI_INLINE void narrow(const float *x, int32_t count, float *words)
{
    const vec_f32 first = vec_load(x, count < LANES ? count : LANES, FG_F32);
    const vec_f32 second =
        count > LANES ? vec_load(x + LANES, count - LANES, FG_F32) : vec_splat(0.0f);
    const __m512bh halves = _mm512_cvtne2ps_pbh(second, first);
    memcpy(words, &halves, sizeof halves);
}

void fgi_pairs_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared)
{
    enum { STEP = 2 * LANES };
    const int32_t whole = depth / STEP * STEP, ld = row_words(depth);
    for (int32_t r = 0; r < rows; r++) {
        const float *from = x + (int64_t)r * ldx;
        float *to = (float *)prepared + (int64_t)r * ld;
        for (int32_t p = 0; p < whole; p += STEP) narrow(from + p, STEP, to + p / 2);
        if (whole < depth) narrow(from + whole, depth - whole, to + whole / 2);
    }
}

void fgi_pairs_scores(const fgi_scores_args *a)
{
    score_words(a, row_words(a->depth), words_of(a->depth));
}
