/* SPDX-License-Identifier: Apache-2.0 */
/* test_eval.c - recall and cost against what searches say. Knows the public interface alone. */
#include "ivf_case.h"

static fg_status evaluate(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                          const fg_view *truth, int32_t n, const int32_t *probes, int32_t count,
                          fg_eval_point *points)
{
    const fg_eval_options options = {
        .struct_size = sizeof options, .n = n, .truth = truth, .latency_queries = 5};
    return fg_ivf_eval(ctx, ivf, queries, &options, probes, count, points);
}

static const int32_t probes[] = {CASE_LISTS, 1, 2, 5, 100};
enum { POINTS = sizeof probes / sizeof *probes };

/* Costs are those of a search; recall grows to 1; the truth may be computed or given, as i32 or
 * i64. */
static void points_agree_with_searches(void **state)
{
    (void)state;
    enum { N = 8 };
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F32, 1);
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++) {
        const fg_ivf_options options = case_options((fg_metric)metric, FG_ASSIGN_NEAREST);
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        fg_eval_point computed[POINTS], from_i64[POINTS], from_i32[POINTS];
        case_found all = case_search(ctx, ivf, &queries.view, N, CASE_LISTS);
        int32_t ids[CASE_QUERIES * N];
        for (int i = 0; i < CASE_QUERIES * N; i++) ids[i] = (int32_t)all.ids[i];
        const fg_view i64 = {.data = all.ids, .rows = CASE_QUERIES, .cols = N, .dtype = FG_I64};
        const fg_view i32 = {.data = ids, .rows = CASE_QUERIES, .cols = N, .dtype = FG_I32};
        expect_ok(evaluate(ctx, ivf, &queries.view, NULL, N, probes, POINTS, computed));
        expect_ok(evaluate(ctx, ivf, &queries.view, &i64, N, probes, POINTS, from_i64));
        expect_ok(evaluate(ctx, ivf, &queries.view, &i32, N, probes, POINTS, from_i32));
        for (int p = 0; p < POINTS; p++) {
            case_found f = case_search(ctx, ivf, &queries.view, N, probes[p]);
            const double q = CASE_QUERIES;
            assert_int_equal(computed[p].probes, probes[p]);
            assert_true(computed[p].dco == CASE_LISTS + (double)f.stats.entries / q);
            assert_true(computed[p].dco_unique == CASE_LISTS + (double)f.stats.distances / q);
            assert_true(computed[p].recall == from_i64[p].recall);
            assert_true(computed[p].recall == from_i32[p].recall);
            assert_true(computed[p].qps > 0 && computed[p].p50_us > 0);
            assert_true(computed[p].p99_us >= computed[p].p50_us);
            case_found_free(&f);
        }
        assert_true(computed[0].recall == 1 && computed[4].recall == 1);
        assert_true(computed[1].recall <= computed[2].recall && computed[1].recall > 0.2);
        assert_true(computed[2].recall <= computed[3].recall && computed[1].recall < 1);
        case_found_free(&all);
        fg_ivf_destroy(ivf);
    }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* Of rows that tie for the last place, any will do. */
static void ties_count_as_found(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    const float rows[] = {0, 1, 2, 10, 10, 10}, query = 8;
    const fg_view rows_view = {.data = rows, .rows = 6, .cols = 1, .dtype = FG_F32};
    const fg_view query_view = {.data = &query, .rows = 1, .cols = 1, .dtype = FG_F32};
    const fg_ivf_options options = {.struct_size = sizeof options, .lists = 1};
    fg_ivf *ivf = case_build(ctx, &rows_view, &options);
    const int64_t other[] = {4, 2}, another[] = {3, 5}, wrong[] = {0, 1}, foreign[] = {3, 6};
    const int32_t one = 1;
    fg_eval_point point;
    fg_view truth = {.data = other, .rows = 1, .cols = 2, .dtype = FG_I64};
    expect_ok(evaluate(ctx, ivf, &query_view, &truth, 1, &one, 1, &point));
    assert_true(point.recall == 1); /* 3 is found, which is as near as 4 */
    truth.data = another;
    expect_ok(evaluate(ctx, ivf, &query_view, &truth, 2, &one, 1, &point));
    assert_true(point.recall == 1); /* 3 and 4 are, which is as near as 5 */
    truth.data = wrong;
    expect_ok(evaluate(ctx, ivf, &query_view, &truth, 2, &one, 1, &point));
    assert_true(point.recall == 0);
    truth.data = foreign;
    expect_failure(evaluate(ctx, ivf, &query_view, &truth, 2, &one, 1, &point), FG_ARGUMENT, "id 6",
                   "not in the index", NULL);
    expect_ok(evaluate(ctx, ivf, &query_view, NULL, 9, &one, 1, &point));
    assert_true(point.recall == 1); /* all six of nine */
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

static int stop(void *user, const fg_progress *now)
{
    (void)user;
    assert_string_equal(now->phase, "eval");
    return now->step == 2;
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F32, 1);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    const int32_t none = 0;
    fg_eval_point points[POINTS];
    fg_view truth = {.data = rows.data, .rows = 3, .cols = 9, .dtype = FG_I32};
    expect_failure(evaluate(ctx, ivf, &queries.view, NULL, 5, &none, 1, points), FG_ARGUMENT,
                   "probes is 0", NULL);
    expect_failure(evaluate(ctx, ivf, &queries.view, &truth, 5, probes, 1, points), FG_ARGUMENT,
                   "3 rows", "25 queries", NULL);
    truth.rows = CASE_QUERIES;
    expect_failure(evaluate(ctx, ivf, &queries.view, &truth, 10, probes, 1, points), FG_ARGUMENT,
                   "9 columns", "n is 10", NULL);
    truth.dtype = FG_F32;
    expect_failure(evaluate(ctx, ivf, &queries.view, &truth, 5, probes, 1, points), FG_ARGUMENT,
                   "f32", NULL);
    const fg_eval_options stopped = {.struct_size = sizeof stopped, .progress = stop};
    expect_failure(fg_ivf_eval(ctx, ivf, &queries.view, &stopped, probes, POINTS, points),
                   FG_CANCELLED, "eval step 2 of 5", NULL);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_agree_with_searches),
        cmocka_unit_test(ties_count_as_found),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
