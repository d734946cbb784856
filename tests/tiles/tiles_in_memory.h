/* SPDX-License-Identifier: Apache-2.0 */
/* tiles_in_memory.h - the tile instructions of AMX that kernels use, done in memory: for tests of these kernels where the CPU has
 * AVX512-BF16 but no tiles. Included before a source file by the build (cmake/floors.cmake: FLASHGMM_TILES_IN_MEMORY). After
 * Intel's description of the instructions: products of bf16 in two chains of f32, by even and by odd places, denormals as 0. */
#ifndef TILES_IN_MEMORY_H
#define TILES_IN_MEMORY_H
#include <immintrin.h> /* what it stands in for */
#include <math.h>      /* fmaf */
#include <stdint.h>    /* uint32_t */
#include <stdlib.h>    /* abort */
#include <string.h>    /* memcpy */

enum { TILES = 8, TILE_ROWS = 16, TILE_WORDS = 16 /* of 4 bytes, in a row */ };

static _Thread_local uint32_t tiles_in_memory[TILES][TILE_ROWS][TILE_WORDS];
static _Thread_local int tiles_are_configured;

/* As the instruction reads it: palette, first row, 14 bytes; 16 times bytes of a row; 16 times rows. Whole tiles alone are served. */
static inline void tile_configure_in_memory(const void *shapes)
{
    const uint8_t *bytes = (const uint8_t *)shapes;
    int whole = bytes[0] == 1 && bytes[1] == 0;
    for (int t = 0; t < TILES; t++)
        whole = whole && bytes[16 + 2 * t] == 4 * TILE_WORDS && bytes[17 + 2 * t] == 0 &&
                bytes[48 + t] == TILE_ROWS;
    if (!whole) abort();
    memset(tiles_in_memory, 0, sizeof tiles_in_memory);
    tiles_are_configured = 1;
}

static inline void tile_release_in_memory(void)
{
    tiles_are_configured = 0;
}

static inline void tile_zero_in_memory(int tile)
{
    if (!tiles_are_configured) abort();
    memset(tiles_in_memory[tile], 0, sizeof tiles_in_memory[tile]);
}

static inline void tile_load_in_memory(int tile, const void *from, size_t stride)
{
    for (int r = 0; r < TILE_ROWS; r++)
        memcpy(tiles_in_memory[tile][r], (const char *)from + (size_t)r * stride,
               sizeof tiles_in_memory[tile][r]);
}

static inline void tile_store_in_memory(int tile, void *to, size_t stride)
{
    for (int r = 0; r < TILE_ROWS; r++)
        memcpy((char *)to + (size_t)r * stride, tiles_in_memory[tile][r],
               sizeof tiles_in_memory[tile][r]);
}

static inline float f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of the two values of a word, the even or the odd one. */
static inline float bf16_of_word(uint32_t word, int odd)
{
    const uint32_t bits = odd ? word & 0xffff0000u : word << 16;
    return f32_of_bits((bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits);
}

/* to[m][n] += sum over k of a[m][2 k] b[k][2 n] and a[m][2 k + 1] b[k][2 n + 1] */
static inline void tile_multiply_in_memory(int to, int a, int b)
{
    for (int m = 0; m < TILE_ROWS; m++)
        for (int n = 0; n < TILE_WORDS; n++) {
            float chain[2] = {0.0f, 0.0f};
            for (int k = 0; k < TILE_ROWS; k++)
                for (int odd = 0; odd < 2; odd++)
                    chain[odd] = fmaf(bf16_of_word(tiles_in_memory[a][m][k], odd),
                                      bf16_of_word(tiles_in_memory[b][k][n], odd), chain[odd]);
            const float sum = f32_of_bits(tiles_in_memory[to][m][n]) + (chain[0] + chain[1]);
            memcpy(&tiles_in_memory[to][m][n], &sum, sizeof sum);
        }
}

#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_loadconfig
#undef _tile_release
#define _tile_zero(tile)                tile_zero_in_memory(tile)
#define _tile_loadd(tile, from, stride) tile_load_in_memory(tile, from, stride)
#define _tile_stored(tile, to, stride)  tile_store_in_memory(tile, to, stride)
#define _tile_dpbf16ps(to, a, b)        tile_multiply_in_memory(to, a, b)
#define _tile_loadconfig(shapes)        tile_configure_in_memory(shapes)
#define _tile_release()                 tile_release_in_memory()

#endif
