/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files mapped for reading, and files that appear whole under their name or not at all.
 * Knows POSIX; knows no format. */
#ifndef FGI_FILE_H
#define FGI_FILE_H
#include "memory.h"

/* A whole regular file, mapped read-only. */
typedef struct fgi_map {
    const unsigned char *data; /* NULL for an empty file */
    int64_t bytes;
} fgi_map;

/* FG_IO with the reason: missing, unreadable, a directory, not a regular file. */
fg_status fgi_map_open(const char *path, fgi_map *out);
void fgi_map_close(fgi_map *map);

/* A file in the making: written under a temporary name beside `path`. */
typedef struct fgi_writer fgi_writer;

fg_status fgi_writer_open(const char *path, fgi_writer **out);

/* Appends bytes (buffered). After a failure every later call fails in the same way. */
fg_status fgi_writer_write(fgi_writer *writer, const void *data, int64_t bytes);

/* Overwrites bytes that were already written, at `offset` from the start: headers known only at the end. */
fg_status fgi_writer_patch(fgi_writer *writer, int64_t offset, const void *data, int64_t bytes);

/* Bytes written so far. */
int64_t fgi_writer_offset(const fgi_writer *writer);

/* Flushes, syncs, renames to the path given at open, and syncs the folder. The writer is spent either way; close it. */
fg_status fgi_writer_commit(fgi_writer *writer);

/* Releases the writer, and removes the temporary file unless committed. NULL is allowed. */
void fgi_writer_close(fgi_writer *writer);

#endif
