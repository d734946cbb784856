/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_fit.c - whole fits on the CPU and on a CUDA device: the same decisions, and log-likelihoods that f32 explains,
 * whether the device takes its turns ahead of the host or a pass at a time. Skipped where there is no device. */
#include "mixtures.h"

#include <math.h> /* fabs, NAN */

enum { N = 4000, D = 12, K = 9, STEPS = 12 };

static fg_context *cpu, *gpu;
static float *x; /* N x D, near K blobs */

static int open_contexts(void **state)
{
    (void)state;
    const fg_context_options on_gpu = {.struct_size = sizeof on_gpu, .backend = FG_BACKEND_CUDA};
    cpu = context_of(NULL, 2);
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 3.0});
    if (fg_device_count() > 1)
        expect_ok(fg_context_create(&on_gpu, &gpu));
    else
        printf("no CUDA device: fits on it skipped\n");
    return 0;
}

static int close_contexts(void **state)
{
    (void)state;
    fg_context_destroy(cpu);
    fg_context_destroy(gpu);
    free(x);
    return 0;
}

static void need_gpu(void)
{
    if (!gpu) skip();
}

/* Values of a step differ by some roundings of f32 a row, and by what earlier steps have made of theirs. */
static void expect_near(double a, double b, int32_t step)
{
    const double bound = (step + 1) * 64 * 0x1p-24 * (fabs(a) + 26);
    if (!(fabs(a - b) <= bound)) fail_msg("step %d: %.12g and %.12g, bound %g", step, a, b, bound);
}

static void expect_alike(const fitted *a, const fitted *b)
{
    assert_int_equal(a->report.iterations, b->report.iterations);
    assert_int_equal(a->report.stop_reason, b->report.stop_reason);
    assert_int_equal(a->report.revived, b->report.revived);
    assert_int_equal(a->report.dead, b->report.dead);
    assert_int_equal(a->report.floored, b->report.floored);
    assert_int_equal(a->report.rows, b->report.rows);
    assert_int_equal(a->report.rows_skipped, b->report.rows_skipped);
    assert_int_equal(a->report.history_count, b->report.history_count);
    for (int i = 0; i < a->report.history_count; i++) expect_near(a->history[i], b->history[i], i);
    expect_near(a->report.objective, b->report.objective, a->report.history_count);
}

static void compare_fits(const float *rows, fg_gmm_options o)
{
    for (size_t kind = 0; kind < 2; kind++) {
        fg_source *src = source_of(rows, N, D, FG_F32);
        fitted on_cpu, on_gpu, again;
        o.covariance = (int32_t)both_kinds[kind];
        fit(cpu, src, o, &on_cpu);
        fit(gpu, src, o, &on_gpu);
        fit(gpu, src, o, &again);
        expect_alike(&on_cpu, &on_gpu);
        assert_memory_equal(on_gpu.history, again.history, sizeof on_gpu.history);
        fitted_free(&on_cpu);
        fitted_free(&on_gpu);
        fitted_free(&again);
        fg_source_destroy(src);
    }
}

static const fg_gmm_options steps = {
    .k = K, .max_iter = STEPS, .tol = -1, .tol_relative = -1, .kmeans_iter = 3};

static void test_schedules(void **state)
{
    (void)state;
    need_gpu();
    fg_gmm_options o = steps;
    compare_fits(x, o);
    o.init = FG_INIT_RANDOM;
    o.normalize = 1;
    compare_fits(x, o);
    o = steps;
    o.shared_variance = 1;
    compare_fits(x, o);
    o = steps;
    o.k = 1;
    compare_fits(x, o);
    o = steps;
    o.k = 100; /* too many for a block */
    o.max_iter = 4;
    compare_fits(x, o);
}

static void test_tolerance(void **state)
{
    (void)state;
    need_gpu();
    compare_fits(x, (fg_gmm_options){.k = K, .max_iter = 60, .tol = 1e-3});
}

static int stop_at_step_five(void *user, const fg_progress *now)
{
    (void)user;
    return !strcmp(now->phase, "em") && now->step == 5 && now->rows == now->rows_total;
}

/* The device is ahead by then; the caller gets the parameters of the pass that it has stopped. */
static void test_stopped_by_the_caller(void **state)
{
    (void)state;
    need_gpu();
    fg_gmm_options o = steps;
    o.progress = stop_at_step_five;
    compare_fits(x, o);
}

/* Five distinct rows for nine components: some are revived as long as there is something to split, some end dead. */
static void test_few_distinct_rows(void **state)
{
    (void)state;
    need_gpu();
    float *few = malloc(sizeof(float) * N * D);
    for (int32_t r = 0; r < N; r++)
        for (int32_t i = 0; i < D; i++) few[r * D + i] = x[(r % 5) * D + i];
    compare_fits(few, steps);
    free(few);
}

static void test_bad_rows(void **state)
{
    (void)state;
    need_gpu();
    float *bad = malloc(sizeof(float) * N * D);
    memcpy(bad, x, sizeof(float) * N * D);
    bad[17 * D + 3] = NAN;
    bad[3000 * D] = INFINITY;
    fg_gmm_options o = steps;
    o.bad_rows = FG_BAD_ROWS_SKIP;
    compare_fits(bad, o);
    o.struct_size = sizeof o;
    o.bad_rows = FG_BAD_ROWS_REFUSE;
    fg_gmm *gmm = NULL;
    fg_source *src = source_of(bad, N, D, FG_F32);
    expect_failure(fg_gmm_fit(gpu, src, &o, &gmm, NULL), FG_NUMERIC, "row 17", "2 such rows", NULL);
    assert_null(gmm);
    fg_source_destroy(src);
    free(bad);
}

static void fit_centroids(fg_context *ctx, fg_source *src, fg_kmeans_options o, fitted *out)
{
    if (o.k == 0) o.k = K;
    float *centroids = malloc(sizeof(float) * (size_t)o.k * D);
    const fg_out to = out_of(centroids, o.k, D, FG_F32);
    *out = (fitted){.report = {.struct_size = sizeof out->report,
                               .history = out->history,
                               .history_capacity = HISTORY}};
    o.struct_size = sizeof o;
    o.tol = -1;
    expect_ok(fg_kmeans_fit(ctx, src, &o, &to, &out->report));
    free(centroids);
}

/* Until centroids are at rest, which both find after the same pass. */
static void test_centroids(void **state)
{
    (void)state;
    need_gpu();
    const fg_kmeans_options how[] = {{.max_iter = 5},
                                     {.max_iter = 100},
                                     {.max_iter = 5, .normalize = 1, .spherical = 1},
                                     {.max_iter = 100, .init = FG_INIT_RANDOM, .restarts = 2}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        fg_source *src = source_of(x, N, D, FG_F32);
        fitted on_cpu, on_gpu;
        fit_centroids(cpu, src, how[i], &on_cpu);
        fit_centroids(gpu, src, how[i], &on_gpu);
        expect_alike(&on_cpu, &on_gpu);
        fg_source_destroy(src);
    }
}

/* The last third of the centroids begins where no row is: the device revives them itself, ahead of the host. */
static void test_empty_centroids(void **state)
{
    (void)state;
    need_gpu();
    static const int32_t counts[] = {K, 150, 700};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const int32_t k = counts[i];
        float *from = malloc(sizeof(float) * (size_t)k * D);
        memcpy(from, x, sizeof(float) * (size_t)k * D);
        for (int32_t c = (k - k / 3) * D; c < k * D; c++) from[c] = 1e4f;
        const fg_view start = view_of(from, k, D, FG_F32);
        const fg_kmeans_options how = {
            .k = k, .max_iter = 6, .init = FG_INIT_GIVEN, .start = &start, .seed = 5};
        fg_source *src = source_of(x, N, D, FG_F32);
        fitted on_cpu, on_gpu;
        fit_centroids(cpu, src, how, &on_cpu);
        fit_centroids(gpu, src, how, &on_gpu);
        assert_true(on_cpu.report.revived >= k / 3);
        expect_alike(&on_cpu, &on_gpu);
        fg_source_destroy(src);
        free(from);
    }
}

int main(void)
{
    const bool device = fg_device_count() > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_stopped_by_the_caller),
        cmocka_unit_test(test_few_distinct_rows),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_centroids),
        cmocka_unit_test(test_empty_centroids),
    };
    const int failed =
        cmocka_run_group_tests_name("backend_fit", tests, open_contexts, close_contexts);
    return failed || device ? failed : SKIPPED;
}
