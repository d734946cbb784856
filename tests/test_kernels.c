/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernels.c - load, scores, select and the choice of a table: every instruction set this CPU has, ref
 * included, against the formulas in f64. Knows kernels.h alone; kernel_case.h derives the bounds. */
#include "kernel_case.h"

#define FGI_X(NAME, name) FG_##NAME,
static const fg_dtype load_types[] = {FGI_LOAD_DTYPES(FGI_X)};
#undef FGI_X

static bool holds_nan(fg_dtype dtype)
{
    return dtype != FG_I8 && dtype != FG_U8;
}

/* ---- load */

typedef struct load_shape {
    fg_dtype dtype;
    int32_t d, gap;
    int64_t odd; /* bytes that rows stand off their alignment */
    bool normalize;
} load_shape;

static void check_load(const load_shape *s)
{
    enum { ROWS = 3 };
    static double values[LONGEST_ROW];
    static float x[ROWS * (LONGEST_ROW + 8)];
    float norm2[ROWS + 1];
    const int64_t stride = s->d + s->gap, elements = (ROWS - 1) * stride + s->d;
    void *rows = at_end(0, elements * element_bytes(s->dtype), s->odd);
    const float *center = random_floats_at_end(1, s->d);
    const int32_t ldx = s->d + s->gap;
    for (int32_t r = 0; r < ROWS; r++) put_row(rows, r * stride, s->d, s->dtype, values);
    fill_canaries(x, ROWS * ldx);
    fill_canaries(norm2, ROWS + 1);
    table->load[s->dtype](&(fgi_load_args){.rows = rows,
                                           .stride = stride,
                                           .count = ROWS,
                                           .d = s->d,
                                           .center = center,
                                           .normalize = s->normalize,
                                           .x = x,
                                           .ldx = ldx,
                                           .norm2 = norm2});
    for (int32_t r = 0; r < ROWS; r++) {
        double length2 = 0, squares = 0;
        put_row(rows, r * stride, s->d, s->dtype, values);
        for (int32_t i = 0; i < s->d; i++) length2 += values[i] * values[i];
        for (int32_t i = 0; i < s->d; i++) {
            const double scale = s->normalize ? 1 / sqrt(length2) : 1;
            const double expected = values[i] * scale - center[i], value = x[r * ldx + i];
            const double bound = s->normalize ? 0x1p-53 * (s->d + 8) : 0;
            assert_near("load", s->d, value, expected, 0x1p-23 * fabs(expected) + bound);
            squares += value * value;
        }
        assert_near("norm2", s->d, norm2[r], squares, gamma_bound(s->d + 1) * squares);
        assert_canaries(x + r * ldx + s->d, s->gap);
    }
    assert_canaries(norm2 + ROWS, 1);
}

static void load_centres_and_normalises(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof load_types / sizeof *load_types; t++)
        for (int32_t i = 0; i < ROW_LENGTHS; i++)
            for (int32_t form = 0; form < 8; form++)
                check_load(&(load_shape){.dtype = load_types[t],
                                         .d = row_length(i),
                                         .gap = form & 1 ? 5 : 0,
                                         .odd = form & 2 ? 1 : 0,
                                         .normalize = form & 4});
}

/* Loads one row about 0. */
static float load_row(const void *row, int32_t d, fg_dtype dtype, bool normalize, float *x)
{
    static const float zeros[1 << 16];
    float norm2;
    table->load[dtype](&(fgi_load_args){.rows = row,
                                        .stride = d,
                                        .count = 1,
                                        .d = d,
                                        .center = zeros,
                                        .normalize = normalize,
                                        .x = x,
                                        .ldx = d,
                                        .norm2 = &norm2});
    return norm2;
}

static void load_tells_rows_that_are_not_finite(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    double values[SHORT_ROWS];
    float x[SHORT_ROWS];
    for (size_t t = 0; t < sizeof load_types / sizeof *load_types; t++) {
        const fg_dtype dtype = load_types[t];
        for (int32_t d = 1; holds_nan(dtype) && d <= SHORT_ROWS; d++) {
            void *row = at_end(0, d * element_bytes(dtype), 0);
            for (int32_t i = 0; i < 6 * d; i++) {
                put_row(row, 0, d, dtype, values);
                assert_true(isfinite(load_row(row, d, dtype, i & 1, x)));
                put(row, i / 6, dtype, bad[i / 2 % 3]);
                assert_true(!isfinite(load_row(row, d, dtype, i & 1, x)));
            }
        }
    }
}

static void load_keeps_extreme_rows_apart(void **state)
{
    (void)state;
    static const float zero[2], huge[] = {1e30f, -1e30f}, tiny[] = {0x1p-149f, -0x1p-149f};
    static const double beyond[] = {1e300, 1}, vast[] = {1e160, 1e160};
    float x[2];
    assert_true(isnan(load_row(zero, 2, FG_F32, true, x)));
    assert_true(load_row(zero, 2, FG_F32, false, x) == 0);
    assert_true(!isfinite(load_row(huge, 2, FG_F32, false, x)));
    assert_near("norm2", 2, load_row(huge, 2, FG_F32, true, x), 1, gamma_bound(8));
    assert_near("norm2", 2, load_row(tiny, 2, FG_F32, true, x), 1, gamma_bound(8));
    assert_true(load_row(tiny, 2, FG_F32, false, x) == 0 && x[0] == tiny[0] && x[1] == tiny[1]);
    assert_true(!isfinite(load_row(beyond, 2, FG_F64, false, x)));
    assert_true(!isfinite(load_row(vast, 2, FG_F64, true, x)));
}

static void load_knows_every_half_and_byte(void **state)
{
    (void)state;
    enum { HALVES = 1 << 16 };
    static float x[HALVES];
    uint16_t *halves = at_end(0, HALVES * sizeof *halves, 0);
    for (uint32_t i = 0; i < HALVES; i++) halves[i] = (uint16_t)i;
    load_row(halves, HALVES, FG_F16, false, x);
    for (uint32_t i = 0; i < HALVES; i++) {
        const float expected = fgi_f32_of_f16((uint16_t)i);
        assert_true(x[i] == expected || (isnan(x[i]) && isnan(expected)));
    }
    load_row(halves, HALVES, FG_BF16, false, x);
    for (uint32_t i = 0; i < HALVES; i++) {
        const float expected = fgi_f32_of_bf16((uint16_t)i);
        assert_true(x[i] == expected || (isnan(x[i]) && isnan(expected)));
    }
    unsigned char *bytes = at_end(0, 256, 0);
    for (int32_t i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
    load_row(bytes, 256, FG_U8, false, x);
    for (int32_t i = 0; i < 256; i++) assert_true(x[i] == (float)i);
    load_row(bytes, 256, FG_I8, false, x);
    for (int32_t i = 0; i < 256; i++) assert_true(x[i] == (float)(i < 128 ? i : i - 256));
}

/* ---- scores */

enum {
    MOST_ROWS = 2 * 32 + 1,
    MOST_SCORES = 3 * 32,
    LD_SCORES = MOST_SCORES + 16,
    MOST_DEPTH = 768
};

static const fgi_screen *screen; /* under test, one of the table's */

typedef struct score_data {
    fgi_scores_args args;
    float *x, *norm2, *bias, *slope, *row_max;
    float weights[MOST_SCORES * MOST_DEPTH];
    float scores[MOST_ROWS * LD_SCORES];
} score_data;

/* Prepares rows first .. first + args.rows - 1 of the case, whose operands end where memory ends. */
static void prepare_rows(score_data *s, int32_t first)
{
    const float *x = s->x + (int64_t)first * s->args.ldx;
    s->args.x = x;
    s->args.norm2 = s->norm2 + first;
    if (!screen->prepare) return;
    const int32_t groups = (s->args.rows + screen->row_group - 1) / screen->row_group;
    void *prepared = at_end(3, groups * (int64_t)screen->group_bytes(s->args.depth), 0);
    screen->prepare(x, s->args.ldx, s->args.rows, s->args.depth, prepared);
    s->args.x = prepared;
}

static void pack_weights(score_data *s, int32_t lanes, int32_t depth)
{
    const int64_t bytes = (int64_t)screen->panel_bytes(depth);
    char *packed = at_end(1, lanes / screen->panel * bytes, 0);
    memset(packed, 0, (size_t)(lanes / screen->panel * bytes));
    for (int32_t j = 0; j < lanes; j++)
        screen->pack(s->weights + (int64_t)j * depth, depth, j % screen->panel,
                     packed + j / screen->panel * bytes);
    s->args.packed = packed;
}

static score_data *score_setup(int32_t rows, int32_t depth, int32_t panels, int32_t gap)
{
    static _Alignas(64) score_data s;
    const int32_t lanes = panels * screen->panel, ldx = depth + gap;
    const int64_t elements = (rows - 1) * (int64_t)ldx + depth;
    assert_true(rows <= MOST_ROWS && lanes <= MOST_SCORES && depth <= MOST_DEPTH);
    s.x = random_floats_at_end(0, elements);
    for (int64_t i = 0; rows % 3 == 0 && i < elements; i++) s.x[i] = roundf(100 * s.x[i]);
    float *vectors = random_floats_at_end(2, 2 * (int64_t)(lanes + rows));
    s.bias = vectors;
    s.slope = vectors + lanes;
    s.norm2 = vectors + 2 * lanes;
    s.row_max = vectors + 2 * lanes + rows;
    for (int64_t i = 0; i < (int64_t)lanes * depth; i++)
        s.weights[i] = random_float((uint64_t)i + 99);
    for (int32_t r = 0; r < rows; r++) s.row_max[r] = r % 2 ? -INFINITY : 1e6f;
    fill_canaries(s.scores, rows * LD_SCORES);
    s.args = (fgi_scores_args){.ldx = ldx,
                               .rows = rows,
                               .depth = depth,
                               .bias = s.bias,
                               .slope = s.slope,
                               .panels = panels,
                               .scores = s.scores,
                               .ld_scores = LD_SCORES,
                               .row_max = s.row_max};
    pack_weights(&s, lanes, depth);
    prepare_rows(&s, 0);
    return &s;
}

/* By how much a product of whole numbers may be off: each factor by half of its step. Bytes have steps of the largest / 127;
 * words are promised as if the largest were all of the length. Bounds have a thousandth more, and words a little for
 * roundings of f32. */
static double most_rounded(const float *x, const float *weight, int32_t depth)
{
    const bool bytes = strcmp(screen->name, "i8") == 0;
    double largest[2] = {0, 0}, squares[2] = {0, 0}, off[2];
    for (int32_t p = 0; p < depth; p++) {
        const double factor[] = {x[p], weight[p]};
        for (int f = 0; f < 2; f++) {
            largest[f] = fmax(largest[f], fabs(factor[f]));
            squares[f] += factor[f] * factor[f];
        }
    }
    for (int f = 0; f < 2; f++)
        off[f] = bytes ? 1.01 * sqrt(depth) * largest[f] / 254
                       : 1.03 * sqrt(depth) * sqrt(squares[f]) / 65400;
    const double bound = off[0] * sqrt(squares[1]) + (sqrt(squares[0]) + off[0]) * off[1];
    return bytes ? bound : bound + 0x1p-20 * sqrt(squares[0] * squares[1]);
}

static void check_score(const score_data *s, int32_t r, int32_t j)
{
    const int32_t depth = s->args.depth;
    const float *x = s->x + (int64_t)r * s->args.ldx, *weight = s->weights + (int64_t)j * depth;
    const double line = (double)s->slope[j] * s->norm2[r];
    double sum = s->bias[j] + line, products = 0, rounded = 0;
    for (int32_t p = 0; p < depth; p++) {
        sum += (double)x[p] * weight[p];
        products += fabs((double)x[p] * weight[p]);
    }
    if (screen->raise > 0.0) rounded = most_rounded(x, weight, depth);
    assert_near(screen->name, depth, s->scores[r * LD_SCORES + j], sum + rounded,
                fgi_product_error(screen, depth) * products + rounded +
                    (depth + 4) * 0x1p-24 * (fabs(s->bias[j]) + fabs(line)));
}

static void check_scores(int32_t rows, int32_t depth, int32_t panels, int32_t gap)
{
    score_data *s = score_setup(rows, depth, panels, gap);
    const int32_t lanes = panels * screen->panel;
    screen->scores(&s->args);
    for (int32_t r = 0; r < rows; r++) {
        const float *scores = s->scores + r * LD_SCORES;
        float largest = r % 2 ? -INFINITY : 1e6f;
        for (int32_t j = 0; j < lanes; j++) {
            check_score(s, r, j);
            largest = scores[j] > largest ? scores[j] : largest;
        }
        assert_same_bits("row_max", depth, s->row_max[r], largest);
        assert_canaries(scores + lanes, LD_SCORES - lanes);
    }
    _Alignas(64) float alone[LD_SCORES]; /* a row's scores are the same in any company */
    float alone_max = 0;
    s->args.rows = 1;
    s->args.scores = alone;
    s->args.row_max = &alone_max;
    prepare_rows(s, rows - 1);
    screen->scores(&s->args);
    assert_memory_equal(alone, s->scores + (rows - 1) * LD_SCORES, (size_t)lanes * sizeof *alone);
}

static void scores_are_a_product_plus_bias(void **state)
{
    (void)state;
    static const int32_t depths[] = {1, 2, 3, 17, 32, 33, 100, 128, 129, 256, 257, 513, 768};
    for (int32_t i = 0; i < table->screen_count; i++) {
        screen = &table->screens[i];
        for (int32_t rows = 1; rows <= 2 * screen->row_group + 1; rows++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                check_scores(rows, depths[d], 1 + (rows + (int32_t)d) % 3, rows % 2 ? 0 : 3);
    }
}

static void scores_carry_what_is_not_finite(void **state)
{
    (void)state;
    enum { ROWS = 5, DEPTH = 300, BAD_ROW = 3, DEAD_LANE = 7 };
    for (int32_t i = 0; i < table->screen_count; i++) {
        screen = &table->screens[i];
        score_data *s = score_setup(ROWS, DEPTH, 2, 0);
        s->x[BAD_ROW * DEPTH + 9] = NAN;
        s->bias[DEAD_LANE] = -INFINITY;
        prepare_rows(s, 0);
        screen->scores(&s->args);
        for (int32_t r = 0; r < ROWS; r++) {
            for (int32_t j = 0; j < 2 * screen->panel; j++) {
                const float score = s->scores[r * LD_SCORES + j];
                assert_true(r == BAD_ROW ? isnan(score) : isfinite(score) || j == DEAD_LANE);
            }
            if (r != BAD_ROW) assert_true(s->scores[r * LD_SCORES + DEAD_LANE] == -INFINITY);
        }
        assert_true(s->row_max[BAD_ROW] == -INFINITY);
    }
}

/* The largest errors that rounding to few bits can make: factors halfway between two numbers. */
static void scores_keep_their_bound_at_worst(void **state)
{
    (void)state;
    enum { ROWS = 3, DEPTH = 96 };
    for (int32_t i = 0; i < table->screen_count; i++) {
        screen = &table->screens[i];
        for (int32_t bits = 7; bits <= 23; bits++) {
            score_data *s = score_setup(ROWS, DEPTH, 1, 0);
            const float halfway = 1 + exp2f((float)-bits - 1);
            for (int32_t p = 0; p < ROWS * DEPTH; p++) s->x[p] = halfway;
            for (int32_t p = 0; p < screen->panel * DEPTH; p++) s->weights[p] = halfway;
            pack_weights(s, screen->panel, DEPTH);
            prepare_rows(s, 0);
            screen->scores(&s->args);
            for (int32_t j = 0; j < screen->panel; j++) check_score(s, ROWS - 1, j);
        }
    }
}

/* Factors whose steps would underflow, or whose products are as large as their lengths let them be. */
static void raised_scores_are_never_below(void **state)
{
    (void)state;
    enum { ROWS = 2, DEPTH = 300 };
    static const float scales[] = {0x1p-104f, 0x1p-50f, 0x1p-30f, 1, 0x1p30f};
    enum { SCALES = sizeof scales / sizeof *scales };
    for (int32_t i = 0; i < SCALES * SCALES * table->screen_count; i++) {
        screen = &table->screens[i / (SCALES * SCALES)];
        const float of_x = scales[i % SCALES], of_weights = scales[i / SCALES % SCALES];
        score_data *s = score_setup(ROWS, DEPTH, 1, 0);
        for (int32_t p = 0; p < ROWS * DEPTH; p++) s->x[p] = of_x * (p < DEPTH ? 1 : s->x[p]);
        for (int32_t p = 0; p < screen->panel * DEPTH; p++)
            s->weights[p] = of_weights * (p < DEPTH ? 1 : s->weights[p]);
        for (int32_t j = 0; j < screen->panel; j++) s->bias[j] = s->slope[j] = 0;
        pack_weights(s, screen->panel, DEPTH);
        prepare_rows(s, 0);
        screen->scores(&s->args);
        for (int32_t at = 0; at < ROWS * screen->panel; at++) {
            const int32_t r = at / screen->panel, j = at % screen->panel;
            double sum = 0, products = 0;
            for (int32_t p = 0; p < DEPTH; p++) {
                const double term = (double)s->x[r * DEPTH + p] * s->weights[j * DEPTH + p];
                sum += term;
                products += fabs(term);
            }
            const double error = fgi_product_error(screen, DEPTH) * products + DEPTH * 0x1p-126;
            assert_true(s->scores[r * LD_SCORES + j] >= sum - error);
        }
    }
}

/* ---- select */

static void check_select(const float *scores, int32_t count, float threshold)
{
    enum { ROW = 1000, MOST = 512 };
    int32_t wanted[MOST], selected = 0;
    for (int32_t j = 0; j < count; j++)
        if (scores[j] >= threshold) wanted[selected++] = j;
    /* as much room as is promised to be there, and no more */
    int32_t *rows = at_end(1, (selected + FGI_SELECT_SLACK) * (int64_t)sizeof *rows, 0);
    int32_t *components = at_end(2, (selected + FGI_SELECT_SLACK) * (int64_t)sizeof *rows, 0);
    assert_int_equal(table->select(scores, count, threshold, ROW, rows, components), selected);
    for (int32_t c = 0; c < selected; c++) {
        assert_int_equal(rows[c], ROW);
        assert_int_equal(components[c], wanted[c]);
    }
}

static void select_appends_in_order(void **state)
{
    (void)state;
    for (int32_t count = 0; count <= 512; count += 16) {
        float *scores = random_floats_at_end(0, count);
        for (int32_t i = 0; i <= 8; i++) check_select(scores, count, 0.25f * (float)i - 1);
        if (count == 0) continue;
        scores[0] = NAN;
        scores[count - 1] = INFINITY;
        scores[count / 2] = 0.5f;
        check_select(scores, count, 0.5f);
        check_select(scores, count, -INFINITY);
        check_select(scores, count, INFINITY);
        check_select(scores, count, NAN);
    }
}

/* Rows 5, 4, .. of a tile, the i-th of which holds i + 1 scores that reach its threshold. */
static void check_select_rows(int32_t count, int32_t places, int32_t blind, int32_t wanted)
{
    enum { ROWS = 6, FIRST = 3 };
    const int32_t ld = count + 16, chosen = FIRST + ROWS * (ROWS + 1) / 2;
    float *scores = random_floats_at_end(0, ROWS * ld), threshold[ROWS];
    int32_t row[ROWS], begin[ROWS + 1] = {FIRST};
    int32_t *rows = at_end(1, (chosen + FGI_SELECT_SLACK) * (int64_t)sizeof *rows, 0);
    int32_t *components = at_end(2, (chosen + FGI_SELECT_SLACK) * (int64_t)sizeof *rows, 0);
    for (int32_t i = 0; i < ROWS; i++) {
        row[i] = ROWS - 1 - i;
        threshold[i] = i == blind ? -INFINITY : 10.0f * (float)(i + 1);
        for (int32_t j = 0; j <= i; j++) scores[row[i] * ld + j * (count / ROWS)] = threshold[i];
    }
    const fgi_select_rows_args args = {
        .scores = scores,
        .ld_scores = ld,
        .count = count,
        .row = row,
        .threshold = threshold,
        .rows = ROWS,
        .places = places,
        .begin = begin,
        .chosen = rows,
        .component = components,
    };
    assert_int_equal(table->select_rows(&args), wanted);
    for (int32_t i = 0, at = FIRST; i < wanted; i++) {
        assert_int_equal(begin[i], at);
        assert_int_equal(begin[i + 1], at + i + 1);
        for (int32_t j = 0; j <= i; j++, at++) {
            assert_int_equal(rows[at], row[i]);
            assert_int_equal(components[at], j * (count / ROWS));
        }
    }
}

static void select_rows_knows_where_to_end(void **state)
{
    (void)state;
    for (int32_t count = 16; count <= 256; count += 16) {
        check_select_rows(count, 1000, -1, 6);
        check_select_rows(count, 1000, 4, 4);        /* all of it was asked for */
        check_select_rows(count, 3 + count, -1, 1);  /* the second row may not find room */
        check_select_rows(count, 12 + count, -1, 4); /* the fifth begins at 13 */
        check_select_rows(count, 13 + count, -1, 5);
        check_select_rows(count, 2 + count, -1, 0);
    }
}

static void select_rows_ends_before_a_row_without(void **state)
{
    (void)state;
    _Alignas(64) const float scores[16] = {0};
    int32_t rows[32 + FGI_SELECT_SLACK], components[32 + FGI_SELECT_SLACK];
    const float lacks[] = {1, INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        const float threshold[] = {0, lacks[i]};
        int32_t begin[3] = {0};
        const fgi_select_rows_args args = {
            .scores = scores,
            .ld_scores = 16,
            .count = 16,
            .row = (const int32_t[]){0, 0},
            .threshold = threshold,
            .rows = 2,
            .places = 32,
            .begin = begin,
            .chosen = rows,
            .component = components,
        };
        assert_int_equal(table->select_rows(&args), 1);
        assert_int_equal(begin[1], 16);
    }
}

/* ---- choosing a table */

static void pick_knows_names(void **state)
{
    (void)state;
    assert_null(fgi_kernels_pick("sse9"));
    assert_null(fgi_kernels_pick(""));
    assert_null(fgi_kernels_pick("AVX2"));
    assert_ptr_equal(fgi_kernels_pick("ref"), &fgi_kernels_ref);
    const fgi_kernels *best = fgi_kernels_pick(NULL);
    assert_non_null(best);
    assert_ptr_equal(fgi_kernels_pick(best->isa), best);
}

static void tables_are_complete(void **state)
{
    (void)state;
    assert_true(table->screen_count >= 1);
    for (int32_t i = 0; i < table->screen_count; i++) {
        screen = &table->screens[i];
        assert_int_equal(screen->panel % 16, 0);
        assert_int_equal(screen->panel_bytes(37) % 64, 0);
        assert_int_equal(screen->prepare != NULL, screen->group_bytes != NULL);
        assert_true(screen->speed >= 1);
        if (i > 0)
            assert_true(screen->factor_loss + screen->raise <
                        screen[-1].factor_loss + screen[-1].raise);
    }
    for (int dtype = 0; dtype < FGI_DTYPE_COUNT; dtype++) {
        const bool scans = dtype >= FG_F32 && dtype <= FG_U8;
        assert_int_equal(table->load[dtype] != NULL, scans || dtype == FG_F64);
        assert_int_equal(table->scan_l2[dtype] != NULL, scans);
        assert_int_equal(table->scan_ip[dtype] != NULL, scans);
    }
}

int main(void)
{
    const struct CMUnitTest choosing[] = {cmocka_unit_test(pick_knows_names)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_complete),
        cmocka_unit_test(load_centres_and_normalises),
        cmocka_unit_test(load_tells_rows_that_are_not_finite),
        cmocka_unit_test(load_keeps_extreme_rows_apart),
        cmocka_unit_test(load_knows_every_half_and_byte),
        cmocka_unit_test(scores_are_a_product_plus_bias),
        cmocka_unit_test(scores_carry_what_is_not_finite),
        cmocka_unit_test(scores_keep_their_bound_at_worst),
        cmocka_unit_test(raised_scores_are_never_below),
        cmocka_unit_test(select_appends_in_order),
        cmocka_unit_test(select_rows_knows_where_to_end),
        cmocka_unit_test(select_rows_ends_before_a_row_without),
    };
    make_regions();
    int failed = cmocka_run_group_tests(choosing, NULL, NULL);
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
