/* SPDX-License-Identifier: Apache-2.0 */
/* test_hdf5.c - datasets of HDF5 files, mapped or read in blocks, and those that are refused. */
#include "scratch.h"

#include "fault.h"
#include "source.h"

#ifndef FGI_WITH_HDF5

static void hdf5_needs_libhdf5(void **state)
{
    (void)state;
    fg_source *src;
    expect_failure(fg_source_file("x.hdf5", NULL, &src), FG_UNSUPPORTED, "x.hdf5",
                   "without libhdf5", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hdf5_needs_libhdf5)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <hdf5.h>

/* More than one block of a megabyte, and not whole chunks. */
enum { ROWS = 5003, COLS = 64, CHUNK_ROWS = 100 };

static float values[ROWS * COLS]; /* whole numbers that every type can hold */

static hid_t file; /* being made */

/* A dataset of that type, layout and number of rows from `values`. */
static void add_set(const char *name, hid_t type, H5D_layout_t layout, hsize_t rows)
{
    const hsize_t size[2] = {rows, COLS}, chunk[2] = {CHUNK_ROWS, 10};
    const hid_t space = H5Screate_simple(2, size, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(list, layout);
    if (layout == H5D_CHUNKED) {
        H5Pset_chunk(list, 2, chunk);
        H5Pset_deflate(list, 1);
    }
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    if (rows > 0)
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
}

static void add_shape(const char *name, int rank, const hsize_t *size)
{
    const hid_t space = H5Screate_simple(rank, size, NULL);
    const hid_t set =
        H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (rank == 1) H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set);
    H5Sclose(space);
}

static void add_external(const char *name)
{
    const hsize_t size[2] = {2, 2};
    const hid_t space = H5Screate_simple(2, size, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(list, scratch_path("elsewhere"), 0, 4);
    H5Dclose(H5Dcreate2(file, name, H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Pclose(list);
    H5Sclose(space);
}

/* As IEEE binary16, which libhdf5 has no name for. */
static hid_t make_f16(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static int make_file(void **state)
{
    if (scratch_begin(state) != 0) return -1;
    for (int i = 0; i < ROWS * COLS; i++) values[i] = (float)(i % 100);
    const hsize_t line[1] = {ROWS}, cube[3] = {2, 2, 2}, thin[2] = {2, 0};
    const hid_t f16 = make_f16();
    file = H5Fcreate(scratch_path("data.hdf5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    add_set("train", H5T_IEEE_F32LE, H5D_CONTIGUOUS, ROWS);
    add_set("test", H5T_IEEE_F32LE, H5D_CHUNKED, ROWS);
    add_set("f64", H5T_IEEE_F64LE, H5D_CONTIGUOUS, ROWS);
    add_set("f32be", H5T_IEEE_F32BE, H5D_CONTIGUOUS, ROWS);
    add_set("f16", f16, H5D_CHUNKED, ROWS);
    add_set("u8", H5T_STD_U8LE, H5D_CONTIGUOUS, ROWS);
    add_set("i8", H5T_STD_I8LE, H5D_CHUNKED, ROWS);
    add_set("neighbors", H5T_STD_I32LE, H5D_CONTIGUOUS, ROWS);
    add_set("i64", H5T_STD_I64LE, H5D_CHUNKED, ROWS);
    add_set("compact", H5T_IEEE_F32LE, H5D_COMPACT, 20);
    add_set("empty", H5T_IEEE_F32LE, H5D_CONTIGUOUS, 0);
    add_set("u16", H5T_STD_U16LE, H5D_CONTIGUOUS, 3);
    add_shape("line", 1, line);
    add_shape("cube", 3, cube);
    add_shape("thin", 2, thin);
    add_external("external");
    H5Tclose(f16);
    return H5Fclose(file);
}

static void check_rows(const char *dataset, fg_dtype dtype, int64_t rows, int32_t cols)
{
    fg_source *src;
    fgi_chunks chunks;
    fg_view chunk = {.rows = 1};
    int64_t first;
    expect_ok(fg_source_file(scratch_path(dataset), NULL, &src));
    assert_int_equal(src->rows, rows);
    assert_int_equal(src->cols, cols);
    assert_int_equal(src->dtype, dtype);
    expect_ok(fgi_chunks_begin(&chunks, NULL, src, 999));
    while (chunk.rows > 0) {
        expect_ok(fgi_chunks_next(&chunks, &chunk, &first));
        assert_int_equal(chunk.rows, first + 999 <= rows ? 999 : rows - first);
        for (int64_t r = 0; r < chunk.rows; r++)
            for (int32_t c = 0; c < cols; c++)
                assert_true(fgi_view_get(&chunk, r, c) == (double)values[(first + r) * cols + c]);
    }
    fgi_chunks_end(&chunks);
    double row[COLS];
    const fg_out out = {.data = row, .rows = 1, .cols = cols, .dtype = (int16_t)dtype};
    const fg_view back = {.data = row, .rows = 1, .cols = cols, .dtype = (int16_t)dtype};
    for (int64_t r = rows - 1; r >= 0; r -= 1234) { /* backwards, across blocks */
        expect_ok(fg_source_read(src, r, &out));
        assert_true(fgi_view_get(&back, 0, cols - 1) == (double)values[(r + 1) * cols - 1]);
    }
    fg_source_destroy(src);
}

static void every_layout_and_type_is_read(void **state)
{
    (void)state;
    check_rows("data.hdf5", FG_F32, ROWS, COLS);
    check_rows("data.hdf5:train", FG_F32, ROWS, COLS);
    check_rows("data.hdf5:test", FG_F32, ROWS, COLS);
    check_rows("data.hdf5:f64", FG_F64, ROWS, COLS);
    check_rows("data.hdf5:f32be", FG_F32, ROWS, COLS);
    check_rows("data.hdf5:f16", FG_F32, ROWS, COLS);
    check_rows("data.hdf5:u8", FG_U8, ROWS, COLS);
    check_rows("data.hdf5:i8", FG_I8, ROWS, COLS);
    check_rows("data.hdf5:neighbors", FG_I32, ROWS, COLS);
    check_rows("data.hdf5:i64", FG_I64, ROWS, COLS);
    check_rows("data.hdf5:compact", FG_F32, 20, COLS);
    check_rows("data.hdf5:line", FG_F32, ROWS, 1);
}

static void expect_refused(const char *name, fg_status status, const char *message)
{
    fg_source *src;
    expect_failure(fg_source_file(scratch_path(name), "hdf5", &src), status, scratch_path(name),
                   message, NULL);
}

static void other_datasets_are_refused(void **state)
{
    (void)state;
    expect_refused("data.hdf5:nothing", FG_FORMAT, "no dataset of that name");
    expect_refused("data.hdf5:empty", FG_FORMAT, "the shape is 0 x 64");
    expect_refused("data.hdf5:thin", FG_FORMAT, "the shape is 2 x 0");
    expect_refused("data.hdf5:cube", FG_UNSUPPORTED, "3 dimensions");
    expect_refused("data.hdf5:u16", FG_UNSUPPORTED, "neither real numbers nor integers of type");
    expect_refused("data.hdf5:external", FG_UNSUPPORTED, "in other files");
    expect_refused("none.hdf5", FG_IO, "cannot be opened");
    scratch_write("text.hdf5", "not HDF5 at all", 15);
    expect_refused("text.hdf5", FG_FORMAT, "cannot be read as HDF5");
}

static void truncated_files_are_refused(void **state)
{
    (void)state;
    size_t bytes;
    unsigned char *data = scratch_read(scratch_path("data.hdf5"), &bytes);
    const size_t lengths[] = {0, 8, 100, 5000, bytes / 2, bytes - 1};
    for (int i = 0; i < 6; i++) {
        scratch_write("cut.hdf5", data, lengths[i]);
        expect_refused("cut.hdf5", FG_FORMAT, "cannot be read as HDF5");
    }
    free(data);
}

/* Bytes of a compressed chunk are wrong: found when its rows are read, and the rows before it are
 * good. */
static void damaged_chunks_are_refused(void **state)
{
    (void)state;
    size_t bytes, at = 0;
    file = H5Fcreate(scratch_path("bad.hdf5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    add_set("train", H5T_IEEE_F32LE, H5D_CHUNKED, ROWS);
    H5Fclose(file);
    unsigned char *data = scratch_read(scratch_path("bad.hdf5"), &bytes);
    for (size_t i = 0; i + 18 < bytes; i++)
        if (memcmp(data + i, "\x78\x01", 2) == 0) at = i + 2; /* the last deflated stream */
    assert_true(at > 0);
    memset(data + at, 0xff, 16);
    scratch_write("bad.hdf5", data, bytes);
    free(data);
    fg_source *src;
    float row[COLS];
    const fg_out out = {.data = row, .rows = 1, .cols = COLS, .dtype = FG_F32};
    expect_ok(fg_source_file(scratch_path("bad.hdf5"), NULL, &src));
    expect_ok(fg_source_read(src, 0, &out));
    expect_failure(fg_source_read(src, ROWS - 1, &out), FG_FORMAT, "bad.hdf5", "rows ",
                   "cannot be read", NULL);
    expect_ok(fg_source_read(src, 1, &out));
    assert_memory_equal(row, values + COLS, sizeof row);
    fg_source_destroy(src);
}

static void faults_end_in_a_status(void **state)
{
    (void)state;
    static const char *const names[] = {"data.hdf5:train", "data.hdf5:test"};
    for (int i = 0; i < 2; i++) {
        int64_t n = 1;
        for (bool happened = true; happened; n++) {
            fg_source *src = NULL;
            fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_READ, n);
            const fg_status s = fg_source_file(scratch_path(names[i]), NULL, &src);
            happened = fgi_fault_happened();
            fgi_fault_arm(0, 0);
            assert_true(happened ? s == FG_MEMORY || s == FG_IO : s == FG_OK);
            fg_source_destroy(src);
        }
        assert_true(n > 5);
    }
}

static herr_t print_nothing(hid_t stack, void *user)
{
    (void)stack, (void)user;
    return 0;
}

static void error_printing_stays_as_it_was(void **state)
{
    (void)state;
    H5E_auto2_t print, before;
    void *user, *user_before;
    int mark;
    H5Eget_auto2(H5E_DEFAULT, &before, &user_before);
    H5Eset_auto2(H5E_DEFAULT, print_nothing, &mark);
    expect_refused("data.hdf5:nothing", FG_FORMAT, "no dataset of that name");
    H5Eget_auto2(H5E_DEFAULT, &print, &user);
    assert_true(print == print_nothing && user == &mark);
    H5Eset_auto2(H5E_DEFAULT, before, user_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_and_type_is_read),
        cmocka_unit_test(other_datasets_are_refused),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(damaged_chunks_are_refused),
        cmocka_unit_test(faults_end_in_a_status),
        cmocka_unit_test(error_printing_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, make_file, scratch_end);
}

#endif
