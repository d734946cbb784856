/* SPDX-License-Identifier: Apache-2.0 */
/* screens_amx.c - screening scores as products of bf16 tiles, summed in f32. Knows AMX and AVX-512 BF16.
 *
 * A value a is split as a = high + low + rest: high = bf16(a), low = bf16(a - high), |low| <= 2^-8 |a| and
 * |rest| <= 2^-16 |a|.
 *     bf16    x w is about  x.high w.high                                        off by (2^-7 + 2^-16) |x w|
 *     bf16x3  x w is about  x.high w.high + x.high w.low + x.low w.high          off by 3.1 * 2^-16 |x w|
 * A product of two bf16 is exact in f32. What an instruction adds up (32 products, in two chains of 16) it
 * rounds after each addition, so that a sum of them errs like any sum in f32. Denormals count as 0.
 *
 * A step of depth is 32 values: one row of a tile, 64 bytes. A group of rows and a panel of components are two
 * tiles each, hence four sums at a time:
 *     group of rows   for each step: high of rows 0..15, of rows 16..31, then low in the same order; at the end
 *                     a byte for each step: whether any low is not 0. Whole numbers up to 256 have none.
 *     panel           for each step: high of lanes 0..15, of lanes 16..31, then low; a tile's row r holds the
 *                     weights at depths 2r and 2r + 1 of lane after lane */
#include "screens_amx.h"

#include "half.h"

#include <immintrin.h> /* _tile_..., _mm512_... */
#include <string.h>    /* memcpy */

#define FGI_INLINE static inline __attribute__((always_inline))

enum { STEP = 32, SIDE = 16, GROUP = 2 * SIDE, TILE = SIDE * STEP, LANES = 16 };

typedef enum form { BF16 = 1, BF16X3 = 2 } form; /* parts of a value that are kept */

FGI_INLINE int64_t steps_of(int32_t depth)
{
    return (depth + STEP - 1) / STEP;
}

/* Where a tile stands among those of a group or panel. */
FGI_INLINE int64_t tile_at(int64_t step, int32_t part, int32_t half, form f)
{
    return ((step * f + part) * 2 + half) * TILE;
}

/* ------------------------------------------------------------------------------------------ layouts */

FGI_INLINE size_t panel_bytes(int32_t depth, form f)
{
    return (size_t)tile_at(steps_of(depth), 0, 0, f) * sizeof(uint16_t);
}

FGI_INLINE size_t group_bytes(int32_t depth, form f)
{
    return panel_bytes(depth, f) + (size_t)(steps_of(depth) + 63) / 64 * 64;
}

FGI_INLINE void pack(const float *weight, int32_t depth, int32_t lane, uint16_t *panel, form f)
{
    for (int32_t p = 0; p < depth; p++) {
        const int32_t in_tile = p % STEP / 2 * 2 * SIDE + lane % SIDE * 2 + p % 2;
        float rest = weight[p];
        for (int32_t part = 0; part < (int32_t)f; part++) {
            const uint16_t half = fgi_bf16_of_f32(rest);
            panel[tile_at(p / STEP, part, lane / SIDE, f) + in_tile] = half;
            rest -= fgi_f32_of_bf16(half);
        }
    }
}

FGI_INLINE __m512 widen(__m256i halves)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

FGI_INLINE __m512i narrow(__m512 first, __m512 second)
{
    const __m512bh halves = _mm512_cvtne2ps_pbh(second, first);
    __m512i bits;
    memcpy(&bits, &halves, sizeof bits);
    return bits;
}

/* Up to STEP values into a row of a tile, and what that leaves of them into a row of the low tile. */
FGI_INLINE void split_step(const float *x, int32_t count, uint16_t *high, uint16_t *low,
                           char *has_low)
{
    const uint32_t lanes = count < STEP ? (1u << count) - 1 : UINT32_MAX;
    const __m512 first = _mm512_maskz_loadu_ps((__mmask16)lanes, x);
    const __m512 second = _mm512_maskz_loadu_ps((__mmask16)(lanes >> LANES), x + LANES);
    const __m512i halves = narrow(first, second);
    _mm512_store_si512(high, halves);
    if (!low) return;
    const __m512 first_rest = _mm512_sub_ps(first, widen(_mm512_castsi512_si256(halves)));
    const __m512 second_rest = _mm512_sub_ps(second, widen(_mm512_extracti64x4_epi64(halves, 1)));
    const __m512i rest = narrow(first_rest, second_rest);
    _mm512_store_si512(low, rest);
    *has_low = (char)(*has_low | (_mm512_test_epi32_mask(rest, rest) != 0));
}

FGI_INLINE void prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, char *prepared,
                        form f)
{
    const int64_t steps = steps_of(depth);
    for (int32_t begin = 0; begin < rows; begin += GROUP, prepared += group_bytes(depth, f)) {
        uint16_t *tiles = (uint16_t *)(void *)prepared;
        char *has_low = prepared + panel_bytes(depth, f);
        for (int64_t step = 0; step < steps; step++) has_low[step] = 0;
        for (int32_t r = 0; r < GROUP; r++) {
            const float *row = x + (int64_t)(begin + r) * ldx;
            for (int64_t step = 0; step < steps; step++) {
                const int32_t left = begin + r < rows ? depth - (int32_t)step * STEP : 0;
                uint16_t *to = tiles + r % SIDE * STEP;
                split_step(row + step * STEP, left, to + tile_at(step, 0, r / SIDE, f),
                           f == BF16 ? NULL : to + tile_at(step, 1, r / SIDE, f), has_low + step);
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------ product */

enum { SUMS = 4 * SIDE * SIDE, TILE_ROW_BYTES = 64 };

#define LOAD(first, second, tiles)                                                                 \
    do {                                                                                           \
        _tile_loadd(first, tiles, TILE_ROW_BYTES);                                                 \
        _tile_loadd(second, (tiles) + TILE, TILE_ROW_BYTES);                                       \
    } while (0)

/* tiles 0 .. 3 += tiles 4, 5 (rows) times tiles 6, 7 (components) */
#define MULTIPLY_ALL()                                                                             \
    do {                                                                                           \
        _tile_dpbf16ps(0, 4, 6);                                                                   \
        _tile_dpbf16ps(1, 4, 7);                                                                   \
        _tile_dpbf16ps(2, 5, 6);                                                                   \
        _tile_dpbf16ps(3, 5, 7);                                                                   \
    } while (0)

/* A group of rows by a panel: sums[row / 16][lane / 16][row % 16][lane % 16]. */
FGI_INLINE void multiply(const uint16_t *group, const uint16_t *panel, const char *has_low,
                         int64_t steps, float *sums, form f)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t step = 0; step < steps; step++) {
        const int64_t high = tile_at(step, 0, 0, f), low = tile_at(step, 1, 0, f);
        LOAD(6, 7, panel + high);
        if (f == BF16X3 && has_low[step]) {
            LOAD(4, 5, group + low);
            MULTIPLY_ALL();
        }
        LOAD(4, 5, group + high);
        MULTIPLY_ALL();
        if (f == BF16X3) {
            LOAD(6, 7, panel + low);
            MULTIPLY_ALL();
        }
    }
    _tile_stored(0, sums, TILE_ROW_BYTES);
    _tile_stored(1, sums + 1 * SIDE * SIDE, TILE_ROW_BYTES);
    _tile_stored(2, sums + 2 * SIDE * SIDE, TILE_ROW_BYTES);
    _tile_stored(3, sums + 3 * SIDE * SIDE, TILE_ROW_BYTES);
}

typedef struct line {
    _Alignas(64) float lane[LANES];
} line;

/* Adds bias and slope to the sums of rows r .. of a panel, and raises the rows' largest by lanes. */
FGI_INLINE void finish(const fgi_scores_args *a, int32_t panel, int32_t begin, const float *sums,
                       line *largest)
{
    const int32_t rows = a->rows - begin < GROUP ? a->rows - begin : GROUP, j = panel * GROUP;
    const __m512 bias[] = {_mm512_loadu_ps(a->bias + j), _mm512_loadu_ps(a->bias + j + LANES)};
    const __m512 slope[] = {_mm512_loadu_ps(a->slope + j), _mm512_loadu_ps(a->slope + j + LANES)};
    for (int32_t r = 0; r < rows; r++) {
        const float *sum = sums + r / SIDE * 2 * SIDE * SIDE + r % SIDE * LANES;
        float *scores = a->scores + (int64_t)(begin + r) * a->ld_scores + j;
        const __m512 norm2 = _mm512_set1_ps(a->norm2[begin + r]);
        __m512 most = _mm512_load_ps(largest[begin + r].lane);
        for (int c = 0; c < 2; c++) {
            const __m512 score = _mm512_add_ps(_mm512_load_ps(sum + c * SIDE * SIDE),
                                               _mm512_fmadd_ps(slope[c], norm2, bias[c]));
            _mm512_store_ps(scores + c * LANES, score);
            most = _mm512_max_ps(score, most); /* most, where the score is NaN */
        }
        _mm512_store_ps(largest[begin + r].lane, most);
    }
}

/* What an instruction reads to know the shape of the eight tiles: all are 16 rows of 64 bytes. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

FGI_INLINE void score_rows(const fgi_scores_args *a, form f)
{
    static const tile_shapes shapes = {
        .palette = 1,
        .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
        .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE},
    };
    _Alignas(64) float sums[SUMS];
    line largest[FGI_MOST_TILE_ROWS];
    for (int32_t r = 0; r < a->rows; r++)
        _mm512_store_ps(largest[r].lane, _mm512_set1_ps(a->row_max[r]));
    _tile_loadconfig(&shapes);
    for (int32_t panel = 0; panel < a->panels; panel++) {
        const char *weights = (const char *)a->packed + panel * panel_bytes(a->depth, f);
        for (int32_t r = 0; r < a->rows; r += GROUP) {
            const char *x = (const char *)a->x + r / GROUP * group_bytes(a->depth, f);
            multiply((const void *)x, (const void *)weights, x + panel_bytes(a->depth, f),
                     steps_of(a->depth), sums, f);
            finish(a, panel, r, sums, largest);
        }
    }
    _tile_release();
    for (int32_t r = 0; r < a->rows; r++)
        a->row_max[r] = _mm512_reduce_max_ps(_mm512_load_ps(largest[r].lane));
}

/* ------------------------------------------------------------------------------------------- screens */

#define SCREEN(name, f)                                                                            \
    static size_t panel_bytes_##name(int32_t depth)                                                \
    {                                                                                              \
        return panel_bytes(depth, f);                                                              \
    }                                                                                              \
    static size_t group_bytes_##name(int32_t depth)                                                \
    {                                                                                              \
        return group_bytes(depth, f);                                                              \
    }                                                                                              \
    static void pack_##name(const float *weight, int32_t depth, int32_t lane, void *panel)         \
    {                                                                                              \
        pack(weight, depth, lane, panel, f);                                                       \
    }                                                                                              \
    static void prepare_##name(const float *x, int32_t ldx, int32_t rows, int32_t depth,           \
                               void *prepared)                                                     \
    {                                                                                              \
        prepare(x, ldx, rows, depth, prepared, f);                                                 \
    }                                                                                              \
    static void scores_##name(const fgi_scores_args *a)                                            \
    {                                                                                              \
        score_rows(a, f);                                                                          \
    }
SCREEN(bf16, BF16)
SCREEN(bf16x3, BF16X3)
#undef SCREEN

#define SCREEN_ENTRY(screen, times, loss)                                                          \
    {                                                                                              \
        .name = #screen, .panel = GROUP, .row_group = GROUP, .most_rows = 6 * GROUP,               \
        .speed = times, .factor_loss = loss, .panel_bytes = panel_bytes_##screen,                  \
        .group_bytes = group_bytes_##screen, .pack = pack_##screen, .prepare = prepare_##screen,   \
        .scores = scores_##screen                                                                  \
    }

const fgi_screen fgi_screens_amx[FGI_AMX_SCREENS] = {
    SCREEN_ENTRY(bf16, 10, 0x1p-7 + 0x1p-16),
    SCREEN_ENTRY(bf16x3, 3, 3.1 * 0x1p-16),
};
