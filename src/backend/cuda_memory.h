/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_memory.h - memory of a device and pinned memory: blocks that grow and are counted. Knows no pass. */
#ifndef FGI_CUDA_MEMORY_H
#define FGI_CUDA_MEMORY_H
#include "memory.h"

#include <stdbool.h> /* bool */

typedef struct fgi_cuda_block {
    void *data;
    size_t bytes;
    bool pinned;        /* the host's, else the device's */
    fgi_ledger *ledger; /* NULL: not counted */
} fgi_cuda_block;

/* Makes the block at least so large; its content is lost if it grows. Nothing may be using it then. FG_MEMORY says how much
 * was needed and is free; the block is then empty. */
fg_status fgi_cuda_reserve(fgi_cuda_block *block, size_t bytes);
void fgi_cuda_release(fgi_cuda_block *block);

/* Free bytes of the current device; 0 if it does not answer. */
size_t fgi_cuda_free_bytes(void);

/* Takes pieces of a block one behind the other, each 256-byte aligned. With data NULL it only counts. */
typedef struct fgi_cuda_carver {
    char *data;
    size_t used;
} fgi_cuda_carver;

void *fgi_cuda_carve(fgi_cuda_carver *carver, int64_t count, size_t item_bytes);

#endif
