/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_answers.c - pinned buffers that rows' results arrive in, for the caller to take. Knows one stream and its
 * events; knows no kernel. */
#include "cuda_answers.h"

#include "cuda_device.h"
#include "cuda_transfer.h"

enum { KEPT_BYTES = 16 << 20 /* the next pass may want them */ };

fg_status fgi_cuda_answers_open(fgi_ledger *ledger, fgi_cuda_answers *out)
{
    *out = (fgi_cuda_answers){0};
    cudaError_t e = cudaSuccess;
    for (int i = 0; i < 2 && e == cudaSuccess; i++) {
        out->chunk[i].pinned = (fgi_cuda_block){.pinned = true, .ledger = ledger};
        e = cudaEventCreateWithFlags(&out->chunk[i].there, cudaEventDisableTiming);
    }
    return fgi_cuda_status(e, "opening a device");
}

void fgi_cuda_answers_close(fgi_cuda_answers *answers)
{
    for (int i = 0; i < 2; i++) {
        fgi_cuda_release(&answers->chunk[i].pinned);
        if (answers->chunk[i].there) (void)cudaEventDestroy(answers->chunk[i].there);
    }
}

static void carve(fgi_cuda_answer *a, const fgi_row_request *want, int64_t rows, fgi_cuda_carver *c)
{
    fgi_cuda_carve_answers(c, want, rows, &a->told);
    a->unanswered = fgi_cuda_carve(c, 1, sizeof *a->unanswered);
}

fg_status fgi_cuda_answers_begin(fgi_cuda_answers *answers, const fgi_cuda_task *task,
                                 fgi_cuda_worker *worker, cudaStream_t stream, int64_t rows)
{
    answers->task = task;
    answers->worker = worker;
    answers->stream = stream;
    answers->sent = answers->awaited = 0;
    answers->unanswered = 0;
    if (!fgi_asks_rows(&task->rows)) return FG_OK;
    for (int i = 0; i < 2; i++) {
        fgi_cuda_answer *a = &answers->chunk[i];
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
static cudaError_t fetch_answers(const fgi_cuda_answers *answers, const fgi_cuda_answer *a,
                                 int64_t at, int64_t rows)
{
    const fgi_cuda_row_answers from = answers->worker->strategy->answers(answers->worker),
                               *to = &a->told;
    const int64_t top = answers->task->rows.top;
    const size_t cells = (size_t)(rows * top);
    cudaError_t e = cudaSuccess;
    if (to->densities)
        e = fetch(to->densities + at, from.densities, (size_t)rows * sizeof *to->densities,
                  answers->stream);
    if (e != cudaSuccess || top == 0) return e;
    e = fetch(to->components + at * top, from.components, cells * sizeof *to->components,
              answers->stream);
    return e == cudaSuccess ? fetch(to->values + at * top, from.values, cells * sizeof *to->values,
                                    answers->stream)
                            : e;
}

/* A chunk may be longer than those of the worker's strategy: a substitute has smaller ones. */
static cudaError_t ask(const fgi_cuda_answers *answers, const fgi_cuda_answer *a)
{
    const fgi_cuda_task *task = answers->task;
    const fgi_cuda_strategy *strategy = answers->worker->strategy;
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
        e = strategy->absorb(answers->worker, &piece, answers->stream);
        if (e == cudaSuccess) e = fetch_answers(answers, a, at, piece.rows);
    }
    if (e == cudaSuccess && strategy->unanswered)
        e = fetch(a->unanswered, strategy->unanswered(answers->worker), sizeof *a->unanswered,
                  answers->stream);
    return e == cudaSuccess ? cudaEventRecord(a->there, answers->stream) : e;
}

fg_status fgi_cuda_answers_send(fgi_cuda_answers *answers, const fgi_cuda_chunk *chunk)
{
    FGI_ASSERT(answers->sent - answers->awaited < 2);
    fgi_cuda_answer *a = &answers->chunk[answers->sent % 2];
    a->chunk = *chunk;
    *a->unanswered = answers->unanswered; /* unless the strategy tells otherwise */
    FG_TRY(fgi_cuda_status(ask(answers, a), "computing rows"));
    answers->sent++;
    return FG_OK;
}

/* ------------------------------------------------------------------------------------------ telling */

fg_status fgi_cuda_answers_look(const fgi_cuda_answers *answers, bool *complete)
{
    const fgi_cuda_answer *a = &answers->chunk[0];
    *complete = true;
    if (!answers->worker->strategy->unanswered) return FG_OK;
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows"));
    *complete = *a->unanswered == 0;
    return FG_OK;
}

/* Rows of the chunk found no room, so there will be more such chunks. */
static fg_status ask_again(fgi_cuda_answers *answers, const fgi_cuda_answer *a)
{
    const fgi_cuda_strategy *strategy = answers->worker->strategy;
    if (strategy->substitute) answers->worker = strategy->substitute(answers->worker);
    FG_TRY(fgi_cuda_status(ask(answers, a), "computing rows"));
    return fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows");
}

fg_status fgi_cuda_answers_await(fgi_cuda_answers *answers, fgi_row_results *out)
{
    FGI_ASSERT(answers->awaited < answers->sent);
    const fgi_cuda_answer *a = &answers->chunk[answers->awaited % 2];
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows"));
    if (*a->unanswered > answers->unanswered) {
        answers->unanswered = *a->unanswered;
        FG_TRY(ask_again(answers, a));
    }
    answers->awaited++;
    *out = (fgi_row_results){
        .components = a->told.components,
        .values = a->told.values,
        .log_density = a->told.densities,
    };
    return FG_OK;
}

void fgi_cuda_answers_end(fgi_cuda_answers *answers)
{
    for (int i = 0; i < 2; i++)
        if (answers->chunk[i].pinned.bytes > KEPT_BYTES)
            fgi_cuda_release(&answers->chunk[i].pinned);
}
