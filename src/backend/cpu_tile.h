/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_tile.h - takes rows through a pass, a tile at a time: load, screen, refine, tell, accumulate.
 * Knows kernels and the plan; knows no thread and no source. */
#ifndef FGI_CPU_TILE_H
#define FGI_CPU_TILE_H
#include "backend.h"
#include "cpu_plan.h"

/* What rows add to components: each entry is a row of the tile, a component, a responsibility. */
typedef struct fgi_cpu_shares {
    int32_t count, capacity;
    int32_t *component, *row, *sorted_row, *end; /* end: k + 1; the others: capacity */
    float *weight, *sorted_weight;
} fgi_cpu_shares;

/* One worker's buffers: nothing here survives a tile but the rank guess. */
typedef struct fgi_cpu_scratch {
    int32_t tile_rows, ldx, lanes, ld_scores;
    float *x;       /* tile_rows x ldx: centred rows, their squares beside them if diagonal */
    float *norm2;   /* tile_rows */
    void *prepared; /* the rows as the screen wants them; NULL: as they are */
    float *scores;  /* tile_rows x ld_scores: never below the true values */
    float *row_max; /* tile_rows */
    int32_t *index, *order; /* candidates of one row, and their places in order: k + slack each */
    float *screened, *distance, *weight; /* of the candidates: k + slack each */
    double *value;                       /* k */
    fgi_cpu_shares shares;
    double
        rank_gap; /* how far below the best the last row's lowest rank lay: a first guess for the next */
} fgi_cpu_scratch;

/* Everything the rows of a pass have in common. */
typedef struct fgi_cpu_job {
    const fgi_kernels *kernels;
    const fgi_cpu_plan *plan;
    fgi_row_request rows;
    double cut; /* log2 of the largest ratio of responsibilities that still matters */
} fgi_cpu_job;

fg_status fgi_cpu_scratch_create(fgi_ledger *ledger, const fgi_cpu_plan *plan,
                                 fgi_cpu_scratch *out);
void fgi_cpu_scratch_destroy(fgi_cpu_scratch *scratch);

/* The cut for k components: what is dropped sums to less than 2^-26 of a row. */
double fgi_cpu_cut(int32_t k);

/* Absorbs consecutive rows. first: number of the first row. stats may be NULL. results: of these rows
 * alone. */
void fgi_cpu_tile_absorb(const fgi_cpu_job *job, fgi_cpu_scratch *scratch, const fg_view *rows,
                         int64_t first, fgi_stats *stats, const fgi_row_results *results);

#endif
