/* SPDX-License-Identifier: Apache-2.0 */
/* source_mapped.c - rows of a mapped file, handed out where they lie if they are aligned there. Knows
 * layouts; knows no format. */
#include "format.h"

#include <string.h> /* memcpy */

enum { COPY_BYTES = 1 << 16 /* of rows that are not aligned; one row at least */ };

typedef struct mapped_rows {
    fgi_map map;
    fgi_layout layout;
    void *copy; /* NULL: the rows are aligned */
    int64_t copy_rows;
    int64_t checked; /* rows, from the first on, whose prefixes are right */
} mapped_rows;

/* The i32 before each row must repeat the dimension of the first. Rows that come in order are checked once: one thread
 * does this, and later passes would wait for it. */
static fg_status check_prefixes(fg_source *src, int64_t first, int64_t rows)
{
    mapped_rows *self = src->self;
    const fgi_layout *layout = &self->layout;
    const int64_t row_bytes = layout->stride * (int64_t)fg_dtype_bytes(layout->dtype);
    const int64_t end = first + rows, begin = first < self->checked ? self->checked : first;
    for (int64_t r = begin; r < end; r++) {
        const int64_t offset = layout->offset + r * row_bytes - (int64_t)sizeof(int32_t);
        int32_t cols;
        memcpy(&cols, self->map.data + offset, sizeof cols);
        if (cols != layout->cols)
            return fgi_fail(FG_FORMAT,
                            "%s: offset %lld: the dimension of row %lld is %d; it must be %d, as "
                            "that of row 0",
                            src->name, (long long)offset, (long long)r, cols, layout->cols);
    }
    if (first <= self->checked && end > self->checked) self->checked = end;
    return FG_OK;
}

static fg_status mapped_at(fg_source *src, int64_t first, int64_t want, fg_view *chunk)
{
    const mapped_rows *self = src->self;
    const fgi_layout *layout = &self->layout;
    if (layout->prefixed) FG_TRY(check_prefixes(src, first, want));
    const fg_view all = {.data = self->map.data + layout->offset,
                         .rows = layout->rows,
                         .row_stride = layout->stride,
                         .cols = layout->cols,
                         .dtype = (int16_t)layout->dtype};
    *chunk = fgi_view_rows(&all, first, want);
    return FG_OK;
}

static fg_status copied_at(fg_source *src, int64_t first, int64_t want, fg_view *chunk)
{
    const mapped_rows *self = src->self;
    FG_TRY(mapped_at(src, first, want < self->copy_rows ? want : self->copy_rows, chunk));
    const int64_t row_bytes = chunk->row_stride * (int64_t)fg_dtype_bytes(self->layout.dtype);
    memcpy(self->copy, chunk->data, (size_t)(chunk->rows * row_bytes));
    chunk->data = self->copy;
    return FG_OK;
}

static void mapped_close(fg_source *src)
{
    mapped_rows *self = src->self;
    fgi_map_close(&self->map);
    fgi_free(self->copy);
}

static const fgi_source_ops mapped_ops = {.at = mapped_at, .lies = true, .close = mapped_close};
static const fgi_source_ops prefixed_ops = {.at = mapped_at, .close = mapped_close};
static const fgi_source_ops copied_ops = {.at = copied_at, .close = mapped_close};

/* Room for copies, if they are needed. */
static fg_status make_copies(mapped_rows *self)
{
    const fgi_layout *layout = &self->layout;
    const int64_t item_bytes = (int64_t)fg_dtype_bytes(layout->dtype);
    if (layout->offset % item_bytes == 0) return FG_OK;
    const int64_t row_bytes = layout->stride * item_bytes;
    self->copy_rows = row_bytes < COPY_BYTES ? COPY_BYTES / row_bytes : 1;
    return fgi_alloc(NULL, self->copy_rows, (size_t)row_bytes, &self->copy);
}

fg_status fgi_source_mapped(const char *path, fgi_map *map, const fgi_layout *layout,
                            fg_source **out)
{
    fg_source *src = NULL;
    fg_status s = fgi_source_new(path, sizeof(mapped_rows), &src);
    mapped_rows *self = src ? src->self : NULL;
    if (self) self->layout = *layout;
    if (s == FG_OK) s = make_copies(self);
    if (s != FG_OK) {
        fgi_source_close(src); /* without its ops: gives back memory alone */
        fgi_map_close(map);
        return s;
    }
    self->map = *map;
    src->rows = layout->rows;
    src->cols = layout->cols;
    src->dtype = layout->dtype;
    src->ops = self->copy ? &copied_ops : layout->prefixed ? &prefixed_ops : &mapped_ops;
    *out = src;
    return FG_OK;
}

fg_status fgi_source_parsed(const char *path, fg_dtype dtype, fgi_parse parse, fg_source **out)
{
    fgi_map map;
    FG_TRY(fgi_map_open(path, &map));
    fgi_layout layout = {0};
    const fg_status s = parse(path, &map, dtype, &layout);
    if (s != FG_OK) {
        fgi_map_close(&map);
        return s;
    }
    return fgi_source_mapped(path, &map, &layout, out);
}

fg_status fgi_layout_dense(const char *path, const fgi_map *map, int64_t shape_offset,
                           int64_t offset, fgi_layout *layout)
{
    const int64_t rows = layout->rows, item_bytes = (int64_t)fg_dtype_bytes(layout->dtype);
    const int64_t row_bytes = layout->cols * item_bytes, bytes = map->bytes - offset;
    if (rows < 1)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: the number of rows is %lld; it must be at least 1", path,
                        (long long)shape_offset, (long long)rows);
    if (bytes / row_bytes != rows || bytes % row_bytes != 0)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: the shape is %lld x %d, but from offset %lld on the file "
                        "has %lld bytes; it must have %lld for each row",
                        path, (long long)shape_offset, (long long)rows, layout->cols,
                        (long long)offset, (long long)bytes, (long long)row_bytes);
    if (offset % item_bytes != 0)
        return fgi_fail(FG_UNSUPPORTED,
                        "%s: the rows begin at offset %lld; it must be a multiple of %lld, the "
                        "size of %s",
                        path, (long long)offset, (long long)item_bytes,
                        fg_dtype_text(layout->dtype));
    layout->offset = offset;
    layout->stride = layout->cols;
    return FG_OK;
}
