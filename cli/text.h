/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - numbers as people read them. Knows units; knows no file and no command. */
#ifndef TEXT_H
#define TEXT_H
#include <stdint.h> /* int64_t */

/* Made to live inside one call of printf: printf("%s rows", text_count(rows).s). */
typedef struct text {
    char s[48];
} text;

text text_count(int64_t count);                    /* 1,234,567 */
text text_bytes(uint64_t bytes);                   /* 12.3 MB */
text text_seconds(double seconds);                 /* 8.31 us, 12.3 ms, 4.21 s, 3 min 25 s */
text text_rate(double per_second);                 /* 2.31 M */
text text_plural(int64_t count, const char *noun); /* 1 row, 1,234 rows; the plural is noun + s */

/* The part of a path after the last slash. */
const char *text_file_name(const char *path);

/* Whether path ends in suffix ("." included). */
int text_ends_in(const char *path, const char *suffix);

#endif
