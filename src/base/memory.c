/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - every block carries its size and ledger in the 64 bytes before it, so that a release
 * needs neither. Large blocks lie in large pages where the system has them: reading through gigabytes
 * waits for page tables otherwise. Knows malloc; knows no shape. */
#define _DEFAULT_SOURCE /* madvise */
#include "memory.h"

#include "fault.h"

#include <stdlib.h>   /* aligned_alloc, free */
#include <string.h>   /* memcpy, memset */
#include <sys/mman.h> /* madvise */

enum { ALIGNMENT = 64, LARGE_PAGE = 1 << 21, LARGE_BLOCK = 4 * LARGE_PAGE };

typedef struct head {
    size_t bytes;
    fgi_ledger *ledger;
} head;

static head *head_of(void *block)
{
    return (head *)(void *)((char *)block - ALIGNMENT);
}

static void debit(fgi_ledger *ledger, size_t bytes)
{
    if (!ledger) return;
    size_t now = atomic_fetch_add(&ledger->now_bytes, bytes) + bytes;
    size_t peak = atomic_load(&ledger->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&ledger->peak_bytes, &peak, now)) {
    }
}

static char *alloc_raw(size_t bytes)
{
    const size_t alignment = bytes >= LARGE_BLOCK ? LARGE_PAGE : ALIGNMENT;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    char *raw = aligned_alloc(alignment, rounded);
#ifdef MADV_HUGEPAGE
    if (raw && alignment == LARGE_PAGE) (void)madvise(raw, rounded, MADV_HUGEPAGE); /* a wish */
#endif
    return raw;
}

fg_status fgi_alloc(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *out)
{
    void **block = out;
    *block = NULL;
    FGI_ASSERT(count >= 0);
    const size_t most = SIZE_MAX / 2 - ALIGNMENT - LARGE_PAGE;
    if ((uint64_t)count > most / item_bytes)
        return fgi_fail(FG_MEMORY, "%lld items of %zu bytes are more than this machine can address",
                        (long long)count, item_bytes);
    const size_t bytes = (size_t)count * item_bytes;
    char *raw = fgi_fault(FGI_FAULT_ALLOC) ? NULL : alloc_raw(bytes + ALIGNMENT);
    if (!raw) return fgi_fail(FG_MEMORY, "out of memory: %zu bytes were needed", bytes);
    *block = raw + ALIGNMENT;
    *head_of(*block) = (head){.bytes = bytes, .ledger = ledger};
    debit(ledger, bytes);
    return FG_OK;
}

fg_status fgi_alloc_zero(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *out)
{
    FG_TRY(fgi_alloc(ledger, count, item_bytes, out));
    void **block = out;
    memset(*block, 0, (size_t)count * item_bytes);
    return FG_OK;
}

/* Lines of ALIGNMENT bytes that a part takes; too many are refused when they are asked for. */
static int64_t lines_of(const fgi_part *part)
{
    FGI_ASSERT(part->count >= 0);
    const uint64_t most = (uint64_t)INT64_MAX / 64 / part->item_bytes; /* of up to 64 parts */
    if ((uint64_t)part->count > most) return INT64_MAX / 64;
    return (int64_t)(((size_t)part->count * part->item_bytes + ALIGNMENT - 1) / ALIGNMENT);
}

fg_status fgi_alloc_parts(fgi_ledger *ledger, const fgi_part *parts, int32_t count)
{
    char *block;
    int64_t lines = 0;
    for (int32_t i = 0; i < count; i++) {
        *(void **)parts[i].out = NULL;
        lines += lines_of(&parts[i]);
    }
    FG_TRY(fgi_alloc(ledger, lines, ALIGNMENT, &block));
    for (int32_t i = 0; i < count; i++) {
        *(void **)parts[i].out = block;
        block += lines_of(&parts[i]) * ALIGNMENT;
    }
    return FG_OK;
}

fg_status fgi_grow(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *block)
{
    void **old = block;
    void *larger;
    FG_TRY(fgi_alloc(ledger, count, item_bytes, &larger));
    if (*old) {
        const size_t new_bytes = (size_t)count * item_bytes, old_bytes = head_of(*old)->bytes;
        memcpy(larger, *old, old_bytes < new_bytes ? old_bytes : new_bytes);
        fgi_free(*old);
    }
    *old = larger;
    return FG_OK;
}

void fgi_free(void *block)
{
    if (!block) return;
    head *h = head_of(block);
    if (h->ledger) atomic_fetch_sub(&h->ledger->now_bytes, h->bytes);
    free(h);
}

void fgi_ledger_mark(fgi_ledger *ledger)
{
    atomic_store(&ledger->peak_bytes, atomic_load(&ledger->now_bytes));
}
