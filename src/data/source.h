/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - rows that flow: from memory, a mapped file or a caller's reader, in chunks of a fixed size.
 * Knows formats by their open functions; knows no model. */
#ifndef FGI_SOURCE_H
#define FGI_SOURCE_H
#include "memory.h"

#include <stdbool.h> /* bool */

/* What a kind of source can do. Errors name the file and the place. */
typedef struct fgi_source_ops {
    fg_status (*rewind)(fg_source *src);
    /* Points *chunk at up to `want` rows from where the last call ended; 0 rows at the end. */
    fg_status (*next)(fg_source *src, int64_t want, fg_view *chunk);
    /* Points *chunk at up to `want` rows from `first`; NULL where only a stream can be had. */
    fg_status (*at)(fg_source *src, int64_t first, int64_t want, fg_view *chunk);
    void (*close)(fg_source *src);
} fgi_source_ops;

struct fg_source {
    const fgi_source_ops *ops;
    void *self;
    char *name;   /* the path, or NULL: for messages */
    int64_t rows; /* -1: not known yet; a complete pass sets it */
    int64_t position;
    int32_t cols;
    fg_dtype dtype;
};

/* Chunks of exactly chunk_rows rows (the last may be shorter), however the source hands out its own: rows
 * in memory and in files are passed through, a reader's short pieces are gathered in a buffer. So the cut of
 * a pass does not depend on the source. */
typedef struct fgi_chunks {
    fg_source *src;
    fgi_ledger *ledger;
    void *buffer;              /* chunk_rows rows, made when first needed */
    int64_t chunk_rows, first; /* first: the number of the next chunk's first row */
    fg_view pending;           /* what a reader handed out and no chunk holds yet */
} fgi_chunks;

fg_status fgi_chunks_begin(fgi_chunks *chunks, fgi_ledger *ledger, fg_source *src,
                           int64_t chunk_rows);
/* *chunk: the next rows, 0 of them at the end. *first: the number of its first row in the source. Checks that a source
 * keeps what it declared: type, columns, and the same number of rows in every pass (FG_IO otherwise). */
fg_status fgi_chunks_next(fgi_chunks *chunks, fg_view *chunk, int64_t *first);
void fgi_chunks_end(fgi_chunks *chunks);

/* Copies `count` distinct rows, chosen by seed and stream alone, in ascending order, into memory of their own: a memory
 * source over it. Makes a pass to count or fetch if the source is a stream. count >= rows: all rows. */
fg_status fgi_source_sample(fg_source *src, fgi_ledger *ledger, int64_t count, uint64_t seed,
                            uint64_t stream, fg_source **out);

/* The number of rows; makes a pass if it is not known. */
fg_status fgi_source_count(fg_source *src, int64_t *rows);

/* Checks a view or an output: data, rows, cols, stride, place, type. what: its name in messages. */
fg_status fgi_view_check(const fg_view *view, const char *what);
fg_status fgi_out_check(const fg_out *out, const char *what, int64_t rows, int32_t cols,
                        fg_dtype type_a, fg_dtype type_b);

/* The stride in elements: row_stride, or cols for 0. */
static inline int64_t fgi_stride(int64_t row_stride, int32_t cols)
{
    return row_stride ? row_stride : cols;
}

/* Element i of row r of a real-valued view (any dtype), as f64: for parameters, not for passes. */
double fgi_view_get(const fg_view *view, int64_t row, int32_t col);
/* Stores a value as out's type (f32, f64, i32, i64). */
void fgi_out_set(const fg_out *out, int64_t row, int32_t col, double value);
void fgi_out_set_integer(const fg_out *out, int64_t row, int32_t col, int64_t value);

#endif
