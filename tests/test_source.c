/* SPDX-License-Identifier: Apache-2.0 */
/* test_source.c - rows from memory, files and readers: the same bytes however they are cut, and
 * readers that lie. */
#include "scratch.h"

#include "fault.h"
#include "half.h"
#include "source.h"

enum { ROWS = 1003, COLS = 5, STRIDE = 8 };

/* Element c of row r: distinct, and exact as f32. */
static float element(int64_t r, int32_t c)
{
    return (float)(r * COLS + c) * 0.5f;
}

static float padded[ROWS * STRIDE]; /* rows with a gap behind each */

static fg_view padded_rows(int64_t first, int64_t rows)
{
    return (fg_view){.data = padded + first * STRIDE,
                     .rows = rows,
                     .row_stride = STRIDE,
                     .cols = COLS,
                     .dtype = FG_F32};
}

/* ---- a reader that hands out odd pieces, and one lie if it is told to */

typedef enum lie {
    HONEST,
    MORE_ROWS,
    FEWER_ROWS,
    MORE_THAN_ASKED,
    NEGATIVE_ROWS,
    OTHER_TYPE,
    OTHER_COLS,
    NO_DATA,
    SHORT_STRIDE,
    ON_A_DEVICE,
    NEXT_FAILS,
    REWIND_FAILS,
    FEWER_ROWS_LATER
} lie;

typedef struct stream {
    int64_t at;
    int32_t calls, passes, closed;
    lie lie;
    bool ended;
} stream;

static fg_status stream_rewind(void *user)
{
    stream *s = user;
    s->at = 0;
    s->calls = 0;
    s->passes++;
    s->ended = false;
    return s->lie == REWIND_FAILS ? FG_CANCELLED : FG_OK;
}

static void tell_lie(const stream *s, int64_t want, fg_view *chunk)
{
    switch (s->lie) {
    case MORE_THAN_ASKED: chunk->rows = want + 1; break;
    case NEGATIVE_ROWS: chunk->rows = -1; break;
    case OTHER_TYPE: chunk->dtype = FG_F64; break;
    case OTHER_COLS: chunk->cols = COLS - 1; break;
    case NO_DATA: chunk->data = NULL; break;
    case SHORT_STRIDE: chunk->row_stride = COLS - 1; break;
    case ON_A_DEVICE: chunk->place = FG_CUDA; break;
    default: break;
    }
}

static fg_status stream_next(void *user, int64_t want, fg_view *chunk)
{
    static const int64_t pieces[] = {1, 3, 64, 2, 500, 7};
    stream *s = user;
    assert_false(s->ended); /* the library does not ask on after the end */
    if (s->lie == NEXT_FAILS && s->calls == 3) return FG_NUMERIC;
    int64_t total = ROWS;
    if (s->lie == FEWER_ROWS || (s->lie == FEWER_ROWS_LATER && s->passes > 1)) total = ROWS - 1;
    if (s->lie == MORE_ROWS) total = 2 * ROWS;
    int64_t rows = pieces[s->calls++ % 6];
    if (rows > want) rows = want;
    if (rows > total - s->at) rows = total - s->at;
    *chunk = padded_rows(s->at % ROWS, rows);
    if (s->at + rows > ROWS) *chunk = padded_rows(0, rows);
    if (s->calls == 3) tell_lie(s, want, chunk);
    s->at += rows;
    s->ended = rows == 0;
    return FG_OK;
}

static void stream_close(void *user)
{
    ((stream *)user)->closed++;
}

static fg_source *stream_source(stream *s, int64_t declared)
{
    const fg_reader reader = {.struct_size = sizeof reader,
                              .rows = declared,
                              .cols = COLS,
                              .dtype = FG_F32,
                              .user = s,
                              .rewind = stream_rewind,
                              .next = stream_next,
                              .close = stream_close};
    fg_source *src;
    expect_ok(fg_source_reader(&reader, &src));
    return src;
}

/* ---- the same rows from everywhere */

enum { KINDS = 6 };

static stream streams[2];

static const char *rows_file(const char *name)
{
    const fg_view rows = padded_rows(0, ROWS);
    fg_sink *sink;
    const char *path = scratch_path(name);
    expect_ok(fg_sink_file(path, NULL, COLS, FG_F32, &sink));
    expect_ok(fg_sink_write(sink, &rows));
    expect_ok(fg_sink_close(sink));
    fg_sink_destroy(sink);
    return path;
}

static fg_source *make_source(int kind)
{
    fg_source *src;
    const fg_view rows = padded_rows(0, ROWS);
    switch (kind) {
    case 0: expect_ok(fg_source_memory(&rows, &src)); return src;
    case 1: expect_ok(fg_source_file(rows_file("rows.fvecs"), NULL, &src)); return src;
    case 2: expect_ok(fg_source_file(rows_file("rows.npy"), NULL, &src)); return src;
    case 3: expect_ok(fg_source_file(rows_file("rows.fbin"), "fbin", &src)); return src;
    case 4: streams[0] = (stream){0}; return stream_source(&streams[0], ROWS);
    default: streams[1] = (stream){0}; return stream_source(&streams[1], -1);
    }
}

static int make_rows(void **state)
{
    for (int64_t i = 0; i < ROWS * STRIDE; i++) padded[i] = -1.0f;
    for (int64_t r = 0; r < ROWS; r++)
        for (int32_t c = 0; c < COLS; c++) padded[r * STRIDE + c] = element(r, c);
    return scratch_begin(state);
}

static void check_chunks(fg_source *src, int64_t chunk_rows)
{
    fgi_ledger ledger = {0};
    fgi_chunks chunks;
    int64_t rows = 0, first;
    expect_ok(fgi_chunks_begin(&chunks, &ledger, src, chunk_rows));
    for (;;) {
        fg_view chunk;
        expect_ok(fgi_chunks_next(&chunks, &chunk, &first));
        if (chunk.rows == 0) break;
        const int64_t left = ROWS - rows;
        assert_int_equal(first, rows);
        assert_int_equal(chunk.rows, left < chunk_rows ? left : chunk_rows);
        assert_int_equal(chunk.cols, COLS);
        for (int64_t r = 0; r < chunk.rows; r++)
            for (int32_t c = 0; c < COLS; c++)
                assert_true(fgi_view_get(&chunk, r, c) == (double)element(rows + r, c));
        rows += chunk.rows;
    }
    fg_view chunk;
    expect_ok(fgi_chunks_next(&chunks, &chunk, &first)); /* the end stays the end */
    assert_int_equal(chunk.rows, 0);
    fgi_chunks_end(&chunks);
    assert_int_equal(rows, ROWS);
    assert_int_equal(ledger.now_bytes, 0);
}

static void chunks_do_not_depend_on_the_source(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 7, 1000, ROWS, 5000};
    for (int kind = 0; kind < KINDS; kind++) {
        fg_source *src = make_source(kind);
        for (int i = 0; i < 5; i++) check_chunks(src, sizes[i]);
        fg_source_info info = {.struct_size = sizeof info};
        expect_ok(fg_source_get_info(src, &info));
        assert_int_equal(info.rows, ROWS);
        assert_int_equal(info.cols, COLS);
        assert_int_equal(info.dtype, FG_F32);
        fg_source_destroy(src);
    }
    assert_int_equal(streams[0].closed, 1);
    assert_int_equal(streams[1].closed, 1);
}

static void rows_are_counted_once(void **state)
{
    (void)state;
    stream s = {0};
    fg_source *src = stream_source(&s, -1);
    fg_source_info info = {.struct_size = sizeof info};
    expect_ok(fg_source_get_info(src, &info));
    assert_int_equal(info.rows, -1);
    int64_t rows;
    expect_ok(fgi_source_count(src, &rows));
    expect_ok(fgi_source_count(src, &rows));
    assert_int_equal(rows, ROWS);
    assert_int_equal(s.passes, 1);
    fg_source_destroy(src);
}

static void any_rows_can_be_read(void **state)
{
    (void)state;
    static const int64_t places[][2] = {{0, 1}, {0, ROWS}, {ROWS - 1, 1}, {500, 80}, {3, 1}};
    static double wide[ROWS * COLS];
    static float narrow[ROWS * STRIDE];
    for (int kind = 0; kind < KINDS; kind++) {
        fg_source *src = make_source(kind);
        fg_out out = {.data = narrow, .row_stride = STRIDE, .cols = COLS, .dtype = FG_F32};
        for (int i = 0; i < 5; i++) {
            out.rows = places[i][1];
            expect_ok(fg_source_read(src, places[i][0], &out));
            for (int64_t r = 0; r < out.rows; r++)
                assert_memory_equal(narrow + r * STRIDE, padded + (places[i][0] + r) * STRIDE,
                                    COLS * sizeof(float));
        }
        out.rows = 2;
        expect_failure(fg_source_read(src, ROWS - 1, &out), FG_ARGUMENT, "1002", "it has 1003",
                       NULL);
        expect_failure(fg_source_read(src, INT64_MAX, &out), FG_ARGUMENT, "it has 1003", NULL);
        expect_failure(fg_source_read(src, -1, &out), FG_ARGUMENT, "-1", NULL);
        out.cols = COLS - 1;
        expect_failure(fg_source_read(src, 0, &out), FG_ARGUMENT, "cols is 4", "5", NULL);
        const fg_out doubles = {.data = wide, .rows = ROWS, .cols = COLS, .dtype = FG_F64};
        expect_failure(fg_source_read(src, 0, &doubles), FG_ARGUMENT, "dtype is f64", "f32", NULL);
        fg_source_destroy(src);
    }
}

static void every_real_type_reads_as_f32(void **state)
{
    (void)state;
    const float f32[2] = {1.5f, -2.0f};
    const uint16_t f16[2] = {fgi_f16_of_f32(1.5f), fgi_f16_of_f32(-2.0f)};
    const uint16_t bf16[2] = {fgi_bf16_of_f32(1.5f), fgi_bf16_of_f32(-2.0f)};
    const int8_t i8[2] = {127, -128};
    const uint8_t u8[2] = {0, 255};
    const double f64[2] = {1.5, -2.0};
    const struct {
        const void *data;
        fg_dtype dtype;
        float first, second;
    } cases[] = {{f32, FG_F32, 1.5f, -2.0f},   {f16, FG_F16, 1.5f, -2.0f},
                 {bf16, FG_BF16, 1.5f, -2.0f}, {i8, FG_I8, 127, -128},
                 {u8, FG_U8, 0, 255},          {f64, FG_F64, 1.5f, -2.0f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fg_view rows = {
            .data = cases[i].data, .rows = 2, .cols = 1, .dtype = (int16_t)cases[i].dtype};
        float read[2];
        const fg_out out = {.data = read, .rows = 2, .cols = 1, .dtype = FG_F32};
        fg_source *src;
        expect_ok(fg_source_memory(&rows, &src));
        expect_ok(fg_source_read(src, 0, &out));
        assert_true(read[0] == cases[i].first && read[1] == cases[i].second);
        fg_source_destroy(src);
    }
}

/* ---- samples */

/* The row numbers that a sample of column 0 tells. */
static void sample_rows(int kind, int64_t count, uint64_t seed, int64_t *rows)
{
    fg_source *src = make_source(kind), *sample;
    fgi_ledger ledger = {0};
    expect_ok(fgi_source_sample(src, &ledger, count, seed, 1, &sample));
    fg_source_destroy(src); /* the sample stands on its own */
    fgi_chunks chunks;
    fg_view chunk;
    int64_t first;
    expect_ok(fgi_chunks_begin(&chunks, NULL, sample, 2 * ROWS));
    expect_ok(fgi_chunks_next(&chunks, &chunk, &first));
    assert_int_equal(chunk.rows, count < ROWS ? count : ROWS);
    assert_int_equal(ledger.now_bytes, chunk.rows * COLS * (int64_t)sizeof(float));
    for (int64_t r = 0; r < chunk.rows; r++) {
        rows[r] = (int64_t)(fgi_view_get(&chunk, r, 0) * 2) / COLS;
        for (int32_t c = 0; c < COLS; c++)
            assert_true(fgi_view_get(&chunk, r, c) == (double)element(rows[r], c));
        if (r > 0) assert_true(rows[r] > rows[r - 1]);
    }
    fgi_chunks_end(&chunks);
    fg_source_destroy(sample);
    assert_int_equal(ledger.now_bytes, 0);
}

static void samples_depend_on_the_seed_alone(void **state)
{
    (void)state;
    static int64_t rows[ROWS], same[ROWS], other[ROWS];
    sample_rows(0, 100, 7, rows);
    for (int kind = 1; kind < KINDS; kind++) {
        sample_rows(kind, 100, 7, same);
        assert_memory_equal(rows, same, 100 * sizeof *rows);
    }
    sample_rows(0, 100, 8, other);
    assert_memory_not_equal(rows, other, 100 * sizeof *rows);
}

static void large_samples_are_all_rows(void **state)
{
    (void)state;
    static int64_t rows[ROWS];
    for (int kind = 0; kind < KINDS; kind++) {
        sample_rows(kind, ROWS + (kind % 2) * 50, 3, rows);
        for (int64_t r = 0; r < ROWS; r++) assert_int_equal(rows[r], r);
    }
}

static void every_row_is_as_likely(void **state)
{
    (void)state;
    static int64_t rows[ROWS], hits[ROWS];
    for (uint64_t seed = 0; seed < 200; seed++) {
        sample_rows(0, 100, seed, rows);
        for (int64_t r = 0; r < 100; r++) hits[rows[r]]++;
    }
    /* binomial: mean 19.9, standard deviation 4.2; six of them on each side */
    for (int64_t r = 0; r < ROWS; r++) assert_true(hits[r] < 46);
    int64_t first_half = 0;
    for (int64_t r = 0; r < ROWS / 2; r++) first_half += hits[r];
    assert_in_range(first_half, 9500, 10500);
}

/* ---- readers that lie */

static void lies_are_noticed(void **state)
{
    (void)state;
    static const struct {
        lie lie;
        int64_t declared;
        fg_status status;
        const char *message;
    } cases[] = {
        {MORE_ROWS, ROWS, FG_IO, "only 1003 rows were declared"},
        {FEWER_ROWS, ROWS, FG_IO, "ended after 1002 rows; 1003 were declared"},
        {MORE_THAN_ASKED, ROWS, FG_IO, "were asked for"},
        {NEGATIVE_ROWS, ROWS, FG_IO, "gave -1 rows at row"},
        {OTHER_TYPE, ROWS, FG_IO, "type f64"},
        {OTHER_COLS, -1, FG_IO, "4 columns at row"},
        {NO_DATA, -1, FG_IO, "data is NULL"},
        {SHORT_STRIDE, -1, FG_IO, "row_stride is 4"},
        {ON_A_DEVICE, -1, FG_IO, "place is 1"},
        {NEXT_FAILS, -1, FG_NUMERIC, "next failed at row"},
        {REWIND_FAILS, -1, FG_CANCELLED, "rewind failed"},
        {FEWER_ROWS_LATER, -1, FG_IO, "ended after 1002 rows; 1003"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stream s = {.lie = cases[i].lie};
        fg_source *src = stream_source(&s, cases[i].declared);
        fgi_chunks chunks;
        fg_status status = FG_OK;
        for (int pass = 0; pass < 2 && status == FG_OK; pass++) {
            fg_view chunk = {.rows = 1};
            int64_t first;
            status = fgi_chunks_begin(&chunks, NULL, src, 10);
            while (status == FG_OK && chunk.rows > 0)
                status = fgi_chunks_next(&chunks, &chunk, &first);
            fgi_chunks_end(&chunks);
        }
        expect_failure(status, cases[i].status, "reader", cases[i].message, NULL);
        fg_source_destroy(src);
        assert_int_equal(s.closed, 1);
    }
}

static fg_status nothing_next(void *user, int64_t want, fg_view *chunk)
{
    (void)user, (void)want;
    chunk->rows = 0;
    return FG_OK;
}

static void readers_must_be_complete(void **state)
{
    (void)state;
    stream s = {0};
    const fg_reader good = {.struct_size = sizeof good,
                            .rows = -1,
                            .cols = COLS,
                            .dtype = FG_F32,
                            .user = &s,
                            .rewind = stream_rewind,
                            .next = nothing_next};
    fg_source *src;
    int64_t rows;
    expect_ok(fg_source_reader(&good, &src));
    expect_failure(fgi_source_count(src, &rows), FG_IO, "gave no rows", NULL);
    fg_source_destroy(src);

    fg_reader bad = good;
    expect_failure(fg_source_reader(NULL, &src), FG_ARGUMENT, "reader is NULL", NULL);
    expect_failure(fg_source_reader(&good, NULL), FG_ARGUMENT, "out is NULL", NULL);
    bad.struct_size = 8;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "struct_size is 8", NULL);
    bad = good, bad.rows = 0;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "rows is 0", NULL);
    bad = good, bad.cols = 0;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "cols is 0", NULL);
    bad = good, bad.dtype = 99;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "dtype is 99", NULL);
    bad = good, bad.next = NULL;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "next is NULL", NULL);
    bad = good, bad.rewind = NULL;
    expect_failure(fg_source_reader(&bad, &src), FG_ARGUMENT, "rewind is NULL", NULL);
}

/* ---- views */

static void views_are_checked(void **state)
{
    (void)state;
    const fg_view good = padded_rows(0, 2);
    fg_source *src;
    expect_failure(fg_source_memory(NULL, &src), FG_ARGUMENT, "rows is NULL", NULL);
    expect_failure(fg_source_memory(&good, NULL), FG_ARGUMENT, "out is NULL", NULL);
    fg_view bad = good;
    bad.data = NULL;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "data is NULL", NULL);
    bad = good, bad.data = (const char *)good.data + 1;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "aligned to 4 bytes", NULL);
    bad = good, bad.rows = 0;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "rows is 0", "at least 1", NULL);
    bad = good, bad.rows = INT64_MAX;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "9223372036854775807", NULL);
    bad = good, bad.cols = -3;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "cols is -3", NULL);
    bad = good, bad.row_stride = COLS - 1;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "row_stride is 4", NULL);
    bad = good, bad.dtype = 0;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "dtype is 0", NULL);
    bad = good, bad.dtype = FG_I32;
    expect_failure(fg_source_memory(&bad, &src), FG_ARGUMENT, "dtype is i32", NULL);
    bad = good, bad.place = FG_CUDA;
    expect_failure(fg_source_memory(&bad, &src), FG_UNSUPPORTED, "place is 1", NULL);
}

static void outputs_are_checked_and_set(void **state)
{
    (void)state;
    int64_t data[6] = {0};
    const fg_out out = {.data = data, .rows = 3, .cols = 2, .dtype = FG_I64};
    expect_ok(fgi_out_check(&out, "labels", 3, 2, FG_I32, FG_I64));
    expect_failure(fgi_out_check(NULL, "labels", 3, 2, FG_I32, FG_I64), FG_ARGUMENT,
                   "labels is NULL", NULL);
    expect_failure(fgi_out_check(&out, "labels", 4, 2, FG_I32, FG_I64), FG_ARGUMENT, "rows is 3",
                   "4", NULL);
    expect_failure(fgi_out_check(&out, "labels", 3, 1, FG_I32, FG_I64), FG_ARGUMENT, "cols is 2",
                   "1", NULL);
    expect_failure(fgi_out_check(&out, "labels", 3, 2, FG_I32, FG_I32), FG_ARGUMENT, "dtype is i64",
                   "must be i32", NULL);
    expect_failure(fgi_out_check(&out, "labels", 3, 2, FG_F32, FG_F64), FG_ARGUMENT,
                   "must be f32 or f64", NULL);
    static const fg_dtype types[] = {FG_F32, FG_F64, FG_I32, FG_I64};
    for (int i = 0; i < 4; i++) {
        const fg_out typed = {.data = data, .rows = 3, .cols = 2, .dtype = (int16_t)types[i]};
        const fg_view back = {.data = data, .rows = 3, .cols = 2, .dtype = (int16_t)types[i]};
        fgi_out_set(&typed, 2, 1, -7.0);
        fgi_out_set_integer(&typed, 2, 0, 123456);
        assert_true(fgi_view_get(&back, 2, 1) == -7.0 && fgi_view_get(&back, 2, 0) == 123456.0);
    }
}

/* ---- faults: whatever fails, a status and no leak (asan) */

static fg_status use_source(int kind)
{
    fg_source *src = NULL, *sample = NULL;
    const fg_view rows = padded_rows(0, ROWS);
    stream s = {0};
    const fg_reader reader = {.struct_size = sizeof reader,
                              .rows = -1,
                              .cols = COLS,
                              .dtype = FG_F32,
                              .user = &s,
                              .rewind = stream_rewind,
                              .next = stream_next};
    fg_status status = kind == 0   ? fg_source_memory(&rows, &src)
                       : kind == 1 ? fg_source_file(scratch_path("rows.npy"), NULL, &src)
                                   : fg_source_reader(&reader, &src);
    if (status == FG_OK) status = fgi_source_sample(src, NULL, 10, 1, 1, &sample);
    if (status == FG_OK) {
        fgi_chunks chunks;
        fg_view chunk = {.rows = 1};
        int64_t first;
        status = fgi_chunks_begin(&chunks, NULL, src, 100);
        while (status == FG_OK && chunk.rows > 0) status = fgi_chunks_next(&chunks, &chunk, &first);
        fgi_chunks_end(&chunks);
    }
    fg_source_destroy(sample);
    fg_source_destroy(src);
    return status;
}

static void faults_end_in_a_status(void **state)
{
    (void)state;
    rows_file("rows.npy");
    for (int kind = 0; kind < 3; kind++) {
        int64_t n = 1;
        for (bool happened = true; happened; n++) {
            fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_READ, n);
            const fg_status s = use_source(kind);
            happened = fgi_fault_happened();
            fgi_fault_arm(0, 0);
            assert_true(happened ? s == FG_MEMORY || s == FG_IO : s == FG_OK);
        }
        assert_true(n > 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_do_not_depend_on_the_source),
        cmocka_unit_test(rows_are_counted_once),
        cmocka_unit_test(any_rows_can_be_read),
        cmocka_unit_test(every_real_type_reads_as_f32),
        cmocka_unit_test(samples_depend_on_the_seed_alone),
        cmocka_unit_test(large_samples_are_all_rows),
        cmocka_unit_test(every_row_is_as_likely),
        cmocka_unit_test(lies_are_noticed),
        cmocka_unit_test(readers_must_be_complete),
        cmocka_unit_test(views_are_checked),
        cmocka_unit_test(outputs_are_checked_and_set),
        cmocka_unit_test(faults_end_in_a_status),
    };
    return cmocka_run_group_tests(tests, make_rows, scratch_end);
}
