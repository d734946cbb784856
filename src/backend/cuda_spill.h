/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_spill.h - rows that a strategy leaves to the dense one, gathered through a pass and absorbed at its end. */
#ifndef FGI_CUDA_SPILL_H
#define FGI_CUDA_SPILL_H
#include "cuda_strategy.h"

#include "cuda_sparse.h"

typedef struct fgi_cuda_spill {
    fgi_cuda_worker *dense;
    /* in the workspace */
    fgi_sparse_spill rows;
    fgi_sparse_told *told; /* what a pass has told so far */
} fgi_cuda_spill;

fg_status fgi_cuda_spill_create(fgi_ledger *ledger, fgi_cuda_spill *out);
void fgi_cuda_spill_destroy(fgi_cuda_spill *s);

void fgi_cuda_spill_carve(fgi_cuda_spill *s, const fgi_cuda_task *task, fgi_cuda_carver *c);
/* What the dense strategy needs: once the last chunk was absorbed, so it may lie where chunks have lain. */
void fgi_cuda_spill_carve_end(fgi_cuda_spill *s, const fgi_cuda_task *task, fgi_cuda_carver *c);

cudaError_t fgi_cuda_spill_begin(fgi_cuda_spill *s, cudaStream_t stream);
/* Takes the rows that a chunk leaves over: of each 32, a bit for each. */
cudaError_t fgi_cuda_spill_take(fgi_cuda_spill *s, const fgi_cuda_chunk *chunk,
                                const uint32_t *left, cudaStream_t stream);
/* Adds them to the slot's statistics and totals. */
cudaError_t fgi_cuda_spill_end(fgi_cuda_spill *s, const fgi_cuda_slot *slot, cudaStream_t stream);

#endif
