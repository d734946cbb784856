/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_spill.h - rows that a strategy leaves to the dense one, gathered through a pass, and absorbed whenever so many rows have
 * been seen that those left over may fill the room there is: whatever the chunks, so sums have one order. */
#ifndef FGI_CUDA_SPILL_H
#define FGI_CUDA_SPILL_H
#include "cuda_strategy.h"

#include "cuda_sparse.h"

typedef struct fgi_cuda_spill {
    fgi_cuda_worker *dense;
    int64_t batch_rows; /* rows seen between one absorption and the next, but of answers */
    /* in the workspace */
    fgi_sparse_spill rows;
    fgi_sparse_told *told; /* what a pass has told so far */
    /* of the pass at work */
    int64_t seen;
} fgi_cuda_spill;

fg_status fgi_cuda_spill_create(fgi_ledger *ledger, fgi_cuda_spill *out);
void fgi_cuda_spill_destroy(fgi_cuda_spill *s);

/* Room for so many rows at most. For each piece of the dense strategy its kernels are started, whether rows are there or not. */
void fgi_cuda_spill_carve(fgi_cuda_spill *s, const fgi_cuda_task *task, int64_t most_rows,
                          fgi_cuda_carver *c);
/* What means nothing from chunk to chunk: from `over` on, where the strategy has had its own carved by c, but for the bits given to
 * fgi_cuda_spill_take. c then has room for either. */
void fgi_cuda_spill_carve_chunk(fgi_cuda_spill *s, fgi_cuda_carver over, fgi_cuda_carver *c);

cudaError_t fgi_cuda_spill_begin(fgi_cuda_spill *s, const fgi_cuda_slot *slot, cudaStream_t stream);
/* Takes the rows that a chunk leaves over: of each 32, a bit for each. The chunk is done with. */
cudaError_t fgi_cuda_spill_take(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk,
                                const uint32_t *left, cudaStream_t stream);
/* The same of rows that have answers, which find their places in `to`, the chunk's, at once. */
cudaError_t fgi_cuda_spill_answer(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk,
                                  const uint32_t *left, const fgi_cuda_answers *to,
                                  cudaStream_t stream);
/* Where the device counts rows of the pass that found no room. */
const uint64_t *fgi_cuda_spill_lost(const fgi_cuda_spill *s);
/* Adds them to the slot's statistics. */
cudaError_t fgi_cuda_spill_end(fgi_cuda_spill *s, cudaStream_t stream);

#endif
