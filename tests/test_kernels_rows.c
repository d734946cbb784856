/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernels_rows.c - distances, scans, shares and moments: every instruction set this CPU has, ref included,
 * against the formulas in f64. Knows kernels.h alone; kernel_case.h derives the bounds. */
#include "kernel_case.h"

#define FGI_X(NAME, name) FG_##NAME,
static const fg_dtype scan_types[] = {FGI_SCAN_DTYPES(FGI_X)};
#undef FGI_X

/* ---- distances and scans */

static void check_distances(int32_t count, int32_t d, int32_t gap)
{
    enum { ROWS = 3, MEANS = 11, MOST = 9 };
    const int32_t ld = d + gap;
    const float *x = random_floats_at_end(0, (ROWS - 1) * (int64_t)ld + d);
    const float *means = random_floats_at_end(1, (MEANS - 1) * (int64_t)ld + d);
    float *scale = random_floats_at_end(2, (MEANS - 1) * (int64_t)ld + d);
    int32_t *component = at_end(3, count * (int64_t)sizeof *component, 0), row[MOST], zeros[MOST];
    float out[MOST + 1], scaled[MOST + 1], chosen[MOST + 1];
    for (int64_t i = 0; i < (MEANS - 1) * (int64_t)ld + d; i++) scale[i] = fabsf(scale[i]);
    for (int32_t c = 0; c < count; c++) {
        component[c] = (c * 7 + d) % MEANS;
        row[c] = c * 5 / 3 % ROWS;
        zeros[c] = 0;
    }
    fgi_distances_args a = {.pairs = {.count = count, .row = row, .component = component},
                            .x = x,
                            .means = means,
                            .ldx = ld,
                            .ld = ld,
                            .d = d,
                            .out = out};
    fill_canaries(out, MOST + 1);
    table->distances(&a);
    fill_canaries(scaled, MOST + 1);
    a.scale = scale;
    a.out = scaled;
    table->distances(&a);
    for (int32_t c = 0; c < count; c++) {
        double sum = 0, scaled_sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const int64_t at = component[c] * (int64_t)ld + i;
            const double difference = (double)x[row[c] * ld + i] - means[at];
            sum += difference * difference;
            scaled_sum += scale[at] * difference * difference;
        }
        assert_near("distances", d, out[c], sum, fgi_distance_error(d) * sum);
        assert_near("distances, scaled", d, scaled[c], scaled_sum,
                    fgi_distance_error(d) * scaled_sum);
        float scanned;
        table->scan_l2[FG_F32](x + row[c] * ld, means + component[c] * ld, NULL, 1, d, &scanned);
        assert_same_bits("distances and scan_l2", d, out[c], scanned);
    }
    assert_canaries(out + count, MOST + 1 - count);
    assert_canaries(scaled + count, MOST + 1 - count);
    fill_canaries(chosen, MOST + 1);
    table->sqdist_scaled(x, means, scale, ld, d, component, count, chosen);
    a.pairs.row = zeros;
    table->distances(&a);
    for (int32_t c = 0; c < count; c++) assert_same_bits("sqdist_scaled", d, chosen[c], scaled[c]);
    assert_canaries(chosen + count, MOST + 1 - count);
}

static void distances_are_sums_of_squares(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++)
        for (int32_t count = 0; count <= 9; count++)
            check_distances(count, row_length(i), count % 3);
}

static void check_scan(fg_dtype dtype, int32_t count, int32_t d, int64_t odd)
{
    enum { MOST = 9 };
    static double values[LONGEST_ROW];
    const float *query = random_floats_at_end(0, d);
    const int64_t row_bytes = d * element_bytes(dtype);
    char *rows = at_end(1, count * row_bytes, odd);
    float l2[MOST + 1], ip[MOST + 1], some[MOST + 1], alone;
    int32_t *index = at_end(2, count * (int64_t)sizeof *index, 0);
    for (int32_t r = 0; r < count; r++) put_row(rows, (int64_t)r * d, d, dtype, values);
    fill_canaries(l2, MOST + 1);
    fill_canaries(ip, MOST + 1);
    table->scan_l2[dtype](query, rows, NULL, count, d, l2);
    table->scan_ip[dtype](query, rows, NULL, count, d, ip);
    for (int32_t r = 0; r < count; r++) {
        double squares = 0, product = 0, magnitude = 0;
        put_row(rows, (int64_t)r * d, d, dtype, values);
        for (int32_t i = 0; i < d; i++) {
            squares += (query[i] - values[i]) * (query[i] - values[i]);
            product += query[i] * values[i];
            magnitude += fabs(query[i] * values[i]);
        }
        assert_near("scan_l2", d, l2[r], squares, gamma_bound(d + 2) * squares);
        assert_near("scan_ip", d, ip[r], product, gamma_bound(d) * magnitude);
        table->scan_l2[dtype](query, rows + r * row_bytes, NULL, 1, d, &alone);
        assert_same_bits("scan_l2 of one row and of many", d, alone, l2[r]);
        table->scan_ip[dtype](query, rows + r * row_bytes, NULL, 1, d, &alone);
        assert_same_bits("scan_ip of one row and of many", d, alone, ip[r]);
    }
    assert_canaries(l2 + count, MOST + 1 - count);
    assert_canaries(ip + count, MOST + 1 - count);
    for (int32_t c = 0; c < count; c++) index[c] = (c * 5 + 3) % count;
    fill_canaries(some, MOST + 1);
    table->scan_l2[dtype](query, rows, index, count, d, some);
    for (int32_t c = 0; c < count; c++)
        assert_same_bits("scan_l2 by number", d, some[c], l2[index[c]]);
    table->scan_ip[dtype](query, rows, index, count, d, some);
    for (int32_t c = 0; c < count; c++)
        assert_same_bits("scan_ip by number", d, some[c], ip[index[c]]);
    assert_canaries(some + count, MOST + 1 - count);
}

static void scans_are_sums_over_rows(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof scan_types / sizeof *scan_types; t++)
        for (int32_t i = 0; i < ROW_LENGTHS; i++)
            for (int32_t count = 0; count <= 9; count++)
                check_scan(scan_types[t], count, row_length(i), count % 2);
}

static void check_sketches(int32_t count, int32_t d, int32_t gap)
{
    enum { MOST = 9 };
    const int64_t stride = d + gap,
                  room = (d + FGI_SKETCH_GROUP - 1) / FGI_SKETCH_GROUP * FGI_SKETCH_GROUP;
    int16_t *query = at_end(0, room * (int64_t)sizeof *query, 0);
    const int64_t read = (d + FGI_SKETCH_READ - 1) / FGI_SKETCH_READ * FGI_SKETCH_READ;
    const int64_t bytes = (count - 1) * stride + read;
    signed char *rows = at_end(1, bytes, 0);
    int32_t index[MOST];
    float out[MOST + 1], some[MOST + 1];
    memset(query, 0, (size_t)room * sizeof *query);
    for (int32_t i = 0; i < d; i++)
        query[i] =
            (int16_t)(fgi_random_u64(41, (uint64_t)d, (uint64_t)i) % 3 * 32766 - 32766 + i % 2);
    for (int64_t i = 0; i < bytes; i++)
        rows[i] =
            (signed char)((int32_t)(fgi_random_u64(42, (uint64_t)d, (uint64_t)i) % 255) - 127);
    for (int32_t c = 0; c < count; c++) index[c] = (c * 5 + 3) % count;
    fill_canaries(out, MOST + 1);
    fill_canaries(some, MOST + 1);
    table->sketch_products(query, &(fgi_sketches){(char *)rows, stride, NULL}, count, d, out);
    table->sketch_products(query, &(fgi_sketches){(char *)rows, stride, index}, count, d, some);
    for (int32_t r = 0; r < count; r++) {
        int64_t sum = 0;
        for (int32_t i = 0; i < d; i++) sum += query[i] * (int64_t)rows[r * stride + i];
        assert_same_bits("sketch_products", d, out[r], (float)sum);
    }
    for (int32_t c = 0; c < count; c++)
        assert_same_bits("sketch_products by number", d, some[c], out[index[c]]);
    assert_canaries(out + count, MOST + 1 - count);
    assert_canaries(some + count, MOST + 1 - count);
}

static void products_of_sketches_are_exact(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++)
        for (int32_t count = 1; row_length(i) <= 512 && count <= 9;
             count++) /* longer queries have fewer bits */
            check_sketches(count, row_length(i), count % 3 * 6);
}

/* A value of the type: often one of its ends. */
static int32_t byte_value(fg_dtype dtype, uint64_t stream, int32_t i)
{
    const int32_t low = dtype == FG_U8 ? 0 : -128;
    const int32_t random = (int32_t)(fgi_random_u64(31, stream, (uint64_t)i) % 1024);
    return random < 256 ? low + random : random % 2 * 255 + low;
}

/* Sums of whole numbers below 2^24, and of some halves, are exact in f32: so they must be the same whatever computes
 * them. `other` takes the place of the query's last element, unless it is NaN. */
static void check_bytes(fg_dtype dtype, int32_t count, int32_t d, float other)
{
    enum { MOST = 6 };
    float *query = floats_at_end(0, d), l2[MOST], ip[MOST];
    uint8_t *rows = at_end(1, count * (int64_t)d, 0);
    for (int32_t i = 0; i < d; i++) query[i] = (float)byte_value(dtype, (uint64_t)d, i);
    if (!isnan(other)) query[d - 1] = other;
    for (int32_t i = 0; i < count * d; i++)
        rows[i] = (uint8_t)byte_value(dtype, (uint64_t)(1000 + d), i);
    table->scan_l2[dtype](query, rows, NULL, count, d, l2);
    table->scan_ip[dtype](query, rows, NULL, count, d, ip);
    for (int32_t r = 0; r < count; r++) {
        double squares = 0, product = 0;
        for (int32_t i = 0; i < d; i++) {
            const uint8_t byte = rows[r * d + i];
            const double value = dtype == FG_U8 ? byte : (int8_t)byte;
            squares += (query[i] - value) * (query[i] - value);
            product += query[i] * value;
        }
        assert_same_bits("scan_l2 of bytes", d, l2[r], (float)squares);
        assert_same_bits("scan_ip of bytes", d, ip[r] + 0.0f, (float)product + 0.0f);
    }
}

static void scans_of_bytes_are_exact(void **state)
{
    (void)state;
    static const int32_t ends[] = {127, 128, 129, 255, 256, 257, 258};
    static const float others[] = {-0.0f, 0.5f, -1, 127, 128, -128, -129, 255, 256, 0x1p10f};
    for (int signs = 0; signs < 2; signs++) {
        const fg_dtype dtype = signs ? FG_I8 : FG_U8;
        for (int32_t count = 1; count <= 6; count++) {
            for (int32_t d = 1; d <= 70; d++) check_bytes(dtype, count, d, NAN);
            for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
                check_bytes(dtype, count, ends[i], NAN);
            for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                check_bytes(dtype, count, 40, others[i]);
        }
    }
}

static void scans_of_bytes_carry_what_is_not_finite(void **state)
{
    (void)state;
    uint8_t row[40] = {1, 2, 3, 4};
    for (int32_t d = 1; d <= 40; d++) {
        float *query = floats_at_end(0, d), out;
        for (int32_t i = 0; i < d; i++) query[i] = (float)i;
        query[d - 1] = NAN;
        table->scan_l2[FG_U8](query, row, NULL, 1, d, &out);
        assert_true(isnan(out));
        table->scan_ip[FG_I8](query, row, NULL, 1, d, &out);
        assert_true(isnan(out));
        query[d - 1] = -INFINITY;
        table->scan_l2[FG_I8](query, row, NULL, 1, d, &out);
        assert_true(out == INFINITY);
    }
}

static void distances_carry_what_is_not_finite(void **state)
{
    (void)state;
    for (int32_t d = 1; d <= SHORT_ROWS; d++) {
        float *query = random_floats_at_end(0, d), *row = random_floats_at_end(1, d), out;
        row[d - 1] = NAN;
        table->scan_l2[FG_F32](query, row, NULL, 1, d, &out);
        assert_true(isnan(out));
        row[d - 1] = INFINITY;
        table->scan_l2[FG_F32](query, row, NULL, 1, d, &out);
        assert_true(out == INFINITY);
        row[d - 1] = -3e38f;
        table->scan_l2[FG_F32](query, row, NULL, 1, d, &out);
        assert_true(out == INFINITY); /* the square overflows */
    }
}

/* ---- values of candidates */

static void check_evaluate(int32_t count)
{
    enum { TABLE = 13 };
    const double most = 3;
    double offset[TABLE], scale[TABLE];
    for (int32_t j = 0; j < TABLE; j++) {
        offset[j] = most * random_float((uint64_t)j);
        scale[j] = fabsf(random_float((uint64_t)j + TABLE));
    }
    float *distance = floats_at_end(0, count);
    int32_t *index = at_end(1, count * (int64_t)sizeof *index, 0);
    double *value = at_end(2, count * (int64_t)sizeof *value, 0);
    for (int32_t c = 0; c < count; c++) {
        distance[c] = fabsf(random_float((uint64_t)c));
        index[c] = c * 7 % TABLE;
    }
    table->evaluate(distance, index, count, offset, scale, value);
    for (int32_t c = 0; c < count; c++)
        assert_true(value[c] == offset[index[c]] - scale[index[c]] * distance[c]);
}

static void candidates_are_evaluated(void **state)
{
    (void)state;
    for (int32_t count = 0; count <= 2 * SHORT_ROWS; count++) check_evaluate(count);
}

/* ---- shares */

/* One row of these values. */
static void share(const double *value, int32_t count, float *shares, double *most, float *sum)
{
    const int32_t begin[] = {0, count};
    table->shares(&(fgi_shares_args){
        .value = value, .begin = begin, .rows = 1, .share = shares, .most = most, .sum = sum});
}

/* Shares of values of which the largest is 0, at the place `top`: powers of two over their sum. */
static void check_shares(const float *exponents, int32_t count, int32_t top)
{
    enum { MOST = 4096 };
    const double offset = 0.5; /* the difference is rounded once, to the exponent itself */
    static float shares[MOST + 2];
    double *values = at_end(3, (count + 1) * (int64_t)sizeof *values, 0), powers = 0, most;
    float sum;
    for (int32_t c = 0, e = 0; c <= count; c++)
        values[c] = offset + (c == top ? 0 : exponents[e++]);
    fill_canaries(shares, MOST + 2);
    share(values, count + 1, shares, &most, &sum);
    assert_true(most == offset);
    for (int32_t c = 0; c <= count; c++) {
        const double exponent = values[c] - offset;
        const double power = exponent < -126 ? 0 : exp2(exponent);
        assert_near("share", count, shares[c], power / sum, 1.25 * 0x1p-22 * power / sum);
        powers += power;
    }
    assert_near("sum of powers", count, sum, powers, (gamma_bound(count + 1) + 0x1p-22) * powers);
    assert_canaries(shares + count + 1, MOST + 1 - count);
}

/* 2^v = 2^n 2^f with f = v - n exact, so that the error is one of f alone: every f that any v leads to is
 * met with v in [-1, 0], as floats lie the denser the nearer to 0. All of [-1, -1/16] is tried. */
static void powers_keep_their_bound(void **state)
{
    (void)state;
    enum { BLOCK = 4096 };
    float exponents[BLOCK];
    float v = -1;
    while (v < -0.0625f) {
        int32_t count = 0;
        for (; count < BLOCK && v < -0.0625f; v = nextafterf(v, 0)) exponents[count++] = v;
        check_shares(exponents, count, count / 2);
    }
    for (int32_t shift = 0; shift < 60; shift++) { /* nearer to 0, and further away */
        for (int32_t i = 0; i < BLOCK; i++)
            exponents[i] = fmaxf(-127, -0.75f * (1 + fabsf(random_float((uint64_t)i))) *
                                           exp2f((float)(8 - shift)));
        check_shares(exponents, BLOCK, BLOCK);
    }
    for (int32_t count = 0; count <= 3 * SHORT_ROWS; count++)
        for (int32_t top = 0; top <= count; top += 1 + count / 3)
            check_shares(exponents, count, top);
}

static void shares_have_exact_ends(void **state)
{
    (void)state;
    const double ends[] = {0, -0.0, -1, -126, nextafterf(-126, -127), -1e30, -INFINITY};
    const float expected[] = {1, 1, 0.5f, 0x1p-126f, 0, 0, 0};
    float shares[8], sum;
    double most;
    share(ends, 7, shares, &most, &sum);
    assert_true(most == 0 && sum == 2.5f);
    for (int32_t i = 0; i < 7; i++) assert_same_bits("share", i, shares[i], expected[i] / sum);
    for (int32_t count = 1; count <= 2 * SHORT_ROWS; count++) {
        double *same = at_end(0, count * (int64_t)sizeof *same, 0);
        float *value = floats_at_end(1, count);
        for (int32_t c = 0; c < count; c++) same[c] = 1000.125;
        share(same, count, value, &most, &sum);
        assert_true(most == 1000.125 && sum == (float)count);
        for (int32_t c = 0; c < count; c++) assert_true(value[c] == 1 / sum);
    }
}

/* Rows of every length side by side share as each does alone. */
static void rows_share_alone(void **state)
{
    (void)state;
    enum { ROWS = 2 * SHORT_ROWS, PAIRS = ROWS * (ROWS - 1) / 2 };
    static double value[PAIRS], most[ROWS];
    static float shares[PAIRS + 1], alone[PAIRS], sum[ROWS];
    int32_t begin[ROWS + 1] = {0};
    for (int32_t r = 0; r < ROWS; r++) begin[r + 1] = begin[r] + r;
    for (int32_t c = 0; c < PAIRS; c++) value[c] = 40.0 * random_float((uint64_t)c);
    fill_canaries(shares, PAIRS + 1);
    table->shares(&(fgi_shares_args){
        .value = value, .begin = begin, .rows = ROWS, .share = shares, .most = most, .sum = sum});
    assert_true(most[0] == -INFINITY && sum[0] == 0);
    assert_canaries(shares + PAIRS, 1);
    for (int32_t r = 1; r < ROWS; r++) {
        double own_most;
        float own_sum;
        share(value + begin[r], r, alone, &own_most, &own_sum);
        assert_true(own_most == most[r] && own_sum == sum[r]);
        assert_memory_equal(alone, shares + begin[r], (size_t)r * sizeof *alone);
    }
}

/* ---- moments */

static void check_moments(int32_t d, int32_t count, bool squares)
{
    enum { MOST = 6, COMPONENTS = 3 };
    const int32_t ldx = d + 3, ld = d + 1, cells = COMPONENTS * d, row[MOST] = {2, 0, 2, 1, 0, 1};
    const int32_t component[MOST] = {1, 1, 1, 2, 0, 1};
    const float weight[MOST] = {0.3f, 1, 1e-9f, 0.7f, 0, 0.5f};
    float *x = random_floats_at_end(0, 2 * ldx + d);
    const float *means = random_floats_at_end(1, (COMPONENTS - 1) * ld + d);
    double *shift = at_end(2, cells * (int64_t)sizeof *shift, 0);
    double *square = at_end(3, cells * (int64_t)sizeof *square, 0);
    for (int32_t i = 0; i < cells; i++) shift[i] = square[i] = i + 0.25;
    table->add_moments(
        &(fgi_moments_args){.pairs = {.count = count, .row = row, .component = component},
                            .share = weight,
                            .x = x,
                            .means = means,
                            .ldx = ldx,
                            .ld = ld,
                            .d = d,
                            .shift = shift,
                            .square = squares ? square : NULL});
    for (int32_t at = 0; at < cells; at++) {
        const int32_t j = at / d, i = at % d;
        double sum = at + 0.25, sum2 = sum, magnitude = sum;
        for (int32_t c = 0; c < count; c++) {
            if (component[c] != j) continue;
            const float difference = x[row[c] * ldx + i] - means[j * ld + i];
            const double added = (double)weight[c] * difference;
            sum += added;
            magnitude += fabs(added);
            sum2 += squares ? added * difference : 0;
        }
        assert_near("add_moments, shift", d, shift[at], sum, 0x1p-50 * magnitude);
        assert_near("add_moments, square", d, square[at], sum2, 0x1p-50 * sum2);
    }
}

static void moments_are_added(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++)
        for (int32_t form = 0; form < 14; form++) check_moments(row_length(i), form / 2, form % 2);
}

static void a_share_of_nothing_adds_nothing(void **state)
{
    (void)state;
    const float x[] = {NAN}, mean[] = {1}, none[] = {0};
    const int32_t first[] = {0};
    double shift[] = {2}, square[] = {3};
    table->add_moments(&(fgi_moments_args){.pairs = {.count = 1, .row = first, .component = first},
                                           .share = none,
                                           .x = x,
                                           .means = mean,
                                           .ldx = 1,
                                           .ld = 1,
                                           .d = 1,
                                           .shift = shift,
                                           .square = square});
    assert_true(shift[0] == 2 && square[0] == 3);
}

/* ---- squares */

static void check_squares(int32_t d)
{
    enum { ROWS = 3 };
    const int32_t ldx = 2 * d;
    float *x = random_floats_at_end(0, ROWS * (int64_t)ldx), level[ROWS + 1];
    const float *origin = random_floats_at_end(1, d), *unit = random_floats_at_end(2, d);
    float *scale = random_floats_at_end(3, d);
    for (int32_t i = 0; i < d; i++) scale[i] = fabsf(scale[i]);
    fill_canaries(level, ROWS + 1);
    table->squares(&(fgi_squares_args){.x = x,
                                       .ldx = ldx,
                                       .rows = ROWS,
                                       .d = d,
                                       .origin = origin,
                                       .unit = unit,
                                       .scale = scale,
                                       .level = level});
    for (int32_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const double value = random_float((uint64_t)((r * ldx + i) * REGIONS));
            const double square = value * value;
            assert_true(x[r * ldx + i] == (float)value);
            assert_near("squares", d, x[r * ldx + d + i], (square - origin[i]) * unit[i],
                        gamma_bound(3) * (square + fabs(origin[i])) * fabs(unit[i]));
            sum += scale[i] * square;
        }
        assert_near("level", d, level[r], sum, gamma_bound(d + 2) * sum);
    }
    assert_canaries(level + ROWS, 1);
}

static void squares_stand_about_an_origin(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++) check_squares(row_length(i));
}

/* ---- blends */

static void blends_are_sums_of_entries(void **state)
{
    (void)state;
    enum { MOST = 96 };
    for (int32_t count = 16; count <= MOST; count += 16) {
        const float *entries = random_floats_at_end(0, FGI_BLEND_TABLE);
        const float *bias = random_floats_at_end(1, count);
        uint16_t *weight = at_end(2, FGI_BLEND_TERMS * count * (int64_t)sizeof *weight, 0);
        uint8_t *index = at_end(3, FGI_BLEND_TERMS * count, 0);
        for (int32_t i = 0; i < FGI_BLEND_TERMS * count; i++)
            index[i] = (uint8_t)(i * 37 % FGI_BLEND_TABLE);
        for (int32_t i = 0; i < FGI_BLEND_TERMS * count; i++)
            weight[i] = fgi_f16_of_f32(2 * random_float((uint64_t)i));
        const fgi_blend blend = {bias, weight, index, count};
        float out[MOST + 1];
        fill_canaries(out, MOST + 1);
        table->blend(entries, &blend, count, out);
        for (int32_t c = 0; c < count; c++) {
            double sum = bias[c], magnitude = fabs(sum);
            for (int32_t t = 0; t < FGI_BLEND_TERMS; t++) {
                const double term =
                    (double)fgi_f32_of_f16(weight[t * count + c]) * entries[index[t * count + c]];
                sum += term;
                magnitude += fabs(term);
            }
            assert_near("blend", c, out[c], sum, gamma_bound(FGI_BLEND_TERMS + 1) * magnitude);
        }
        assert_canaries(out + count, MOST + 1 - count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squares_stand_about_an_origin),
        cmocka_unit_test(blends_are_sums_of_entries),
        cmocka_unit_test(distances_are_sums_of_squares),
        cmocka_unit_test(scans_are_sums_over_rows),
        cmocka_unit_test(products_of_sketches_are_exact),
        cmocka_unit_test(scans_of_bytes_are_exact),
        cmocka_unit_test(scans_of_bytes_carry_what_is_not_finite),
        cmocka_unit_test(distances_carry_what_is_not_finite),
        cmocka_unit_test(candidates_are_evaluated),
        cmocka_unit_test(powers_keep_their_bound),
        cmocka_unit_test(shares_have_exact_ends),
        cmocka_unit_test(rows_share_alone),
        cmocka_unit_test(moments_are_added),
        cmocka_unit_test(a_share_of_nothing_adds_nothing),
    };
    make_regions();
    int failed = 0;
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
