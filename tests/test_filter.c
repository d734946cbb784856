/* SPDX-License-Identifier: Apache-2.0 */
/* test_filter.c - searches that may find only some ids. The oracle is a search without a filter for
 * all rows, of which those that are not allowed are struck out: the same ids, the same bits. Knows
 * the public interface alone. */
#include "ivf_case.h"

enum { FOUND = 9, WORDS = CASE_ROWS / 64 + 1 };

typedef struct filter {
    uint64_t words[WORDS];
    int64_t bits;
} filter;

static bool allows(const filter *f, int64_t id)
{
    return id < f->bits && (f->words[id / 64] >> (id % 64) & 1);
}

/* About one id of `every`; none for 0. */
static filter filter_make(int32_t every, int64_t bits)
{
    filter f = {.bits = bits};
    for (int64_t id = 0; every > 0 && id < WORDS * (int64_t)64; id++)
        if (fgi_random_u64(9, (uint64_t)every, (uint64_t)id) % (uint64_t)every == 0)
            f.words[id / 64] |= (uint64_t)1 << (id % 64);
    return f;
}

static case_found search_filtered(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                                  const filter *f, int32_t probes)
{
    const fg_search_options options = {.struct_size = sizeof options,
                                       .n = FOUND,
                                       .probes = probes,
                                       .allow = f->words,
                                       .allow_bits = f->bits};
    case_found found = case_found_new(queries->rows, FOUND);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &found));
    return found;
}

/* Strikes out in `all` what the filter does not allow; returns how many stay, over all queries. */
static int64_t expect_filtered(const case_found *all, const case_found *found, const filter *f,
                               fg_metric metric)
{
    int64_t stay = 0;
    for (int64_t q = 0; q < all->queries; q++) {
        int32_t place = 0;
        for (int32_t i = 0; i < all->n; i++) {
            const int64_t from = q * all->n + i, at = q * FOUND + place;
            if (all->ids[from] < 0 || !allows(f, all->ids[from])) continue;
            stay++;
            if (place == FOUND) continue;
            place++;
            assert_int_equal(found->ids[at], all->ids[from]);
            assert_memory_equal(&found->scores[at], &all->scores[from], sizeof *found->scores);
        }
        for (; place < FOUND; place++) {
            const float worst = metric == FG_METRIC_L2 ? INFINITY : -INFINITY;
            assert_int_equal(found->ids[q * FOUND + place], -1);
            assert_true(found->scores[q * FOUND + place] == worst);
        }
    }
    return stay;
}

static void check_filter(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         const filter *f)
{
    const fg_metric metric = (fg_metric)case_info(ivf).metric;
    for (int32_t probes = 1; probes <= CASE_LISTS; probes += 4) {
        case_found all = case_search(ctx, ivf, queries, CASE_ROWS, probes);
        case_found found = search_filtered(ctx, ivf, queries, f, probes);
        const int64_t stay = expect_filtered(&all, &found, f, metric);
        assert_int_equal(found.stats.distances, stay); /* what may not be found costs nothing */
        assert_int_equal(found.stats.entries, all.stats.entries);
        case_found_free(&all);
        case_found_free(&found);
    }
}

static void check_index(fg_context *ctx, fg_dtype dtype, fg_metric metric, fg_assign assign)
{
    static const int32_t everies[] = {0, 1, 2, 16, 300};
    static const int64_t ends[] = {0, 1, 63, 64, 65, 300, CASE_ROWS};
    case_data rows = case_make(CASE_ROWS, dtype, 0), queries = case_make(CASE_QUERIES, dtype, 1);
    const fg_ivf_options options = case_options(metric, assign);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    for (size_t e = 0; e < sizeof everies / sizeof *everies; e++) {
        const filter f = filter_make(everies[e], CASE_ROWS);
        check_filter(ctx, ivf, &queries.view, &f);
    }
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
        const filter f = filter_make(1, ends[e]);
        check_filter(ctx, ivf, &queries.view, &f);
    }
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
}

static void only_what_is_allowed_is_found(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    check_index(ctx, FG_F32, FG_METRIC_L2, FG_ASSIGN_HARD);
    check_index(ctx, FG_F16, FG_METRIC_IP, FG_ASSIGN_NEAREST);
    check_index(ctx, FG_BF16, FG_METRIC_COSINE, FG_ASSIGN_MARGIN);
    check_index(ctx, FG_U8, FG_METRIC_L2, FG_ASSIGN_POSTERIOR);
    check_index(ctx, FG_I8, FG_METRIC_COSINE, FG_ASSIGN_HARD);
    fg_context_destroy(ctx);
}

/* One list longer than what is looked at in one piece, its allowed ids at the ends of the pieces. */
static void long_lists_are_filtered_to_their_ends(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(3, FG_F32, 1);
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    options.lists = 1;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    filter f = {.bits = CASE_ROWS};
    static const int64_t ids[] = {0, 255, 256, 511, 512, CASE_ROWS - 1};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        f.words[ids[i] / 64] |= (uint64_t)1 << (ids[i] % 64);
    check_filter(ctx, ivf, &queries.view, &f);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void filters_without_sense_are_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(50, FG_F32, 0);
    const fg_ivf_options build = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &build);
    const filter f = filter_make(1, 50);
    case_found found = case_found_new(50, FOUND);
    fg_search_options options = {
        .struct_size = sizeof options, .n = FOUND, .allow = f.words, .allow_bits = -1};
    expect_failure(case_try_search(ctx, ivf, &rows.view, &options, &found), FG_ARGUMENT,
                   "allow_bits is -1", NULL);
    options.allow = NULL;
    options.allow_bits = 50;
    expect_failure(case_try_search(ctx, ivf, &rows.view, &options, &found), FG_ARGUMENT,
                   "allow_bits is 50", NULL);
    case_found_free(&found);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_allowed_is_found),
        cmocka_unit_test(long_lists_are_filtered_to_their_ends),
        cmocka_unit_test(filters_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
