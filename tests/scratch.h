/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - what tests of files share: a folder of one's own, whole files in and out,
 * expectations of statuses. To be included first. Knows cmocka and POSIX; knows no floor. */
#ifndef SCRATCH_H
#define SCRATCH_H
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* mkdtemp */
#endif
#include "flashgmm.h"

#include <dirent.h>   /* opendir */
#include <setjmp.h>   /* cmocka needs it */
#include <stdarg.h>   /* cmocka needs it */
#include <stdbool.h>  /* bool */
#include <stdio.h>    /* fopen */
#include <stdlib.h>   /* mkdtemp, malloc */
#include <string.h>   /* strstr */
#include <sys/stat.h> /* mkdir, chmod */
#include <unistd.h>   /* unlink, rmdir */

#include <cmocka.h>

enum { SKIPPED = 77 }; /* what a program exits with that could test nothing here; ctest knows it */

static char scratch_folder[256];

/* A path in the folder; the last eight stay valid. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

/* Removes every file of the folder and says how many there were. */
static inline int scratch_clear(void)
{
    int files = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') files += remove(scratch_path(entry->d_name)) == 0;
    if (folder) closedir(folder);
    return files;
}

static inline int scratch_begin(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* memory, not a disk */
    snprintf(scratch_folder, sizeof scratch_folder, "%s/flashgmm-test-XXXXXX", base);
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_end(void **state)
{
    (void)state;
    scratch_clear();
    return rmdir(scratch_folder);
}

/* Writes a file of these bytes and gives its path. */
static inline const char *scratch_write(const char *name, const void *data, size_t bytes)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* The bytes of a file, to be given to free; *bytes: how many. NULL and 0: there is no such file. */
static inline unsigned char *scratch_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    *bytes = 0;
    if (!file) return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

/* The call succeeds, or the test shows why not. */
static inline void expect_ok(fg_status s)
{
    if (s != FG_OK) fail_msg("%s: %s", fg_status_text(s), fg_last_error());
}

/* The call fails with this status, and its sentence holds all these parts (up to a NULL). */
static inline void expect_failure(fg_status s, fg_status wanted, ...)
{
    if (s != wanted)
        fail_msg("status %d, not %d (%s)", (int)s, (int)wanted, s ? fg_last_error() : "success");
    va_list parts;
    va_start(parts, wanted);
    for (const char *part; (part = va_arg(parts, const char *));)
        if (!strstr(fg_last_error(), part)) fail_msg("\"%s\" is not in: %s", part, fg_last_error());
    va_end(parts);
}

#endif
