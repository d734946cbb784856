/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_soft.c - the soft strategy: statistics of mixtures many of whose components matter to a row, or what single rows have to tell
 * of them, by the same work for every row. Knows the launchers of cuda_soft.h, and where planes and left-over rows go; knows no source. */
#include "cuda_model.h"
#include "cuda_plane.h"
#include "cuda_spill.h"
#include "cuda_transfer.h"

#include "cuda_soft.h"

#include <math.h> /* exp2 */

enum {
    MOST_SPILLED = 16384,   /* rows at a time, */
    FEW_SPILLED = 4096,     /* and after each chunk */
    LEAST_COMPONENTS = 96,  /* below, most of a slice would be padding */
    MOST_COMPONENTS = 4096, /* beyond, a row's candidates are few of so many */
    PLANE_BYTES = 32 << 20, /* of a chunk's planes, at most, where rows pass by */
    ITEMS = 384, /* blocks x slices of a chunk: nearly three a multiprocessor of a large chip */
    LEAST_BLOCKS = 4,
    MOST_BLOCKS = 128,
    /* of deep rows */
    MOST_BLOCK_ROWS = 16384,  /* that tensor cores may sum on their own: docs/math.md */
    DEEP_ROWS = 65536,        /* of a chunk, at most */
    SHARES_BYTES = 128 << 20, /* of a chunk's shares, at most */
    DEEP_BYTES = 512 << 20,   /* of its planes, and of its rows as stored, at most */
    CLUSTERS = 66,            /* of a large chip */
    LEAST_BUSY = 90           /* per cent of these, with the last items of a chunk */
};

typedef struct soft_worker {
    fgi_cuda_worker base;
    fgi_cuda_task task;
    fgi_cuda_plane plane;
    fgi_cuda_spill spill;
    /* in the workspace */
    fgi_soft_origin_args origin; /* diagonal: where the planes have theirs */
    fgi_soft_args args;
    fgi_cuda_answers answers; /* of a chunk */
    /* of the pass at work */
    const fgi_cuda_slot *slot;
    bool planned;
} soft_worker;

/* ----------------------------------------------------------------------------------------- shapes */

/* Whether f16 holds each row to the last bit: bytes, less a whole number. */
static bool is_whole(const fgi_cuda_task *task)
{
    return (task->dtype == FG_U8 || task->dtype == FG_I8) && !task->normalize;
}

/* Whether one half a number will do, but for squares: not for what single rows have to tell, which is as exact in either
 * precision. */
static bool is_coarse(const fgi_cuda_task *task)
{
    return task->precision == FG_PRECISION_FAST && !fgi_cuda_asks_rows(task);
}

/* Of weights, and of responsibilities. */
static int32_t halves_of(const fgi_cuda_task *task)
{
    return is_coarse(task) ? 1 : 2;
}

static fgi_cuda_low low_of(const fgi_cuda_task *task)
{
    if (fgi_cuda_is_diagonal(task))
        return is_coarse(task) ? FGI_CUDA_LOW_SQUARES : FGI_CUDA_LOW_ALL;
    return is_coarse(task) || is_whole(task) ? FGI_CUDA_LOW_NONE : FGI_CUDA_LOW_ALL;
}

/* Squares begin with a box of their own. */
static int32_t unit_of(const fgi_cuda_task *task)
{
    return fgi_cuda_is_diagonal(task) ? FGI_SOFT_BOX : FGI_SPARSE_PLANE_PAD;
}

static int32_t depth_of(const fgi_cuda_task *task)
{
    return fgi_cuda_plane_depth(task, unit_of(task));
}

static bool is_deep(const fgi_cuda_task *task)
{
    return fgi_soft_is_deep(depth_of(task));
}

static int32_t lanes_of(const fgi_cuda_task *task)
{
    return fgi_soft_lanes(task->k, depth_of(task));
}

/* Crowded rows come here at once, unless the sparse strategy has wider sums to try. */
static int32_t crowding_for(const fgi_cuda_task *task)
{
    fgi_cuda_task first = *task;
    first.crowding = 0;
    return fgi_cuda_sparse_widens(&first) ? 2 : 1;
}

/* Which rows it is for: those whose statistics other strategies had no room for, and those whose answers, of one component each. The
 * kernels for deep rows do not know which that is. */
static bool is_for(const fgi_cuda_task *task)
{
    if (fgi_cuda_asks_rows(task))
        return task->rows.top <= 1 && task->crowding == 1 && !is_deep(task);
    return !fgi_asks_rows(&task->rows) && task->stats_kind == task->kind &&
           task->crowding == crowding_for(task);
}

static bool soft_serves(const fgi_cuda_task *task)
{
    return task->capability == FGI_CUDA_HOPPER && task->kind != FGI_HARD && is_for(task) &&
           depth_of(task) <= FGI_SPARSE_MOST_DEPTH && task->k >= LEAST_COMPONENTS &&
           task->k <= MOST_COMPONENTS;
}

/* Of a row, at most. */
static int64_t plane_bytes(const fgi_cuda_task *task)
{
    const int32_t parts = low_of(task) == FGI_CUDA_LOW_NONE ? 1 : 2;
    return (int64_t)depth_of(task) * parts * (int64_t)sizeof(uint16_t);
}

/* How a chunk is cut. The rows of a block follow from the shape alone: so do the bits of sums. */
typedef struct soft_cut {
    int32_t blocks, block_rows;
} soft_cut;

/* So many blocks that the device is busy, unless their planes, if they are not kept, want too much room. */
static soft_cut cut_shallow(const fgi_cuda_task *task)
{
    const int64_t fit = PLANE_BYTES / (plane_bytes(task) * FGI_SOFT_BLOCK_ROWS),
                  most = task->held_rows ? MOST_BLOCKS : fit,
                  blocks = ITEMS * FGI_SOFT_SLICE / lanes_of(task);
    return (soft_cut){.blocks = (int32_t)(blocks > most           ? most
                                          : blocks < LEAST_BLOCKS ? LEAST_BLOCKS
                                                                  : blocks),
                      .block_rows = FGI_SOFT_BLOCK_ROWS};
}

static int64_t deep_rows(const fgi_cuda_task *task)
{
    const int64_t stored = fgi_cuda_pitch_bytes(task->dtype, task->d), plane = plane_bytes(task),
                  share = (int64_t)lanes_of(task) * halves_of(task) * (int64_t)sizeof(uint16_t),
                  by_bytes = DEEP_BYTES / (stored > plane ? stored : plane),
                  by_shares = SHARES_BYTES / share,
                  fit = by_bytes < by_shares ? by_bytes : by_shares;
    return fit < DEEP_ROWS ? fit : DEEP_ROWS;
}

/* So few blocks that the device is still busy, since the sums of each are written, and read again. */
static soft_cut cut_deep(const fgi_cuda_task *task)
{
    const int32_t widest = low_of(task) == FGI_CUDA_LOW_NONE ? halves_of(task) : 2,
                  items = fgi_soft_deep_items(lanes_of(task), depth_of(task), widest);
    const int64_t rows = deep_rows(task), units = rows / FGI_SOFT_TOLD_ROWS;
    int32_t blocks = (int32_t)((rows + MOST_BLOCK_ROWS - 1) / MOST_BLOCK_ROWS);
    while (blocks < units &&
           blocks * items * 100 <
               LEAST_BUSY * CLUSTERS * ((blocks * items + CLUSTERS - 1) / CLUSTERS))
        blocks++;
    return (soft_cut){.blocks = blocks,
                      .block_rows = (int32_t)(units / blocks) * FGI_SOFT_TOLD_ROWS};
}

static soft_cut cut_for(const fgi_cuda_task *task)
{
    return is_deep(task) ? cut_deep(task) : cut_shallow(task);
}

static int64_t soft_chunk_rows(const fgi_cuda_task *task)
{
    const soft_cut cut = cut_for(task);
    return (int64_t)cut.blocks * cut.block_rows;
}

static fg_status soft_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    soft_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_soft;
    const fg_status s = fgi_cuda_spill_create(ledger, &w->spill);
    if (s == FG_OK)
        *out = &w->base;
    else
        fgi_free(w);
    return s;
}

static void soft_forget(fgi_cuda_worker *worker)
{
    fgi_cuda_plane_forget(&((soft_worker *)worker)->plane);
}

static void soft_destroy(fgi_cuda_worker *worker)
{
    soft_worker *w = (soft_worker *)worker;
    soft_forget(worker);
    fgi_cuda_spill_destroy(&w->spill);
    fgi_free(w);
}

/* ------------------------------------------------------------------------------------------ layout */

static void carve_model(soft_worker *w, fgi_cuda_carver *c)
{
    const int64_t k = w->task.k, lanes = lanes_of(&w->task), ld = w->plane.ld;
    fgi_soft_model *m = &w->args.model;
    m->kind = (int32_t)w->task.kind;
    m->k = w->task.k;
    m->d = w->task.d;
    m->lanes = (int32_t)lanes;
    m->weights = fgi_cuda_carve(c, k * ld, sizeof(uint16_t));
    m->low_weights = is_coarse(&w->task) ? NULL : fgi_cuda_carve(c, k * ld, sizeof(uint16_t));
    m->beside = fgi_cuda_carve(c, lanes * FGI_SOFT_BESIDE, sizeof(uint16_t));
    m->tight = fgi_cuda_carve(c, lanes / 32, sizeof *m->tight);
}

static void carve_origin(soft_worker *w, fgi_cuda_carver *c)
{
    fgi_soft_origin_args *o = &w->origin;
    o->k = w->task.k;
    o->d = w->task.d;
    o->whole = is_whole(&w->task);
    o->origin = fgi_cuda_carve(c, w->plane.mean_ld, sizeof *o->origin);
    o->least_ups = fgi_cuda_carve(c, o->d, sizeof *o->least_ups);
    o->influence = fgi_cuda_carve(c, o->k, sizeof *o->influence);
    o->spread = fgi_cuda_carve(c, 2 * o->d, sizeof *o->spread);
}

static void carve_kept(soft_worker *w, int64_t rows, fgi_cuda_carver *c)
{
    const int32_t lanes = lanes_of(&w->task), halves = halves_of(&w->task);
    fgi_soft_kept *kept = &w->args.kept;
    kept->tiles = fgi_soft_tiles(lanes, halves);
    const int64_t shares = rows * lanes, tiles = rows * kept->tiles;
    kept->rows = (int32_t)rows;
    kept->shares = fgi_cuda_carve(c, shares, sizeof(uint16_t));
    kept->low_shares = halves == 2 ? fgi_cuda_carve(c, shares, sizeof(uint16_t)) : NULL;
    kept->top = fgi_cuda_carve(c, tiles, sizeof *kept->top);
    kept->sum = fgi_cuda_carve(c, tiles, sizeof *kept->sum);
    kept->tight = fgi_cuda_carve(c, tiles, sizeof *kept->tight);
}

static void soft_carve_chunk(fgi_cuda_worker *worker, fgi_cuda_carver *c)
{
    soft_worker *w = (soft_worker *)worker;
    const fgi_cuda_carver over = *c;
    const int64_t rows = soft_chunk_rows(&w->task), blocks = rows / w->args.block_rows;
    fgi_soft_args *a = &w->args;
    a->beside = fgi_cuda_carve(c, rows * FGI_SOFT_BESIDE, sizeof(uint16_t));
    a->density = fgi_cuda_carve(c, rows / FGI_SOFT_TOLD_ROWS, sizeof *a->density);
    if (!fgi_cuda_asks_rows(&w->task))
        a->partial = fgi_cuda_carve(
            c, blocks * fgi_soft_partial_floats(a->model.lanes, w->plane.ld), sizeof *a->partial);
    if (is_deep(&w->task)) carve_kept(w, rows, c);
    fgi_cuda_plane_carve_chunk(&w->plane, rows, c);
    fgi_cuda_spill_carve_chunk(&w->spill, over, c);
}

/* They outlive the chunk, whose memory is that of rows left over when these are answered. */
static void carve_answers(soft_worker *w, int64_t rows, fgi_cuda_carver *c)
{
    const fgi_row_request *want = &w->task.rows;
    fgi_cuda_carve_answers(c, want, rows, &w->answers);
    if (want->top == 0) return;
    w->args.best = fgi_cuda_carve(c, rows, sizeof *w->args.best);
    w->args.best_value = fgi_cuda_carve(c, rows, sizeof *w->args.best_value);
}

static void soft_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    soft_worker *w = (soft_worker *)worker;
    w->task = *task;
    fgi_cuda_plane_take(&w->plane, task, unit_of(task), low_of(task), false);
    fgi_cuda_plane_carve(&w->plane, c);
    w->args = (fgi_soft_args){
        .block_rows = cut_for(task).block_rows,
        .cut = (float)fgi_cuda_cut(task->k),
        .multiprocessors = task->multiprocessors,
    };
    carve_model(w, c);
    carve_origin(w, c);
    if (!fgi_cuda_asks_rows(task))
        w->args.sums =
            fgi_cuda_carve(c, fgi_soft_sums_doubles(task->k, w->plane.ld), sizeof *w->args.sums);
    fgi_cuda_spill_carve(&w->spill, task, fgi_cuda_asks_rows(task) ? FEW_SPILLED : MOST_SPILLED, c);
    w->args.told = w->spill.told;
    const int64_t rows = soft_chunk_rows(task);
    w->args.left = fgi_cuda_carve(c, rows / 32, sizeof *w->args.left);
    /* outlives the chunk: densities */
    w->args.normalizer = fgi_cuda_carve(c, rows, sizeof *w->args.normalizer);
    if (fgi_cuda_asks_rows(task)) carve_answers(w, rows, c);
}

static fg_status soft_prepare(fgi_cuda_worker *worker)
{
    return fgi_cuda_plane_prepare(&((soft_worker *)worker)->plane);
}

/* -------------------------------------------------------------------------------------------- pass */

static cudaError_t clear_sums(soft_worker *w, cudaStream_t stream)
{
    if (fgi_cuda_asks_rows(&w->task)) return cudaSuccess;
    const size_t doubles = (size_t)fgi_soft_sums_doubles(w->task.k, w->plane.ld);
    return cudaMemsetAsync(w->args.sums, 0, doubles * sizeof *w->args.sums, stream);
}

static cudaError_t soft_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                              cudaStream_t stream)
{
    soft_worker *w = (soft_worker *)worker;
    w->slot = slot;
    w->planned = false;
    w->args.model.scale = w->plane.memory.scale;
    w->args.model.ups = w->plane.memory.ups;
    cudaError_t e = clear_sums(w, stream);
    if (e == cudaSuccess) e = fgi_cuda_spill_begin(&w->spill, slot, stream);
    if (e == cudaSuccess) e = fgi_cuda_plane_ready(&w->plane, stream);
    w->args.model.origin = slot->params.center;
    w->plane.memory.least_ups = NULL;
    if (fgi_cuda_is_diagonal(&w->task)) {
        w->origin.params = slot->params;
        w->origin.last = w->plane.memory.center;
        w->origin.ups = w->plane.memory.ups;
        w->args.model.origin = w->origin.origin;
        w->plane.memory.least_ups = w->origin.least_ups;
        if (e == cudaSuccess) e = fgi_soft_origin(&w->origin, stream);
    }
    return e == cudaSuccess ? fgi_cuda_plane_begin(&w->plane, w->args.model.origin, stream) : e;
}

/* The first chunk tells the scale, and so allows a plan. */
static cudaError_t take_rows(soft_worker *w, const fgi_cuda_chunk *chunk, cudaStream_t stream)
{
    fgi_sparse_rows *rows = &w->args.rows;
    cudaError_t e = fgi_cuda_plane_rows(&w->plane, chunk, rows, stream);
    rows->most_norm = fgi_soft_most_norm(w->args.model.kind, w->task.d);
    if (!w->planned) {
        if (e == cudaSuccess) e = fgi_sparse_measure(rows, &w->plane.memory, stream);
        if (e == cudaSuccess)
            e = fgi_soft_plan(&w->slot->params, &w->args.model, w->plane.ld, stream);
        w->planned = true;
    }
    return e == cudaSuccess ? fgi_cuda_plane_fill(&w->plane, chunk, rows, stream) : e;
}

/* What follows once rows' densities are known: sums of them, */
static cudaError_t add_chunk(soft_worker *w, const fgi_cuda_chunk *chunk, cudaStream_t stream)
{
    const fgi_soft_args *a = &w->args;
    cudaError_t e = fgi_soft_sums(a, stream);
    if (e == cudaSuccess) e = fgi_soft_merge(a, stream);
    return e == cudaSuccess ? fgi_cuda_spill_take(&w->spill, chunk, a->left, stream) : e;
}

/* or answers. */
static cudaError_t answer_chunk(soft_worker *w, const fgi_cuda_chunk *chunk, cudaStream_t stream)
{
    const cudaError_t e = fgi_soft_answer(&w->args, &w->answers, stream);
    return e == cudaSuccess
               ? fgi_cuda_spill_answer(&w->spill, chunk, w->args.left, &w->answers, stream)
               : e;
}

static cudaError_t soft_absorb(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                               cudaStream_t stream)
{
    soft_worker *w = (soft_worker *)worker;
    fgi_soft_args *a = &w->args;
    a->first = chunk->first;
    cudaError_t e = take_rows(w, chunk, stream);
    if (e == cudaSuccess) e = fgi_soft_begin(a, stream);
    if (e == cudaSuccess) e = fgi_soft_normalize(a, stream);
    if (e == cudaSuccess) e = fgi_soft_settle(a, stream);
    if (e != cudaSuccess) return e;
    return fgi_cuda_asks_rows(&w->task) ? answer_chunk(w, chunk, stream)
                                        : add_chunk(w, chunk, stream);
}

static cudaError_t soft_finish(fgi_cuda_worker *worker, cudaStream_t stream)
{
    soft_worker *w = (soft_worker *)worker;
    const fgi_cuda_slot *slot = w->slot;
    if (!w->planned) return cudaSuccess; /* no rows */
    const int64_t k = w->task.k, d = w->task.d;
    const fgi_soft_finish_args own = {
        .model = w->args.model,
        .params = slot->params,
        .ld = w->plane.ld,
        .dropped = exp2(log2((double)k) - w->args.cut),
        .sums = w->args.sums,
        .told = w->spill.told,
        .mass = slot->stats,
        .shift = slot->stats + k,
        .square = slot->stats + k + k * d,
        .totals = slot->totals,
    };
    const cudaError_t e = fgi_soft_finish(&own, stream);
    return e == cudaSuccess ? fgi_cuda_spill_end(&w->spill, stream) : e;
}

static const float *soft_densities(const fgi_cuda_worker *worker)
{
    return ((const soft_worker *)worker)->args.normalizer;
}

static fgi_cuda_answers soft_answers(const fgi_cuda_worker *worker)
{
    return ((const soft_worker *)worker)->answers;
}

static const uint64_t *soft_unanswered(const fgi_cuda_worker *worker)
{
    return fgi_cuda_spill_lost(&((const soft_worker *)worker)->spill);
}

static fgi_cuda_worker *soft_substitute(const fgi_cuda_worker *worker)
{
    return ((const soft_worker *)worker)->spill.dense;
}

const fgi_cuda_strategy fgi_cuda_soft = {
    .name = "soft",
    .serves = soft_serves,
    .chunk_rows = soft_chunk_rows,
    .create = soft_create,
    .destroy = soft_destroy,
    .carve = soft_carve,
    .carve_chunk = soft_carve_chunk,
    .prepare = soft_prepare,
    .forget = soft_forget,
    .begin = soft_begin,
    .absorb = soft_absorb,
    .finish = soft_finish,
    .answers = soft_answers,
    .unanswered = soft_unanswered,
    .substitute = soft_substitute,
    .densities = soft_densities,
};
