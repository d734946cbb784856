/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_faults.c - a device that fails at each step in turn, that is full, that is lost: a status with a sentence,
 * nothing held, a context that goes on working, and the CPU unharmed. Skipped where there is no device. */
#include "mixtures.h"

#include "context.h"
#include "fault.h"

#include <math.h> /* fabs */

#ifdef FGI_WITH_CUDA
#include "cuda_pass.h"
#include "cuda_store.h"

enum { N = 3000, D = 20, STEPS = 6 };

/* Models that a block holds, and larger ones whose rows are crowded: by then each strategy has been at work. */
typedef struct shape {
    int32_t k;
    double spread;
} shape;

static const shape small = {6, 4.0}, crowded = {150, 0.3};

static struct world {
    const shape *shape;
    float *x;
    fg_source *rows;
    fg_context *cpu;
    bool device;
} w;

static void make_rows(const shape *how)
{
    fg_source_destroy(w.rows);
    free(w.x);
    w.shape = how;
    w.x = blob_rows(&(blobs){.n = N, .d = D, .blobs = how->k, .spread = how->spread});
    w.rows = source_of(w.x, N, D, FG_F32);
}

static int make_world(void **state)
{
    (void)state;
    make_rows(&small);
    w.cpu = context_of(NULL, 2);
    w.device = fg_device_count() > 1;
    if (!w.device) printf("no CUDA device: tests of its failures skipped\n");
    return 0;
}

static int free_world(void **state)
{
    (void)state;
    fg_source_destroy(w.rows);
    fg_context_destroy(w.cpu);
    free(w.x);
    return 0;
}

static void need_device(void)
{
    if (!w.device) skip();
}

static fg_status open_gpu(fg_context **out)
{
    const fg_context_options o = {.struct_size = sizeof o, .backend = FG_BACKEND_CUDA};
    return fg_context_create(&o, out);
}

/* A fit from seeds to mixture; *log_likelihood on success alone. */
static fg_status try_fit(fg_context *ctx, double *log_likelihood)
{
    const fg_gmm_options o = {.struct_size = sizeof o,
                              .k = w.shape->k,
                              .covariance = FG_COV_SPHERICAL,
                              .kmeans_iter = 3,
                              .max_iter = STEPS,
                              .tol = -1,
                              .tol_relative = -1};
    fg_fit_report report = {.struct_size = sizeof report};
    fg_gmm *gmm = NULL;
    const fg_status s = fg_gmm_fit(ctx, w.rows, &o, &gmm, &report);
    if (s == FG_OK) *log_likelihood = report.objective;
    if (s != FG_OK) assert_null(gmm);
    fg_gmm_destroy(gmm);
    return s;
}

static double fit_well(fg_context *ctx)
{
    double value = 0.0;
    expect_ok(try_fit(ctx, &value));
    return value;
}

/* Both are f32-grade; STEPS updates pass a difference on. */
static void expect_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-4)) fail_msg("log-likelihood %.9g, not %.9g", a, b);
}

/* Calls it with rows of each shape, and leaves the small one. */
static void each_shape(void (*test)(void))
{
    need_device();
    make_rows(&crowded);
    test();
    make_rows(&small);
    test();
}

/* Every event of a kind fails once, from opening the context to the end of the fit; then there is none left. */
static void each_fault(fgi_fault_kind kind, fg_status wanted, const char *word)
{
    const double right = fit_well(w.cpu);
    int failures = 0;
    bool over = false;
    for (int64_t n = 1; !over; n++) {
        fg_context *ctx = NULL;
        double value = 0.0;
        fgi_fault_arm((unsigned)kind, n);
        fg_status s = open_gpu(&ctx);
        if (s == FG_OK) s = try_fit(ctx, &value);
        over = !fgi_fault_happened();
        fgi_fault_arm(0, 0);
        if (s == FG_OK) {
            expect_near(value, right);
        } else {
            failures++;
            expect_failure(s, wanted, word, NULL);
        }
        if (ctx) {
            expect_near(fit_well(ctx), right); /* the context is as good as new */
            fg_context_destroy(ctx);
        }
    }
    print_message("%d failures told\n", failures);
    assert_true(failures > 0);
}

static void each_step(void)
{
    each_fault(FGI_FAULT_DEVICE, FG_DEVICE, "CUDA");
}

static void test_each_step_fails(void **state)
{
    (void)state;
    each_shape(each_step);
}

/* Rows that find no room pass by; what is needed besides is told. */
static void each_block(void)
{
    each_fault(FGI_FAULT_DEVICE_MEMORY, FG_MEMORY, "were needed");
}

static void test_each_block_fails(void **state)
{
    (void)state;
    each_shape(each_block);
}

static size_t free_bytes(void)
{
    size_t now = 0, all = 0;
    assert_int_equal(cudaMemGetInfo(&now, &all), cudaSuccess);
    return now;
}

/* What contexts and fits took is given back. */
static void keep_nothing(void)
{
    size_t before = 0;
    for (int i = 0; i < 3; i++) {
        fg_context *ctx;
        expect_ok(open_gpu(&ctx));
        fit_well(ctx);
        fg_context_destroy(ctx);
        if (i == 0) before = free_bytes(); /* kernels are loaded once, by the first */
    }
    assert_int_equal(free_bytes(), before);
}

static void test_nothing_is_kept(void **state)
{
    (void)state;
    each_shape(keep_nothing);
}

/* Fills the device but for so many bytes. */
static void *fill_device(size_t left)
{
    void *block = NULL;
    assert_int_equal(cudaMalloc(&block, free_bytes() - left), cudaSuccess);
    return block;
}

/* 64 MB beside 40 MB of room: they are not held, and nothing else changes. */
static void test_rows_larger_than_the_device(void **state)
{
    (void)state;
    need_device();
    enum { ROWS = 800000 };
    float *x = blob_rows(&(blobs){.n = ROWS, .d = D, .blobs = small.k, .spread = 4.0});
    fg_source *rows = source_of(x, ROWS, D, FG_F32);
    const fg_gmm_options o = {
        .k = small.k, .covariance = FG_COV_SPHERICAL, .max_iter = 3, .tol = -1, .tol_relative = -1};
    fg_context *ctx;
    fitted roomy, tight;
    expect_ok(open_gpu(&ctx));
    fit(ctx, rows, o, &roomy);
    fg_context_destroy(ctx);
    expect_ok(open_gpu(&ctx));
    void *block = fill_device((size_t)56 << 20);
    fit(ctx, rows, o, &tight);
    for (int i = 0; i < roomy.report.history_count; i++)
        expect_near(tight.history[i], roomy.history[i]);
    assert_int_equal(cudaFree(block), cudaSuccess);
    fg_context_destroy(ctx);
    fitted_free(&roomy);
    fitted_free(&tight);
    fg_source_destroy(rows);
    free(x);
}

static void test_no_room_at_all(void **state)
{
    (void)state;
    need_device();
    fg_context *ctx;
    expect_ok(open_gpu(&ctx));
    void *block = fill_device((size_t)4 << 20);
    double value = 0.0;
    expect_failure(try_fit(ctx, &value), FG_MEMORY, "out of device memory", "were needed",
                   "are free", NULL);
    assert_int_equal(cudaFree(block), cudaSuccess);
    expect_near(fit_well(ctx), fit_well(w.cpu));
    fg_context_destroy(ctx);
}

/* A kernel that reads where nothing is takes the whole device from this process: so this comes last. */
static void test_lost_device(void **state)
{
    (void)state;
    need_device();
    if (getenv("FLASHGMM_TEST_QUICK")) skip(); /* a checker of memory would call it ours */
    fg_context *ctx, *other = NULL;
    expect_ok(open_gpu(&ctx));
    fit_well(ctx);
    const fgi_cuda_model model = {.d = 4, .ld = 16};
    const fgi_cuda_rows rows = {
        .raw = (const void *)4096, .pitch_bytes = 16, .dtype = FG_F32, .rows = 128};
    (void)fgi_cuda_load(&model, &rows, NULL);
    assert_int_not_equal(cudaDeviceSynchronize(), cudaSuccess);
    double value = 0.0;
    expect_failure(try_fit(ctx, &value), FG_DEVICE, "CUDA", "illegal", NULL);
    fg_context_destroy(ctx);
    expect_failure(open_gpu(&other), FG_DEVICE, "CUDA", NULL);
    assert_null(other);
    fit_well(w.cpu);
}

int main(void)
{
    const bool device = fg_device_count() > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_kept),  cmocka_unit_test(test_each_step_fails),
        cmocka_unit_test(test_each_block_fails), cmocka_unit_test(test_rows_larger_than_the_device),
        cmocka_unit_test(test_no_room_at_all),   cmocka_unit_test(test_lost_device),
    };
    const int failed = cmocka_run_group_tests_name("backend_faults", tests, make_world, free_world);
    return failed || device ? failed : SKIPPED;
}
#else
/* A build without the backend says so. */
static void test_no_backend(void **state)
{
    (void)state;
    const fg_context_options o = {.struct_size = sizeof o, .backend = FG_BACKEND_CUDA};
    fg_context *ctx = NULL;
    expect_failure(fg_context_create(&o, &ctx), FG_DEVICE, "this build has no CUDA backend", NULL);
    assert_null(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_backend)};
    return cmocka_run_group_tests_name("backend_faults", tests, NULL, NULL);
}
#endif
