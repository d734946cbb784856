/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - writes JSON: braces, keys, escapes. Knows no command.
 *
 * A writer without a file takes every call and writes nothing, so callers need not ask whether JSON was
 * wanted. Inside an object every value has a key; inside an array, and at the top, key is NULL. */
#ifndef JSON_H
#define JSON_H
#include <stdbool.h>
#include <stdint.h> /* int64_t */
#include <stdio.h>  /* FILE */

typedef struct json {
    FILE *file;
    int depth;
    bool follows; /* a value stands before, at this depth */
    bool tall;    /* and it took lines of its own */
} json;

void json_open(json *out, const char *key, char bracket); /* '{' or '[' */
void json_close(json *out, char bracket); /* '}' or ']'; the last one ends the line */
void json_text(json *out, const char *key, const char *value); /* NULL is null */
void json_whole(json *out, const char *key, int64_t value);
void json_real(json *out, const char *key, double value); /* NaN and infinity are null */
void json_bool(json *out, const char *key, bool value);

#endif
