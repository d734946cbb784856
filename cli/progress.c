/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - one line on the terminal while a long call runs. Knows fg_progress; knows no command. */
#define _POSIX_C_SOURCE 200809L /* isatty, fileno */
#include "progress.h"
#include "interrupt.h"
#include "stopwatch.h"
#include "text.h"

#include <math.h>   /* isnan */
#include <stdio.h>  /* fprintf, fileno */
#include <string.h> /* strcmp, strlen */
#include <unistd.h> /* isatty */

/* ten lines a second read as motion; more would cost more than they tell */
static const double SECONDS_BETWEEN_LINES = 0.1;
/* rates from less time than this jump about */
static const double SECONDS_BEFORE_RATE = 0.2;

enum { LINE_BYTES = 160 };

static void append(char *line, const char *part)
{
    size_t used = strlen(line);
    snprintf(line + used, LINE_BYTES - used, "%s%s", used ? "  " : "", part);
}

/* Rows are counted by their growth, as a phase of many steps starts them over with each. */
static void count_rows(progress *p, const fg_progress *now, double clock)
{
    if (!p->phase || strcmp(p->phase, now->phase)) {
        p->phase = now->phase;
        p->phase_began = clock;
        p->rows_done = 0;
        p->step = now->step;
        p->step_rows = now->rows;
    }
    bool same_step = now->step == p->step && now->rows >= p->step_rows;
    p->rows_done += same_step ? now->rows - p->step_rows : now->rows;
    p->step = now->step;
    p->step_rows = now->rows;
}

static void append_rate(char *line, const progress *p, const fg_progress *now, double clock)
{
    char part[64];
    double seconds = clock - p->phase_began;
    if (seconds < SECONDS_BEFORE_RATE || p->rows_done == 0) return;
    double rate = (double)p->rows_done / seconds;
    snprintf(part, sizeof part, "%s rows/s", text_rate(rate).s);
    append(line, part);
    if (now->rows_total < 0) return;
    double steps_after = now->steps > now->step ? (double)(now->steps - now->step) : 0;
    double rows_left =
        (double)(now->rows_total - now->rows) + steps_after * (double)now->rows_total;
    int64_t left = (int64_t)(rows_left / rate + 0.5);
    snprintf(part, sizeof part, "%s%d:%02d left", now->steps ? "at most " : "", (int)(left / 60),
             (int)(left % 60));
    append(line, part);
}

static void append_objective(char *line, const fg_progress *now)
{
    char part[64];
    if (isnan(now->objective)) return;
    const char *name = strcmp(now->phase, "em") ? "mean sq. distance" : "log-likelihood";
    snprintf(part, sizeof part, "%s %.6g", name, now->objective);
    append(line, part);
    if (isnan(now->change)) return;
    snprintf(part, sizeof part, "%+.2g", now->change);
    append(line, part);
}

static void draw(progress *p, const fg_progress *now, double clock)
{
    char line[LINE_BYTES] = "", part[64];
    if (now->steps > 0)
        snprintf(part, sizeof part, "%s %lld/%lld", now->phase, (long long)now->step,
                 (long long)now->steps);
    else
        snprintf(part, sizeof part, "%s", now->phase);
    append(line, part);
    if (now->rows_total > 0) {
        snprintf(part, sizeof part, "%3d%%",
                 (int)(100 * (double)now->rows / (double)now->rows_total));
        append(line, part);
    }
    append_rate(line, p, now, clock);
    append_objective(line, now);
    if (interrupt_came()) append(line, "stopping ...");
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    p->drawn = true;
    p->last_drawn = clock;
}

void progress_begin(progress *p, bool quiet)
{
    *p = (progress){.last_drawn = -SECONDS_BETWEEN_LINES};
    p->shown = !quiet && isatty(fileno(stderr));
}

int progress_report(void *user, const fg_progress *now)
{
    progress *p = user;
    if (p->shown) {
        double clock = stopwatch_seconds();
        count_rows(p, now, clock);
        if (clock - p->last_drawn >= SECONDS_BETWEEN_LINES) draw(p, now, clock);
    }
    return interrupt_came();
}

void progress_clear(progress *p)
{
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
    p->phase = NULL;
}
