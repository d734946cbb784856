/* SPDX-License-Identifier: Apache-2.0 */
/* test_assign.c - the storing rules, alone and in an index, and the solver for a storage budget.
 * Knows assign.h. */
#include "ivf_case.h"

#include "assign.h"

/* ------------------------------------------------------------------------------ one row's lists */

typedef struct rule_case {
    fgi_rule rule;
    int32_t lists[4];
    float values[4];
    int32_t count, chosen_count;
    int32_t chosen[4]; /* ascending */
} rule_case;

static const rule_case rule_cases[] = {
    {{FG_ASSIGN_HARD, 1, false, 0}, {7, 2, 5}, {1, 2, 3}, 3, 1, {7}},
    {{FG_ASSIGN_NEAREST, 3, false, 0}, {7, 2, 5}, {1, 2, 3}, 3, 3, {2, 5, 7}},
    {{FG_ASSIGN_NEAREST, 3, false, 0}, {7, 2}, {1, 2}, 2, 2, {2, 7}},
    {{FG_ASSIGN_MARGIN, 4, false, 2}, {9, 3, 1, 0}, {1, 3, 3.5, 9}, 4, 2, {3, 9}},
    {{FG_ASSIGN_MARGIN, 4, false, 0}, {9, 3, 1, 0}, {1, 1, 1.5, 9}, 4, 2, {3, 9}},
    {{FG_ASSIGN_MARGIN, 4, false, 0}, {9, 3}, {INFINITY, INFINITY}, 2, 1, {9}},
    {{FG_ASSIGN_POSTERIOR, 4, false, 0.25}, {4, 6, 2, 8}, {0.3f, 0.26f, 0.25f, 0.1f}, 4, 2, {4, 6}},
    {{FG_ASSIGN_POSTERIOR, 4, false, 0.5}, {4, 6}, {0.4f, 0.3f}, 2, 1, {4}},
};

static void rules_choose_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rule_cases / sizeof *rule_cases; i++) {
        const rule_case *c = &rule_cases[i];
        const fgi_candidates candidates = {c->lists, c->values, c->count};
        int32_t chosen[FGI_MAX_LISTS];
        assert_int_equal(fgi_rule_choose(&c->rule, NULL, &candidates, chosen), c->chosen_count);
        assert_memory_equal(chosen, c->chosen, (size_t)c->chosen_count * sizeof *chosen);
    }
}

/* Four centroids and a row on a plane: c_0 = (0, 0), c_1 = (4, 0), c_2 = (-3, 0), c_3 = (0, 3); the row x = (1, 0).
 *     squared distances  1, 9, 16, 10;  r = (1, 0)
 *     <r, r_j>           1, -3, 4, 1    r_j = (-3, 0), (4, 0), (1, -3)
 * rair, lambda 1:  losses 9 - 3 = 6, 16 + 4 = 20, 10 + 1 = 11, own 2
 * soar, lambda 1:  losses 9 + 9 = 18, 16 + 16 = 32, 10 + 1 = 11, own 2
 * rair joins from (9 - 1) / (1 + 3) = 2 on; soar never: |<r, r_j>| >= |r|^2 everywhere.
 * rng: 1 is hidden by 0 if f 16 < 9; 3 if f 9 < 10; 2 if f 9 < 16 or, by 3, f 18 < 16. */
static double plane_means[] = {0, 0, 4, 0, -3, 0, 0, 3};
static const fgi_params plane = {.kind = FGI_HARD, .k = 4, .d = 2, .means = plane_means};
static const int32_t plane_lists[] = {0, 1, 3, 2};
static const float plane_values[] = {1, 9, 10, 16};

typedef struct plane_case {
    fgi_rule rule;
    int32_t chosen_count, chosen[4];
} plane_case;

static const plane_case plane_cases[] = {
    {{FG_ASSIGN_RAIR, 2, true, 1}, 2, {0, 1}},
    {{FG_ASSIGN_RAIR, 3, true, 1}, 3, {0, 1, 3}},
    {{FG_ASSIGN_RAIR, 2, false, 1}, 1, {0}},
    {{FG_ASSIGN_RAIR, 2, false, 2}, 1, {0}},
    {{FG_ASSIGN_RAIR, 2, false, 2.001}, 2, {0, 1}},
    {{FG_ASSIGN_SOAR, 2, true, 1}, 2, {0, 3}},
    {{FG_ASSIGN_SOAR, 2, true, 0}, 2, {0, 1}},
    {{FG_ASSIGN_SOAR, 4, false, 100}, 1, {0}},
    {{FG_ASSIGN_RATIO, 4, false, 3}, 2, {0, 1}},
    {{FG_ASSIGN_RATIO, 4, false, 3.17}, 3, {0, 1, 3}},
    {{FG_ASSIGN_RNG, 4, false, 0.5}, 1, {0}},
    {{FG_ASSIGN_RNG, 4, false, 1}, 2, {0, 1}},
    {{FG_ASSIGN_RNG, 4, false, 1.2}, 3, {0, 1, 3}},
    {{FG_ASSIGN_RNG, 4, false, 1.8}, 4, {0, 1, 2, 3}},
    {{FG_ASSIGN_RNG, 2, false, 1.8}, 2, {0, 1}},
};

static void directions_decide(void **state)
{
    (void)state;
    const fgi_candidates candidates = {plane_lists, plane_values, 4};
    for (size_t i = 0; i < sizeof plane_cases / sizeof *plane_cases; i++) {
        const plane_case *c = &plane_cases[i];
        int32_t chosen[FGI_MAX_LISTS];
        const int32_t count = fgi_rule_choose(&c->rule, &plane, &candidates, chosen);
        if (count != c->chosen_count ||
            memcmp(chosen, c->chosen, (size_t)count * sizeof *chosen) != 0)
            fail_msg("case %zu: %d lists, %d %d", i, count, chosen[0], chosen[count - 1]);
    }
    const fgi_rule rair = {FG_ASSIGN_RAIR, 2, false, 0}, soar = {FG_ASSIGN_SOAR, 2, false, 0};
    assert_true(fgi_rule_joins(&rair, &plane, &candidates, 1) == 2);
    assert_true(fgi_rule_joins(&soar, &plane, &candidates, 1) == INFINITY);
}

/* A row that is its centroid has no direction: nothing joins unless it must. */
static void no_residual_no_direction(void **state)
{
    (void)state;
    const float values[] = {0, 9, 9, 16};
    const fgi_candidates candidates = {plane_lists, values, 4};
    int32_t chosen[FGI_MAX_LISTS];
    for (int kind = FG_ASSIGN_RAIR; kind <= FG_ASSIGN_SOAR; kind++) {
        fgi_rule rule = {(fg_assign)kind, 2, false, 50};
        assert_int_equal(fgi_rule_choose(&rule, &plane, &candidates, chosen), 1);
        rule.strict = true;
        assert_int_equal(fgi_rule_choose(&rule, &plane, &candidates, chosen), 2);
        assert_int_equal(chosen[1], 1);
    }
}

static void candidates_end_where_results_do(void **state)
{
    (void)state;
    int32_t components[] = {3, 1, -1, -1, -1, -1};
    float values[6] = {0};
    const fgi_row_results results = {.components = components, .values = values};
    assert_int_equal(fgi_candidates_of(&results, 0, 3).count, 2);
    assert_int_equal(fgi_candidates_of(&results, 1, 3).count, 0);
}

/* -------------------------------------------------------------------------------- rows of lists */

enum { ROWS = 30000, LISTS = 64, DIMS = CASE_DIMS };

static float blobs[ROWS * DIMS];

/* Overlapping blobs of many sizes. */
static fg_view make_blobs(void)
{
    for (int64_t r = 0; r < ROWS; r++) {
        const uint64_t blob = fgi_random_u64(11, 0, (uint64_t)r) % 50;
        const double spread = 0.3 + fgi_random_uniform(12, 0, blob);
        for (int32_t i = 0; i < DIMS; i++)
            blobs[r * DIMS + i] = (float)(2 * fgi_random_normal(13, blob, (uint64_t)i) +
                                          spread * fgi_random_normal(14, (uint64_t)r, (uint64_t)i));
    }
    return (fg_view){.data = blobs, .rows = ROWS, .cols = DIMS, .dtype = FG_F32};
}

static fg_ivf_options blob_options(fg_assign assign)
{
    fg_ivf_options options = case_options(FG_METRIC_L2, assign);
    options.lists = LISTS;
    options.threshold = 0;
    return options;
}

static void list_sizes(const fg_ivf *ivf, int64_t sizes[LISTS])
{
    const fg_out out = {.data = sizes, .rows = LISTS, .cols = 1, .dtype = FG_I64};
    expect_ok(fg_ivf_get_lists(ivf, &out, NULL));
}

/* The lists are as long as distances from fg_kmeans_assign say. */
static void margin_holds_what_is_near(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    static int32_t labels[ROWS * LISTS];
    static float sqdist[ROWS * LISTS], centroids[LISTS * DIMS];
    const fg_out labels_out = {.data = labels, .rows = ROWS, .cols = LISTS, .dtype = FG_I32};
    const fg_out sqdist_out = {.data = sqdist, .rows = ROWS, .cols = LISTS, .dtype = FG_F32};
    const fg_out centroids_out = {.data = centroids, .rows = LISTS, .cols = DIMS, .dtype = FG_F32};
    fg_ivf_options options = blob_options(FG_ASSIGN_MARGIN);
    options.threshold = 3.0;
    options.max_lists = 5;
    fg_ivf *trained = case_build(ctx, &rows, &options);
    expect_ok(fg_ivf_get_lists(trained, NULL, &centroids_out));
    fg_ivf_destroy(trained);
    const fg_view given = {.data = centroids, .rows = LISTS, .cols = DIMS, .dtype = FG_F32};
    options.centroids = &given;
    fg_ivf *ivf = case_build(ctx, &rows, &options);
    fg_source *source;
    expect_ok(fg_source_memory(&rows, &source));
    expect_ok(fg_kmeans_assign(ctx, &given, source, &labels_out, &sqdist_out));
    fg_source_destroy(source);
    int64_t sizes[LISTS], expected[LISTS] = {0};
    for (int64_t r = 0; r < ROWS; r++)
        for (int32_t j = 0; j < 5; j++) {
            const double excess = (double)sqdist[r * LISTS + j] - sqdist[r * LISTS];
            expected[labels[r * LISTS + j]] += excess <= 3.0;
        }
    list_sizes(ivf, sizes);
    assert_memory_equal(sizes, expected, sizeof sizes);
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

/* The paper's rule, tau = 1/K by default, agrees with fg_gmm_above. */
static void posterior_holds_what_is_probable(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    fg_source *source;
    fg_gmm *gmm;
    fg_csr *above;
    expect_ok(fg_source_memory(&rows, &source));
    const fg_gmm_options fit = {.struct_size = sizeof fit,
                                .k = LISTS,
                                .covariance = FG_COV_SPHERICAL,
                                .sample_rows = 5000,
                                .max_iter = 10};
    expect_ok(fg_gmm_fit(ctx, source, &fit, &gmm, NULL));
    expect_ok(fg_gmm_above(ctx, gmm, source, 1.0 / LISTS, &above));
    fg_source_destroy(source);
    fg_ivf_options options = blob_options(FG_ASSIGN_POSTERIOR);
    options.lists = 0;
    options.model = gmm;
    options.max_lists = LISTS;
    fg_ivf *ivf = case_build(ctx, &rows, &options);
    assert_true(case_info(ivf).threshold == 1.0 / LISTS);
    assert_int_equal(case_info(ivf).coarse, FG_COARSE_GMM);
    int64_t sizes[LISTS], expected[LISTS] = {0};
    for (int64_t i = 0; i < above->offsets[ROWS]; i++) expected[above->components[i]]++;
    list_sizes(ivf, sizes);
    assert_memory_equal(sizes, expected, sizeof sizes);
    fg_csr_destroy(above);
    fg_ivf_destroy(ivf);
    fg_gmm_destroy(gmm);
    fg_context_destroy(ctx);
}

/* -------------------------------------------------------------------------------------- budgets */

static void budgets_are_met(void **state)
{
    (void)state;
    static const double budgets[] = {1, 1.15, 1.5, 2, 3.2};
    static const fg_assign rules[] = {FG_ASSIGN_MARGIN, FG_ASSIGN_POSTERIOR, FG_ASSIGN_RATIO,
                                      FG_ASSIGN_RNG};
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    for (size_t rule = 0; rule < sizeof rules / sizeof *rules; rule++)
        for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
            fg_ivf_options options = blob_options(rules[rule]);
            options.copies = budgets[b];
            fg_ivf *ivf = case_build(ctx, &rows, &options);
            const fg_ivf_info info = case_info(ivf);
            const double copies = (double)info.entries / (double)info.rows;
            if (fabs(copies - budgets[b]) > 0.02 * budgets[b])
                fail_msg("rule %d: %g copies for a budget of %g, threshold %g", rules[rule], copies,
                         budgets[b], info.threshold);
            fg_ivf_destroy(ivf);
        }
    fg_context_destroy(ctx);
}

/* Two lists at most, and not every row has a direction in which another lies. */
static void directed_rules_meet_budgets(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    for (int rule = FG_ASSIGN_RAIR; rule <= FG_ASSIGN_SOAR; rule++)
        for (double budget = 1; budget < 1.7; budget += 0.3) {
            fg_ivf_options options = blob_options((fg_assign)rule);
            options.copies = budget;
            fg_ivf *ivf = case_build(ctx, &rows, &options);
            const fg_ivf_info info = case_info(ivf);
            const double copies = (double)info.entries / (double)info.rows;
            if (fabs(copies - budget) > 0.02 * budget)
                fail_msg("rule %d: %g copies for a budget of %g, lambda %g", rule, copies, budget,
                         info.threshold);
            fg_ivf_destroy(ivf);
        }
    fg_context_destroy(ctx);
}

/* A high temperature makes components alike, and so fills lists; a low one makes the rule hard. */
static void temperature_softens(void **state)
{
    (void)state;
    static const double temperatures[] = {0.01, 1, 4};
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    int64_t before = 0;
    for (size_t t = 0; t < 3; t++) {
        fg_ivf_options options = blob_options(FG_ASSIGN_POSTERIOR);
        options.temperature = temperatures[t];
        fg_ivf *ivf = case_build(ctx, &rows, &options);
        const int64_t entries = case_info(ivf).entries;
        if (t == 0) assert_true(entries < 1.02 * ROWS);
        assert_true(entries > before);
        before = entries;
        fg_ivf_destroy(ivf);
    }
    fg_ivf *ivf;
    fg_ivf_options options = blob_options(FG_ASSIGN_HARD);
    options.temperature = 2;
    expect_failure(case_try_build(ctx, &rows, &options, &ivf), FG_ARGUMENT, "temperature is 2",
                   NULL);
    fg_context_destroy(ctx);
}

static void budgets_out_of_reach_are_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view rows = make_blobs();
    fg_ivf *ivf;
    fg_ivf_options options = blob_options(FG_ASSIGN_MARGIN);
    options.max_lists = 3;
    options.copies = 3;
    ivf = case_build(ctx, &rows, &options);
    assert_int_equal(case_info(ivf).entries, 3 * ROWS);
    fg_ivf_destroy(ivf);
    options.copies = 3.5;
    expect_failure(case_try_build(ctx, &rows, &options, &ivf), FG_ARGUMENT, "copies is 3.5", "1..3",
                   NULL);
    options.copies = 0.5;
    expect_failure(case_try_build(ctx, &rows, &options, &ivf), FG_ARGUMENT, "copies is 0.5", "1..3",
                   NULL);
    options.copies = 2;
    options.threshold = 1;
    expect_failure(case_try_build(ctx, &rows, &options, &ivf), FG_ARGUMENT, "threshold is 1",
                   "copies 2", NULL);
    fg_context_destroy(ctx);
}

/* Far apart, narrow components: responsibilities of 0 cannot be stored for any threshold. */
static void budgets_name_what_can_be_reached(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    float rows[200], weights[4] = {1, 1, 1, 1}, variances[4] = {1e-6f, 1e-6f, 1e-6f, 1e-6f};
    float means[4] = {0, 10, 20, 30};
    for (int i = 0; i < 200; i++) rows[i] = (float)(i % 4) * 10;
    const fg_view column = {.data = rows, .rows = 200, .cols = 1, .dtype = FG_F32};
    const fg_view w = {.data = weights, .rows = 4, .cols = 1, .dtype = FG_F32};
    const fg_view m = {.data = means, .rows = 4, .cols = 1, .dtype = FG_F32};
    const fg_view v = {.data = variances, .rows = 4, .cols = 1, .dtype = FG_F32};
    fg_gmm *gmm;
    expect_ok(fg_gmm_from(&w, &m, &v, FG_COV_SPHERICAL, &gmm));
    fg_ivf_options options = {
        .struct_size = sizeof options, .assign = FG_ASSIGN_POSTERIOR, .model = gmm, .copies = 2};
    fg_ivf *ivf;
    expect_failure(case_try_build(ctx, &column, &options, &ivf), FG_ARGUMENT, "copies is 2",
                   "1 times on average", NULL);
    fg_gmm_destroy(gmm);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_choose_lists),
        cmocka_unit_test(directions_decide),
        cmocka_unit_test(no_residual_no_direction),
        cmocka_unit_test(candidates_end_where_results_do),
        cmocka_unit_test(margin_holds_what_is_near),
        cmocka_unit_test(posterior_holds_what_is_probable),
        cmocka_unit_test(budgets_are_met),
        cmocka_unit_test(directed_rules_meet_budgets),
        cmocka_unit_test(temperature_softens),
        cmocka_unit_test(budgets_out_of_reach_are_refused),
        cmocka_unit_test(budgets_name_what_can_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
