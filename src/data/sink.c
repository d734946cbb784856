/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - head, rows, and at the end the head again with their number. Knows what formats have in
 * common; knows none. */
#include "sink.h"

#include "format.h"

struct fg_sink {
    fgi_writer *file; /* NULL: finished */
    const fgi_format *format;
    int64_t rows;
    int32_t cols;
    fg_dtype dtype;
};

static fg_status check_shape(const char *path, const fgi_format *format, int32_t cols,
                             fg_dtype dtype)
{
    if (!format->family->head)
        return fgi_fail(FG_UNSUPPORTED, "%s: %s files are read, not written", path, format->name);
    if (cols < 1 || cols > FGI_MAX_COLS)
        return fgi_fail(FG_ARGUMENT, "%s: cols is %d; it must be in 1..%d", path, cols,
                        FGI_MAX_COLS);
    if (format->dtype && format->dtype != dtype)
        return fgi_fail(FG_ARGUMENT, "%s: %s holds %s, not %s", path, format->name,
                        fg_dtype_text(format->dtype), fg_dtype_text(dtype));
    return FG_OK;
}

fg_status fgi_sink_open(const char *path, const char *format, int32_t cols, fg_dtype dtype,
                        fg_sink **out)
{
    const fgi_format *found;
    fgi_head head;
    FG_TRY(fgi_format_find(path, format, &found));
    FG_TRY(check_shape(path, found, cols, dtype));
    FG_TRY(found->family->head(0, cols, dtype, &head));
    fg_sink *sink;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *sink, &sink));
    sink->format = found;
    sink->cols = cols;
    sink->dtype = dtype;
    fg_status s = fgi_writer_open(path, &sink->file);
    if (s == FG_OK) s = fgi_writer_write(sink->file, head.bytes, head.count);
    if (s != FG_OK) {
        fgi_sink_destroy(sink);
        return s;
    }
    *out = sink;
    return FG_OK;
}

static fg_status check_rows(const fg_sink *sink, const fg_view *rows)
{
    const int64_t most = sink->format->family->most_rows;
    if (!sink->file) return fgi_fail(FG_ARGUMENT, "sink is closed; it takes no more rows");
    if (rows->cols != sink->cols)
        return fgi_fail(FG_ARGUMENT, "rows: cols is %d; it must be %d, as the sink's", rows->cols,
                        sink->cols);
    if (rows->dtype != (int16_t)sink->dtype)
        return fgi_fail(FG_ARGUMENT, "rows: dtype is %s; it must be %s, as the sink's",
                        fg_dtype_text((fg_dtype)rows->dtype), fg_dtype_text(sink->dtype));
    if (rows->rows > most - sink->rows)
        return fgi_fail(FG_UNSUPPORTED, "rows: %lld after %lld; %s holds at most %lld",
                        (long long)rows->rows, (long long)sink->rows, sink->format->name,
                        (long long)most);
    return FG_OK;
}

fg_status fgi_sink_write(fg_sink *sink, const fg_view *rows)
{
    FG_TRY(check_rows(sink, rows));
    const int64_t row_bytes = (int64_t)sink->cols * (int64_t)fg_dtype_bytes(sink->dtype);
    for (int64_t r = 0; r < rows->rows; r++) {
        if (sink->format->family->prefixed)
            FG_TRY(fgi_writer_write(sink->file, &sink->cols, sizeof sink->cols));
        FG_TRY(fgi_writer_write(sink->file, fgi_view_rows(rows, r, 1).data, row_bytes));
    }
    sink->rows += rows->rows;
    return FG_OK;
}

static fg_status complete(fg_sink *sink)
{
    if (!sink->file) return fgi_fail(FG_ARGUMENT, "sink is closed already");
    if (sink->rows == 0)
        return fgi_fail(FG_ARGUMENT, "sink: no rows were written; %s files have at least 1",
                        sink->format->name);
    fgi_head head;
    FG_TRY(sink->format->family->head(sink->rows, sink->cols, sink->dtype, &head));
    FG_TRY(fgi_writer_patch(sink->file, 0, head.bytes, head.count));
    return fgi_writer_commit(sink->file);
}

fg_status fgi_sink_close(fg_sink *sink)
{
    const fg_status s = complete(sink);
    fgi_writer_close(sink->file);
    sink->file = NULL;
    return s;
}

void fgi_sink_destroy(fg_sink *sink)
{
    if (!sink) return;
    fgi_writer_close(sink->file);
    fgi_free(sink);
}
