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

/* Whether single rows have anything to tell. */
static inline bool fgi_asks_rows(const fgi_row_request *want)
{
    return want->top > 0 || want->log_density;
}

/* Results of one chunk's rows, one row's behind the other's; what was not asked for is NULL. */
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

/* How a turn makes new parameters of its statistics; the formulas are those of mstep.h. */
typedef struct fgi_update {
    double least_mass;   /* a component with less is empty */
    const double *floor; /* mixtures: as fgi_variance_floor gives it; unchanged until the end */
    bool to_sphere;      /* centroids are scaled to length 1 */
    /* centroids that came out empty are revived, by lots of these numbers: turn n has the draw first_draw + n */
    uint64_t seed, first_draw;
} fgi_update;

/* What a turn has found about the parameters that it began with. */
typedef struct fgi_turn {
    double objective, dropped;
    int64_t rows, rows_skipped, first_bad_row; /* as in fgi_stats, like objective and dropped */
    int32_t empty;                             /* components that came out empty */
    int32_t revived;                           /* centroids that the update has revived */
    bool at_rest;                              /* centroids: none moves by more than its rounding */
    bool again; /* nothing was found: the caller makes a pass, and begins anew */
} fgi_turn;

typedef struct fgi_backend fgi_backend;

typedef struct fgi_backend_ops {
    const char *name;
    /* Rows that a chunk must be a multiple of, in such a pass. */
    int64_t (*unit_rows)(const fgi_backend *backend, const fgi_pass_spec *spec);
    /* Sizes and fills everything the pass needs; absorb then allocates nothing, unless the first chunk shows that rows which are asked
     * had better go another way. */
    fg_status (*begin)(fgi_backend *backend, const fgi_pass_spec *spec);
    /* first: number of the chunk's first row, for messages. results: where what rows have to tell goes; not read if nothing was
     * asked, or there is await. A row with NaN or infinity adds to rows_skipped and first_bad_row alone, and gets component -1. The
     * caller may have the chunk back. */
    fg_status (*absorb)(fgi_backend *backend, const fg_view *chunk, int64_t first,
                        const fgi_row_results *results);
    /* If something was asked: waits for the results of the earliest chunk that was not awaited. They lie in the backend's memory,
     * until the pass ends or the chunk after the next is absorbed. No more than two chunks may be left to await. NULL: results are
     * where absorb was told when it returns. */
    fg_status (*await)(fgi_backend *backend, fgi_row_results *out);
    /* Waits, and adds the pass's statistics to *stats (NULL if none were wanted). Ends the pass also after a
     * failure. *again: nothing was added, since this way of computing does not suit these rows; the same pass, run once
     * more from begin on, goes another way. */
    fg_status (*end)(fgi_backend *backend, fgi_stats *stats, bool *again);
    /* A backend with memory of its own keeps these rows there until release, if they fit: the next pass over them brings
     * them, later ones find them; it may also keep what a pass has learned of each row. They must not change. One hold at
     * a time. Both NULL: there is no such memory. */
    void (*hold)(fgi_backend *backend, const fgi_hold *rows);
    void (*release)(fgi_backend *backend);
    /* Turns, each a pass and an update, that follow each other without waiting for the caller. All NULL: there are none.
     *
     * begin takes over the parameters of spec, unless *taken comes back false: these rows are not held, say. next tells of
     * one turn after the other, and keeps the backend some turns ahead of that; `most` says how many the caller may still
     * want, this one included. fetch gives the parameters of the turn told last, their states (fg_component_state; left
     * alone in the first turn, and for centroids) and their statistics; with `again`, parameters and states alone. Each
     * argument may be NULL. end drops what is ahead. */
    fg_status (*turns_begin)(fgi_backend *backend, const fgi_pass_spec *spec,
                             const fgi_update *update, bool *taken);
    fg_status (*turns_next)(fgi_backend *backend, int64_t most, fgi_turn *out);
    fg_status (*turns_fetch)(fgi_backend *backend, fgi_params *params, int32_t *states,
                             fgi_stats *stats);
    void (*turns_end)(fgi_backend *backend);
    void (*destroy)(fgi_backend *backend);
} fgi_backend_ops;

struct fgi_backend {
    const fgi_backend_ops *ops;
};

#endif
