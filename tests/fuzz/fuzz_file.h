/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_file.h - turns the fuzzer's bytes into a file that can be opened by its path. To be included
 * first. Knows Linux (memfd); knows no format. */
#ifndef FUZZ_FILE_H
#define FUZZ_FILE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "flashgmm.h"

#include <stdio.h>    /* snprintf */
#include <stdlib.h>   /* abort */
#include <string.h>   /* memcpy */
#include <sys/mman.h> /* memfd_create */
#include <unistd.h>   /* ftruncate, pwrite */

/* What libFuzzer and replay.c call: data is one input. Aborts if the library breaks a promise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The path of a file in memory that holds these bytes until the next call. */
static inline const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_REQUIRE(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    FUZZ_REQUIRE(ftruncate(fd, 0) == 0);
    FUZZ_REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

#endif
