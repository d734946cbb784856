/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_sparse.h - launchers of the sparse pass, for chips of compute capability 9.0. Plain C; knows no kernel, no host
 * memory.
 *
 * Products in f16 say which components of a row can matter; only those are looked at again. Of a chunk of rows:
 *     plane    rows of any type -> centred f16, scaled by a power of two, and |row|^2
 *     screen   scores of all components, never below their values -> candidates, in streams
 *     resolve  candidates -> survivors and responsibilities, from differences of the rows as they are stored
 *     answer   the same where rows are asked: candidates -> what they have to tell. Nothing is summed then
 *     order    survivors sorted by component, stable
 *     sums     survivors -> statistics, in f64
 *     close    rows left to the dense kernels -> spilled rows
 * and of a pass
 *     plan     parameters -> what these kernels need of them
 *     finish   statistics and what rows have told -> totals
 * A stream belongs to one warp of screening, which visits its rows in a fixed order. All sums have one order, which follows
 * from the rows, the chunks and the kind of chip: the same bits on every run, whatever was known of the rows before.
 *
 * A group of 32 rows whose candidates find no room, or one of whose rows f16 cannot hold, adds nothing: it is flagged,
 * and its rows are spilled, for the dense kernels. What finds no room there either is counted, and nowhere else.
 *
 * Scaled units: rows, means and standard deviations times the plane's scale. */
#ifndef FGI_CUDA_SPARSE_H
#define FGI_CUDA_SPARSE_H
#include "cuda_pass.h"

#include <vector_types.h> /* float4, uint2 */

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FGI_SPARSE_MOST_DEPTH = 8192,       /* of the product: diagonal components of 4,096 dimensions */
    FGI_SPARSE_MOST_COMPONENTS = 65536, /* candidates have 16 bits to say which */
    FGI_SPARSE_GROUP = 32,              /* rows that are flagged together: a stream's share of a row tile */
    FGI_SPARSE_MOST_GROUPS = 32,        /* of a stream in a chunk */
    FGI_SPARSE_LANES = 256,             /* components of the product's tile */
    FGI_SPARSE_PAD = 16,                /* floats that means and the centre are padded to */
    FGI_SPARSE_PLANE_PAD = 8,           /* halves that rows of the plane are padded to */
    FGI_SPARSE_MOST_CUT = 64            /* log2 units: what bounds are made for */
};

/* ----------------------------------------------------------------------------------------- rows */

typedef struct fgi_sparse_scale {
    float up, down; /* a power of two, and its reciprocal */
} fgi_sparse_scale;

/* What values and statistics are made of: element * factor - center. */
typedef struct fgi_sparse_exact {
    const void *data;
    int64_t pitch;       /* bytes from row to row, a multiple of 16, as is the address */
    int32_t dtype;       /* fg_dtype, but f64 */
    const float *center; /* d, padded with zeros */
    const float *factor; /* NULL: 1 */
} fgi_sparse_exact;

/* Rows of a chunk. The plane itself may serve as `exact`: with the scale's `down` as factor, and zeros as centre. */
typedef struct fgi_sparse_rows {
    fgi_sparse_exact exact;
    int32_t rows, d;
    int32_t depth, ld; /* halves of a row of the plane, and from row to row */
    /* rows x ld: scaled rows, padded with zeros; diagonal: their squares behind them; zeros where the norm is not finite */
    void *plane;
    void *low; /* rows x low_ld: what f16 has left of them, in f16; NULL: not wanted */
    /* ld; or half of it: only what it has left of squares, which are then those of what the plane holds */
    int32_t low_ld;
    /* rows: |row|^2 of what the planes add up to; NaN: a bad row; infinite: f16 cannot hold it, or it is too large */
    float *norm;
    float most_norm;               /* what is too large */
    const fgi_sparse_scale *scale; /* 1, on the device */
    const float *ups;              /* diagonal: d, each dimension's scale; else NULL */
} fgi_sparse_rows;

/* What a device keeps of rows from pass to pass holds for one centre. */
typedef struct fgi_sparse_memory {
    float *center;           /* it, padded with zeros; NaN: nothing is kept yet */
    int32_t *stale;          /* 1: whether this pass must make all of it again */
    fgi_sparse_scale *scale; /* 1 */
    float *ups;              /* d; diagonal, else NULL */
    const float *least_ups;  /* d: what they are at least; NULL: nothing */
} fgi_sparse_memory;

/* Compares the centres, and takes over the new one. */
cudaError_t fgi_sparse_recall(const fgi_sparse_memory *memory, const float *center, int32_t d, cudaStream_t stream);

/* Sets the scales that give the first of these rows a root mean square of about 1, if the memory is stale. Reads `exact`
 * only. */
cudaError_t fgi_sparse_measure(const fgi_sparse_rows *rows, const fgi_sparse_memory *memory, cudaStream_t stream);

/* Fills plane and norm, unless only_if is given and *only_if is 0. */
cudaError_t fgi_sparse_plane(const fgi_sparse_rows *rows, const int32_t *only_if, cudaStream_t stream);

/* ---------------------------------------------------------------------------------------- model */

/* In place of drift. */
#define FGI_SPARSE_NO_STATES 0xffffffffu

/* Where references come from: what the last pass has left, and for rows where that tells too little, a new look at the component
 * that it names; or screening with lower bounds first; or there are none: of centroids, scores begin at 0 then, and tell
 * themselves what others have to exceed. */
typedef enum fgi_sparse_course { FGI_SPARSE_BY_STATES, FGI_SPARSE_BY_PRODUCT, FGI_SPARSE_RISING } fgi_sparse_course;

/* What holds for all components; floats are not negative, so that integer operations order them. */
typedef struct fgi_sparse_limits {
    uint32_t drift;           /* how far the last pass's states have loosened, 2^-16 bits, or no states */
    float longest;            /* row that is screened */
    float above, above_slope; /* centroids: a score is above its value by above + above_slope |row|^2 at most */
    int32_t course;           /* fgi_sparse_course */
    float fall;               /* log2 units by which any state tells less than it did in the last pass, at most */
    float most_sunk;          /* by which one may; infinite: all may */
} fgi_sparse_limits;

/* On the device; formulas: sparse_plan.cu. */

typedef struct fgi_sparse_model {
    int32_t kind, k, d;
    int32_t ld;   /* floats from mean to mean: d, padded */
    int32_t wide; /* screening sums in f32, not in f16 */
    const fgi_sparse_scale *scale;
    const float *ups; /* diagonal, else NULL */
    /* for upper and for lower bounds: k rows of halves, as far apart as rows of the plane, and terms of 4 bytes a lane, k
     * padded to FGI_SPARSE_LANES */
    void *weights, *low_weights, *high, *low;
    double *constants;         /* k: of values as they are, not of scaled ones; -inf: dead. NULL: not wanted */
    float *means;              /* k x ld, padded with zeros */
    float *scales;             /* diagonal: k x ld, h of each dimension, padded with zeros; else NULL */
    float4 *spheres;           /* 2 k */
    fgi_sparse_limits *limits; /* 1 */
} fgi_sparse_model;

/* What a pass has found of its rows, on average. */
typedef struct fgi_sparse_found {
    float candidates, changed, left; /* changed: whose best component was another before, or 1: not known; left: over */
} fgi_sparse_found;

/* Fills the model. last_means: those of the pass that left the rows' state, and what it has found; NULL, or *stale: none has. */
cudaError_t fgi_sparse_plan(const fgi_cuda_params *params, const fgi_sparse_model *model, const float *last_means,
                            const fgi_sparse_found *found, const int32_t *stale, cudaStream_t stream);
/* Of diagonal components; states tell only which is a row's. */
cudaError_t fgi_sparse_plan_diagonal(const fgi_cuda_params *params, const fgi_sparse_model *model, bool states,
                                     const int32_t *stale, cudaStream_t stream);

/* --------------------------------------------------------------------------- screen and resolve */

/* A group of a stream. */
typedef struct fgi_sparse_group {
    uint16_t begin; /* of its candidates in the stream, and of its survivors in theirs */
    uint16_t candidates;
    uint16_t survivors;
    uint16_t flagged;
} fgi_sparse_group;

/* Candidates: component << 16 | row within the stream, and score above the row's reference, in f16. Survivors: the same and
 * the bits of the responsibility. */
typedef struct fgi_sparse_streams {
    int32_t streams, capacity;
    int32_t groups;          /* of a stream */
    uint32_t *candidate;     /* streams x capacity */
    uint16_t *score;         /* streams x capacity */
    uint2 *survivor;         /* streams x capacity */
    fgi_sparse_group *group; /* streams x groups */
} fgi_sparse_streams;

/* What a pass has told so far: integers, so that blocks may add in any order. Zeroed before, first_bad_row to more than
 * any. */
typedef struct fgi_sparse_told {
    uint64_t rows, bad_rows, candidates, changed, survivors; /* changed: rows whose best component had been another */
    uint64_t left, lost; /* left to the dense kernels; of these, for want of room, those that nobody takes */
    uint64_t entropy;    /* of responsibilities, 2^-24 bits */
    int64_t first_bad_row;
} fgi_sparse_told;

typedef struct fgi_sparse_screen_args {
    fgi_sparse_model model;
    fgi_sparse_rows rows;
    fgi_sparse_streams streams;
    float cut;       /* log2 units below the best value that still count; 0 for centroids */
    int64_t first;   /* number of the first row */
    uint32_t *state; /* rows: component << 16 | distance from its mean, never too small, in f16; NULL: none is kept */
    float *bound;    /* rows: scratch */
    float *value;    /* streams x capacity: scratch */
    uint32_t *left;  /* of each 32 rows: a bit for each that is left over */
    fgi_sparse_told *told;
    void *scratch; /* fgi_sparse_scratch_bytes() */
    int32_t grid;  /* fgi_sparse_grid() */
} fgi_sparse_screen_args;

/* Blocks of the screening grid, for a chip with so many multiprocessors. */
int32_t fgi_sparse_grid(int32_t multiprocessors);
/* Rows that the grid takes at a time: a group of each stream. */
int32_t fgi_sparse_wave_rows(int32_t grid, int32_t wide);
int32_t fgi_sparse_streams_for(int32_t grid, int32_t wide);
int64_t fgi_sparse_scratch_bytes(int32_t grid, int32_t wide);

/* Before it: references from states, if there are any. */
cudaError_t fgi_sparse_refer(const fgi_sparse_screen_args *a, cudaStream_t stream);
cudaError_t fgi_sparse_screen(const fgi_sparse_screen_args *a, cudaStream_t stream);
cudaError_t fgi_sparse_resolve(const fgi_sparse_screen_args *a, cudaStream_t stream);

/* --------------------------------------------------------------------------------------- answers */

typedef struct fgi_sparse_answer_args {
    fgi_sparse_screen_args screen; /* survivors: scratch, and only where several components are told */
    float tau;
    fgi_cuda_answers to; /* of centroids one component at most */
} fgi_sparse_answer_args;

/* In place of resolve: nothing comes of it but answers. */
cudaError_t fgi_sparse_answer(const fgi_sparse_answer_args *a, cudaStream_t stream);

/* ------------------------------------------------------------------------------- order and sums */

typedef struct fgi_sparse_order_args {
    fgi_sparse_streams in;
    int32_t k, rows;
    uint32_t *before; /* streams x k: entries of the component in earlier streams */
    uint32_t *start;  /* k + 1: first survivor of each component */
    uint2 *sorted;    /* row in the chunk, bits of the responsibility; by component */
} fgi_sparse_order_args;

int32_t fgi_sparse_most_capacity(void); /* of a stream */
cudaError_t fgi_sparse_order(const fgi_sparse_order_args *a, cudaStream_t stream);

typedef struct fgi_sparse_sums_args {
    fgi_sparse_model model;
    fgi_sparse_rows rows;
    const uint2 *sorted;
    const uint32_t *start;
    int32_t multiprocessors;
    int32_t diagonal;              /* statistics: a square for each dimension */
    float *partial;                /* fgi_sparse_partial_floats() */
    double *mass, *shift, *square; /* as in fgi_stats: added to */
} fgi_sparse_sums_args;

int64_t fgi_sparse_partial_floats(int32_t multiprocessors, int32_t k, int32_t d, int32_t diagonal, int64_t most_survivors);
cudaError_t fgi_sparse_sums(const fgi_sparse_sums_args *a, cudaStream_t stream);

/* ---------------------------------------------------------------------------------------- close */

/* Rows left to the dense kernels, as they are stored, on the device. */
typedef struct fgi_sparse_spill {
    int32_t capacity;    /* rows */
    int64_t pitch_bytes; /* from row to row, whole units of 16 */
    void *raw;
    int64_t *numbers; /* rows: in the source */
    int32_t *count;   /* 2: rows spilled, and those of them that earlier chunks spilled; zeroed before a pass */
    int32_t *from;    /* capacity: scratch */
} fgi_sparse_spill;

typedef struct fgi_sparse_close_args {
    const uint32_t *left; /* of each 32 rows: a bit for each that is left over */
    const void *raw;      /* the chunk's rows as they are stored, as far apart as spilled ones */
    int64_t first;        /* number of its first row */
    int32_t rows;
    fgi_sparse_spill spill;
    fgi_sparse_told *told;
} fgi_sparse_close_args;

cudaError_t fgi_sparse_close(const fgi_sparse_close_args *a, cudaStream_t stream);

/* Answers of spilled rows, all of the same chunk, to their places. */
cudaError_t fgi_sparse_rejoin(const fgi_sparse_spill *spill, const fgi_cuda_answers *from, const fgi_cuda_answers *to,
                              cudaStream_t stream);

/* Adds what all chunks have told; stats: theirs alone. dropped: bound on what the screening of a row left out. */
typedef struct fgi_sparse_finish_args {
    fgi_cuda_params params;
    int32_t kind, k, d;
    int32_t diagonal; /* statistics */
    double dropped;
    const double *stats;
    const fgi_sparse_told *told;
    fgi_cuda_totals *totals;
    double *parts;           /* k: scratch */
    fgi_sparse_found *found; /* 1: out; NULL: not wanted */
} fgi_sparse_finish_args;

cudaError_t fgi_sparse_finish(const fgi_sparse_finish_args *a, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
