/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - what every command holds while it runs: context, progress, JSON, and its one failure.
 * Knows the general options; knows no command. */
#ifndef SESSION_H
#define SESSION_H
#include "flashgmm.h"
#include "json.h"
#include "options.h"
#include "progress.h"

typedef struct session {
    general_options general;
    fg_context *ctx;
    progress progress;
    json json;          /* without a file unless --json was given */
    double began;       /* stopwatch */
    char sentence[512]; /* the tool's own failure; "": ask the library */
} session;

/* Makes the context, opens the JSON file and listens for Ctrl-C. general is filled in already. */
fg_status session_open(session *s);

/* Frees everything, reports a failure and gives the exit code. Whatever session_open gave. */
int session_close(session *s, fg_status status);

/* Remembers a failure of the tool itself and gives the status back. */
fg_status session_fail(session *s, fg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints a line of the report, unless --quiet, or JSON stands alone on standard output. */
void session_say(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether JSON has standard output to itself. */
bool session_json_alone(const session *s);

/* Shows how far a loop of the tool's own has come. FG_CANCELLED once Ctrl-C was pressed. */
fg_status session_progress(session *s, const char *phase, int64_t rows, int64_t rows_total);

/* calloc whose failure is the session's. */
fg_status session_alloc(session *s, int64_t count, size_t size, void **out);

/* Threads and kernels in use, for the reports. */
fg_context_info session_machine(const session *s);

#endif
