/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_graph.c - lists found along a graph of their centroids: how many of them, at what cost, and the same ones again.
 * Knows the public interface. */
#include "ivf_case.h"

#include <string.h> /* memcmp */

enum { MANY_LISTS = 20000, MANY_ROWS = 40000, DIMS = 16, QUERIES = 200, RESULTS = 10 };

/* Rows about 500 centres. */
static float *clustered(int64_t rows, uint64_t stream)
{
    float *x = malloc((size_t)(rows * DIMS) * sizeof *x);
    for (int64_t r = 0; r < rows; r++) {
        const uint64_t center = fgi_random_u64(1, stream, (uint64_t)r) % 500;
        for (uint64_t i = 0; i < DIMS; i++)
            x[r * DIMS + (int64_t)i] =
                (float)(4 * fgi_random_normal(2, 0, center * DIMS + i) +
                        fgi_random_normal(3 + stream, 0, (uint64_t)r * DIMS + i));
    }
    return x;
}

static fg_view view_of(const float *x, int64_t rows)
{
    return (fg_view){.data = x, .rows = rows, .cols = DIMS, .dtype = FG_F32};
}

/* Every second row is a centroid; each row stands in two lists. */
static fg_ivf *build(fg_context *ctx, const float *x, int32_t lists, fg_graph graph)
{
    const fg_view rows = view_of(x, 2 * (int64_t)lists), centroids = {.data = x,
                                                                      .rows = lists,
                                                                      .row_stride = 2 * DIMS,
                                                                      .cols = DIMS,
                                                                      .dtype = FG_F32};
    const fg_ivf_options options = {.struct_size = sizeof options,
                                    .centroids = &centroids,
                                    .assign = FG_ASSIGN_SOAR,
                                    .graph = graph};
    return case_build(ctx, &rows, &options);
}

static case_found search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         fg_search_options options)
{
    case_found found = case_found_new(queries->rows, RESULTS);
    options.struct_size = sizeof options;
    options.n = RESULTS;
    expect_ok(case_try_search(ctx, ivf, queries, &options, &found));
    return found;
}

static int64_t common(const case_found *a, const case_found *b)
{
    int64_t count = 0;
    for (int64_t q = 0; q < a->queries; q++)
        for (int32_t i = 0; i < RESULTS; i++)
            for (int32_t j = 0; j < RESULTS; j++)
                count += a->ids[q * RESULTS + i] >= 0 &&
                         a->ids[q * RESULTS + i] == b->ids[q * RESULTS + j];
    return count;
}

static void expect_same_search(const case_found *a, const case_found *b)
{
    const size_t places = (size_t)(a->queries * RESULTS);
    assert_memory_equal(a->ids, b->ids, places * sizeof *a->ids);
    assert_memory_equal(a->scores, b->scores, places * sizeof *a->scores);
    assert_int_equal(a->stats.centroids, b->stats.centroids);
    assert_int_equal(a->stats.entries, b->stats.entries);
}

static fg_ivf *again(const fg_ivf *ivf)
{
    const char *path = scratch_path("graph.fgi");
    fg_ivf *loaded;
    expect_ok(fg_ivf_save(ivf, path));
    expect_ok(fg_ivf_load(path, 0, &loaded));
    return loaded;
}

/* 997 of 1000 lists are found on the sample of rows; queries are as they, and what a list not found would have
 * held is but a part of the results: 99 of 100 stay, at a tenth of the distances to centroids. */
static void many_lists_are_found_with_few_distances(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2), *alone = case_context(1);
    float *x = clustered(MANY_ROWS, 0), *q = clustered(QUERIES, 1);
    const fg_view queries = view_of(q, QUERIES);
    fg_ivf *with = build(ctx, x, MANY_LISTS, FG_GRAPH_AUTO), *same = again(with),
           *without = build(ctx, x, MANY_LISTS, FG_GRAPH_NEVER);
    assert_true(case_info(with).graph_edges > MANY_LISTS);
    assert_int_equal(case_info(without).graph_edges, 0);
    static const int32_t probes[] = {1, 7, 16, 100, MANY_LISTS};
    for (int i = 0; i < 5; i++) {
        const fg_search_options options = {.probes = probes[i]};
        case_found a = search(ctx, with, &queries, options),
                   b = search(ctx, without, &queries, options),
                   c = search(alone, same, &queries, options);
        expect_same_search(&a, &c);
        assert_int_equal(b.stats.centroids, (int64_t)QUERIES * MANY_LISTS);
        if (probes[i] == MANY_LISTS) {
            expect_same_search(&a, &b);
        } else {
            assert_true(a.stats.centroids < b.stats.centroids / 10);
            assert_true(common(&a, &b) >= 99 * common(&b, &b) / 100);
        }
        case_found_free(&a);
        case_found_free(&b);
        case_found_free(&c);
    }
    free(x);
    free(q);
    fg_ivf_destroy(with);
    fg_ivf_destroy(same);
    fg_ivf_destroy(without);
    fg_context_destroy(ctx);
    fg_context_destroy(alone);
}

/* Soft probing needs distances that a walk may not have met; it looks at the same cells then. */
static void soft_probing_goes_along_the_graph(void **state)
{
    (void)state;
    enum { LISTS = 2000 };
    fg_context *ctx = case_context(2);
    float *x = clustered(2 * LISTS, 0), *q = clustered(QUERIES, 1), *t = clustered(100, 2);
    const fg_view queries = view_of(q, QUERIES), samples = view_of(t, 100);
    const fg_tune_options tune = {.struct_size = sizeof tune, .n = RESULTS, .recall = 0.9};
    fg_tune_report told[2];
    case_found found[2], all[2];
    for (int i = 0; i < 2; i++) {
        fg_ivf *ivf = build(ctx, x, LISTS, i == 0 ? FG_GRAPH_NEVER : FG_GRAPH_ALWAYS);
        told[i].struct_size = sizeof told[i];
        expect_ok(fg_ivf_tune(ctx, ivf, &samples, &tune, &told[i]));
        found[i] = search(ctx, ivf, &queries, (fg_search_options){.recall = 0.9});
        all[i] = search(ctx, ivf, &queries, (fg_search_options){.theta = INFINITY});
        fg_ivf_destroy(ivf);
    }
    expect_same_search(&all[0], &all[1]);
    assert_true(common(&found[0], &found[1]) >= 98 * common(&found[0], &found[0]) / 100);
    assert_true(found[1].stats.centroids < found[0].stats.centroids);
    assert_true(told[1].dco < told[0].dco);
    for (int i = 0; i < 2; i++) {
        case_found_free(&found[i]);
        case_found_free(&all[i]);
    }
    free(x);
    free(q);
    free(t);
    fg_context_destroy(ctx);
}

/* All centroids in one place, and a graph of one. */
static void degenerate_graphs_lead_everywhere(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    for (int32_t lists = 1; lists <= 300; lists += 299) {
        float *x = calloc((size_t)(2 * lists * DIMS), sizeof *x);
        x[0] = 1;
        const fg_view one = view_of(x, 1);
        fg_ivf *ivf = build(ctx, x, lists, FG_GRAPH_ALWAYS), *same = again(ivf);
        const fg_search_options nearest = {.probes = 3};
        case_found a = search(ctx, ivf, &one, nearest), b = search(ctx, same, &one, nearest);
        assert_int_equal(a.ids[0], 0);
        expect_same_search(&a, &b);
        case_found_free(&a);
        case_found_free(&b);
        free(x);
        fg_ivf_destroy(ivf);
        fg_ivf_destroy(same);
    }
    fg_context_destroy(ctx);
}

static void misuse_is_named(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0);
    fg_ivf_options options = case_options(FG_METRIC_IP, FG_ASSIGN_HARD);
    fg_ivf *ivf;
    options.graph = FG_GRAPH_ALWAYS;
    expect_failure(case_try_build(ctx, &rows.view, &options, &ivf), FG_UNSUPPORTED, "graph is 1",
                   "inner product", NULL);
    options.graph = 3;
    expect_failure(case_try_build(ctx, &rows.view, &options, &ivf), FG_ARGUMENT, "graph is 3",
                   "0..2", NULL);
    case_free(&rows);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_lists_are_found_with_few_distances),
        cmocka_unit_test(soft_probing_goes_along_the_graph),
        cmocka_unit_test(degenerate_graphs_lead_everywhere),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
