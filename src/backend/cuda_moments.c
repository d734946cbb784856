/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_moments.c - the strategy for a single component: a first look at the rows is as fast as they arrive. Statistics alone,
 * any chip. Knows the launchers of cuda_moments.h; knows no source. */
#include "cuda_moments.h"
#include "cuda_model.h"
#include "cuda_transfer.h"

enum { ROWS_BYTES = 16 << 20 /* of a chunk's rows in f32 */, MOST_ROWS = 65536 };

typedef struct moments_worker {
    fgi_cuda_worker base;
    fgi_cuda_model model; /* as far as loading rows needs it */
    fgi_cuda_moments_args args;
    const fgi_cuda_slot *slot;
} moments_worker;

static bool moments_serves(const fgi_cuda_task *task)
{
    return task->stats && !fgi_asks_rows(&task->rows) && task->k == 1;
}

static int64_t moments_chunk_rows(const fgi_cuda_task *task)
{
    const int64_t ld = fgi_cuda_padded(task->d, FGI_CUDA_DEPTH);
    const int64_t fit = ROWS_BYTES / (ld * (int64_t)sizeof(float));
    return fit > MOST_ROWS ? MOST_ROWS : fgi_cuda_padded(fit, FGI_CUDA_MOMENTS_ROWS);
}

/* Rows that there is room for: segments without any would add their zeros, one after the other. */
static int64_t room_rows(const fgi_cuda_task *task)
{
    const int64_t most = moments_chunk_rows(task);
    if (task->source_rows == 0 || task->source_rows >= most) return most;
    return fgi_cuda_padded(task->source_rows, FGI_CUDA_MOMENTS_ROWS);
}

static fg_status moments_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    moments_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_one_component;
    *out = &w->base;
    return FG_OK;
}

static void moments_destroy(fgi_cuda_worker *worker)
{
    fgi_free(worker);
}

static void moments_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    moments_worker *w = (moments_worker *)worker;
    fgi_cuda_moments_args *a = &w->args;
    const int64_t rows = room_rows(task);
    a->kind = (int32_t)task->kind;
    a->d = task->d;
    a->ld = (int32_t)fgi_cuda_padded(task->d, FGI_CUDA_DEPTH);
    a->each = task->stats_kind == FGI_DIAGONAL;
    a->segments = (int32_t)((rows + FGI_CUDA_MOMENTS_ROWS - 1) / FGI_CUDA_MOMENTS_ROWS);
    a->shift = fgi_cuda_carve(c, (int64_t)a->segments * a->d, sizeof(double));
    a->square = fgi_cuda_carve(c, (int64_t)a->segments * a->d, sizeof(double));
    a->totals = fgi_cuda_carve(c, a->segments, sizeof *a->totals);
    a->rows.pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    a->rows.dtype = (int32_t)task->dtype;
    a->rows.x = fgi_cuda_carve(c, rows * a->ld, sizeof(float));
    a->rows.norm2 = fgi_cuda_carve(c, rows, sizeof(float));
    w->model.d = a->d;
    w->model.ld = a->ld;
    w->model.normalize = task->normalize;
}

static cudaError_t moments_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                                 cudaStream_t stream)
{
    moments_worker *w = (moments_worker *)worker;
    (void)stream;
    w->slot = slot;
    w->args.params = slot->params;
    w->args.add = false;
    w->model.center = slot->params.center;
    return cudaSuccess;
}

static cudaError_t moments_absorb(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                                  cudaStream_t stream)
{
    moments_worker *w = (moments_worker *)worker;
    w->args.first = chunk->first;
    w->args.rows.raw = chunk->raw;
    w->args.rows.rows = chunk->rows;
    cudaError_t e = fgi_cuda_load(&w->model, &w->args.rows, stream);
    if (e == cudaSuccess) e = fgi_cuda_moments(&w->args, stream);
    w->args.add = true;
    return e;
}

static cudaError_t moments_finish(fgi_cuda_worker *worker, cudaStream_t stream)
{
    const moments_worker *w = (const moments_worker *)worker;
    return fgi_cuda_moments_merge(&w->args, w->slot->stats, w->slot->totals, stream);
}

const fgi_cuda_strategy fgi_cuda_one_component = {
    .name = "moments",
    .serves = moments_serves,
    .chunk_rows = moments_chunk_rows,
    .create = moments_create,
    .destroy = moments_destroy,
    .carve = moments_carve,
    .begin = moments_begin,
    .absorb = moments_absorb,
    .finish = moments_finish,
};
