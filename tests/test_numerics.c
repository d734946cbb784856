/* SPDX-License-Identifier: Apache-2.0 */
/* test_numerics.c - degenerate data: each case that spoils a careless mixture, and what happens here instead. Knows
 * what docs/math.md promises. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs */

static fg_context *ctx;

static int make_context(void **state)
{
    (void)state;
    ctx = context_of(NULL, 2);
    return 0;
}

static int free_context(void **state)
{
    (void)state;
    fg_context_destroy(ctx);
    return 0;
}

/* ------------------------------------------------------------------------------- rows and shapes */

/* Few enough for one tile: where rows are cut into tiles shows in the last bits. */
enum { BAD_ROWS_N = 46, BAD_ROWS_D = 3 };

/* Rows 37 and 41 cannot be used; good (may be NULL): the same rows without them. */
static float *spoiled_rows(double value, float *good)
{
    float *x = blob_rows(&(blobs){.n = BAD_ROWS_N, .d = BAD_ROWS_D, .blobs = 3, .spread = 4.0});
    x[37 * BAD_ROWS_D + 1] = (float)value;
    x[41 * BAD_ROWS_D + 2] = -(float)value;
    for (int n = 0, at = 0; good && n < BAD_ROWS_N; n++) {
        if (n == 37 || n == 41) continue;
        memcpy(good + BAD_ROWS_D * at++, x + BAD_ROWS_D * n, BAD_ROWS_D * sizeof *x);
    }
    return x;
}

static void bad_rows_are_refused_by_number(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, 1e30};
    for (int b = 0; b < 3; b++) {
        float *x = spoiled_rows(bad[b], NULL), centroids[2 * BAD_ROWS_D];
        fg_source *src = source_of(x, BAD_ROWS_N, BAD_ROWS_D, FG_F32);
        const fg_gmm_options opt = {.struct_size = sizeof opt, .k = 2};
        const fg_kmeans_options means = {.struct_size = sizeof means, .k = 2};
        const fg_out out = out_of(centroids, 2, BAD_ROWS_D, FG_F32);
        fg_gmm *gmm = NULL;
        expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_NUMERIC, "row 37 ", "(2 such",
                       NULL);
        assert_null(gmm);
        expect_failure(fg_kmeans_fit(ctx, src, &means, &out, NULL), FG_NUMERIC, "row 37 ", NULL);
        fg_source_destroy(src);
        free(x);
    }
}

static void skipped_rows_are_as_if_they_were_not_there(void **state)
{
    (void)state;
    enum { GOOD = BAD_ROWS_N - 2 };
    float good[GOOD * BAD_ROWS_D], *x = spoiled_rows(NAN, good);
    fg_source *with = source_of(x, BAD_ROWS_N, BAD_ROWS_D, FG_F32);
    fg_source *without = source_of(good, GOOD, BAD_ROWS_D, FG_F32);
    for (int c = 0; c < 2; c++) {
        oracle start = start_at_rows(good, GOOD, BAD_ROWS_D, 3, both_kinds[c]);
        fg_gmm *gmm = gmm_of(&start);
        fg_gmm_options opt = {.k = 3, .init = FG_INIT_GIVEN, .start = gmm, .max_iter = 5};
        opt.covariance = both_kinds[c];
        fitted a, b;
        fit(ctx, without, opt, &b);
        opt.bad_rows = FG_BAD_ROWS_SKIP;
        fit(ctx, with, opt, &a);
        assert_int_equal(a.report.rows, GOOD);
        assert_int_equal(a.report.rows_skipped, 2);
        assert_int_equal(b.report.rows_skipped, 0);
        oracle oa = oracle_of(a.gmm), ob = oracle_of(b.gmm);
        assert_true(oracle_distance(&oa, &ob) == 0.0);
        assert_true(a.report.objective == b.report.objective);
        oracle_free(&oa);
        oracle_free(&ob);
        fitted_free(&a);
        fitted_free(&b);
        fg_gmm_destroy(gmm);
        oracle_free(&start);
    }
    fg_source_destroy(with);
    fg_source_destroy(without);
    free(x);
}

static void all_rows_bad_is_an_error(void **state)
{
    (void)state;
    const float x[] = {NAN, NAN, NAN};
    fg_source *src = source_of(x, 3, 1, FG_F32);
    const fg_gmm_options opt = {.struct_size = sizeof opt, .k = 1, .bad_rows = FG_BAD_ROWS_SKIP};
    fg_gmm *gmm;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "no usable rows", "3",
                   NULL);
    fg_source_destroy(src);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        int32_t k;
        const char *text;
    } wrong[] = {{0, "k is 0"}, {-3, "k is -3"}, {5, "k is 5"}, {INT32_MAX, "k is 2147483647"}};
    const float x[] = {1, 2, 3, 5};
    float centroids[1];
    fg_source *src = source_of(x, 4, 1, FG_F32);
    const fg_out out = out_of(centroids, 1, 1, FG_F32);
    for (int i = 0; i < 4; i++) {
        const fg_gmm_options opt = {.struct_size = sizeof opt, .k = wrong[i].k};
        const fg_kmeans_options means = {.struct_size = sizeof means, .k = wrong[i].k};
        fg_gmm *gmm;
        expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, wrong[i].text, "1..4",
                       NULL);
        expect_failure(fg_kmeans_fit(ctx, src, &means, &out, NULL), FG_ARGUMENT, wrong[i].text,
                       "1..4", NULL);
    }
    fg_source_destroy(src);
    const fg_view no_rows = view_of(x, 0, 1, FG_F32), no_cols = view_of(x, 4, 0, FG_F32);
    expect_failure(fg_source_memory(&no_rows, &src), FG_ARGUMENT, "rows", "0", NULL);
    expect_failure(fg_source_memory(&no_cols, &src), FG_ARGUMENT, "cols", "0", NULL);
}

/* k is within the rows, but not within those that are left. */
static void k_is_held_against_usable_rows(void **state)
{
    (void)state;
    const float x[] = {1, NAN, 3, 5};
    fg_source *src = source_of(x, 4, 1, FG_F32);
    const fg_gmm_options opt = {.struct_size = sizeof opt, .k = 4, .bad_rows = FG_BAD_ROWS_SKIP};
    fg_gmm *gmm;
    expect_failure(fg_gmm_fit(ctx, src, &opt, &gmm, NULL), FG_ARGUMENT, "k is 4", "1..3", NULL);
    fg_source_destroy(src);
}

/* ------------------------------------------------------------------------------- too few distinct rows */

static void check_finite(const fg_gmm *gmm)
{
    oracle o = oracle_of(gmm);
    double sum = 0.0;
    for (int32_t j = 0; j < o.k; j++) {
        assert_true(o.weights[j] >= 0.0 && o.weights[j] <= 1.0);
        sum += o.weights[j];
    }
    assert_true(fabs(sum - 1.0) < 1e-12);
    for (int32_t i = 0; i < o.k * o.d; i++) {
        assert_true(isfinite(o.means[i]));
        assert_true(isfinite(o.variances[i]) && o.variances[i] > 0.0);
    }
    oracle_free(&o);
}

/* 60 rows, three of them distinct: whatever the start, three components hold them and two are dead. */
static void surplus_components_are_reported_dead(void **state)
{
    (void)state;
    float x[120];
    for (int n = 0; n < 60; n++) {
        x[2 * n] = (float)(n % 3);
        x[2 * n + 1] = (float)(n % 3 == 1 ? 7 : -2);
    }
    fg_source *src = source_of(x, 60, 2, FG_F32);
    for (int c = 0; c < 2; c++)
        for (int32_t init = FG_INIT_KMEANS; init <= FG_INIT_RANDOM; init++) {
            fitted f;
            fit(ctx, src, (fg_gmm_options){.k = 5, .covariance = both_kinds[c], .init = init}, &f);
            check_finite(f.gmm);
            assert_int_equal(f.report.dead, 2);
            assert_int_equal(f.report.floored, 3);
            assert_true(isfinite(f.report.objective));
            int32_t states[5], dead = 0;
            states_of(f.gmm, states);
            for (int j = 0; j < 5; j++) dead += states[j] == FG_COMPONENT_DEAD;
            assert_int_equal(dead, 2);
            fitted_free(&f);
        }
    float centroids[10];
    const fg_out out = out_of(centroids, 5, 2, FG_F32);
    const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = 5};
    fg_fit_report report = {.struct_size = sizeof report};
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_true(report.objective == 0.0);
    assert_int_equal(report.dead, 2);
    fg_source_destroy(src);
}

static void rows_that_are_all_the_same_can_be_fitted(void **state)
{
    (void)state;
    float x[40];
    for (int i = 0; i < 40; i++) x[i] = i % 2 ? 0.1f : -1e4f;
    fg_source *src = source_of(x, 20, 2, FG_F32);
    for (int c = 0; c < 2; c++) {
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = 3, .covariance = both_kinds[c]}, &f);
        check_finite(f.gmm);
        assert_int_equal(f.report.dead, 2);
        oracle o = oracle_of(f.gmm);
        for (int i = 0; i < 2; i++) { /* the living one is the first of equals */
            assert_true(fabs(o.means[i] - x[i]) <= 1e-6 * fabs(x[i]));
            assert_true(fabs(o.variances[i] - 1e-6) < 1e-12); /* the share of 1 */
        }
        oracle_free(&o);
        fitted_free(&f);
    }
    fg_source_destroy(src);
}

/* --------------------------------------------------------------------------------- empty components */

/* Weight times the log of the volume over the floor's, which decides who is split. */
static int32_t richest(const oracle *o, const double *floor)
{
    double most = -INFINITY;
    int32_t found = 0;
    for (int32_t j = 0; j < o->k; j++) {
        double volume = 0.0;
        for (int32_t i = 0; i < o->d; i++) volume += log(o->variances[j * o->d + i] / floor[i]);
        if (!(o->weights[j] > 0.0 && o->weights[j] * volume > most)) continue;
        most = o->weights[j] * volume;
        found = j;
    }
    return found;
}

/* The data's variances times the default share, as floors. */
static void floors_of(const oracle_rows *rows, bool spherical, double *floor)
{
    double *mean = rounding_center(rows), all = 0.0;
    for (int32_t i = 0; i < rows->d; i++) {
        floor[i] = 0.0;
        for (int64_t n = 0; n < rows->n; n++) {
            const double z = rows->x[n * rows->d + i] - mean[i];
            floor[i] += 1e-6 * z * z / (double)rows->n;
        }
        all += floor[i] / rows->d;
    }
    for (int32_t i = 0; spherical && i < rows->d; i++) floor[i] = all;
    free(mean);
}

/* `to` has taken over half of `from`, as `before` was: apart by one standard deviation along its widest axis; where all
 * axes are alike, along each, to either side. */
static void check_split(const oracle *o, const oracle *before, int32_t from, int32_t to)
{
    const int32_t d = o->d;
    int32_t widest = 0;
    for (int32_t i = 1; i < d; i++)
        if (before->variances[from * d + i] > before->variances[from * d + widest]) widest = i;
    assert_true(fabs(o->weights[from] - 0.5 * before->weights[from]) < 1e-6);
    assert_true(fabs(o->weights[to] - o->weights[from]) < 1e-12);
    for (int32_t i = 0; i < d; i++) {
        const double variance = before->variances[from * d + i], deviation = sqrt(variance);
        const double apart = fabs(o->means[from * d + i] - o->means[to * d + i]);
        const double middle = 0.5 * (o->means[from * d + i] + o->means[to * d + i]);
        const bool along = o->spherical || i == widest;
        assert_true(fabs(apart - (along ? deviation : 0.0)) < 1e-5 * deviation);
        assert_true(fabs(middle - before->means[from * d + i]) < 1e-5 * deviation);
        assert_true(fabs(o->variances[to * d + i] / variance - 1.0) < 1e-5);
    }
}

static void an_empty_component_takes_half_of_the_richest(void **state)
{
    (void)state;
    enum { N = 400, D = 3, K = 4, LOST = 2 };
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 3, .spread = 5.0});
    for (int n = 0; n < N; n++) x[n * D + 1] *= 3.0f; /* the widest axis */
    double *wide = widened(x, N * D), floor[D], r[N * K];
    const oracle_rows rows = {.x = wide, .n = N, .d = D};
    fg_source *src = source_of(x, N, D, FG_F32);
    for (int c = 0; c < 2; c++) {
        oracle start = start_at_rows(x, N, D, K, both_kinds[c]);
        for (int i = 0; i < D; i++) start.means[LOST * D + i] = 1e4;
        fg_gmm *gmm = gmm_of(&start);
        fg_gmm_options opt = {.k = K, .init = FG_INIT_GIVEN, .start = gmm, .max_iter = 1};
        opt.covariance = both_kinds[c];
        fitted f;
        fit(ctx, src, opt, &f);
        assert_int_equal(f.report.revived, 1);
        assert_int_equal(f.report.dead, 0);
        oracle before = oracle_copy(&start), after = oracle_of(f.gmm);
        oracle_score(&start, &rows, r);
        oracle_update(&before, &rows, r); /* NaN for the lost one, which nobody looks at */
        floors_of(&rows, start.spherical, floor);
        check_split(&after, &before, richest(&before, floor), LOST);
        fitted_free(&f);
        opt.max_iter = 0;
        fit(ctx, src, opt, &f);
        assert_int_equal(f.report.dead, 0);
        assert_true(f.report.objective > f.history[0]);
        fitted_free(&f);
        fg_gmm_destroy(gmm);
        oracle_free(&start);
        oracle_free(&before);
        oracle_free(&after);
    }
    fg_source_destroy(src);
    free(wide);
    free(x);
}

/* ---------------------------------------------------------------------------------------- variances */

/* Twenty copies of one row: the component that holds them stands at the floor, a share of the data's variance. */
static void a_collapsing_variance_stops_at_the_floor(void **state)
{
    (void)state;
    enum { N = 220, D = 2, COPIES = 20 };
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 1, .spread = 0.0});
    for (int n = 0; n < COPIES; n++) {
        x[n * 11 * D] = 40.0f;
        x[n * 11 * D + 1] = -25.0f;
    }
    double *wide = widened(x, N * D), floor[D];
    const oracle_rows rows = {.x = wide, .n = N, .d = D};
    fg_source *src = source_of(x, N, D, FG_F32);
    static const double shares[] = {1e-6, 1e-3};
    for (int c = 0; c < 2; c++)
        for (int s = 0; s < 2; s++) {
            fg_gmm_options opt = {.k = 2, .covariance = both_kinds[c], .seed = 3};
            opt.var_floor = s == 0 ? 0.0 : shares[s];
            fitted f;
            fit(ctx, src, opt, &f);
            oracle o = oracle_of(f.gmm);
            int32_t states[2];
            states_of(f.gmm, states);
            const int32_t held = o.weights[1] < o.weights[0];
            assert_true(fabs(o.weights[held] - (double)COPIES / N) < 1e-6);
            assert_int_equal(f.report.floored, 1);
            assert_int_equal(states[held], FG_COMPONENT_FLOORED);
            assert_int_equal(states[1 - held], FG_COMPONENT_OK);
            floors_of(&rows, o.spherical, floor);
            for (int i = 0; i < D; i++)
                assert_true(fabs(o.variances[held * D + i] / floor[i] - shares[s] / 1e-6) <
                            1e-4 * shares[s] / 1e-6);
            oracle_free(&o);
            fitted_free(&f);
        }
    fg_source_destroy(src);
    free(wide);
    free(x);
}

/* Without a floor to speak of, a component of equal rows keeps the least variance that f32 can work with. */
static void no_floor_is_too_low_for_f32(void **state)
{
    (void)state;
    static const float x[] = {-3, -3, -3, 1, 1, 1, 1, 2, 2, 2};
    fg_source *src = source_of(x, 10, 1, FG_F32);
    for (int c = 0; c < 2; c++) {
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = 3, .covariance = both_kinds[c], .var_floor = 1e-300},
            &f);
        check_finite(f.gmm);
        assert_int_equal(f.report.floored, 3);
        assert_true(isfinite(f.report.objective));
        oracle o = oracle_of(f.gmm);
        for (int j = 0; j < 3; j++) assert_true(o.variances[j] == 0x1p-100);
        oracle_free(&o);
        fitted_free(&f);
    }
    fg_source_destroy(src);
}

/* A feature that never changes, at a value that f32 cannot hold exactly about a mean of its kind. */
static void a_constant_feature_stands_at_the_floor(void **state)
{
    (void)state;
    enum { N = 500, D = 3 };
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 2, .spread = 6.0});
    for (int n = 0; n < N; n++) x[n * D + 1] = 10000.1f;
    double *wide = widened(x, N * D), floor[D], b[2], *center, *r = malloc(N * 2 * sizeof *r);
    const oracle_rows rows = {.x = wide, .n = N, .d = D};
    center = rounding_center(&rows);
    fg_source *src = source_of(x, N, D, FG_F32);
    for (int c = 0; c < 2; c++) {
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = 2, .covariance = both_kinds[c]}, &f);
        check_finite(f.gmm);
        oracle o = oracle_of(f.gmm);
        floors_of(&rows, true, floor); /* of a constant feature: the share of the mean variance */
        for (int j = 0; j < 2 && !o.spherical; j++)
            assert_true(fabs(o.variances[j * D + 1] / floor[1] - 1.0) < 1e-6);
        assert_int_equal(f.report.floored, o.spherical ? 0 : 2);
        double bound = 0.0; /* the log-determinant is right: so is the density */
        const double score = oracle_score(&o, &rows, r);
        for (int n = 0; n < N; n++)
            bound += rounding_of_row(&o, wide + n * D, center, r + 2 * n, b) / N;
        assert_true(fabs(f.report.objective - score) <= bound);
        oracle_free(&o);
        fitted_free(&f);
    }
    fg_source_destroy(src);
    free(r);
    free(center);
    free(wide);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_rows_are_refused_by_number),
        cmocka_unit_test(skipped_rows_are_as_if_they_were_not_there),
        cmocka_unit_test(all_rows_bad_is_an_error),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(k_is_held_against_usable_rows),
        cmocka_unit_test(surplus_components_are_reported_dead),
        cmocka_unit_test(rows_that_are_all_the_same_can_be_fitted),
        cmocka_unit_test(an_empty_component_takes_half_of_the_richest),
        cmocka_unit_test(a_collapsing_variance_stops_at_the_floor),
        cmocka_unit_test(no_floor_is_too_low_for_f32),
        cmocka_unit_test(a_constant_feature_stands_at_the_floor),
    };
    return cmocka_run_group_tests(tests, make_context, free_context);
}
