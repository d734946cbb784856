/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_small.h - launchers for models so small that a block keeps all of it: every component of every row is evaluated
 * from differences, nothing is screened, and a pass over a chunk is one kernel. Plain C; knows no host memory. */
#ifndef FGI_CUDA_SMALL_H
#define FGI_CUDA_SMALL_H
#include "cuda_pass.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FGI_CUDA_SMALL_K = 64,
    FGI_CUDA_SMALL_D = 64,
    FGI_CUDA_SMALL_PARTS = 256 /* blocks, each with statistics of its own: the same on every chip */
};

typedef struct fgi_cuda_small_args {
    fgi_cuda_model model; /* without what scores take */
    fgi_cuda_rows rows;   /* loaded */
    int64_t first;        /* number of the first one */
    int32_t each;         /* squares of every dimension: diagonal statistics */
    int32_t add;          /* to the parts; else they are written */
    float cut;            /* log2 of the largest ratio of responsibilities that still matters */
    int64_t part_doubles; /* of one part: as in fgi_stats */
    double *parts;
    fgi_cuda_totals *totals; /* of each part */
} fgi_cuda_small_args;

cudaError_t fgi_cuda_small(const fgi_cuda_small_args *a, cudaStream_t stream);

/* Adds up the parts in order: the statistics and the totals of the pass. */
cudaError_t fgi_cuda_small_merge(const fgi_cuda_small_args *a, double *stats, fgi_cuda_totals *totals, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
