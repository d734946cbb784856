/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_pass.h - launchers of the device kernels of a pass, and what they share. Plain C; knows no kernel, no host memory.
 *
 * Of a piece of at most `most_rows` consecutive rows:
 *     load     rows of any type -> centred f32 and |x|^2
 *     scores   rows x components, one product: never below the true values (docs/math.md: screen, then refine)
 *     refine   scores -> responsibilities in their place, 0 where they do not matter; what single rows have to tell. By way of
 *              evaluate, where a row has many
 *     gather   responsibilities -> statistics, in f64
 *     tally    what single rows have to tell -> totals of the pass
 * Every sum has one order, which follows from the shape alone: the same bits on every run and every chip. */
#ifndef FGI_CUDA_PASS_H
#define FGI_CUDA_PASS_H
#include <cuda_runtime_api.h> /* cudaError_t, cudaStream_t */
#include <stdint.h>           /* int32_t */

#ifdef __cplusplus
extern "C" {
#endif

/* fgi_kind. */
enum { FGI_CUDA_HARD = 0, FGI_CUDA_SPHERICAL = 1, FGI_CUDA_DIAGONAL = 2 };

enum {
    FGI_CUDA_TILE = 128,  /* rows and components of the product's tile: pieces and lanes are padded to it */
    FGI_CUDA_DEPTH = 16,  /* of one product of a warp: rows and means are padded to it */
    FGI_CUDA_SLICE = 128, /* columns that one block gathers */
    FGI_CUDA_GROUP = 8    /* components that one block gathers */
};

/* Parameters on the device, as in fgi_params. */
typedef struct fgi_cuda_params {
    double *log_weights, *means, *variances;
    const float *center;
} fgi_cuda_params;

/* What the kernels need of them, on the device. In log2 units, with h = log2(e) / (2 variance) (a centroid: 1):
 *     value_j(x) = offset_j - sum of h_ji (x_i - mean_ji)^2
 *     score_j(x) = bias_j + slope_j |x|^2 + sum of weights_ji x_i + sum of squares_ji x_i^2  >=  value_j(x)
 * Weights and squares are f16, those of a component in a unit of its own (half.cuh). What scores take may be NULL, all of
 * it: values alone are wanted. */
typedef struct fgi_cuda_model {
    int32_t kind, k, d;
    int32_t ld;                       /* floats from mean to mean: d, padded */
    int32_t lanes;                    /* k, padded: scores from row to row */
    int32_t normalize;                /* scale rows to length 1 before centring */
    const float *center;              /* d */
    void *weights, *squares;          /* lanes x ld halves; squares: diagonal, else NULL */
    float *weight_unit, *square_unit; /* lanes */
    float *bias, *slope;              /* lanes; bias -inf: no such component, or a dead one */
    float *means, *scale;             /* k x ld; scale: h of diagonal components, else NULL */
    double *offset, *h;               /* k; offset -inf: dead; h: 1 for diagonal ones */
    float *largest_h;                 /* 1 */
} fgi_cuda_model;

/* Fills the model. Its padding was zeroed before. */
cudaError_t fgi_cuda_plan(const fgi_cuda_params *params, const fgi_cuda_model *model, cudaStream_t stream);

typedef struct fgi_cuda_rows {
    const void *raw;     /* rows x d */
    int64_t pitch_bytes; /* from row to row: whole units of 16 */
    int32_t dtype;       /* fg_dtype */
    int32_t rows;
    float *x;             /* rows x ld: padded with zeros, also rows up to a whole tile */
    float *norm2;         /* rows: not finite for bad rows */
    const int32_t *count; /* rows that there are, if only the device knows, from `at` rows before these on; or NULL: all */
    int32_t at;
    const int64_t *numbers; /* rows: in the source; NULL: consecutive */
    const int32_t *wanted;  /* to be loaded at all, if only the device knows: 0 if not; NULL: they are */
} fgi_cuda_rows;

cudaError_t fgi_cuda_load(const fgi_cuda_model *model, const fgi_cuda_rows *rows, cudaStream_t stream);

/* scores: rows (whole tiles) x lanes. */
cudaError_t fgi_cuda_scores(const fgi_cuda_model *model, const fgi_cuda_rows *rows, float *scores, cudaStream_t stream);

/* What a row tells the totals. */
typedef struct fgi_cuda_row_told {
    double density; /* nats, or minus the squared distance; NaN: a bad row */
    double dropped;
    int64_t survivors;
} fgi_cuda_row_told;

/* Where the rows of a chunk have what they tell, as in fgi_row_results; what was not asked for is NULL. */
typedef struct fgi_cuda_answers {
    int32_t top;         /* components of a row */
    int32_t *components; /* rows x top */
    float *values;       /* rows x top */
    double *densities;   /* rows */
} fgi_cuda_answers;

/* Rows of a piece that too many components matter to for one after the other to be evaluated; in any order. */
typedef struct fgi_cuda_crowd {
    int32_t *count;     /* 1 */
    int32_t *rows;      /* as many as a piece has */
    double *references; /* of each: what its values are told about */
} fgi_cuda_crowd;

typedef struct fgi_cuda_refine_args {
    fgi_cuda_model model;
    fgi_cuda_rows rows;
    float *scores; /* in: scores; out: responsibilities, if `keep` */
    double cut;    /* log2 of the largest ratio of responsibilities that still matters */
    int32_t keep;  /* responsibilities are wanted */
    int32_t top;   /* as in fgi_row_request */
    int32_t exact_rank;
    float tau;
    int32_t *components;     /* rows x top */
    float *values;           /* rows x top */
    fgi_cuda_row_told *told; /* rows */
    double *densities;       /* rows: of what is told; NULL: not wanted by themselves */
    fgi_cuda_crowd crowd;    /* scratch */
} fgi_cuda_refine_args;

cudaError_t fgi_cuda_refine(const fgi_cuda_refine_args *a, cudaStream_t stream);
/* Part of it: all components of crowded rows. */
cudaError_t fgi_cuda_evaluate(const fgi_cuda_refine_args *a, cudaStream_t stream);

/* Statistics of `segments` parts of every piece, side by side: each part's mass (k), shift (k x d), square (k x
 * square_cols), as in fgi_stats, but that squares which are summed over dimensions come in one column a slice. */
typedef struct fgi_cuda_sums {
    double *parts;
    int32_t segments, segment_rows; /* a piece has at most segments * segment_rows rows */
    int32_t k, d, diagonal;
    int32_t slices, square_cols;
    int64_t part_doubles; /* k * (1 + d + square_cols) */
} fgi_cuda_sums;

/* All but parts, for pieces of most_rows rows: as many segments as keep a chip busy, while their parts stay small. */
fgi_cuda_sums fgi_cuda_sums_shape(int32_t kind, int32_t k, int32_t d, int32_t most_rows);

/* Adds a piece. */
cudaError_t fgi_cuda_gather(const fgi_cuda_model *model, const fgi_cuda_rows *rows, const float *responsibilities,
                            const fgi_cuda_sums *sums, cudaStream_t stream);

/* Adds up the parts in order, and adds them to out: the block of fgi_stats. */
cudaError_t fgi_cuda_merge(const fgi_cuda_sums *sums, double *out, cudaStream_t stream);

typedef struct fgi_cuda_totals {
    double objective; /* sum of densities */
    double dropped;
    int64_t rows, rows_skipped, survivors;
    int64_t first_bad_row; /* -1: none */
    int64_t left;          /* rows that the strategy has left to the dense one */
    int64_t lost;          /* rows that the statistics lack: they must not be used */
} fgi_cuda_totals;

/* Adds a piece's rows; the first has the number `first`, unless they have numbers. */
cudaError_t fgi_cuda_tally(const fgi_cuda_row_told *told, const fgi_cuda_rows *rows, int64_t first, fgi_cuda_totals *totals,
                           cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
