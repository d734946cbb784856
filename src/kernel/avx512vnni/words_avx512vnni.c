/* SPDX-License-Identifier: Apache-2.0 */
/* words_avx512vnni.c - screening scores as products of 16 bits, summed in integers. Knows AVX-512 VNNI.
 *
 * A row is about y = a q, a component's weights are about v = b p: q and p whole numbers of at most 16 bits, whose lengths are
 * so short that |q| |p| < 2^31. So sums of q p are exact, in integers that wrap around on the way. With n of depth, a is
 * at most |x| / MOST and |x_i - y_i| at most 0.51 a (0.01 for the roundings of f32), so that
 *     |x - y| <= e |x|,   |w - v| <= e |w|,   e = 0.51 sqrt(n) / MOST
 *     <x, w>  <=  a b <q, p>  +  (2 e + e^2) |x| |w|
 * and the last is added to the score, which so is never below the true one. A word of the register tile is two numbers.
 *
 * Rows and panels have their own a, (2 e + e^2) |x|, b and |w| beside them. Lengths have a thousandth to spare for their own
 * roundings, and that of rows 2^-20 more for the score's. */
#include "integers_avx512vnni.h"
#include "screens_avx512vnni.h"

enum { SCALES, LENGTHS, PANEL_PARTS };     /* of a panel, each a value for each lane */
enum { ROW_SCALE, ROW_LENGTH, ROW_PARTS }; /* at the end of a row */

FGI_INLINE vec_f32 word_fma(vec_f32 x, vec_f32 w, vec_f32 sum)
{
    return _mm512_castsi512_ps(_mm512_dpwssd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(x),
                                                   _mm512_castps_si512(w)));
}

/* linear: what the score has besides its products. parts: of the panel from a lane on, `stride` from one to the next. */
FGI_INLINE vec_f32 score_of(vec_f32 sum, vec_f32 linear, const float *row, const float *parts,
                            int32_t stride)
{
    const vec_f32 whole = _mm512_cvtepi32_ps(_mm512_castps_si512(sum));
    const vec_f32 scale = vec_load(parts + SCALES * stride, LANES, FG_F32);
    const vec_f32 length = vec_load(parts + LENGTHS * stride, LANES, FG_F32);
    const vec_f32 raised = vec_fma(length, vec_splat(row[ROW_LENGTH]), linear);
    return vec_fma(scale, vec_mul(whole, vec_splat(row[ROW_SCALE])), raised);
}

#define FGI_WORD_FMA                 word_fma
#define FGI_WORD_START(t, row, lane) ((void)(t), vec_splat(0.0f))
#define FGI_NUMBERS                  2
#define FGI_SCREEN_PART(name)        fgi_words_##name
#include "layout_avx512vnni.h"

static const float most = 32700.0f, spare = 1.001f;

/* What a lane's length has to be when its weights count as 0: more than 1 / (2 e). */
static const float all_lost = 0x1p16f;

/* What follows from the depth alone. longest: 1 / the length that numbers may have before they are rounded, each by 0.51 at
 * most, for a product below 2^31; loss: 2 e + e^2, and what roundings of f32 add. */
typedef struct steps {
    float root, longest, loss; /* root: of depth */
} steps;

static steps steps_of(int32_t depth)
{
    const float root = sqrtf((float)depth), e = 0.51f / most * root;
    return (steps){
        .root = root,
        .longest = 1.0f / (46300.0f - root),
        .loss = e * (2.0f + e) * spare + 0x1p-20f,
    };
}

/* Of numbers of this length, the largest absolute value given. */
FGI_INLINE float scale_of(const steps *s, float length, float largest)
{
    const float by_length = length * s->longest, by_largest = largest * (1.0f / most);
    return by_length > by_largest ? by_length : by_largest; /* NaN: the other */
}

void fgi_words_pack(const float *weight, int32_t depth, int32_t lane, void *panel)
{
    float *part = (float *)panel + lane;
    int16_t *words = (int16_t *)((float *)panel + PANEL_PARTS * PANEL);
    const steps fixed = steps_of(depth);
    double squares = 0.0;
    for (int32_t p = 0; p < depth; p++) squares += (double)weight[p] * weight[p];
    const float length = (float)sqrt(squares), largest = largest_of(weight, depth);
    const bool counts = largest > FGI_LEAST_WEIGHT;
    const float scale = counts ? scale_of(&fixed, length, largest) : 0.0f;
    const double inverse = counts ? 1.0 / scale : 0.0;
    for (int32_t p = 0; p < depth; p++)
        words[((int64_t)(p / 2) * PANEL + lane) * 2 + p % 2] = (int16_t)rint(weight[p] * inverse);
    part[SCALES * PANEL] = scale;
    part[LENGTHS * PANEL] = length * (counts ? spare : all_lost);
}

/* Up to LANES values into as many numbers; those that are lacking are 0. */
FGI_INLINE void narrow(const float *x, int32_t count, vec_f32 inverse, void *words)
{
    const __m512i number = _mm512_cvtps_epi32(vec_mul(vec_load(x, count, FG_F32), inverse));
    _mm256_storeu_si256(words, _mm512_cvtepi32_epi16(number));
}

static void narrow_row(const steps *s, const float *x, int32_t depth, float *words, float *parts)
{
    const int32_t whole = depth / LANES * LANES;
    const extent e = extent_of(x, depth);
    const float length = sqrtf(e.squares) * spare;
    const bool counts = !(e.squares < FGI_LEAST_SQUARES); /* NaN has to show */
    const float scale = counts ? scale_of(s, length, e.largest) : 0.0f;
    const vec_f32 inverse = vec_splat(counts ? 1.0f / scale : 0.0f);
    for (int32_t p = 0; p < whole; p += LANES) narrow(x + p, LANES, inverse, words + p / 2);
    if (whole < depth) narrow(x + whole, depth - whole, inverse, words + whole / 2);
    parts[ROW_SCALE] = scale;
    parts[ROW_LENGTH] = counts ? s->loss * length : e.largest * s->root;
}

/* The last vector of a row may reach into its parts, which are written after it. */
void fgi_words_prepare(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared)
{
    const int32_t ld = row_words(depth);
    const steps fixed = steps_of(depth);
    for (int32_t r = 0; r < rows; r++) {
        float *words = (float *)prepared + (int64_t)r * ld;
        narrow_row(&fixed, x + (int64_t)r * ldx, depth, words, words + ld - ROW_PARTS);
    }
}
