/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - one line on the terminal while a long call runs. Knows fg_progress; knows no command. */
#ifndef PROGRESS_H
#define PROGRESS_H
#include "flashgmm.h"

#include <stdbool.h>

typedef struct progress {
    bool shown;        /* standard error is a terminal, and nobody asked for silence */
    bool drawn;        /* a line stands there now */
    double last_drawn; /* seconds of the stopwatch */
    const char *phase; /* of the calls counted below; rate and remaining time are the phase's own */
    double phase_began;
    int64_t rows_done, step, step_rows;
} progress;

void progress_begin(progress *p, bool quiet);

/* An fg_progress_fn: user is a progress. Non-zero once Ctrl-C was pressed. */
int progress_report(void *user, const fg_progress *now);

/* Takes the line away, before anything else is printed. */
void progress_clear(progress *p);

#endif
