/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - rows of files: as blocks of a bounded size, or a small matrix at once. Knows no command. */
#include "rows.h"

#include <stdlib.h> /* free */

/* enough rows to feed every core, little enough to forget about */
enum { BLOCK_BYTES = 32 << 20, MOST_BLOCK_ROWS = 1 << 16 };

fg_status rows_open(const char *path, const char *format, fg_source **out, fg_source_info *info)
{
    fg_source *source = NULL;
    fg_status status = fg_source_file(path, format, &source);
    *info = (fg_source_info){.struct_size = sizeof *info};
    if (status == FG_OK) status = fg_source_get_info(source, info);
    if (status == FG_OK)
        *out = source;
    else
        fg_source_destroy(source);
    return status;
}

fg_status rows_alloc(session *s, int64_t rows, int32_t cols, fg_dtype dtype, fg_out *out)
{
    *out = (fg_out){.rows = rows, .cols = cols, .dtype = (int16_t)dtype};
    return session_alloc(s, rows, (size_t)cols * fg_dtype_bytes(dtype), &out->data);
}

fg_view rows_written(const fg_out *out, int64_t rows)
{
    return (fg_view){.data = out->data, .rows = rows, .cols = out->cols, .dtype = out->dtype};
}

fg_status rows_load(session *s, const char *path, const char *format, fg_view *out)
{
    fg_source *source = NULL;
    fg_source_info info;
    fg_out memory = {0};
    fg_status status = rows_open(path, format, &source, &info);
    if (status == FG_OK)
        status = rows_alloc(s, info.rows, info.cols, (fg_dtype)info.dtype, &memory);
    if (status == FG_OK) status = fg_source_read(source, 0, &memory);
    if (status == FG_OK)
        *out = rows_written(&memory, memory.rows);
    else
        free(memory.data);
    fg_source_destroy(source);
    return status;
}

void rows_free(fg_view *rows)
{
    free((void *)rows->data);
    rows->data = NULL;
}

fg_status blocks_open(session *s, fg_source *data, const char *phase, int64_t result_bytes,
                      blocks *out)
{
    fg_source_info info = {.struct_size = sizeof info};
    *out = (blocks){.session = s, .data = data, .phase = phase};
    fg_status status = fg_source_get_info(data, &info);
    if (status != FG_OK) return status;
    int64_t row_bytes = info.cols * (int64_t)fg_dtype_bytes((fg_dtype)info.dtype);
    int64_t rows = BLOCK_BYTES / (row_bytes + result_bytes);
    out->total = info.rows;
    out->capacity = rows < 1 ? 1 : rows > MOST_BLOCK_ROWS ? MOST_BLOCK_ROWS : rows;
    if (out->capacity > out->total) out->capacity = out->total;
    return rows_alloc(s, out->capacity, info.cols, (fg_dtype)info.dtype, &out->memory);
}

fg_status blocks_next(blocks *b)
{
    fg_source_destroy(b->source);
    b->source = NULL;
    b->first += b->rows;
    int64_t left = b->total - b->first;
    b->rows = left < b->capacity ? left : b->capacity;
    fg_status status = session_progress(b->session, b->phase, b->first, b->total);
    if (status != FG_OK || b->rows == 0) return status;
    b->memory.rows = b->rows;
    status = fg_source_read(b->data, b->first, &b->memory);
    b->view = rows_written(&b->memory, b->rows);
    return status == FG_OK ? fg_source_memory(&b->view, &b->source) : status;
}

void blocks_close(blocks *b)
{
    fg_source_destroy(b->source);
    free(b->memory.data);
}

fg_status blocks_blame(blocks *b, fg_status status)
{
    if (status != FG_NUMERIC || b->first == 0) return status;
    return session_fail(b->session, status, "counting rows from row %lld of the file on: %s",
                        (long long)b->first, fg_last_error());
}
