/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_small.c - the strategy for models so small that a block of threads keeps all of one. Statistics alone, any chip.
 * Knows the launchers of cuda_small.h; knows no source. */
#include "cuda_model.h"
#include "cuda_small.h"
#include "cuda_transfer.h"
#include "cuda_update.h"

enum { CHUNK_ROWS = 65536 };

_Static_assert((int)FGI_CUDA_SMALL_K <= (int)FGI_CUDA_FEW, "an update can plan the next pass");

typedef struct small_worker {
    fgi_cuda_worker base;
    fgi_cuda_task task;
    int64_t pitch_bytes;
    fgi_cuda_small_args args;
    bool keeps; /* all rows are held, in one chunk: x is loaded once a task */
    bool loaded;
    bool planned; /* by the last update, for the next pass */
    const fgi_cuda_slot *slot;
} small_worker;

static bool small_serves(const fgi_cuda_task *task)
{
    return task->stats && !fgi_asks_rows(&task->rows) && task->k <= FGI_CUDA_SMALL_K &&
           task->d <= FGI_CUDA_SMALL_D;
}

static int64_t small_chunk_rows(const fgi_cuda_task *task)
{
    (void)task;
    return CHUNK_ROWS;
}

static fg_status small_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    small_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_small_models;
    *out = &w->base;
    return FG_OK;
}

static void small_destroy(fgi_cuda_worker *worker)
{
    fgi_free(worker);
}

static void small_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    small_worker *w = (small_worker *)worker;
    fgi_cuda_small_args *a = &w->args;
    const bool few = task->held_rows > 0 && task->held_rows < CHUNK_ROWS;
    const int64_t rows = fgi_cuda_padded(few ? task->held_rows : CHUNK_ROWS, FGI_CUDA_TILE);
    w->task = *task;
    w->pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    w->keeps = task->held_rows > 0 && task->held_rows <= CHUNK_ROWS;
    w->loaded = w->planned = false;
    fgi_cuda_carve_values(c, task, &a->model);
    a->each = task->stats_kind == FGI_DIAGONAL;
    a->cut = (float)fgi_cuda_cut(task->k);
    a->part_doubles = fgi_stats_doubles(task->stats_kind, task->k, task->d);
    a->parts = fgi_cuda_carve(c, FGI_CUDA_SMALL_PARTS * a->part_doubles, sizeof(double));
    a->totals = fgi_cuda_carve(c, FGI_CUDA_SMALL_PARTS, sizeof *a->totals);
    a->rows.x = fgi_cuda_carve(c, rows * a->model.ld, sizeof(float));
    a->rows.norm2 = fgi_cuda_carve(c, rows, sizeof(float));
}

static cudaError_t small_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                               cudaStream_t stream)
{
    small_worker *w = (small_worker *)worker;
    w->slot = slot;
    w->args.add = false;
    w->args.model.center = slot->params.center;
    const bool planned = w->planned;
    w->planned = false;
    return planned ? cudaSuccess : fgi_cuda_plan(&slot->params, &w->args.model, stream);
}

static cudaError_t small_absorb(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                                cudaStream_t stream)
{
    small_worker *w = (small_worker *)worker;
    fgi_cuda_small_args *a = &w->args;
    a->first = chunk->first;
    a->rows.raw = chunk->raw;
    a->rows.pitch_bytes = w->pitch_bytes;
    a->rows.dtype = (int32_t)w->task.dtype;
    a->rows.rows = chunk->rows;
    cudaError_t e = cudaSuccess;
    if (!w->loaded) e = fgi_cuda_load(&a->model, &a->rows, stream);
    w->loaded = w->keeps;
    if (e == cudaSuccess) e = fgi_cuda_small(a, stream);
    a->add = true;
    return e;
}

static cudaError_t small_finish(fgi_cuda_worker *worker, cudaStream_t stream)
{
    const small_worker *w = (const small_worker *)worker;
    return fgi_cuda_small_merge(&w->args, w->slot->stats, w->slot->totals, stream);
}

static const fgi_cuda_model *small_leave_plan(fgi_cuda_worker *worker)
{
    small_worker *w = (small_worker *)worker;
    w->planned = w->task.kind != FGI_HARD; /* centroids may be revived after their update */
    return w->planned ? &w->args.model : NULL;
}

const fgi_cuda_strategy fgi_cuda_small_models = {
    .name = "small",
    .sets = true,
    .serves = small_serves,
    .chunk_rows = small_chunk_rows,
    .create = small_create,
    .destroy = small_destroy,
    .carve = small_carve,
    .begin = small_begin,
    .absorb = small_absorb,
    .finish = small_finish,
    .leave_plan = small_leave_plan,
};
