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

/* ---- powers of two */

static void check_exp2(const float *exponents, int32_t count)
{
    enum { MOST = 4096 };
    float value[MOST + 1];
    double sum = 0;
    fill_canaries(value, MOST + 1);
    memcpy(value, exponents, (size_t)count * sizeof *value);
    const float returned = table->exp2_sum(value, count);
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
    float ends[] = {0, -0.0f, -1, -126, nextafterf(-126, -127), -1e30f, -INFINITY};
    table->exp2_sum(ends, 7);
    const float expected[] = {1, 1, 0.5f, 0x1p-126f, 0, 0, 0};
    for (int32_t i = 0; i < 7; i++) assert_same_bits("exp2_sum", i, ends[i], expected[i]);
    for (int32_t count = 0; count <= SHORT_ROWS; count++) {
        float *value = floats_at_end(0, count);
        for (int32_t c = 0; c < count; c++) value[c] = 0;
        assert_true(table->exp2_sum(value, count) == (float)count);
        for (int32_t c = 0; c < count; c++) value[c] = -3 * fabsf(random_float((uint64_t)c));
        check_exp2(value, count);
    }
}

/* ---- moments */

static void check_moments(int32_t d)
{
    double shift[LONGEST_ROW + 1], square[LONGEST_ROW + 1], shift_alone[LONGEST_ROW + 1];
    const float *x = random_floats_at_end(0, d), *mean = random_floats_at_end(1, d);
    const double r = 0.3;
    for (int32_t i = 0; i <= d; i++) shift[i] = shift_alone[i] = square[i] = i + 0.25;
    table->add_shift(shift_alone, x, mean, d, r);
    table->add_moments(shift, square, x, mean, d, r);
    for (int32_t i = 0; i < d; i++) {
        const float difference = x[i] - mean[i];
        const double added = r * difference, added2 = r * difference * difference, old = i + 0.25;
        const double bound = 0x1p-51 * (old + fabs(added)), bound2 = 0x1p-51 * (old + added2);
        assert_near("add_shift", d, shift_alone[i], old + added, bound);
        assert_near("add_moments, shift", d, shift[i], old + added, bound);
        assert_near("add_moments, square", d, square[i], old + added2, bound2);
    }
    assert_true(shift_alone[d] == d + 0.25 && shift[d] == d + 0.25 && square[d] == d + 0.25);
}

static void moments_are_added(void **state)
{
    (void)state;
    for (int32_t i = 0; i < ROW_LENGTHS; i++) check_moments(row_length(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_sums_of_squares),
        cmocka_unit_test(scans_are_sums_over_rows),
        cmocka_unit_test(distances_carry_what_is_not_finite),
        cmocka_unit_test(powers_keep_their_bound),
        cmocka_unit_test(powers_have_exact_ends),
        cmocka_unit_test(moments_are_added),
    };
    make_regions();
    int failed = 0;
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
