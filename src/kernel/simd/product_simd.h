/* SPDX-License-Identifier: Apache-2.0 */
/* product_simd.h - screening scores as a matrix product of words, over the vocabulary of vec.h.
 *     score[r][j] = bias[j] + slope[j] * norm2[r] + sum over p of x[r][p] * weight[j][p]
 * A word is what a lane of f32 holds: an f32, or whatever FGI_WORD_FMA multiplies instead; then FGI_WORD_START may give
 * other sums to start from, and FGI_WORD_END make scores of them. Packed weights: panel after panel; in a panel,
 * FGI_WORD_HEAD vectors of a value for each lane, then PANEL consecutive lanes for each word of depth.
 *
 * A register tile is ROW_GROUP rows by one panel of two vectors. Panels are the outer loop, so that a
 * panel's weights stay in the L1 cache for all rows; long depths are cut into equal blocks for the same
 * reason, and the scores buffer carries the sums from block to block. The order of a score's additions
 * depends on the depth alone. */
#ifndef FGI_PRODUCT_SIMD_H
#define FGI_PRODUCT_SIMD_H

#ifndef FGI_WORD_FMA
#define FGI_WORD_FMA vec_fma
#endif
#ifndef FGI_WORD_END
#define FGI_WORD_HEAD                      0
#define FGI_WORD_START(tile, row, lane)    linear_part(tile, row, lane)
#define FGI_WORD_END(tile, row, lane, sum) ((void)(tile), (sum))
#endif

/* a block of 256 x 32 lanes of f32 is 32 KiB of the 48 that L1 holds; the rest is for x */
enum { PANEL = 2 * LANES, DEPTH_BLOCK = 256 };

/* the fewer, the nearer are scores when they are chosen from; 24 rows were no faster (bench/NOTES.md) */
enum { MOST_ROWS = 48 };

/* Some rows by one panel by one block of depth. The first block starts from bias and slope, the others from
 * the scores so far. */
typedef struct score_tile {
    const float *x, *norm2, *weights, *bias, *slope;
    const float *row, *head; /* the first row and the panel from their beginnings on */
    float *scores;
    int32_t ldx, words, ld_scores;
    bool first;
    vec_f32 *largest; /* of each row, lane by lane; NULL before the last block */
} score_tile;

/* What a score has besides its products. */
FGI_INLINE vec_f32 linear_part(const score_tile *t, int32_t r, int32_t lane)
{
    const vec_f32 slope = vec_load(t->slope + lane, LANES, FG_F32);
    return vec_fma(slope, vec_splat(t->norm2[r]), vec_load(t->bias + lane, LANES, FG_F32));
}

FGI_INLINE void start_sums(const score_tile *t, const int32_t rows, vec_f32 sum[ROW_GROUP][2])
{
    if (t->first) {
        FGI_UNROLL
        for (int32_t r = 0; r < rows; r++) {
            sum[r][0] = FGI_WORD_START(t, r, 0);
            sum[r][1] = FGI_WORD_START(t, r, LANES);
        }
        return;
    }
    FGI_UNROLL
    for (int32_t r = 0; r < rows; r++) {
        const float *scores = t->scores + (int64_t)r * t->ld_scores;
        sum[r][0] = vec_load(scores, LANES, FG_F32);
        sum[r][1] = vec_load(scores + LANES, LANES, FG_F32);
    }
}

/* Before any score is stored: what belongs to lanes need not be read again after each. */
FGI_INLINE void end_sums(const score_tile *t, const int32_t rows, vec_f32 sum[ROW_GROUP][2])
{
    FGI_UNROLL
    for (int32_t r = 0; r < rows; r++) {
        sum[r][0] = FGI_WORD_END(t, r, 0, sum[r][0]);
        sum[r][1] = FGI_WORD_END(t, r, LANES, sum[r][1]);
    }
    FGI_UNROLL
    for (int32_t r = 0; r < rows; r++)
        t->largest[r] = vec_max(sum[r][0], vec_max(sum[r][1], t->largest[r]));
}

FGI_INLINE void multiply(const score_tile *t, const int32_t rows)
{
    vec_f32 sum[ROW_GROUP][2];
    start_sums(t, rows, sum);
    const float *weights = t->weights;
    for (int32_t p = 0; p < t->words; p++, weights += PANEL) {
        const vec_f32 left = vec_load(weights, LANES, FG_F32);
        const vec_f32 right = vec_load(weights + LANES, LANES, FG_F32);
        FGI_UNROLL
        for (int32_t r = 0; r < rows; r++) {
            const vec_f32 x = vec_splat(t->x[(int64_t)r * t->ldx + p]);
            sum[r][0] = FGI_WORD_FMA(x, left, sum[r][0]);
            sum[r][1] = FGI_WORD_FMA(x, right, sum[r][1]);
        }
    }
    if (t->largest) end_sums(t, rows, sum);
    FGI_UNROLL
    for (int32_t r = 0; r < rows; r++) {
        float *scores = t->scores + (int64_t)r * t->ld_scores;
        vec_store(scores, LANES, sum[r][0]);
        vec_store(scores + LANES, LANES, sum[r][1]);
    }
}

#define MULTIPLY(count)                                                                            \
    static void multiply_##count(const score_tile *t)                                              \
    {                                                                                              \
        multiply(t, count);                                                                        \
    }
#define MULTIPLY_ENTRY(count) [count] = multiply_##count,

FGI_ROW_COUNTS(MULTIPLY)
static void (*const multiply_rows[])(const score_tile *) = {FGI_ROW_COUNTS(MULTIPLY_ENTRY)};
#undef MULTIPLY
#undef MULTIPLY_ENTRY

/* Rows and weights of so many words. */
static void score_words(const fgi_scores_args *a, int32_t ldx, int32_t words)
{
    const float *x = a->x, *weights = a->packed;
    const int32_t blocks = (words + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
    const int32_t block = (words + blocks - 1) / blocks;
    vec_f32 largest[FGI_MOST_TILE_ROWS];
    for (int32_t r = 0; r < a->rows; r++) largest[r] = vec_splat(a->row_max[r]);
    for (int32_t panel = 0; panel < a->panels; panel++) {
        const float *head = weights + (int64_t)panel * (FGI_WORD_HEAD + words) * PANEL;
        for (int32_t p = 0; p < words; p += block) {
            for (int32_t r = 0; r < a->rows; r += ROW_GROUP) {
                float *scores = a->scores + (int64_t)r * a->ld_scores + panel * PANEL;
                const score_tile tile = {
                    .x = x + (int64_t)r * ldx + p,
                    .norm2 = a->norm2 + r,
                    .weights = head + (FGI_WORD_HEAD + p) * PANEL,
                    .row = x + (int64_t)r * ldx,
                    .head = head,
                    .bias = a->bias + panel * PANEL,
                    .slope = a->slope + panel * PANEL,
                    .scores = scores,
                    .ldx = ldx,
                    .words = words - p < block ? words - p : block,
                    .ld_scores = a->ld_scores,
                    .first = p == 0,
                    .largest = p + block < words ? NULL : largest + r,
                };
                multiply_rows[a->rows - r < ROW_GROUP ? a->rows - r : ROW_GROUP](&tile);
            }
        }
    }
    for (int32_t r = 0; r < a->rows; r++) a->row_max[r] = vec_largest(largest[r]);
}

#endif
