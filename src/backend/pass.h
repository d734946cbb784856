/* SPDX-License-Identifier: Apache-2.0 */
/* pass.h - one pass over a source: chunks to the backend, results to a consumer, progress to the caller. */
#ifndef FGI_PASS_H
#define FGI_PASS_H
#include "backend.h"
#include "context.h"
#include "source.h"

/* Called for each chunk, in order, on the caller's thread: what rows first .. first + rows - 1 of the source have to tell. */
typedef fg_status (*fgi_consume)(void *user, int64_t first, int64_t rows,
                                 const fgi_row_results *results);

/* Progress that a long call carries along. All zero: nobody listens. */
typedef struct fgi_listener {
    fg_progress_fn progress;
    void *user;
    double started;  /* fgi_seconds() when the call began */
    fg_progress now; /* phase, step, steps, objective, change: set by the algorithm */
    bool cancelled;  /* the callback asked to stop: set by the pass, never cleared */
} fgi_listener;

/* A listener for a call that begins now; objective and change are not known yet. */
fgi_listener fgi_listener_begin(fg_progress_fn progress, void *user);

/* A phase begins: of so many steps (0: it has none), with nothing done and no objective yet. listener may be NULL. */
void fgi_listener_phase(fgi_listener *listener, const char *phase, int64_t steps);

/* Reports progress by steps, not rows. FG_CANCELLED once the callback has asked to stop. listener may be NULL. */
fg_status fgi_listener_step(fgi_listener *listener, int64_t step, int64_t steps);

/* Reports progress by rows; only notes it if the callback asks to stop. listener may be NULL. */
void fgi_listener_rows(fgi_listener *listener, int64_t rows, int64_t rows_total);

/* Sets objective and change from a new value of the objective. */
void fgi_listener_value(fgi_listener *listener, double objective);

typedef struct fgi_pass {
    const fgi_params *params;
    fgi_row_request rows;
    fgi_stats *stats; /* cleared first; NULL: none wanted */
    fgi_consume consume;
    void *user;
    fgi_listener *listener; /* may be NULL */
    fg_bad_rows bad_rows;   /* refuse: the pass fails with FG_NUMERIC and names the row */
} fgi_pass;

/* What a pass has found of rows that cannot be used. */
typedef struct fgi_bad_rows {
    int64_t first, count; /* first: -1: there are none */
    bool normalize;
} fgi_bad_rows;

/* FG_NUMERIC with the row's number if there are any and they are to be refused. */
fg_status fgi_bad_rows_check(const fgi_bad_rows *found, fg_bad_rows rule, const fg_source *src);

/* Runs the pass to its end, or until the listener cancels: then FG_CANCELLED, if stop_early is true at once, else only
 * the flag is set and the pass completes. */
fg_status fgi_pass_run(fg_context *ctx, fg_source *src, const fgi_pass *pass, bool stop_early);

#endif
