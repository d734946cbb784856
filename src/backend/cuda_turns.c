/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_turns.c - turns on a device: pass, update, pass, with reports that the host reads when it comes to it. Knows slots
 * and the order of things; knows no strategy from within and no algorithm. */
#include "cuda_backend.h"
#include "cuda_device.h"

enum {
    LARGE_SLOT_BYTES = 1 << 20, /* such turns take long: one of them ahead is enough */
    LARGE_SLOTS = 3
};

/* One slot is read, one more being filled for each turn ahead, and the last of these makes parameters for another. */
static int64_t turns_ahead(const fgi_cuda_backend *cuda)
{
    return cuda->slot_count - 2;
}

static fgi_cuda_slot *slot_of(fgi_cuda_backend *cuda, int64_t turn)
{
    return &cuda->slots[turn % cuda->slot_count];
}

static int32_t slots_for(const fgi_pass_spec *spec)
{
    const fgi_params *p = spec->params;
    const int64_t doubles =
        fgi_params_doubles(p->kind, p->k, p->d) + fgi_stats_doubles(spec->stats_kind, p->k, p->d);
    return doubles * (int64_t)sizeof(double) > LARGE_SLOT_BYTES ? LARGE_SLOTS : FGI_CUDA_MOST_SLOTS;
}

fg_status fgi_cuda_turns_begin(fgi_backend *backend, const fgi_pass_spec *spec,
                               const fgi_update *update, bool *taken)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    const fgi_cuda_store *store = &cuda->store;
    *taken = fgi_cuda_store_holds(store, spec->source, spec->dtype) && store->filled == store->rows;
    if (!*taken) return FG_OK;
    const fg_status s = fgi_cuda_prepare(cuda, spec, slots_for(spec), 0);
    if (s == FG_MEMORY) { /* a single pass needs less */
        *taken = false;
        return FG_OK;
    }
    FG_TRY(s);
    cuda->turns.update = *update;
    cuda->turns.begun = cuda->turns.told = cuda->turns.current = 0;
    cuda->turns.most = cuda->passes_crowded > 0 ? cuda->passes_crowded : INT64_MAX;
    const size_t floors = (size_t)fgi_variance_cols(spec->params->kind, spec->params->d);
    if (floors == 0) return FG_OK;
    return fgi_cuda_status(cudaMemcpyAsync(cuda->turns.floor, update->floor,
                                           floors * sizeof(double), cudaMemcpyHostToDevice,
                                           cuda->computing),
                           "preparing a pass");
}

static fgi_cuda_update_args update_of(fgi_cuda_backend *cuda, int64_t turn)
{
    const fgi_cuda_turns *turns = &cuda->turns;
    const fgi_cuda_slot *from = slot_of(cuda, turn), *to = slot_of(cuda, turn + 1);
    return (fgi_cuda_update_args){
        .kind = (int32_t)cuda->task.kind,
        .stats_kind = (int32_t)cuda->task.stats_kind,
        .k = cuda->task.k,
        .d = cuda->task.d,
        .to_sphere = turns->update.to_sphere,
        .least_mass = turns->update.least_mass,
        .floor = turns->floor,
        .seed = turns->update.seed,
        .draw = turns->update.first_draw + (uint64_t)turn,
        .masses = turns->masses,
        .errors = turns->masses + cuda->task.k,
        .from = from->params,
        .to = to->params,
        .stats = from->stats,
        .totals = from->totals,
        .states = to->states,
        .report = (fgi_cuda_report *)turns->reports.data + turn % cuda->slot_count,
    };
}

static cudaError_t update_and_report(fgi_cuda_backend *cuda, int64_t turn)
{
    const fgi_cuda_strategy *strategy = cuda->worker->strategy;
    const fgi_cuda_model *model = strategy->leave_plan ? strategy->leave_plan(cuda->worker) : NULL;
    fgi_cuda_update_args update = update_of(cuda, turn);
    update.plans = model != NULL;
    if (model) update.model = *model;
    const cudaError_t e = fgi_cuda_update(&update, cuda->computing);
    if (e != cudaSuccess) return e;
    return cudaEventRecord(cuda->turns.reported[turn % cuda->slot_count], cuda->computing);
}

/* Gives the device one more turn. */
static fg_status begin_turn(fgi_cuda_backend *cuda)
{
    const int64_t turn = cuda->turns.begun++;
    FG_TRY(fgi_cuda_status(fgi_cuda_begin_slot(cuda, slot_of(cuda, turn)), "starting kernels"));
    FG_TRY(fgi_cuda_absorb_rows(cuda, cuda->store.block.data, 0, cuda->store.rows));
    cudaError_t e = cuda->worker->strategy->finish(cuda->worker, cuda->computing);
    if (e == cudaSuccess) e = update_and_report(cuda, turn);
    return fgi_cuda_status(e, "starting kernels");
}

fg_status fgi_cuda_turns_next(fgi_backend *backend, int64_t most, fgi_turn *out)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    fgi_cuda_turns *turns = &cuda->turns;
    *out = (fgi_turn){.again = turns->told == turns->most};
    turns->current = turns->told;
    if (out->again) return FG_OK;
    int64_t wanted = 1 + turns_ahead(cuda);
    if (wanted > most) wanted = most;
    if (wanted > turns->most - turns->told) wanted = turns->most - turns->told;
    while (turns->begun < turns->told + wanted) FG_TRY(begin_turn(cuda));
    const int at = (int)(turns->told % cuda->slot_count);
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(turns->reported[at]), "computing a turn"));
    const fgi_cuda_report *report = (const fgi_cuda_report *)turns->reports.data + at;
    const fgi_cuda_totals *totals = &report->totals;
    out->again = totals->lost > 0;
    if (fgi_cuda_pass_over(cuda, totals)) turns->most = turns->begun;
    if (out->again) return FG_OK;
    turns->told++;
    out->objective = cuda->task.kind == FGI_HARD ? -totals->objective : totals->objective;
    out->dropped = totals->dropped;
    out->rows = totals->rows;
    out->rows_skipped = totals->rows_skipped;
    out->first_bad_row = totals->first_bad_row;
    out->empty = report->empty;
    out->revived = report->revived;
    out->at_rest = report->moved == 0;
    return FG_OK;
}

fg_status fgi_cuda_turns_fetch(fgi_backend *backend, fgi_params *params, int32_t *states,
                               fgi_stats *stats)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    const fgi_cuda_task *task = &cuda->task;
    const fgi_cuda_slot *slot = slot_of(cuda, cuda->turns.current);
    const cudaStream_t s = cuda->store.transfer.stream; /* not behind the turns that are ahead */
    cudaError_t e = cudaSuccess;
    if (params)
        e = cudaMemcpyAsync(params->log_weights, slot->params.log_weights,
                            (size_t)fgi_params_doubles(task->kind, task->k, task->d) *
                                sizeof(double),
                            cudaMemcpyDeviceToHost, s);
    if (states && task->kind != FGI_HARD && cuda->turns.current > 0 && e == cudaSuccess)
        e = cudaMemcpyAsync(states, slot->states, (size_t)task->k * sizeof *states,
                            cudaMemcpyDeviceToHost, s);
    if (stats && e == cudaSuccess)
        e = cudaMemcpyAsync(stats->mass, slot->stats,
                            (size_t)fgi_stats_doubles(task->stats_kind, task->k, task->d) *
                                sizeof(double),
                            cudaMemcpyDeviceToHost, s);
    if (e == cudaSuccess) e = cudaStreamSynchronize(s);
    return fgi_cuda_status(e, "fetching parameters");
}

void fgi_cuda_turns_end(fgi_backend *backend)
{
    /* what is ahead runs out by itself: whatever comes next in the stream waits for it */
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    cuda->turns.begun = cuda->turns.told = 0;
}
