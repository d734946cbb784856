/* SPDX-License-Identifier: Apache-2.0 */
/* test_reports.c - what a fit is asked and what it tells: options and their defaults, reasons to stop, restarts, reports.
 * Knows the public interface. */
#include "mixtures.h"

#include <math.h> /* fabs */

enum { N = 1200, D = 4, K = 6 };

static fg_context *ctx;
static fg_source *src;
static float *x;

static int make_rows(void **state)
{
    (void)state;
    ctx = context_of(NULL, 2);
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 2.0});
    src = source_of(x, N, D, FG_F32);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    fg_source_destroy(src);
    fg_context_destroy(ctx);
    free(x);
    return 0;
}

/* ---- options */

static void options_resolve_to_their_defaults(void **state)
{
    (void)state;
    const fg_gmm_options in = {.struct_size = sizeof in, .k = 7};
    fg_gmm_options out;
    expect_ok(fg_gmm_options_resolve(&in, 100, 3, &out));
    assert_int_equal(out.k, 7);
    assert_int_equal(out.covariance, FG_COV_DIAG);
    assert_int_equal(out.init, FG_INIT_KMEANS);
    assert_int_equal(out.kmeans_iter, 10);
    assert_int_equal(out.max_iter, 90);
    assert_int_equal(out.restarts, 1);
    assert_true(out.tol == 1e-4);
    assert_true(out.tol_relative == 1e-7);
    assert_true(out.var_floor == 1e-6);
    assert_int_equal(out.sample_rows, 0);
    fg_gmm_options again;
    expect_ok(fg_gmm_options_resolve(&out, 100, 3, &again)); /* what is resolved stays */
    assert_memory_equal(&out, &again, sizeof out);
}

static void what_was_set_is_kept(void **state)
{
    (void)state;
    const fg_gmm_options in = {
        .struct_size = sizeof in,
        .k = 3,
        .covariance = FG_COV_SPHERICAL,
        .init = FG_INIT_RANDOM,
        .kmeans_iter = 4,
        .max_iter = 5,
        .restarts = 6,
        .tol = -1.0,
        .tol_relative = 0.5,
        .var_floor = 1.0,
        .seed = 8,
        .sample_rows = 9,
        .bad_rows = FG_BAD_ROWS_SKIP,
        .normalize = 1,
    };
    fg_gmm_options out;
    expect_ok(fg_gmm_options_resolve(&in, 100, 3, &out));
    assert_memory_equal(&in, &out, sizeof in);
}

static void unusable_options_are_named(void **state)
{
    (void)state;
    const struct {
        fg_gmm_options opt;
        fg_status status;
        const char *text;
    } wrong[] = {
        {{.k = 2, .init = 4}, FG_ARGUMENT, "init is 4; it must be in 0..3"},
        {{.k = 2, .init = -1}, FG_ARGUMENT, "init is -1"},
        {{.k = 2, .kmeans_iter = -1}, FG_ARGUMENT, "kmeans_iter is -1; it must be in 0..1000000"},
        {{.k = 2, .max_iter = -2}, FG_ARGUMENT, "max_iter is -2"},
        {{.k = 2, .restarts = 1001}, FG_ARGUMENT, "restarts is 1001; it must be in 0..1000"},
        {{.k = 2, .tol = NAN}, FG_ARGUMENT, "NaN"},
        {{.k = 2, .tol_relative = NAN}, FG_ARGUMENT, "NaN"},
        {{.k = 2, .var_floor = -1e-9}, FG_ARGUMENT, "var_floor is -1e-09; it must be in 0..1"},
        {{.k = 2, .var_floor = 1.5}, FG_ARGUMENT, "var_floor is 1.5"},
        {{.k = 2, .var_floor = NAN}, FG_ARGUMENT, "var_floor is "},
        {{.k = 2, .sample_rows = -1}, FG_ARGUMENT, "sample_rows is -1"},
        {{.k = 9, .sample_rows = 8}, FG_ARGUMENT, "sample_rows is 8; it must be at least k, 9"},
        {{.k = 2, .bad_rows = 2}, FG_ARGUMENT, "bad_rows is 2; it must be in 0..1"},
        {{.k = 2, .init = FG_INIT_GIVEN}, FG_ARGUMENT, "start is NULL"},
        {{.k = 2, .covariance = FG_COV_FULL}, FG_UNSUPPORTED, "full covariance"},
        {{.k = 2, .covariance = FG_COV_TIED}, FG_UNSUPPORTED, "tied covariance"},
        {{.k = 2, .covariance = 4}, FG_ARGUMENT, "covariance is 4; it must be in 0..3"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fg_gmm_options opt = wrong[i].opt, out;
        fg_gmm *gmm = NULL;
        opt.struct_size = sizeof opt;
        expect_failure(fg_gmm_options_resolve(&opt, N, D, &out), wrong[i].status, wrong[i].text,
                       NULL);
        expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), wrong[i].status, wrong[i].text,
                       NULL);
        assert_null(gmm);
    }
}

static void a_start_must_fit(void **state)
{
    (void)state;
    oracle o = start_at_rows(x, N, D, 2, FG_COV_DIAG);
    fg_gmm *start = gmm_of(&o), *gmm;
    const fg_gmm_options good = {.struct_size = sizeof good, .k = 2, .init = FG_INIT_GIVEN};
    fg_gmm_options opt = good;
    opt.start = start;
    opt.k = 3;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "k is 3",
                   "start has 2 components", NULL);
    opt.k = 2;
    opt.covariance = FG_COV_SPHERICAL;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "covariance is 1", NULL);
    opt.covariance = FG_COV_DIAG;
    opt.normalize = 1;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "normalize is 1", NULL);
    opt.normalize = 0;
    fg_source *narrow = source_of(x, N, D - 1, FG_F32);
    expect_failure(fg_gmm_fit(ctx, narrow, &opt, &gmm, NULL), FG_ARGUMENT, "start has 4 dimensions",
                   "rows have 3", NULL);
    fg_source_destroy(narrow);
    fg_gmm_destroy(start);
    oracle_free(&o);
}

static void missing_arguments_are_named(void **state)
{
    (void)state;
    fg_gmm *gmm;
    fg_gmm_options opt = {.struct_size = sizeof opt, .k = 2};
    fg_fit_report small = {.struct_size = 8};
    expect_failure(fg_gmm_fit(NULL, src, &opt, &gmm, NULL), FG_ARGUMENT, "ctx is NULL", NULL);
    expect_failure(fg_gmm_fit(ctx, NULL, &opt, &gmm, NULL), FG_ARGUMENT, "rows is NULL", NULL);
    expect_failure(fg_gmm_fit(ctx, src, NULL, &gmm, NULL), FG_ARGUMENT, "options is NULL", NULL);
    expect_failure(fg_gmm_fit(ctx, src, &opt, NULL, NULL), FG_ARGUMENT, "out is NULL", NULL);
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, &small), FG_ARGUMENT, "struct_size is 8", NULL);
    opt.struct_size = 0;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "struct_size is 0", NULL);
}

/* ---- reasons to stop */

static void a_fit_stops_at_the_first_rise_within_the_tolerance(void **state)
{
    (void)state;
    static const struct {
        double tol, tol_relative;
    } tolerances[] = {{1e-2, -1}, {1e-5, -1}, {-1, 1e-3}, {-1, 1e-6}, {1e9, -1}};
    for (int i = 0; i < 5; i++) {
        fitted f;
        fit(ctx, src,
            (fg_gmm_options){.k = K,
                             .tol = tolerances[i].tol,
                             .tol_relative = tolerances[i].tol_relative,
                             .max_iter = HISTORY - 1},
            &f);
        assert_int_equal(f.report.stop_reason, FG_STOP_TOL);
        const int last = f.report.iterations;
        for (int t = 1; t <= last; t++) {
            const double rise = f.history[t] - f.history[t - 1];
            const bool small = rise <= tolerances[i].tol ||
                               rise <= tolerances[i].tol_relative * fabs(f.history[t]);
            assert_int_equal(small, t == last);
        }
        if (i == 4) assert_int_equal(last, 1);
        fitted_free(&f);
    }
}

static void a_fit_stops_at_the_maximum(void **state)
{
    (void)state;
    for (int32_t most = 1; most < 4; most++) {
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = K, .max_iter = most, .tol = -1, .tol_relative = -1},
            &f);
        assert_int_equal(f.report.stop_reason, FG_STOP_MAX_ITER);
        assert_int_equal(f.report.iterations, most);
        assert_int_equal(f.report.history_count, most + 1);
        fitted_free(&f);
    }
}

/* ---- reports */

static void check_report(const fitted *f)
{
    const fg_fit_report *r = &f->report;
    fg_gmm_info info = {.struct_size = sizeof info};
    double score;
    expect_ok(fg_gmm_get_info(f->gmm, &info));
    expect_ok(fg_gmm_score(ctx, f->gmm, src, NULL, &score));
    assert_int_equal(r->history_count, r->iterations + 1);
    assert_true(r->objective == r->history[r->iterations]);
    assert_true(fabs(score - r->objective) <= 1e-13 * fabs(score)); /* other order of f64 sums */
    assert_int_equal(r->rows, N);
    assert_int_equal(r->rows_skipped, 0);
    assert_int_equal(r->revived + r->dead + r->floored, 0);
    assert_true(r->dropped >= 0.0 && r->dropped <= 0x1p-26);
    assert_true(r->seconds_init > 0.0 && r->seconds_init <= r->seconds);
    assert_true(r->peak_workspace_bytes > K * D * sizeof(double));
    assert_int_equal(info.components, K);
    assert_int_equal(info.dims, D);
    assert_int_equal(info.normalize, 0);
    assert_int_equal(info.rows, N);
    assert_int_equal(info.iterations, r->iterations);
    assert_int_equal(info.stop_reason, r->stop_reason);
    assert_true(info.log_likelihood == r->objective);
    const int variances = info.covariance == FG_COV_SPHERICAL ? 1 : D;
    assert_int_equal(info.parameters, K - 1 + K * (D + variances));
}

static void report_and_model_say_the_same(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = K, .covariance = both_kinds[c]}, &f);
        check_report(&f);
        fitted_free(&f);
    }
}

static void history_is_cut_to_the_room_that_is_lent(void **state)
{
    (void)state;
    double history[3] = {0, 0, -77};
    const fg_gmm_options opt = {.struct_size = sizeof opt, .k = K, .max_iter = 5, .tol = -1};
    fg_fit_report report = {
        .struct_size = sizeof report, .history = history, .history_capacity = 2};
    fg_gmm *gmm;
    expect_ok(fg_gmm_fit(ctx, src, &opt, &gmm, &report));
    fg_gmm_destroy(gmm);
    assert_int_equal(report.history_count, 2);
    assert_true(history[0] < 0.0 && history[1] >= history[0] && history[2] == -77);
    report = (fg_fit_report){.struct_size = sizeof report};
    expect_ok(fg_gmm_fit(ctx, src, &opt, &gmm, &report));
    fg_gmm_destroy(gmm);
    assert_int_equal(report.history_count, 0);
    assert_true(report.iterations > 0);
}

static void the_best_of_all_restarts_is_kept(void **state)
{
    (void)state;
    enum { RESTARTS = 4 };
    fg_gmm_options opt = {.k = K, .init = FG_INIT_RANDOM, .seed = 40, .max_iter = 8, .tol = -1};
    fitted alone[RESTARTS], all;
    int best = 0;
    for (int i = 0; i < RESTARTS;
         i++, opt.seed++) { /* restart i is the fit with the i-th next seed */
        fit(ctx, src, opt, &alone[i]);
        if (alone[i].report.objective > alone[best].report.objective) best = i;
    }
    opt.seed = 40;
    opt.restarts = RESTARTS;
    fit(ctx, src, opt, &all);
    assert_int_equal(all.report.restart, best);
    assert_true(best > 0 || alone[1].report.objective != alone[0].report.objective);
    oracle a = oracle_of(all.gmm), b = oracle_of(alone[best].gmm);
    assert_true(oracle_distance(&a, &b) == 0.0);
    assert_memory_equal(all.history, alone[best].history, sizeof all.history);
    oracle_free(&a);
    oracle_free(&b);
    for (int i = 0; i < RESTARTS; i++) fitted_free(&alone[i]);
    fitted_free(&all);
}

static void a_sample_of_the_rows_can_be_enough(void **state)
{
    (void)state;
    fitted f;
    fit(ctx, src, (fg_gmm_options){.k = K, .sample_rows = 700}, &f);
    assert_int_equal(f.report.rows, 700);
    double score;
    expect_ok(fg_gmm_score(ctx, f.gmm, src, NULL, &score));
    assert_true(fabs(score - f.report.objective) < 0.5); /* of other rows, but of the same kind */
    assert_true(score != f.report.objective);
    fitted_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_resolve_to_their_defaults),
        cmocka_unit_test(what_was_set_is_kept),
        cmocka_unit_test(unusable_options_are_named),
        cmocka_unit_test(a_start_must_fit),
        cmocka_unit_test(missing_arguments_are_named),
        cmocka_unit_test(a_fit_stops_at_the_first_rise_within_the_tolerance),
        cmocka_unit_test(a_fit_stops_at_the_maximum),
        cmocka_unit_test(report_and_model_say_the_same),
        cmocka_unit_test(history_is_cut_to_the_room_that_is_lent),
        cmocka_unit_test(the_best_of_all_restarts_is_kept),
        cmocka_unit_test(a_sample_of_the_rows_can_be_enough),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
