/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_screen.c - searches that screen rows by sketches find the same bits as those that look at all. An index in
 * memory has sketches; the same one mapped from its file has none. Knows the public interface and random numbers. */
#include "ivf_case.h"

enum { LISTS = 6, QUERIES = 15, WORDS = 700 / 64 + 1 };

/* Rows about some centres; each seventh is the one before it, some are zeros, long, or short. */
static case_data rows_of(int64_t rows, int32_t d, fg_dtype dtype, fg_metric metric, uint64_t stream)
{
    case_data c = {.rows = rows, .d = d, .dtype = dtype};
    c.data = malloc((size_t)(rows * d) * fg_dtype_bytes(dtype));
    for (int64_t r = 0; r < rows; r++) {
        const uint64_t same = (uint64_t)(r % 7 == 6 ? r - 1 : r), center = same % 5;
        const bool odd = metric != FG_METRIC_COSINE && stream == 0;
        const double factor = !odd ? 1 : r == 20 ? 0 : r == 21 ? 60 : r == 22 ? 1e-6 : 1;
        for (int32_t i = 0; i < d; i++) {
            const double mean = fgi_random_uniform(1, center, (uint64_t)i) - 0.5;
            const double noise = fgi_random_uniform(2 + stream, same, (uint64_t)i) - 0.5;
            case_store(c.data, r * d + i, dtype, factor * (mean + noise));
        }
    }
    c.view = (fg_view){.data = c.data, .rows = rows, .cols = d, .dtype = (int16_t)dtype};
    return c;
}

typedef struct pair {
    fg_context *ctx;
    fg_ivf *screened, *plain;
} pair;

static fg_ivf *reload(const fg_ivf *ivf, bool mapped)
{
    fg_ivf *out;
    const char *path = scratch_path("screen.fgi");
    expect_ok(fg_ivf_save(ivf, path));
    expect_ok(fg_ivf_load(path, mapped, &out));
    return out;
}

static void compare(const pair *p, const fg_view *queries, const fg_search_options *options)
{
    case_found a = case_found_new(queries->rows, options->n);
    case_found b = case_found_new(queries->rows, options->n);
    expect_ok(case_try_search(p->ctx, p->screened, queries, options, &a));
    expect_ok(case_try_search(p->ctx, p->plain, queries, options, &b));
    expect_same(&a, &b);
    assert_int_equal(a.stats.distances, b.stats.distances);
    assert_int_equal(a.stats.entries, b.stats.entries);
    case_found_free(&a);
    case_found_free(&b);
}

/* All together, then each alone. */
static void compare_ways(const pair *p, const fg_view *queries, const fg_search_options *options)
{
    compare(p, queries, options);
    for (int64_t q = 0; q < queries->rows; q += 4) {
        fg_view one = *queries;
        one.data = (char *)queries->data +
                   q * queries->cols * (int64_t)fg_dtype_bytes((fg_dtype)queries->dtype);
        one.rows = 1;
        compare(p, &one, options);
    }
}

static void compare_searches(const pair *p, const fg_view *queries, fg_metric metric)
{
    static const int32_t ns[] = {1, 10, 100, 1000};
    uint64_t allow[WORDS];
    for (size_t w = 0; w < WORDS; w++) allow[w] = fgi_random_u64(5, 5, w);
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
        fg_search_options o = {.struct_size = sizeof o, .n = ns[i]};
        for (o.probes = 1; o.probes <= LISTS; o.probes += 2) compare_ways(p, queries, &o);
        o.allow = allow;
        o.allow_bits = WORDS * 64;
        compare_ways(p, queries, &o);
        o.allow = NULL;
        o.allow_bits = o.probes = 0;
        for (o.theta = 0.5; metric != FG_METRIC_IP && o.theta <= 4; o.theta *= 2)
            compare_ways(p, queries, &o);
    }
}

typedef struct shape {
    int32_t d;
    fg_dtype dtype;
    fg_metric metric;
    fg_assign assign;
} shape;

static void check(fg_context *ctx, const shape *s)
{
    case_data rows = rows_of(600, s->d, s->dtype, s->metric, 0);
    case_data more = rows_of(60, s->d, s->dtype, s->metric, 1);
    case_data queries = rows_of(QUERIES, s->d, FG_F32, s->metric, 2);
    fg_ivf_options options = case_options(s->metric, s->assign);
    options.lists = LISTS;
    fg_ivf *built = case_build(ctx, &rows.view, &options);
    fg_ivf *mapped = reload(built, true);
    compare_searches(&(pair){ctx, built, mapped}, &queries.view, s->metric);
    fg_ivf *loaded = reload(built, false);
    compare(&(pair){ctx, loaded, mapped}, &queries.view,
            &(fg_search_options){.struct_size = sizeof(fg_search_options), .n = 10, .probes = 3});
    /* rows come and go, also to a mapped index: some of its lists then have sketches */
    int64_t gone[50], removed;
    for (int64_t i = 0; i < 50; i++) gone[i] = i * 11;
    expect_ok(case_add(ctx, loaded, &more.view, NULL));
    expect_ok(fg_ivf_remove(loaded, gone, 50, &removed));
    expect_ok(case_add(ctx, mapped, &more.view, NULL));
    expect_ok(fg_ivf_remove(mapped, gone, 50, &removed));
    fg_ivf *changed = reload(loaded, true);
    compare_searches(&(pair){ctx, loaded, changed}, &queries.view, s->metric);
    compare(&(pair){ctx, mapped, changed}, &queries.view,
            &(fg_search_options){.struct_size = sizeof(fg_search_options), .n = 10, .probes = 3});
    fg_ivf_destroy(changed);
    fg_ivf_destroy(loaded);
    fg_ivf_destroy(mapped);
    fg_ivf_destroy(built);
    case_free(&queries);
    case_free(&more);
    case_free(&rows);
}

static void screening_changes_nothing(void **state)
{
    static const shape shapes[] = {
        {1, FG_F32, FG_METRIC_L2, FG_ASSIGN_HARD},
        {8, FG_F32, FG_METRIC_L2, FG_ASSIGN_HARD},
        {13, FG_F32, FG_METRIC_COSINE, FG_ASSIGN_NEAREST},
        {33, FG_F32, FG_METRIC_IP, FG_ASSIGN_SOAR},
        {100, FG_F32, FG_METRIC_COSINE, FG_ASSIGN_SOAR},
        {100, FG_F32, FG_METRIC_L2, FG_ASSIGN_MARGIN},
        {129, FG_F16, FG_METRIC_IP, FG_ASSIGN_HARD},
        {255, FG_F16, FG_METRIC_COSINE, FG_ASSIGN_HARD},
        {300, FG_BF16, FG_METRIC_L2, FG_ASSIGN_NEAREST},
        {300, FG_F32, FG_METRIC_COSINE, FG_ASSIGN_HARD},
        {64, FG_I8, FG_METRIC_L2, FG_ASSIGN_HARD},
    };
    static const char *const isas[] = {"ref", "neon", "avx2", "avx512", "amx"};
    (void)state;
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const fg_context_options options = {
            .struct_size = sizeof options, .threads = 2, .isa = isas[i]};
        fg_context *ctx;
        if (fg_context_create(&options, &ctx) != FG_OK) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) check(ctx, &shapes[s]);
        fg_context_destroy(ctx);
    }
}

static void sketches_are_counted(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = rows_of(600, 100, FG_F32, FG_METRIC_L2, 0);
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *built = case_build(ctx, &rows.view, &options);
    fg_ivf *loaded = reload(built, false), *mapped = reload(built, true);
    assert_int_equal(case_info(loaded).bytes - case_info(mapped).bytes, 600 * (100 + 12));
    fg_ivf_destroy(mapped);
    fg_ivf_destroy(loaded);
    fg_ivf_destroy(built);
    case_free(&rows);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screening_changes_nothing),
        cmocka_unit_test(sketches_are_counted),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
