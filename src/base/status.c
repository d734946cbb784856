/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - the texts of statuses and the last sentence of each thread. Knows no caller. */
#include "status.h"

#include <stdio.h>  /* vsnprintf */
#include <string.h> /* memcpy, strlen */

enum { SENTENCE_BYTES = 1024 };

static _Thread_local char last_sentence[SENTENCE_BYTES];

const char *fg_status_text(fg_status status)
{
    switch (status) {
#define FG_X(name, value, text)                                                                    \
    case FG_##name: return text;
        FG_STATUS_MAP(FG_X)
#undef FG_X
    default: return "unknown status";
    }
}

const char *fg_last_error(void)
{
    return last_sentence;
}

fg_status fgi_fail(fg_status status, const char *format, ...)
{
    /* formatted aside first: an argument may be the last sentence itself */
    char sentence[SENTENCE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    memcpy(last_sentence, sentence, strlen(sentence) + 1);
    return status;
}

fg_status fgi_fail_in(fg_status status, const char *format, ...)
{
    char context[SENTENCE_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    return fgi_fail(status, "%s: %s", context, last_sentence);
}
