/* SPDX-License-Identifier: Apache-2.0 */
/* test_golden.c - mixtures as scikit-learn fits them in f64 (tools/golden.py), with every set of kernels. Knows the
 * golden files.
 *
 * A fit may be off by what f32 does to it (rounding.c) and by what f64 did to the golden values: scikit-learn expands
 * squares about the origin, which costs 2^-53 (mean / deviation)^2 a step. The second is measured against the oracle,
 * and must be small. */
#include "mixtures.h"
#include "rounding.h"

#include <math.h> /* fabs */

enum { STEPS = 10, SNAPSHOTS = 3, MOST_CASES = 32 };
static const int32_t snapshot_step[SNAPSHOTS] = {1, 2, STEPS};

/* More could not be f64's doing: the oracle or tools/golden.py would be wrong. */
static const double most_in_f64 = 1e-6;

/* One fit of one set. */
typedef struct golden {
    char file[32], covariance[16];
    int32_t k;
    fg_source *src;
    double *x;
    oracle start, after[SNAPSHOTS];
    double history[STEPS + 1];
    double own_parameters[SNAPSHOTS], own_history[STEPS + 1]; /* what golden values are off by */
    rounding f32[STEPS + 1];                                  /* what a fit in f32 may be off by */
} golden;

static golden cases[MOST_CASES];
static int case_count;

/* ---- reading */

static const char *golden_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/golden/%s", FG_TEST_DIR, name);
    return path;
}

static double *read_all(fg_source *src, fg_source_info *info)
{
    *info = (fg_source_info){.struct_size = sizeof *info};
    expect_ok(fg_source_get_info(src, info));
    const int64_t count = info->rows * info->cols;
    if (info->dtype == FG_F64) {
        double *wide = malloc((size_t)count * sizeof *wide);
        const fg_out out = out_of(wide, info->rows, info->cols, FG_F64);
        expect_ok(fg_source_read(src, 0, &out));
        return wide;
    }
    float *narrow = malloc((size_t)count * sizeof *narrow);
    const fg_out out = out_of(narrow, info->rows, info->cols, FG_F32);
    expect_ok(fg_source_read(src, 0, &out));
    double *wide = widened(narrow, count);
    free(narrow);
    return wide;
}

/* Lines of components, as tools/golden.py describes them. */
static oracle mixture_from(const double *lines, int32_t k, int32_t d, bool spherical)
{
    const oracle o = oracle_new(k, d, spherical);
    const int32_t cols = 1 + d + (spherical ? 1 : d);
    for (int32_t j = 0; j < k; j++) {
        const double *line = lines + (int64_t)j * cols;
        o.weights[j] = line[0];
        for (int32_t i = 0; i < d; i++) {
            o.means[j * d + i] = line[1 + i];
            o.variances[j * d + i] = line[1 + d + (spherical ? 0 : i)];
        }
    }
    return o;
}

static void read_mixtures(golden *g, int32_t d)
{
    char name[64];
    fg_source *src;
    fg_source_info info;
    snprintf(name, sizeof name, "%.*s-%s.npy", (int)strcspn(g->file, "."), g->file, g->covariance);
    expect_ok(fg_source_file(golden_path(name), NULL, &src));
    double *lines = read_all(src, &info);
    const bool spherical = strcmp(g->covariance, "spherical") == 0;
    assert_int_equal(info.rows, (1 + SNAPSHOTS) * g->k);
    assert_int_equal(info.cols, 1 + d + (spherical ? 1 : d));
    const int64_t mixture = (int64_t)g->k * info.cols;
    g->start = mixture_from(lines, g->k, d, spherical);
    for (int i = 0; i < SNAPSHOTS; i++)
        g->after[i] = mixture_from(lines + (1 + i) * mixture, g->k, d, spherical);
    free(lines);
    fg_source_destroy(src);
}

/* ---- what to expect */

static void measure(golden *g, const oracle_rows *rows)
{
    oracle o = oracle_copy(&g->start);
    for (int32_t t = 0, i = 0; t <= STEPS; t++) {
        if (i < SNAPSHOTS && t == snapshot_step[i]) {
            g->own_parameters[i] = oracle_distance(&g->after[i], &o);
            i++;
        }
        g->own_history[t] = fabs(g->history[t] - oracle_iterate(&o, rows));
    }
    oracle_free(&o);
    rounding_of_fit(&g->start, rows, STEPS, g->f32);
}

static int read_case(FILE *list, golden *g)
{
    *g = (golden){0};
    if (fscanf(list, "%31s %15s %d", g->file, g->covariance, &g->k) != 3) return 0;
    for (int t = 0; t <= STEPS; t++) assert_int_equal(fscanf(list, "%lf", &g->history[t]), 1);
    fg_source_info info;
    expect_ok(fg_source_file(golden_path(g->file), NULL, &g->src));
    g->x = read_all(g->src, &info);
    read_mixtures(g, info.cols);
    const oracle_rows rows = {.x = g->x, .n = info.rows, .d = info.cols};
    measure(g, &rows);
    return 1;
}

static int read_cases(void **state)
{
    (void)state;
    FILE *list = fopen(golden_path("golden.txt"), "r");
    assert_non_null(list);
    assert_int_not_equal(fscanf(list, "%*[^\n]"), 1); /* the versions */
    while (case_count < MOST_CASES && read_case(list, &cases[case_count])) case_count++;
    fclose(list);
    return case_count > 0 ? 0 : -1;
}

static int free_cases(void **state)
{
    (void)state;
    for (golden *g = cases; g < cases + case_count; g++) {
        fg_source_destroy(g->src);
        free(g->x);
        oracle_free(&g->start);
        for (int i = 0; i < SNAPSHOTS; i++) oracle_free(&g->after[i]);
    }
    return 0;
}

/* ---- the tests */

static void check(const golden *g, const char *what, int32_t step, double error, double bound)
{
    if (!(error <= bound))
        fail_msg("%s %s after %d steps: %s is off by %.3g; the bound is %.3g", g->file,
                 g->covariance, step, what, error, bound);
}

static void golden_values_agree_with_the_oracle(void **state)
{
    (void)state;
    for (const golden *g = cases; g < cases + case_count; g++) {
        for (int i = 0; i < SNAPSHOTS; i++)
            check(g, "the mixture", snapshot_step[i], g->own_parameters[i], most_in_f64);
        for (int t = 0; t <= STEPS; t++)
            check(g, "the log-likelihood", t, g->own_history[t], most_in_f64);
    }
}

static void check_fit(fg_context *ctx, const golden *g, int i)
{
    const int32_t steps = snapshot_step[i];
    fg_gmm *start = gmm_of(&g->start);
    const fg_gmm_options opt = {
        .k = g->k,
        .covariance = g->start.spherical ? FG_COV_SPHERICAL : FG_COV_DIAG,
        .init = FG_INIT_GIVEN,
        .start = start,
        .max_iter = steps,
        .tol = -1.0,
        .tol_relative = -1.0,
        .var_floor = 1e-300,
    };
    fitted f;
    fit(ctx, g->src, opt, &f);
    oracle o = oracle_of(f.gmm);
    check(g, "the mixture", steps, oracle_distance(&o, &g->after[i]),
          g->f32[steps].parameters + g->own_parameters[i]);
    assert_int_equal(f.report.history_count, steps + 1);
    for (int32_t t = 0; t <= steps; t++)
        check(g, "the log-likelihood", t, fabs(f.history[t] - g->history[t]),
              g->f32[t].log_likelihood + g->own_history[t]);
    oracle_free(&o);
    fitted_free(&f);
    fg_gmm_destroy(start);
}

static void fits_agree_with_golden_values(void **state)
{
    (void)state;
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *ctx = context_of(every_isa[isa], 2);
        for (const golden *g = cases; ctx && g < cases + case_count; g++)
            for (int i = 0; i < SNAPSHOTS; i++) check_fit(ctx, g, i);
        fg_context_destroy(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values_agree_with_the_oracle),
        cmocka_unit_test(fits_agree_with_golden_values),
    };
    return cmocka_run_group_tests(tests, read_cases, free_cases);
}
