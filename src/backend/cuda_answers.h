/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_answers.h - what single rows have to tell, on its way from a device: of two chunks at a time, so that the device
 * works on one while the caller takes the other's. Where a strategy had no room for some of a chunk's rows, its substitute answers
 * for the whole chunk when that comes out, and for all chunks that come after. Knows the strategies' answers; knows no source. */
#ifndef FGI_CUDA_ANSWERS_H
#define FGI_CUDA_ANSWERS_H
#include "cuda_strategy.h"

typedef struct fgi_cuda_answer {
    fgi_cuda_block pinned;
    cudaEvent_t there;
    fgi_cuda_row_answers told; /* pieces of the block */
    uint64_t *unanswered;      /* another: rows of the pass so far */
    fgi_cuda_chunk chunk;
} fgi_cuda_answer;

typedef struct fgi_cuda_answers {
    fgi_cuda_answer chunk[2]; /* number i of a pass is chunk[i % 2] */
    /* of the pass at work */
    const fgi_cuda_task *task;
    fgi_cuda_worker *worker; /* its strategy's, or the substitute */
    cudaStream_t stream;
    int64_t sent, awaited;
    uint64_t unanswered; /* rows of chunks that were awaited */
} fgi_cuda_answers;

fg_status fgi_cuda_answers_open(fgi_ledger *ledger, fgi_cuda_answers *out);
void fgi_cuda_answers_close(fgi_cuda_answers *answers); /* also after a failed open */

/* Makes room for a pass by chunks of so many rows. The task must stay where it is. */
fg_status fgi_cuda_answers_begin(fgi_cuda_answers *answers, const fgi_cuda_task *task,
                                 fgi_cuda_worker *worker, cudaStream_t stream, int64_t rows);

/* Takes a chunk through the pass, and puts what its rows have to tell on its way. The rows must stay on the device until it was
 * awaited; at most one earlier chunk has not been. */
fg_status fgi_cuda_answers_send(fgi_cuda_answers *answers, const fgi_cuda_chunk *chunk);

/* Waits for the only chunk that was sent, which is yet to be awaited: whether all its rows have found room. At once, where the strategy
 * has room for any. */
fg_status fgi_cuda_answers_look(const fgi_cuda_answers *answers, bool *complete);

/* Waits for the earliest chunk that was not awaited. What its rows have to tell stays until the chunk after the next is sent. */
fg_status fgi_cuda_answers_await(fgi_cuda_answers *answers, fgi_row_results *out);

/* Gives large buffers back. Nothing is on its way any more. */
void fgi_cuda_answers_end(fgi_cuda_answers *answers);

#endif
