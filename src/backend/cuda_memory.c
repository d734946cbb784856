/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_memory.c - blocks of a device's memory and of pinned memory. Knows the ledger; knows no pass. */
#include "cuda_memory.h"

#include "cuda_device.h"
#include "fault.h"

enum { ALIGNMENT = 256 };

size_t fgi_cuda_free_bytes(void)
{
    size_t free_bytes = 0, total_bytes = 0;
    if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return free_bytes;
}

static fg_status out_of_memory(size_t bytes, bool pinned)
{
    (void)cudaGetLastError();
    if (pinned)
        return fgi_fail(FG_MEMORY, "out of memory: %zu bytes of pinned memory were needed", bytes);
    return fgi_fail(FG_MEMORY, "out of device memory: %zu bytes were needed, %zu are free", bytes,
                    fgi_cuda_free_bytes());
}

fg_status fgi_cuda_reserve(fgi_cuda_block *block, size_t bytes)
{
    if (block->bytes >= bytes) return FG_OK;
    fgi_cuda_release(block);
    const cudaError_t error = fgi_fault(FGI_FAULT_DEVICE_MEMORY) ? cudaErrorMemoryAllocation
                              : block->pinned ? cudaMallocHost(&block->data, bytes)
                                              : cudaMalloc(&block->data, bytes);
    if (error != cudaSuccess) {
        block->data = NULL;
        if (error == cudaErrorMemoryAllocation) return out_of_memory(bytes, block->pinned);
        return fgi_cuda_status(error, "taking memory");
    }
    block->bytes = bytes;
    if (!block->ledger) return FG_OK;
    const size_t now = atomic_fetch_add(&block->ledger->now_bytes, bytes) + bytes;
    size_t peak = atomic_load(&block->ledger->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&block->ledger->peak_bytes, &peak, now)) {
    }
    return FG_OK;
}

void fgi_cuda_release(fgi_cuda_block *block)
{
    if (!block->data) return;
    (void)(block->pinned ? cudaFreeHost(block->data) : cudaFree(block->data));
    if (block->ledger) atomic_fetch_sub(&block->ledger->now_bytes, block->bytes);
    block->data = NULL;
    block->bytes = 0;
}

void *fgi_cuda_carve(fgi_cuda_carver *carver, int64_t count, size_t item_bytes)
{
    void *piece = carver->data ? carver->data + carver->used : NULL;
    const size_t bytes = (size_t)count * item_bytes;
    carver->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}
