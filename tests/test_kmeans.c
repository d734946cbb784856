/* SPDX-License-Identifier: Apache-2.0 */
/* test_kmeans.c - Lloyd's iteration and the nearest centroids, against plain loops. Knows the public interface. */
#include "mixtures.h"

#include <math.h> /* fabs */

enum { N = 1500, D = 9, K = 12 };

static fg_source *src;
static float *x;
static double *wide;
static oracle_rows rows;

static int make_rows(void **state)
{
    (void)state;
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 15, .spread = 2.0});
    wide = widened(x, N * D);
    rows = (oracle_rows){.x = wide, .n = N, .d = D};
    src = source_of(x, N, D, FG_F32);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    fg_source_destroy(src);
    free(wide);
    free(x);
    return 0;
}

/* Runs a test with every set of kernels that this CPU has. */
static void with_every_isa(void (*test)(fg_context *ctx))
{
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *ctx = context_of(every_isa[isa], 2);
        if (ctx) test(ctx);
        fg_context_destroy(ctx);
    }
}

/* ---- the iteration */

/* The rounding of rows and centroids about the center is below 2^-24 of 40, the largest coordinate difference; means of
 * many rows average it. A distance of 9 such terms is off by at most 2^-19 of itself. */
static const double coordinate_error = 40 * 0x1p-24, distance_error = 0x1p-19;

/* From the same start, each number of iterations leads to the same centroids, and the history is the mean squared
 * distance before each. (No row of this set lies within rounding of the middle between two centroids, or a label could
 * differ, and the test would say so.) */
static void check_lloyd(fg_context *ctx)
{
    enum { MOST = 6 };
    double truth[K * D], start[K * D], history[MOST], got[K * D];
    int32_t labels[N];
    for (int i = 0; i < K * D; i++) start[i] = truth[i] = wide[i / D * 100 * D + i % D];
    const fg_view given = view_of(start, K, D, FG_F64);
    const fg_out out = out_of(got, K, D, FG_F64);
    fg_kmeans_options opt = {
        .struct_size = sizeof opt, .k = K, .init = FG_INIT_GIVEN, .start = &given, .tol = -1};
    double expected[MOST];
    for (opt.max_iter = 1; opt.max_iter <= MOST; opt.max_iter++) {
        fg_fit_report report = {
            .struct_size = sizeof report, .history = history, .history_capacity = MOST};
        expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
        const int last = opt.max_iter - 1;
        expected[last] = oracle_lloyd(truth, K, &rows, labels);
        assert_int_equal(report.iterations, opt.max_iter);
        assert_int_equal(report.history_count, opt.max_iter);
        for (int t = 0; t <= last; t++)
            assert_true(fabs(history[t] / expected[t] - 1.0) < distance_error);
        for (int i = 0; i < K * D; i++) assert_true(fabs(got[i] - truth[i]) < coordinate_error);
        double moved = 0.0; /* the report's objective: these labels, the centroids moved */
        for (int n = 0; n < N; n++)
            moved += oracle_sqdist(wide + n * D, truth + labels[n] * D, D) / N;
        assert_true(fabs(report.objective / moved - 1.0) < distance_error);
    }
}

static void lloyd_agrees_with_plain_loops(void **state)
{
    (void)state;
    with_every_isa(check_lloyd);
}

static void it_stops_when_nothing_moves(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    float got[K * D];
    int32_t labels[N];
    const fg_out out = out_of(got, K, D, FG_F32), label = out_of(labels, N, 1, FG_I32);
    const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = K, .max_iter = 500, .tol = -1};
    double history[500];
    fg_fit_report report = {
        .struct_size = sizeof report, .history = history, .history_capacity = 500};
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_int_equal(report.stop_reason, FG_STOP_STEADY);
    assert_true(report.iterations < 500);
    for (int t = 1; t < report.iterations; t++)
        assert_true(history[t] <= history[t - 1] * (1.0 + distance_error));
    /* a fixed point: every centroid is the mean of the rows that are nearest to it */
    const fg_view centroids = view_of(got, K, D, FG_F32);
    expect_ok(fg_kmeans_assign(ctx, &centroids, src, &label, NULL));
    double *now = widened(got, K * D);
    oracle_lloyd(now, K, &rows, labels);
    for (int i = 0; i < K * D; i++) assert_true(fabs(now[i] - got[i]) < coordinate_error);
    free(now);
    fg_context_destroy(ctx);
}

static void it_stops_within_the_tolerance(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    float got[K * D];
    double history[100];
    const fg_out out = out_of(got, K, D, FG_F32);
    const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = K, .max_iter = 100, .tol = 0.01};
    fg_fit_report report = {
        .struct_size = sizeof report, .history = history, .history_capacity = 100};
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_int_equal(report.stop_reason, FG_STOP_TOL);
    for (int t = 1; t < report.iterations; t++) {
        const bool small = history[t - 1] - history[t] <= 0.01 * history[t - 1];
        assert_int_equal(small, t == report.iterations - 1);
    }
    fg_context_destroy(ctx);
}

static void the_best_of_all_restarts_is_kept(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    float got[2][K * D];
    fg_kmeans_options opt = {.struct_size = sizeof opt, .k = K, .init = FG_INIT_RANDOM};
    double least = INFINITY;
    int32_t best = 0;
    for (int32_t i = 0; i < 4; i++) {
        const fg_out out = out_of(got[0], K, D, FG_F32);
        fg_fit_report report = {.struct_size = sizeof report};
        opt.seed = 10 + (uint64_t)i;
        expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
        if (report.objective >= least) continue;
        least = report.objective;
        best = i;
        memcpy(got[1], got[0], sizeof got[0]);
    }
    const fg_out out = out_of(got[0], K, D, FG_F32);
    fg_fit_report report = {.struct_size = sizeof report};
    opt.seed = 10;
    opt.restarts = 4;
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_int_equal(report.restart, best);
    assert_true(report.objective == least);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    fg_context_destroy(ctx);
}

/* Far apart, each blob gets a seed: a row of a blob that has one is drawn with a chance of 1 in 1000. */
static void plusplus_finds_what_is_far_apart(void **state)
{
    (void)state;
    enum { FAR = 10 };
    fg_context *ctx = context_of(NULL, 2);
    float *apart = blob_rows(&(blobs){.n = N, .d = D, .blobs = FAR, .spread = 100.0});
    fg_source *from = source_of(apart, N, D, FG_F32);
    for (uint64_t seed = 0; seed < 10; seed++) {
        float got[FAR * D];
        const fg_out out = out_of(got, FAR, D, FG_F32);
        const fg_kmeans_options opt = {
            .struct_size = sizeof opt, .k = FAR, .max_iter = 1, .seed = seed};
        fg_fit_report report = {.struct_size = sizeof report};
        expect_ok(fg_kmeans_fit(ctx, from, &opt, &out, &report));
        assert_true(report.objective < 1.1 * D); /* the variance within */
    }
    fg_source_destroy(from);
    free(apart);
    fg_context_destroy(ctx);
}

/* ---- odd shapes */

/* Of two centroids at one place, the first takes the rows. */
static void of_equal_centroids_the_first_takes_the_rows(void **state)
{
    (void)state;
    static const float line[] = {0, 1}, start[] = {5, 5};
    fg_context *ctx = context_of(NULL, 1);
    fg_source *two = source_of(line, 2, 1, FG_F32);
    float got[2];
    const fg_view given = view_of(start, 2, 1, FG_F32);
    const fg_out out = out_of(got, 2, 1, FG_F32);
    const fg_kmeans_options opt = {
        .struct_size = sizeof opt, .k = 2, .init = FG_INIT_GIVEN, .start = &given, .max_iter = 1};
    fg_fit_report report = {.struct_size = sizeof report};
    expect_ok(fg_kmeans_fit(ctx, two, &opt, &out, &report));
    assert_true(got[0] == 0.5f && got[1] == 5.0f);
    assert_int_equal(report.dead, 1);
    fg_source_destroy(two);
    fg_context_destroy(ctx);
}

/* A centroid that no row is nearest to takes over half of the cluster with the largest error. */
static void an_empty_cluster_is_given_rows(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    double start[K * D], got[K * D];
    for (int i = 0; i < K * D; i++) start[i] = i < D ? 1e5 : wide[i / D * 100 * D + i % D];
    const fg_view given = view_of(start, K, D, FG_F64), centroids = view_of(got, K, D, FG_F64);
    const fg_out out = out_of(got, K, D, FG_F64);
    const fg_kmeans_options opt = {
        .struct_size = sizeof opt, .k = K, .init = FG_INIT_GIVEN, .start = &given};
    fg_fit_report report = {.struct_size = sizeof report};
    int32_t labels[N], counts[K] = {0};
    const fg_out label = out_of(labels, N, 1, FG_I32);
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_int_equal(report.revived, 1);
    assert_int_equal(report.dead, 0);
    expect_ok(fg_kmeans_assign(ctx, &centroids, src, &label, NULL));
    for (int n = 0; n < N; n++) counts[labels[n]]++;
    for (int j = 0; j < K; j++) assert_true(counts[j] > 0);
    fg_context_destroy(ctx);
}

static void as_many_centroids_as_rows(void **state)
{
    (void)state;
    enum { FEW = 40 };
    fg_context *ctx = context_of(NULL, 2);
    fg_source *few = source_of(x, FEW, D, FG_F32);
    for (int32_t init = FG_INIT_KMEANS; init <= FG_INIT_RANDOM; init++) {
        double got[FEW * D];
        bool taken[FEW] = {false};
        const fg_out out = out_of(got, FEW, D, FG_F64);
        const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = FEW, .init = init};
        fg_fit_report report = {.struct_size = sizeof report};
        expect_ok(fg_kmeans_fit(ctx, few, &opt, &out, &report));
        assert_true(report.objective == 0.0);
        assert_int_equal(report.dead, 0);
        for (int n = 0; n < FEW; n++) { /* each row is a centroid of its own */
            const int32_t j = oracle_nearest(got, FEW, D, wide + n * D);
            assert_true(oracle_sqdist(got + j * D, wide + n * D, D) < D * 1e-11);
            assert_false(taken[j]);
            taken[j] = true;
        }
    }
    fg_source_destroy(few);
    fg_context_destroy(ctx);
}

/* Normalised, centroids are means of directions: those of the rows scaled to length 1. */
static void normalised_rows_are_clustered_by_direction(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    double *unit = widened(x, N * D), start[K * D], got[K * D];
    int32_t labels[N];
    for (int n = 0; n < N; n++) {
        double length2 = 0.0;
        for (int i = 0; i < D; i++) length2 += unit[n * D + i] * unit[n * D + i];
        for (int i = 0; i < D; i++) unit[n * D + i] /= sqrt(length2);
    }
    for (int i = 0; i < K * D; i++) start[i] = unit[i / D * 100 * D + i % D];
    const fg_view given = view_of(start, K, D, FG_F64);
    const fg_out out = out_of(got, K, D, FG_F64);
    const fg_kmeans_options opt = {.struct_size = sizeof opt,
                                   .k = K,
                                   .init = FG_INIT_GIVEN,
                                   .start = &given,
                                   .max_iter = 1,
                                   .normalize = 1};
    const oracle_rows directions = {.x = unit, .n = N, .d = D};
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, NULL));
    oracle_lloyd(start, K, &directions, labels);
    for (int i = 0; i < K * D; i++) assert_true(fabs(got[i] - start[i]) < 2 * 0x1p-24);
    free(unit);
    fg_context_destroy(ctx);
}

/* ---- the nearest */

static void check_nearest(fg_context *ctx)
{
    double centroids[K * D];
    for (int i = 0; i < K * D; i++) centroids[i] = wide[i / D * 90 * D + i % D] + 0.25;
    const fg_view view = view_of(centroids, K, D, FG_F64);
    for (int32_t m = 1; m <= K; m += m < 3 ? 1 : 3) {
        int32_t *labels = malloc((size_t)(N * m) * sizeof *labels);
        float *sqdist = malloc((size_t)(N * m) * sizeof *sqdist);
        const fg_out label = out_of(labels, N, m, FG_I32), distance = out_of(sqdist, N, m, FG_F32);
        expect_ok(fg_kmeans_assign(ctx, &view, src, &label, &distance));
        for (int n = 0; n < N; n++) {
            bool told[K] = {false};
            double last = 0.0;
            for (int i = 0; i < m; i++) {
                const int32_t j = labels[n * m + i];
                const double truth = oracle_sqdist(wide + n * D, centroids + j * D, D);
                assert_false(told[j]);
                told[j] = true;
                assert_true(fabs(sqdist[n * m + i] / truth - 1.0) < distance_error);
                assert_true(truth >= last * (1.0 - 2.0 * distance_error)); /* in order */
                last = truth;
            }
            for (int j = 0; j < K; j++) /* and none that is nearer was left out */
                assert_true(told[j] || oracle_sqdist(wide + n * D, centroids + j * D, D) >=
                                           last * (1.0 - 2.0 * distance_error));
        }
        free(labels);
        free(sqdist);
    }
}

static void the_nearest_are_found_in_order(void **state)
{
    (void)state;
    with_every_isa(check_nearest);
}

/* Four corners, each twice: a row in the middle is as far from all. */
static void check_ties(fg_context *ctx)
{
    static const float corners[] = {1, 1, 1, -1, -1, 1, -1, -1, -1, -1, 1, 1, 1, -1, -1, 1};
    static const float points[] = {0, 0, 1, 0, -3, -3};
    static const int32_t nearest[3][8] = {
        {0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 5, 6, 2, 3, 4, 7}, {3, 4, 1, 2, 6, 7, 0, 5}};
    const fg_view centroids = view_of(corners, 8, 2, FG_F32);
    fg_source *three = source_of(points, 3, 2, FG_F32);
    for (int32_t m = 1; m <= 8; m++) {
        int32_t labels[3 * 8];
        const fg_out label = out_of(labels, 3, m, FG_I32);
        expect_ok(fg_kmeans_assign(ctx, &centroids, three, &label, NULL));
        for (int n = 0; n < 3; n++)
            assert_memory_equal(labels + n * m, nearest[n], (size_t)m * sizeof *labels);
    }
    fg_source_destroy(three);
}

static void ties_go_to_the_lowest_number(void **state)
{
    (void)state;
    with_every_isa(check_ties);
}

/* ---- misuse */

static void misuse_is_named(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 1);
    float centroids[4 * D] = {0};
    int32_t labels[N];
    float sqdist[N * 2];
    const fg_view two = view_of(centroids, 2, D, FG_F32), narrow = view_of(centroids, 2, 3, FG_F32);
    const fg_out label = out_of(labels, N, 1, FG_I32), one = out_of(centroids, 1, D, FG_F32),
                 out = out_of(centroids, 4, D, FG_F32), pair = out_of(sqdist, N, 2, FG_F32),
                 few = out_of(labels, N - 1, 1, FG_I32), three = out_of(labels, N / 3, 3, FG_I32);
    fg_kmeans_options opt = {.struct_size = sizeof opt, .k = 4};
    expect_failure(fg_kmeans_fit(ctx, src, &opt, &one, NULL), FG_ARGUMENT, "centroids", "1", "4",
                   NULL);
    opt.init = FG_INIT_GIVEN;
    expect_failure(fg_kmeans_fit(ctx, src, &opt, &out, NULL), FG_ARGUMENT, "start is NULL", NULL);
    opt.start = &two;
    expect_failure(fg_kmeans_fit(ctx, src, &opt, &out, NULL), FG_ARGUMENT, "start is 2 x 9",
                   "4 x 9", NULL);
    opt.k = 2;
    opt.start = &narrow;
    expect_failure(fg_kmeans_fit(ctx, src, &opt, &out, NULL), FG_ARGUMENT, "start is 2 x 3",
                   "2 x 9", NULL);
    opt.start = &two;
    centroids[D + 3] = NAN;
    expect_failure(fg_kmeans_fit(ctx, src, &opt, &out, NULL), FG_NUMERIC, "row 1, column 3", NULL);
    expect_failure(fg_kmeans_assign(ctx, &two, src, &label, NULL), FG_NUMERIC, "row 1, column 3",
                   NULL);
    centroids[D + 3] = 0;
    expect_failure(fg_kmeans_assign(ctx, &two, src, NULL, NULL), FG_ARGUMENT, "both NULL", NULL);
    expect_failure(fg_kmeans_assign(ctx, &narrow, src, &label, NULL), FG_ARGUMENT, "2 x 3", "9",
                   NULL);
    expect_failure(fg_kmeans_assign(ctx, &two, src, &few, NULL), FG_ARGUMENT, "labels", "1499",
                   "1500", NULL);
    expect_failure(fg_kmeans_assign(ctx, &two, src, &three, NULL), FG_ARGUMENT, "3 columns", "1..2",
                   NULL);
    expect_failure(fg_kmeans_assign(ctx, &two, src, &label, &pair), FG_ARGUMENT, "sqdist", NULL);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lloyd_agrees_with_plain_loops),
        cmocka_unit_test(it_stops_when_nothing_moves),
        cmocka_unit_test(it_stops_within_the_tolerance),
        cmocka_unit_test(the_best_of_all_restarts_is_kept),
        cmocka_unit_test(plusplus_finds_what_is_far_apart),
        cmocka_unit_test(of_equal_centroids_the_first_takes_the_rows),
        cmocka_unit_test(an_empty_cluster_is_given_rows),
        cmocka_unit_test(as_many_centroids_as_rows),
        cmocka_unit_test(normalised_rows_are_clustered_by_direction),
        cmocka_unit_test(the_nearest_are_found_in_order),
        cmocka_unit_test(ties_go_to_the_lowest_number),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
