/* SPDX-License-Identifier: Apache-2.0 */
/* bytes_avx512vnni.c - screening scores as products of bytes, summed in integers. Knows AVX-512 VNNI.
 *
 * A row is about y = a q, a component's weights are about v = b p: q and p whole numbers up to 127, a and b the largest
 * absolute value / 127. Sums of q p are exact. What is rounded off is bounded by lengths,
 *     <x, w> <= a b <q, p> + |x - y| |w| + |y| |w - v|
 * and added to the score, which so is never below the true one. A word is four numbers, of rows with 128 more, as the
 * instruction wants the one factor without sign and the other with: sums start from -128 sum p.
 *
 * Rows and panels have their own a, |x - y|, |y| and -128 sum p, b, |w|, |w - v| beside them. Lengths have a thousandth
 * to spare for their own roundings, and the one of x - y 2^-20 |y| more for the score's. */
#include "integers_avx512vnni.h"
#include "screens_avx512vnni.h"

enum { STARTS, SCALES, LENGTHS, LOSSES, PANEL_PARTS }; /* of a panel, each a value for each lane */
enum { ROW_SCALE, ROW_LOSS, ROW_LENGTH, ROW_PARTS };   /* at the end of a row */

FGI_INLINE vec_f32 byte_fma(vec_f32 x, vec_f32 w, vec_f32 sum)
{
    return _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(x),
                                                   _mm512_castps_si512(w)));
}

/* linear: what the score has besides its products. parts: of the panel from a lane on, `stride` from one to the next. */
FGI_INLINE vec_f32 score_of(vec_f32 sum, vec_f32 linear, const float *row, const float *parts,
                            int32_t stride)
{
    const vec_f32 whole = _mm512_cvtepi32_ps(_mm512_castps_si512(sum));
    const vec_f32 scale = vec_load(parts + SCALES * stride, LANES, FG_F32);
    const vec_f32 length = vec_load(parts + LENGTHS * stride, LANES, FG_F32);
    const vec_f32 loss = vec_load(parts + LOSSES * stride, LANES, FG_F32);
    const vec_f32 raised = vec_fma(loss, vec_splat(row[ROW_LENGTH]),
                                   vec_fma(length, vec_splat(row[ROW_LOSS]), linear));
    return vec_fma(vec_splat(row[ROW_SCALE]), vec_mul(scale, whole), raised);
}

#define FGI_WORD_FMA                 byte_fma
#define FGI_WORD_START(t, row, lane) vec_load((t)->head + (lane), LANES, FG_F32)
#define FGI_NUMBERS                  4
#define FGI_SCREEN_PART(name)        fgi_bytes_##name
#include "layout_avx512vnni.h"

static const float most = 127.0f, spare = 1.001f;

/* ------------------------------------------------------------------------------------------ weights */

void fgi_bytes_pack(const float *weight, int32_t depth, int32_t lane, void *panel)
{
    float *part = (float *)panel + lane;
    int8_t *bytes = (int8_t *)((float *)panel + PANEL_PARTS * PANEL);
    const float largest = largest_of(weight, depth), scale = largest / most;
    const double inverse = largest > FGI_LEAST_WEIGHT ? 1.0 / scale : 0.0;
    double length = 0.0, loss = 0.0;
    int32_t sum = 0;
    for (int32_t p = 0; p < depth; p++) {
        const double w = weight[p], number = rint(w * inverse), rest = w - scale * number;
        bytes[((int64_t)(p / 4) * PANEL + lane) * 4 + p % 4] = (int8_t)number;
        sum += (int32_t)number;
        length += w * w;
        loss += rest * rest;
    }
    const int32_t start = -128 * sum;
    memcpy(part + STARTS * PANEL, &start, sizeof start);
    part[SCALES * PANEL] = scale;
    part[LENGTHS * PANEL] = (float)sqrt(length) * spare;
    part[LOSSES * PANEL] = (float)sqrt(loss) * spare;
}

/* --------------------------------------------------------------------------------------------- rows */

typedef struct rounding {
    vec_f32 scale, inverse;
    vec_f32 length, loss; /* sums of squares so far */
} rounding;

/* Up to LANES values into as many bytes; those that are lacking are as 0. */
FGI_INLINE void narrow(const float *x, int32_t count, rounding *r, void *bytes)
{
    const vec_f32 value = vec_load(x, count, FG_F32);
    const __m512i number = _mm512_cvtps_epi32(vec_mul(value, r->inverse));
    const vec_f32 near = _mm512_cvtepi32_ps(number);
    const vec_f32 rest = _mm512_fnmadd_ps(near, r->scale, value), y = vec_mul(near, r->scale);
    r->length = vec_fma(y, y, r->length);
    r->loss = vec_fma(rest, rest, r->loss);
    _mm_storeu_si128(bytes, _mm512_cvtepi32_epi8(_mm512_add_epi32(number, _mm512_set1_epi32(128))));
}

static void narrow_row(const float *x, int32_t depth, float *words, float *parts)
{
    const int32_t whole = depth / LANES * LANES;
    const extent e = extent_of(x, depth);
    const bool counts = !(e.squares < FGI_LEAST_SQUARES); /* NaN has to show */
    const float scale = counts ? e.largest / most : 0.0f;
    rounding r = {
        .scale = vec_splat(scale),
        .inverse = vec_splat(counts ? 1.0f / scale : 0.0f),
        .length = vec_splat(0.0f),
        .loss = vec_splat(0.0f),
    };
    for (int32_t p = 0; p < whole; p += LANES) narrow(x + p, LANES, &r, words + p / 4);
    if (whole < depth) narrow(x + whole, depth - whole, &r, words + whole / 4);
    const float length = sqrtf(vec_sum(r.length)) * spare, loss = sqrtf(vec_sum(r.loss)) * spare;
    parts[ROW_SCALE] = scale;
    parts[ROW_LOSS] = counts ? loss + 0x1p-20f * length : e.largest * sqrtf((float)depth);
    parts[ROW_LENGTH] = length;
}

/* The last vector of a row may reach into its parts, which are written after it. */
void fgi_bytes_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared)
{
    const int32_t ld = row_words(depth);
    for (int32_t r = 0; r < rows; r++) {
        float *words = (float *)prepared + (int64_t)r * ld;
        narrow_row(x + (int64_t)r * ldx, depth, words, words + ld - ROW_PARTS);
    }
}
