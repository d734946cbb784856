/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_asking.c - pinned buffers that rows' results arrive in, for the caller to take. Knows one stream and its
 * events; knows no kernel. */
#include "cuda_asking.h"

#include "cuda_device.h"
#include "cuda_transfer.h"

enum {
    KEPT_BYTES = 16 << 20, /* the next pass may want them */
    MOST_IN_A_ROW = 2      /* chunks that are asked twice */
};

fg_status fgi_cuda_asking_open(fgi_ledger *ledger, fgi_cuda_asking *out)
{
    *out = (fgi_cuda_asking){0};
    cudaError_t e = cudaSuccess;
    for (int i = 0; i < 2 && e == cudaSuccess; i++) {
        out->chunk[i].pinned = (fgi_cuda_block){.pinned = true, .ledger = ledger};
        e = cudaEventCreateWithFlags(&out->chunk[i].there, cudaEventDisableTiming);
    }
    return fgi_cuda_status(e, "opening a device");
}

void fgi_cuda_asking_close(fgi_cuda_asking *asking)
{
    for (int i = 0; i < 2; i++) {
        fgi_cuda_release(&asking->chunk[i].pinned);
        if (asking->chunk[i].there) (void)cudaEventDestroy(asking->chunk[i].there);
    }
}

static void carve(fgi_cuda_asked *a, const fgi_row_request *want, int64_t rows, fgi_cuda_carver *c)
{
    fgi_cuda_carve_answers(c, want, rows, &a->told);
    a->unanswered = fgi_cuda_carve(c, 1, sizeof *a->unanswered);
}

fg_status fgi_cuda_asking_begin(fgi_cuda_asking *asking, const fgi_cuda_task *task,
                                fgi_cuda_worker *worker, cudaStream_t stream, int64_t rows)
{
    asking->task = task;
    asking->worker = worker;
    asking->stream = stream;
    asking->substituted = false;
    asking->sent = asking->awaited = 0;
    asking->rows = rows;
    asking->unanswered = 0;
    asking->in_a_row = 0;
    if (!fgi_asks_rows(&task->rows)) return FG_OK;
    for (int i = 0; i < 2; i++) {
        fgi_cuda_asked *a = &asking->chunk[i];
        fgi_cuda_carver count = {0};
        carve(a, &task->rows, rows, &count);
        FG_TRY(fgi_cuda_reserve(&a->pinned, count.used));
        fgi_cuda_carver carver = {.data = a->pinned.data};
        carve(a, &task->rows, rows, &carver);
    }
    return FG_OK;
}

/* ------------------------------------------------------------------------------------------- asking */

static cudaError_t fetch(void *to, const void *from, size_t bytes, cudaStream_t stream)
{
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream);
}

/* What the rows of the worker's last chunk have to tell, which are `rows` from the answer's row `at` on. */
static cudaError_t fetch_answers(const fgi_cuda_asking *asking, const fgi_cuda_worker *worker,
                                 const fgi_cuda_asked *a, int64_t at, int64_t rows)
{
    const fgi_cuda_answers from = worker->strategy->answers(worker), *to = &a->told;
    const int64_t top = asking->task->rows.top;
    const size_t cells = (size_t)(rows * top);
    cudaError_t e = cudaSuccess;
    if (to->densities)
        e = fetch(to->densities + at, from.densities, (size_t)rows * sizeof *to->densities,
                  asking->stream);
    if (e != cudaSuccess || top == 0) return e;
    e = fetch(to->components + at * top, from.components, cells * sizeof *to->components,
              asking->stream);
    return e == cudaSuccess ? fetch(to->values + at * top, from.values, cells * sizeof *to->values,
                                    asking->stream)
                            : e;
}

/* A chunk may be longer than those of the worker's strategy: a substitute has smaller ones. */
static cudaError_t ask(const fgi_cuda_asking *asking, fgi_cuda_worker *worker,
                       const fgi_cuda_asked *a)
{
    const fgi_cuda_task *task = asking->task;
    const fgi_cuda_strategy *strategy = worker->strategy;
    const int64_t most = strategy->chunk_rows(task),
                  pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    cudaError_t e = cudaSuccess;
    for (int64_t at = 0; at < a->chunk.rows && e == cudaSuccess; at += most) {
        const int64_t left = a->chunk.rows - at;
        const fgi_cuda_chunk piece = {
            .raw = (const char *)a->chunk.raw + at * pitch_bytes,
            .first = a->chunk.first + at,
            .rows = (int32_t)(left < most ? left : most),
        };
        e = strategy->absorb(worker, &piece, asking->stream);
        if (e == cudaSuccess) e = fetch_answers(asking, worker, a, at, piece.rows);
    }
    if (e == cudaSuccess && strategy->unanswered)
        e = fetch(a->unanswered, strategy->unanswered(worker), sizeof *a->unanswered,
                  asking->stream);
    return e == cudaSuccess ? cudaEventRecord(a->there, asking->stream) : e;
}

static fgi_cuda_worker *substitute_of(const fgi_cuda_asking *asking)
{
    return asking->worker->strategy->substitute(asking->worker);
}

fg_status fgi_cuda_asking_send(fgi_cuda_asking *asking, const fgi_cuda_chunk *chunk)
{
    FGI_ASSERT(asking->sent - asking->awaited < 2 && chunk->rows <= asking->rows);
    fgi_cuda_asked *a = &asking->chunk[asking->sent % 2];
    a->chunk = *chunk;
    *a->unanswered = asking->unanswered; /* unless the strategy tells otherwise */
    fgi_cuda_worker *worker = asking->substituted ? substitute_of(asking) : asking->worker;
    FG_TRY(fgi_cuda_status(ask(asking, worker, a), "computing rows"));
    asking->sent++;
    return FG_OK;
}

/* ------------------------------------------------------------------------------------------ telling */

fg_status fgi_cuda_asking_look(const fgi_cuda_asking *asking, bool *complete)
{
    const fgi_cuda_asked *a = &asking->chunk[0];
    *complete = true;
    if (!asking->worker->strategy->unanswered) return FG_OK;
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows"));
    *complete = *a->unanswered == 0;
    return FG_OK;
}

/* Rows of the chunk found no room. */
static fg_status ask_again(fgi_cuda_asking *asking, const fgi_cuda_asked *a)
{
    asking->substituted = asking->substituted || ++asking->in_a_row == MOST_IN_A_ROW;
    FG_TRY(fgi_cuda_status(ask(asking, substitute_of(asking), a), "computing rows"));
    return fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows");
}

fg_status fgi_cuda_asking_await(fgi_cuda_asking *asking, fgi_row_results *out)
{
    FGI_ASSERT(asking->awaited < asking->sent);
    const fgi_cuda_asked *a = &asking->chunk[asking->awaited % 2];
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows"));
    if (*a->unanswered > asking->unanswered) {
        asking->unanswered = *a->unanswered;
        FG_TRY(ask_again(asking, a));
    } else
        asking->in_a_row = 0;
    asking->awaited++;
    *out = (fgi_row_results){
        .components = a->told.components,
        .values = a->told.values,
        .log_density = a->told.densities,
    };
    return FG_OK;
}

void fgi_cuda_asking_end(fgi_cuda_asking *asking)
{
    for (int i = 0; i < 2; i++)
        if (asking->chunk[i].pinned.bytes > KEPT_BYTES) fgi_cuda_release(&asking->chunk[i].pinned);
}
