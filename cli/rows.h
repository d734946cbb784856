/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - rows of files: as blocks of a bounded size, or a small matrix at once. Knows sources; knows no command. */
#ifndef ROWS_H
#define ROWS_H
#include "session.h"

/* Opens a file of rows and tells what it holds. */
fg_status rows_open(const char *path, const char *format, fg_source **out, fg_source_info *info);

/* Reads a whole file, in its own type. The caller frees out->data (it is not const memory). */
fg_status rows_load(session *s, const char *path, const char *format, fg_view *out);
void rows_free(fg_view *rows);

/* A matrix to be written by the library: rows x cols. Freed with free(out->data). */
fg_status rows_alloc(session *s, int64_t rows, int32_t cols, fg_dtype dtype, fg_out *out);

/* The first `rows` rows of what was written, to be read. */
fg_view rows_written(const fg_out *out, int64_t rows);

/* Goes through a source in blocks, so that what a command holds does not grow with the file. */
typedef struct blocks {
    session *session;
    fg_source *data;
    const char *phase;   /* for the progress line */
    int64_t first, rows; /* the block at hand; rows 0: past the end */
    fg_view view;        /* its rows */
    fg_source *source;   /* the same as a source */
    int64_t total, capacity;
    fg_out memory;
} blocks;

/* result_bytes: what the caller keeps a row of a block. Close it whatever this gave. */
fg_status blocks_open(session *s, fg_source *data, const char *phase, int64_t result_bytes,
                      blocks *out);
fg_status blocks_next(blocks *b);
void blocks_close(blocks *b);

/* A failure that names a row (FG_NUMERIC) counts from the block's first: says so. */
fg_status blocks_blame(blocks *b, fg_status status);

#endif
