/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.h - files of results: their types by suffix, and names beside a name. Knows sinks; knows no command. */
#ifndef SINKS_H
#define SINKS_H
#include "session.h"

/* What a file holds, from which its type follows with the suffix. */
typedef enum sink_content { SINK_NUMBERS, SINK_REALS } sink_content;

/* Opens `path` for whole numbers (.ivecs .ibin: i32; .npy: `widest`) or reals (.fvecs .fbin: f32; .npy: `widest`). */
fg_status sinks_open(session *s, const char *path, sink_content content, int32_t cols,
                     fg_dtype widest, fg_sink **out);

/* Opens a file named after path: "labels.ivecs" and "responsibilities" give labels.responsibilities.fvecs. The suffix
 * is the one of path, or its twin for reals. */
fg_status sinks_open_beside(session *s, const char *path, const char *what, sink_content content,
                            int32_t cols, fg_dtype widest, fg_sink **out);

/* The type that sinks_open would choose. FG_ARGUMENT: the suffix holds no such values. */
fg_status sinks_dtype(session *s, const char *path, sink_content content, fg_dtype widest,
                      fg_dtype *out);

/* Closes and frees; on an earlier failure the file is left unwritten. NULL is allowed. */
fg_status sinks_end(fg_sink *sink, fg_status status);

#endif
