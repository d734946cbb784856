/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_ends.c - searches at the ends of what may be asked: any number of results, lists without
 * rows, more lists than rows, queries of every type. Knows the public interface alone. */
#include "ivf_case.h"

/* The first n of more results are the n results. */
static void expect_begin(const case_found *few, const case_found *many)
{
    for (int64_t q = 0; q < few->queries; q++)
        for (int32_t i = 0; i < few->n; i++) {
            const int64_t a = q * few->n + i, b = q * many->n + i;
            assert_int_equal(few->ids[a], i < many->n ? many->ids[b] : -1);
            assert_true(few->scores[a] == (i < many->n ? many->scores[b] : INFINITY));
        }
}

static void any_number_of_results(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(5, FG_F32, 1);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    for (int32_t probes = 1; probes <= CASE_LISTS; probes += CASE_LISTS - 1) {
        case_found all = case_search(ctx, ivf, &queries.view, CASE_ROWS, probes);
        for (int32_t n = 1; n <= 1000; n += 1 + n / 7) {
            case_found f = case_search(ctx, ivf, &queries.view, n, probes);
            expect_begin(&f, &all);
            case_found_free(&f);
        }
        case_found_free(&all);
    }
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* Given centroids: most of them far from every row, and more of them than rows. */
static void lists_without_rows(void **state)
{
    (void)state;
    enum { ROWS = 7, LISTS = 40 };
    fg_context *ctx = case_context(2);
    case_data rows = case_make(ROWS, FG_F32, 0);
    float centroids[LISTS * CASE_DIMS];
    for (int32_t i = 0; i < LISTS * CASE_DIMS; i++)
        centroids[i] = i < CASE_DIMS ? 5.0f : 1000.0f + (float)(i / CASE_DIMS);
    const fg_view view = {.data = centroids, .rows = LISTS, .cols = CASE_DIMS, .dtype = FG_F32};
    fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    options.lists = 0;
    options.centroids = &view;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    assert_int_equal(case_info(ivf).lists, LISTS);
    case_found near = case_search(ctx, ivf, &rows.view, 10, 1);
    for (int64_t q = 0; q < ROWS; q++) {
        assert_true(near.scores[q * 10] == 0);
        for (int32_t i = 0; i < 10; i++) assert_int_equal(near.ids[q * 10 + i] < 0, i >= ROWS);
    }
    const fg_view far = {
        .data = centroids + (LISTS - 1) * CASE_DIMS, .rows = 1, .cols = CASE_DIMS, .dtype = FG_F32};
    case_found none = case_search(ctx, ivf, &far, 10, LISTS - 1);
    for (int32_t i = 0; i < 10; i++) assert_int_equal(none.ids[i], -1);
    assert_int_equal(none.stats.distances, 0);
    case_found some = case_search(ctx, ivf, &far, 10, LISTS);
    assert_int_equal(some.stats.distances, ROWS);
    case_found_free(&near);
    case_found_free(&none);
    case_found_free(&some);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

/* The values of the case are exact in all types, so a query's type changes no bit. */
static void queries_of_another_type(void **state)
{
    (void)state;
    static const fg_dtype dtypes[] = {FG_F32, FG_F16, FG_BF16, FG_I8, FG_U8};
    enum { TYPES = sizeof dtypes / sizeof *dtypes };
    fg_context *ctx = case_context(1);
    for (int32_t t = 0; t < TYPES; t++) {
        case_data rows = case_make(CASE_ROWS, dtypes[t], 0), same = case_make(9, dtypes[t], 1);
        const fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_HARD);
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        case_found wanted = case_search(ctx, ivf, &same.view, 12, 4);
        for (int32_t u = 0; u < TYPES; u++) {
            case_data queries = case_make(9, dtypes[u], 1);
            case_found f = case_search(ctx, ivf, &queries.view, 12, 4);
            expect_same(&wanted, &f);
            case_found_free(&f);
            case_free(&queries);
        }
        case_found_free(&wanted);
        fg_ivf_destroy(ivf);
        case_free(&rows);
        case_free(&same);
    }
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_results),
        cmocka_unit_test(lists_without_rows),
        cmocka_unit_test(queries_of_another_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
