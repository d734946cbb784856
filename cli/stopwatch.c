/* SPDX-License-Identifier: Apache-2.0 */
/* stopwatch.c - the monotonic clock. Knows POSIX. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "stopwatch.h"

#include <time.h> /* clock_gettime */

double stopwatch_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
