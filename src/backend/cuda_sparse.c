/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_sparse.c - the sparse strategy: statistics of mixtures and centroids from the few components of a row that can
 * matter. Knows the launchers of cuda_sparse.h, and the dense strategy, which takes the rows that are left over; knows no
 * source.
 *
 * Of rows that passes come back to, the device keeps four bytes each, which bound what a row's best component is worth; and
 * of held rows their plane, if there is room: else it is made for each chunk anew. */
#include "cuda_strategy.h"
#include "cuda_transfer.h"

#include "cuda_sparse.h"

#include <math.h>   /* log2, exp2 */
#include <string.h> /* memset */

enum {
    CAPABILITY = 90,
    LEAST_COMPONENTS = 96, /* below, most of a tile would be padding */
    USUAL_DEPTH = 256,
    STREAM_CAPACITY = 2048, /* candidates */
    LEVELS = 4,
    SPILL_BYTES = 2 << 20 /* of rows left to the dense kernels, as stored, at most */
};

/* Groups of a stream in a chunk, by how crowded rows are: 2, 8, 21 or 64 candidates a row find room. */
static const int32_t groups_at[LEVELS] = {32, 8, 3, 1};

/* Log2 of the responsibility, in units of the row's density, that all components left out may share. */
static const double log2_dropped_default = -26.0, log2_dropped_fast = -10.0;

/* What is known of rows from the last pass over all of them. */
typedef struct known_rows {
    fgi_cuda_block block;
    int64_t rows;
    int32_t k, d;
    bool normalize, diagonal;
    bool begun; /* a pass has left its centre */
    uint32_t *state;
    float *means[2]; /* a pass writes one, and reads the other: those that the state goes with */
    int latest;      /* -1: the state is of no use */
    fgi_sparse_memory memory;
} known_rows;

typedef struct kept_plane {
    fgi_cuda_block block;
    int64_t rows, filled;
    int32_t ld;
    void *plane;
    float *norm;
} kept_plane;

typedef struct sparse_worker {
    fgi_cuda_worker base;
    fgi_cuda_worker *dense;
    fgi_cuda_task task;
    int32_t grid, ld, plane_ld;
    int64_t pitch_bytes;
    known_rows known;
    kept_plane kept;
    /* in the workspace */
    fgi_sparse_memory memory; /* where none is known */
    float *own_means, *zeros;
    fgi_sparse_model model;
    fgi_cuda_model loading; /* only what fgi_cuda_load reads */
    float *x, *norm2;       /* rows that have to be loaded */
    void *plane;
    float *norm;
    fgi_sparse_screen_args screen;
    fgi_sparse_order_args order;
    float *partial;
    fgi_sparse_spill spill;
    fgi_sparse_told *told;
    /* of the pass at work */
    const fgi_cuda_slot *slot;
    int64_t rows;
    bool planned;
} sparse_worker;

/* ----------------------------------------------------------------------------------------- shapes */

static int64_t padded(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

static bool is_fast(const fgi_cuda_task *task)
{
    return task->precision == FG_PRECISION_FAST;
}

static double log2_dropped(const fgi_cuda_task *task)
{
    return is_fast(task) ? log2_dropped_fast : log2_dropped_default;
}

static bool is_diagonal(const fgi_cuda_task *task)
{
    return task->kind == FGI_DIAGONAL;
}

/* Halves of a row of the plane: diagonal components also need the squares. */
static int32_t depth_of(const fgi_cuda_task *task)
{
    const int32_t half = (int32_t)padded(task->d, FGI_SPARSE_PLANE_PAD);
    return is_diagonal(task) ? 2 * half : half;
}

/* Whether values and statistics are made of the plane. Its scales for diagonal components would have to be undone. */
static bool reads_plane(const fgi_cuda_task *task)
{
    return is_fast(task) && !is_diagonal(task);
}

/* Rows that no kernel here reads as they are stored. */
static bool has_to_load(const fgi_cuda_task *task)
{
    return task->normalize || task->dtype == FG_F64;
}

static bool sparse_serves(const fgi_cuda_task *task)
{
    return task->capability == CAPABILITY && task->stats && !task->rows.top &&
           !task->rows.log_density && task->crowding < LEVELS &&
           depth_of(task) <= FGI_SPARSE_MOST_DEPTH && task->k >= LEAST_COMPONENTS;
}

/* Groups of a stream in a chunk: fewer of longer rows, so that a chunk keeps its size. */
static int32_t groups_for(const fgi_cuda_task *task)
{
    const int32_t depth = depth_of(task), groups = groups_at[task->crowding];
    const int32_t fewer = depth > USUAL_DEPTH ? groups * USUAL_DEPTH / depth : groups;
    return fewer > 1 ? fewer : 1;
}

static int64_t sparse_chunk_rows(const fgi_cuda_task *task)
{
    const int32_t grid = fgi_sparse_grid(task->multiprocessors);
    return (int64_t)fgi_sparse_wave_rows(grid) * groups_for(task);
}

static fg_status sparse_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    sparse_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_sparse;
    w->known.latest = -1;
    const fg_status s = fgi_cuda_dense.create(ledger, &w->dense);
    if (s == FG_OK)
        *out = &w->base;
    else
        fgi_free(w);
    return s;
}

/* ------------------------------------------------------------------------------------------ layout */

static void carve_memory(fgi_cuda_carver *c, const fgi_cuda_task *task, fgi_sparse_memory *m)
{
    const int64_t ld = padded(task->d, FGI_SPARSE_PAD);
    m->center = fgi_cuda_carve(c, ld, sizeof(float));
    m->ups = is_diagonal(task) ? fgi_cuda_carve(c, ld, sizeof(float)) : NULL;
    m->stale = fgi_cuda_carve(c, 1, sizeof *m->stale);
    m->scale = fgi_cuda_carve(c, 1, sizeof *m->scale);
}

static void carve_model(sparse_worker *w, fgi_cuda_carver *c)
{
    const int64_t k = w->task.k, lanes = padded(k, FGI_SPARSE_LANES);
    fgi_sparse_model *m = &w->model;
    m->kind = (int32_t)w->task.kind;
    m->k = w->task.k;
    m->d = w->task.d;
    m->ld = w->ld;
    const bool diagonal = is_diagonal(&w->task);
    m->weights = fgi_cuda_carve(c, k * w->plane_ld, sizeof(uint16_t));
    m->low_weights = diagonal ? fgi_cuda_carve(c, k * w->plane_ld, sizeof(uint16_t)) : m->weights;
    m->scales = diagonal ? fgi_cuda_carve(c, k * w->ld, sizeof(float)) : NULL;
    m->high = fgi_cuda_carve(c, lanes, 2 * sizeof(uint16_t));
    m->low = fgi_cuda_carve(c, lanes, 2 * sizeof(uint16_t));
    m->spheres = fgi_cuda_carve(c, 2 * k, sizeof *m->spheres);
    m->drift = fgi_cuda_carve(c, 2, sizeof *m->drift);
    carve_memory(c, &w->task, &w->memory);
    w->zeros = fgi_cuda_carve(c, w->ld, sizeof(float));
    w->own_means = fgi_cuda_carve(c, k * w->ld, sizeof(float));
}

static void carve_spill(sparse_worker *w, fgi_cuda_carver *c)
{
    int64_t rows = fgi_cuda_dense.chunk_rows(&w->task);
    if (rows > SPILL_BYTES / w->pitch_bytes) rows = SPILL_BYTES / w->pitch_bytes;
    fgi_sparse_spill *s = &w->spill;
    s->capacity = (int32_t)(rows / FGI_SPARSE_GROUP * FGI_SPARSE_GROUP);
    s->pitch_bytes = w->pitch_bytes;
    s->raw = fgi_cuda_carve(c, s->capacity, (size_t)w->pitch_bytes);
    s->numbers = fgi_cuda_carve(c, s->capacity, sizeof *s->numbers);
    s->count = fgi_cuda_carve(c, 2, sizeof *s->count);
    s->from = fgi_cuda_carve(c, s->capacity / FGI_SPARSE_GROUP, sizeof *s->from);
    w->told = fgi_cuda_carve(c, 1, sizeof *w->told);
}

/* What is of no use once the last chunk was absorbed. */
static void carve_chunk(sparse_worker *w, fgi_cuda_carver *c)
{
    const fgi_cuda_task *task = &w->task;
    const int64_t rows = sparse_chunk_rows(task), k = task->k;
    fgi_sparse_screen_args *a = &w->screen;
    fgi_sparse_streams *out = &a->streams;
    out->streams = fgi_sparse_streams_for(w->grid);
    out->capacity = STREAM_CAPACITY;
    out->groups = groups_for(task);
    const int64_t entries = (int64_t)out->streams * out->capacity;
    out->candidate = fgi_cuda_carve(c, entries, sizeof *out->candidate);
    out->score = fgi_cuda_carve(c, entries, sizeof *out->score);
    out->survivor = fgi_cuda_carve(c, entries, sizeof *out->survivor);
    out->group = fgi_cuda_carve(c, (int64_t)out->streams * out->groups, sizeof *out->group);
    a->bound = fgi_cuda_carve(c, rows, sizeof *a->bound);
    a->flags = fgi_cuda_carve(c, rows / FGI_SPARSE_GROUP, 1);
    a->scratch = fgi_cuda_carve(c, fgi_sparse_scratch_bytes(w->grid), 1);
    a->grid = w->grid;
    w->order = (fgi_sparse_order_args){.in = *out, .k = task->k};
    w->order.before = fgi_cuda_carve(c, out->streams * k, sizeof *w->order.before);
    w->order.start = fgi_cuda_carve(c, k + 1, sizeof *w->order.start);
    w->order.sorted = fgi_cuda_carve(c, entries, sizeof *w->order.sorted);
    a->value = (float *)w->order.sorted; /* done with when survivors are sorted */
    const int64_t floats = fgi_sparse_partial_floats(task->multiprocessors, task->k, task->d,
                                                     task->stats_kind == FGI_DIAGONAL, entries);
    w->partial = fgi_cuda_carve(c, floats, sizeof *w->partial);
    const int64_t loaded = has_to_load(task) ? padded(rows, FGI_CUDA_TILE) : 0;
    w->x = fgi_cuda_carve(c, loaded * w->ld, sizeof *w->x);
    w->norm2 = fgi_cuda_carve(c, loaded, sizeof *w->norm2);
    const int64_t planes = w->kept.rows ? 0 : rows;
    w->plane = fgi_cuda_carve(c, planes * w->plane_ld, sizeof(uint16_t));
    w->norm = fgi_cuda_carve(c, planes, sizeof *w->norm);
}

/* Room for the plane of held rows; it is not there if there is none. */
static void keep_plane(sparse_worker *w)
{
    kept_plane *kept = &w->kept;
    const int64_t rows = w->task.held_rows;
    if (kept->rows == rows && kept->ld == w->plane_ld) return;
    fgi_cuda_release(&kept->block);
    *kept = (kept_plane){.block = kept->block, .ld = w->plane_ld};
    fgi_cuda_carver c = {0};
    for (int pass = 0; pass < 2 && rows; pass++) {
        c.used = 0;
        kept->plane = fgi_cuda_carve(&c, rows * w->plane_ld, sizeof(uint16_t));
        kept->norm = fgi_cuda_carve(&c, rows, sizeof *kept->norm);
        if (c.data) kept->rows = rows;
        if (c.data || c.used > fgi_cuda_free_bytes() / 4 * 3) return;
        if (fgi_cuda_reserve(&kept->block, c.used) != FG_OK) return;
        c.data = kept->block.data;
    }
}

static void sparse_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    sparse_worker *w = (sparse_worker *)worker;
    w->task = *task;
    w->grid = fgi_sparse_grid(task->multiprocessors);
    w->ld = (int32_t)padded(task->d, FGI_SPARSE_PAD);
    w->plane_ld = depth_of(task);
    w->pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    keep_plane(w);
    carve_model(w, c);
    carve_spill(w, c);
    /* chunks are done with when the rows that they left over begin */
    fgi_cuda_carver over = *c;
    carve_chunk(w, c);
    fgi_cuda_dense.carve(w->dense, task, &over);
    if (c->used < over.used) c->used = over.used;
}

static fg_status sparse_prepare(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    const fgi_cuda_task *task = &w->task;
    known_rows *known = &w->known;
    if (!task->source_rows) {
        known->rows = 0;
        return FG_OK;
    }
    if (known->rows == task->source_rows && known->k == task->k && known->d == task->d &&
        known->diagonal == is_diagonal(task) && known->normalize == task->normalize)
        return FG_OK;
    fgi_cuda_carver c = {0};
    for (int pass = 0; pass < 2; pass++) {
        c.used = 0;
        known->state = fgi_cuda_carve(&c, task->source_rows, sizeof *known->state);
        carve_memory(&c, task, &known->memory);
        for (int i = 0; i < 2; i++)
            known->means[i] = fgi_cuda_carve(&c, (int64_t)task->k * w->ld, sizeof(float));
        if (pass == 0) FG_TRY(fgi_cuda_reserve(&known->block, c.used));
        c.data = known->block.data;
    }
    known->rows = task->source_rows;
    known->k = task->k;
    known->d = task->d;
    known->normalize = task->normalize;
    known->diagonal = is_diagonal(task);
    known->latest = -1;
    known->begun = false;
    w->kept.filled = 0;
    return FG_OK;
}

static void sparse_forget(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    fgi_cuda_release(&w->known.block);
    fgi_cuda_release(&w->kept.block);
    memset(&w->known, 0, sizeof w->known);
    memset(&w->kept, 0, sizeof w->kept);
    w->known.latest = -1;
}

static void sparse_destroy(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    sparse_forget(worker);
    fgi_cuda_dense.destroy(w->dense);
    fgi_free(w);
}

/* -------------------------------------------------------------------------------------------- pass */

static cudaError_t sparse_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                                cudaStream_t stream)
{
    sparse_worker *w = (sparse_worker *)worker;
    const size_t row_bytes = (size_t)w->ld * sizeof(float);
    const bool first = w->known.rows == 0 || !w->known.begun;
    w->slot = slot;
    w->rows = 0;
    w->planned = false;
    if (w->known.rows) w->memory = w->known.memory;
    w->known.begun = true;
    cudaError_t e = cudaMemsetAsync(w->zeros, 0, row_bytes, stream);
    if (e == cudaSuccess)
        e = cudaMemsetAsync(w->spill.count, 0, 2 * sizeof *w->spill.count, stream);
    if (e == cudaSuccess) e = cudaMemsetAsync(w->told, 0, sizeof *w->told, stream);
    if (e == cudaSuccess) /* beyond all rows */
        e = cudaMemsetAsync(&w->told->first_bad_row, 0x7f, sizeof w->told->first_bad_row, stream);
    if (e == cudaSuccess && first) /* NaN */
        e = cudaMemsetAsync(w->memory.center, 0xff, row_bytes, stream);
    return e == cudaSuccess ? fgi_sparse_recall(&w->memory, slot->params.center, w->task.d, stream)
                            : e;
}

/* What the first chunk tells is needed for a plan. */
static cudaError_t plan(sparse_worker *w, const fgi_sparse_rows *rows, cudaStream_t stream)
{
    known_rows *known = &w->known;
    const float *last = NULL;
    w->planned = true;
    w->model.scale = w->memory.scale;
    w->model.ups = w->memory.ups;
    w->model.means = w->own_means;
    if (known->rows) {
        const int next = known->latest < 0 ? 0 : 1 - known->latest;
        if (known->latest >= 0) last = known->means[known->latest];
        w->model.means = known->means[next];
        known->latest = -1; /* until all rows have been seen */
    }
    const cudaError_t e = fgi_sparse_measure(rows, &w->memory, stream);
    return e == cudaSuccess
               ? fgi_sparse_plan(&w->slot->params, &w->model, last, w->memory.stale, stream)
               : e;
}

/* Rows as centred f32. */
static cudaError_t load(sparse_worker *w, const fgi_cuda_chunk *chunk, fgi_sparse_exact *out,
                        cudaStream_t stream)
{
    w->loading.d = w->task.d;
    w->loading.ld = w->ld;
    w->loading.normalize = w->task.normalize;
    w->loading.center = w->slot->params.center;
    const fgi_cuda_rows rows = {
        .raw = chunk->raw,
        .pitch_bytes = w->pitch_bytes,
        .dtype = (int32_t)w->task.dtype,
        .rows = chunk->rows,
        .x = w->x,
        .norm2 = w->norm2,
    };
    *out = (fgi_sparse_exact){
        .data = w->x,
        .pitch = (int64_t)w->ld * (int64_t)sizeof(float),
        .dtype = FG_F32,
        .center = w->zeros,
    };
    return fgi_cuda_load(&w->loading, &rows, stream);
}

/* Rows and their plane; the first chunk also brings the plan. */
static cudaError_t take_rows(sparse_worker *w, const fgi_cuda_chunk *chunk, fgi_sparse_rows *rows,
                             cudaStream_t stream)
{
    kept_plane *kept = &w->kept;
    const int64_t first = kept->rows ? chunk->first : 0;
    *rows = (fgi_sparse_rows){
        .exact = {.data = chunk->raw,
                  .pitch = w->pitch_bytes,
                  .dtype = (int32_t)w->task.dtype,
                  .center = w->memory.center},
        .rows = chunk->rows,
        .d = w->task.d,
        .depth = is_diagonal(&w->task) ? w->plane_ld : w->task.d,
        .ld = w->plane_ld,
        .plane = (uint16_t *)(kept->rows ? kept->plane : w->plane) + first * w->plane_ld,
        .norm = (kept->rows ? kept->norm : w->norm) + first,
        .scale = w->memory.scale,
        .ups = w->memory.ups,
    };
    cudaError_t e = has_to_load(&w->task) ? load(w, chunk, &rows->exact, stream) : cudaSuccess;
    if (e == cudaSuccess && !w->planned) e = plan(w, rows, stream);
    const bool there = kept->rows && chunk->first + chunk->rows <= kept->filled;
    if (e == cudaSuccess) e = fgi_sparse_plane(rows, there ? w->memory.stale : NULL, stream);
    if (kept->rows && !there) kept->filled = chunk->first + chunk->rows;
    if (reads_plane(&w->task))
        rows->exact = (fgi_sparse_exact){
            .data = rows->plane,
            .pitch = w->plane_ld * (int64_t)sizeof(uint16_t),
            .dtype = FG_F16,
            .center = w->zeros,
            .factor = &w->memory.scale->down,
        };
    return e;
}

static cudaError_t add_sums(const sparse_worker *w, const fgi_sparse_rows *rows,
                            cudaStream_t stream)
{
    const int64_t k = w->task.k, d = w->task.d;
    const fgi_sparse_sums_args sums = {
        .model = w->model,
        .rows = *rows,
        .sorted = w->order.sorted,
        .start = w->order.start,
        .multiprocessors = w->task.multiprocessors,
        .diagonal = w->task.stats_kind == FGI_DIAGONAL,
        .partial = w->partial,
        .mass = w->slot->stats,
        .shift = w->slot->stats + k,
        .square = w->slot->stats + k + k * d,
    };
    return fgi_sparse_sums(&sums, stream);
}

static cudaError_t sparse_absorb(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                                 cudaStream_t stream)
{
    sparse_worker *w = (sparse_worker *)worker;
    const bool hard = w->task.kind == FGI_HARD;
    fgi_sparse_screen_args *a = &w->screen;
    cudaError_t e = take_rows(w, chunk, &a->rows, stream);
    a->model = w->model;
    a->cut = hard ? 0.0f : (float)(log2((double)w->task.k) - log2_dropped(&w->task));
    a->first = chunk->first;
    /* how far a diagonal component has gone, no distance tells */
    a->state = w->known.rows && !is_diagonal(&w->task) ? w->known.state + chunk->first : NULL;
    a->told = w->told;
    w->order.in = a->streams;
    w->order.rows = chunk->rows;
    const fgi_sparse_close_args close = {
        .flags = a->flags,
        .raw = chunk->raw,
        .first = chunk->first,
        .rows = chunk->rows,
        .spill = w->spill,
        .told = w->told,
    };
    if (e == cudaSuccess) e = fgi_sparse_screen(a, stream);
    if (e == cudaSuccess) e = fgi_sparse_resolve(a, stream);
    if (e == cudaSuccess) e = fgi_sparse_order(&w->order, stream);
    if (e == cudaSuccess) e = add_sums(w, &a->rows, stream);
    if (e == cudaSuccess) e = fgi_sparse_close(&close, stream);
    w->rows += chunk->rows;
    return e;
}

static cudaError_t sparse_finish(fgi_cuda_worker *worker, cudaStream_t stream)
{
    sparse_worker *w = (sparse_worker *)worker;
    const fgi_cuda_slot *slot = w->slot;
    known_rows *known = &w->known;
    if (!w->planned) return cudaSuccess; /* no rows */
    if (known->rows && w->rows == known->rows)
        known->latest = w->model.means == known->means[0] ? 0 : 1;
    const fgi_sparse_finish_args own = {
        .params = slot->params,
        .kind = (int32_t)w->task.kind,
        .k = w->task.k,
        .d = w->task.d,
        .diagonal = w->task.stats_kind == FGI_DIAGONAL,
        .dropped = w->task.kind == FGI_HARD ? 0.0 : exp2(log2_dropped(&w->task)),
        .stats = slot->stats,
        .told = w->told,
        .totals = slot->totals,
    };
    cudaError_t e = fgi_sparse_finish(&own, stream);
    const fgi_cuda_chunk spilled = {
        .raw = w->spill.raw,
        .rows = w->spill.capacity,
        .count = &w->spill.count[0],
        .numbers = w->spill.numbers,
    };
    if (e == cudaSuccess) e = fgi_cuda_dense.begin(w->dense, slot, stream);
    if (e == cudaSuccess) e = fgi_cuda_dense.absorb(w->dense, &spilled, stream);
    return e == cudaSuccess ? fgi_cuda_dense.finish(w->dense, stream) : e;
}

const fgi_cuda_strategy fgi_cuda_sparse = {
    .name = "sparse",
    .serves = sparse_serves,
    .chunk_rows = sparse_chunk_rows,
    .create = sparse_create,
    .destroy = sparse_destroy,
    .carve = sparse_carve,
    .prepare = sparse_prepare,
    .forget = sparse_forget,
    .begin = sparse_begin,
    .absorb = sparse_absorb,
    .finish = sparse_finish,
};
