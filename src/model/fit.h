/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h - what every fit has in common: checked options, the rows to use, their moments, a clock, a report.
 * Knows neither k-means nor mixtures. */
#ifndef FGI_FIT_H
#define FGI_FIT_H
#include "moments.h"

/* Iterations at most: a history of all of them is kept. */
enum { FGI_MAX_ITERATIONS = 1000000 };

/* FG_ARGUMENT with name, value and bound. rows < 0: not known yet. */
fg_status fgi_check_k(int32_t k, int64_t rows);
fg_status fgi_check_init(int32_t init);
fg_status fgi_check_range(const char *name, int64_t value, int64_t least, int64_t most);

/* A fit in progress. */
typedef struct fgi_fit {
    fg_context *ctx;
    fg_source *rows;   /* the source, or the sample of it */
    fg_source *sample; /* owned; NULL if all rows are used */
    fgi_reading reading;
    fgi_moments moments;
    fgi_listener listener;
    size_t held_before; /* bytes in the ledger when the fit began */
    double seconds_init;
} fgi_fit;

typedef struct fgi_fit_plan {
    int64_t sample_rows; /* 0: all */
    uint64_t seed;
    fgi_reading reading;
    fg_progress_fn progress;
    void *user;
} fgi_fit_plan;

/* Starts the clock, draws the sample and takes the moments. */
fg_status fgi_fit_open(fg_context *ctx, fg_source *rows, const fgi_fit_plan *plan, fgi_fit *out);
void fgi_fit_close(fgi_fit *fit);

/* Whether a step of the fit failed because the callback has stopped it. */
bool fgi_fit_was_stopped(const fgi_fit *fit, fg_status s);

/* Marks the end of initialisation. */
void fgi_fit_started(fgi_fit *fit);

/* Fills what the fit knows (rows, seconds, workspace) and copies the history as far as the caller lent room. report may
 * be NULL. */
void fgi_fit_report(const fgi_fit *fit, const double *history, int32_t count,
                    fg_fit_report *report);

#endif
