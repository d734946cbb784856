/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_absorb.c - one pass on a device: chunks travel there while it works on earlier ones; statistics stay there until
 * the end. Knows streams and the order of things; knows no strategy from within. */
#include "cuda_backend.h"
#include "cuda_device.h"

enum {
    /* One row in so many left to the dense strategy is crowded: where the soft one takes over, where lists of candidates can
     * only grow longer, and where the soft one itself is of little use. */
    MANY_LEFT = 64,
    LEFT_TO_WIDEN =
        512, /* where sums can be made wider, which takes less than one pass in eight that is made again */
    MOST_LEFT = 16,
    MOST_LEFT_SOFTLY = 2,
    /* Of what a task expects, one row in 2^10 to begin with: absorbing none takes as long as absorbing some 10,000. Left rows
     * may follow each other, so it is not halved step by step. */
    MOST_HALVINGS = 10,
    STEP_HALVINGS = 3,
    LEAST_PATIENCE = 16, /* passes: what is crowded now may be so no longer a little later, */
    MOST_PATIENCE =
        256, /* but a pass that loses rows is lost itself: so it is tried ever less often */
    VIEW_BYTES = 16 << 20
};

/* ------------------------------------------------------------------------------------------- choice */

static int32_t left_one_in(const fgi_cuda_backend *cuda)
{
    return 1 << (MOST_HALVINGS - cuda->left_halvings);
}

static fgi_cuda_task task_of(const fgi_cuda_backend *cuda, const fgi_pass_spec *spec)
{
    const fgi_cuda_store *store = &cuda->store;
    const bool learns = !fgi_asks_rows(&spec->rows);
    const bool follows = learns && fgi_cuda_store_follows(store, spec->source, spec->dtype);
    const bool held = learns && fgi_cuda_store_holds(store, spec->source, spec->dtype);
    return (fgi_cuda_task){
        .kind = spec->params->kind,
        .stats_kind = spec->stats_kind,
        .k = spec->params->k,
        .d = spec->params->d,
        .normalize = spec->params->normalize,
        .stats = spec->stats,
        .rows = spec->rows,
        .dtype = spec->dtype,
        .precision = cuda->precision,
        .capability = cuda->capability,
        .multiprocessors = cuda->multiprocessors,
        .crowding = learns ? cuda->crowding : cuda->asks_crowded,
        .left_one_in = left_one_in(cuda),
        .source_rows = follows ? store->rows : 0,
        .held_rows = held ? store->rows : 0,
    };
}

static fgi_cuda_worker *worker_for(const fgi_cuda_backend *cuda, const fgi_cuda_task *task)
{
    int i = 0;
    while (!fgi_cuda_strategies[i]->serves(task)) i++;
    return cuda->workers[i];
}

static int64_t rows_of(const fgi_cuda_totals *totals)
{
    return totals->rows + totals->rows_skipped + totals->lost;
}

/* Whether another strategy would have taken less time. */
static bool is_crowded(const fgi_cuda_task *task, const fgi_cuda_totals *totals)
{
    fgi_cuda_task next = *task;
    next.crowding++;
    if (totals->lost == 0 && task->source_rows == 0)
        return false; /* the next pass is about other rows */
    const int64_t most = fgi_cuda_soft.serves(task)     ? MOST_LEFT_SOFTLY
                         : fgi_cuda_soft.serves(&next)  ? MANY_LEFT
                         : fgi_cuda_sparse_widens(task) ? LEFT_TO_WIDEN
                                                        : MOST_LEFT;
    return totals->left * most > rows_of(totals);
}

/* Rows were lost for want of room, though they were not many. */
static void make_smaller_batches(fgi_cuda_backend *cuda, const fgi_cuda_totals *totals)
{
    const int64_t all = rows_of(totals), room = all - all / 4;
    do {
        cuda->left_halvings += STEP_HALVINGS;
        if (cuda->left_halvings > MOST_HALVINGS) cuda->left_halvings = MOST_HALVINGS;
    } while (cuda->left_halvings < MOST_HALVINGS && totals->left * left_one_in(cuda) > room);
}

bool fgi_cuda_pass_over(fgi_cuda_backend *cuda, const fgi_cuda_totals *totals)
{
    const bool crowded = is_crowded(&cuda->task, totals), lost = totals->lost > 0;
    if (crowded && cuda->crowding > cuda->task.crowding)
        return true; /* known: such turns were ahead */
    if (lost && !crowded) {
        make_smaller_batches(cuda, totals);
        return true;
    }
    if (crowded) {
        cuda->crowding++;
        cuda->patience = cuda->tried_again ? 2 * cuda->patience : LEAST_PATIENCE;
        if (cuda->patience > MOST_PATIENCE) cuda->patience = MOST_PATIENCE;
        cuda->tried_again = false;
    } else if (cuda->task.source_rows == 0)
        cuda->crowding = cuda->left_halvings = 0;
    else if (cuda->passes_crowded == 0 || --cuda->passes_crowded > 0)
        return false;
    else {
        cuda->crowding--;
        cuda->tried_again = true;
    }
    cuda->passes_crowded = cuda->crowding > 0 ? cuda->patience : 0;
    return crowded;
}

static bool is_served(fg_dtype dtype)
{
    return dtype == FG_F32 || dtype == FG_F16 || dtype == FG_BF16 || dtype == FG_I8 ||
           dtype == FG_U8 || dtype == FG_F64;
}

/* Rows that travel together, unless they have something to tell after each chunk. */
static int64_t rows_at_once(const fgi_cuda_strategy *strategy, const fgi_cuda_task *task)
{
    const int64_t rows = strategy->chunk_rows(task);
    const int64_t fit = VIEW_BYTES / (rows * fgi_cuda_pitch_bytes(task->dtype, task->d));
    return fit > 1 && !fgi_asks_rows(&task->rows) ? fit * rows : rows;
}

int64_t fgi_cuda_unit_rows(const fgi_backend *backend, const fgi_pass_spec *spec)
{
    const fgi_cuda_backend *cuda = (const fgi_cuda_backend *)backend;
    if (!is_served(spec->dtype)) return 1; /* begin says so */
    const fgi_cuda_task task = task_of(cuda, spec);
    return rows_at_once(worker_for(cuda, &task)->strategy, &task);
}

/* -------------------------------------------------------------------------------------------- begin */

static void carve_slot(fgi_cuda_carver *c, const fgi_cuda_task *task, fgi_cuda_slot *slot)
{
    const int64_t k = task->k, d = task->d;
    const int64_t doubles = fgi_params_doubles(task->kind, task->k, task->d);
    double *block = fgi_cuda_carve(c, doubles + (d + 1) / 2, sizeof(double));
    if (block)
        slot->params = (fgi_cuda_params){
            .log_weights = block,
            .means = block + k,
            .variances = block + k + k * d,
            .center = (const float *)(const void *)(block + doubles),
        };
    slot->totals = fgi_cuda_carve(c, 1, sizeof *slot->totals);
    slot->states = fgi_cuda_carve(c, k, sizeof *slot->states);
    slot->stats = NULL;
    if (task->stats)
        slot->stats = fgi_cuda_carve(c, fgi_stats_doubles(task->stats_kind, task->k, task->d),
                                     sizeof(double));
}

static void carve_all(fgi_cuda_backend *cuda, fgi_cuda_carver *c)
{
    for (int32_t i = 0; i < cuda->slot_count; i++) {
        carve_slot(c, &cuda->task, &cuda->slots[i]);
        cuda->slots[i].params.center = cuda->slots[0].params.center; /* one for all */
    }
    cuda->turns.floor = fgi_cuda_carve(c, cuda->task.d, sizeof(double));
    cuda->turns.masses = fgi_cuda_carve(c, 2 * (int64_t)cuda->task.k, sizeof(double));
    const fgi_cuda_strategy *strategy = cuda->worker->strategy;
    strategy->carve(cuda->worker, &cuda->task, c);
    if (strategy->carve_chunk) strategy->carve_chunk(cuda->worker, c);
}

static fg_status make_room(fgi_cuda_backend *cuda, int64_t view_rows)
{
    const fgi_cuda_strategy *strategy = cuda->worker->strategy;
    const int64_t rows = view_rows ? view_rows : rows_at_once(strategy, &cuda->task);
    const int64_t window_bytes = rows * fgi_cuda_pitch_bytes(cuda->task.dtype, cuda->task.d);
    fgi_cuda_carver count = {0};
    carve_all(cuda, &count);
    FG_TRY(fgi_cuda_reserve(&cuda->workspace, count.used));
    FG_TRY(fgi_cuda_store_begin(&cuda->store, cuda->held, window_bytes));
    fgi_cuda_carver carver = {.data = cuda->workspace.data};
    carve_all(cuda, &carver);
    return strategy->prepare ? strategy->prepare(cuda->worker) : FG_OK;
}

static cudaError_t send_params(const fgi_params *p, const fgi_cuda_slot *slot, cudaStream_t s)
{
    const size_t doubles = (size_t)fgi_params_doubles(p->kind, p->k, p->d);
    return cudaMemcpyAsync(slot->params.log_weights, p->log_weights,
                           doubles * sizeof(double) + (size_t)p->d * sizeof(float),
                           cudaMemcpyHostToDevice, s);
}

fg_status fgi_cuda_prepare(fgi_cuda_backend *cuda, const fgi_pass_spec *spec, int32_t slots,
                           int64_t view_rows)
{
    FG_TRY(fgi_cuda_status(cudaSetDevice(cuda->device), "choosing the device"));
    cuda->task = task_of(cuda, spec);
    cuda->worker = worker_for(cuda, &cuda->task);
    cuda->held = fgi_cuda_store_holds(&cuda->store, spec->source, spec->dtype);
    cuda->slot_count = slots;
    FG_TRY(make_room(cuda, view_rows));
    return fgi_cuda_status(send_params(spec->params, &cuda->slots[0], cuda->computing),
                           "preparing a pass");
}

cudaError_t fgi_cuda_begin_slot(fgi_cuda_backend *cuda, const fgi_cuda_slot *slot)
{
    const fgi_cuda_task *task = &cuda->task;
    const fgi_cuda_strategy *strategy = cuda->worker->strategy;
    const int64_t doubles = slot->stats ? fgi_stats_doubles(task->stats_kind, task->k, task->d) : 0;
    cudaError_t e = cudaSuccess;
    if (!strategy->sets) e = fgi_cuda_clear(slot->stats, doubles, slot->totals, cuda->computing);
    return e == cudaSuccess ? strategy->begin(cuda->worker, slot, cuda->computing) : e;
}

static fg_status begin_pass(fgi_cuda_backend *cuda)
{
    fg_status s = fgi_cuda_prepare(cuda, &cuda->spec, 1, cuda->view_rows);
    if (s == FG_MEMORY && (cuda->held || cuda->task.source_rows)) {
        /* better slowly than not at all: nothing is kept */
        cuda->base.ops->release(&cuda->base);
        s = fgi_cuda_prepare(cuda, &cuda->spec, 1, cuda->view_rows);
    }
    FG_TRY(s);
    FG_TRY(fgi_cuda_asking_begin(&cuda->asking, &cuda->task, cuda->worker, cuda->computing,
                                 cuda->view_rows));
    return fgi_cuda_status(fgi_cuda_begin_slot(cuda, &cuda->slots[0]), "preparing a pass");
}

fg_status fgi_cuda_begin(fgi_backend *backend, const fgi_pass_spec *spec)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    if (!is_served(spec->dtype))
        return fgi_fail(FG_UNSUPPORTED,
                        "rows of type %s cannot be clustered; use f32, f16, bf16, i8, u8 or f64",
                        fg_dtype_text(spec->dtype));
    cuda->spec = *spec;
    cuda->view_rows = fgi_cuda_unit_rows(backend, spec);
    return begin_pass(cuda);
}

/* ---------------------------------------------------------------------------------- absorb and end */

fg_status fgi_cuda_absorb_rows(fgi_cuda_backend *cuda, const void *raw, int64_t first, int64_t rows)
{
    const fgi_cuda_strategy *strategy = cuda->worker->strategy;
    const int64_t most = strategy->chunk_rows(&cuda->task);
    const int64_t pitch_bytes = fgi_cuda_pitch_bytes(cuda->task.dtype, cuda->task.d);
    cudaError_t e = cudaSuccess;
    for (int64_t at = 0; at < rows && e == cudaSuccess; at += most) {
        const fgi_cuda_chunk chunk = {
            .raw = (const char *)raw + at * pitch_bytes,
            .first = first + at,
            .rows = (int32_t)(rows - at < most ? rows - at : most),
        };
        e = strategy->absorb(cuda->worker, &chunk, cuda->computing);
    }
    return fgi_cuda_status(e, "starting kernels");
}

static fg_status bring(fgi_cuda_backend *cuda, const fg_view *view, fgi_cuda_chunk *chunk)
{
    return fgi_cuda_store_bring(&cuda->store, cuda->held, view, chunk->first, cuda->computing,
                                &chunk->raw);
}

/* If a pass's first rows find no room, so that others will not either, and nothing was told yet, another strategy begins it anew: the next
 * one, or the dense one if there is no memory for that. */
static fg_status settle_strategy(fgi_cuda_backend *cuda, const fg_view *view, fgi_cuda_chunk *chunk)
{
    fgi_cuda_task next = cuda->task;
    next.crowding++;
    if (worker_for(cuda, &next)->strategy == &fgi_cuda_dense)
        return FG_OK; /* which answers for such chunks in any case */
    const bool held = cuda->held;
    bool complete;
    FG_TRY(fgi_cuda_asking_look(&cuda->asking, &complete));
    if (complete) return FG_OK;
    fg_status s;
    do {
        cuda->asks_crowded++;
        s = begin_pass(cuda);
    } while (s == FG_MEMORY && cuda->asks_crowded < 2);
    FG_TRY(s);
    if (cuda->held != held) /* to begin took the memory that held them */
        FG_TRY(bring(cuda, view, chunk));
    return fgi_cuda_asking_send(&cuda->asking, chunk);
}

fg_status fgi_cuda_absorb(fgi_backend *backend, const fg_view *view, int64_t first,
                          const fgi_row_results *results)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    (void)results; /* await tells where they are */
    fgi_cuda_chunk chunk = {.first = first, .rows = (int32_t)view->rows};
    FG_TRY(bring(cuda, view, &chunk));
    if (fgi_asks_rows(&cuda->task.rows)) {
        const bool is_first = cuda->asking.sent == 0;
        FG_TRY(fgi_cuda_asking_send(&cuda->asking, &chunk));
        if (is_first) FG_TRY(settle_strategy(cuda, view, &chunk));
    } else
        FG_TRY(fgi_cuda_absorb_rows(cuda, chunk.raw, first, view->rows));
    return fgi_cuda_store_used(&cuda->store, cuda->computing);
}

fg_status fgi_cuda_await(fgi_backend *backend, fgi_row_results *out)
{
    return fgi_cuda_asking_await(&((fgi_cuda_backend *)backend)->asking, out);
}

/* Waits for the slot's totals. */
static cudaError_t fetch_totals(fgi_cuda_backend *cuda, fgi_cuda_totals *out)
{
    const cudaError_t e = cudaMemcpyAsync(out, cuda->slots[0].totals, sizeof *out,
                                          cudaMemcpyDeviceToHost, cuda->computing);
    return e == cudaSuccess ? cudaStreamSynchronize(cuda->computing) : e;
}

static fg_status add_stats(fgi_cuda_backend *cuda, const fgi_cuda_totals *totals, fgi_stats *stats)
{
    const fgi_cuda_task *task = &cuda->task;
    fgi_stats found;
    FG_TRY(fgi_stats_create(cuda->ledger, task->stats_kind, task->k, task->d, &found));
    const size_t doubles = (size_t)fgi_stats_doubles(task->stats_kind, task->k, task->d);
    cudaError_t e = cudaMemcpyAsync(found.mass, cuda->slots[0].stats, doubles * sizeof(double),
                                    cudaMemcpyDeviceToHost, cuda->computing);
    if (e == cudaSuccess) e = cudaStreamSynchronize(cuda->computing);
    if (e == cudaSuccess) {
        found.objective = task->kind == FGI_HARD ? -totals->objective : totals->objective;
        found.dropped = totals->dropped;
        found.rows = totals->rows;
        found.rows_skipped = totals->rows_skipped;
        found.survivors = totals->survivors;
        found.first_bad_row = totals->first_bad_row;
        fgi_stats_merge(stats, &found);
    }
    fgi_stats_destroy(&found);
    return fgi_cuda_status(e, "finishing a pass");
}

static fg_status finish(fgi_cuda_backend *cuda, fgi_stats *stats, bool *again)
{
    fgi_cuda_totals totals;
    cudaError_t e = cuda->worker->strategy->finish(cuda->worker, cuda->computing);
    if (e == cudaSuccess) e = fetch_totals(cuda, &totals);
    FG_TRY(fgi_cuda_status(e, "finishing a pass"));
    *again = totals.lost > 0;
    fgi_cuda_pass_over(cuda, &totals);
    return *again ? FG_OK : add_stats(cuda, &totals, stats);
}

fg_status fgi_cuda_end(fgi_backend *backend, fgi_stats *stats, bool *again)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    *again = false;
    const fg_status s = stats && cuda->task.stats ? finish(cuda, stats, again) : FG_OK;
    /* the device is at rest after a pass, also after a failed one */
    const cudaError_t computed = cudaStreamSynchronize(cuda->computing);
    const fg_status copied = fgi_cuda_store_end(&cuda->store, cuda->held);
    fgi_cuda_asking_end(&cuda->asking);
    cuda->asks_crowded = 0;
    if (s != FG_OK) return s;
    return copied != FG_OK ? copied : fgi_cuda_status(computed, "finishing a pass");
}
