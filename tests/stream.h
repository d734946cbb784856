/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - rows in memory that a caller's functions hand out in pieces. Knows the public interface alone. */
#ifndef STREAM_H
#define STREAM_H
#include "scratch.h"

typedef struct row_stream {
    fg_view rows; /* without gaps */
    int64_t most; /* of a piece */
    int64_t at;   /* the next row */
} row_stream;

static inline fg_status stream_rewind(void *user)
{
    ((row_stream *)user)->at = 0;
    return FG_OK;
}

static inline fg_status stream_next(void *user, int64_t want, fg_view *chunk)
{
    row_stream *s = user;
    const size_t row_bytes = (size_t)s->rows.cols * fg_dtype_bytes((fg_dtype)s->rows.dtype);
    const int64_t left = s->rows.rows - s->at, most = want < s->most ? want : s->most;
    *chunk = s->rows;
    chunk->data = (const char *)s->rows.data + (size_t)s->at * row_bytes;
    chunk->rows = left < most ? left : most;
    s->at += chunk->rows;
    return FG_OK;
}

/* tells: how many there are; else a pass finds out. */
static inline fg_source *stream_source(row_stream *s, bool tells)
{
    const fg_reader reader = {.struct_size = sizeof reader,
                              .rows = tells ? s->rows.rows : -1,
                              .cols = s->rows.cols,
                              .dtype = s->rows.dtype,
                              .user = s,
                              .rewind = stream_rewind,
                              .next = stream_next};
    fg_source *src;
    expect_ok(fg_source_reader(&reader, &src));
    return src;
}

#endif
