/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - numbers as people read them: separators, units, three digits. Knows no file and no command. */
#include "text.h"

#include <inttypes.h> /* PRId64, PRIu64 */
#include <stdio.h>    /* snprintf */
#include <string.h>   /* strlen, strcmp, strrchr */

text text_count(int64_t count)
{
    char digits[24];
    uint64_t magnitude = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    int length = snprintf(digits, sizeof digits, "%" PRIu64, magnitude);
    text out;
    char *end = out.s;
    if (count < 0) *end++ = '-';
    for (int i = 0; i < length; i++) {
        *end++ = digits[i];
        int left = length - 1 - i;
        if (left > 0 && left % 3 == 0) *end++ = ',';
    }
    *end = '\0';
    return out;
}

/* Three digits, but never an exponent and never fewer digits than the whole part has. */
static text three_digits(double value, const char *unit)
{
    text out;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(out.s, sizeof out.s, "%.*f%s", decimals, value, unit);
    return out;
}

text text_bytes(uint64_t bytes)
{
    static const char *const units[] = {" kB", " MB", " GB", " TB", " PB", " EB"};
    text out;
    if (bytes < 1000) {
        snprintf(out.s, sizeof out.s, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return out;
    }
    double value = (double)bytes / 1e3;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1e3;
    return three_digits(value, units[unit]);
}

text text_seconds(double seconds)
{
    text out;
    if (seconds < 0.9995e-3) return three_digits(seconds * 1e6, " us");
    if (seconds < 0.9995) return three_digits(seconds * 1e3, " ms");
    if (seconds < 119.5) return three_digits(seconds, " s");
    int64_t whole = (int64_t)(seconds + 0.5);
    if (whole < 7200)
        snprintf(out.s, sizeof out.s, "%d min %d s", (int)(whole / 60), (int)(whole % 60));
    else
        snprintf(out.s, sizeof out.s, "%" PRId64 " h %d min", whole / 3600,
                 (int)(whole % 3600 / 60));
    return out;
}

text text_rate(double per_second)
{
    if (per_second < 999.5) return three_digits(per_second, "");
    if (per_second < 999.5e3) return three_digits(per_second / 1e3, " k");
    if (per_second < 999.5e6) return three_digits(per_second / 1e6, " M");
    return three_digits(per_second / 1e9, " G");
}

text text_plural(int64_t count, const char *noun)
{
    text out = text_count(count);
    size_t used = strlen(out.s);
    snprintf(out.s + used, sizeof out.s - used, " %s%s", noun, count == 1 ? "" : "s");
    return out;
}

const char *text_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int text_ends_in(const char *path, const char *suffix)
{
    size_t path_length = strlen(path), suffix_length = strlen(suffix);
    return path_length >= suffix_length && !strcmp(path + path_length - suffix_length, suffix);
}
