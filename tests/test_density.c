/* SPDX-License-Identifier: Apache-2.0 */
/* test_density.c - soft rows take all components, others their candidates: one step of EM is right either way, and where
 * both meet. Compares with the oracle, to the bounds of rounding.c. Knows the public interface. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs, isfinite */

/* Rows of the first half are soft: all near to all means. Those of the second, far apart, belong to one each. Shards of
 * 1024 rows fall into one half or the other. */
enum { N = 4096, D = 5, K = 40, FAR = 700 };

static float *x;

static int make_rows(void **state)
{
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 0.4});
    float *apart = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 60, .seed = 1});
    memcpy(x + N / 2 * D, apart + N / 2 * D, N / 2 * D * sizeof *x);
    free(apart);
    return scratch_begin(state);
}

static int free_rows(void **state)
{
    free(x);
    return scratch_end(state);
}

/* Half of the means among the soft rows, half among the others. */
static oracle start_of(fg_covariance covariance)
{
    return start_at_rows(x, N, D, K, covariance);
}

static void check_step(const char *isa, fg_covariance covariance)
{
    fg_context *ctx = context_of(isa, 2);
    if (!ctx) return;
    oracle start = start_of(covariance);
    fg_gmm *gmm = gmm_of(&start);
    fg_source *src = source_of(x, N, D, FG_F32);
    double *wide = widened(x, (int64_t)N * D);
    const oracle_rows rows = {wide, N, D};
    rounding after[2];
    rounding_of_fit(&start, &rows, 1, after);
    fitted f;
    fit(ctx, src,
        (fg_gmm_options){
            .k = K, .covariance = covariance, .init = FG_INIT_GIVEN, .start = gmm, .max_iter = 1},
        &f);
    oracle fitted_one = oracle_of(f.gmm), truth = oracle_copy(&start);
    const double density = oracle_iterate(&truth, &rows);
    const double off = oracle_distance(&fitted_one, &truth);
    if (!(off <= after[1].parameters))
        fail_msg("%s: parameters are off by %g; the bound is %g", isa, off, after[1].parameters);
    if (!(fabs(f.history[0] - density) <= after[0].log_likelihood))
        fail_msg("%s: log-likelihood is off by %g; the bound is %g", isa, f.history[0] - density,
                 after[0].log_likelihood);
    assert_true(f.report.dropped <= 0x1p-26);
    oracle_free(&fitted_one);
    oracle_free(&truth);
    oracle_free(&start);
    fitted_free(&f);
    fg_gmm_destroy(gmm);
    fg_source_destroy(src);
    free(wide);
    fg_context_destroy(ctx);
}

static void a_step_is_right_either_way(void **state)
{
    (void)state;
    for (int i = 0; every_isa[i]; i++)
        for (int c = 0; c < 2; c++) check_step(every_isa[i], both_kinds[c]);
}

/* A row too far away for distances in f32, among soft ones. */
static void a_far_row_among_soft_ones(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 1);
    oracle start = start_of(FG_COV_DIAG);
    fg_gmm *gmm = gmm_of(&start);
    static double density[N], plain[N];
    const fg_out out = out_of(density, N, 1, FG_F64), plain_out = out_of(plain, N, 1, FG_F64);
    fg_source *src = source_of(x, N, D, FG_F32);
    expect_ok(fg_gmm_score(ctx, gmm, src, &plain_out, NULL));
    const float near = x[FAR * D + 1];
    x[FAR * D + 1] = 1e19f;
    expect_ok(fg_gmm_score(ctx, gmm, src, &out, NULL));
    x[FAR * D + 1] = near;
    assert_true(isfinite(density[FAR]) && density[FAR] < -1e35);
    for (int n = 0; n < N; n++)
        if (n != FAR) assert_true(fabs(density[n] - plain[n]) <= 1e-5 * fabs(plain[n]));
    fg_source_destroy(src);
    oracle_free(&start);
    fg_gmm_destroy(gmm);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_right_either_way),
        cmocka_unit_test(a_far_row_among_soft_ones),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
