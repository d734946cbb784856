/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_batch.c - what a query finds, and what it costs, does not depend on the queries beside it. Knows the
 * public interface alone. */
#include "ivf_case.h"

enum { ROWS = 3000, LISTS = 4, FOUND = 15 }; /* lists longer than what a batch reads at once */

static case_found search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries, int32_t probes,
                         const uint64_t *allow)
{
    const fg_search_options options = {.struct_size = sizeof options,
                                       .n = FOUND,
                                       .probes = probes,
                                       .allow = allow,
                                       .allow_bits = allow ? ROWS : 0};
    case_found f = case_found_new(queries->rows, FOUND);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &f));
    return f;
}

static void expect_same_alone(fg_context *ctx, const fg_ivf *ivf, const case_data *queries,
                              int32_t probes, const uint64_t *allow)
{
    case_found together = search(ctx, ivf, &queries->view, probes, allow);
    int64_t entries = 0, distances = 0;
    for (int64_t q = 0; q < queries->rows; q++) {
        fg_view one = queries->view;
        one.data = (const char *)one.data + q * one.cols * (int64_t)fg_dtype_bytes(queries->dtype);
        one.rows = 1;
        case_found alone = search(ctx, ivf, &one, probes, allow);
        assert_memory_equal(alone.ids, together.ids + q * FOUND, FOUND * sizeof *alone.ids);
        assert_memory_equal(alone.scores, together.scores + q * FOUND,
                            FOUND * sizeof *alone.scores);
        entries += alone.stats.entries;
        distances += alone.stats.distances;
        case_found_free(&alone);
    }
    assert_int_equal(together.stats.entries, entries);
    assert_int_equal(together.stats.distances, distances);
    case_found_free(&together);
}

static void check_rule(fg_metric metric, fg_assign assign, int32_t threads)
{
    fg_context *ctx = case_context(threads);
    case_data rows = case_make(ROWS, FG_F32, 0), queries = case_make(70, FG_F32, 1);
    fg_ivf_options options = case_options(metric, assign);
    uint64_t every_third[ROWS / 64 + 1] = {0};
    for (int64_t id = 0; id < ROWS; id += 3) every_third[id / 64] |= (uint64_t)1 << (id % 64);
    options.lists = LISTS;
    if (metric == FG_METRIC_COSINE && assign == FG_ASSIGN_MARGIN) options.threshold = 0.1;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    for (int32_t probes = 1; probes <= LISTS; probes++) {
        expect_same_alone(ctx, ivf, &queries, probes, NULL);
        expect_same_alone(ctx, ivf, &queries, probes, every_third);
    }
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void company_changes_nothing(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads += 2)
        for (int32_t assign = FG_ASSIGN_HARD; assign <= FG_ASSIGN_POSTERIOR; assign++)
            check_rule((fg_metric)(assign % 3), (fg_assign)assign, threads);
}

/* Few of many lists, of which most are ruled out by scores: also under an instruction set that is not the best. */
static void company_changes_nothing_where_lists_are_many(void **state)
{
    (void)state;
    static const char *const sets[] = {NULL, "ref"};
    case_data rows = case_make(ROWS, FG_F32, 0), queries = case_make(130, FG_F32, 1);
    for (int32_t i = 0; i < 2; i++) {
        const fg_context_options how = {.struct_size = sizeof how, .threads = 2, .isa = sets[i]};
        fg_context *ctx;
        expect_ok(fg_context_create(&how, &ctx));
        for (fg_metric metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++) {
            fg_ivf_options options = case_options(metric, FG_ASSIGN_NEAREST);
            options.lists = 70;
            fg_ivf *ivf = case_build(ctx, &rows.view, &options);
            for (int32_t probes = 1; probes <= 16; probes *= 2)
                expect_same_alone(ctx, ivf, &queries, probes, NULL);
            fg_ivf_destroy(ivf);
        }
        fg_context_destroy(ctx);
    }
    case_free(&rows);
    case_free(&queries);
}

/* More queries than one batch holds. */
static void long_batches_are_cut(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(200, FG_U8, 0), queries = case_make(2500, FG_U8, 1);
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    expect_same_alone(ctx, ivf, &queries, 3, NULL);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(company_changes_nothing_where_lists_are_many),
        cmocka_unit_test(long_batches_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
