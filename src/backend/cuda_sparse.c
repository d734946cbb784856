/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_sparse.c - the sparse strategy: statistics of mixtures and centroids, or what single rows have to tell, from the few
 * components of a row that can matter. Knows the launchers of cuda_sparse.h, and the dense strategy, which takes the rows that are left
 * over; knows no source.
 *
 * Of rows that passes come back to, the device keeps four bytes each, which bound what a row's best component is worth; and
 * of held rows their plane, if there is room: else it is made for each chunk anew. */
#include "cuda_model.h"
#include "cuda_plane.h"
#include "cuda_spill.h"

#include <math.h>   /* log2, exp2 */
#include <string.h> /* memset */

enum {
    LEAST_COMPONENTS = 96, /* below, most of a tile would be padding */
    MOST_DEPTH = 2048,     /* of the product by f16 sums, of spherical components; */
    USUAL_DEPTH = 256,     /* of others */
    /* candidates of a stream: where each dimension has a square to be summed there is less room */
    STREAM_CAPACITY = 3072,
    STREAM_CAPACITY_DIAGONAL = 2048,
    LEVELS = 4,
    /* of passes that nothing is known of: many rows find room, and the first answers come early */
    ANSWER_LEVEL = 2,
    MOST_TOLD = 32, /* of a row: more are not among the few that matter */
    LEAST_SPILLED = 1024,
    MOST_SPILLED = 4096
};

/* Groups of a stream in a chunk, by how crowded rows are: 2 or 3, 8 or 12, 21 or 32, 64 or 96 candidates a row find room. */
static const int32_t groups_at[LEVELS] = {32, 8, 3, 1};

/* Log2 of the responsibility, in units of the row's density, that all components left out may share. */
static const double log2_dropped_default = -26.0, log2_dropped_fast = -10.0;

/* What is known of rows from the last pass over all of them. */
typedef struct known_rows {
    fgi_cuda_block block;
    int64_t rows;
    int32_t k, d;
    bool normalize, diagonal;
    uint32_t *state;
    fgi_sparse_found *found;
    float *means[2]; /* a pass writes one, and reads the other: those that the state goes with */
    int latest;      /* -1: the state is of no use */
} known_rows;

typedef struct sparse_worker {
    fgi_cuda_worker base;
    fgi_cuda_task task;
    int32_t grid;
    known_rows known;
    fgi_cuda_plane plane;
    fgi_cuda_spill spill;
    /* in the workspace */
    float *own_means;
    fgi_sparse_model model;
    fgi_sparse_screen_args screen;
    fgi_sparse_order_args order;
    float *partial;
    double *parts;            /* k: of the objective */
    fgi_cuda_answers answers; /* of a chunk */
    /* of the pass at work */
    const fgi_cuda_slot *slot;
    int64_t rows;
    bool planned;
} sparse_worker;

/* ----------------------------------------------------------------------------------------- shapes */

static bool is_fast(const fgi_cuda_task *task)
{
    return task->precision == FG_PRECISION_FAST;
}

/* What single rows have to tell is as exact in either precision. */
static double log2_dropped(const fgi_cuda_task *task)
{
    return is_fast(task) && !fgi_cuda_asks_rows(task) ? log2_dropped_fast : log2_dropped_default;
}

/* Whether values and statistics are made of the plane. Its scales for diagonal components would have to be undone. */
static bool reads_plane(const fgi_cuda_task *task)
{
    return is_fast(task) && !fgi_cuda_is_diagonal(task) && !fgi_cuda_asks_rows(task);
}

/* Whether f16 sums would tell too little however few candidates there are, so that f32 ones pay; of centroids one product will
 * do with these (sparse_plan.cu). */
static bool begins_wide(const fgi_cuda_task *task)
{
    const int32_t depth = fgi_cuda_plane_depth(task, FGI_SPARSE_PLANE_PAD);
    return depth > (task->kind == FGI_SPHERICAL ? MOST_DEPTH : USUAL_DEPTH);
}

/* Whether rows are so long that the first thing to do where they are crowded is to take f32 sums, for
 * statistics, */
static bool widens(const fgi_cuda_task *task)
{
    return !fgi_cuda_asks_rows(task) && !begins_wide(task) &&
           fgi_cuda_plane_depth(task, FGI_SPARSE_PLANE_PAD) > USUAL_DEPTH;
}

/* and whether that was done. */
static bool is_widened(const fgi_cuda_task *task)
{
    return widens(task) && task->crowding > 0;
}

static bool is_wide(const fgi_cuda_task *task)
{
    return begins_wide(task) || is_widened(task);
}

/* Of groups_at. */
static int32_t level_of(const fgi_cuda_task *task)
{
    return fgi_cuda_asks_rows(task) ? ANSWER_LEVEL : task->crowding - is_widened(task);
}

/* Only those that matter are found, if these find room; of centroids the nearest one. */
static bool can_answer(const fgi_cuda_task *task)
{
    const fgi_row_request *want = &task->rows;
    const bool several = want->top <= MOST_TOLD && !want->exact_rank && task->kind != FGI_HARD;
    return task->crowding == 0 && (want->top <= 1 || several);
}

static bool sparse_serves(const fgi_cuda_task *task)
{
    const bool serves_rows =
        fgi_cuda_asks_rows(task) ? can_answer(task) : !fgi_asks_rows(&task->rows);
    return task->capability == FGI_CUDA_HOPPER && serves_rows && level_of(task) < LEVELS &&
           fgi_cuda_plane_depth(task, FGI_SPARSE_PLANE_PAD) <= FGI_SPARSE_MOST_DEPTH &&
           task->k >= LEAST_COMPONENTS && task->k <= FGI_SPARSE_MOST_COMPONENTS;
}

bool fgi_cuda_sparse_widens(const fgi_cuda_task *task)
{
    return sparse_serves(task) && widens(task) && !is_widened(task);
}

/* Rows that are left over at a time: few are, so one piece of the dense strategy, as far as it is neither small nor large. */
static int64_t most_spilled(const fgi_cuda_task *task)
{
    const int32_t piece = fgi_cuda_dense_piece(task);
    return piece < LEAST_SPILLED ? LEAST_SPILLED : piece > MOST_SPILLED ? MOST_SPILLED : piece;
}

/* Groups of a stream in a chunk: fewer of longer rows, so that a chunk keeps its size. */
static int32_t groups_for(const fgi_cuda_task *task)
{
    const int32_t depth = fgi_cuda_plane_depth(task, FGI_SPARSE_PLANE_PAD),
                  groups = groups_at[level_of(task)];
    const int32_t fewer = depth > USUAL_DEPTH ? groups * USUAL_DEPTH / depth : groups;
    return fewer > 1 ? fewer : 1;
}

static int64_t sparse_chunk_rows(const fgi_cuda_task *task)
{
    const int32_t grid = fgi_sparse_grid(task->multiprocessors);
    return (int64_t)fgi_sparse_wave_rows(grid, is_wide(task)) * groups_for(task);
}

static fg_status sparse_create(fgi_ledger *ledger, fgi_cuda_worker **out)
{
    sparse_worker *w;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *w, &w));
    w->base.strategy = &fgi_cuda_sparse;
    w->known.latest = -1;
    const fg_status s = fgi_cuda_spill_create(ledger, &w->spill);
    if (s == FG_OK)
        *out = &w->base;
    else
        fgi_free(w);
    return s;
}

/* ------------------------------------------------------------------------------------------ layout */

static void carve_model(sparse_worker *w, fgi_cuda_carver *c)
{
    const int64_t k = w->task.k, lanes = fgi_cuda_padded(k, FGI_SPARSE_LANES), ld = w->plane.ld;
    fgi_sparse_model *m = &w->model;
    m->kind = (int32_t)w->task.kind;
    m->k = w->task.k;
    m->d = w->task.d;
    m->ld = w->plane.mean_ld;
    m->wide = is_wide(&w->task);
    const bool diagonal = fgi_cuda_is_diagonal(&w->task);
    m->weights = fgi_cuda_carve(c, k * ld, sizeof(uint16_t));
    m->low_weights = diagonal ? fgi_cuda_carve(c, k * ld, sizeof(uint16_t)) : m->weights;
    m->scales = diagonal ? fgi_cuda_carve(c, k * m->ld, sizeof(float)) : NULL;
    m->constants = fgi_cuda_asks_rows(&w->task) ? fgi_cuda_carve(c, k, sizeof(double)) : NULL;
    m->high = fgi_cuda_carve(c, lanes, 2 * sizeof(uint16_t));
    m->low = fgi_cuda_carve(c, lanes, 2 * sizeof(uint16_t));
    m->spheres = fgi_cuda_carve(c, 2 * k, sizeof *m->spheres);
    m->limits = fgi_cuda_carve(c, 1, sizeof *m->limits);
    w->own_means = fgi_cuda_carve(c, k * m->ld, sizeof(float));
}

/* Where survivors are sorted and summed. */
static void carve_sums(sparse_worker *w, int64_t entries, fgi_cuda_carver *c)
{
    const fgi_cuda_task *task = &w->task;
    const int64_t k = task->k;
    fgi_sparse_screen_args *a = &w->screen;
    w->order = (fgi_sparse_order_args){.in = a->streams, .k = task->k};
    w->order.before = fgi_cuda_carve(c, a->streams.streams * k, sizeof *w->order.before);
    w->order.start = fgi_cuda_carve(c, k + 1, sizeof *w->order.start);
    w->order.sorted = fgi_cuda_carve(c, entries, sizeof *w->order.sorted);
    a->value = (float *)w->order.sorted; /* done with when survivors are sorted */
    const int64_t floats = fgi_sparse_partial_floats(task->multiprocessors, task->k, task->d,
                                                     task->stats_kind == FGI_DIAGONAL, entries);
    w->partial = fgi_cuda_carve(c, floats, sizeof *w->partial);
}

static void sparse_carve_chunk(fgi_cuda_worker *worker, fgi_cuda_carver *c)
{
    sparse_worker *w = (sparse_worker *)worker;
    const fgi_cuda_carver over = *c;
    const fgi_cuda_task *task = &w->task;
    const int64_t rows = sparse_chunk_rows(task);
    fgi_sparse_screen_args *a = &w->screen;
    fgi_sparse_streams *out = &a->streams;
    out->streams = fgi_sparse_streams_for(w->grid, is_wide(task));
    out->capacity = task->stats_kind == FGI_DIAGONAL ? STREAM_CAPACITY_DIAGONAL : STREAM_CAPACITY;
    out->groups = groups_for(task);
    const int64_t entries = (int64_t)out->streams * out->capacity;
    out->candidate = fgi_cuda_carve(c, entries, sizeof *out->candidate);
    out->score = fgi_cuda_carve(c, entries, sizeof *out->score);
    const bool lists = !fgi_cuda_asks_rows(task) || task->rows.top > 1;
    out->survivor = lists ? fgi_cuda_carve(c, entries, sizeof *out->survivor) : NULL;
    out->group = fgi_cuda_carve(c, (int64_t)out->streams * out->groups, sizeof *out->group);
    a->bound = fgi_cuda_carve(c, rows, sizeof *a->bound);
    a->scratch = fgi_cuda_carve(c, fgi_sparse_scratch_bytes(w->grid, is_wide(task)), 1);
    a->grid = w->grid;
    if (fgi_cuda_asks_rows(task))
        a->value = fgi_cuda_carve(c, entries, sizeof *a->value);
    else
        carve_sums(w, entries, c);
    fgi_cuda_plane_carve_chunk(&w->plane, rows, c);
    fgi_cuda_spill_carve_chunk(&w->spill, over, c);
}

static void sparse_carve(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *c)
{
    sparse_worker *w = (sparse_worker *)worker;
    w->task = *task;
    w->grid = fgi_sparse_grid(task->multiprocessors);
    fgi_cuda_plane_take(&w->plane, task, FGI_SPARSE_PLANE_PAD, FGI_CUDA_LOW_NONE,
                        !reads_plane(task));
    fgi_cuda_plane_carve(&w->plane, c);
    carve_model(w, c);
    w->parts = fgi_cuda_carve(c, task->k, sizeof *w->parts);
    w->screen.left =
        fgi_cuda_carve(c, sparse_chunk_rows(task) / FGI_SPARSE_GROUP, sizeof *w->screen.left);
    if (fgi_cuda_asks_rows(task)) /* when rows left over are answered, a chunk's memory is theirs */
        fgi_cuda_carve_answers(c, &task->rows, sparse_chunk_rows(task), &w->answers);
    fgi_cuda_spill_carve(&w->spill, task, most_spilled(task), c);
}

static fg_status sparse_prepare(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    const fgi_cuda_task *task = &w->task;
    known_rows *known = &w->known;
    FG_TRY(fgi_cuda_plane_prepare(&w->plane));
    if (fgi_cuda_asks_rows(task)) return FG_OK;
    if (!task->source_rows) {
        known->rows = 0;
        return FG_OK;
    }
    if (known->rows == task->source_rows && known->k == task->k && known->d == task->d &&
        known->diagonal == fgi_cuda_is_diagonal(task) && known->normalize == task->normalize)
        return FG_OK;
    fgi_cuda_carver c = {0};
    for (int pass = 0; pass < 2; pass++) {
        c.used = 0;
        known->state = fgi_cuda_carve(&c, task->source_rows, sizeof *known->state);
        known->found = fgi_cuda_carve(&c, 1, sizeof *known->found);
        for (int i = 0; i < 2; i++)
            known->means[i] =
                fgi_cuda_carve(&c, (int64_t)task->k * w->plane.mean_ld, sizeof(float));
        if (pass == 0) FG_TRY(fgi_cuda_reserve(&known->block, c.used));
        c.data = known->block.data;
    }
    known->rows = task->source_rows;
    known->k = task->k;
    known->d = task->d;
    known->normalize = task->normalize;
    known->diagonal = fgi_cuda_is_diagonal(task);
    known->latest = -1;
    return FG_OK;
}

static void sparse_forget(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    fgi_cuda_release(&w->known.block);
    fgi_cuda_plane_forget(&w->plane);
    memset(&w->known, 0, sizeof w->known);
    w->known.latest = -1;
}

static void sparse_destroy(fgi_cuda_worker *worker)
{
    sparse_worker *w = (sparse_worker *)worker;
    sparse_forget(worker);
    fgi_cuda_spill_destroy(&w->spill);
    fgi_free(w);
}

/* -------------------------------------------------------------------------------------------- pass */

/* Rows that find no room have no answers, but that is known only when all have been fetched. */
static cudaError_t clear_answers(const sparse_worker *w, cudaStream_t stream)
{
    const fgi_cuda_answers *a = &w->answers;
    const size_t rows = (size_t)sparse_chunk_rows(&w->task), cells = rows * (size_t)a->top;
    cudaError_t e = cudaSuccess;
    if (a->densities) e = cudaMemsetAsync(a->densities, 0, rows * sizeof *a->densities, stream);
    if (e != cudaSuccess || !a->components) return e;
    e = cudaMemsetAsync(a->components, 0, cells * sizeof *a->components, stream);
    return e == cudaSuccess ? cudaMemsetAsync(a->values, 0, cells * sizeof *a->values, stream) : e;
}

static cudaError_t sparse_begin(fgi_cuda_worker *worker, const fgi_cuda_slot *slot,
                                cudaStream_t stream)
{
    sparse_worker *w = (sparse_worker *)worker;
    w->slot = slot;
    w->rows = 0;
    w->planned = false;
    cudaError_t e = fgi_cuda_spill_begin(&w->spill, slot, stream);
    if (e == cudaSuccess && fgi_cuda_asks_rows(&w->task)) e = clear_answers(w, stream);
    if (e == cudaSuccess) e = fgi_cuda_plane_ready(&w->plane, stream);
    return e == cudaSuccess ? fgi_cuda_plane_begin(&w->plane, slot->params.center, stream) : e;
}

/* Whether passes leave what they have learned of rows to those that follow. */
static bool keeps_states(const sparse_worker *w)
{
    return w->known.rows > 0 && !fgi_cuda_asks_rows(&w->task);
}

/* What the first chunk tells is needed for a plan. */
static cudaError_t plan(sparse_worker *w, const fgi_sparse_rows *rows, cudaStream_t stream)
{
    known_rows *known = &w->known;
    const float *last = NULL;
    w->planned = true;
    w->model.scale = w->plane.memory.scale;
    w->model.ups = w->plane.memory.ups;
    w->model.means = w->own_means;
    if (keeps_states(w)) {
        const int next = known->latest < 0 ? 0 : 1 - known->latest;
        if (known->latest >= 0) last = known->means[known->latest];
        w->model.means = known->means[next];
        known->latest = -1; /* until all rows have been seen */
    }
    const cudaError_t e = fgi_sparse_measure(rows, &w->plane.memory, stream);
    return e == cudaSuccess ? fgi_sparse_plan(&w->slot->params, &w->model, last, known->found,
                                              w->plane.memory.stale, stream)
                            : e;
}

/* Rows and their plane; the first chunk also brings the plan. */
static cudaError_t take_rows(sparse_worker *w, const fgi_cuda_chunk *chunk, fgi_sparse_rows *rows,
                             cudaStream_t stream)
{
    cudaError_t e = fgi_cuda_plane_rows(&w->plane, chunk, rows, stream);
    if (e == cudaSuccess && !w->planned) e = plan(w, rows, stream);
    if (e == cudaSuccess) e = fgi_cuda_plane_fill(&w->plane, chunk, rows, stream);
    if (reads_plane(&w->task))
        rows->exact = (fgi_sparse_exact){
            .data = rows->plane,
            .pitch = w->plane.ld * (int64_t)sizeof(uint16_t),
            .dtype = FG_F16,
            .center = w->plane.zeros,
            .factor = &w->plane.memory.scale->down,
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

/* What follows screening: responsibilities, and what they add up to. */
static cudaError_t add_chunk(sparse_worker *w, const fgi_cuda_chunk *chunk, cudaStream_t stream)
{
    const fgi_sparse_screen_args *a = &w->screen;
    w->order.in = a->streams;
    w->order.rows = chunk->rows;
    cudaError_t e = fgi_sparse_resolve(a, stream);
    if (e == cudaSuccess) e = fgi_sparse_order(&w->order, stream);
    if (e == cudaSuccess) e = add_sums(w, &a->rows, stream);
    return e == cudaSuccess ? fgi_cuda_spill_take(&w->spill, chunk, a->left, stream) : e;
}

/* Or answers. */
static cudaError_t answer_chunk(sparse_worker *w, const fgi_cuda_chunk *chunk, cudaStream_t stream)
{
    const fgi_sparse_answer_args answer = {
        .screen = w->screen,
        .tau = w->task.rows.tau,
        .to = w->answers,
    };
    const cudaError_t e = fgi_sparse_answer(&answer, stream);
    return e == cudaSuccess
               ? fgi_cuda_spill_answer(&w->spill, chunk, w->screen.left, &w->answers, stream)
               : e;
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
    a->state = keeps_states(w) ? w->known.state + chunk->first : NULL;
    a->told = w->spill.told;
    if (e == cudaSuccess) e = fgi_sparse_refer(a, stream);
    if (e == cudaSuccess) e = fgi_sparse_screen(a, stream);
    w->rows += chunk->rows;
    if (e != cudaSuccess) return e;
    return fgi_cuda_asks_rows(&w->task) ? answer_chunk(w, chunk, stream)
                                        : add_chunk(w, chunk, stream);
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
        .told = w->spill.told,
        .totals = slot->totals,
        .parts = w->parts,
        .found = known->rows ? known->found : NULL,
    };
    const cudaError_t e = fgi_sparse_finish(&own, stream);
    return e == cudaSuccess ? fgi_cuda_spill_end(&w->spill, stream) : e;
}

static fgi_cuda_answers sparse_answers(const fgi_cuda_worker *worker)
{
    return ((const sparse_worker *)worker)->answers;
}

static const uint64_t *sparse_unanswered(const fgi_cuda_worker *worker)
{
    return fgi_cuda_spill_lost(&((const sparse_worker *)worker)->spill);
}

static fgi_cuda_worker *sparse_substitute(const fgi_cuda_worker *worker)
{
    return ((const sparse_worker *)worker)->spill.dense;
}

const fgi_cuda_strategy fgi_cuda_sparse = {
    .name = "sparse",
    .serves = sparse_serves,
    .chunk_rows = sparse_chunk_rows,
    .create = sparse_create,
    .destroy = sparse_destroy,
    .carve = sparse_carve,
    .carve_chunk = sparse_carve_chunk,
    .prepare = sparse_prepare,
    .forget = sparse_forget,
    .begin = sparse_begin,
    .absorb = sparse_absorb,
    .finish = sparse_finish,
    .answers = sparse_answers,
    .unanswered = sparse_unanswered,
    .substitute = sparse_substitute,
};
