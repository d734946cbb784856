/* SPDX-License-Identifier: Apache-2.0 */
/* test_tune.c - soft probing, and the calibration that gives it a recall. Knows the public interface
 * alone. */
#include "ivf_case.h"

enum { ROWS = 20000, QUERIES = 4000, DIMS = 16, LISTS = 40, N = 5 };

static float rows_data[ROWS * DIMS], query_data[QUERIES * DIMS], fresh_data[QUERIES * DIMS];

/* Overlapping blobs of many sizes; a stream of its own for every kind of row. */
static fg_view blobs(float *data, int64_t count, uint64_t stream)
{
    for (int64_t r = 0; r < count; r++) {
        const uint64_t blob = fgi_random_u64(21, stream, (uint64_t)r) % 30;
        const double spread = 0.4 + fgi_random_uniform(22, 0, blob);
        for (int32_t i = 0; i < DIMS; i++)
            data[r * DIMS + i] =
                (float)(1.5 * fgi_random_normal(23, blob, (uint64_t)i) +
                        spread * fgi_random_normal(24 + stream, (uint64_t)r, (uint64_t)i));
    }
    return (fg_view){.data = data, .rows = count, .cols = DIMS, .dtype = FG_F32};
}

static fg_ivf *build(fg_context *ctx, fg_metric metric, fg_assign assign)
{
    const fg_view rows = blobs(rows_data, ROWS, 0);
    fg_ivf_options options = case_options(metric, assign);
    options.lists = LISTS;
    return case_build(ctx, &rows, &options);
}

static double recall_of(const case_found *f, const case_found *all)
{
    int64_t found = 0;
    for (int64_t q = 0; q < f->queries; q++)
        for (int32_t i = 0; i < f->n; i++)
            for (int32_t j = 0; j < f->n; j++)
                found += f->ids[q * f->n + i] == all->ids[q * f->n + j];
    return (double)found / (double)(f->queries * f->n);
}

static case_found search_for(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                             double recall, double theta)
{
    const fg_search_options options = {
        .struct_size = sizeof options, .n = N, .recall = recall, .theta = theta};
    case_found f = case_found_new(queries->rows, N);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &f));
    return f;
}

/* Whatever the rule, metric and filter of cells: everything is scanned once. */
static void an_infinite_theta_is_exact(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    case_data rows = case_make(CASE_ROWS, FG_U8, 0), queries = case_make(CASE_QUERIES, FG_U8, 1);
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric += 2)
        for (int assign = FG_ASSIGN_HARD; assign <= FG_ASSIGN_RNG; assign++) {
            const fg_ivf_options options = case_options((fg_metric)metric, (fg_assign)assign);
            fg_ivf *ivf = case_build(ctx, &rows.view, &options);
            case_found all = case_search(ctx, ivf, &queries.view, N, CASE_LISTS);
            case_found soft = search_for(ctx, ivf, &queries.view, 0, INFINITY);
            expect_same(&soft, &all);
            assert_int_equal(soft.stats.distances, CASE_QUERIES * CASE_ROWS);
            assert_int_equal(soft.stats.entries, CASE_QUERIES * CASE_ROWS);
            case_found_free(&all);
            case_found_free(&soft);
            fg_ivf_destroy(ivf);
        }
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void more_theta_never_scans_less_nor_repeats(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    fg_ivf *ivf = build(ctx, FG_METRIC_L2, FG_ASSIGN_SOAR);
    const fg_view queries = blobs(query_data, 200, 1);
    int64_t before = 0;
    for (double theta = 0.5; theta < 12; theta *= 1.5) {
        case_found f = search_for(ctx, ivf, &queries, 0, theta);
        assert_true(f.stats.distances >= before);
        assert_int_equal(f.stats.entries, f.stats.distances);
        before = f.stats.distances;
        for (int64_t q = 0; q < f.queries; q++)
            for (int32_t i = 0; i < N; i++)
                for (int32_t j = 0; j < i; j++)
                    assert_true(f.ids[q * N + i] < 0 || f.ids[q * N + i] != f.ids[q * N + j]);
        case_found_free(&f);
    }
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

static fg_tune_report tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries)
{
    const fg_tune_options options = {.struct_size = sizeof options, .n = N, .recall = 0.9};
    fg_tune_report report = {.struct_size = sizeof report};
    expect_ok(fg_ivf_tune(ctx, ivf, queries, &options, &report));
    return report;
}

static void targets_are_held_on_fresh_queries(void **state)
{
    (void)state;
    static const double targets[] = {0.8, 0.9, 0.95, 0.985, 0.995};
    fg_context *ctx = case_context(2);
    const fg_view queries = blobs(query_data, QUERIES, 1), fresh = blobs(fresh_data, QUERIES, 2);
    for (int metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric += 2)
        for (int assign = FG_ASSIGN_HARD; assign <= FG_ASSIGN_NEAREST; assign++) {
            fg_ivf *ivf = build(ctx, (fg_metric)metric, (fg_assign)assign);
            const fg_tune_report report = tune(ctx, ivf, &queries);
            assert_true(fabs(report.recall - 0.9) < 0.01 && report.recall_error < 0.006);
            case_found all = case_search(ctx, ivf, &fresh, N, LISTS);
            double before = 0;
            for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
                case_found f = search_for(ctx, ivf, &fresh, targets[i], 0);
                const double recall = recall_of(&f, &all);
                const double dco = LISTS + (double)f.stats.entries / QUERIES;
                if (fabs(recall - targets[i]) > 0.01)
                    fail_msg("metric %d, rule %d: recall %g for %g", metric, assign, recall,
                             targets[i]);
                if (targets[i] == 0.9) assert_true(fabs(dco / report.dco - 1) < 0.05);
                assert_true(dco > before);
                before = dco;
                case_found_free(&f);
            }
            case_found_free(&all);
            fg_ivf_destroy(ivf);
        }
    fg_context_destroy(ctx);
}

/* Rows of the index come from where the queries do, here. */
static void rows_stand_in_for_queries(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view fresh = blobs(fresh_data, QUERIES, 2);
    fg_ivf *ivf = build(ctx, FG_METRIC_L2, FG_ASSIGN_HARD);
    const fg_tune_report report = tune(ctx, ivf, NULL);
    assert_int_equal(report.queries, 1000);
    case_found all = case_search(ctx, ivf, &fresh, N, LISTS);
    case_found f = search_for(ctx, ivf, &fresh, 0.9, 0);
    assert_true(fabs(recall_of(&f, &all) - 0.9) < 0.02);
    case_found_free(&all);
    case_found_free(&f);
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const int32_t threads[] = {1, 2, 7};
    const fg_view queries = blobs(query_data, 300, 1);
    unsigned char *file = NULL;
    size_t bytes = 0;
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        fg_context *ctx = case_context(threads[t]);
        fg_ivf *ivf = build(ctx, FG_METRIC_L2, FG_ASSIGN_HARD);
        tune(ctx, ivf, &queries);
        const char *path = scratch_path("tuned");
        expect_ok(fg_ivf_save(ivf, path));
        size_t bytes_now;
        unsigned char *file_now = scratch_read(path, &bytes_now);
        if (file) {
            assert_int_equal(bytes_now, bytes);
            assert_memory_equal(file_now, file, bytes);
            free(file_now);
        } else {
            file = file_now;
            bytes = bytes_now;
        }
        fg_ivf_destroy(ivf);
        fg_context_destroy(ctx);
    }
    free(file);
}

/* One id in five may be found. */
static case_found search_filtered(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries)
{
    static uint64_t bits[ROWS / 64];
    for (size_t w = 0; w < sizeof bits / sizeof *bits; w++) bits[w] = 0x8421084210842108;
    const fg_search_options options = {.struct_size = sizeof options,
                                       .n = N,
                                       .recall = 0.93,
                                       .allow = bits,
                                       .allow_bits = ROWS / 64 * 64};
    case_found f = case_found_new(queries->rows, N);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &f));
    return f;
}

static void files_keep_the_calibration(void **state)
{
    (void)state;
    fg_context *ctx = case_context(2);
    const fg_view queries = blobs(query_data, 300, 1);
    fg_ivf *ivf = build(ctx, FG_METRIC_COSINE, FG_ASSIGN_RAIR);
    tune(ctx, ivf, &queries);
    const char *path = scratch_path("kept.fgi");
    expect_ok(fg_ivf_save(ivf, path));
    case_found before = search_for(ctx, ivf, &queries, 0.93, 0);
    case_found filtered_before = search_filtered(ctx, ivf, &queries);
    for (int32_t mapped = 0; mapped < 2; mapped++) {
        fg_ivf *loaded;
        expect_ok(fg_ivf_load(path, mapped, &loaded));
        assert_int_equal(case_info(loaded).tuned_n, N);
        assert_int_equal(case_info(loaded).tuned_queries, 300);
        case_found after = search_for(ctx, loaded, &queries, 0.93, 0);
        expect_same(&after, &before);
        assert_int_equal(after.stats.entries, before.stats.entries);
        case_found filtered = search_filtered(ctx, loaded, &queries);
        expect_same(&filtered, &filtered_before);
        assert_int_equal(filtered.stats.entries, filtered_before.stats.entries);
        case_found_free(&filtered);
        case_found_free(&after);
        fg_ivf_destroy(loaded);
    }
    case_found_free(&before);
    case_found_free(&filtered_before);
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

static void what_cannot_be_served_is_said(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    const fg_view queries = blobs(query_data, 100, 1);
    fg_view few = queries;
    few.rows = 19;
    fg_ivf *ivf = build(ctx, FG_METRIC_L2, FG_ASSIGN_HARD);
    case_found f = case_found_new(100, N);
    fg_search_options search = {.struct_size = sizeof search, .n = N, .recall = 0.9};
    fg_tune_options options = {.struct_size = sizeof options, .n = N, .recall = 0.995};
    expect_failure(case_try_search(ctx, ivf, &queries, &search, &f), FG_ARGUMENT, "not tuned",
                   NULL);
    expect_failure(fg_ivf_tune(ctx, ivf, &queries, &options, NULL), FG_ARGUMENT, "recall is 0.995",
                   "100 sample queries", "0.99", NULL);
    expect_failure(fg_ivf_tune(ctx, ivf, &few, &options, NULL), FG_ARGUMENT, "19", "20", NULL);
    options.recall = 1;
    expect_failure(fg_ivf_tune(ctx, ivf, &queries, &options, NULL), FG_ARGUMENT, "recall is 1",
                   NULL);
    options.recall = 0.9;
    options.n = ROWS;
    expect_failure(fg_ivf_tune(ctx, ivf, &queries, &options, NULL), FG_ARGUMENT, "n is 20000",
                   NULL);
    tune(ctx, ivf, &queries);
    search.recall = 0.999;
    expect_failure(case_try_search(ctx, ivf, &queries, &search, &f), FG_ARGUMENT, "recall is 0.999",
                   "up to 0.99", NULL);
    search.recall = 0.9;
    search.probes = 3;
    expect_failure(case_try_search(ctx, ivf, &queries, &search, &f), FG_ARGUMENT, "probes is 3",
                   NULL);
    case_found_free(&f);
    fg_ivf_destroy(ivf);
    ivf = build(ctx, FG_METRIC_IP, FG_ASSIGN_HARD);
    expect_failure(fg_ivf_tune(ctx, ivf, &queries, &options, NULL), FG_UNSUPPORTED, "inner product",
                   NULL);
    fg_ivf_destroy(ivf);
    fg_context_destroy(ctx);
}

/* A tuned index of so many rows has every section: no changed byte goes unnoticed. */
static void damage_is_noticed(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(128 * 4 * N, FG_U8, 0), queries = case_make(30, FG_U8, 1);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options), *loaded;
    tune(ctx, ivf, &queries.view);
    const char *path = scratch_path("damaged.fgi");
    expect_ok(fg_ivf_save(ivf, path));
    size_t bytes;
    unsigned char *file = scratch_read(path, &bytes);
    for (size_t at = 0; at < bytes; at += 3) {
        file[at] ^= 0x10;
        assert_int_not_equal(fg_ivf_load(scratch_write("damaged.fgi", file, bytes), 0, &loaded),
                             FG_OK);
        file[at] ^= 0x10;
    }
    free(file);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_infinite_theta_is_exact),
        cmocka_unit_test(more_theta_never_scans_less_nor_repeats),
        cmocka_unit_test(targets_are_held_on_fresh_queries),
        cmocka_unit_test(rows_stand_in_for_queries),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(files_keep_the_calibration),
        cmocka_unit_test(what_cannot_be_served_is_said),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
