/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - aligned, overflow-checked memory that is counted. Knows no shape and no owner. */
#ifndef FGI_MEMORY_H
#define FGI_MEMORY_H
#include "status.h"

#include <stdatomic.h> /* atomic_size_t */

/* What is held now and was held at most, in bytes. One for each context; threads may share it. */
typedef struct fgi_ledger {
    atomic_size_t now_bytes, peak_bytes;
} fgi_ledger;

/* Every block is 64-byte aligned. ledger may be NULL; it must outlive the block. *out is set to NULL on failure.
 * FG_MEMORY says how much was asked for. count 0 gives a valid block. */
fg_status fgi_alloc(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *out);
fg_status fgi_alloc_zero(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *out);

/* Arrays that live and die together. */
typedef struct fgi_part {
    void *out;
    int64_t count;
    size_t item_bytes;
} fgi_part;

/* One block for all of them, 64 at most, each 64-byte aligned: to be freed as the first. Cheaper than many where a call takes
 * microseconds. All are NULL on failure. */
fg_status fgi_alloc_parts(fgi_ledger *ledger, const fgi_part *parts, int32_t count);

/* Enlarges *block to count items, keeping its content; on failure *block is as it was. *block may be NULL. */
fg_status fgi_grow(fgi_ledger *ledger, int64_t count, size_t item_bytes, void *block);

/* NULL is allowed. */
void fgi_free(void *block);

/* Starts a new measurement of the peak from what is held now. */
void fgi_ledger_mark(fgi_ledger *ledger);

#endif
