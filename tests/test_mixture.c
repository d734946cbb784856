/* SPDX-License-Identifier: Apache-2.0 */
/* test_mixture.c - a mixture as an object: parameters in and out, criteria, rows drawn from it. Knows the public
 * interface. */
#include "mixtures.h"

#include <math.h> /* fabs */

enum { K = 3, D = 2 };

static double weights[K] = {2.0, 1.0, 1.0}, means[K * D] = {0, 0, 10, -4, -7, 3},
              variances[K * D] = {1, 4, 0.25, 1, 9, 0.5};

static fg_gmm *given(fg_covariance covariance)
{
    const fg_view w = view_of(weights, K, 1, FG_F64), m = view_of(means, K, D, FG_F64),
                  v = view_of(variances, K, covariance == FG_COV_SPHERICAL ? 1 : D, FG_F64);
    fg_gmm *gmm;
    expect_ok(fg_gmm_from(&w, &m, &v, covariance, &gmm));
    return gmm;
}

/* ---- in and out */

static void parameters_come_back(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        fg_gmm *gmm = given(both_kinds[c]);
        fg_gmm_info info = {.struct_size = sizeof info};
        expect_ok(fg_gmm_get_info(gmm, &info));
        const int32_t cols = both_kinds[c] == FG_COV_SPHERICAL ? 1 : D;
        assert_int_equal(info.components, K);
        assert_int_equal(info.dims, D);
        assert_int_equal(info.covariance, both_kinds[c]);
        assert_int_equal(info.iterations, 0);
        assert_int_equal(info.rows, 0);
        assert_true(isnan(info.log_likelihood));
        assert_int_equal(info.parameters, K - 1 + K * D + K * cols);
        double w[K], m[K * D], v[K * D];
        float narrow[K * D];
        int32_t states[K];
        const fg_out w_out = out_of(w, K, 1, FG_F64), m_out = out_of(m, K, D, FG_F64),
                     v_out = out_of(v, K, cols, FG_F64), s_out = out_of(states, K, 1, FG_I32),
                     narrow_out = out_of(narrow, K, D, FG_F32);
        expect_ok(fg_gmm_get(gmm, &w_out, &m_out, &v_out, &s_out));
        expect_ok(fg_gmm_get(gmm, NULL, &narrow_out, NULL, NULL));
        for (int j = 0; j < K; j++) {
            assert_true(fabs(w[j] - weights[j] / 4.0) < 1e-15); /* scaled to sum 1 */
            assert_int_equal(states[j], FG_COMPONENT_OK);
        }
        for (int i = 0; i < K * D; i++) {
            assert_true(fabs(m[i] - means[i]) < 1e-14);
            assert_true(narrow[i] == (float)m[i]);
        }
        assert_memory_equal(v, variances, (size_t)(K * cols) * sizeof *v);
        fg_gmm_destroy(gmm);
    }
}

static void a_component_of_no_weight_is_dead(void **state)
{
    (void)state;
    weights[1] = 0.0;
    fg_gmm *gmm = given(FG_COV_DIAG);
    weights[1] = 1.0;
    int32_t states[K];
    states_of(gmm, states);
    assert_int_equal(states[0], FG_COMPONENT_OK);
    assert_int_equal(states[1], FG_COMPONENT_DEAD);
    fg_gmm_destroy(gmm);
}

static void impossible_parameters_are_named(void **state)
{
    (void)state;
    static const struct {
        double *place, value;
        const char *text;
    } wrong[] = {
        {&weights[1], -0.5, "weight 1 is -0.5"},
        {&weights[2], NAN, "weight 2 is "},
        {&weights[0], INFINITY, "weight 0 is inf"},
        {&means[3], NAN, "mean 1, dimension 1 is "},
        {&means[4], 2e30, "mean 2, dimension 0 is 2e+30"},
        {&variances[3], 0.0, "variance 1, dimension 1 is 0"},
        {&variances[0], -1.0, "variance 0, dimension 0 is -1"},
        {&variances[5], INFINITY, "variance 2, dimension 1 is inf"},
        {&variances[2], 1e-40, "variance 1, dimension 0 is 1e-40"},
    };
    const fg_view w = view_of(weights, K, 1, FG_F64), m = view_of(means, K, D, FG_F64),
                  v = view_of(variances, K, D, FG_F64), narrow = view_of(variances, K, 1, FG_F64),
                  few = view_of(weights, K - 1, 1, FG_F64);
    fg_gmm *gmm = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const double right = *wrong[i].place;
        *wrong[i].place = wrong[i].value;
        expect_failure(fg_gmm_from(&w, &m, &v, FG_COV_DIAG, &gmm), FG_ARGUMENT, wrong[i].text,
                       NULL);
        *wrong[i].place = right;
    }
    const double zeros[K] = {0, 0, 0};
    const fg_view none = view_of(zeros, K, 1, FG_F64);
    expect_failure(fg_gmm_from(&none, &m, &v, FG_COV_DIAG, &gmm), FG_ARGUMENT, "sum to 0", NULL);
    expect_failure(fg_gmm_from(&few, &m, &v, FG_COV_DIAG, &gmm), FG_ARGUMENT, "weights is 2 x 1",
                   "3 x 1", NULL);
    expect_failure(fg_gmm_from(&w, &m, &narrow, FG_COV_DIAG, &gmm), FG_ARGUMENT,
                   "variances is 3 x 1", "3 x 2", NULL);
    expect_failure(fg_gmm_from(&w, &m, &v, FG_COV_SPHERICAL, &gmm), FG_ARGUMENT,
                   "variances is 3 x 2", "3 x 1", NULL);
    expect_failure(fg_gmm_from(&w, &m, &v, FG_COV_FULL, &gmm), FG_UNSUPPORTED, "full", NULL);
    expect_failure(fg_gmm_from(&w, &m, &v, FG_COV_TIED, &gmm), FG_UNSUPPORTED, "tied", NULL);
    expect_failure(fg_gmm_from(NULL, &m, &v, FG_COV_DIAG, &gmm), FG_ARGUMENT, "weights", NULL);
    expect_failure(fg_gmm_from(&w, &m, &v, FG_COV_DIAG, NULL), FG_ARGUMENT, "out is NULL", NULL);
    assert_null(gmm);
}

static void outputs_must_fit(void **state)
{
    (void)state;
    fg_gmm *gmm = given(FG_COV_DIAG);
    double room[K * D];
    const fg_out column = out_of(room, K, 1, FG_F64), matrix = out_of(room, K, D, FG_F64),
                 few = out_of(room, K - 1, D, FG_F64), integers = out_of(room, K, D, FG_I32);
    expect_failure(fg_gmm_get(gmm, &matrix, NULL, NULL, NULL), FG_ARGUMENT, "weights", NULL);
    expect_failure(fg_gmm_get(gmm, NULL, &column, NULL, NULL), FG_ARGUMENT, "means", NULL);
    expect_failure(fg_gmm_get(gmm, NULL, &few, NULL, NULL), FG_ARGUMENT, "means", NULL);
    expect_failure(fg_gmm_get(gmm, NULL, NULL, &column, NULL), FG_ARGUMENT, "variances", NULL);
    expect_failure(fg_gmm_get(gmm, NULL, &integers, NULL, NULL), FG_ARGUMENT, "means", "i32", NULL);
    expect_failure(fg_gmm_get(gmm, NULL, NULL, NULL, &column), FG_ARGUMENT, "states", NULL);
    expect_failure(fg_gmm_get(NULL, &column, NULL, NULL, NULL), FG_ARGUMENT, "gmm is NULL", NULL);
    fg_gmm_destroy(gmm);
}

/* ---- criteria */

static void criteria_count_free_parameters(void **state)
{
    (void)state;
    static const int parameters[2] = {2 + 6 + 6, 2 + 6 + 3};
    for (int c = 0; c < 2; c++) {
        fg_gmm *gmm = given(both_kinds[c]);
        const double p = parameters[c], log_likelihood = -3.25 * 1000;
        assert_true(fabs(fg_gmm_aic(gmm, -3.25, 1000) - (2 * p - 2 * log_likelihood)) < 1e-9);
        assert_true(fabs(fg_gmm_bic(gmm, -3.25, 1000) - (p * log(1000) - 2 * log_likelihood)) <
                    1e-9);
        fg_gmm_destroy(gmm);
    }
}

/* ---- rows drawn */

enum { DRAWN = 60000 };

static void draw(const fg_gmm *gmm, uint64_t seed, int64_t first, int64_t rows, float *x,
                 int32_t *labels)
{
    const fg_out out = out_of(x, rows, D, FG_F32), label = out_of(labels, rows, 1, FG_I32);
    expect_ok(fg_gmm_sample(gmm, seed, first, &out, labels ? &label : NULL));
}

/* Counts, means and variances of the rows of each component lie within five standard errors of the mixture's. */
static void drawn_rows_have_the_moments_of_the_mixture(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        fg_gmm *gmm = given(both_kinds[c]);
        oracle o = oracle_of(gmm);
        float *x = malloc(DRAWN * D * sizeof *x);
        int32_t *labels = malloc(DRAWN * sizeof *labels);
        draw(gmm, 11, 0, DRAWN, x, labels);
        for (int j = 0; j < K; j++) {
            double count = 0, mean[D] = {0}, square[D] = {0};
            for (int n = 0; n < DRAWN; n++) {
                if (labels[n] != j) continue;
                count++;
                for (int i = 0; i < D; i++) {
                    const double z = x[n * D + i] - o.means[j * D + i];
                    mean[i] += z;
                    square[i] += z * z;
                }
            }
            const double w = o.weights[j];
            assert_true(fabs(count - DRAWN * w) < 5.0 * sqrt(DRAWN * w * (1.0 - w)));
            for (int i = 0; i < D; i++) {
                const double v = o.variances[j * D + i];
                assert_true(fabs(mean[i] / count) < 5.0 * sqrt(v / count));
                assert_true(fabs(square[i] / count / v - 1.0) < 5.0 * sqrt(2.0 / count));
            }
        }
        free(labels);
        free(x);
        oracle_free(&o);
        fg_gmm_destroy(gmm);
    }
}

static void a_row_depends_on_seed_and_number_alone(void **state)
{
    (void)state;
    enum { FIRST = 1000003, ROWS = 50 };
    fg_gmm *gmm = given(FG_COV_DIAG);
    float all[ROWS * D], one[D], other[ROWS * D];
    int32_t labels[ROWS], label;
    draw(gmm, 5, FIRST, ROWS, all, labels);
    for (int n = ROWS - 1; n >= 0; n--) {
        draw(gmm, 5, FIRST + n, 1, one, &label);
        assert_memory_equal(one, all + n * D, sizeof one);
        assert_int_equal(label, labels[n]);
    }
    draw(gmm, 6, FIRST, ROWS, other, NULL);
    for (int i = 0; i < ROWS * D; i++) assert_true(other[i] != all[i]);
    fg_gmm_destroy(gmm);
}

static void the_dead_are_not_drawn(void **state)
{
    (void)state;
    weights[0] = weights[2] = 0.0;
    fg_gmm *gmm = given(FG_COV_DIAG);
    weights[0] = 2.0;
    weights[2] = 1.0;
    float x[1000 * D];
    int32_t labels[1000];
    draw(gmm, 1, 0, 1000, x, labels);
    for (int n = 0; n < 1000; n++) assert_int_equal(labels[n], 1);
    fg_gmm_destroy(gmm);
}

static void what_cannot_be_drawn_is_said(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 1);
    fg_gmm *gmm = given(FG_COV_DIAG);
    float x[20 * D];
    const fg_out out = out_of(x, 20, D, FG_F32), narrow = out_of(x, 20, 1, FG_F32),
                 wide = out_of(x, 10, D, FG_F64), labels = out_of(x, 10, 1, FG_I32);
    expect_failure(fg_gmm_sample(gmm, 1, -1, &out, NULL), FG_ARGUMENT, "first is -1", NULL);
    expect_failure(fg_gmm_sample(gmm, 1, 0, NULL, NULL), FG_ARGUMENT, "out is NULL", NULL);
    expect_failure(fg_gmm_sample(gmm, 1, 0, &narrow, NULL), FG_ARGUMENT, "out", NULL);
    expect_failure(fg_gmm_sample(gmm, 1, 0, &wide, NULL), FG_ARGUMENT, "out", "f64", NULL);
    expect_failure(fg_gmm_sample(gmm, 1, 0, &out, &labels), FG_ARGUMENT, "labels", NULL);
    draw(gmm, 1, 0, 20, x, NULL);
    fg_source *src = source_of(x, 20, D, FG_F32);
    fitted f;
    fit(ctx, src, (fg_gmm_options){.k = 2, .normalize = 1}, &f);
    expect_failure(fg_gmm_sample(f.gmm, 1, 0, &out, NULL), FG_UNSUPPORTED, "normalised", NULL);
    fitted_free(&f);
    fg_source_destroy(src);
    fg_gmm_destroy(gmm);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_come_back),
        cmocka_unit_test(a_component_of_no_weight_is_dead),
        cmocka_unit_test(impossible_parameters_are_named),
        cmocka_unit_test(outputs_must_fit),
        cmocka_unit_test(criteria_count_free_parameters),
        cmocka_unit_test(drawn_rows_have_the_moments_of_the_mixture),
        cmocka_unit_test(a_row_depends_on_seed_and_number_alone),
        cmocka_unit_test(the_dead_are_not_drawn),
        cmocka_unit_test(what_cannot_be_drawn_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
