/* SPDX-License-Identifier: Apache-2.0 */
/* screens_avx512bf16.h - the screens that multiply bytes and pairs of bf16, for a table. Knows their functions. */
#ifndef FGI_SCREENS_AVX512BF16_H
#define FGI_SCREENS_AVX512BF16_H
#include "kernels.h"

size_t fgi_bytes_panel_bytes(int32_t depth);
size_t fgi_bytes_group_bytes(int32_t depth);
void fgi_bytes_pack(const float *weight, int32_t depth, int32_t lane, void *panel);
void fgi_bytes_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared);
void fgi_bytes_scores(const fgi_scores_args *a);

size_t fgi_pairs_panel_bytes(int32_t depth);
size_t fgi_pairs_group_bytes(int32_t depth);
void fgi_pairs_pack(const float *weight, int32_t depth, int32_t lane, void *panel);
void fgi_pairs_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared);
void fgi_pairs_scores(const fgi_scores_args *a);

/* Their register tile is the one of f32. */
#define FGI_BYTES_SCREEN                                                                           \
    {                                                                                              \
        .name = "i8", .panel = PANEL, .row_group = ROW_GROUP, .most_rows = MOST_ROWS, .speed = 4,  \
        .raise = 0.01, .panel_bytes = fgi_bytes_panel_bytes, .group_bytes = fgi_bytes_group_bytes, \
        .pack = fgi_bytes_pack, .prepare = fgi_bytes_prepare, .scores = fgi_bytes_scores           \
    }
#define FGI_PAIRS_SCREEN                                                                           \
    {                                                                                              \
        .name = "bf16", .panel = PANEL, .row_group = ROW_GROUP, .most_rows = MOST_ROWS,            \
        .speed = 2, .factor_loss = 0x1p-7 + 0x1p-16, .panel_bytes = fgi_pairs_panel_bytes,         \
        .group_bytes = fgi_pairs_group_bytes, .pack = fgi_pairs_pack,                              \
        .prepare = fgi_pairs_prepare, .scores = fgi_pairs_scores                                   \
    }

#endif
