/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - the one interface to hardware: "absorb this chunk into these statistics, and tell me about its
 * rows". Knows parameters, statistics and views; knows no algorithm.
 *
 * A pass is begin, absorb for every chunk in order, end. Results depend on the parameters and on the
 * sequence of rows alone: not on threads, not on how the rows were cut into chunks (every chunk but the
 * last holds a multiple of unit_rows). */
#ifndef FGI_BACKEND_H
#define FGI_BACKEND_H
#include "params.h"
#include "stats.h"

/* What a pass should tell about single rows. */
typedef struct fgi_row_request {
    int32_t top;      /* components a row at most, best first; 0: none */
    float tau;        /* only responsibilities >= tau, the best one always; 0: no bound */
    bool log_density; /* fill log_density */
    bool exact_rank;  /* give `top` components even where their responsibility is negligible */
} fgi_row_request;

/* Results of one chunk's rows, in the caller's buffers of chunk_rows rows; what was not asked for is NULL. */
typedef struct fgi_row_results {
    int32_t *components; /* rows x top; -1 where there are fewer */
    float *values; /* rows x top: responsibilities, or squared distances for FGI_HARD; 0 if fewer */
    double *
        log_density; /* rows: nats, or minus the squared distance for FGI_HARD; NaN for a bad row */
} fgi_row_results;

typedef struct fgi_pass_spec {
    const fgi_params *params; /* unchanged until end */
    fgi_row_request rows;
    bool stats; /* whether statistics are wanted */
    fgi_kind
        stats_kind; /* their kind: that of the parameters, or, for FGI_HARD, a mixture's, whose first
                            parameters are then found by hard assignment */
    const void *source; /* which rows these are, for a backend that holds some; or NULL */
    fg_dtype dtype;     /* theirs */
} fgi_pass_spec;

/* Rows that several passes will read. */
typedef struct fgi_hold {
    const void *source; /* what their passes will call them */
    int64_t rows;
    int32_t cols;
    fg_dtype dtype;
} fgi_hold;

typedef struct fgi_backend fgi_backend;

typedef struct fgi_backend_ops {
    const char *name;
    /* Rows that a chunk must be a multiple of, in such a pass. */
    int64_t (*unit_rows)(const fgi_backend *backend, const fgi_pass_spec *spec);
    /* Sizes and fills everything the pass needs; absorb then allocates nothing. */
    fg_status (*begin)(fgi_backend *backend, const fgi_pass_spec *spec);
    /* first: number of the chunk's first row, for messages. results may be NULL if nothing was asked. A row with NaN or
     * infinity adds to rows_skipped and first_bad_row alone, and gets component -1. */
    fg_status (*absorb)(fgi_backend *backend, const fg_view *chunk, int64_t first,
                        const fgi_row_results *results);
    /* Waits, and adds the pass's statistics to *stats (NULL if none were wanted). Ends the pass also after a
     * failure. *again: nothing was added, since this way of computing does not suit these rows; the same pass, run once
     * more from begin on, goes another way. */
    fg_status (*end)(fgi_backend *backend, fgi_stats *stats, bool *again);
    /* A backend with memory of its own keeps these rows there until release, if they fit: the next pass over them brings
     * them, later ones find them. They must not change. One hold at a time. Both NULL: there is no such memory. */
    void (*hold)(fgi_backend *backend, const fgi_hold *rows);
    void (*release)(fgi_backend *backend);
    void (*destroy)(fgi_backend *backend);
} fgi_backend_ops;

struct fgi_backend {
    const fgi_backend_ops *ops;
};

#endif
