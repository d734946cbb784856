/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_store.c - rows on a device. Knows two streams and their order; knows no kernel. */
#include "cuda_store.h"

#include "cuda_device.h"

enum { KEPT_BYTES = 16 << 20 /* the next fit may want them */ };

fg_status fgi_cuda_store_open(fgi_pool *pool, fgi_ledger *ledger, fgi_cuda_store *out)
{
    *out = (fgi_cuda_store){0}; /* no ledger: rows are no workspace */
    FG_TRY(fgi_cuda_transfer_open(pool, ledger, &out->transfer));
    cudaError_t e = cudaSuccess;
    for (int i = 0; i < 2 && e == cudaSuccess; i++) {
        e = cudaEventCreateWithFlags(&out->arrived[i], cudaEventDisableTiming);
        if (e == cudaSuccess) e = cudaEventCreateWithFlags(&out->used[i], cudaEventDisableTiming);
    }
    return fgi_cuda_status(e, "opening a device");
}

void fgi_cuda_store_close(fgi_cuda_store *store)
{
    fgi_cuda_release(&store->block);
    fgi_cuda_release(&store->window);
    for (int i = 0; i < 2; i++) {
        if (store->arrived[i]) (void)cudaEventDestroy(store->arrived[i]);
        if (store->used[i]) (void)cudaEventDestroy(store->used[i]);
    }
    fgi_cuda_transfer_close(&store->transfer);
}

/* -------------------------------------------------------------------------------------------- held */

void fgi_cuda_store_release(fgi_cuda_store *store)
{
    if (store->block.bytes > KEPT_BYTES) fgi_cuda_release(&store->block);
    store->source = NULL;
    store->has_room = false;
    store->filled = 0;
}

void fgi_cuda_store_hold(fgi_cuda_store *store, const fgi_hold *rows)
{
    fgi_cuda_store_release(store);
    store->source = rows->source;
    store->rows = rows->rows;
    store->dtype = rows->dtype;
    store->pitch_bytes = fgi_cuda_pitch_bytes(rows->dtype, rows->cols);
    if (store->pitch_bytes == 0) return;
    const uint64_t count = (uint64_t)rows->rows, pitch = (uint64_t)store->pitch_bytes;
    store->has_room = count <= store->block.bytes / pitch;
    if (store->has_room)
        return; /* to ask for free memory may take longer than a pass over few rows */
    const uint64_t room = fgi_cuda_free_bytes() / 8 * 7; /* a pass needs some too */
    if (count <= room / pitch)
        store->has_room = fgi_cuda_reserve(&store->block, count * pitch) == FG_OK;
}

bool fgi_cuda_store_follows(const fgi_cuda_store *store, const void *source, fg_dtype dtype)
{
    return store->source && store->source == source && store->dtype == dtype;
}

bool fgi_cuda_store_holds(const fgi_cuda_store *store, const void *source, fg_dtype dtype)
{
    return store->has_room && fgi_cuda_store_follows(store, source, dtype);
}

/* -------------------------------------------------------------------------------------------- pass */

fg_status fgi_cuda_store_begin(fgi_cuda_store *store, bool held, int64_t view_bytes)
{
    store->views = 0;
    store->half_bytes = view_bytes;
    return held ? FG_OK : fgi_cuda_reserve(&store->window, 2 * (size_t)view_bytes);
}

fg_status fgi_cuda_store_bring(fgi_cuda_store *store, bool held, const fg_view *rows, int64_t first,
                               cudaStream_t computing, const void **raw)
{
    const cudaStream_t copying = store->transfer.stream;
    const int at = (int)(store->views % 2);
    char *to = held ? (char *)store->block.data + first * store->pitch_bytes
                    : (char *)store->window.data + at * store->half_bytes;
    *raw = to;
    if (held && first + rows->rows <= store->filled) return FG_OK;
    FGI_ASSERT(!held || first <= store->filled);
    if (!held)
        FG_TRY(fgi_cuda_status(cudaStreamWaitEvent(copying, store->used[at], 0), "copying rows"));
    FG_TRY(fgi_cuda_send(&store->transfer, rows, to));
    cudaError_t e = cudaEventRecord(store->arrived[at], copying);
    if (e == cudaSuccess) e = cudaStreamWaitEvent(computing, store->arrived[at], 0);
    if (e == cudaSuccess && held) store->filled = first + rows->rows;
    return fgi_cuda_status(e, "copying rows");
}

fg_status fgi_cuda_store_used(fgi_cuda_store *store, cudaStream_t computing)
{
    const int at = (int)(store->views++ % 2);
    return fgi_cuda_status(cudaEventRecord(store->used[at], computing), "copying rows");
}

fg_status fgi_cuda_store_end(fgi_cuda_store *store, bool held)
{
    if (held && store->filled < store->rows) return FG_OK;
    if (held) fgi_cuda_release(&store->window);
    return held ? fgi_cuda_send_end(&store->transfer)
                : fgi_cuda_status(cudaStreamSynchronize(store->transfer.stream), "copying rows");
}
