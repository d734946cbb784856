/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_tile.h - takes rows through a pass, a tile at a time: load, screen, refine, tell, accumulate.
 * Knows kernels and the plan; knows no thread and no source. */
#ifndef FGI_CPU_TILE_H
#define FGI_CPU_TILE_H
#include "backend.h"
#include "cpu_plan.h"
#include "cpu_sorted.h"

/* Rows of a tile that still need candidates, and how deep to look for them: every component that is left out has a
 * value below the row's threshold. */
typedef struct fgi_cpu_open_rows {
    int32_t count;
    int32_t *row;     /* tile_rows */
    float *threshold; /* tile_rows; -inf: every component is taken */
} fgi_cpu_open_rows;

/* Candidates of some of those rows, row after row, by rising lane. */
typedef struct fgi_cpu_block {
    int32_t rows, count, capacity; /* of candidates */
    int32_t *begin;                /* tile_rows + 1: the first candidate of each row */
    int32_t *row, *component;      /* of candidates: capacity + slack each */
    float *distance, *share;
    double *value;
    double *most; /* tile_rows: the largest value */
    float *sum;   /* tile_rows: of powers of two, relative to most */
    int32_t *
        nearest; /* tile_rows, centroids: the candidate of the largest value, the first of equals */
    int32_t *complete; /* tile_rows, mixtures: rows of the block that are, */
    int32_t *left_out; /* and how many components each leaves out */
    int32_t *order;    /* k: places of one row's candidates in order */
} fgi_cpu_block;

/* Rows that belong to one centroid each. */
typedef struct fgi_cpu_labels {
    int32_t *row; /* 0, 1, 2 ... */
    int32_t *component;
    float *distance; /* squared; infinite where f32 overflows */
    float *share;    /* 1, or 0: the row has no label, and component is 0 */
    double *value;   /* minus the squared distance, always finite */
} fgi_cpu_labels;

/* Statistics of tiles to which most components matter, laid out as their kernels want them: for each lane of the dense
 * panels, square and shift for each dimension too. */
typedef struct fgi_cpu_dense_sums {
    double *mass, *square, *shift;
    bool used; /* in this shard: else they say nothing */
} fgi_cpu_dense_sums;

/* One worker's buffers: nothing here survives a tile but the rank guess and dense sums. */
typedef struct fgi_cpu_scratch {
    int32_t tile_rows, ldx, lanes, ld_scores;
    float *x;     /* tile_rows x ldx: centred; diagonal: once screened, their squares beside them */
    float *norm2; /* tile_rows */
    float *level; /* tile_rows, diagonal: the squares' part that all components have */
    void *prepared; /* the rows as the screen wants them; NULL: as they are */
    float *scores;  /* tile_rows x ld_scores: never below the true values */
    float *row_max; /* tile_rows */
    fgi_cpu_open_rows open;
    fgi_cpu_block block;
    fgi_cpu_labels labels; /* of the tile; centroids */
    fgi_cpu_sorted sorted; /* the block's shares; mixtures */
    fgi_cpu_dense_sums dense;
    double rank_gap; /* how far below the best the last row's lowest rank lay: a first guess */
} fgi_cpu_scratch;

/* Everything the rows of a pass have in common. */
typedef struct fgi_cpu_job {
    const fgi_kernels *kernels;
    const fgi_cpu_plan *plan;
    fgi_row_request rows;
    double cut;     /* log2 of the largest ratio of responsibilities that still matters */
    double dropped; /* 2^-cut: more than a component that is left out has of the best one's share */
} fgi_cpu_job;

/* Where rows are loaded to, as fgi_load_args has it. */
typedef struct fgi_cpu_loaded {
    float *x, *norm2;
    int32_t ldx;
} fgi_cpu_loaded;
void fgi_cpu_load(const fgi_cpu_job *job, const fg_view *rows, const fgi_cpu_loaded *to);

fg_status fgi_cpu_scratch_create(fgi_ledger *ledger, const fgi_cpu_plan *plan,
                                 fgi_cpu_scratch *out);
void fgi_cpu_scratch_destroy(fgi_cpu_scratch *scratch);

/* The cut leaves out less than 2^-26 of a row in all. */
fgi_cpu_job fgi_cpu_job_of(const fgi_kernels *kernels, const fgi_cpu_plan *plan,
                           const fgi_row_request *rows);

/* Absorbs consecutive rows. first: number of the first row. stats may be NULL. results: of these rows
 * alone. */
void fgi_cpu_tile_absorb(const fgi_cpu_job *job, fgi_cpu_scratch *scratch, const fg_view *rows,
                         int64_t first, fgi_stats *stats, const fgi_row_results *results);

#endif
