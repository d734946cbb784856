/* SPDX-License-Identifier: Apache-2.0 */
/* source_reader.c - rows that a caller's functions hand out. Trusts nothing that they say. Knows
 * the reader's contract; knows no file. */
#include "source.h"

typedef struct reader_rows {
    fg_reader reader;
    bool ended; /* next has given 0 rows since the last rewind: it is not asked again */
} reader_rows;

static fg_status reader_rewind(fg_source *src)
{
    reader_rows *rows = src->self;
    const fg_status s = rows->reader.rewind(rows->reader.user);
    if (s != FG_OK)
        return fgi_fail(s, "reader: rewind failed with status %d (%s)", s, fg_status_text(s));
    rows->ended = false;
    return FG_OK;
}

static fg_status check_end(fg_source *src)
{
    if (src->position == 0) return fgi_fail(FG_IO, "reader: gave no rows; at least 1 is needed");
    if (src->rows >= 0 && src->position != src->rows)
        return fgi_fail(FG_IO,
                        "reader: ended after %lld rows; %lld were declared or counted before",
                        (long long)src->position, (long long)src->rows);
    src->rows = src->position;
    return FG_OK;
}

static fg_status check_chunk(const fg_source *src, int64_t want, const fg_view *chunk)
{
    const long long first = src->position;
    if (chunk->rows < 0 || chunk->rows > want)
        return fgi_fail(FG_IO, "reader: next gave %lld rows at row %lld; 0 .. %lld were asked for",
                        (long long)chunk->rows, first, (long long)want);
    if (src->rows >= 0 && chunk->rows > src->rows - src->position)
        return fgi_fail(FG_IO,
                        "reader: next gave %lld rows at row %lld; only %lld rows were declared or "
                        "counted before",
                        (long long)chunk->rows, first, (long long)src->rows);
    if (chunk->rows == 0) return FG_OK;
    if (chunk->cols != src->cols)
        return fgi_fail(FG_IO, "reader: next gave %d columns at row %lld; %d were declared",
                        chunk->cols, first, src->cols);
    if (chunk->dtype != (int16_t)src->dtype)
        return fgi_fail(FG_IO, "reader: next gave elements of type %s at row %lld; %s was declared",
                        fg_dtype_text((fg_dtype)chunk->dtype), first, fg_dtype_text(src->dtype));
    if (fgi_view_check(chunk, "chunk") != FG_OK)
        return fgi_fail_in(FG_IO, "reader: next at row %lld", first);
    return FG_OK;
}

static fg_status reader_next(fg_source *src, int64_t want, fg_view *chunk)
{
    reader_rows *rows = src->self;
    if (rows->ended) return FG_OK;
    const fg_status s = rows->reader.next(rows->reader.user, want, chunk);
    if (s != FG_OK)
        return fgi_fail(s, "reader: next failed at row %lld with status %d (%s)",
                        (long long)src->position, s, fg_status_text(s));
    FG_TRY(check_chunk(src, want, chunk));
    if (chunk->rows > 0) return FG_OK;
    rows->ended = true;
    return check_end(src);
}

static void reader_close(fg_source *src)
{
    const reader_rows *rows = src->self;
    if (rows->reader.close) rows->reader.close(rows->reader.user);
}

static const fgi_source_ops reader_ops = {
    .rewind = reader_rewind, .next = reader_next, .close = reader_close};

fg_status fgi_source_reader(const fg_reader *reader, fg_source **out)
{
    if (!reader->rewind || !reader->next)
        return fgi_fail(FG_ARGUMENT, "reader: %s is NULL", reader->rewind ? "next" : "rewind");
    if (reader->rows < -1 || reader->rows == 0)
        return fgi_fail(FG_ARGUMENT,
                        "reader: rows is %lld; it must be at least 1, or -1 for unknown",
                        (long long)reader->rows);
    if (reader->cols < 1)
        return fgi_fail(FG_ARGUMENT, "reader: cols is %d; it must be at least 1", reader->cols);
    if (fg_dtype_bytes((fg_dtype)reader->dtype) == 0)
        return fgi_fail(FG_ARGUMENT, "reader: dtype is %d, which is no element type",
                        reader->dtype);
    fg_source *src;
    FG_TRY(fgi_source_new("reader", sizeof(reader_rows), &src));
    *(reader_rows *)src->self = (reader_rows){.reader = *reader};
    src->rows = reader->rows;
    src->cols = reader->cols;
    src->dtype = (fg_dtype)reader->dtype;
    src->ops = &reader_ops;
    *out = src;
    return FG_OK;
}
