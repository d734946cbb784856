/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_dense.c - the dense strategy: every score of a piece of rows lies in memory for a moment. Any shape, any request, any
 * chip. Knows the launchers of cuda_pass.h; knows no source.
 *
 * A piece is as many rows as keep their scores in the L2 cache of a large chip; its size follows from the model's shape
 * alone, and a chunk is a whole number of pieces: so sums have one order. */
#include "cuda_model.h"
#include "cuda_transfer.h"

enum {
    SCORES_BYTES = 16 << 20, /* of a piece */
    ROWS_BYTES = 4 << 20,    /* of its rows in f32 */
    CHUNK_BYTES = 16 << 20,  /* of a chunk's rows as stored, unless one piece is more */
    MOST_ROWS = 65536,
    MOST_CHUNK_ROWS = 4 * MOST_ROWS
};

typedef struct dense_worker {
    fgi_cuda_worker base;
    fgi_cuda_task task;
    int32_t piece_rows;
    int64_t pitch_bytes;
    /* in the workspace */
    fgi_cuda_model model;
    float *x, *norm2, *scores;
    fgi_cuda_row_told *told;
    fgi_cuda_crowd crowd;
    fgi_cuda_sums sums;
    fgi_cuda_answers answers; /* of a chunk, like told */
    void *cleared;            /* the model and the parts: zero before a pass */
    size_t cleared_bytes;
    const fgi_cuda_slot *slot; /* of the pass at work */
} dense_worker;

/* ----------------------------------------------------------------------------------------- shapes */

int32_t fgi_cuda_dense_piece(const fgi_cuda_task *task)
{
    const int64_t lanes = fgi_cuda_padded(task->k, FGI_CUDA_TILE),
                  ld = fgi_cuda_padded(task->d, FGI_CUDA_DEPTH);
    const int64_t item = (int64_t)sizeof(float);
    int64_t rows = MOST_ROWS;
    if (rows * lanes * item > SCORES_BYTES) rows = SCORES_BYTES / (lanes * item);
    if (rows * ld * item > ROWS_BYTES) rows = ROWS_BYTES / (ld * item);
    return rows < FGI_CUDA_TILE ? FGI_CUDA_TILE : (int32_t)(rows / FGI_CUDA_TILE * FGI_CUDA_TILE);
}

static bool dense_serves(const fgi_cuda_task *task)
{
    (void)task;
    return true;
}

static int64_t dense_chunk_rows(const fgi_cuda_task *task)
{
    const int64_t piece = fgi_cuda_dense_piece(task);
    int64_t rows = CHUNK_BYTES / fgi_cuda_pitch_bytes(task->dtype, task->d);
    if (rows > MOST_CHUNK_ROWS) rows = MOST_CHUNK_ROWS;
    return rows > piece ? rows / piece * piece : piece;
}

static fg_status dense_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    dense_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_dense;
    *out = &w->base;
    return FG_OK;
}

static void dense_destroy(fgi_cuda_worker *worker)
{
    fgi_free(worker);
}

/* ------------------------------------------------------------------------------------------ layout */

static void dense_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    dense_worker *w = (dense_worker *)worker;
    w->task = *task;
    w->piece_rows = fgi_cuda_dense_piece(task);
    w->pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    w->sums = (fgi_cuda_sums){0};
    const size_t before = c->used;
    w->cleared = fgi_cuda_carve(c, 0, 1);
    fgi_cuda_carve_model(c, task, &w->model);
    if (task->stats) {
        w->sums = fgi_cuda_sums_shape((int32_t)task->stats_kind, task->k, task->d, w->piece_rows);
        w->sums.parts = fgi_cuda_carve(c, w->sums.segments * w->sums.part_doubles, sizeof(double));
    }
    w->cleared_bytes = c->used - before;
}

static void dense_carve_chunk(fgi_cuda_worker *worker, fgi_cuda_carver *c)
{
    dense_worker *w = (dense_worker *)worker;
    const fgi_cuda_task *task = &w->task;
    const int64_t rows = w->piece_rows, chunk = dense_chunk_rows(task);
    w->x = fgi_cuda_carve(c, rows * w->model.ld, sizeof(float));
    w->norm2 = fgi_cuda_carve(c, rows, sizeof(float));
    w->scores = fgi_cuda_carve(c, rows * w->model.lanes, sizeof(float));
    w->told = fgi_cuda_carve(c, chunk, sizeof *w->told);
    w->crowd.count = fgi_cuda_carve(c, 1, sizeof *w->crowd.count);
    w->crowd.rows = fgi_cuda_carve(c, rows, sizeof *w->crowd.rows);
    w->crowd.references = fgi_cuda_carve(c, rows, sizeof *w->crowd.references);
    fgi_cuda_carve_answers(c, &task->rows, chunk, &w->answers);
}

/* -------------------------------------------------------------------------------------------- pass */

static cudaError_t dense_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                               cudaStream_t stream)
{
    dense_worker *w = (dense_worker *)worker;
    w->slot = slot;
    w->model.center = slot->params.center;
    const cudaError_t e = cudaMemsetAsync(w->cleared, 0, w->cleared_bytes, stream);
    return e == cudaSuccess ? fgi_cuda_plan(&slot->params, &w->model, stream) : e;
}

/* at: the piece's first row in the chunk */
static cudaError_t absorb_piece(dense_worker *w, const fgi_cuda_rows *rows, int64_t at,
                                int64_t first, cudaStream_t s)
{
    const fgi_row_request *want = &w->task.rows;
    const fgi_cuda_refine_args refine = {
        .model = w->model,
        .rows = *rows,
        .scores = w->scores,
        .cut = fgi_cuda_cut(w->model.k),
        .keep = w->task.stats,
        .top = want->top,
        .exact_rank = want->exact_rank,
        .tau = want->tau,
        .components = w->answers.components + at * want->top,
        .values = w->answers.values + at * want->top,
        .told = w->told + at,
        .densities = w->answers.densities ? w->answers.densities + at : NULL,
        .crowd = w->crowd,
    };
    cudaError_t e = fgi_cuda_load(&w->model, rows, s);
    if (e == cudaSuccess) e = fgi_cuda_scores(&w->model, rows, w->scores, s);
    if (e == cudaSuccess) e = fgi_cuda_refine(&refine, s);
    if (e != cudaSuccess || !w->task.stats) return e;
    e = fgi_cuda_gather(&w->model, rows, w->scores, &w->sums, s);
    if (e == cudaSuccess) e = fgi_cuda_tally(refine.told, rows, first, w->slot->totals, s);
    return e;
}

static cudaError_t dense_absorb(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                                cudaStream_t stream)
{
    dense_worker *w = (dense_worker *)worker;
    cudaError_t e = cudaSuccess;
    for (int32_t at = 0; at < chunk->rows && e == cudaSuccess; at += w->piece_rows) {
        const int32_t left = chunk->rows - at;
        const fgi_cuda_rows rows = {
            .raw = (const char *)chunk->raw + at * w->pitch_bytes,
            .pitch_bytes = w->pitch_bytes,
            .dtype = (int32_t)w->task.dtype,
            .rows = left < w->piece_rows ? left : w->piece_rows,
            .x = w->x,
            .norm2 = w->norm2,
            .count = chunk->count,
            .at = at,
            .numbers = chunk->numbers ? chunk->numbers + at : NULL,
        };
        e = absorb_piece(w, &rows, at, chunk->first + at, stream);
    }
    return e;
}

static cudaError_t dense_finish(fgi_cuda_worker *worker, cudaStream_t stream)
{
    const dense_worker *w = (const dense_worker *)worker;
    return w->task.stats ? fgi_cuda_merge(&w->sums, w->slot->stats, stream) : cudaSuccess;
}

static fgi_cuda_answers dense_answers(const fgi_cuda_worker *worker)
{
    return ((const dense_worker *)worker)->answers;
}

const fgi_cuda_strategy fgi_cuda_dense = {
    .name = "dense",
    .serves = dense_serves,
    .chunk_rows = dense_chunk_rows,
    .create = dense_create,
    .destroy = dense_destroy,
    .carve = dense_carve,
    .carve_chunk = dense_carve_chunk,
    .begin = dense_begin,
    .absorb = dense_absorb,
    .finish = dense_finish,
    .answers = dense_answers,
};
