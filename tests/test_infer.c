/* SPDX-License-Identifier: Apache-2.0 */
/* test_infer.c - what a mixture says about rows, against the oracle and against itself: densities, labels,
 * responsibilities dense and sparse. Knows the public interface. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs */

enum { N = 700, D = 6, K = 20, DEAD = 13 };

static fg_source *src;
static float *x;
static double *wide;

static int make_rows(void **state)
{
    (void)state;
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 5, .spread = 1.0});
    wide = widened(x, N * D);
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

/* Components that overlap, of many sizes; one is dead. */
static oracle wide_mixture(fg_covariance covariance)
{
    const oracle o = start_at_rows(x, N, D, K, covariance);
    double sum = 0.0;
    for (int32_t j = 0; j < K; j++) {
        o.weights[j] = j == DEAD ? 0.0 : 1.0 + j % 4;
        sum += o.weights[j];
        for (int32_t i = 0; i < D; i++)
            o.variances[j * D + i] = 0.1 * (1 + j % 7) * (o.spherical ? 1 : 1 + i);
    }
    for (int32_t j = 0; j < K; j++) o.weights[j] /= sum;
    return o;
}

/* ---- everything that can be asked, answered by the library and by the oracle */

typedef struct answers {
    fg_context *ctx;
    oracle o;
    fg_gmm *gmm;
    double center[D];
    double density[N], r[N][K];       /* the oracle's */
    double density_bound[N], b[N][K]; /* on the library's */
    float dense[N][K];
} answers;

static answers *ask(fg_context *ctx, fg_covariance covariance)
{
    answers *a = calloc(1, sizeof *a);
    a->ctx = ctx;
    a->o = wide_mixture(covariance);
    a->gmm = gmm_of(&a->o);
    for (int i = 0; i < D; i++) /* a mixture that was given is centred by its means */
        for (int j = 0; j < K; j++) a->center[i] += a->o.means[j * D + i] / K;
    for (int n = 0; n < N; n++) {
        const double *row = wide + n * D;
        a->density[n] = oracle_density(&a->o, row, a->r[n]);
        a->density_bound[n] = rounding_of_row(&a->o, row, a->center, a->r[n], a->b[n]);
    }
    const fg_out dense = out_of(a->dense, N, K, FG_F32);
    expect_ok(fg_gmm_responsibilities(ctx, a->gmm, src, &dense));
    return a;
}

static void forget(answers *a)
{
    fg_gmm_destroy(a->gmm);
    oracle_free(&a->o);
    free(a);
}

static void with_everything(void (*test)(const answers *a))
{
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *ctx = context_of(every_isa[isa], 2);
        for (int c = 0; ctx && c < 2; c++) {
            answers *a = ask(ctx, both_kinds[c]);
            test(a);
            forget(a);
        }
        fg_context_destroy(ctx);
    }
}

/* ---- densities and labels */

static void check_density(const answers *a)
{
    double density[N], mean, sum = 0.0;
    float narrow[N];
    const fg_out wide_out = out_of(density, N, 1, FG_F64),
                 narrow_out = out_of(narrow, N, 1, FG_F32);
    expect_ok(fg_gmm_score(a->ctx, a->gmm, src, &wide_out, &mean));
    expect_ok(fg_gmm_score(a->ctx, a->gmm, src, &narrow_out, NULL));
    for (int n = 0; n < N; n++) {
        assert_true(fabs(density[n] - a->density[n]) <= a->density_bound[n]);
        assert_true(narrow[n] == (float)density[n]);
        sum += density[n];
    }
    assert_true(fabs(mean - sum / N) <= 1e-13 * fabs(mean));
}

static void densities_agree_with_the_oracle(void **state)
{
    (void)state;
    with_everything(check_density);
}

static void check_label(const answers *a)
{
    int32_t labels[N];
    float posterior[N];
    const fg_out label = out_of(labels, N, 1, FG_I32), share = out_of(posterior, N, 1, FG_F32);
    expect_ok(fg_gmm_predict(a->ctx, a->gmm, src, &label, &share));
    for (int n = 0; n < N; n++) {
        const int32_t j = labels[n];
        assert_true(fabs(posterior[n] - a->r[n][j]) <= a->b[n][j]);
        assert_true(posterior[n] == a->dense[n][j]);
        for (int c = 0; c < K; c++) assert_true(a->r[n][c] - a->b[n][c] <= a->r[n][j] + a->b[n][j]);
    }
}

static void labels_agree_with_the_oracle(void **state)
{
    (void)state;
    with_everything(check_label);
}

/* ---- responsibilities */

static void check_dense(const answers *a)
{
    for (int n = 0; n < N; n++) {
        double sum = 0.0;
        for (int j = 0; j < K; j++) {
            sum += a->dense[n][j];
            assert_true(fabs(a->dense[n][j] - a->r[n][j]) <= a->b[n][j]);
        }
        assert_true(fabs(sum - 1.0) < K * 0x1p-23);
        assert_true(a->dense[n][DEAD] == 0.0f);
    }
}

static void responsibilities_agree_with_the_oracle(void **state)
{
    (void)state;
    with_everything(check_dense);
}

/* The best of the dense row, in order; -1 and 0 where the dense row has nothing more. */
static void check_top(const answers *a)
{
    static int32_t best[N * K];
    static float shares[N * K];
    for (int32_t m = 1; m <= K; m += m == 1 ? 3 : 8) {
        const fg_out components = out_of(best, N, m, FG_I32), values = out_of(shares, N, m, FG_F32);
        expect_ok(fg_gmm_top(a->ctx, a->gmm, src, &components, &values));
        for (int n = 0; n < N; n++) {
            bool told[K] = {false};
            float last = 1.0f;
            for (int i = 0; i < m; i++) {
                const int32_t j = best[n * m + i];
                const float share = shares[n * m + i];
                assert_true(share <= last);
                last = share;
                assert_true(j < 0 ? share == 0.0f : share == a->dense[n][j] && !told[j]);
                if (j >= 0) told[j] = true;
            }
            for (int j = 0; j < K; j++) assert_true(told[j] || a->dense[n][j] <= last);
        }
    }
}

static void the_best_few_are_the_dense_row_in_order(void **state)
{
    (void)state;
    with_everything(check_top);
}

/* Exactly what the dense row has at tau and above, and the largest in any case. */
static void check_above(const answers *a)
{
    static const double taus[] = {1e-12, 1e-3, 1.0 / K, 0.25, 0.5, 0.999};
    for (int t = 0; t < 6; t++) {
        fg_csr *csr;
        const float tau = (float)taus[t];
        expect_ok(fg_gmm_above(a->ctx, a->gmm, src, taus[t], &csr));
        assert_int_equal(csr->rows, N);
        assert_int_equal(csr->offsets[0], 0);
        for (int n = 0; n < N; n++) {
            const int64_t begin = csr->offsets[n], count = csr->offsets[n + 1] - begin;
            int above = 0;
            float most = 0.0f;
            for (int j = 0; j < K; j++) {
                above += a->dense[n][j] >= tau;
                if (a->dense[n][j] > most) most = a->dense[n][j];
            }
            assert_int_equal(count, above > 0 ? above : 1);
            assert_true(csr->responsibilities[begin] == most);
            assert_true(above == 0 || (double)count <= 1.0 / taus[t]);
            for (int64_t i = begin; i < begin + count; i++) {
                assert_true(csr->responsibilities[i] == a->dense[n][csr->components[i]]);
                assert_true(i == begin || csr->responsibilities[i] <= csr->responsibilities[i - 1]);
                assert_true(i == begin || csr->components[i] != csr->components[i - 1]);
            }
        }
        fg_csr_destroy(csr);
    }
}

static void the_sparse_rows_are_the_dense_ones_above_tau(void **state)
{
    (void)state;
    with_everything(check_above);
}

/* ---- outputs with gaps, rows that cannot be, misuse */

static void outputs_may_have_gaps(void **state)
{
    (void)state;
    enum { STRIDE = K + 3 };
    fg_context *ctx = context_of(NULL, 2);
    answers *a = ask(ctx, FG_COV_DIAG);
    float *gaps = malloc(N * STRIDE * sizeof *gaps);
    for (int i = 0; i < N * STRIDE; i++) gaps[i] = -5.0f;
    fg_out out = out_of(gaps, N, K, FG_F32);
    out.row_stride = STRIDE;
    expect_ok(fg_gmm_responsibilities(ctx, a->gmm, src, &out));
    for (int n = 0; n < N; n++) {
        assert_memory_equal(gaps + n * STRIDE, a->dense[n], sizeof a->dense[n]);
        for (int i = K; i < STRIDE; i++) assert_true(gaps[n * STRIDE + i] == -5.0f);
    }
    free(gaps);
    forget(a);
    fg_context_destroy(ctx);
}

static void a_bad_row_is_named(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    oracle o = wide_mixture(FG_COV_DIAG);
    fg_gmm *gmm = gmm_of(&o);
    float *bad = malloc(N * D * sizeof *bad), shares[N];
    int32_t labels[N];
    double density[N];
    memcpy(bad, x, N * D * sizeof *bad);
    bad[411 * D + 2] = INFINITY;
    fg_source *spoiled = source_of(bad, N, D, FG_F32);
    const fg_out label = out_of(labels, N, 1, FG_I32), share = out_of(shares, N, 1, FG_F32),
                 log_density = out_of(density, N, 1, FG_F64);
    fg_csr *csr;
    float *dense = malloc(N * K * sizeof *dense);
    const fg_out all = out_of(dense, N, K, FG_F32);
    expect_failure(fg_gmm_predict(ctx, gmm, spoiled, &label, &share), FG_NUMERIC, "row 411 ", NULL);
    expect_failure(fg_gmm_score(ctx, gmm, spoiled, &log_density, NULL), FG_NUMERIC, "row 411 ",
                   NULL);
    expect_failure(fg_gmm_top(ctx, gmm, spoiled, &label, &share), FG_NUMERIC, "row 411 ", NULL);
    expect_failure(fg_gmm_above(ctx, gmm, spoiled, 0.1, &csr), FG_NUMERIC, "row 411 ", NULL);
    expect_failure(fg_gmm_responsibilities(ctx, gmm, spoiled, &all), FG_NUMERIC, "row 411 ", NULL);
    fg_source_destroy(spoiled);
    free(dense);
    free(bad);
    fg_gmm_destroy(gmm);
    oracle_free(&o);
    fg_context_destroy(ctx);
}

static void misuse_is_named(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 1);
    oracle o = wide_mixture(FG_COV_DIAG);
    fg_gmm *gmm = gmm_of(&o);
    static int32_t labels[N * (K + 1)];
    static float shares[N * (K + 1)];
    fg_csr *csr;
    fg_source *narrow = source_of(x, N, D - 1, FG_F32);
    const fg_out label = out_of(labels, N, 1, FG_I32), few = out_of(labels, N - 1, 1, FG_I32),
                 real = out_of(shares, N, 1, FG_F32), more = out_of(labels, N, K + 1, FG_I32),
                 dense = out_of(shares, N, K - 1, FG_F32), pair = out_of(shares, N, 2, FG_F32);
    expect_failure(fg_gmm_predict(ctx, gmm, narrow, &label, NULL), FG_ARGUMENT, "5 columns",
                   "6 dimensions", NULL);
    expect_failure(fg_gmm_predict(ctx, gmm, src, NULL, NULL), FG_ARGUMENT, "both NULL", NULL);
    expect_failure(fg_gmm_predict(ctx, gmm, src, &few, NULL), FG_ARGUMENT, "labels", "699", "700",
                   NULL);
    expect_failure(fg_gmm_predict(ctx, gmm, src, &real, NULL), FG_ARGUMENT, "labels", "f32", NULL);
    expect_failure(fg_gmm_score(ctx, gmm, src, &label, NULL), FG_ARGUMENT, "log_density", NULL);
    expect_failure(fg_gmm_top(ctx, gmm, src, NULL, &real), FG_ARGUMENT, "components is NULL", NULL);
    expect_failure(fg_gmm_top(ctx, gmm, src, &more, NULL), FG_ARGUMENT, "21 columns", "1..20",
                   NULL);
    expect_failure(fg_gmm_top(ctx, gmm, src, &label, &pair), FG_ARGUMENT, "responsibilities", NULL);
    expect_failure(fg_gmm_responsibilities(ctx, gmm, src, &dense), FG_ARGUMENT, "19", "20", NULL);
    static const double taus[] = {0.0, 1.0, -1.0, NAN};
    for (int i = 0; i < 4; i++)
        expect_failure(fg_gmm_above(ctx, gmm, src, taus[i], &csr), FG_ARGUMENT, "tau is", NULL);
    expect_failure(fg_gmm_score(NULL, gmm, src, NULL, NULL), FG_ARGUMENT, "ctx is NULL", NULL);
    expect_failure(fg_gmm_score(ctx, NULL, src, NULL, NULL), FG_ARGUMENT, "gmm is NULL", NULL);
    expect_failure(fg_gmm_score(ctx, gmm, NULL, NULL, NULL), FG_ARGUMENT, "rows is NULL", NULL);
    fg_source_destroy(narrow);
    fg_gmm_destroy(gmm);
    oracle_free(&o);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(densities_agree_with_the_oracle),
        cmocka_unit_test(labels_agree_with_the_oracle),
        cmocka_unit_test(responsibilities_agree_with_the_oracle),
        cmocka_unit_test(the_best_few_are_the_dense_row_in_order),
        cmocka_unit_test(the_sparse_rows_are_the_dense_ones_above_tau),
        cmocka_unit_test(outputs_may_have_gaps),
        cmocka_unit_test(a_bad_row_is_named),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
