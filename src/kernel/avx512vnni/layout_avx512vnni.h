/* SPDX-License-Identifier: Apache-2.0 */
/* layout_avx512vnni.h - where the numbers, words and parts of a screen of whole numbers lie: what does not depend on how they
 * are rounded. Knows product_simd.h.
 *
 * Before it stand FGI_NUMBERS, how many of them a word holds; FGI_SCREEN_PART, which makes the names of the screen's functions;
 * PANEL_PARTS, vectors at the beginning of a panel, and ROW_PARTS, values at the end of a row; what product_simd.h asks for,
 * and score_of. */
#ifndef FGI_LAYOUT_AVX512VNNI_H
#define FGI_LAYOUT_AVX512VNNI_H

#define FGI_WORD_HEAD PANEL_PARTS
#define FGI_WORD_END(t, r, lane, sum)                                                              \
    score_of(sum, linear_part(t, r, lane), (t)->row + ((int64_t)(r) + 1) * (t)->ldx - ROW_PARTS,   \
             (t)->head + (lane), PANEL)
#include "product_simd.h"

static int32_t words_of(int32_t depth)
{
    return (depth + FGI_NUMBERS - 1) / FGI_NUMBERS;
}

/* Words from row to row. */
static int32_t row_words(int32_t depth)
{
    return (words_of(depth) + ROW_PARTS + LANES - 1) / LANES * LANES;
}

size_t FGI_SCREEN_PART(panel_bytes)(int32_t depth)
{
    return PANEL * (size_t)(PANEL_PARTS + words_of(depth)) * sizeof(float);
}

size_t FGI_SCREEN_PART(group_bytes)(int32_t depth)
{
    return ROW_GROUP * (size_t)row_words(depth) * sizeof(float);
}

void FGI_SCREEN_PART(scores)(const fgi_scores_args *a)
{
    score_words(a, row_words(a->depth), words_of(a->depth));
}

#endif
