/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - writes JSON, two spaces a level, objects on lines of their own, numbers of an array on one. Knows no command. */
#include "json.h"

#include <inttypes.h> /* PRId64 */
#include <math.h>     /* isfinite */

/* Bytes of the UTF-8 character that stands here, 0 if none does: a path may hold any bytes. */
static int utf8_bytes(const unsigned char *c)
{
    static const struct {
        unsigned char mask, lead;
        int bytes;
        uint32_t least;
    } shapes[] = {{0x80, 0x00, 1, 0},
                  {0xe0, 0xc0, 2, 0x80},
                  {0xf0, 0xe0, 3, 0x800},
                  {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if ((*c & shapes[i].mask) != shapes[i].lead) continue;
        uint32_t code = *c & (unsigned char)~shapes[i].mask;
        for (int j = 1; j < shapes[i].bytes; j++) {
            if ((c[j] & 0xc0) != 0x80) return 0;
            code = code << 6 | (c[j] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < shapes[i].least || code > 0x10ffff || surrogate ? 0 : shapes[i].bytes;
    }
    return 0;
}

static void quoted(FILE *file, const char *value)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)value; *c;) {
        int bytes = utf8_bytes(c);
        if (*c == '"' || *c == '\\')
            fprintf(file, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(file, "\\u%04x", *c);
        else if (bytes == 0)
            fputs("\\ufffd", file);
        else
            fwrite(c, 1, (size_t)bytes, file);
        c += bytes ? bytes : 1;
    }
    fputc('"', file);
}

static void line_break(const json *out)
{
    fprintf(out->file, "\n%*s", 2 * out->depth, "");
}

/* What stands before a value: a comma, and the key on a line of its own. Objects begin lines too. */
static void lead(json *out, const char *key, bool tall)
{
    bool breaks = key || (tall && out->depth > 0);
    if (out->follows) fputs(breaks ? "," : ", ", out->file);
    if (breaks) line_break(out);
    if (key) {
        quoted(out->file, key);
        fputs(": ", out->file);
    }
    out->follows = true;
    out->tall = tall;
}

void json_open(json *out, const char *key, char bracket)
{
    if (!out->file) return;
    lead(out, key, bracket == '{');
    fputc(bracket, out->file);
    out->depth++;
    out->follows = false;
}

void json_close(json *out, char bracket)
{
    if (!out->file) return;
    out->depth--;
    if (bracket == '}' || out->tall) line_break(out);
    fputc(bracket, out->file);
    if (out->depth == 0) fputc('\n', out->file);
    out->follows = true;
    out->tall = bracket == '}';
}

void json_text(json *out, const char *key, const char *value)
{
    if (!out->file) return;
    lead(out, key, false);
    if (value)
        quoted(out->file, value);
    else
        fputs("null", out->file);
}

void json_whole(json *out, const char *key, int64_t value)
{
    if (!out->file) return;
    lead(out, key, false);
    fprintf(out->file, "%" PRId64, value);
}

void json_real(json *out, const char *key, double value)
{
    if (!out->file) return;
    lead(out, key, false);
    if (isfinite(value))
        fprintf(out->file, "%.17g", value);
    else
        fputs("null", out->file);
}

void json_bool(json *out, const char *key, bool value)
{
    if (!out->file) return;
    lead(out, key, false);
    fputs(value ? "true" : "false", out->file);
}
