/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - what every command holds while it runs. Knows the general options; knows no command. */
#include "session.h"
#include "command.h"
#include "interrupt.h"
#include "stopwatch.h"

#include <errno.h>  /* errno */
#include <math.h>   /* NAN */
#include <stdarg.h> /* va_list */
#include <stdlib.h> /* calloc */
#include <string.h> /* strcmp, strerror */

bool session_json_alone(const session *s)
{
    return s->general.json && !strcmp(s->general.json, "-");
}

static bool speaks(const session *s)
{
    return !s->general.quiet && !session_json_alone(s);
}

fg_status session_fail(session *s, fg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->sentence, sizeof s->sentence, format, args);
    va_end(args);
    return status;
}

void session_say(session *s, const char *format, ...)
{
    if (!speaks(s)) return;
    progress_clear(&s->progress);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

fg_status session_open(session *s)
{
    s->began = stopwatch_seconds();
    progress_begin(&s->progress, s->general.quiet);
    interrupt_listen();
    if (s->general.json) {
        /* opened first: better than to learn after an hour that it cannot be written */
        s->json.file = session_json_alone(s) ? stdout : fopen(s->general.json, "w");
        if (!s->json.file)
            return session_fail(s, FG_IO, "%s: %s", s->general.json, strerror(errno));
    }
    const fg_context_options opt = {
        .struct_size = sizeof opt,
        .backend = s->general.backend,
        .device = s->general.device,
        .threads = s->general.threads,
        .precision = s->general.precision,
        .isa = s->general.isa,
    };
    return fg_context_create(&opt, &s->ctx);
}

/* Writing can fail as late as here, on a full disk. An earlier failure is the one to tell. */
static fg_status finish(session *s, fg_status status, FILE *file, const char *name)
{
    bool failed = ferror(file) != 0;
    failed = (file == stdout ? fflush(file) : fclose(file)) != 0 || failed;
    if (status != FG_OK || !failed) return status;
    return session_fail(s, FG_IO, "%s: %s", name, strerror(errno));
}

int session_close(session *s, fg_status status)
{
    progress_clear(&s->progress);
    if (s->json.file && s->json.file != stdout)
        status = finish(s, status, s->json.file, s->general.json);
    status = finish(s, status, stdout, "standard output");
    if (status != FG_OK)
        fprintf(stderr, "flashgmm: %s\n", s->sentence[0] ? s->sentence : fg_last_error());
    fg_context_destroy(s->ctx);
    return status == FG_OK ? EXIT_DONE : EXIT_FAILED;
}

fg_status session_progress(session *s, const char *phase, int64_t rows, int64_t rows_total)
{
    const fg_progress now = {.struct_size = sizeof now,
                             .phase = phase,
                             .rows = rows,
                             .rows_total = rows_total,
                             .objective = NAN,
                             .change = NAN,
                             .seconds = stopwatch_seconds() - s->began};
    if (!progress_report(&s->progress, &now)) return FG_OK;
    return session_fail(s, FG_CANCELLED, "interrupted after %lld of %lld rows", (long long)rows,
                        (long long)rows_total);
}

fg_status session_alloc(session *s, int64_t count, size_t size, void **out)
{
    *out = calloc((size_t)count, size);
    if (*out) return FG_OK;
    return session_fail(s, FG_MEMORY, "out of memory: %lld times %zu bytes", (long long)count,
                        size);
}

fg_context_info session_machine(const session *s)
{
    fg_context_info info = {.struct_size = sizeof info};
    /* cannot fail: the context is ours and the size is set */
    (void)fg_context_get_info(s->ctx, &info);
    return info;
}
