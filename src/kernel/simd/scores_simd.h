/* SPDX-License-Identifier: Apache-2.0 */
/* scores_simd.h - the screen whose words are f32 (product_simd.h), over the vocabulary of vec.h. */
#ifndef FGI_SCORES_SIMD_H
#define FGI_SCORES_SIMD_H
#include "product_simd.h"

static void score_rows(const fgi_scores_args *a)
{
    score_words(a, a->ldx, a->depth);
}

static size_t panel_bytes(int32_t depth)
{
    return PANEL * (size_t)depth * sizeof(float);
}

static void pack(const float *weight, int32_t depth, int32_t lane, void *panel)
{
    for (int32_t p = 0; p < depth; p++) ((float *)panel)[(int64_t)p * PANEL + lane] = weight[p];
}

#define F32_SCREEN                                                                                 \
    {                                                                                              \
        .name = "f32", .panel = PANEL, .row_group = ROW_GROUP, .most_rows = MOST_ROWS, .speed = 1, \
        .panel_bytes = panel_bytes, .pack = pack, .scores = score_rows                             \
    }

#endif
