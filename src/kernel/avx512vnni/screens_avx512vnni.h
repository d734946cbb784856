/* SPDX-License-Identifier: Apache-2.0 */
/* screens_avx512vnni.h - the screens that multiply bytes and words of 16 bits, for a table. Knows their functions. */
#ifndef FGI_SCREENS_AVX512VNNI_H
#define FGI_SCREENS_AVX512VNNI_H
#include "kernels.h"

size_t fgi_bytes_panel_bytes(int32_t depth);
size_t fgi_bytes_group_bytes(int32_t depth);
void fgi_bytes_pack(const float *weight, int32_t depth, int32_t lane, void *panel);
void fgi_bytes_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared);
void fgi_bytes_scores(const fgi_scores_args *a);

size_t fgi_words_panel_bytes(int32_t depth);
size_t fgi_words_group_bytes(int32_t depth);
void fgi_words_pack(const float *weight, int32_t depth, int32_t lane, void *panel);
void fgi_words_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared);
void fgi_words_scores(const fgi_scores_args *a);

/* Their register tile is the one of f32. */
#define FGI_BYTES_SCREEN                                                                           \
    {                                                                                              \
        .name = "i8", .panel = PANEL, .row_group = ROW_GROUP, .most_rows = MOST_ROWS, .speed = 4,  \
        .raise = 0.01, .panel_bytes = fgi_bytes_panel_bytes, .group_bytes = fgi_bytes_group_bytes, \
        .pack = fgi_bytes_pack, .prepare = fgi_bytes_prepare, .scores = fgi_bytes_scores           \
    }
#define FGI_WORDS_SCREEN                                                                           \
    {                                                                                              \
        .name = "i16", .panel = PANEL, .row_group = ROW_GROUP, .most_rows = MOST_ROWS, .speed = 2, \
        .raise = 0x1p-11, .panel_bytes = fgi_words_panel_bytes,                                    \
        .group_bytes = fgi_words_group_bytes, .pack = fgi_words_pack,                              \
        .prepare = fgi_words_prepare, .scores = fgi_words_scores                                   \
    }

#endif
