/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernels_rows.c - distances, scans, powers and moments: every instruction set this CPU has, ref included,
 * against the formulas in f64. Knows kernels.h alone; kernel_case.h derives the bounds. */
#include "kernel_case.h"

#define FGI_X(NAME, name) FG_##NAME,
static const fg_dtype scan_types[] = {FGI_SCAN_DTYPES(FGI_X)};
#undef FGI_X

/* ---- distances and scans */

static void check_sqdist(int32_t count, int32_t d, int32_t gap)
{
    enum { MEANS = 11, MOST = 9 };
    const int32_t ld = d + gap;
    const float *x = random_floats_at_end(0, d);
    const float *means = random_floats_at_end(1, (MEANS - 1) * (int64_t)ld + d);
    float *scale = random_floats_at_end(2, (MEANS - 1) * (int64_t)ld + d);
    int32_t *index = at_end(3, count * (int64_t)sizeof *index, 0);
    float out[MOST + 1], scaled[MOST + 1];
    for (int64_t i = 0; i < (MEANS - 1) * (int64_t)ld + d; i++) scale[i] = fabsf(scale[i]);
    for (int32_t c = 0; c < count; c++) index[c] = (c * 7 + d) % MEANS;
    fill_canaries(out, MOST + 1);
    fill_canaries(scaled, MOST + 1);
    table->sqdist(x, means, ld, d, index, count, out);
    table->sqdist_scaled(x, means, scale, ld, d, index, count, scaled);
    for (int32_t c = 0; c < count; c++) {
        double sum = 0, scaled_sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const double difference = (double)x[i] - means[index[c] * ld + i];
            sum += difference * difference;
            scaled_sum += scale[index[c] * ld + i] * difference * difference;
        }
        assert_near("sqdist", d, out[c], sum, gamma_bound(d + 2) * sum);
        assert_near("sqdist_scaled", d, scaled[c], scaled_sum, gamma_bound(d + 3) * scaled_sum);
        float scanned;
        table->scan_l2[FG_F32](x, means + index[c] * ld, NULL, 1, d, &scanned);
        assert_same_bits("sqdist and scan_l2", d, out[c], scanned);
    }
    assert_canaries(out + count, MOST + 1 - count);
    assert_canaries(scaled + count, MOST + 1 - count);
}

static void distances_are_sums_of_squares(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++)
        for (int32_t count = 0; count <= 9; count++) check_sqdist(count, row_length(i), count % 3);
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
        distance[c] = fabsf(random_float((uint64_t)(c % 5)));
        index[c] = c * 7 % 5; /* values repeat: the first of equals counts */
    }
    const int32_t best = table->evaluate(distance, index, count, offset, scale, value);
    for (int32_t c = 0; c < count; c++) {
        assert_true(value[c] == offset[index[c]] - scale[index[c]] * distance[c]);
        assert_true(c < best ? value[c] < value[best] : value[c] <= value[best]);
    }
    for (int32_t c = 0; c < count; c++) distance[c] = INFINITY;
    assert_int_equal(table->evaluate(distance, index, count, offset, scale, value), 0);
}

static void candidates_are_evaluated(void **state)
{
    (void)state;
    for (int32_t count = 1; count <= 2 * SHORT_ROWS; count++) check_evaluate(count);
}

/* ---- powers of two */

static void check_exp2(const float *exponents, int32_t count)
{
    enum { MOST = 4096 };
    const double most = 0.5; /* the difference is rounded once, to the exponent itself */
    float value[MOST + 1];
    double sum = 0;
    double *values = at_end(3, count * (int64_t)sizeof *values, 0);
    for (int32_t c = 0; c < count; c++) values[c] = exponents[c] + most;
    fill_canaries(value, MOST + 1);
    const float returned = table->exp2_sum(values, most, count, value);
    for (int32_t c = 0; c < count; c++) {
        const double expected = exponents[c] < -126 ? 0 : exp2(exponents[c]);
        if (!(fabs(value[c] - expected) <= 0x1p-22 * expected))
            fail_msg("%s: 2^%.9g is %.9g, not %.9g", table->isa, exponents[c], value[c], expected);
        sum += value[c];
    }
    assert_near("exp2_sum", count, returned, sum, gamma_bound(count) * sum);
    assert_canaries(value + count, MOST + 1 - count);
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
        check_exp2(exponents, count);
    }
    for (int32_t shift = 0; shift < 60; shift++) { /* nearer to 0, and further away */
        for (int32_t i = 0; i < BLOCK; i++)
            exponents[i] = fmaxf(-127, -0.75f * (1 + fabsf(random_float((uint64_t)i))) *
                                           exp2f((float)(8 - shift)));
        check_exp2(exponents, BLOCK);
    }
}

static void powers_have_exact_ends(void **state)
{
    (void)state;
    const double ends[] = {0, -0.0, -1, -126, nextafterf(-126, -127), -1e30, -INFINITY};
    float powers[7];
    table->exp2_sum(ends, 0, 7, powers);
    const float expected[] = {1, 1, 0.5f, 0x1p-126f, 0, 0, 0};
    for (int32_t i = 0; i < 7; i++) assert_same_bits("exp2_sum", i, powers[i], expected[i]);
    for (int32_t count = 0; count <= SHORT_ROWS; count++) {
        double *same = at_end(0, count * (int64_t)sizeof *same, 0);
        float *value = floats_at_end(1, count);
        for (int32_t c = 0; c < count; c++) same[c] = 1000.125;
        assert_true(table->exp2_sum(same, 1000.125, count, value) == (float)count);
        for (int32_t c = 0; c < count; c++) value[c] = -3 * fabsf(random_float((uint64_t)c));
        check_exp2(value, count);
    }
}

/* ---- moments */

static void check_moments(int32_t d, int32_t count, bool squares)
{
    enum { MOST = 4 };
    const int32_t ldx = d + 3, row[MOST] = {2, 0, 2, 1};
    const float weight[MOST] = {0.3f, 1, 1e-9f, 0.7f};
    const float *x = random_floats_at_end(0, 2 * ldx + d), *mean = random_floats_at_end(1, d);
    double *shift = at_end(2, d * (int64_t)sizeof *shift, 0);
    double *square = at_end(3, d * (int64_t)sizeof *square, 0);
    for (int32_t i = 0; i < d; i++) shift[i] = square[i] = i + 0.25;
    table->add_moments(&(fgi_moments_args){.x = x,
                                           .ldx = ldx,
                                           .d = d,
                                           .count = count,
                                           .row = row,
                                           .weight = weight,
                                           .mean = mean,
                                           .shift = shift,
                                           .square = squares ? square : NULL});
    for (int32_t i = 0; i < d; i++) {
        double sum = i + 0.25, sum2 = sum, magnitude = sum;
        for (int32_t c = 0; c < count; c++) {
            const float difference = x[row[c] * ldx + i] - mean[i];
            const double added = (double)weight[c] * difference;
            sum += added;
            magnitude += fabs(added);
            sum2 += squares ? added * difference : 0;
        }
        assert_near("add_moments, shift", d, shift[i], sum, 0x1p-50 * magnitude);
        assert_near("add_moments, square", d, square[i], sum2, 0x1p-50 * sum2);
    }
}

static void moments_are_added(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++)
        for (int32_t form = 0; form < 10; form++) check_moments(row_length(i), form / 2, form % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_sums_of_squares),
        cmocka_unit_test(scans_are_sums_over_rows),
        cmocka_unit_test(distances_carry_what_is_not_finite),
        cmocka_unit_test(candidates_are_evaluated),
        cmocka_unit_test(powers_keep_their_bound),
        cmocka_unit_test(powers_have_exact_ends),
        cmocka_unit_test(moments_are_added),
    };
    make_regions();
    int failed = 0;
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
