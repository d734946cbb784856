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

static fg_status cursor_begin(fgi_cursor *c, fg_source *src)
{
    *c = (fgi_cursor){.src = src};
    return fgi_source_rewind(src);
}

/* *found: 1 .. want rows from `row`, or 0 if a stream ends before it. */
static fg_status cursor_get(fgi_cursor *c, int64_t row, int64_t want, fg_view *found)
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

fg_status fgi_picks_begin(fgi_picks *picks, fg_source *src, int64_t count, uint64_t seed,
                          uint64_t stream)
{
    int64_t rows;
    FG_TRY(fgi_source_count(src, &rows));
    if (count > rows) count = rows;
    *picks = (fgi_picks){.seed = seed, .stream = stream, .count = count, .needed = count};
    return cursor_begin(&picks->cursor, src);
}

/* Selection sampling (Knuth, The Art of Computer Programming, 3.4.2, algorithm S): each row is
 * taken with probability needed / rows left, so the choice is uniform, ascending, and needs no
 * memory. No branch depends on it: half of them would be foreseen wrongly. */
static void find_rows(fgi_picks *p)
{
    enum { MOST = sizeof p->found / sizeof *p->found };
    const int64_t rows = p->cursor.src->rows;
    int64_t row = p->row, needed = p->needed;
    int32_t found = 0;
    for (; found < MOST && needed > 0; row++) {
        const bool taken = fgi_random_below(p->seed, p->stream, (uint64_t)row, rows - row) < needed;
        p->found[found] = row;
        found += taken;
        needed -= taken;
    }
    p->row = row;
    p->needed = needed;
    p->count_found = found;
    p->told = 0;
}

/* index[0] and its neighbours among `count`. */
static int64_t neighbours(const int64_t *index, int64_t count)
{
    int64_t run = 1;
    while (run < count && index[run] == index[0] + run) run++;
    return run;
}

fg_status fgi_picks_next(fgi_picks *p, fgi_picked *picked)
{
    const fg_source *src = p->cursor.src;
    *picked = (fgi_picked){.rows = {.cols = src->cols, .dtype = (int16_t)src->dtype}};
    if (p->told == p->count_found) find_rows(p);
    if (p->told == p->count_found) return FG_OK;
    int64_t *index = p->found + p->told;
    const int64_t first = index[0], left = p->count_found - p->told;
    const bool all = !src->ops->at || src->ops->lies;
    const int64_t want = all ? index[left - 1] - first + 1 : neighbours(index, left);
    FG_TRY(cursor_get(&p->cursor, first, want, &picked->rows));
    if (picked->rows.rows == 0)
        return fgi_fail(FG_IO, "%s%sthe rows ended before row %lld, though there were %lld",
                        src->name ? src->name : "", src->name ? ": " : "", (long long)first,
                        (long long)src->rows);
    int32_t count = 0;
    while (count < left && index[count] - first < picked->rows.rows) index[count++] -= first;
    picked->index = index;
    picked->count = count;
    p->told += count;
    return FG_OK;
}

fg_view fgi_picked_rows(const fgi_picked *picked, int64_t i, int64_t most)
{
    const int64_t left = picked->count - i;
    return fgi_view_rows(&picked->rows, picked->index[i],
                         neighbours(picked->index + i, left < most ? left : most));
}

static fg_status copy_picks(fgi_picks *picks, char *to)
{
    for (;;) {
        fgi_picked picked;
        FG_TRY(fgi_picks_next(picks, &picked));
        if (picked.count == 0) return FG_OK;
        for (int64_t i = 0; i < picked.count;) {
            const fg_view rows = fgi_picked_rows(&picked, i, picked.count);
            pack_rows(&rows, to);
            to += (size_t)rows.rows * row_bytes(picks->cursor.src);
            i += rows.rows;
        }
    }
}

fg_status fgi_source_sample(fg_source *src, fgi_ledger *ledger, int64_t count, uint64_t seed,
                            uint64_t stream, fg_source **out)
{
    fgi_picks picks;
    FG_TRY(fgi_picks_begin(&picks, src, count, seed, stream));
    void *block;
    FG_TRY(fgi_alloc(ledger, picks.count, row_bytes(src), &block));
    const fg_view view = {
        .data = block, .rows = picks.count, .cols = src->cols, .dtype = (int16_t)src->dtype};
    fg_status s = copy_picks(&picks, block);
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
    fgi_cursor c;
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
