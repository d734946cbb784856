/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_search.c - searches against the truth in f64. Knows the public interface alone. */
#include "ivf_case.h"

#include <pthread.h> /* several searchers */

typedef struct truth {
    double key; /* squared distance, or minus the similarity */
    int64_t id;
} truth;

static int by_key_and_id(const void *a, const void *b)
{
    const truth *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static double key_of(const double *x, const double *y, int32_t d, fg_metric metric)
{
    double distance = 0, inner = 0, xx = 0, yy = 0;
    for (int32_t i = 0; i < d; i++) {
        distance += (x[i] - y[i]) * (x[i] - y[i]);
        inner += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    if (metric == FG_METRIC_L2) return distance;
    return metric == FG_METRIC_IP ? -inner : -inner / sqrt(xx * yy);
}

/* All rows of the case by distance to a query. */
static truth *nearest(const case_data *rows, const int64_t *ids, const double *query,
                      fg_metric metric)
{
    truth *t = malloc((size_t)rows->rows * sizeof *t);
    for (int64_t r = 0; r < rows->rows; r++)
        t[r] = (truth){key_of(query, rows->values + r * rows->d, rows->d, metric), ids[r]};
    qsort(t, (size_t)rows->rows, sizeof *t, by_key_and_id);
    return t;
}

static int64_t *scattered_ids(int64_t count)
{
    int64_t *ids = malloc((size_t)count * sizeof *ids);
    for (int64_t i = 0; i < count; i++) ids[i] = i * 7919 % 10007 + ((int64_t)1 << 40);
    return ids;
}

static void expect_distinct(const case_found *f)
{
    for (int64_t q = 0; q < f->queries; q++)
        for (int32_t i = 0; i < f->n; i++)
            for (int32_t j = 0; j < i; j++) {
                const int64_t id = f->ids[q * f->n + i];
                assert_true(id < 0 || id != f->ids[q * f->n + j]);
            }
}

/* Keys of integers are exact in f32, so ids must agree to the last tie; cosines are rounded. */
static void expect_true_results(const case_found *f, const case_data *rows, const int64_t *ids,
                                const case_data *queries, fg_metric metric)
{
    for (int64_t q = 0; q < f->queries; q++) {
        truth *t = nearest(rows, ids, queries->values + q * queries->d, metric);
        for (int32_t i = 0; i < f->n; i++) {
            const int64_t at = q * f->n + i;
            const double score = metric == FG_METRIC_L2 ? t[i].key : -t[i].key;
            if (metric == FG_METRIC_COSINE) {
                assert_true(fabs(f->scores[at] - score) <= 4e-7);
            } else {
                assert_true(f->scores[at] == score);
                assert_int_equal(f->ids[at], t[i].id);
            }
        }
        free(t);
    }
    expect_distinct(f);
}

static void check_all_lists(fg_context *ctx, fg_dtype dtype, fg_metric metric, fg_assign assign)
{
    case_data rows = case_make(CASE_ROWS, dtype, 0), queries = case_make(CASE_QUERIES, dtype, 1);
    int64_t *ids = scattered_ids(CASE_ROWS);
    fg_ivf_options options = case_options(metric, assign);
    options.ids = ids;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    const fg_ivf_info info = case_info(ivf);
    case_found f = case_search(ctx, ivf, &queries.view, 20, CASE_LISTS);
    expect_true_results(&f, &rows, ids, &queries, metric);
    assert_int_equal(f.stats.queries, CASE_QUERIES);
    assert_int_equal(f.stats.centroids, CASE_QUERIES * CASE_LISTS);
    assert_int_equal(f.stats.distances, CASE_QUERIES * CASE_ROWS);
    assert_int_equal(f.stats.entries, CASE_QUERIES * info.entries);
    if (assign == FG_ASSIGN_HARD) assert_int_equal(info.entries, CASE_ROWS);
    if (assign == FG_ASSIGN_NEAREST) assert_int_equal(info.entries, 2 * CASE_ROWS);
    if (assign >= FG_ASSIGN_MARGIN) assert_true(info.entries >= CASE_ROWS);
    case_found_free(&f);
    fg_ivf_destroy(ivf);
    free(ids);
    case_free(&rows);
    case_free(&queries);
}

static void all_lists_equal_brute_force(void **state)
{
    (void)state;
    static const fg_dtype dtypes[] = {FG_F32, FG_F16, FG_BF16, FG_I8, FG_U8};
    fg_context *ctx = case_context(2);
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++)
        for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++)
            for (int assign = FG_ASSIGN_HARD; assign <= FG_ASSIGN_RNG; assign++)
                check_all_lists(ctx, dtypes[t], (fg_metric)metric, (fg_assign)assign);
    fg_context_destroy(ctx);
}

/* How many of the results are among the n best of all lists. */
static int64_t matches(const case_found *f, const case_found *all)
{
    int64_t count = 0;
    for (int64_t q = 0; q < f->queries; q++)
        for (int32_t i = 0; i < f->n; i++)
            for (int32_t j = 0; j < f->n; j++)
                count += f->ids[q * f->n + i] == all->ids[q * f->n + j];
    return count;
}

static void more_probes_never_find_less(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_U8, 1);
    for (int assign = FG_ASSIGN_HARD; assign <= FG_ASSIGN_RNG; assign++) {
        const fg_ivf_options options = case_options(FG_METRIC_L2, (fg_assign)assign);
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        case_found all = case_search(ctx, ivf, &queries.view, 10, CASE_LISTS);
        int64_t before = 0, distances = 0;
        for (int32_t probes = 1; probes <= CASE_LISTS; probes++) {
            case_found f = case_search(ctx, ivf, &queries.view, 10, probes);
            const int64_t now = matches(&f, &all);
            assert_true(now >= before);
            assert_true(f.stats.distances >= distances && f.stats.distances <= f.stats.entries);
            expect_distinct(&f);
            before = now;
            distances = f.stats.distances;
            case_found_free(&f);
        }
        assert_int_equal(before, CASE_QUERIES * 10);
        case_found_free(&all);
        fg_ivf_destroy(ivf);
    }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void too_few_rows_leave_places_empty(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_LISTS, FG_F32, 0), queries = case_make(3, FG_F32, 1);
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++) {
        const fg_ivf_options options = case_options((fg_metric)metric, FG_ASSIGN_NEAREST);
        const float worst = metric == FG_METRIC_L2 ? INFINITY : -INFINITY;
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        case_found f = case_search(ctx, ivf, &queries.view, CASE_LISTS + 5, CASE_LISTS);
        for (int64_t i = 0; i < f.queries * f.n; i++) {
            const bool empty = i % f.n >= CASE_LISTS;
            assert_int_equal(f.ids[i] == -1, empty);
            assert_int_equal(f.scores[i] == worst, empty);
        }
        case_found_free(&f);
        fg_ivf_destroy(ivf);
    }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* Queries with a stride and results with a stride; scores and stats left out. */
static void strides_and_missing_outputs(void **state)
{
    (void)state;
    enum { STRIDE = CASE_DIMS + 3, N = 4, OUT_STRIDE = 9 };
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F16, 1);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_MARGIN);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    case_found f = case_search(ctx, ivf, &queries.view, N, 3);
    static uint16_t spread[CASE_QUERIES * STRIDE];
    static int64_t ids[CASE_QUERIES * OUT_STRIDE];
    for (int64_t q = 0; q < CASE_QUERIES; q++)
        memcpy(spread + q * STRIDE, (uint16_t *)queries.data + q * CASE_DIMS,
               CASE_DIMS * sizeof *spread);
    const fg_view view = {.data = spread,
                          .rows = CASE_QUERIES,
                          .row_stride = STRIDE,
                          .cols = CASE_DIMS,
                          .dtype = FG_F16};
    const fg_out out = {
        .data = ids, .rows = CASE_QUERIES, .row_stride = OUT_STRIDE, .cols = N, .dtype = FG_I64};
    const fg_search_options search = {.struct_size = sizeof search, .n = N, .probes = 3};
    expect_ok(fg_ivf_search(ctx, ivf, &view, &search, &out, NULL, NULL));
    for (int64_t q = 0; q < CASE_QUERIES; q++) {
        assert_memory_equal(ids + q * OUT_STRIDE, f.ids + q * N, N * sizeof *ids);
        assert_int_equal(ids[q * OUT_STRIDE + N], 0);
    }
    case_found_free(&f);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void bad_queries_are_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F32, 1);
    float *values = queries.data;
    const fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    case_found f = case_found_new(CASE_QUERIES, 5);
    memset(f.ids, 0x55, CASE_QUERIES * 5 * sizeof *f.ids);
    fg_search_options search = {.struct_size = sizeof search, .n = 5};
    values[17 * CASE_DIMS + 3] = NAN;
    memset(values + 11 * CASE_DIMS, 0, CASE_DIMS * sizeof *values);
    expect_failure(case_try_search(ctx, ivf, &queries.view, &search, &f), FG_NUMERIC, "query 11",
                   "only zeros", NULL);
    assert_int_equal(f.ids[0], 0x5555555555555555);
    search.order = FG_PROBE_POSTERIOR;
    expect_failure(case_try_search(ctx, ivf, &queries.view, &search, &f), FG_ARGUMENT, "order is 1",
                   NULL);
    search.order = FG_PROBE_NEAREST;
    search.probes = -1;
    expect_failure(case_try_search(ctx, ivf, &queries.view, &search, &f), FG_ARGUMENT,
                   "probes is -1", NULL);
    search.probes = 0;
    search.n = 6;
    expect_failure(case_try_search(ctx, ivf, &queries.view, &search, &f), FG_ARGUMENT,
                   "ids: cols is 5", NULL);
    queries.view.cols = CASE_DIMS - 1;
    expect_failure(case_try_search(ctx, ivf, &queries.view, &search, &f), FG_ARGUMENT, "11 columns",
                   "12 dimensions", NULL);
    case_found_free(&f);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* With one probe by posterior, the list that is scanned is the most probable component's. */
static void posterior_order_begins_with_the_most_probable(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F32, 1);
    for (int covariance = FG_COV_DIAG; covariance <= FG_COV_SPHERICAL; covariance++) {
        fg_source *source;
        fg_gmm *gmm;
        expect_ok(fg_source_memory(&rows.view, &source));
        const fg_gmm_options fit = {
            .struct_size = sizeof fit, .k = CASE_LISTS, .covariance = covariance, .max_iter = 5};
        expect_ok(fg_gmm_fit(ctx, source, &fit, &gmm, NULL));
        fg_source_destroy(source);
        fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_POSTERIOR);
        options.model = gmm;
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        int64_t sizes[CASE_LISTS];
        const fg_out sizes_out = {.data = sizes, .rows = CASE_LISTS, .cols = 1, .dtype = FG_I64};
        expect_ok(fg_ivf_get_lists(ivf, &sizes_out, NULL));
        for (int64_t q = 0; q < CASE_QUERIES; q++) {
            int32_t label;
            const fg_out label_out = {.data = &label, .rows = 1, .cols = 1, .dtype = FG_I32};
            fg_view one = queries.view;
            one.data = (float *)queries.data + q * CASE_DIMS;
            one.rows = 1;
            expect_ok(fg_source_memory(&one, &source));
            expect_ok(fg_gmm_predict(ctx, gmm, source, &label_out, NULL));
            fg_source_destroy(source);
            const fg_search_options search = {
                .struct_size = sizeof search, .n = 5, .order = FG_PROBE_POSTERIOR};
            case_found f = case_found_new(1, 5);
            expect_ok(case_try_search(ctx, ivf, &one, &search, &f));
            assert_int_equal(f.stats.entries, sizes[label]);
            case_found_free(&f);
        }
        fg_ivf_destroy(ivf);
        fg_gmm_destroy(gmm);
    }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static const int32_t threads[] = {1, 2, 7};
    case_data rows = case_make(5000, FG_F32, 0), queries = case_make(CASE_QUERIES, FG_F32, 1);
    unsigned char *file = NULL;
    size_t bytes = 0;
    case_found first = {0};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        fg_context *ctx = case_context(threads[t]);
        fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_POSTERIOR);
        options.copies = 1.5;
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        const char *path = scratch_path("threads");
        expect_ok(fg_ivf_save(ivf, path));
        size_t bytes_now;
        unsigned char *file_now = scratch_read(path, &bytes_now);
        case_found f = case_search(ctx, ivf, &queries.view, 20, 4);
        if (t == 0) {
            file = file_now;
            bytes = bytes_now;
            first = f;
        } else {
            assert_int_equal(bytes_now, bytes);
            assert_memory_equal(file_now, file, bytes);
            expect_same(&f, &first);
            free(file_now);
            case_found_free(&f);
        }
        fg_ivf_destroy(ivf);
        fg_context_destroy(ctx);
    }
    free(file);
    case_found_free(&first);
    case_free(&rows);
    case_free(&queries);
}

typedef struct searcher {
    const fg_ivf *ivf;
    const fg_view *queries;
    case_found found;
    fg_status status;
} searcher;

static void *search_alone(void *argument)
{
    searcher *s = argument;
    const fg_context_options options = {.struct_size = sizeof options, .threads = 2};
    const fg_search_options search = {.struct_size = sizeof search, .n = 10, .probes = 4};
    fg_context *ctx;
    s->status = fg_context_create(&options, &ctx);
    for (int i = 0; s->status == FG_OK && i < 20; i++)
        s->status = case_try_search(ctx, s->ivf, s->queries, &search, &s->found);
    fg_context_destroy(ctx);
    return NULL;
}

static void several_may_search_at_once(void **state)
{
    (void)state;
    enum { SEARCHERS = 3 };
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_U8, 0), queries = case_make(CASE_QUERIES, FG_U8, 1);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    case_found alone = case_search(ctx, ivf, &queries.view, 10, 4);
    searcher searchers[SEARCHERS];
    pthread_t threads[SEARCHERS];
    for (int i = 0; i < SEARCHERS; i++) {
        searchers[i] = (searcher){
            .ivf = ivf, .queries = &queries.view, .found = case_found_new(CASE_QUERIES, 10)};
        assert_int_equal(pthread_create(&threads[i], NULL, search_alone, &searchers[i]), 0);
    }
    for (int i = 0; i < SEARCHERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(searchers[i].status, FG_OK);
        expect_same(&searchers[i].found, &alone);
        case_found_free(&searchers[i].found);
    }
    case_found_free(&alone);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_lists_equal_brute_force),
        cmocka_unit_test(more_probes_never_find_less),
        cmocka_unit_test(too_few_rows_leave_places_empty),
        cmocka_unit_test(strides_and_missing_outputs),
        cmocka_unit_test(bad_queries_are_refused),
        cmocka_unit_test(posterior_order_begins_with_the_most_probable),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(several_may_search_at_once),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
