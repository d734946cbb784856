/* SPDX-License-Identifier: Apache-2.0 */
/* test_tune_ends.c - tuned indexes at the ends of what may be asked: one list, hardly any rows, none left, filters that
 * leave fewer than were wanted, rows that nothing is near to. Knows the public interface alone. */
#include "ivf_case.h"

enum { N = 3, MOST_ROWS = 128 * 4 * N, WORDS = 2 * MOST_ROWS / 64, TUNING_QUERIES = 30 };

typedef struct filter {
    uint64_t words[WORDS];
} filter;

/* The first ids from `from` on, so many. */
static filter ids_from(int64_t from, int64_t count)
{
    filter f = {{0}};
    for (int64_t id = from; id < from + count; id++) f.words[id / 64] |= (uint64_t)1 << (id % 64);
    return f;
}

static case_found search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries, int32_t n,
                         double recall, const filter *f)
{
    const fg_search_options options = {.struct_size = sizeof options,
                                       .n = n,
                                       .recall = recall,
                                       .probes = recall > 0 ? 0 : INT32_MAX,
                                       .allow = f ? f->words : NULL,
                                       .allow_bits = f ? WORDS * 64 : 0};
    case_found found = case_found_new(queries->rows, n);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &found));
    return found;
}

static void expect_exact(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         const filter *f)
{
    case_found all = search(ctx, ivf, queries, N, 0, f);
    case_found found = search(ctx, ivf, queries, N, 0.5, f);
    expect_same(&found, &all);
    case_found_free(&all);
    case_found_free(&found);
}

static void tune(fg_context *ctx, fg_ivf *ivf)
{
    case_data queries = case_make(TUNING_QUERIES, FG_F32, 2);
    const fg_tune_options options = {.struct_size = sizeof options, .n = N, .recall = 0.9};
    expect_ok(fg_ivf_tune(ctx, ivf, &queries.view, &options, NULL));
    case_free(&queries);
}

static fg_ivf *build_tuned(fg_context *ctx, const fg_view *rows, int32_t lists)
{
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    options.lists = lists;
    fg_ivf *ivf = case_build(ctx, rows, &options);
    tune(ctx, ivf);
    return ivf;
}

/* Too few to fill the first round: whatever may be found is. And more are wanted than there are. */
static void fewer_rows_than_wanted_are_all_found(void **state)
{
    (void)state;
    static const int64_t counts[] = {N + 1, 21, 200, MOST_ROWS};
    fg_context *ctx = case_context(2);
    case_data queries = case_make(9, FG_F32, 1);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        case_data rows = case_make(counts[i], FG_F32, 0);
        const int32_t most_lists = counts[i] < CASE_LISTS ? (int32_t)counts[i] : CASE_LISTS;
        for (int32_t lists = 1; lists <= most_lists; lists += most_lists - 1) {
            fg_ivf *ivf = build_tuned(ctx, &rows.view, lists);
            case_found many = search(ctx, ivf, &queries.view, MOST_ROWS + 5, 0.5, NULL);
            for (int64_t q = 0; q < many.queries; q++)
                for (int64_t p = counts[i]; p < MOST_ROWS + 5; p++)
                    assert_int_equal(many.ids[q * (MOST_ROWS + 5) + p], -1);
            case_found_free(&many);
            for (int64_t left = 0; left <= N; left++) {
                const filter f = ids_from(counts[i] - left, left);
                expect_exact(ctx, ivf, &queries.view, &f);
            }
            fg_ivf_destroy(ivf);
        }
        case_free(&rows);
    }
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void an_emptied_index_finds_nothing(void **state)
{
    (void)state;
    static const int32_t lists[] = {1, CASE_LISTS};
    int64_t ids[MOST_ROWS], removed;
    for (int64_t i = 0; i < MOST_ROWS; i++) ids[i] = i;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(MOST_ROWS, FG_F32, 0), queries = case_make(9, FG_F32, 1);
    const filter f = ids_from(5, 500);
    for (int i = 0; i < 2; i++) {
        fg_ivf *ivf = build_tuned(ctx, &rows.view, lists[i]);
        expect_ok(fg_ivf_remove(ivf, ids, MOST_ROWS, &removed));
        assert_int_equal(removed, MOST_ROWS);
        for (int filtered = 0; filtered < 2; filtered++) {
            case_found found = search(ctx, ivf, &queries.view, N, 0.9, filtered ? &f : NULL);
            for (int64_t p = 0; p < 9 * N; p++) assert_int_equal(found.ids[p], -1);
            assert_int_equal(found.stats.distances, 0);
            case_found_free(&found);
        }
        expect_ok(fg_ivf_save(ivf, scratch_path("emptied.fgi")));
        fg_ivf_destroy(ivf);
        expect_ok(fg_ivf_load(scratch_path("emptied.fgi"), 0, &ivf));
        expect_ok(case_add(ctx, ivf, &rows.view, NULL));
        const filter few = ids_from(MOST_ROWS + 5, N); /* ids go on where they were */
        expect_exact(ctx, ivf, &queries.view, &few);
        fg_ivf_destroy(ivf);
    }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* The numbers of a mapped file's rows, which nobody checks, become NaN. */
static const char *write_spoiled(const fg_ivf *ivf)
{
    size_t bytes;
    uint64_t table, code[2];
    expect_ok(fg_ivf_save(ivf, scratch_path("sound.fgi")));
    unsigned char *file = scratch_read(scratch_path("sound.fgi"), &bytes);
    memcpy(&table, file + 32, sizeof table);
    for (unsigned char *section = file + table; section < file + bytes; section += 32) {
        memcpy(code, section + 8, sizeof code);
        if (memcmp(section, "CODE", 4) == 0) memset(file + code[0], 0xff, code[1]);
    }
    const char *path = scratch_write("spoiled.fgi", file, bytes);
    free(file);
    return path;
}

/* Not even its own: such rows are no results, and the index is tuned to whatever there is. */
static void rows_near_to_nothing_do_no_harm(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(MOST_ROWS, FG_F32, 0);
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    fg_view first = rows.view;
    first.rows = 1;
    case_found beside = case_search(ctx, ivf, &first, MOST_ROWS, 1); /* its list, the first set */
    int64_t gone;
    for (gone = 0; gone < MOST_ROWS && beside.ids[gone] >= 0;) gone++;
    const char *path = write_spoiled(ivf);
    fg_ivf_destroy(ivf);
    expect_ok(fg_ivf_load(path, 1, &ivf));
    expect_ok(fg_ivf_remove(ivf, beside.ids, gone, NULL));
    tune(ctx, ivf);
    const filter f = ids_from(0, MOST_ROWS / 2);
    case_found found = search(ctx, ivf, &first, N, 0.9, &f);
    for (int32_t i = 0; i < N; i++) assert_int_equal(found.ids[i], -1);
    case_found_free(&found);
    case_found_free(&beside);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_rows_than_wanted_are_all_found),
        cmocka_unit_test(an_emptied_index_finds_nothing),
        cmocka_unit_test(rows_near_to_nothing_do_no_harm),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
