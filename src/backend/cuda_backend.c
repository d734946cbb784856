/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_backend.c - the CUDA backend as a whole: opened, told what to hold, closed. Knows its parts; knows no pass. */
#include "cuda_backend.h"

#include "cuda_device.h"

static void cuda_release(fgi_backend *backend)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    (void)cudaSetDevice(cuda->device);
    for (int i = 0; i < FGI_CUDA_STRATEGIES; i++)
        if (fgi_cuda_strategies[i]->forget && cuda->workers[i])
            fgi_cuda_strategies[i]->forget(cuda->workers[i]);
    fgi_cuda_store_release(&cuda->store);
    cuda->crowding = cuda->passes_crowded = cuda->patience = cuda->left_halvings = 0;
    cuda->tried_again = false;
}

static void cuda_hold(fgi_backend *backend, const fgi_hold *rows)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    cuda_release(backend);
    fgi_cuda_store_hold(&cuda->store, rows);
}

static void cuda_destroy(fgi_backend *backend)
{
    if (!backend) return;
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)backend;
    cuda_release(backend);
    for (int i = 0; i < FGI_CUDA_STRATEGIES; i++)
        if (cuda->workers[i]) fgi_cuda_strategies[i]->destroy(cuda->workers[i]);
    fgi_cuda_store_close(&cuda->store);
    fgi_cuda_asking_close(&cuda->asking);
    fgi_cuda_release(&cuda->workspace);
    fgi_cuda_release(&cuda->turns.reports);
    for (int i = 0; i < FGI_CUDA_MOST_SLOTS; i++)
        if (cuda->turns.reported[i]) (void)cudaEventDestroy(cuda->turns.reported[i]);
    if (cuda->computing) (void)cudaStreamDestroy(cuda->computing);
    (void)cudaGetLastError(); /* of a lost device, say: nothing is left to tell */
    fgi_free(cuda);
}

static const fgi_backend_ops cuda_ops = {
    .name = "cuda",
    .unit_rows = fgi_cuda_unit_rows,
    .begin = fgi_cuda_begin,
    .absorb = fgi_cuda_absorb,
    .await = fgi_cuda_await,
    .end = fgi_cuda_end,
    .hold = cuda_hold,
    .release = cuda_release,
    .turns_begin = fgi_cuda_turns_begin,
    .turns_next = fgi_cuda_turns_next,
    .turns_fetch = fgi_cuda_turns_fetch,
    .turns_end = fgi_cuda_turns_end,
    .destroy = cuda_destroy,
};

static fg_status open_device(fgi_cuda_backend *cuda, fgi_pool *pool)
{
    cudaError_t e = cudaSetDevice(cuda->device);
    if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&cuda->computing, cudaStreamNonBlocking);
    for (int i = 0; i < FGI_CUDA_MOST_SLOTS && e == cudaSuccess; i++)
        e = cudaEventCreateWithFlags(&cuda->turns.reported[i], cudaEventDisableTiming);
    FG_TRY(fgi_cuda_status(e, "opening a device"));
    FG_TRY(fgi_cuda_reserve(&cuda->turns.reports, FGI_CUDA_MOST_SLOTS * sizeof(fgi_cuda_report)));
    FG_TRY(fgi_cuda_device_shape(cuda->device, &cuda->capability, &cuda->multiprocessors));
    FG_TRY(fgi_cuda_store_open(pool, cuda->ledger, &cuda->store));
    FG_TRY(fgi_cuda_asking_open(cuda->ledger, &cuda->asking));
    for (int i = 0; i < FGI_CUDA_STRATEGIES; i++)
        FG_TRY(fgi_cuda_strategies[i]->create(cuda->ledger, &cuda->workers[i]));
    return FG_OK;
}

fg_status fgi_backend_cuda(fg_context *ctx)
{
    FG_TRY(fgi_cuda_device_check(ctx->device));
    fgi_cuda_backend *cuda;
    FG_TRY(fgi_alloc_zero(&ctx->ledger, 1, sizeof *cuda, &cuda));
    cuda->base.ops = &cuda_ops;
    cuda->ledger = &ctx->ledger;
    cuda->device = ctx->device;
    cuda->precision = ctx->precision;
    cuda->workspace.ledger = &ctx->ledger;
    cuda->turns.reports.pinned = true;
    const fg_status s = open_device(cuda, ctx->pool);
    if (s == FG_OK)
        ctx->backend = &cuda->base;
    else
        cuda_destroy(&cuda->base);
    return s;
}
