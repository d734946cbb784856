/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_answers.c - pinned buffers that rows' results arrive in, and from there go to the caller. Knows one stream and its
 * events; knows no kernel. */
#include "cuda_answers.h"

#include "cuda_device.h"

#include <string.h> /* memcpy */

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
    a->from = (fgi_cuda_row_answers){0};
    if (want->log_density) a->from.told = fgi_cuda_carve(c, rows, sizeof *a->from.told);
    if (want->top == 0) return;
    a->from.components = fgi_cuda_carve(c, rows * want->top, sizeof *a->from.components);
    a->from.values = fgi_cuda_carve(c, rows * want->top, sizeof *a->from.values);
}

fg_status fgi_cuda_answers_begin(fgi_cuda_answers *answers, const fgi_row_request *want,
                                 int64_t rows)
{
    answers->sent = answers->awaited = 0;
    answers->top = want->top;
    for (int i = 0; i < 2; i++) {
        fgi_cuda_answer *a = &answers->chunk[i];
        fgi_cuda_carver count = {0};
        carve(a, want, rows, &count);
        FG_TRY(fgi_cuda_reserve(&a->pinned, count.used));
        fgi_cuda_carver carver = {.data = a->pinned.data};
        carve(a, want, rows, &carver);
    }
    return FG_OK;
}

fg_status fgi_cuda_answers_send(fgi_cuda_answers *answers, fgi_cuda_worker *worker, int64_t rows,
                                const fgi_row_results *to, cudaStream_t stream)
{
    FGI_ASSERT(answers->sent - answers->awaited < 2);
    fgi_cuda_answer *a = &answers->chunk[answers->sent % 2];
    a->to = *to;
    a->rows = rows;
    cudaError_t e = worker->strategy->tell(worker, &a->from, stream);
    if (e == cudaSuccess) e = cudaEventRecord(a->there, stream);
    if (e == cudaSuccess) answers->sent++;
    return fgi_cuda_status(e, "computing rows");
}

fg_status fgi_cuda_answers_await(fgi_cuda_answers *answers)
{
    FGI_ASSERT(answers->awaited < answers->sent);
    const fgi_cuda_answer *a = &answers->chunk[answers->awaited % 2];
    const size_t rows = (size_t)a->rows, count = rows * (size_t)answers->top;
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(a->there), "computing rows"));
    answers->awaited++;
    if (a->from.components) {
        memcpy(a->to.components, a->from.components, count * sizeof *a->to.components);
        memcpy(a->to.values, a->from.values, count * sizeof *a->to.values);
    }
    for (size_t r = 0; r < rows && a->from.told; r++)
        a->to.log_density[r] = a->from.told[r].density;
    return FG_OK;
}

void fgi_cuda_answers_end(fgi_cuda_answers *answers)
{
    for (int i = 0; i < 2; i++)
        if (answers->chunk[i].pinned.bytes > KEPT_BYTES)
            fgi_cuda_release(&answers->chunk[i].pinned);
}
