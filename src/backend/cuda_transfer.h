/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_transfer.h - the way of rows to a device: packed by all threads into pinned memory, copied while the next are
 * packed. Knows views and streams; knows no pass. */
#ifndef FGI_CUDA_TRANSFER_H
#define FGI_CUDA_TRANSFER_H
#include "cuda_memory.h"
#include "pool.h"

#include <cuda_runtime_api.h> /* cudaStream_t */

/* Each of 8 MB: with two of 4 MB a link of 55 GB/s carries 30, while threads are woken and events waited for. */
enum { FGI_CUDA_BUFFERS = 4 };

typedef struct fgi_cuda_transfer {
    fgi_pool *pool;
    cudaStream_t stream;
    fgi_cuda_block pinned[FGI_CUDA_BUFFERS];
    cudaEvent_t sent[FGI_CUDA_BUFFERS]; /* what lay in these has left */
    int64_t sends;
} fgi_cuda_transfer;

/* On the current device. Both must outlive the transfer. */
fg_status fgi_cuda_transfer_open(fgi_pool *pool, fgi_ledger *ledger, fgi_cuda_transfer *out);
void fgi_cuda_transfer_close(fgi_cuda_transfer *transfer); /* also after a failed open */

/* What rows are apart on the device. */
int64_t fgi_cuda_pitch_bytes(fg_dtype dtype, int32_t cols);

/* Puts rows on their way to `to`, at their pitch, behind everything that the transfer's stream was given. The caller may
 * have them back when this returns. */
fg_status fgi_cuda_send(fgi_cuda_transfer *transfer, const fg_view *rows, void *to);

/* Waits for all that was sent, and gives large buffers back: nothing more is to be sent soon. */
fg_status fgi_cuda_send_end(fgi_cuda_transfer *transfer);

#endif
