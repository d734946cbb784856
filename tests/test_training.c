/* SPDX-License-Identifier: Apache-2.0 */
/* test_training.c - what shapes a quantizer beside its data: one variance for all components, centroids on the sphere;
 * against plain loops. Knows the public interface. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs, sqrt */

enum { N = 1500, D = 9, K = 12 };

static fg_context *ctx;
static fg_source *src;
static float *x;
static double *wide;
static oracle_rows rows;

static int make_rows(void **state)
{
    (void)state;
    ctx = context_of(NULL, 2);
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
    fg_context_destroy(ctx);
    free(wide);
    free(x);
    return 0;
}

/* ---- one variance for all components */

static void fit_shared(const oracle *start, int32_t iterations, fitted *out)
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
        .shared_variance = 1,
    };
    fit(ctx, src, opt, out);
    fg_gmm_destroy(gmm);
}

static void share(oracle *o)
{
    for (int i = 0; i < o->d; i++) {
        double sum = 0.0;
        for (int j = 0; j < o->k; j++) sum += o->weights[j] * o->variances[j * o->d + i];
        for (int j = 0; j < o->k; j++) o->variances[j * o->d + i] = sum;
    }
}

/* One step is that of free variances, and then their mean: no further from the truth than the worst of them. */
static void a_shared_variance_is_the_mean_of_all(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        oracle start = start_at_rows(x, N, D, K, both_kinds[c]), truth = oracle_copy(&start);
        rounding bound[2];
        rounding_of_fit(&start, &rows, 1, bound);
        fitted f;
        fit_shared(&start, 1, &f);
        oracle_iterate(&truth, &rows);
        share(&truth);
        oracle got = oracle_of(f.gmm);
        assert_true(oracle_distance(&got, &truth) <= bound[1].parameters);
        fg_gmm_info info = {.struct_size = sizeof info};
        expect_ok(fg_gmm_get_info(f.gmm, &info));
        const int32_t variances = both_kinds[c] == FG_COV_DIAG ? D : 1;
        assert_int_equal(info.parameters, K - 1 + K * D + variances);
        oracle_free(&got);
        oracle_free(&truth);
        oracle_free(&start);
        fitted_free(&f);
    }
}

/* It is EM still: of the mixtures with one variance. */
static void the_log_likelihood_never_falls(void **state)
{
    (void)state;
    enum { STEPS = 60 };
    for (int c = 0; c < 2; c++) {
        oracle start = start_at_rows(x, N, D, K, both_kinds[c]);
        fitted f;
        fit_shared(&start, STEPS, &f);
        oracle end = oracle_of(f.gmm);
        rounding bound[2];
        rounding_of_fit(&end, &rows, 1, bound);
        for (int t = 1; t <= STEPS; t++)
            assert_true(f.history[t] >= f.history[t - 1] - 2.0 * bound[0].log_likelihood);
        oracle_free(&end);
        oracle_free(&start);
        fitted_free(&f);
    }
}

/* ---- centroids of length 1 */

static double scale_to_length_1(double *v)
{
    double length2 = 0.0;
    for (int i = 0; i < D; i++) length2 += v[i] * v[i];
    for (int i = 0; i < D; i++) v[i] /= sqrt(length2);
    return sqrt(length2);
}

static double *directions(void)
{
    double *unit = widened(x, N * D);
    for (int n = 0; n < N; n++) scale_to_length_1(unit + n * D);
    return unit;
}

/* A coordinate of a row, and so of a mean of rows, is off by at most 2 units of 2^-24; means longer than 1/4 make at most
 * 4 times that of it, and as much again for their own rounding. */
static void centroids_on_the_sphere_agree_with_plain_loops(void **state)
{
    (void)state;
    enum { MOST = 5 };
    double *unit = directions(), start[K * D], truth[K * D], got[K * D];
    int32_t labels[N];
    const oracle_rows turned = {.x = unit, .n = N, .d = D};
    for (int i = 0; i < K * D; i++) truth[i] = start[i] = unit[i / D * 100 * D + i % D];
    const fg_view given = view_of(start, K, D, FG_F64);
    const fg_out out = out_of(got, K, D, FG_F64);
    fg_kmeans_options opt = {.struct_size = sizeof opt,
                             .k = K,
                             .init = FG_INIT_GIVEN,
                             .start = &given,
                             .tol = -1,
                             .normalize = 1,
                             .spherical = 1};
    for (opt.max_iter = 1; opt.max_iter <= MOST; opt.max_iter++) {
        fg_fit_report report = {.struct_size = sizeof report};
        expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
        oracle_lloyd(truth, K, &turned, labels);
        for (int j = 0; j < K; j++) assert_true(scale_to_length_1(truth + j * D) > 0.25);
        double moved = 0.0;
        for (int n = 0; n < N; n++)
            moved += oracle_sqdist(unit + n * D, truth + labels[n] * D, D) / N;
        for (int i = 0; i < K * D; i++) assert_true(fabs(got[i] - truth[i]) < 16 * 0x1p-24);
        assert_true(fabs(report.objective / moved - 1.0) < 0x1p-19);
    }
    free(unit);
}

static void they_come_to_rest(void **state)
{
    (void)state;
    enum { MOST = 200 };
    double got[K * D], history[MOST];
    const fg_out out = out_of(got, K, D, FG_F64);
    const fg_kmeans_options opt = {.struct_size = sizeof opt,
                                   .k = K,
                                   .max_iter = MOST,
                                   .tol = -1,
                                   .normalize = 1,
                                   .spherical = 1};
    fg_fit_report report = {
        .struct_size = sizeof report, .history = history, .history_capacity = MOST};
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, &report));
    assert_int_equal(report.stop_reason, FG_STOP_STEADY);
    for (int t = 1; t < report.history_count; t++)
        assert_true(history[t] <= history[t - 1] * (1.0 + 0x1p-19));
    for (int j = 0; j < K; j++)
        assert_true(fabs(scale_to_length_1(got + j * D) - 1.0) < D * 0x1p-24);
}

/* ---- misuse */

static void misuse_is_named(void **state)
{
    (void)state;
    double got[K * D];
    const fg_out out = out_of(got, K, D, FG_F64);
    const fg_kmeans_options kmeans = {.struct_size = sizeof kmeans, .k = K, .spherical = 1};
    expect_failure(fg_kmeans_fit(ctx, src, &kmeans, &out, NULL), FG_ARGUMENT, "spherical is 1",
                   "normalize is 0", NULL);
    const fg_ivf_options wrong[] = {
        {.metric = FG_METRIC_L2, .spherical = 1},
        {.metric = FG_METRIC_COSINE, .spherical = 1, .coarse = FG_COARSE_GMM},
        {.metric = FG_METRIC_COSINE, .shared_variance = 1},
    };
    for (int i = 0; i < 3; i++) {
        fg_ivf_options opt = wrong[i];
        fg_ivf *ivf;
        opt.struct_size = sizeof opt;
        opt.lists = K;
        expect_failure(fg_ivf_build(ctx, src, &opt, &ivf, NULL), FG_ARGUMENT,
                       opt.spherical ? "spherical is 1" : "shared_variance is 1", NULL);
    }
}

/* Lists have the centroids that training alone gives. */
static void an_index_hands_options_on(void **state)
{
    (void)state;
    float alone[K * D], lists[K * D];
    const fg_out alone_out = out_of(alone, K, D, FG_F32), lists_out = out_of(lists, K, D, FG_F32);
    const fg_kmeans_options kmeans = {
        .struct_size = sizeof kmeans, .k = K, .sample_rows = N, .normalize = 1, .spherical = 1};
    const fg_ivf_options opt = {
        .struct_size = sizeof opt, .lists = K, .metric = FG_METRIC_COSINE, .spherical = 1};
    fg_ivf *ivf;
    expect_ok(fg_kmeans_fit(ctx, src, &kmeans, &alone_out, NULL));
    expect_ok(fg_ivf_build(ctx, src, &opt, &ivf, NULL));
    expect_ok(fg_ivf_get_lists(ivf, NULL, &lists_out));
    assert_memory_equal(alone, lists, sizeof alone);
    fg_ivf_destroy(ivf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_variance_is_the_mean_of_all),
        cmocka_unit_test(the_log_likelihood_never_falls),
        cmocka_unit_test(centroids_on_the_sphere_agree_with_plain_loops),
        cmocka_unit_test(they_come_to_rest),
        cmocka_unit_test(an_index_hands_options_on),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
