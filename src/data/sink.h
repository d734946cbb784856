/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h - a file of rows being written, in any format that is written. Knows formats by their
 * heads; knows no source. */
#ifndef FGI_SINK_H
#define FGI_SINK_H
#include "memory.h"

/* FG_ARGUMENT: the format cannot hold the type, or cols is out of range. FG_UNSUPPORTED: hdf5. */
fg_status fgi_sink_open(const char *path, const char *format, int32_t cols, fg_dtype dtype,
                        fg_sink **out);
/* The rows have been checked; their cols and dtype are checked here. */
fg_status fgi_sink_write(fg_sink *sink, const fg_view *rows);
/* Completes the head and gives the file its name. Afterwards the sink takes no more rows. */
fg_status fgi_sink_close(fg_sink *sink);
void fgi_sink_destroy(fg_sink *sink); /* NULL is allowed */

#endif
