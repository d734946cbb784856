/* SPDX-License-Identifier: Apache-2.0 */
/* test_probe.c - the cells that the second round takes are those that the rule of probe.h lets pass, one by one in
 * their order. Knows the search from inside. */
#include "ivf_case.h"

#include "context.h"
#include "probe.h"

enum { ROWS = 6000, QUERIES = 40, LISTS = 60, N = 4 };

typedef struct looking {
    float sqdist[LISTS];
    fgi_hit order[LISTS], hits[N];
    fgi_scan scan;
    fgi_probe probe;
} looking;

/* Goes through the first round. */
static void look(looking *l, const fg_context *ctx, const fg_ivf *ivf, const float *query,
                 const fgi_allow *allow)
{
    fgi_coarse_distance(&ivf->coarse, ctx->kernels, query, l->sqdist);
    fgi_hits_clear(l->order, LISTS);
    for (int32_t j = 0; j < LISTS; j++) fgi_hits_push(l->order, LISTS, (fgi_hit){l->sqdist[j], j});
    fgi_hits_sort(l->order, LISTS);
    fgi_hits_clear(l->hits, N);
    l->scan = (fgi_scan){.kernels = ctx->kernels,
                         .ivf = ivf,
                         .allow = *allow,
                         .query = query,
                         .hits = l->hits,
                         .n = N};
    l->probe.sqdist = l->sqdist;
    l->probe.lists = l->order;
    l->probe.list_count = LISTS;
    assert_true(fgi_probe_begin(&l->probe, ROWS, &l->scan));
    if (!allow->bits)
        assert_true(l->probe.m == N); /* exactly: what is tuned for is what is asked for */
}

static bool passes(const fgi_probe *probe, int64_t at, const fgi_probe_rule *rule, double r2)
{
    return fgi_probe_effort(probe, at) + rule->steepness * fgi_probe_margin(probe, at, r2) <=
           rule->theta;
}

static bool takes(const fgi_probe *probe, const fgi_stop *stop)
{
    for (int64_t i = 0; i < probe->count; i++)
        if (probe->stops[i].list == stop->list && probe->stops[i].begin == stop->begin) return true;
    return false;
}

/* `all` has every cell in order and decides on none; `some` decides. */
static void check_query(looking *all, looking *some, const fgi_probe_rule *rule)
{
    const double r2 = fgi_probe_radius2(&all->scan);
    int64_t rows = 0, taken = 0;
    fgi_probe_widen(&all->probe);
    const int64_t found = fgi_probe_decide(&some->probe, rule, r2);
    for (int64_t i = 0; i < all->probe.count; i++) {
        const bool first = i < all->probe.first, passing = passes(&all->probe, i, rule, r2);
        const fgi_stop *stop = fgi_probe_stop(&all->probe, i);
        if (first || passing) rows += stop->rows;
        if (first) continue;
        assert_int_equal(takes(&some->probe, stop), passing);
        taken += passing;
    }
    assert_int_equal(some->probe.count, taken);
    assert_int_equal(found, rows);
    for (int64_t i = 1; i < some->probe.count; i++) {
        const fgi_stop *stop = &some->probe.stops[i];
        assert_true(stop->list != stop[-1].list || stop->begin >= stop[-1].begin + stop[-1].rows);
    }
}

static void what_passes_is_taken(void **state)
{
    (void)state;
    static const double steepnesses[] = {0.5, 4, 20};
    static looking all, some;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(ROWS, FG_F32, 0), queries = case_make(QUERIES, FG_F32, 1);
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_SOAR);
    options.lists = LISTS;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    expect_ok(fgi_probe_create(NULL, ivf, ctx->kernels, N, LISTS, &all.probe));
    expect_ok(fgi_probe_create(NULL, ivf, ctx->kernels, N, LISTS, &some.probe));
    uint64_t bits[ROWS / 64 + 1];
    for (size_t w = 0; w < sizeof bits / sizeof *bits; w++)
        bits[w] = fgi_random_u64(5, 0, w) & fgi_random_u64(5, 1, w);
    const fgi_allow filters[] = {{0}, {bits, ROWS}};
    for (int64_t q = 0; q < 2 * QUERIES; q++) {
        const fgi_allow *allow = &filters[q % 3 == 0];
        /* the second half are rows of the index, and find themselves */
        const float *query =
            (const float *)(q < QUERIES ? queries.data : rows.data) + q % QUERIES * CASE_DIMS;
        for (size_t s = 0; s < sizeof steepnesses / sizeof *steepnesses; s++)
            for (double theta = 0.25; theta < 40; theta *= 1.5) {
                look(&all, ctx, ivf, query, allow);
                look(&some, ctx, ivf, query, allow);
                check_query(&all, &some, &(fgi_probe_rule){steepnesses[s], theta});
            }
    }
    fgi_probe_destroy(&all.probe);
    fgi_probe_destroy(&some.probe);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void expect_rule(const fgi_rules *rules, double m, double theta, int32_t lists, double cost)
{
    const struct fgi_rule_for here = fgi_rules_at(rules, m);
    assert_true(fabs(here.theta - theta) < 1e-12);
    assert_int_equal(here.lists, lists);
    assert_true(here.cost == cost || fabs(here.cost / cost - 1) < 1e-12);
}

static void rules_lie_between_those_known(void **state)
{
    (void)state;
    const fgi_rules rules = {
        .n = 5, .count = 3, .at = {{0, 4, 10, 0}, {1, 3, 20, 100}, {3, 1, 18, 300}}};
    expect_rule(&rules, 1, 4, 10, 0);
    expect_rule(&rules, 5, 4, 10, 0);
    expect_rule(&rules, 10, 3.5, 20, 50);
    expect_rule(&rules, 20, 3, 20, 100);
    expect_rule(&rules, 80, 2, 20, 200);
    expect_rule(&rules, 320, 1, 18, 300);
    expect_rule(&rules, 5 * 1024, 1, 18, 1200);
    expect_rule(&rules, INFINITY, 1, 18, INFINITY);
    static const double m_of[][2] = {{1, 1},   {5, 5},    {10, 10},  {20, 20},
                                     {40, 80}, {80, 320}, {160, 640}};
    for (size_t i = 0; i < sizeof m_of / sizeof *m_of; i++)
        assert_true(fabs(fgi_rules_m(&rules, m_of[i][0]) / m_of[i][1] - 1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_passes_is_taken),
                                       cmocka_unit_test(rules_lie_between_those_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
