/* SPDX-License-Identifier: Apache-2.0 */
/* test_extremes.c - healthy data where arithmetic is short: far from the origin, far from every component, more rows
 * than f32 counts, the same rows many times, rows as far apart as f32 goes. Knows what docs/math.md promises. */
#include "mixtures.h"
#include "random.h"
#include "rounding.h"

#include <math.h> /* fabs, isfinite */

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

/* ------------------------------------------------------------------------------------- far from home */

/* Rows and their mean lie on a grid that f32 holds at 10^4 too: then the shift is exact, and so is all that follows. */
static void a_shift_of_the_data_shifts_the_means_alone(void **state)
{
    (void)state;
    enum { N = 600, D = 4, K = 3 };
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 3, .spread = 5.0});
    for (int n = 0; n < N / 2; n++) /* multiples of 1/256, and every row's mirror image */
        for (int i = 0; i < D; i++) {
            x[n * D + i] = rintf(x[n * D + i] * 256.0f) / 256.0f;
            x[(N - 1 - n) * D + i] = -x[n * D + i];
        }
    float *moved = malloc(N * D * sizeof *moved);
    for (int i = 0; i < N * D; i++) moved[i] = x[i] + 1e4f;
    fg_source *here = source_of(x, N, D, FG_F32), *there = source_of(moved, N, D, FG_F32);
    for (int c = 0; c < 2; c++) {
        const fg_gmm_options opt = {.k = K, .covariance = both_kinds[c], .tol = -1, .max_iter = 20};
        fitted a, b;
        fit(ctx, here, opt, &a);
        fit(ctx, there, opt, &b);
        oracle oa = oracle_of(a.gmm), ob = oracle_of(b.gmm);
        for (int i = 0; i < K * D; i++) {
            assert_true(oa.variances[i] == ob.variances[i]);
            assert_true(fabs(ob.means[i] - 1e4 - oa.means[i]) < 1e-11); /* f64 at 10^4 */
        }
        for (int j = 0; j < K; j++) assert_true(oa.weights[j] == ob.weights[j]);
        assert_memory_equal(a.history, b.history, sizeof a.history);
        oracle_free(&oa);
        oracle_free(&ob);
        fitted_free(&a);
        fitted_free(&b);
    }
    fg_source_destroy(here);
    fg_source_destroy(there);
    free(moved);
    free(x);
}

static void check_far_rows(fg_context *one, const oracle *o, fg_source *src, const float *x, int n)
{
    int32_t labels[8];
    float posterior[8];
    double density[8], mean, r[8];
    const fg_out label = out_of(labels, 8, 1, FG_I32), share = out_of(posterior, 8, 1, FG_F32),
                 log_density = out_of(density, 8, 1, FG_F64);
    fg_gmm *gmm = gmm_of(o);
    expect_ok(fg_gmm_predict(one, gmm, src, &label, &share));
    expect_ok(fg_gmm_score(one, gmm, src, &log_density, &mean));
    for (int row = 0; row < n; row++) {
        const double at[] = {x[row * 2], x[row * 2 + 1]}, truth = oracle_density(o, at, r);
        int32_t nearest = 0;
        for (int32_t j = 1; j < o->k; j++)
            if (r[j] > r[nearest]) nearest = j;
        assert_int_equal(labels[row], nearest);
        assert_true(posterior[row] > 0.999f);
        assert_true(isfinite(density[row]));
        assert_true(fabs(density[row] / truth - 1.0) < 1e-5);
    }
    assert_true(isfinite(mean));
    fg_gmm_destroy(gmm);
}

/* So far that every density is 0 in f64: the nearest component, by its own measure, takes the row. */
static void a_far_row_goes_to_the_nearest_component(void **state)
{
    (void)state;
    enum { K = 3, D = 2, FAR = 8 };
    static const double variances[][K] = {{1.0, 1.5, 2.0}, {1e-3, 1.0, 30.0}, {1e-24, 1e-6, 1e6}};
    static const double means[K * D] = {0.0, 0.0, 100.0, -50.0, -3.0, 2000.0};
    float x[FAR * D];
    for (int n = 0; n < FAR; n++) { /* 10^4 .. 10^18, all around */
        x[n * D] = powf(10.0f, (float)(4 + 2 * n)) * (n % 2 ? 1.0f : -1.0f);
        x[n * D + 1] = 0.7f * x[n * D] * (n % 4 < 2 ? 1.0f : -1.0f);
    }
    fg_source *src = source_of(x, FAR, D, FG_F32);
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *one = context_of(every_isa[isa], 1);
        for (int v = 0; one && v < 6; v++) {
            oracle o = oracle_new(K, D, v % 2);
            memcpy(o.means, means, sizeof means);
            for (int j = 0; j < K * D; j++) o.variances[j] = variances[v / 2][j / D];
            for (int j = 0; j < K; j++) o.weights[j] = 1.0 / K;
            check_far_rows(one, &o, src, x, FAR);
            oracle_free(&o);
        }
        fg_context_destroy(one);
    }
    fg_source_destroy(src);
}

/* A narrow component far out and a wide one at home: scores overflow in f32, and the row still finds its own. */
static void a_far_component_keeps_its_rows(void **state)
{
    (void)state;
    double weights[] = {0.5, 0.5}, means[] = {0.0, 0x1p60}, variances[] = {1e6, 1e-6};
    const float x[] = {0x1p60f, 0.0f, 5.0f, -0x1p60f};
    fg_source *src = source_of(x, 4, 1, FG_F32);
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *one = context_of(every_isa[isa], 1);
        for (int c = 0; one && c < 2; c++) {
            const oracle o = {2, 1, c == 1, weights, means, variances};
            int32_t labels[4];
            const fg_out out = out_of(labels, 4, 1, FG_I32);
            fg_gmm *gmm = gmm_of(&o);
            expect_ok(fg_gmm_predict(one, gmm, src, &out, NULL));
            assert_int_equal(labels[0], 1);
            for (int n = 1; n < 4; n++) assert_int_equal(labels[n], 0);
            fg_gmm_destroy(gmm);
        }
        fg_context_destroy(one);
    }
    fg_source_destroy(src);
}

/* ------------------------------------------------------------------------------------- many, repeated */

/* More rows than f32 can count, from a block that is handed out again and again: of 61 rows, 59 lie one to either side
 * of 0, the others one to either side of 100. No partial sum is a round number that f32 might hold after all. */
enum { PERIOD = 61, BLOCK = PERIOD * 1024 };

typedef struct repeater {
    float block[BLOCK];
    int64_t rows, at;
} repeater;

static fg_status repeater_rewind(void *user)
{
    ((repeater *)user)->at = 0;
    return FG_OK;
}

static fg_status repeater_next(void *user, int64_t want, fg_view *chunk)
{
    repeater *r = user;
    const int64_t begin = r->at % BLOCK;
    int64_t rows = r->rows - r->at;
    if (rows > want) rows = want;
    if (rows > BLOCK - begin) rows = BLOCK - begin;
    *chunk = view_of(r->block + begin, rows, 1, FG_F32);
    r->at += rows;
    return FG_OK;
}

static void more_rows_than_f32_can_count(void **state)
{
    (void)state;
    static repeater r;
    const bool quick = getenv("FLASHGMM_TEST_QUICK") != NULL;
    r.rows = (quick ? 16 : 340) * (int64_t)BLOCK;
    for (int i = 0; i < BLOCK; i++)
        r.block[i] = (i % PERIOD < 2 ? 100.0f : 0.0f) + (i % 2 ? 1.0f : -1.0f);
    const fg_reader reader = {
        .struct_size = sizeof reader,
        .rows = r.rows,
        .cols = 1,
        .dtype = FG_F32,
        .user = &r,
        .rewind = repeater_rewind,
        .next = repeater_next,
    };
    fg_source *src;
    expect_ok(fg_source_reader(&reader, &src));
    double weights[] = {0.5, 0.5}, means[] = {3.0, 90.0}, variances[] = {2.0, 2.0};
    oracle start = {2, 1, false, weights, means, variances};
    fg_gmm *gmm = gmm_of(&start);
    fitted f;
    fit(ctx, src, (fg_gmm_options){.k = 2, .init = FG_INIT_GIVEN, .start = gmm, .max_iter = 1}, &f);
    oracle o = oracle_of(f.gmm);
    assert_int_equal(f.report.rows, r.rows);
    assert_true(fabs(o.weights[0] - 59.0 / PERIOD) < 1e-12);
    assert_true(fabs(o.means[0]) < 1e-6);
    assert_true(fabs(o.means[1] - 100.0) < 1e-5);
    for (int j = 0; j < 2; j++) assert_true(fabs(o.variances[j] - 1.0) < 1e-6);
    oracle_free(&o);
    fitted_free(&f);
    fg_gmm_destroy(gmm);
    fg_source_destroy(src);
}

/* As a row of weight w is w copies of it, a weight that all rows share changes nothing. */
static void check_copies(const float *x, int copies, fg_covariance covariance)
{
    enum { N = 500, D = 5, K = 4, STEPS = 6 };
    float *repeated = malloc((size_t)copies * N * D * sizeof *repeated);
    for (int n = 0; n < copies * N; n++) memcpy(repeated + n * D, x + n % N * D, D * sizeof *x);
    double *wide = widened(x, N * D);
    const oracle_rows rows = {.x = wide, .n = N, .d = D};
    fg_source *once = source_of(x, N, D, FG_F32),
              *more = source_of(repeated, copies * N, D, FG_F32);
    oracle start = start_at_rows(x, N, D, K, covariance);
    fg_gmm *gmm = gmm_of(&start);
    fg_gmm_options opt = {
        .k = K, .init = FG_INIT_GIVEN, .start = gmm, .max_iter = STEPS, .tol = -1};
    opt.covariance = covariance;
    rounding bound[STEPS + 1];
    rounding_of_fit(&start, &rows, STEPS, bound);
    fitted a, b;
    fit(ctx, once, opt, &a);
    fit(ctx, more, opt, &b);
    oracle oa = oracle_of(a.gmm), ob = oracle_of(b.gmm);
    assert_int_equal(b.report.rows, copies * N);
    assert_true(oracle_distance(&ob, &oa) <= bound[STEPS].parameters);
    for (int t = 0; t <= STEPS; t++)
        assert_true(fabs(a.history[t] - b.history[t]) <= bound[t].log_likelihood);
    oracle_free(&oa);
    oracle_free(&ob);
    fitted_free(&a);
    fitted_free(&b);
    fg_gmm_destroy(gmm);
    oracle_free(&start);
    fg_source_destroy(once);
    fg_source_destroy(more);
    free(wide);
    free(repeated);
}

static void copies_of_every_row_change_nothing(void **state)
{
    (void)state;
    float *x = blob_rows(&(blobs){.n = 500, .d = 5, .blobs = 4, .spread = 2.0});
    for (int c = 0; c < 2; c++)
        for (int copies = 2; copies <= 3; copies++) check_copies(x, copies, both_kinds[c]);
    free(x);
}

/* Every row is within f32, and squares of differences are not: a fit is refused, or its parameters are finite. */
static void rows_too_far_apart_for_f32_are_refused(void **state)
{
    (void)state;
    enum { N = 400, D = 4, MOST_K = 8 };
    float x[N * D];
    for (int i = 0; i < N * D; i++)
        x[i] = (fgi_random_u64(3, 0, (uint64_t)i) & 1 ? 0.8e19f : -0.8e19f) *
               (1 - 0.1f * (float)fgi_random_uniform(4, 0, (uint64_t)i));
    fg_source *src = source_of(x, N, D, FG_F32);
    int refused = 0;
    for (int32_t k = 1; k <= MOST_K; k++)
        for (int c = 0; c < 2; c++) {
            const fg_gmm_options o = {
                .struct_size = sizeof o, .k = k, .covariance = c ? FG_COV_DIAG : FG_COV_SPHERICAL};
            double variances[MOST_K * D];
            const fg_out out = out_of(variances, k, c ? D : 1, FG_F64);
            fg_gmm *gmm = NULL;
            const fg_status s = fg_gmm_fit(ctx, src, &o, &gmm, NULL);
            refused += s != FG_OK;
            if (s != FG_OK) {
                expect_failure(s, FG_NUMERIC, "variance", "component", NULL);
                continue;
            }
            expect_ok(fg_gmm_get(gmm, NULL, NULL, &out, NULL));
            for (int32_t i = 0; i < k * (c ? D : 1); i++) assert_true(isfinite(variances[i]));
            fg_gmm_destroy(gmm);
        }
    assert_true(refused > 0);
    fg_source_destroy(src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shift_of_the_data_shifts_the_means_alone),
        cmocka_unit_test(a_far_row_goes_to_the_nearest_component),
        cmocka_unit_test(a_far_component_keeps_its_rows),
        cmocka_unit_test(more_rows_than_f32_can_count),
        cmocka_unit_test(copies_of_every_row_change_nothing),
        cmocka_unit_test(rows_too_far_apart_for_f32_are_refused),
    };
    return cmocka_run_group_tests(tests, make_context, free_context);
}
