/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_asking.h - what single rows have to tell, on its way from a device: of two chunks at a time, so that the device
 * works on one while the caller takes the other's. Where a strategy had no room for some of a chunk's rows, its substitute answers
 * for the whole chunk when that comes out, and, once that was so for several in a row, for all that are still to be sent. Knows the
 * strategies' answers; knows no source. */
#ifndef FGI_CUDA_ASKING_H
#define FGI_CUDA_ASKING_H
#include "cuda_strategy.h"

typedef struct fgi_cuda_asked {
    fgi_cuda_block pinned;
    cudaEvent_t there;
    fgi_cuda_answers told; /* pieces of the block */
    uint64_t *unanswered;  /* another: rows of the pass so far */
    fgi_cuda_chunk chunk;
} fgi_cuda_asked;

typedef struct fgi_cuda_asking {
    fgi_cuda_asked chunk[2]; /* number i of a pass is chunk[i % 2] */
    /* of the pass at work */
    const fgi_cuda_task *task;
    fgi_cuda_worker *worker; /* its strategy's */
    bool substituted;        /* chunks are sent to the substitute */
    cudaStream_t stream;
    int64_t sent, awaited;
    int64_t rows;        /* of a chunk, at most */
    uint64_t unanswered; /* rows of chunks that were awaited */
    int32_t in_a_row;    /* chunks awaited last that had some */
} fgi_cuda_asking;

fg_status fgi_cuda_asking_open(fgi_ledger *ledger, fgi_cuda_asking *out);
void fgi_cuda_asking_close(fgi_cuda_asking *asking); /* also after a failed open */

/* Makes room for a pass by chunks of so many rows. The task must stay where it is. */
fg_status fgi_cuda_asking_begin(fgi_cuda_asking *asking, const fgi_cuda_task *task,
                                fgi_cuda_worker *worker, cudaStream_t stream, int64_t rows);

/* Takes a chunk through the pass, and puts what its rows have to tell on its way. The rows must stay on the device until it was
 * awaited; at most one earlier chunk has not been. */
fg_status fgi_cuda_asking_send(fgi_cuda_asking *asking, const fgi_cuda_chunk *chunk);

/* Waits for the only chunk that was sent, which is yet to be awaited: whether all its rows have found room. At once, where the strategy
 * has room for any. */
fg_status fgi_cuda_asking_look(const fgi_cuda_asking *asking, bool *complete);

/* Waits for the earliest chunk that was not awaited. What its rows have to tell stays until the chunk after the next is sent. */
fg_status fgi_cuda_asking_await(fgi_cuda_asking *asking, fgi_row_results *out);

/* Gives large buffers back. Nothing is on its way any more. */
void fgi_cuda_asking_end(fgi_cuda_asking *asking);

#endif
