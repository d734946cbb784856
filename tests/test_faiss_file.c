/* SPDX-License-Identifier: Apache-2.0 */
/* test_faiss_file.c - indexes as files of FAISS, read byte by byte, and vectors out of them. That FAISS itself
 * agrees is for test_export_faiss.py to say. Knows the public interface, and faults. */
#include "ivf_case.h"

#include "fault.h"

enum { HEAD = 37, QUANTIZER = HEAD + 16, FLOATS = QUANTIZER + HEAD, CENTROIDS = FLOATS + 8 };

typedef struct file {
    unsigned char *bytes;
    size_t size, at;
} file;

static file file_of(const fg_ivf *ivf, int32_t probes)
{
    file f = {0};
    const char *path = scratch_path("index.faiss");
    expect_ok(fg_ivf_export_faiss(ivf, path, probes));
    f.bytes = scratch_read(path, &f.size);
    return f;
}

static void expect_bytes(file *f, const void *wanted, size_t bytes)
{
    assert_true(f->at + bytes <= f->size);
    assert_memory_equal(f->bytes + f->at, wanted, bytes);
    f->at += bytes;
}

static void expect_i32(file *f, int32_t wanted)
{
    expect_bytes(f, &wanted, sizeof wanted);
}

static void expect_i64(file *f, int64_t wanted)
{
    expect_bytes(f, &wanted, sizeof wanted);
}

static void expect_head(file *f, const char *name, int64_t count, int32_t metric)
{
    expect_bytes(f, name, 4);
    expect_i32(f, CASE_DIMS);
    expect_i64(f, count);
    expect_i64(f, 1 << 20);
    expect_i64(f, 1 << 20);
    expect_bytes(f, "\1", 1);
    expect_i32(f, metric);
}

/* Everything before the first vector; gives the sizes of the lists. */
static void expect_heads(file *f, const fg_ivf *ivf, int32_t probes, int64_t sizes[CASE_LISTS])
{
    float centroids[CASE_LISTS * CASE_DIMS];
    const fg_ivf_info info = case_info(ivf);
    const fg_out size_out = {.data = sizes, .rows = CASE_LISTS, .cols = 1, .dtype = FG_I64};
    const fg_out centroid_out = {
        .data = centroids, .rows = CASE_LISTS, .cols = CASE_DIMS, .dtype = FG_F32};
    const bool inner = info.metric == FG_METRIC_IP;
    int32_t filled = 0;
    expect_ok(fg_ivf_get_lists(ivf, &size_out, &centroid_out));
    expect_head(f, "IwFl", info.entries, info.metric == FG_METRIC_L2);
    expect_i64(f, CASE_LISTS);
    expect_i64(f, probes);
    expect_head(f, inner ? "IxFI" : "IxF2", CASE_LISTS, !inner);
    expect_i64(f, CASE_LISTS * CASE_DIMS);
    expect_bytes(f, centroids, sizeof centroids);
    expect_bytes(f, "\0", 1);
    expect_i64(f, 0);
    expect_bytes(f, "ilar", 4);
    expect_i64(f, CASE_LISTS);
    expect_i64(f, CASE_DIMS * 4);
    for (int32_t l = 0; l < CASE_LISTS; l++) filled += sizes[l] > 0;
    const bool full = filled > CASE_LISTS / 2;
    expect_bytes(f, full ? "full" : "sprs", 4);
    expect_i64(f, full ? CASE_LISTS : 2 * filled);
    for (int32_t l = 0; l < CASE_LISTS; l++) {
        if (!full && sizes[l] > 0) expect_i64(f, l);
        if (full || sizes[l] > 0) expect_i64(f, sizes[l]);
    }
}

/* Every vector is the row of its id, of length 1 under cosine. */
static void expect_vectors(file *f, const case_data *rows, int64_t count, bool unit)
{
    const unsigned char *ids = f->bytes + f->at + (size_t)count * CASE_DIMS * sizeof(float);
    for (int64_t r = 0; r < count; r++) {
        int64_t id;
        double norm2 = 0;
        memcpy(&id, ids + r * (int64_t)sizeof id, sizeof id);
        assert_true(id >= 0 && id < rows->rows);
        const double *row = rows->values + id * CASE_DIMS;
        for (int32_t i = 0; i < CASE_DIMS; i++) norm2 += row[i] * row[i];
        for (int32_t i = 0; i < CASE_DIMS; i++) {
            const float value = (float)(unit ? row[i] * (1 / sqrt(norm2)) : row[i]);
            expect_bytes(f, &value, sizeof value);
        }
    }
    f->at += (size_t)count * sizeof(int64_t);
}

static void check_export(fg_context *ctx, fg_dtype dtype, fg_metric metric, fg_assign assign)
{
    case_data rows = case_make(CASE_ROWS, dtype, 0);
    const fg_ivf_options options = case_options(metric, assign);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    int64_t sizes[CASE_LISTS];
    file f = file_of(ivf, 3);
    expect_heads(&f, ivf, 3, sizes);
    for (int32_t l = 0; l < CASE_LISTS; l++)
        expect_vectors(&f, &rows, sizes[l], metric == FG_METRIC_COSINE);
    assert_int_equal(f.at, f.size);
    free(f.bytes);
    fg_ivf_destroy(ivf);
    case_free(&rows);
}

static void exports_hold_every_byte(void **state)
{
    (void)state;
    static const fg_dtype dtypes[] = {FG_F32, FG_F16, FG_BF16, FG_I8, FG_U8};
    fg_context *ctx = case_context(2);
    for (int32_t t = 0; t < 5; t++)
        for (int32_t metric = FG_METRIC_L2; metric <= FG_METRIC_COSINE; metric++)
            check_export(ctx, dtypes[t], (fg_metric)metric, (fg_assign)((t + metric) % 4));
    check_export(ctx, FG_F32, FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_context_destroy(ctx);
}

/* Lists without rows: sizes are then stored in pairs; an index may have no row at all. */
static void exports_of_nearly_empty_indexes(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_F32, 0);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    int64_t sizes[CASE_LISTS], ids[CASE_ROWS];
    for (int64_t i = 0; i < CASE_ROWS; i++) ids[i] = i;
    for (int64_t left = 3; left >= 0; left -= 3) {
        expect_ok(fg_ivf_remove(ivf, ids + left, CASE_ROWS - left, NULL));
        file f = file_of(ivf, 0);
        expect_heads(&f, ivf, 1, sizes);
        for (int32_t l = 0; l < CASE_LISTS; l++) expect_vectors(&f, &rows, sizes[l], false);
        assert_int_equal(f.at, f.size);
        free(f.bytes);
    }
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

/* Reads rows first .. first + count - 1 of a file and compares them. */
static void expect_rows(fg_source *src, int64_t first, int64_t count, const float *wanted)
{
    float *rows = malloc((size_t)count * CASE_DIMS * sizeof *rows);
    const fg_out out = {.data = rows, .rows = count, .cols = CASE_DIMS, .dtype = FG_F32};
    expect_ok(fg_source_read(src, first, &out));
    assert_memory_equal(rows, wanted + first * CASE_DIMS, (size_t)count * CASE_DIMS * sizeof *rows);
    free(rows);
}

/* Our own file gives its centroids back; cut anywhere before their end, it is refused. */
static void centroids_come_back(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(CASE_ROWS, FG_U8, 0);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    float centroids[CASE_LISTS * CASE_DIMS];
    const fg_out out = {.data = centroids, .rows = CASE_LISTS, .cols = CASE_DIMS, .dtype = FG_F32};
    expect_ok(fg_ivf_get_lists(ivf, NULL, &out));
    file f = file_of(ivf, 1);
    fg_source *src;
    fg_source_info info = {.struct_size = sizeof info};
    expect_ok(fg_source_file(scratch_path("index.faiss"), NULL, &src));
    expect_ok(fg_source_get_info(src, &info));
    assert_int_equal(info.rows, CASE_LISTS);
    assert_int_equal(info.cols, CASE_DIMS);
    assert_int_equal(info.dtype, FG_F32);
    for (int64_t first = 0; first < CASE_LISTS; first++)
        expect_rows(src, first, CASE_LISTS - first, centroids);
    fg_source_destroy(src);
    for (size_t size = 0; size < CENTROIDS + sizeof centroids; size++)
        assert_true(fg_source_file(scratch_write("cut.faiss", f.bytes, size), NULL, &src) < 0);
    free(f.bytes);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

/* More vectors than are copied at once. */
static void long_files_are_read_in_pieces(void **state)
{
    (void)state;
    enum { COUNT = 5000, FLAT = HEAD + 8 };
    const size_t floats = (size_t)COUNT * CASE_DIMS, size = FLAT + floats * sizeof(float);
    float *values = malloc(floats * sizeof *values);
    unsigned char *bytes = calloc(size, 1);
    const int32_t d = CASE_DIMS, l2 = 1;
    const int64_t count = COUNT, all = (int64_t)floats;
    for (size_t i = 0; i < floats; i++) values[i] = (float)i;
    memcpy(bytes, "IxF2", 4);
    memcpy(bytes + 4, &d, sizeof d);
    memcpy(bytes + 8, &count, sizeof count);
    memcpy(bytes + HEAD - 4, &l2, sizeof l2);
    memcpy(bytes + HEAD, &all, sizeof all);
    memcpy(bytes + FLAT, values, floats * sizeof *values);
    fg_source *src;
    expect_ok(fg_source_file(scratch_write("flat.faiss", bytes, size), NULL, &src));
    expect_rows(src, 0, COUNT, values);
    expect_rows(src, 1, 3000, values);
    expect_rows(src, COUNT - 1, 1, values);
    fg_source_destroy(src);
    free(values);
    free(bytes);
}

/* The n-th allocation or write fails, for every n: the file of before stays, and no other. */
static void failures_leave_what_was(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(50, FG_U8, 0);
    const fg_ivf_options options = case_options(FG_METRIC_COSINE, FG_ASSIGN_NEAREST);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    scratch_clear();
    const char *path = scratch_write("kept.faiss", "before", 6);
    fg_status s = FG_IO;
    for (int64_t n = 1; s != FG_OK; n++) {
        fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_WRITE, n);
        s = fg_ivf_export_faiss(ivf, path, 1);
        fgi_fault_arm(0, 0);
        assert_true(s == FG_OK || s == FG_MEMORY || s == FG_IO);
        size_t bytes;
        unsigned char *content = scratch_read(path, &bytes);
        assert_int_equal(bytes == 6, s != FG_OK);
        free(content);
    }
    assert_int_equal(scratch_clear(), 1);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    fg_context *ctx = case_context(1);
    case_data rows = case_make(50, FG_F32, 0);
    const fg_ivf_options options = case_options(FG_METRIC_L2, FG_ASSIGN_HARD);
    fg_ivf *ivf = case_build(ctx, &rows.view, &options);
    fg_sink *sink;
    expect_failure(fg_ivf_export_faiss(NULL, "x.faiss", 1), FG_ARGUMENT, "ivf", NULL);
    expect_failure(fg_ivf_export_faiss(ivf, NULL, 1), FG_ARGUMENT, "path", NULL);
    expect_failure(fg_ivf_export_faiss(ivf, "x.faiss", -1), FG_ARGUMENT, "probes is -1", NULL);
    expect_failure(fg_ivf_export_faiss(ivf, scratch_path("none/x.faiss"), 1), FG_IO, "x.faiss",
                   NULL);
    expect_failure(fg_sink_file(scratch_path("x.faiss"), NULL, 3, FG_F32, &sink), FG_UNSUPPORTED,
                   "faiss", NULL);
    fg_ivf_destroy(ivf);
    case_free(&rows);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_hold_every_byte),
        cmocka_unit_test(exports_of_nearly_empty_indexes),
        cmocka_unit_test(centroids_come_back),
        cmocka_unit_test(long_files_are_read_in_pieces),
        cmocka_unit_test(failures_leave_what_was),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
