/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_backend.h - what the parts of the CUDA backend share: one device, its streams, its memory, the pass at work. */
#ifndef FGI_CUDA_BACKEND_H
#define FGI_CUDA_BACKEND_H
#include "cuda_store.h"
#include "cuda_strategy.h"

typedef struct fgi_cuda_backend {
    fgi_backend base;
    fgi_ledger *ledger;
    int32_t device, precision, capability, multiprocessors;
    cudaStream_t computing;
    fgi_cuda_store store;
    fgi_cuda_block workspace;
    fgi_cuda_worker *workers[FGI_CUDA_STRATEGIES];
    int32_t passes_dense; /* so many more passes keep away from strategies that have lost rows */
    /* of the pass in progress */
    fgi_cuda_task task;
    fgi_cuda_worker *worker;
    fgi_cuda_slot slot;
    bool held;
} fgi_cuda_backend;

/* The functions of fgi_backend_ops, cuda_absorb.c. */
int64_t fgi_cuda_unit_rows(const fgi_backend *backend, const fgi_pass_spec *spec);
fg_status fgi_cuda_begin(fgi_backend *backend, const fgi_pass_spec *spec);
fg_status fgi_cuda_absorb(fgi_backend *backend, const fg_view *chunk, int64_t first,
                          const fgi_row_results *results);
fg_status fgi_cuda_end(fgi_backend *backend, fgi_stats *stats, bool *again);

#endif
