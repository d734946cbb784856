/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_answers.h - what single rows have to tell, on its way from a device: of two chunks at a time, so that the device
 * works on one while the caller takes the other's. Knows the strategies' tell; knows no source. */
#ifndef FGI_CUDA_ANSWERS_H
#define FGI_CUDA_ANSWERS_H
#include "cuda_strategy.h"

typedef struct fgi_cuda_answer {
    fgi_cuda_block pinned;
    cudaEvent_t there;
    fgi_cuda_row_answers from; /* pieces of the block */
    fgi_row_results to;
    int64_t rows;
} fgi_cuda_answer;

typedef struct fgi_cuda_answers {
    fgi_cuda_answer chunk[2]; /* number i of a pass is chunk[i % 2] */
    int64_t sent, awaited;
    int32_t top; /* of each row */
} fgi_cuda_answers;

fg_status fgi_cuda_answers_open(fgi_ledger *ledger, fgi_cuda_answers *out);
void fgi_cuda_answers_close(fgi_cuda_answers *answers); /* also after a failed open */

/* Begins a pass: makes room for chunks of so many rows. */
fg_status fgi_cuda_answers_begin(fgi_cuda_answers *answers, const fgi_row_request *want,
                                 int64_t rows);

/* Puts what the rows of the worker's last chunk have to tell on its way to *to, which must stay where it is until it was awaited. At
 * most one earlier chunk has not been. */
fg_status fgi_cuda_answers_send(fgi_cuda_answers *answers, fgi_cuda_worker *worker, int64_t rows,
                                const fgi_row_results *to, cudaStream_t stream);

/* Waits for the earliest chunk that was not awaited: what its rows have to tell is where it was to go. */
fg_status fgi_cuda_answers_await(fgi_cuda_answers *answers);

/* Gives large buffers back. Nothing is on its way any more. */
void fgi_cuda_answers_end(fgi_cuda_answers *answers);

#endif
