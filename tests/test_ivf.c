/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf.c - indexes being built and changed: options, adding, removing, ids. Knows the public
 * interface, and faults. */
#include "ivf_case.h"
#include "stream.h"

#include "fault.h"

/* Everything that most tests begin with. */
typedef struct fixture {
    fg_context *ctx;
    case_data rows, queries;
    fg_ivf_options options;
    fg_ivf *ivf;
    float *centroids; /* its own, to build others with the same lists */
    fg_view given;
} fixture;

static fixture fixture_begin(fg_metric metric, fg_assign assign)
{
    fixture f = {.ctx = case_context(2),
                 .rows = case_make(CASE_ROWS, FG_F32, 0),
                 .queries = case_make(CASE_QUERIES, FG_F32, 1),
                 .options = case_options(metric, assign)};
    f.ivf = case_build(f.ctx, &f.rows.view, &f.options);
    f.centroids = malloc(CASE_LISTS * CASE_DIMS * sizeof *f.centroids);
    const fg_out out = {
        .data = f.centroids, .rows = CASE_LISTS, .cols = CASE_DIMS, .dtype = FG_F32};
    expect_ok(fg_ivf_get_lists(f.ivf, NULL, &out));
    f.given =
        (fg_view){.data = f.centroids, .rows = CASE_LISTS, .cols = CASE_DIMS, .dtype = FG_F32};
    return f;
}

static void fixture_end(fixture *f)
{
    fg_ivf_destroy(f->ivf);
    free(f->centroids);
    case_free(&f->rows);
    case_free(&f->queries);
    fg_context_destroy(f->ctx);
}

static fg_view part_of(const case_data *rows, int64_t first, int64_t count)
{
    fg_view part = rows->view;
    part.data = (const char *)rows->data +
                first * rows->d * (int64_t)fg_dtype_bytes((fg_dtype)rows->view.dtype);
    part.rows = count;
    return part;
}

/* -------------------------------------------------------------------------------------- options */

static void bad_options_are_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0);
    const fg_ivf_options good = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    const fg_view narrow = {.data = rows.data, .rows = 4, .cols = 5, .dtype = FG_F32};
    fg_ivf *ivf;
#define EXPECT(field, value, ...)                                                                  \
    do {                                                                                           \
        fg_ivf_options bad = good;                                                                 \
        bad.field = value;                                                                         \
        expect_failure(case_try_build(ctx, &rows.view, &bad, &ivf), FG_ARGUMENT, __VA_ARGS__,      \
                       NULL);                                                                      \
    } while (0)
    EXPECT(struct_size, 8, "struct_size is 8");
    EXPECT(lists, 0, "lists is 0", "1..600");
    EXPECT(lists, 601, "lists is 601", "1..600");
    EXPECT(coarse, 2, "coarse is 2");
    EXPECT(assign, 8, "assign is 8");
    EXPECT(assign, FG_ASSIGN_POSTERIOR, "needs a mixture");
    EXPECT(metric, -1, "metric is -1");
    EXPECT(max_lists, 65, "max_lists is 65", "0..64");
    EXPECT(threshold, 0.5, "threshold is 0.5", "no threshold");
    EXPECT(copies, 1.5, "copies 1.5", "no threshold");
    EXPECT(sample_rows, 3, "sample_rows is 3", "12");
    EXPECT(kmeans_iter, -1, "kmeans_iter is -1");
    EXPECT(centroids, &narrow, "centroids have 5 columns", "12");
#undef EXPECT
    fg_ivf_options margin = case_options(FG_METRIC_L2, FG_ASSIGN_MARGIN);
    margin.threshold = -1;
    expect_failure(case_try_build(ctx, &rows.view, &margin, &ivf), FG_ARGUMENT, "threshold is -1",
                   NULL);
    case_free(&rows);
    fg_context_destroy(ctx);
}

static void bad_rows_are_refused(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_COSINE, FG_ASSIGN_HARD);
    float *values = f.rows.data;
    fg_ivf *ivf;
    values[577 * CASE_DIMS + 2] = INFINITY;
    expect_failure(case_try_build(f.ctx, &f.rows.view, &f.options, &ivf), FG_NUMERIC, "row 577",
                   NULL);
    memset(values + 333 * CASE_DIMS, 0, CASE_DIMS * sizeof *values);
    expect_failure(case_try_build(f.ctx, &f.rows.view, &f.options, &ivf), FG_NUMERIC, "row 333",
                   "only zeros", NULL);
    memset(values, 0, CASE_DIMS * sizeof *values);
    values[0] = 1e-42f;
    const fg_view one = part_of(&f.rows, 0, 1);
    assert_int_equal(case_add(f.ctx, f.ivf, &one, NULL), FG_NUMERIC);
    assert_int_equal(case_info(f.ivf).rows, CASE_ROWS);
    fixture_end(&f);
}

static void a_reader_gives_the_same_index(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_MARGIN);
    row_stream s = {.rows = f.rows.view, .most = 37};
    fg_source *source = stream_source(&s, false); /* which does not say how many rows it has */
    fg_ivf *ivf;
    expect_ok(fg_ivf_build(f.ctx, source, &f.options, &ivf, NULL));
    expect_alike(f.ctx, f.ivf, ivf, &f.queries.view);
    fg_source_destroy(source);
    fg_ivf_destroy(ivf);
    fixture_end(&f);
}

static int stop_in_phase(void *user, const fg_progress *now)
{
    return strcmp(now->phase, user) == 0;
}

static void a_callback_stops_every_phase(void **state)
{
    (void)state;
    static const char *phases[] = {"k-means", "assign", "add"};
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_MARGIN);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        fg_ivf *ivf;
        f.options.progress = stop_in_phase;
        f.options.user = (void *)(uintptr_t)phases[i];
        expect_failure(case_try_build(f.ctx, &f.rows.view, &f.options, &ivf), FG_CANCELLED,
                       "stopped by the progress function", NULL);
    }
    fixture_end(&f);
}

/* --------------------------------------------------------------------------------------- adding */

static void two_halves_are_the_whole(void **state)
{
    (void)state;
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++) {
        fixture f = fixture_begin((fg_metric)metric, FG_ASSIGN_MARGIN);
        const fg_view first = part_of(&f.rows, 0, 251), one = part_of(&f.rows, 251, 1),
                      rest = part_of(&f.rows, 252, CASE_ROWS - 252);
        f.options.centroids = &f.given;
        fg_ivf *whole = case_build(f.ctx, &f.rows.view, &f.options);
        fg_ivf *parts = case_build(f.ctx, &first, &f.options);
        expect_ok(case_add(f.ctx, parts, &one, NULL));
        expect_ok(case_add(f.ctx, parts, &rest, NULL));
        expect_alike(f.ctx, whole, parts, &f.queries.view);
        assert_int_equal(case_info(parts).rows, CASE_ROWS);
        assert_int_equal(case_info(parts).entries, case_info(whole).entries);
        fg_ivf_destroy(whole);
        fg_ivf_destroy(parts);
        fixture_end(&f);
    }
}

static void ids_must_be_new(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    const fg_view two = part_of(&f.rows, 5, 2);
    const int64_t twice[] = {2000, 2000}, present[] = {2001, 17}, negative[] = {1, -4},
                  largest[] = {INT64_MAX, 3000}, good[] = {9000, 700};
    expect_failure(case_add(f.ctx, f.ivf, &two, twice), FG_ARGUMENT, "id 2000", NULL);
    expect_failure(case_add(f.ctx, f.ivf, &two, present), FG_ARGUMENT, "id 17", "already", NULL);
    expect_failure(case_add(f.ctx, f.ivf, &two, negative), FG_ARGUMENT, "id -4", NULL);
    expect_failure(case_add(f.ctx, f.ivf, &two, largest), FG_ARGUMENT, "too large", NULL);
    assert_int_equal(case_info(f.ivf).rows, CASE_ROWS);
    expect_ok(case_add(f.ctx, f.ivf, &two, good));
    expect_ok(case_add(f.ctx, f.ivf, &two, NULL)); /* 9001, 9002 */
    const fg_view query = part_of(&f.rows, 6, 1);
    case_found found = case_search(f.ctx, f.ivf, &query, 3, CASE_LISTS);
    assert_int_equal(found.ids[0], 6);
    assert_int_equal(found.ids[1], 700);
    assert_int_equal(found.ids[2], 9002);
    case_found_free(&found);
    fixture_end(&f);
}

static void rows_must_fit_the_index(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_HARD);
    case_data bytes = case_make(10, FG_U8, 0);
    fg_view narrow = part_of(&f.rows, 0, 10);
    narrow.row_stride = CASE_DIMS;
    narrow.cols = 7;
    expect_failure(case_add(f.ctx, f.ivf, &bytes.view, NULL), FG_ARGUMENT, "u8", "f32", NULL);
    expect_failure(case_add(f.ctx, f.ivf, &narrow, NULL), FG_ARGUMENT, "7 columns", "12", NULL);
    const double wide[CASE_DIMS] = {0};
    const fg_view doubles = {.data = wide, .rows = 1, .cols = CASE_DIMS, .dtype = FG_F64};
    fg_ivf *ivf;
    assert_int_not_equal(case_try_build(f.ctx, &doubles, &f.options, &ivf), FG_OK);
    case_free(&bytes);
    fixture_end(&f);
}

/* More lists than rows, lists that stay empty, and a list for every row. */
static void given_centroids_may_outnumber_rows(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    const fg_view few = part_of(&f.rows, 0, 5);
    for (int64_t i = 0; i < CASE_DIMS; i++) f.centroids[i] = 1e6f; /* far from all */
    f.options.centroids = &f.given;
    fg_ivf *ivf = case_build(f.ctx, &few, &f.options);
    int64_t sizes[CASE_LISTS], sum = 0;
    const fg_out out = {.data = sizes, .rows = CASE_LISTS, .cols = 1, .dtype = FG_I64};
    expect_ok(fg_ivf_get_lists(ivf, &out, NULL));
    for (int i = 0; i < CASE_LISTS; i++) sum += sizes[i];
    assert_int_equal(sizes[0], 0);
    assert_int_equal(sum, 10);
    case_found found = case_search(f.ctx, ivf, &few, 5, CASE_LISTS);
    for (int64_t q = 0; q < 5; q++) assert_int_equal(found.ids[q * 5], q);
    case_found_free(&found);
    fg_ivf_destroy(ivf);
    fixture_end(&f);
}

/* ------------------------------------------------------------------------------------- removing */

static void removed_rows_are_as_if_never_added(void **state)
{
    (void)state;
    enum { KEPT = 400 };
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric += 2) {
        fixture f = fixture_begin((fg_metric)metric, FG_ASSIGN_MARGIN);
        const fg_view kept = part_of(&f.rows, 0, KEPT);
        int64_t ids[CASE_ROWS - KEPT + 2], removed;
        for (int i = 0; i < CASE_ROWS - KEPT; i++) ids[i] = CASE_ROWS - 1 - i;
        ids[CASE_ROWS - KEPT] = 123456; /* not there */
        ids[CASE_ROWS - KEPT + 1] = ids[0];
        f.options.centroids = &f.given;
        fg_ivf *ivf = case_build(f.ctx, &f.rows.view, &f.options);
        fg_ivf *never = case_build(f.ctx, &kept, &f.options);
        expect_ok(fg_ivf_remove(ivf, ids, CASE_ROWS - KEPT + 2, &removed));
        assert_int_equal(removed, CASE_ROWS - KEPT);
        expect_alike(f.ctx, ivf, never, &f.queries.view);
        expect_ok(fg_ivf_remove(ivf, ids, CASE_ROWS - KEPT, &removed));
        assert_int_equal(removed, 0);
        expect_ok(fg_ivf_remove(ivf, NULL, 0, NULL));
        const fg_view again = part_of(&f.rows, KEPT, CASE_ROWS - KEPT);
        for (int i = 0; i < CASE_ROWS - KEPT; i++) ids[i] = KEPT + i;
        fg_ivf *whole = case_build(f.ctx, &f.rows.view, &f.options);
        expect_ok(case_add(f.ctx, ivf, &again, ids));
        expect_alike(f.ctx, ivf, whole, &f.queries.view);
        fg_ivf_destroy(ivf);
        fg_ivf_destroy(never);
        fg_ivf_destroy(whole);
        fixture_end(&f);
    }
}

static void an_emptied_index_works(void **state)
{
    (void)state;
    fixture f = fixture_begin(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    int64_t ids[CASE_ROWS], removed;
    for (int i = 0; i < CASE_ROWS; i++) ids[i] = i;
    expect_ok(fg_ivf_remove(f.ivf, ids, CASE_ROWS, &removed));
    assert_int_equal(removed, CASE_ROWS);
    assert_int_equal(case_info(f.ivf).entries, 0);
    case_found found = case_search(f.ctx, f.ivf, &f.queries.view, 3, CASE_LISTS);
    for (int i = 0; i < CASE_QUERIES * 3; i++) assert_int_equal(found.ids[i], -1);
    case_found_free(&found);
    expect_ok(fg_ivf_save(f.ivf, scratch_path("empty")));
    fg_ivf *loaded;
    expect_ok(fg_ivf_load(scratch_path("empty"), 0, &loaded));
    expect_ok(case_add(f.ctx, loaded, &f.rows.view, NULL));
    found = case_search(f.ctx, loaded, &f.rows.view, 1, CASE_LISTS);
    assert_true(found.ids[0] >= CASE_ROWS); /* ids are not given twice */
    case_found_free(&found);
    fg_ivf_destroy(loaded);
    fixture_end(&f);
}

/* --------------------------------------------------------------------------------------- faults */

typedef fg_status (*change_fn)(fixture *f);

static fg_status build_again(fixture *f)
{
    fg_ivf *ivf;
    fg_ivf_options options = f->options;
    options.graph = FG_GRAPH_ALWAYS;
    const fg_status s = case_try_build(f->ctx, &f->rows.view, &options, &ivf);
    if (s == FG_OK) fg_ivf_destroy(ivf);
    return s;
}

static fg_status add_more(fixture *f)
{
    const fg_view more = part_of(&f->rows, 100, 50);
    const int64_t first = 5000;
    int64_t ids[50];
    for (int64_t i = 0; i < 50; i++) ids[i] = first + i;
    return case_add(f->ctx, f->ivf, &more, ids);
}

static fg_status remove_some(fixture *f)
{
    static const int64_t ids[] = {3, 77, 300};
    return fg_ivf_remove(f->ivf, ids, 3, NULL);
}

static fg_status search_some(fixture *f)
{
    case_found found = case_found_new(CASE_QUERIES, 5);
    const fg_search_options options = {.struct_size = sizeof options, .n = 5, .probes = 3};
    const fg_status s = case_try_search(f->ctx, f->ivf, &f->queries.view, &options, &found);
    case_found_free(&found);
    return s;
}

/* Whichever block cannot be had: a status, no leak (asan), and the index answers as before. */
static void check_faults(change_fn change)
{
    fixture f = fixture_begin(FG_METRIC_COSINE, FG_ASSIGN_MARGIN);
    fg_ivf *before = case_build(f.ctx, &f.rows.view, &f.options);
    for (int64_t n = 1;; n++) {
        fgi_fault_arm(FGI_FAULT_ALLOC, n);
        const fg_status s = change(&f);
        const bool happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        if (!happened) {
            expect_ok(s);
            assert_true(n > 3);
            break;
        }
        assert_int_equal(s, FG_MEMORY);
        expect_alike(f.ctx, f.ivf, before, &f.queries.view);
    }
    fg_ivf_destroy(before);
    fixture_end(&f);
}

static void a_failed_build_leaks_nothing(void **state)
{
    (void)state;
    check_faults(build_again);
}

static void a_failed_add_changes_nothing(void **state)
{
    (void)state;
    check_faults(add_more);
}

static void a_failed_remove_changes_nothing(void **state)
{
    (void)state;
    check_faults(remove_some);
}

static void a_failed_search_leaks_nothing(void **state)
{
    (void)state;
    check_faults(search_some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(a_reader_gives_the_same_index),
        cmocka_unit_test(a_callback_stops_every_phase),
        cmocka_unit_test(two_halves_are_the_whole),
        cmocka_unit_test(ids_must_be_new),
        cmocka_unit_test(rows_must_fit_the_index),
        cmocka_unit_test(given_centroids_may_outnumber_rows),
        cmocka_unit_test(removed_rows_are_as_if_never_added),
        cmocka_unit_test(an_emptied_index_works),
        cmocka_unit_test(a_failed_build_leaks_nothing),
        cmocka_unit_test(a_failed_add_changes_nothing),
        cmocka_unit_test(a_failed_remove_changes_nothing),
        cmocka_unit_test(a_failed_search_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
