/* SPDX-License-Identifier: Apache-2.0 */
/* test_stats.c - parameters and statistics of every kind: their shapes, copying, merging. */
#include "scratch.h"

#include "stats.h"

enum { K = 3, D = 5 };

static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};

static void parameters_are_copied_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        fgi_ledger ledger = {0};
        fgi_params a, b;
        const int32_t variances = K * fgi_variance_cols(kinds[i], D);
        expect_ok(fgi_params_create(&ledger, kinds[i], K, D, &a));
        expect_ok(fgi_params_create(&ledger, kinds[i], K, D, &b));
        a.normalize = true;
        for (int32_t j = 0; j < K; j++) a.log_weights[j] = 1 + j;
        for (int32_t j = 0; j < K * D; j++) a.means[j] = 100 + j;
        for (int32_t j = 0; j < variances; j++) a.variances[j] = 200 + j;
        for (int32_t j = 0; j < D; j++) a.center[j] = (float)(300 + j);
        fgi_params_copy(&b, &a);
        assert_true(b.normalize && b.kind == kinds[i] && b.k == K && b.d == D);
        for (int32_t j = 0; j < K; j++) assert_true(b.log_weights[j] == 1 + j);
        for (int32_t j = 0; j < K * D; j++) assert_true(b.means[j] == 100 + j);
        for (int32_t j = 0; j < variances; j++) assert_true(b.variances[j] == 200 + j);
        for (int32_t j = 0; j < D; j++) assert_true(b.center[j] == (float)(300 + j));
        fgi_params_destroy(&a);
        fgi_params_destroy(&b);
        assert_int_equal(ledger.now_bytes, 0);
    }
}

static void fill(fgi_stats *s, double value, int64_t bad_row)
{
    const int32_t squares = s->kind == FGI_DIAGONAL ? K * D : K;
    for (int32_t j = 0; j < K; j++) s->mass[j] = value;
    for (int32_t j = 0; j < K * D; j++) s->shift[j] = 2 * value;
    for (int32_t j = 0; j < squares; j++) s->square[j] = 3 * value;
    s->objective = 4 * value;
    s->dropped = 5 * value;
    s->rows = 6 * (int64_t)value;
    s->rows_skipped = 7 * (int64_t)value;
    s->survivors = 8 * (int64_t)value;
    s->first_bad_row = bad_row;
}

static void expect_filled(const fgi_stats *s, double value, int64_t bad_row)
{
    const int32_t squares = s->kind == FGI_DIAGONAL ? K * D : K;
    for (int32_t j = 0; j < K; j++) assert_true(s->mass[j] == value);
    for (int32_t j = 0; j < K * D; j++) assert_true(s->shift[j] == 2 * value);
    for (int32_t j = 0; j < squares; j++) assert_true(s->square[j] == 3 * value);
    assert_true(s->objective == 4 * value && s->dropped == 5 * value);
    assert_int_equal(s->rows, 6 * (int64_t)value);
    assert_int_equal(s->rows_skipped, 7 * (int64_t)value);
    assert_int_equal(s->survivors, 8 * (int64_t)value);
    assert_int_equal(s->first_bad_row, bad_row);
}

static void statistics_add_up(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        fgi_ledger ledger = {0};
        fgi_stats a, b;
        expect_ok(fgi_stats_create(&ledger, kinds[i], K, D, &a));
        expect_ok(fgi_stats_create(&ledger, kinds[i], K, D, &b));
        expect_filled(&a, 0, -1);
        fill(&a, 1, -1);
        fill(&b, 10, 50);
        fgi_stats_merge(&a, &b);
        expect_filled(&a, 11, 50);
        fill(&b, 100, 40);
        fgi_stats_merge(&a, &b);
        expect_filled(&a, 111, 40);
        fill(&b, 1000, 60);
        fgi_stats_merge(&a, &b);
        expect_filled(&a, 1111, 40);
        fill(&b, 10000, -1);
        fgi_stats_merge(&a, &b);
        expect_filled(&a, 11111, 40);
        fgi_stats_clear(&a);
        expect_filled(&a, 0, -1);
        fgi_stats_destroy(&a);
        fgi_stats_destroy(&b);
        assert_int_equal(ledger.now_bytes, 0);
    }
}

static void too_large_shapes_are_refused(void **state)
{
    (void)state;
    fgi_params params;
    fgi_stats stats;
    expect_failure(fgi_params_create(NULL, FGI_DIAGONAL, INT32_MAX, INT32_MAX, &params), FG_MEMORY,
                   "more than this machine can address", NULL);
    expect_failure(fgi_stats_create(NULL, FGI_DIAGONAL, INT32_MAX, INT32_MAX, &stats), FG_MEMORY,
                   "more than this machine can address", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_copied_whole),
        cmocka_unit_test(statistics_add_up),
        cmocka_unit_test(too_large_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
