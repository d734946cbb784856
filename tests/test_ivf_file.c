/* SPDX-License-Identifier: Apache-2.0 */
/* test_ivf_file.c - indexes saved, loaded, mapped and damaged. Knows the public interface, and
 * faults. */
#include "ivf_case.h"

#include "fault.h"

static const char *save(const fg_ivf *ivf, const char *name)
{
    const char *path = scratch_path(name);
    expect_ok(fg_ivf_save(ivf, path));
    return path;
}

static fg_ivf *load(const char *path, int32_t mapped)
{
    fg_ivf *ivf = NULL;
    expect_ok(fg_ivf_load(path, mapped, &ivf));
    return ivf;
}

static void expect_same_info(const fg_ivf *a, const fg_ivf *b)
{
    fg_ivf_info of_a = case_info(a), of_b = case_info(b);
    of_a.bytes = of_b.bytes = 0; /* tables of sets grow in steps */
    assert_memory_equal(&of_a, &of_b, sizeof of_a);
}

static void loaded_and_mapped_answer_alike(void **state)
{
    (void)state;
    static const fg_dtype dtypes[] = {FG_F32, FG_F16, FG_BF16, FG_I8, FG_U8};
    fg_context *ctx = case_context(2);
    for (int i = 0; i < 12; i++) {
        const fg_dtype dtype = dtypes[i % 5];
        case_data rows = case_make(CASE_ROWS, dtype, 0), queries = case_make(9, dtype, 1);
        const fg_ivf_options options = case_options((fg_metric)(i % 3), (fg_assign)(i % 4));
        fg_ivf *ivf = case_build(ctx, &rows.view, &options);
        const char *path = save(ivf, "index.fgi");
        fg_ivf *loaded = load(path, 0), *mapped = load(path, 1);
        expect_alike(ctx, ivf, loaded, &queries.view);
        expect_alike(ctx, ivf, mapped, &queries.view);
        expect_same_info(ivf, loaded);
        expect_same_info(ivf, mapped);
        const char *kind;
        expect_ok(fg_file_kind(path, &kind));
        assert_string_equal(kind, "fgi");
        fg_ivf_destroy(ivf);
        fg_ivf_destroy(loaded);
        fg_ivf_destroy(mapped);
        case_free(&rows);
        case_free(&queries);
    }
    fg_context_destroy(ctx);
}

/* Squared distances between them are infinite in f32: such rows face no list, and are stored and found like others. */
static void rows_far_apart_are_kept(void **state)
{
    (void)state;
    enum { FAR = 40 };
    static const fg_assign rules[] = {FG_ASSIGN_HARD, FG_ASSIGN_NEAREST, FG_ASSIGN_SOAR};
    fg_context *ctx = case_context(1);
    float values[FAR], centroids[] = {-1.5e19f, 1.5e19f};
    for (int32_t i = 0; i < FAR; i++) values[i] = centroids[i % 2] * (1 - 0.001f * (float)i);
    const fg_view rows = {.data = values, .rows = FAR, .cols = 1, .dtype = FG_F32};
    const fg_view given = {.data = centroids, .rows = 2, .cols = 1, .dtype = FG_F32};
    for (int i = 0; i < 3; i++) {
        fg_ivf_options options = case_options(FG_METRIC_L2, rules[i]);
        options.lists = 0;
        options.centroids = &given;
        fg_ivf *ivf = case_build(ctx, &rows, &options);
        fg_ivf *loaded = load(save(ivf, "far.fgi"), 0);
        case_found found = case_search(ctx, loaded, &rows, 1, 1);
        for (int64_t r = 0; r < FAR; r++) assert_int_equal(found.ids[r], r);
        case_found_free(&found);
        fg_ivf_destroy(ivf);
        fg_ivf_destroy(loaded);
    }
    fg_context_destroy(ctx);
}

/* A mapped index is changed, saved over the file it is mapped from, and changed again. */
static void a_mapped_index_may_change(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0), queries = case_make(9, FG_F32, 1);
    const fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_POSTERIOR);
    const int64_t gone[] = {5, 6, 599};
    fg_view few = rows.view;
    few.rows = 20;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    const char *path = save(ivf, "index.fgi");
    fg_ivf *mapped = load(path, 1);
    fg_ivf *both[] = {ivf, mapped};
    for (int i = 0; i < 2; i++) {
        expect_ok(fg_ivf_remove(both[i], gone, 3, NULL));
        expect_ok(case_add(ctx, both[i], &few, NULL));
    }
    expect_alike(ctx, ivf, mapped, &queries.view);
    expect_ok(fg_ivf_save(mapped, path));
    for (int i = 0; i < 2; i++) expect_ok(case_add(ctx, both[i], &few, NULL));
    expect_alike(ctx, ivf, mapped, &queries.view);
    fg_ivf *again = load(path, 0);
    expect_ok(case_add(ctx, again, &few, NULL));
    expect_alike(ctx, ivf, again, &queries.view);
    expect_same_info(ivf, again);
    fg_ivf_destroy(ivf);
    fg_ivf_destroy(mapped);
    fg_ivf_destroy(again);
    case_free(&rows);
    case_free(&queries);
    fg_context_destroy(ctx);
}

/* A small index with every section, as a file. */
static unsigned char *small_file(fg_context *ctx, size_t *bytes)
{
    case_data rows = case_make(24, FG_U8, 0);
    fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_POSTERIOR);
    options.lists = 3;
    options.graph = FG_GRAPH_ALWAYS;
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    unsigned char *data = scratch_read(save(ivf, "small.fgi"), bytes);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    return data;
}

/* A loaded index never notices too late; a mapped one may give wrong results, but no more than
 * that. */
static void every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data queries = case_make(3, FG_U8, 1);
    size_t bytes;
    unsigned char *data = small_file(ctx, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        data[i] ^= (unsigned char)(1u << i % 8);
        const char *path = scratch_write("damaged.fgi", data, bytes);
        fg_ivf *ivf;
        const fg_status s = fg_ivf_load(path, 0, &ivf);
        if (s != FG_FORMAT && s != FG_VERSION) fail_msg("byte %d: status %d", (int)i, (int)s);
        if (fg_ivf_load(path, 1, &ivf) == FG_OK) {
            case_found found = case_search(ctx, ivf, &queries.view, 30, 3);
            case_found_free(&found);
            fg_ivf_destroy(ivf);
        }
        data[i] ^= (unsigned char)(1u << i % 8);
    }
    free(data);
    case_free(&queries);
    fg_context_destroy(ctx);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    size_t bytes;
    unsigned char *data = small_file(ctx, &bytes);
    for (size_t cut = 0; cut < bytes; cut += 7) {
        const char *path = scratch_write("cut.fgi", data, cut);
        fg_ivf *ivf;
        for (int32_t mapped = 0; mapped < 2; mapped++)
            expect_failure(fg_ivf_load(path, mapped, &ivf), FG_FORMAT, "cut.fgi", NULL);
    }
    free(data);
    fg_ivf *ivf;
    expect_failure(fg_ivf_load(scratch_path("none.fgi"), 0, &ivf), FG_IO, "none.fgi", NULL);
    fg_context_destroy(ctx);
}

/* Whichever read, write or block fails: a status, no leak (asan), no temporary file, the old file
 * untouched. */
static void a_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    scratch_clear();
    case_data rows = case_make(CASE_ROWS, FG_F32, 0);
    const fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    const char *path = scratch_write("kept", "old", 3);
    bool happened = true;
    for (int64_t n = 1; happened; n++) {
        fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_WRITE, n);
        const fg_status s = fg_ivf_save(ivf, path);
        happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        size_t bytes;
        free(scratch_read(path, &bytes));
        assert_int_equal(bytes == 3, happened);
        assert_true(!happened || s == FG_MEMORY || s == FG_IO);
    }
    assert_int_equal(scratch_clear(), 1);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

static void a_failed_load_leaks_nothing(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    size_t bytes;
    free(small_file(ctx, &bytes));
    for (int32_t mapped = 0; mapped < 2; mapped++) {
        bool happened = true;
        for (int64_t n = 1; happened; n++) {
            fg_ivf *ivf;
            fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_READ, n);
            const fg_status s = fg_ivf_load(scratch_path("small.fgi"), mapped, &ivf);
            happened = fgi_fault_happened();
            fgi_fault_arm(0, 0);
            if (s == FG_OK) fg_ivf_destroy(ivf);
            assert_int_equal(s == FG_OK, !happened);
        }
    }
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_and_mapped_answer_alike),
        cmocka_unit_test(rows_far_apart_are_kept),
        cmocka_unit_test(a_mapped_index_may_change),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
        cmocka_unit_test(a_failed_load_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
