/* SPDX-License-Identifier: Apache-2.0 */
/* test_formats.c - files of rows: round trips of every format and type, every kind of damage. */
#include "scratch.h"

#include "fault.h"
#include "source.h"

enum { ROWS = 11, COLS = 3, STRIDE = 5, MAX_ITEM = 8 };

/* Rows of any type: each byte differs from its neighbours. */
static unsigned char padded[ROWS * STRIDE * MAX_ITEM];

static fg_view rows_of(fg_dtype dtype, int64_t first, int64_t rows)
{
    const fg_view all = {
        .data = padded, .rows = ROWS, .row_stride = STRIDE, .cols = COLS, .dtype = (int16_t)dtype};
    return fgi_view_rows(&all, first, rows);
}

static int make_rows(void **state)
{
    for (size_t i = 0; i < sizeof padded; i++) padded[i] = (unsigned char)(i * 37 + 11);
    return scratch_begin(state);
}

/* Every format and type that can be written. */
static const struct {
    const char *format;
    fg_dtype dtype;
} written[] = {{"fvecs", FG_F32}, {"bvecs", FG_U8}, {"ivecs", FG_I32}, {"npy", FG_F32},
               {"npy", FG_F16},   {"npy", FG_U8},   {"npy", FG_I8},    {"npy", FG_I32},
               {"npy", FG_I64},   {"npy", FG_F64},  {"fbin", FG_F32},  {"u8bin", FG_U8},
               {"i8bin", FG_I8},  {"ibin", FG_I32}};

enum { WRITTEN = sizeof written / sizeof *written };

/* In three pieces. */
static fg_status write_rows(const char *path, const char *format, fg_dtype dtype)
{
    static const int64_t cuts[] = {0, 1, 4, ROWS};
    fg_sink *sink;
    FG_TRY(fg_sink_file(path, format, COLS, dtype, &sink));
    fg_status s = FG_OK;
    for (int i = 0; s == FG_OK && i < 3; i++) {
        const fg_view rows = rows_of(dtype, cuts[i], cuts[i + 1] - cuts[i]);
        s = fg_sink_write(sink, &rows);
    }
    if (s == FG_OK) s = fg_sink_close(sink);
    fg_sink_destroy(sink);
    return s;
}

static fg_status read_all(const char *path, const char *format)
{
    fg_source *src;
    FG_TRY(fg_source_file(path, format, &src));
    fgi_chunks chunks;
    fg_view chunk = {.rows = 1};
    int64_t first;
    fg_status s = fgi_chunks_begin(&chunks, NULL, src, 4);
    while (s == FG_OK && chunk.rows > 0) s = fgi_chunks_next(&chunks, &chunk, &first);
    fgi_chunks_end(&chunks);
    fg_source_destroy(src);
    return s;
}

static void rows_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < WRITTEN; i++) {
        const fg_dtype dtype = written[i].dtype;
        const size_t row_bytes = COLS * fg_dtype_bytes(dtype);
        char name[32];
        snprintf(name, sizeof name, "rows.%s", written[i].format);
        const char *path = scratch_path(name);
        expect_ok(write_rows(path, NULL, dtype));
        fg_source *src;
        expect_ok(fg_source_file(path, NULL, &src));
        fg_source_info info = {.struct_size = sizeof info};
        expect_ok(fg_source_get_info(src, &info));
        assert_int_equal(info.rows, ROWS);
        assert_int_equal(info.cols, COLS);
        assert_int_equal(info.dtype, dtype);
        unsigned char read[ROWS * COLS * MAX_ITEM];
        const fg_out out = {.data = read, .rows = ROWS, .cols = COLS, .dtype = (int16_t)dtype};
        expect_ok(fg_source_read(src, 0, &out));
        for (int64_t r = 0; r < ROWS; r++)
            assert_memory_equal(read + (size_t)r * row_bytes, rows_of(dtype, r, 1).data, row_bytes);
        fg_source_destroy(src);
    }
    assert_int_equal(scratch_clear(), 8); /* one for each name: no temporary is left */
}

static void files_are_as_specified(void **state)
{
    (void)state;
    static const unsigned char bvecs[] = {3, 0, 0, 0, 'a', 'b', 'c', 3, 0, 0, 0, 'd', 'e', 'f'};
    static const unsigned char u8bin[] = {2, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 'd', 'e', 'f'};
    static const char header[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
    const fg_view rows = {.data = "abcdef", .rows = 2, .cols = 3, .dtype = FG_U8};
    static const char *const names[] = {"a.bvecs", "a.u8bin", "a.npy"};
    unsigned char *data[3];
    size_t bytes[3];
    for (int i = 0; i < 3; i++) {
        fg_sink *sink;
        expect_ok(fg_sink_file(scratch_path(names[i]), NULL, 3, FG_U8, &sink));
        expect_ok(fg_sink_write(sink, &rows));
        expect_ok(fg_sink_close(sink));
        fg_sink_destroy(sink);
        data[i] = scratch_read(scratch_path(names[i]), &bytes[i]);
    }
    assert_int_equal(bytes[0], sizeof bvecs);
    assert_memory_equal(data[0], bvecs, sizeof bvecs);
    assert_int_equal(bytes[1], sizeof u8bin);
    assert_memory_equal(data[1], u8bin, sizeof u8bin);
    assert_int_equal(bytes[2], 128 + 6);
    assert_memory_equal(data[2], "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(data[2] + 10, header, strlen(header));
    assert_int_equal(data[2][127], '\n');
    assert_memory_equal(data[2] + 128, "abcdef", 6);
    for (int i = 0; i < 3; i++) free(data[i]);
}

/* ---- names */

static void formats_are_found_by_name_or_suffix(void **state)
{
    (void)state;
    fg_source *src;
    const char *path = scratch_path("rows.data");
    expect_ok(write_rows(path, "fbin", FG_F32));
    expect_ok(read_all(path, "fbin"));
    expect_failure(read_all(path, NULL), FG_FORMAT, path, "known suffix", ".fvecs", ".hdf5", NULL);
    expect_failure(read_all(path, "csv"), FG_ARGUMENT, path, "\"csv\"", "fvecs", "hdf5", NULL);
    expect_failure(read_all("fvecs", NULL), FG_FORMAT, "fvecs", NULL);
    expect_failure(read_all(scratch_path("x.fvecs:train"), NULL), FG_FORMAT, "x.fvecs:train", NULL);
    expect_failure(fg_source_file(NULL, NULL, &src), FG_ARGUMENT, "path is NULL", NULL);
    expect_failure(fg_source_file(path, NULL, NULL), FG_ARGUMENT, "out is NULL", NULL);
}

static void files_must_be_there_and_readable(void **state)
{
    (void)state;
    const char *path = scratch_path("missing.fvecs");
    expect_failure(read_all(path, NULL), FG_IO, path, "cannot be opened", NULL);
    path = scratch_path("folder.npy");
    assert_int_equal(mkdir(path, 0777), 0);
    expect_failure(read_all(path, NULL), FG_IO, path, "directory", NULL);
    assert_int_equal(rmdir(path), 0);
    path = scratch_path("pipe.fbin");
    assert_int_equal(mkfifo(path, 0666), 0);
    expect_failure(read_all(path, NULL), FG_IO, path, "regular", NULL);
    path = scratch_write("secret.fbin", "", 0);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) /* root may read everything */
        expect_failure(read_all(path, NULL), FG_IO, path, "cannot be opened", NULL);
    path = scratch_path("no-folder/rows.npy");
    expect_failure(write_rows(path, NULL, FG_F32), FG_IO, path, "cannot be created", NULL);
    scratch_clear();
}

static void kinds_of_files_are_told(void **state)
{
    (void)state;
    const char *kind;
    expect_ok(fg_file_kind(scratch_write("a.fvecs", "", 0), &kind));
    assert_string_equal(kind, "fvecs");
    expect_ok(fg_file_kind(scratch_write("a.h5", "x", 1), &kind));
    assert_string_equal(kind, "hdf5");
    expect_ok(fg_file_kind(scratch_path("a.h5:test"), &kind));
    assert_string_equal(kind, "hdf5");
    expect_ok(fg_file_kind(scratch_write("model.npy", "FGMMODEL and more", 17), &kind));
    assert_string_equal(kind, "fgm");
    expect_ok(fg_file_kind(scratch_write("index", "FGMINDEX", 8), &kind));
    assert_string_equal(kind, "fgi");
    expect_failure(fg_file_kind(scratch_write("a.txt", "FGMINDE", 7), &kind), FG_FORMAT, "a.txt",
                   NULL);
    expect_failure(fg_file_kind(scratch_path("none.fvecs"), &kind), FG_IO, "none.fvecs", NULL);
    expect_failure(fg_file_kind(NULL, &kind), FG_ARGUMENT, "path is NULL", NULL);
    expect_failure(fg_file_kind("x", NULL), FG_ARGUMENT, "kind is NULL", NULL);
}

static void types_have_sizes_and_names(void **state)
{
    (void)state;
#define FG_X(name, value, bytes, text)                                                             \
    assert_int_equal(fg_dtype_bytes(FG_##name), bytes);                                            \
    assert_string_equal(fg_dtype_text(FG_##name), text);
    FG_DTYPE_MAP(FG_X)
#undef FG_X
    assert_int_equal(fg_dtype_bytes((fg_dtype)0), 0);
    assert_string_equal(fg_dtype_text((fg_dtype)77), "?");
    assert_int_equal(fg_version(),
                     FG_VERSION_MAJOR << 16 | FG_VERSION_MINOR << 8 | FG_VERSION_PATCH);
}

/* ---- damage */

/* A file in words: little-endian i32 each. */
#define WORDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__})

static void damaged_vecs_are_refused(void **state)
{
    (void)state;
    const struct {
        const void *data;
        size_t bytes;
        const char *message;
    } cases[] = {
        {"", 0, "offset 0: the file has 0 bytes"},
        {WORDS(2) - 1, "offset 0: the file has 3 bytes"},
        {WORDS(2), "offset 0: row 0 has 4 bytes; it must have 12"},
        {WORDS(2, 0, 0, 2, 0), "offset 12: row 1 has 8 bytes; it must have 12"},
        {WORDS(2, 0, 0, 2, 0, 0, 2), "offset 24: row 2 has 4 bytes"},
        {WORDS(0, 0, 0), "dimension of row 0 is 0; it must be in 1..1048576"},
        {WORDS(-1, 0, 0), "dimension of row 0 is -1"},
        {WORDS(1048577, 0, 0), "dimension of row 0 is 1048577"},
        {WORDS(INT32_MAX, 0, 0), "dimension of row 0 is 2147483647"},
        {WORDS(2, 0, 0, 1, 0, 0), "offset 12: the dimension of row 1 is 1; it must be 2"},
        {WORDS(1, 0, 1, 0, -9, 0), "offset 16: the dimension of row 2 is -9; it must be 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = scratch_write("bad.ivecs", cases[i].data, cases[i].bytes);
        expect_failure(read_all(path, NULL), FG_FORMAT, path, cases[i].message, NULL);
    }
    /* a mixed dimension is found when its row is asked for, no sooner */
    fg_source *src;
    int32_t row[2];
    fg_out out = {.data = row, .rows = 1, .cols = 2, .dtype = FG_I32};
    const int32_t mixed[] = {2, 7, 8, 1, 0, 0, 2, 5, 6};
    expect_ok(fg_source_file(scratch_write("mixed.ivecs", mixed, sizeof mixed), NULL, &src));
    expect_ok(fg_source_read(src, 2, &out));
    assert_int_equal(row[1], 6);
    expect_failure(fg_source_read(src, 1, &out), FG_FORMAT, "mixed.ivecs", "offset 12", NULL);
    fg_source_destroy(src);
}

static void damaged_xbin_is_refused(void **state)
{
    (void)state;
    const struct {
        const void *data;
        size_t bytes;
        const char *message;
    } cases[] = {
        {"", 0, "offset 0: the file has 0 bytes"},
        {WORDS(1, 1) - 1, "offset 0: the file has 7 bytes; its head alone takes 8"},
        {WORDS(0, 1), "offset 0: the number of rows is 0; it must be at least 1"},
        {WORDS(1, 0), "offset 4: the number of columns is 0; it must be in 1..1048576"},
        {WORDS(1, -1), "offset 4: the number of columns is 4294967295"},
        {WORDS(1, 2, 9), "offset 0: the shape is 1 x 2, but from offset 8 on the file has 4"},
        {WORDS(2, 1, 9), "the shape is 2 x 1"},
        {WORDS(1, 1, 9, 9), "the shape is 1 x 1"},
        {WORDS(-1, 1048576, 9), "the shape is 4294967295 x 1048576"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = scratch_write("bad.ibin", cases[i].data, cases[i].bytes);
        expect_failure(read_all(path, NULL), FG_FORMAT, path, cases[i].message, NULL);
    }
}

/* An npy file of this version and header, padded so that 24 bytes of elements begin at a multiple
 * of 16. */
static const char *npy_file(int version, const char *header)
{
    unsigned char file[512];
    const size_t begin = version == 1 ? 10 : 12, length = strlen(header);
    const size_t padded_length = (begin + length + 15) / 16 * 16 - begin;
    memset(file, 0, sizeof file);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)version;
    file[8] = (unsigned char)padded_length;
    memset(file + begin, ' ', padded_length);
    memcpy(file + begin, header, length);
    return scratch_write("case.npy", file, begin + padded_length + 24);
}

#define NPY(type, order, shape)                                                                    \
    "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }"

static void npy_headers_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t rows;
        int32_t cols;
        fg_dtype dtype;
    } cases[] = {
        {NPY("<f4", "False", "(2, 3)"), 2, 3, FG_F32},
        {NPY("=f4", "False", "(2, 3)"), 2, 3, FG_F32},
        {NPY("<f2", "False", "(4, 3)"), 4, 3, FG_F16},
        {NPY("|u1", "False", "(8, 3)"), 8, 3, FG_U8},
        {NPY(">i1", "False", "(8, 3)"), 8, 3, FG_I8},
        {NPY("<i8", "False", "(3,)"), 3, 1, FG_I64},
        {NPY("<f8", "True", "(3,)"), 3, 1, FG_F64},
        {NPY("<i4", "False", "(6,1)"), 6, 1, FG_I32},
        {"{\"shape\":(1,24),\"fortran_order\":False,\"descr\":\"|u1\"}\n", 1, 24, FG_U8},
        {" { 'shape' : ( 24 , ) , 'descr' : '<u1' , 'fortran_order' : False } \n", 24, 1, FG_U8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 3; version++) {
            fg_source *src;
            fg_source_info info = {.struct_size = sizeof info};
            expect_ok(fg_source_file(npy_file(version, cases[i].header), NULL, &src));
            expect_ok(fg_source_get_info(src, &info));
            assert_int_equal(info.rows, cases[i].rows);
            assert_int_equal(info.cols, cases[i].cols);
            assert_int_equal(info.dtype, cases[i].dtype);
            fg_source_destroy(src);
        }
}

static void odd_npy_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        fg_status status;
        const char *message;
    } cases[] = {
        {NPY(">f4", "False", "(2, 3)"), FG_UNSUPPORTED, "offset 20: elements are big-endian"},
        {NPY("|f4", "False", "(2, 3)"), FG_UNSUPPORTED, "type \"|f4\""},
        {NPY("<u4", "False", "(2, 3)"), FG_UNSUPPORTED, "type \"<u4\""},
        {NPY("<c8", "False", "(3,)"), FG_UNSUPPORTED, "type \"<c8\""},
        {NPY("", "False", "(3,)"), FG_UNSUPPORTED, "type \"\""},
        {NPY("<f4", "True", "(2, 3)"), FG_UNSUPPORTED, "offset 44: the array is stored by columns"},
        {NPY("<f4", "False", "()"), FG_UNSUPPORTED, "0 dimensions"},
        {NPY("<f4", "False", "(2, 3, 1)"), FG_UNSUPPORTED, "3 dimensions"},
        {NPY("<f4", "False", "(0, 3)"), FG_FORMAT, "offset 61: the number of rows is 0"},
        {NPY("<f4", "False", "(3, 0)"), FG_FORMAT, "offset 61: the number of columns is 0"},
        {NPY("<f4", "False", "(1, 1048577)"), FG_FORMAT, "columns is 1048577"},
        {NPY("<f4", "False", "(2, 2)"), FG_FORMAT, "the shape is 2 x 2, but from offset"},
        {NPY("<f4", "False", "(3, 3)"), FG_FORMAT, "the shape is 3 x 3"},
        {NPY("<f4", "False", "(9223372036854775807, 3)"), FG_FORMAT, "9223372036854775807 x 3"},
        {NPY("<f4", "False", "(9223372036854775808, 3)"), FG_FORMAT, "a number below 2^63"},
        {NPY("<f4", "False", "(2 3)"), FG_FORMAT, "where ')' is expected"},
        {NPY("<f4", "False", "(-2, 3)"), FG_FORMAT, "where a number is expected"},
        {NPY("<f4", "False", "[2, 3]"), FG_FORMAT, "where '(' is expected"},
        {NPY("<f4", "0", "(2, 3)"), FG_FORMAT, "where True or False is expected"},
        {NPY("<f4\n", "False", "(2, 3)"), FG_FORMAT, "a printable character"},
        {NPY("<f4 and a great deal more than that", "False", "(2,)"), FG_FORMAT, "31 bytes"},
        {"{'descr': [('x', '<f4')], }", FG_UNSUPPORTED, "elements are records"},
        {"{'descr': '<f4', 'fortran_order': False}", FG_FORMAT, "the key shape"},
        {"{'shape': (6,), 'fortran_order': False}", FG_FORMAT, "the key descr"},
        {"{'shape': (6,), 'descr': '<f4'}", FG_FORMAT, "the key fortran_order"},
        {"{'shape': (6,), 'color': '<f4'}", FG_FORMAT, "\"color\""},
        {"{'shape': (6,)", FG_FORMAT, "ends where '}' is expected"},
        {"{'shape': (6,) 'descr'", FG_FORMAT, "where '}' is expected"},
        {"{'shape' (6,)", FG_FORMAT, "where ':' is expected"},
        {"{'sha", FG_FORMAT, "where ''' is expected"},
        {"{shape", FG_FORMAT, "where a string is expected"},
        {NPY("<f4", "False", "(2, 3)") "x", FG_FORMAT, "the header's end"},
        {"", FG_FORMAT, "'{' is expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_failure(read_all(npy_file(1, cases[i].header), NULL), cases[i].status, "case.npy",
                       "offset", cases[i].message, NULL);
}

static void damaged_npy_is_refused(void **state)
{
    (void)state;
    size_t bytes;
    npy_file(2, NPY("<f4", "False", "(2, 3)"));
    unsigned char *good = scratch_read(scratch_path("case.npy"), &bytes);
    for (size_t length = 0; length < bytes; length++)
        expect_failure(read_all(scratch_write("cut.npy", good, length), NULL), FG_FORMAT, "cut.npy",
                       "offset", NULL);
    const struct {
        size_t at;
        unsigned char value;
        fg_status status;
        const char *message;
    } cases[] = {
        {0, 'x', FG_FORMAT, "offset 0: does not begin with \"\\x93NUMPY\""},
        {6, 0, FG_UNSUPPORTED, "offset 6: the version is 0"},
        {6, 4, FG_UNSUPPORTED, "offset 6: the version is 4; it must be in 1..3"},
        {11, 255, FG_FORMAT, "offset 8: the header's length is 42781"},
        {8, 255, FG_FORMAT, "offset 8: the header's length is 255"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const unsigned char before = good[cases[i].at];
        good[cases[i].at] = cases[i].value;
        expect_failure(read_all(scratch_write("bad.npy", good, bytes), NULL), cases[i].status,
                       "bad.npy", cases[i].message, NULL);
        good[cases[i].at] = before;
    }
    free(good);
    /* elements that no pointer to them may address */
    static const char odd[] = "\x93NUMPY\x01\x00\x3d\x00"
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }    "
                              "\x01\x02\x03\x04\x05\x06\x07\x08";
    expect_failure(read_all(scratch_write("odd.npy", odd, sizeof odd - 1), NULL), FG_UNSUPPORTED,
                   "odd.npy", "offset 71", "multiple of 4", NULL);
}

/* ---- sinks */

static void sinks_check_what_they_are_given(void **state)
{
    (void)state;
    scratch_clear();
    fg_sink *sink;
    const char *path = scratch_path("rows.fvecs");
    expect_failure(fg_sink_file(path, NULL, 0, FG_F32, &sink), FG_ARGUMENT, path, "cols is 0",
                   NULL);
    expect_failure(fg_sink_file(path, NULL, 1048577, FG_F32, &sink), FG_ARGUMENT, "1048577", NULL);
    expect_failure(fg_sink_file(path, NULL, 3, FG_U8, &sink), FG_ARGUMENT,
                   "fvecs holds f32, not u8", NULL);
    expect_failure(fg_sink_file(path, "npy", 3, FG_BF16, &sink), FG_ARGUMENT, "bf16", NULL);
    expect_failure(fg_sink_file(path, "hdf5", 3, FG_F32, &sink), FG_UNSUPPORTED, "hdf5", NULL);
    expect_failure(fg_sink_file(NULL, "npy", 3, FG_F32, &sink), FG_ARGUMENT, "path is NULL", NULL);
    expect_failure(fg_sink_file(path, NULL, 3, FG_F32, NULL), FG_ARGUMENT, "out is NULL", NULL);
    assert_int_equal(scratch_clear(), 0);

    expect_ok(fg_sink_file(path, NULL, COLS, FG_F32, &sink));
    fg_view rows = rows_of(FG_F32, 0, 2);
    rows.cols = 2;
    expect_failure(fg_sink_write(sink, &rows), FG_ARGUMENT, "cols is 2; it must be 3", NULL);
    rows = rows_of(FG_U8, 0, 2);
    expect_failure(fg_sink_write(sink, &rows), FG_ARGUMENT, "dtype is u8; it must be f32", NULL);
    expect_failure(fg_sink_write(sink, NULL), FG_ARGUMENT, "rows is NULL", NULL);
    expect_failure(fg_sink_write(NULL, &rows), FG_ARGUMENT, "sink is NULL", NULL);
    expect_failure(fg_sink_close(NULL), FG_ARGUMENT, "sink is NULL", NULL);
    expect_failure(fg_sink_close(sink), FG_ARGUMENT, "no rows were written", NULL);
    rows = rows_of(FG_F32, 0, 2);
    expect_failure(fg_sink_write(sink, &rows), FG_ARGUMENT, "sink is closed", NULL);
    expect_failure(fg_sink_close(sink), FG_ARGUMENT, "sink is closed", NULL);
    fg_sink_destroy(sink);
    fg_sink_destroy(NULL);
    assert_int_equal(scratch_clear(), 0);

    expect_ok(fg_sink_file(scratch_path("rows.u8bin"), NULL, 1, FG_U8, &sink));
    rows = (fg_view){.data = padded, .rows = (int64_t)1 << 32, .cols = 1, .dtype = FG_U8};
    expect_failure(fg_sink_write(sink, &rows), FG_UNSUPPORTED, "4294967296", "4294967295", NULL);
    fg_sink_destroy(sink);
}

static void abandoned_sinks_leave_nothing(void **state)
{
    (void)state;
    fg_sink *sink;
    const fg_view rows = rows_of(FG_F32, 0, 2);
    expect_ok(fg_sink_file(scratch_path("rows.fvecs"), NULL, COLS, FG_F32, &sink));
    expect_ok(fg_sink_write(sink, &rows));
    fg_sink_destroy(sink);
    assert_int_equal(scratch_clear(), 0);
}

/* ---- faults: whatever fails, a status, no leak (asan), the target old or new but never half */

static void faults_end_in_a_status(void **state)
{
    (void)state;
    for (int i = 0; i < WRITTEN; i++) {
        const char *path = scratch_write("target", "old", 3);
        int64_t n = 1;
        for (bool happened = true; happened; n++) {
            fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_WRITE, n);
            const fg_status s = write_rows(path, written[i].format, written[i].dtype);
            happened = fgi_fault_happened();
            fgi_fault_arm(0, 0);
            size_t bytes;
            unsigned char *data = scratch_read(path, &bytes);
            assert_true((bytes == 3) == happened);
            assert_true(happened ? s == FG_MEMORY || s == FG_IO : s == FG_OK);
            free(data);
        }
        assert_true(n > 6);
        n = 1;
        for (bool happened = true; happened; n++) {
            fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_READ, n);
            const fg_status s = read_all(path, written[i].format);
            happened = fgi_fault_happened();
            fgi_fault_arm(0, 0);
            assert_true(happened ? s == FG_MEMORY || s == FG_IO : s == FG_OK);
        }
        assert_true(n > 3);
        assert_int_equal(scratch_clear(), 1);
    }
}

/* ---- real files, where there are any */

static void real_files_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t rows;
        int32_t cols;
    } files[] = {{"sift-photos_query.bvecs", 5000, 128},
                 {"sift-photos_groundtruth.ivecs", 5000, 100},
                 {"glove-100_base.fvecs", 100000, 100}};
    const char *folder = getenv("FLASHGMM_DATA");
    if (!folder) skip();
    for (int i = 0; i < 3; i++) {
        char path[512];
        fg_source *src;
        fg_source_info info = {.struct_size = sizeof info};
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        expect_ok(read_all(path, NULL));
        expect_ok(fg_source_file(path, NULL, &src));
        expect_ok(fg_source_get_info(src, &info));
        assert_int_equal(info.rows, files[i].rows);
        assert_int_equal(info.cols, files[i].cols);
        fg_source_destroy(src);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(files_are_as_specified),
        cmocka_unit_test(formats_are_found_by_name_or_suffix),
        cmocka_unit_test(files_must_be_there_and_readable),
        cmocka_unit_test(kinds_of_files_are_told),
        cmocka_unit_test(types_have_sizes_and_names),
        cmocka_unit_test(damaged_vecs_are_refused),
        cmocka_unit_test(damaged_xbin_is_refused),
        cmocka_unit_test(npy_headers_are_understood),
        cmocka_unit_test(odd_npy_headers_are_refused),
        cmocka_unit_test(damaged_npy_is_refused),
        cmocka_unit_test(sinks_check_what_they_are_given),
        cmocka_unit_test(abandoned_sinks_leave_nothing),
        cmocka_unit_test(faults_end_in_a_status),
        cmocka_unit_test(real_files_are_read),
    };
    return cmocka_run_group_tests(tests, make_rows, scratch_end);
}
