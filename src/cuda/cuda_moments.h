/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_moments.h - launchers for a single component: every row is its own, so a pass is sums over columns. Plain C; knows no
 * host memory. */
#ifndef FGI_CUDA_MOMENTS_H
#define FGI_CUDA_MOMENTS_H
#include "cuda_pass.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FGI_CUDA_MOMENTS_ROWS = 256 /* that one block adds up */ };

typedef struct fgi_cuda_moments_args {
    fgi_cuda_params params;
    fgi_cuda_rows rows; /* loaded */
    int64_t first;      /* number of the first one */
    int32_t kind, d, ld;
    int32_t each;            /* squares of every dimension: diagonal statistics */
    int32_t add;             /* to the parts; else they are written */
    int32_t segments;        /* parts: for each FGI_CUDA_MOMENTS_ROWS rows that a chunk may have */
    double *shift, *square;  /* segments x d */
    fgi_cuda_totals *totals; /* segments */
} fgi_cuda_moments_args;

cudaError_t fgi_cuda_moments(const fgi_cuda_moments_args *a, cudaStream_t stream);

/* Adds up the parts in order, and adds them to the block of fgi_stats and to the totals of the pass. */
cudaError_t fgi_cuda_moments_merge(const fgi_cuda_moments_args *a, double *stats, fgi_cuda_totals *totals,
                                   cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
