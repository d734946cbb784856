/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_plane.h - rows of a task as planes of f16, chunk by chunk: kept for held rows where there is room, else made anew.
 * Knows the launchers of cuda_sparse.h that make them; knows no strategy. */
#ifndef FGI_CUDA_PLANE_H
#define FGI_CUDA_PLANE_H
#include "cuda_strategy.h"

#include "cuda_sparse.h"

/* What f16 leaves of rows, in a second plane: of nothing, of squares alone (diagonal), or of all. */
typedef enum fgi_cuda_low {
    FGI_CUDA_LOW_NONE,
    FGI_CUDA_LOW_SQUARES,
    FGI_CUDA_LOW_ALL
} fgi_cuda_low;

typedef struct fgi_cuda_plane {
    fgi_cuda_task task;
    int32_t ld, low_ld;  /* halves from row to row; low: 0 if there is none */
    int32_t mean_ld;     /* floats: d, padded */
    int64_t pitch_bytes; /* of rows as stored */
    bool exact;          /* rows are read beside their planes */
    /* outlives tasks */
    fgi_cuda_block remembered;
    fgi_sparse_memory memory;
    int32_t d;
    bool diagonal, normalize;
    bool begun; /* a pass has left its centre there */
    fgi_cuda_block kept;
    int64_t kept_rows, filled;
    void *kept_plane, *kept_low;
    float *kept_norm;
    /* in the workspace */
    float *zeros;           /* mean_ld */
    fgi_cuda_model loading; /* only what fgi_cuda_load reads */
    float *x, *norm2;       /* rows that have to be loaded */
    void *plane, *low_plane;
    float *norm;
    /* of the pass at work */
    const float *center;
} fgi_cuda_plane;

/* Halves of a row, padded to a unit: diagonal components also need the squares, padded too. */
int32_t fgi_cuda_plane_depth(const fgi_cuda_task *task, int32_t unit);

/* Takes up a task, and room for held rows, if there is: kept_rows tells. exact: rows are to be there themselves in every
 * pass; else only where their planes are made. */
void fgi_cuda_plane_take(fgi_cuda_plane *p, const fgi_cuda_task *task, int32_t unit,
                         fgi_cuda_low low, bool exact);
/* What a pass needs, and what a chunk of so many rows needs. */
void fgi_cuda_plane_carve(fgi_cuda_plane *p, fgi_cuda_carver *c);
void fgi_cuda_plane_carve_chunk(fgi_cuda_plane *p, int64_t rows, fgi_cuda_carver *c);
fg_status fgi_cuda_plane_prepare(fgi_cuda_plane *p);
void fgi_cuda_plane_forget(fgi_cuda_plane *p);

/* Before a pass: memory.center is then that of the last one, or NaN. */
cudaError_t fgi_cuda_plane_ready(fgi_cuda_plane *p, cudaStream_t stream);
/* Rows are to be centred so: *memory.stale then tells whether the last pass had another centre, or there was none. */
cudaError_t fgi_cuda_plane_begin(fgi_cuda_plane *p, const float *center, cudaStream_t stream);
/* Describes rows as they count, before their plane is filled; brings those that no kernel reads as they are stored. */
cudaError_t fgi_cuda_plane_rows(fgi_cuda_plane *p, const fgi_cuda_chunk *chunk,
                                fgi_sparse_rows *out, cudaStream_t stream);
/* Fills their plane, which needs the scale: fgi_sparse_measure has been called. */
cudaError_t fgi_cuda_plane_fill(fgi_cuda_plane *p, const fgi_cuda_chunk *chunk,
                                const fgi_sparse_rows *rows, cudaStream_t stream);

#endif
