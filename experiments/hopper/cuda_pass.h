/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_pass.h - launchers of the device kernels of one pass. Plain C; knows no kernel.
 *
 * One iteration over rows that are resident as f16 planes, chunk by chunk:
 *     screen   scores of all components by one product; survivors and their responsibilities to streams
 *     order    survivors sorted by component, stable: rank, scan, scatter
 *     sums     partial sums over pieces of a component's survivors, then f64, in order
 * A stream belongs to one helping warp of the screening grid, which visits its rows in a fixed order: so everything that follows
 * has one order, and the same bits, on every run. */
#ifndef FGI_CUDA_PASS_H
#define FGI_CUDA_PASS_H
#include <cuda_runtime.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int fg_status; /* here a cudaError_t */

enum { FGI_CUDA_HARD = 0, FGI_CUDA_SPHERICAL = 1 };

/* What screening looks for. */
enum {
    FGI_CUDA_FIND = 0,   /* components within `cut` of the best of each row; needs state or references */
    FGI_CUDA_BOUND = 1,  /* a lower bound of each row's best score, for a first FIND */
    FGI_CUDA_PRODUCT = 2 /* nothing, the product alone */
};

enum { FGI_CUDA_GROUP_ROWS = 64, FGI_CUDA_STREAM_ROWS = 32 /* of each row tile */, FGI_CUDA_TILE_COMPONENTS = 256 };

/* Rows of a row tile are 64 for each computing warpgroup. */
static inline int32_t fgi_cuda_screen_groups(int32_t d)
{
    return d <= 128 ? 3 : 2;
}

/* What the screening product needs of a model:
 *     score_ij = <x_i, means_j> + slope_j |x_i|^2 + bias_j
 * in units of `unit` log2 (spherical: means 2 h mu, slope -h, h = log2(e) / (2 variance), all over `unit`, a power of two
 * that keeps scores inside f16) or of squared distance (hard: means mu, slope 0, bias -|mu|^2 / 2; unit 1). bias is
 * computed from the rounded means, so that the scores are exact for a model 2^-12 away. */
typedef struct fgi_cuda_model {
    int32_t kind, k, d;
    int32_t ld;          /* halves from mean to mean: d rounded up to 8 */
    const void *means16; /* k x ld halves */
    const float2 *terms; /* k: (slope, bias) */
    const void *terms16; /* the same in f16, slope over norm_scale, for each tile of 256 components: 16 pairs of blocks of 8
                            columns x 4 quads x (two slopes, two biases of block 0, then of block 1); padding has slope 0,
                            bias -inf */
    const float *means;  /* k x d, f32: origin of the sums */
    const float4 *spheres; /* k: h, constant: score = constant - h |x - mean|^2; how far the mean moved since the last pass */
    float unit, norm_scale; /* norms are multiplied by norm_scale, a power of two that keeps them inside f16 */
    const float *largest; /* 3: of |mean|, |slope|, |bias|: what screening can be off by */
} fgi_cuda_model;

typedef struct fgi_cuda_rows {
    int64_t rows;
    int32_t d, ld;     /* ld: halves from row to row */
    const void *high;  /* rows x ld halves */
    const float *norm; /* rows: |x|^2 of the rounded row */
} fgi_cuda_rows;

/* Survivors in streams, two for each computing warpgroup: entry = component << 16 | row within the stream. */
typedef struct fgi_cuda_streams {
    int32_t streams, capacity;
    uint32_t *entry;  /* streams x capacity */
    float *weight;    /* streams x capacity */
    uint32_t *count;  /* streams; may exceed the capacity: then entries were lost */
    double *entropy;  /* streams: sum over rows of the responsibilities' entropy, bits */
    uint64_t *lost;   /* rows whose candidates overflowed */
} fgi_cuda_streams;

typedef struct fgi_cuda_screen_args {
    int32_t mode;
    fgi_cuda_model model;
    fgi_cuda_rows rows;
    fgi_cuda_streams out;
    float cut;            /* log2 units below the best score that still count; 0 for hard clustering */
    float near;           /* log2 units below the best score within which two candidates are scored exactly */
    uint32_t *state;      /* FIND: rows: what the last pass kept of a row and this one keeps for the next */
    const float *reference; /* FIND: rows: a lower bound of the best score, from BOUND: then state is only written; or NULL */
    float *bound;         /* BOUND: rows */
    float *value;         /* FIND: rows: log2 density (hard: the best score), or NULL */
    int32_t *best;        /* FIND: rows: best component, or NULL */
    void *scratch;        /* fgi_cuda_screen_scratch_bytes() */
    int32_t grid;         /* CTAs: an even number */
} fgi_cuda_screen_args;

int64_t fgi_cuda_screen_scratch_bytes(int32_t grid);
fg_status fgi_cuda_screen(const fgi_cuda_screen_args *a, cudaStream_t s);

typedef struct fgi_cuda_order_args {
    fgi_cuda_streams in;
    int32_t k;
    uint32_t *before; /* blocks x k: entries of the component in earlier blocks */
    uint32_t *start;  /* k + 1 */
    uint2 *sorted;    /* (row, weight bits), by component */
} fgi_cuda_order_args;

int32_t fgi_cuda_order_blocks(int32_t streams, int32_t capacity);
int32_t fgi_cuda_order_most_capacity(void); /* of a stream */
fg_status fgi_cuda_order(const fgi_cuda_order_args *a, cudaStream_t s);

enum { FGI_CUDA_MOST_SHARE = 1024 }; /* survivors that one warp sums in f32 */

typedef struct fgi_cuda_sums_args {
    fgi_cuda_model model;
    fgi_cuda_rows rows;
    const uint2 *sorted;
    const uint32_t *start;
    int32_t sms;
    float *partial; /* fgi_cuda_sums_partial_floats() */
    double *mass, *shift, *square; /* k, k x d, k: added to */
} fgi_cuda_sums_args;

int64_t fgi_cuda_sums_partial_floats(int32_t sms, int32_t k, int32_t d, int64_t most_survivors);
fg_status fgi_cuda_sums(const fgi_cuda_sums_args *a, cudaStream_t s);

#ifdef __cplusplus
}
#endif
#endif
