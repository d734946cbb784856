/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - rows that flow: from memory, a mapped file or a caller's reader, in chunks of a fixed
 * size. Knows formats by their open functions; knows no model. */
#ifndef FGI_SOURCE_H
#define FGI_SOURCE_H
#include "memory.h"

#include <stdbool.h> /* bool */

/* What a kind of source can do: either `at`, or `rewind` and `next`. Errors name the source and the
 * place. */
typedef struct fgi_source_ops {
    /* Points *chunk at 1 .. want rows from `first`, where 1 <= want <= rows - first; valid until
     * the next call. */
    fg_status (*at)(fg_source *src, int64_t first, int64_t want, fg_view *chunk);
    fg_status (*rewind)(fg_source *src);
    /* Points *chunk at 1 .. want rows from src->position; 0 rows at the end, which then sets
     * src->rows. */
    fg_status (*next)(fg_source *src, int64_t want, fg_view *chunk);
    bool lies; /* in memory: `at` gives any number of rows at no cost */
    void (*close)(fg_source *src);
} fgi_source_ops;

struct fg_source {
    const fgi_source_ops *ops;
    void *self;   /* what the kind knows of it; released with the source, after close */
    char *name;   /* the path, "memory" or "reader": for messages */
    int64_t rows; /* -1: not known yet; a complete pass sets it */
    int64_t position;
    int32_t cols;
    fg_dtype dtype;
};

/* ---- making: what fg_source_memory, _file and _reader do once their arguments are known to be
 * there */

/* owned: a block that is released with the source; NULL: the rows are borrowed. */
fg_status fgi_source_memory(const fg_view *rows, void *owned, fg_source **out);
fg_status fgi_source_file(const char *path, const char *format, fg_source **out);
fg_status fgi_source_reader(const fg_reader *reader, fg_source **out);

/* For the kinds: a source with a zeroed self of so many bytes and a copy of the name. ops are to be
 * set last: a source without them is closed by releasing its memory alone. */
fg_status fgi_source_new(const char *name, size_t self_bytes, fg_source **out);
void fgi_source_close(fg_source *src); /* NULL is allowed */

/* ---- using */

/* Back to the first row. */
fg_status fgi_source_rewind(fg_source *src);
/* The next 1 .. want rows, 0 at the end; valid until the next call. */
fg_status fgi_source_next(fg_source *src, int64_t want, fg_view *chunk);

/* Chunks of exactly chunk_rows rows (the last may be shorter), however the source hands out its
 * own: rows in memory and in mapped files are passed through, short pieces are gathered in a
 * buffer. So the cut of a pass does not depend on the source. */
typedef struct fgi_chunks {
    fg_source *src;
    fgi_ledger *ledger;
    void *buffer;              /* chunk_rows rows, made when first needed */
    int64_t chunk_rows, first; /* first: the number of the next chunk's first row */
} fgi_chunks;

fg_status fgi_chunks_begin(fgi_chunks *chunks, fgi_ledger *ledger, fg_source *src,
                           int64_t chunk_rows);
/* *chunk: the next rows, 0 of them at the end. *first: the number of its first row in the source. A
 * source that does not keep what it declared (type, columns, the same number of rows in every pass)
 * fails with FG_IO. */
fg_status fgi_chunks_next(fgi_chunks *chunks, fg_view *chunk, int64_t *first);
void fgi_chunks_end(fgi_chunks *chunks); /* also after a failed begin */

/* Rows by number, in ascending order: a stream is read on until it holds the row. */
typedef struct fgi_cursor {
    fg_source *src;
    fg_view piece; /* the rows just before src->position: streams only */
} fgi_cursor;

/* Distinct rows, chosen by seed and stream alone, in ascending order. */
typedef struct fgi_picks {
    fgi_cursor cursor;
    uint64_t seed, stream;
    int64_t count;       /* all that will come */
    int64_t row, needed; /* the next one to decide on; so many are still to be found */
    int64_t found[2048];
    int32_t count_found, told;
} fgi_picks;

/* Some of the rows of a view. */
typedef struct fgi_picked {
    fg_view rows;
    const int64_t *index; /* count, ascending */
    int32_t count;
} fgi_picked;

/* count >= rows: all rows. Makes a pass to count if the source is a stream, which nobody else may read until the last pick. */
fg_status fgi_picks_begin(fgi_picks *picks, fg_source *src, int64_t count, uint64_t seed,
                          uint64_t stream);
/* *picked: the next ones, 0 of them at the end; valid until the next call. */
fg_status fgi_picks_next(fgi_picks *picks, fgi_picked *picked);
/* The i-th of them, and those after it, but no more than `most`, that are its neighbours in the view. */
fg_view fgi_picked_rows(const fgi_picked *picked, int64_t i, int64_t most);

/* Copies such rows into memory of their own: a memory source over it. */
fg_status fgi_source_sample(fg_source *src, fgi_ledger *ledger, int64_t count, uint64_t seed,
                            uint64_t stream, fg_source **out);

/* The number of rows, at least 1; makes a pass if it is not known. */
fg_status fgi_source_count(fg_source *src, int64_t *rows);

/* Copies rows first .. first + out->rows - 1, converted to out->dtype, which is src->dtype or f32.
 * The output has been checked; FG_ARGUMENT for rows outside the source. */
fg_status fgi_source_read(fg_source *src, int64_t first, const fg_out *out);

/* ---- views */

/* Checks a view or an output: data, rows, cols, stride, place, type. what: its name in messages. */
fg_status fgi_view_check(const fg_view *view, const char *what);
/* The same, and room for `rows` rows of exactly `cols` columns of one of the two types. */
fg_status fgi_out_check(const fg_out *out, const char *what, int64_t rows, int32_t cols,
                        fg_dtype type_a, fg_dtype type_b);

/* Rows first .. first + rows - 1 of a view. */
fg_view fgi_view_rows(const fg_view *view, int64_t first, int64_t rows);

/* The stride in elements: row_stride, or cols for 0. */
static inline int64_t fgi_stride(int64_t row_stride, int32_t cols)
{
    return row_stride ? row_stride : cols;
}

/* One element (of any dtype) as f64: for parameters, not for passes. */
double fgi_view_get(const fg_view *view, int64_t row, int32_t col);
/* Stores a value as out's type (f32, f64, i32, i64). */
void fgi_out_set(const fg_out *out, int64_t row, int32_t col, double value);
void fgi_out_set_integer(const fg_out *out, int64_t row, int32_t col, int64_t value);

#endif
