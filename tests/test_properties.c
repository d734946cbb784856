/* SPDX-License-Identifier: Apache-2.0 */
/* test_properties.c - what is true of EM on any data, checked on mixtures that overlap. Knows the public interface. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs */

enum { N = 900, D = 6, K = 5 };

static fg_context *ctx;
static fg_source *src;
static float *x;
static double *wide;
static oracle_rows rows;

static int make_rows(void **state)
{
    (void)state;
    ctx = context_of(NULL, 2);
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 1.5});
    wide = widened(x, N * D);
    rows = (oracle_rows){.x = wide, .n = N, .d = D};
    src = source_of(x, N, D, FG_F32);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    fg_source_destroy(src);
    fg_context_destroy(ctx);
    free(wide);
    free(x);
    return 0;
}

/* So many iterations from a given start, whatever they gain. */
static void run(fg_context *one, const oracle *start, fg_source *from, int32_t iterations,
                fitted *out)
{
    fg_gmm *gmm = gmm_of(start);
    const fg_gmm_options opt = {
        .k = start->k,
        .covariance = start->spherical ? FG_COV_SPHERICAL : FG_COV_DIAG,
        .init = FG_INIT_GIVEN,
        .start = gmm,
        .max_iter = iterations,
        .tol = -1.0,
        .tol_relative = -1.0,
    };
    fit(one, from, opt, out);
    fg_gmm_destroy(gmm);
}

/* The parameters after so many iterations. */
static oracle end_of(const oracle *start, fg_source *from, int32_t iterations)
{
    fitted f;
    run(ctx, start, from, iterations, &f);
    const oracle end = oracle_of(f.gmm);
    fitted_free(&f);
    return end;
}

static void check_near(const oracle *o, const oracle *truth, double bound)
{
    const double distance = oracle_distance(o, truth);
    if (!(distance <= bound)) fail_msg("%g apart; the bound is %g", distance, bound);
}

/* ---- the likelihood */

/* A pass knows the log-likelihood up to its own rounding, and a step ends beside EM's own by its rounding, which near a
 * maximum matters to second order only. So between two passes it may fall by twice the bound on one. */
static void check_rise(fg_context *one, fg_covariance covariance)
{
    enum { STEPS = 200 };
    oracle start = start_at_rows(x, N, D, K, covariance);
    fitted f;
    run(one, &start, src, STEPS, &f);
    oracle end = oracle_of(f.gmm);
    rounding bound[2];
    rounding_of_fit(&end, &rows, 1, bound);
    assert_int_equal(f.report.history_count, STEPS + 1);
    assert_int_equal(f.report.revived + f.report.floored + f.report.dead, 0);
    for (int t = 1; t <= STEPS; t++)
        if (!(f.history[t] >= f.history[t - 1] - 2.0 * bound[0].log_likelihood))
            fail_msg("step %d: from %.17g to %.17g", t, f.history[t - 1], f.history[t]);
    oracle_free(&end);
    oracle_free(&start);
    fitted_free(&f);
}

static void the_log_likelihood_never_falls(void **state)
{
    (void)state;
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *one = context_of(every_isa[isa], 1);
        for (int c = 0; one && c < 2; c++) check_rise(one, both_kinds[c]);
        fg_context_destroy(one);
    }
}

static void weights_sum_to_one(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++)
        for (int32_t k = 1; k <= 40; k += 13) {
            fitted f;
            fit(ctx, src, (fg_gmm_options){.k = k, .covariance = both_kinds[c]}, &f);
            oracle o = oracle_of(f.gmm);
            double sum = 0.0;
            for (int32_t j = 0; j < k; j++) sum += o.weights[j];
            assert_true(fabs(sum - 1.0) < 1e-13 * k);
            oracle_free(&o);
            fitted_free(&f);
        }
}

/* ---- symmetries */

enum { STEPS = 5 };

/* The bound on a fit of STEPS iterations from `start` on `data`. */
static double bound_on(const oracle *start, const oracle_rows *data)
{
    rounding bound[STEPS + 1];
    rounding_of_fit(start, data, STEPS, bound);
    return bound[STEPS].parameters;
}

static void components_in_another_order_give_the_answer_in_that_order(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        oracle start = start_at_rows(x, N, D, K, both_kinds[c]), turned = oracle_copy(&start);
        for (int i = 0; i < K * D; i++) turned.means[i] = start.means[(i + 2 * D) % (K * D)];
        oracle a = end_of(&start, src, STEPS), b = end_of(&turned, src, STEPS);
        oracle back = oracle_copy(&b);
        for (int j = 0; j < K; j++) back.weights[(j + 2) % K] = b.weights[j];
        for (int i = 0; i < K * D; i++) {
            back.means[(i + 2 * D) % (K * D)] = b.means[i];
            back.variances[(i + 2 * D) % (K * D)] = b.variances[i];
        }
        check_near(&back, &a, bound_on(&start, &rows));
        oracle_free(&start);
        oracle_free(&turned);
        oracle_free(&a);
        oracle_free(&b);
        oracle_free(&back);
    }
}

/* Rows and start moved to x * scale + shift, and the answer moved back: the same up to rounding. */
static void check_moved(double scale, double shift, fg_covariance covariance)
{
    double *moved = malloc(N * D * sizeof *moved);
    for (int i = 0; i < N * D; i++) moved[i] = wide[i] * scale + shift * (i % D + 1);
    fg_source *there = source_of(moved, N, D, FG_F64), *here = source_of(wide, N, D, FG_F64);
    oracle start = start_at_rows(x, N, D, K, covariance), from = oracle_copy(&start);
    for (int i = 0; i < K * D; i++) {
        from.means[i] = start.means[i] * scale + shift * (i % D + 1);
        from.variances[i] = start.variances[i] * scale * scale;
    }
    oracle a = end_of(&start, here, STEPS), b = end_of(&from, there, STEPS);
    for (int i = 0; i < K * D; i++) {
        b.means[i] = (b.means[i] - shift * (i % D + 1)) / scale;
        b.variances[i] /= scale * scale;
    }
    check_near(&b, &a, 2.0 * bound_on(&start, &rows)); /* either may be off */
    oracle_free(&start);
    oracle_free(&from);
    oracle_free(&a);
    oracle_free(&b);
    fg_source_destroy(there);
    fg_source_destroy(here);
    free(moved);
}

static void the_model_moves_and_scales_with_the_data(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        check_moved(1.0, -731.7, both_kinds[c]);
        check_moved(1e-5, 0.0, both_kinds[c]);
        check_moved(3e6, 1e9, both_kinds[c]);
    }
}

/* Powers of two scale every f32 exactly, so k-means takes the same decisions and ends at the same bits, scaled. */
static void kmeans_scales_exactly_by_powers_of_two(void **state)
{
    (void)state;
    float *scaled = malloc(N * D * sizeof *scaled), a[K * D], b[K * D];
    for (int i = 0; i < N * D; i++) scaled[i] = 0x1p-20f * x[i];
    fg_source *there = source_of(scaled, N, D, FG_F32);
    const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = K, .seed = 5, .tol = -1};
    const fg_out out_a = out_of(a, K, D, FG_F32), out_b = out_of(b, K, D, FG_F32);
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out_a, NULL));
    expect_ok(fg_kmeans_fit(ctx, there, &opt, &out_b, NULL));
    for (int i = 0; i < K * D; i++) assert_true(b[i] == 0x1p-20f * a[i]);
    fg_source_destroy(there);
    free(scaled);
}

/* ---- special cases */

/* One component: mean and variance of the data, and log p = -sum of [log(2 pi v) + 1] / 2 on average. */
static void one_component_is_the_closed_form(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        oracle truth = oracle_new(1, D, both_kinds[c] == FG_COV_SPHERICAL);
        double *ones = malloc(N * sizeof *ones), height = 0.0;
        for (int n = 0; n < N; n++) ones[n] = 1.0;
        oracle_update(&truth, &rows, ones);
        for (int i = 0; i < D; i++)
            height -= 0.5 * (log(6.283185307179586 * truth.variances[i]) + 1.0);
        rounding bound[2];
        rounding_of_fit(&truth, &rows, 1, bound);
        fitted f;
        fit(ctx, src, (fg_gmm_options){.k = 1, .covariance = both_kinds[c]}, &f);
        oracle o = oracle_of(f.gmm);
        check_near(&o, &truth, bound[1].parameters);
        assert_true(fabs(f.report.objective - height) <= bound[1].log_likelihood);
        oracle_free(&o);
        oracle_free(&truth);
        fitted_free(&f);
        free(ones);
    }
}

/* Where all columns are the same, every dimension has the variance that they have together. */
static void equal_columns_make_diagonal_spherical(void **state)
{
    (void)state;
    float *same = malloc(N * 3 * sizeof *same);
    for (int i = 0; i < N * 3; i++) same[i] = x[i / 3 * D];
    double *same_wide = widened(same, N * 3);
    const oracle_rows data = {.x = same_wide, .n = N, .d = 3};
    fg_source *from = source_of(same, N, 3, FG_F32);
    oracle spherical = start_at_rows(same, N, 3, 4, FG_COV_SPHERICAL);
    oracle diagonal = start_at_rows(same, N, 3, 4, FG_COV_DIAG);
    oracle a = end_of(&spherical, from, STEPS), b = end_of(&diagonal, from, STEPS);
    check_near(&b, &a, bound_on(&spherical, &data) + bound_on(&diagonal, &data));
    oracle_free(&spherical);
    oracle_free(&diagonal);
    oracle_free(&a);
    oracle_free(&b);
    fg_source_destroy(from);
    free(same_wide);
    free(same);
}

/* Asked to normalise, a fit does what it would do with rows of length 1. The blobs lie far apart, so that rounding does
 * not change which centroid is nearest. */
static void normalising_is_as_good_as_normalised_rows(void **state)
{
    (void)state;
    float *apart = blob_rows(&(blobs){.n = N, .d = D, .blobs = 3, .spread = 12.0});
    double *unit = widened(apart, N * D);
    for (int n = 0; n < N; n++) {
        double length2 = 0.0;
        for (int i = 0; i < D; i++) length2 += unit[n * D + i] * unit[n * D + i];
        for (int i = 0; i < D; i++) unit[n * D + i] /= sqrt(length2);
    }
    fg_source *raw = source_of(apart, N, D, FG_F32), *from = source_of(unit, N, D, FG_F64);
    for (int c = 0; c < 2; c++) {
        fg_gmm_options opt = {.k = 3, .covariance = both_kinds[c], .tol = -1, .max_iter = STEPS};
        fitted a, b;
        fit(ctx, from, opt, &a);
        opt.normalize = 1;
        fit(ctx, raw, opt, &b);
        oracle oa = oracle_of(a.gmm), ob = oracle_of(b.gmm);
        const oracle_rows data = {.x = unit, .n = N, .d = D};
        check_near(&ob, &oa, 2.0 * bound_on(&oa, &data));
        fg_gmm_info info = {.struct_size = sizeof info};
        expect_ok(fg_gmm_get_info(b.gmm, &info));
        assert_int_equal(info.normalize, 1);
        oracle_free(&oa);
        oracle_free(&ob);
        fitted_free(&a);
        fitted_free(&b);
    }
    fg_source_destroy(raw);
    fg_source_destroy(from);
    free(unit);
    free(apart);
}

static void a_row_without_direction_cannot_be_normalised(void **state)
{
    (void)state;
    const float three[] = {1, 2, 0, 0, 2, 1};
    fg_source *from = source_of(three, 3, 2, FG_F32);
    const fg_gmm_options opt = {.struct_size = sizeof opt, .k = 1, .normalize = 1};
    fg_gmm *gmm;
    expect_failure(fg_gmm_fit(ctx, from, &opt, &gmm, NULL), FG_NUMERIC, "row 1 ", "direction",
                   NULL);
    fg_source_destroy(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_likelihood_never_falls),
        cmocka_unit_test(weights_sum_to_one),
        cmocka_unit_test(components_in_another_order_give_the_answer_in_that_order),
        cmocka_unit_test(the_model_moves_and_scales_with_the_data),
        cmocka_unit_test(kmeans_scales_exactly_by_powers_of_two),
        cmocka_unit_test(one_component_is_the_closed_form),
        cmocka_unit_test(equal_columns_make_diagonal_spherical),
        cmocka_unit_test(normalising_is_as_good_as_normalised_rows),
        cmocka_unit_test(a_row_without_direction_cannot_be_normalised),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
