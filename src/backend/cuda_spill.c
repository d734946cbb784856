/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_spill.c - rows left to the dense strategy. Knows it and the launcher that gathers them; knows no source. */
#include "cuda_spill.h"

#include "cuda_transfer.h"

enum {
    SPILL_BYTES = 4 << 20, /* of rows as stored, at most */
    WORD_ROWS = 32,        /* whose bits are one word */
    UNIT_ROWS = 128        /* whose bits are read at once */
};

fg_status fgi_cuda_spill_create(fgi_ledger *ledger, fgi_cuda_spill *out)
{
    *out = (fgi_cuda_spill){0};
    return fgi_cuda_dense.create(ledger, &out->dense);
}

void fgi_cuda_spill_destroy(fgi_cuda_spill *s)
{
    if (s->dense) fgi_cuda_dense.destroy(s->dense);
}

void fgi_cuda_spill_carve(fgi_cuda_spill *s, const fgi_cuda_task *task, int64_t most_rows,
                          fgi_cuda_carver *c)
{
    const int64_t pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    int64_t rows = fgi_cuda_dense.chunk_rows(task);
    if (rows > most_rows) rows = most_rows;
    if (rows > SPILL_BYTES / pitch_bytes) rows = SPILL_BYTES / pitch_bytes;
    rows = rows / UNIT_ROWS * UNIT_ROWS;
    fgi_sparse_spill *to = &s->rows;
    to->capacity = (int32_t)rows;
    to->pitch_bytes = pitch_bytes;
    to->raw = fgi_cuda_carve(c, to->capacity, (size_t)pitch_bytes);
    to->numbers = fgi_cuda_carve(c, to->capacity, sizeof *to->numbers);
    to->count = fgi_cuda_carve(c, 2, sizeof *to->count);
    to->from = fgi_cuda_carve(c, to->capacity, sizeof *to->from);
    s->told = fgi_cuda_carve(c, 1, sizeof *s->told);
    s->batch_rows = task->stats ? rows * task->left_one_in : INT64_MAX;
    fgi_cuda_dense.carve(s->dense, task, c);
}

void fgi_cuda_spill_carve_chunk(fgi_cuda_spill *s, fgi_cuda_carver over, fgi_cuda_carver *c)
{
    fgi_cuda_dense.carve_chunk(s->dense, &over);
    if (c->used < over.used) c->used = over.used;
}

static cudaError_t clear_count(fgi_cuda_spill *s, cudaStream_t stream)
{
    return cudaMemsetAsync(s->rows.count, 0, 2 * sizeof *s->rows.count, stream);
}

cudaError_t fgi_cuda_spill_begin(fgi_cuda_spill *s, const fgi_cuda_slot *slot, cudaStream_t stream)
{
    s->seen = 0;
    cudaError_t e = clear_count(s, stream);
    if (e == cudaSuccess) e = cudaMemsetAsync(s->told, 0, sizeof *s->told, stream);
    if (e == cudaSuccess) /* beyond all rows */
        e = cudaMemsetAsync(&s->told->first_bad_row, 0x7f, sizeof s->told->first_bad_row, stream);
    return e == cudaSuccess ? fgi_cuda_dense.begin(s->dense, slot, stream) : e;
}

static cudaError_t absorb(fgi_cuda_spill *s, cudaStream_t stream)
{
    const fgi_cuda_chunk spilled = {
        .raw = s->rows.raw,
        .rows = s->rows.capacity,
        .count = &s->rows.count[0],
        .numbers = s->rows.numbers,
    };
    return fgi_cuda_dense.absorb(s->dense, &spilled, stream);
}

/* Rows `at` to `end` of a chunk. */
static cudaError_t gather(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk, const uint32_t *left,
                          int32_t at, int32_t end, cudaStream_t stream)
{
    const fgi_sparse_close_args close = {
        .left = left + at / WORD_ROWS,
        .raw = (const char *)chunk->raw + at * s->rows.pitch_bytes,
        .first = chunk->first + at,
        .rows = end - at,
        .spill = s->rows,
        .told = s->told,
    };
    return fgi_sparse_close(&close, stream);
}

cudaError_t fgi_cuda_spill_take(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk,
                                const uint32_t *left, cudaStream_t stream)
{
    cudaError_t e = cudaSuccess;
    for (int32_t at = 0, end; at < chunk->rows && e == cudaSuccess; at = end) {
        const int64_t room = s->batch_rows - s->seen % s->batch_rows, rows = chunk->rows - at;
        end = at + (int32_t)(rows < room ? rows : room);
        e = gather(s, chunk, left, at, end, stream);
        s->seen += end - at;
        if (s->seen % s->batch_rows != 0) continue;
        if (e == cudaSuccess) e = absorb(s, stream);
        if (e == cudaSuccess) e = clear_count(s, stream);
    }
    return e;
}

const uint64_t *fgi_cuda_spill_lost(const fgi_cuda_spill *s)
{
    return &s->told->lost;
}

cudaError_t fgi_cuda_spill_answer(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk,
                                  const uint32_t *left, const fgi_cuda_answers *to,
                                  cudaStream_t stream)
{
    const fgi_cuda_answers from = fgi_cuda_dense.answers(s->dense);
    cudaError_t e = fgi_cuda_spill_take(s, chunk, left, stream);
    if (e == cudaSuccess) e = absorb(s, stream);
    if (e == cudaSuccess) e = fgi_sparse_rejoin(&s->rows, &from, to, stream);
    return e == cudaSuccess ? clear_count(s, stream) : e;
}

cudaError_t fgi_cuda_spill_end(fgi_cuda_spill *s, cudaStream_t stream)
{
    const cudaError_t e = absorb(s, stream);
    return e == cudaSuccess ? fgi_cuda_dense.finish(s->dense, stream) : e;
}
