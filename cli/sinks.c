/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.c - files of results: their types by suffix, and names beside a name. Knows no command. */
#include "sinks.h"
#include "text.h"

#include <string.h> /* strcmp, strrchr */

static const struct {
    const char *numbers, *reals; /* twins */
    bool as_asked;               /* holds any type, else 32 bits */
} suffixes[] = {{".npy", ".npy", true}, {".ivecs", ".fvecs", false}, {".ibin", ".fbin", false}};
enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };

fg_status sinks_dtype(session *s, const char *path, sink_content content, fg_dtype widest,
                      fg_dtype *out)
{
    for (int i = 0; i < SUFFIXES; i++) {
        const char *suffix = content == SINK_NUMBERS ? suffixes[i].numbers : suffixes[i].reals;
        if (!text_ends_in(path, suffix)) continue;
        *out = suffixes[i].as_asked ? widest : content == SINK_NUMBERS ? FG_I32 : FG_F32;
        return FG_OK;
    }
    return session_fail(s, FG_ARGUMENT, "%s: its suffix must be %s", path,
                        content == SINK_NUMBERS ? ".npy, .ivecs or .ibin"
                                                : ".npy, .fvecs or .fbin");
}

fg_status sinks_open(session *s, const char *path, sink_content content, int32_t cols,
                     fg_dtype widest, fg_sink **out)
{
    fg_dtype dtype = widest;
    fg_status status = sinks_dtype(s, path, content, widest, &dtype);
    return status == FG_OK ? fg_sink_file(path, NULL, cols, dtype, out) : status;
}

fg_status sinks_open_beside(session *s, const char *path, const char *what, sink_content content,
                            int32_t cols, fg_dtype widest, fg_sink **out)
{
    char name[4096];
    const char *suffix = strrchr(path, '.');
    for (int i = 0; i < SUFFIXES && suffix; i++) {
        if (strcmp(suffix, suffixes[i].numbers)) continue;
        const char *own = content == SINK_NUMBERS ? suffixes[i].numbers : suffixes[i].reals;
        int length =
            snprintf(name, sizeof name, "%.*s.%s%s", (int)(suffix - path), path, what, own);
        if (length >= (int)sizeof name) break;
        return sinks_open(s, name, content, cols, widest, out);
    }
    return session_fail(s, FG_ARGUMENT, "%s: its suffix must be .npy, .ivecs or .ibin", path);
}

fg_status sinks_end(fg_sink *sink, fg_status status)
{
    if (sink && status == FG_OK) status = fg_sink_close(sink);
    fg_sink_destroy(sink);
    return status;
}
