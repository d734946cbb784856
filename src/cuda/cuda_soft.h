/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_soft.h - launchers of the soft pass: mixtures many of whose components matter to a row, on chips of compute capability
 * 9.0. Plain C; knows no kernel, no host memory.
 *
 * The work is the same whatever the rows are: a product for the normalisers of rows, the same again for their
 * responsibilities, and one that sums rows by these, so that no matrix of rows x components lies in memory. But where rows are
 * deep, to make responsibilities again would take longer than to read them: those of a chunk lie there, in f16, and products are
 * two. Of a chunk of rows, whose planes fgi_sparse_plane has made:
 *     begin      what rows have beside their planes
 *     normalize  log2 of each row's density
 *     settle     which rows count, and what they tell the totals; those that f16 cannot serve are left over. Of deep rows, whose
 *                density it finds itself, by what their shares are to be multiplied
 *     sums       responsibilities and sums of a block of rows x a slice of components
 *     merge      blocks in order -> sums of the pass, in f64
 *     answer     in place of these, where rows are asked: what they have to tell
 * and of a pass
 *     plan       parameters -> what these kernels need of them
 *     finish     sums -> statistics and totals
 * All sums have one order, that of the rows: the same bits on every run, and for any size of the chunks.
 *
 * Rows, weights and responsibilities are each the sum of two halves, and a product is three; in fast precision each is one, but
 * for the squares that diagonal components want, and rows are one where that holds them. Formulas and bounds: soft_plan.cu,
 * soft_plan_diagonal.cu. */
#ifndef FGI_CUDA_SOFT_H
#define FGI_CUDA_SOFT_H
#include "cuda_sparse.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FGI_SOFT_SHALLOW = 256, /* deepest row of the plane for kernels that keep responsibilities in registers */
    FGI_SOFT_BOX = 64,      /* halves of a row that travel together */
    FGI_SOFT_BESIDE = 16,
    FGI_SOFT_SLICE = 128,       /* components that one block sums */
    FGI_SOFT_BLOCK_ROWS = 8192, /* shallow rows that one block sums */
    FGI_SOFT_TOLD_ROWS = 512,   /* rows whose densities are summed together: a block is a whole number of these */
    FGI_SOFT_LANES = 256        /* components are padded to it where rows are deep, and else to a slice */
};

static inline int32_t fgi_soft_is_deep(int32_t depth)
{
    return depth > FGI_SOFT_SHALLOW;
}

/* Components, padded. */
static inline int32_t fgi_soft_lanes(int32_t k, int32_t depth)
{
    const int32_t unit = fgi_soft_is_deep(depth) ? (int32_t)FGI_SOFT_LANES : (int32_t)FGI_SOFT_SLICE;
    return (k + unit - 1) / unit * unit;
}

/* On the device. Beside their halves, rows and components have FGI_SOFT_BESIDE halves more, whose product is what else a log2
 * density is made of. */
typedef struct fgi_soft_model {
    int32_t kind, k, d;
    int32_t lanes; /* k, padded: fgi_soft_lanes() */
    const fgi_sparse_scale *scale;
    const float *ups;            /* diagonal, else NULL */
    const float *origin;         /* d: rows are centred by it; of spherical components the parameters' centre */
    void *weights, *low_weights; /* k rows of halves, as those of the plane; low: NULL if one half is all */
    void *beside;                /* lanes: rows of halves */
    uint32_t *tight;             /* a bit for each of these: its values are wrong, and too large */
} fgi_soft_model;

/* Where diagonal components want the origin of the planes, and their scales at least. */
typedef struct fgi_soft_origin_args {
    fgi_cuda_params params;
    int32_t k, d;
    int32_t whole; /* rows are whole numbers: the origin is to leave them so */
    /* d: that of the last pass, which stays if it, and the scales, still serve, and else is forgotten; NaN: there was none */
    float *last;
    const float *ups;  /* d: the last pass's */
    float *origin;     /* d */
    float *least_ups;  /* d */
    double *influence; /* k: scratch */
    double *spread;    /* 2 d: scratch */
} fgi_soft_origin_args;

cudaError_t fgi_soft_origin(const fgi_soft_origin_args *a, cudaStream_t stream);
/* ld: halves from row to row of weights. */
cudaError_t fgi_soft_plan(const fgi_cuda_params *params, const fgi_soft_model *model, int32_t ld, cudaStream_t stream);
/* Part of it: of diagonal components. */
cudaError_t fgi_soft_plan_diagonal(const fgi_cuda_params *params, const fgi_soft_model *model, int32_t ld,
                                   cudaStream_t stream);

/* What is kept of a chunk of deep rows from the first product to the second: values of a row and of so many components, a
 * tile, as 2^(value - top) in units of 2^-15. */
typedef struct fgi_soft_kept {
    int32_t tiles;    /* of a row; 0: rows are not deep, and the rest is NULL */
    int32_t rows;     /* of the largest chunk */
    void *shares;     /* rows x lanes of halves */
    void *low_shares; /* the same; NULL: one half is all */
    float *top;       /* tiles x rows: the largest value; then 2^(top - normaliser), or 0 for rows that do not count */
    float *sum;       /* tiles x rows: of shares, before they are rounded */
    float *tight;     /* tiles x rows: the largest value of a tight component, or -inf */
} fgi_soft_kept;

typedef struct fgi_soft_args {
    fgi_soft_model model;
    fgi_sparse_rows rows;
    int32_t block_rows; /* that are summed together; a chunk is a whole number of blocks */
    fgi_soft_kept kept; /* of deep rows */
    int64_t first;      /* number of the first row */
    float cut;          /* log2 units below a row's density from which on a component is of no account */
    int32_t multiprocessors;
    float *normalizer; /* rows: log2 of the density; -inf: a tight component matters */
    int32_t *best;     /* rows: the component with the largest value; NULL: not wanted, as of deep rows */
    float *best_value; /* rows: it; NULL, as best is */
    void *beside;      /* rows padded to whole blocks: rows of halves */
    uint32_t *left;    /* of each 32 rows: a bit for each that is left over */
    double *density;   /* of each FGI_SOFT_TOLD_ROWS, of whole blocks: sum of log2 densities */
    float *partial;    /* blocks x fgi_soft_partial_floats() */
    double *sums;      /* fgi_soft_sums_doubles(): of the pass, zeroed before */
    fgi_sparse_told *told;
} fgi_soft_args;

int64_t fgi_soft_partial_floats(int32_t lanes, int32_t depth); /* of a block of rows */
/* Of deep rows: tiles of a row, whose weights have so many halves; what clusters do of a block's sums, one thing each, where the
 * widest numbers have so many. */
int32_t fgi_soft_tiles(int32_t lanes, int32_t halves);
int32_t fgi_soft_deep_items(int32_t lanes, int32_t depth, int32_t widest);
int64_t fgi_soft_sums_doubles(int32_t k, int32_t depth);

/* Of rows that count: of longer ones the planes are to hold nothing. */
float fgi_soft_most_norm(int32_t kind, int32_t d);

cudaError_t fgi_soft_begin(const fgi_soft_args *a, cudaStream_t stream);
cudaError_t fgi_soft_normalize(const fgi_soft_args *a, cudaStream_t stream);
cudaError_t fgi_soft_settle(const fgi_soft_args *a, cudaStream_t stream);
cudaError_t fgi_soft_sums(const fgi_soft_args *a, cudaStream_t stream);
/* In place of sums: what rows that count have to tell, as far as one component goes. */
cudaError_t fgi_soft_answer(const fgi_soft_args *a, const fgi_cuda_answers *to, cudaStream_t stream);
/* Parts of these: of deep rows. */
cudaError_t fgi_soft_normalize_deep(const fgi_soft_args *a, cudaStream_t stream);
cudaError_t fgi_soft_sums_deep(const fgi_soft_args *a, cudaStream_t stream);
cudaError_t fgi_soft_merge(const fgi_soft_args *a, cudaStream_t stream);

/* Adds what all chunks have told. */
typedef struct fgi_soft_finish_args {
    fgi_soft_model model;
    fgi_cuda_params params;
    int32_t ld;     /* as in fgi_soft_plan */
    double dropped; /* of a row: what the components left out may share */
    const double *sums;
    const fgi_sparse_told *told;
    double *mass, *shift, *square; /* as in fgi_stats: added to */
    fgi_cuda_totals *totals;
} fgi_soft_finish_args;

cudaError_t fgi_soft_finish(const fgi_soft_finish_args *a, cudaStream_t stream);
/* Part of it: of diagonal components. */
cudaError_t fgi_soft_finish_diagonal(const fgi_soft_finish_args *a, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
