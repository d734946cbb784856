/* SPDX-License-Identifier: Apache-2.0 */
/* source_memory.c - rows that lie in memory, borrowed or owned. Knows views; knows no file. */
#include "source.h"

typedef struct memory_rows {
    fg_view view;
    void *owned; /* NULL: borrowed */
} memory_rows;

static fg_status memory_at(fg_source *src, int64_t first, int64_t want, fg_view *chunk)
{
    const memory_rows *rows = src->self;
    *chunk = fgi_view_rows(&rows->view, first, want);
    return FG_OK;
}

static void memory_close(fg_source *src)
{
    const memory_rows *rows = src->self;
    fgi_free(rows->owned);
}

static const fgi_source_ops memory_ops = {.at = memory_at, .lies = true, .close = memory_close};

fg_status fgi_source_memory(const fg_view *rows, void *owned, fg_source **out)
{
    FG_TRY(fgi_view_check(rows, "rows"));
    fg_source *src;
    FG_TRY(fgi_source_new("memory", sizeof(memory_rows), &src));
    *(memory_rows *)src->self = (memory_rows){.view = *rows, .owned = owned};
    src->rows = rows->rows;
    src->cols = rows->cols;
    src->dtype = (fg_dtype)rows->dtype;
    src->ops = &memory_ops;
    *out = src;
    return FG_OK;
}
