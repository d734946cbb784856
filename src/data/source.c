/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - what can be done with any source: chunks of a fixed size, counting, sampling, copying.
 * Knows the two ways to get at rows; knows no format. */
#include "source.h"

#include "random.h"

#include <string.h> /* memcpy, strlen */

enum { PIECE_ROWS = 4096 /* asked of a stream where no one else sets a size */ };

static size_t row_bytes(const fg_source *src)
{
    return (size_t)src->cols * fg_dtype_bytes(src->dtype);
}

/* Packs the rows of a view behind each other. */
static void pack_rows(const fg_view *view, void *to)
{
    const size_t bytes = (size_t)view->cols * fg_dtype_bytes((fg_dtype)view->dtype);
    for (int64_t r = 0; r < view->rows; r++)
        memcpy((char *)to + (size_t)r * bytes, fgi_view_rows(view, r, 1).data, bytes);
}

fg_status fgi_source_new(const char *name, size_t self_bytes, fg_source **out)
{
    fg_source *src;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *src, &src));
    const size_t name_bytes = strlen(name) + 1;
    fg_status s = fgi_alloc_zero(NULL, 1, self_bytes, &src->self);
    if (s == FG_OK) s = fgi_alloc(NULL, (int64_t)name_bytes, 1, &src->name);
    if (s != FG_OK) {
        fgi_source_close(src);
        return s;
    }
    memcpy(src->name, name, name_bytes);
    *out = src;
    return FG_OK;
}

void fgi_source_close(fg_source *src)
{
    if (!src) return;
    if (src->ops) src->ops->close(src);
    fgi_free(src->self);
    fgi_free(src->name);
    fgi_free(src);
}

fg_status fgi_source_rewind(fg_source *src)
{
    if (src->ops->rewind) FG_TRY(src->ops->rewind(src));
    src->position = 0;
    return FG_OK;
}

fg_status fgi_source_next(fg_source *src, int64_t want, fg_view *chunk)
{
    *chunk = (fg_view){.cols = src->cols, .dtype = (int16_t)src->dtype};
    if (!src->ops->at) {
        FG_TRY(src->ops->next(src, want, chunk));
    } else if (src->position < src->rows) {
        const int64_t left = src->rows - src->position;
        FG_TRY(src->ops->at(src, src->position, want < left ? want : left, chunk));
    }
    src->position += chunk->rows;
    return FG_OK;
}

fg_status fgi_chunks_begin(fgi_chunks *chunks, fgi_ledger *ledger, fg_source *src,
                           int64_t chunk_rows)
{
    FGI_ASSERT(chunk_rows > 0);
    *chunks = (fgi_chunks){.src = src, .ledger = ledger, .chunk_rows = chunk_rows};
    return fgi_source_rewind(src);
}

/* Replaces a short piece by a whole chunk in the buffer, or by all that is left. */
static fg_status gather(fgi_chunks *chunks, fg_view *piece)
{
    const size_t bytes = row_bytes(chunks->src);
    if (!chunks->buffer)
        FG_TRY(fgi_alloc(chunks->ledger, chunks->chunk_rows, bytes, &chunks->buffer));
    int64_t filled = 0;
    while (piece->rows > 0) {
        pack_rows(piece, (char *)chunks->buffer + (size_t)filled * bytes);
        filled += piece->rows;
        if (filled == chunks->chunk_rows) break;
        FG_TRY(fgi_source_next(chunks->src, chunks->chunk_rows - filled, piece));
    }
    piece->data = chunks->buffer;
    piece->rows = filled;
    piece->row_stride = piece->cols;
    return FG_OK;
}

fg_status fgi_chunks_next(fgi_chunks *chunks, fg_view *chunk, int64_t *first)
{
    fg_source *src = chunks->src;
    fg_view piece;
    FG_TRY(fgi_source_next(src, chunks->chunk_rows, &piece));
    const bool whole = piece.rows == chunks->chunk_rows, last = src->position == src->rows;
    if (piece.rows > 0 && !whole && !last) FG_TRY(gather(chunks, &piece));
    *chunk = piece;
    *first = chunks->first;
    chunks->first += piece.rows;
    return FG_OK;
}

void fgi_chunks_end(fgi_chunks *chunks)
{
    fgi_free(chunks->buffer);
    *chunks = (fgi_chunks){0};
}

fg_status fgi_source_count(fg_source *src, int64_t *rows)
{
    if (src->rows < 0) {
        fg_view piece;
        FG_TRY(fgi_source_rewind(src));
        do FG_TRY(fgi_source_next(src, PIECE_ROWS, &piece));
        while (piece.rows > 0);
    }
    *rows = src->rows;
    return FG_OK;
}

/* Rows by number, in ascending order: a stream is read on until it holds the row. */
typedef struct cursor {
    fg_source *src;
    fg_view piece; /* the rows just before src->position: streams only */
} cursor;

static fg_status cursor_begin(cursor *c, fg_source *src)
{
    *c = (cursor){.src = src};
    return fgi_source_rewind(src);
}

/* *found: 1 .. want rows from `row`, or 0 if a stream ends before it. */
static fg_status cursor_get(cursor *c, int64_t row, int64_t want, fg_view *found)
{
    fg_source *src = c->src;
    if (src->ops->at) return src->ops->at(src, row, want, found);
    while (row >= src->position) {
        FG_TRY(fgi_source_next(src, PIECE_ROWS, &c->piece));
        if (c->piece.rows == 0) {
            *found = c->piece;
            return FG_OK;
        }
    }
    const int64_t left = src->position - row;
    *found = fgi_view_rows(&c->piece, c->piece.rows - left, want < left ? want : left);
    return FG_OK;
}

/* Selection sampling (Knuth, The Art of Computer Programming, 3.4.2, algorithm S): each row is
 * taken with probability needed / rows left, so the choice is uniform, ascending, and needs no
 * memory. */
typedef struct picker {
    uint64_t seed, stream;
    int64_t rows, row, needed;
} picker;

static int64_t pick_next(picker *p)
{
    while (fgi_random_below(p->seed, p->stream, (uint64_t)p->row, p->rows - p->row) >= p->needed)
        p->row++;
    p->needed--;
    return p->row++;
}

static fg_status copy_picked(fg_source *src, picker *p, char *to)
{
    cursor c;
    FG_TRY(cursor_begin(&c, src));
    const size_t bytes = row_bytes(src);
    for (; p->needed > 0; to += bytes) {
        fg_view found;
        FG_TRY(cursor_get(&c, pick_next(p), 1, &found));
        pack_rows(&found, to);
    }
    return FG_OK;
}

fg_status fgi_source_sample(fg_source *src, fgi_ledger *ledger, int64_t count, uint64_t seed,
                            uint64_t stream, fg_source **out)
{
    int64_t rows;
    FG_TRY(fgi_source_count(src, &rows));
    if (count > rows) count = rows;
    void *block;
    FG_TRY(fgi_alloc(ledger, count, row_bytes(src), &block));
    picker p = {.seed = seed, .stream = stream, .rows = rows, .needed = count};
    const fg_view view = {
        .data = block, .rows = count, .cols = src->cols, .dtype = (int16_t)src->dtype};
    fg_status s = copy_picked(src, &p, block);
    if (s == FG_OK) s = fgi_source_memory(&view, block, out);
    if (s != FG_OK) fgi_free(block);
    return s;
}

/* Rows of `from` to the rows of `out` from `at` on: bytes where the types agree, else f32. */
static void copy_rows(const fg_view *from, const fg_out *out, int64_t at)
{
    const size_t item_bytes = fg_dtype_bytes((fg_dtype)out->dtype);
    const int64_t stride = fgi_stride(out->row_stride, out->cols);
    for (int64_t r = 0; r < from->rows; r++) {
        if (from->dtype == out->dtype)
            memcpy((char *)out->data + (size_t)((at + r) * stride) * item_bytes,
                   fgi_view_rows(from, r, 1).data, (size_t)out->cols * item_bytes);
        else
            for (int32_t c = 0; c < out->cols; c++)
                fgi_out_set(out, at + r, c, fgi_view_get(from, r, c));
    }
}

fg_status fgi_source_read(fg_source *src, int64_t first, const fg_out *out)
{
    cursor c;
    FG_TRY(cursor_begin(&c, src));
    for (int64_t done = 0; done < out->rows;) {
        fg_view found = {0};
        if (src->rows < 0 || first <= src->rows - out->rows)
            FG_TRY(cursor_get(&c, first + done, out->rows - done, &found));
        if (found.rows == 0)
            return fgi_fail(FG_ARGUMENT, "%s: %lld rows from row %lld were asked for; it has %lld",
                            src->name, (long long)out->rows, (long long)first,
                            (long long)src->rows);
        copy_rows(&found, out, done);
        done += found.rows;
    }
    return FG_OK;
}
