/* SPDX-License-Identifier: Apache-2.0 */
/* npy.c - NumPy's array file, versions 1 to 3: "\x93NUMPY", version, length of a header, the
 * header, the elements. The header is a Python dictionary literal; of Python's grammar only what
 * NumPy writes is read. Knows the layout; knows no mapping. */
#include "format.h"

#include <stdio.h>  /* snprintf */
#include <string.h> /* memcpy, memset, strlen */

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

static const struct {
    const char *text; /* without the byte order, its first character */
    fg_dtype dtype;
} types[] = {{"f4", FG_F32}, {"f2", FG_F16}, {"u1", FG_U8}, {"i1", FG_I8},
             {"i4", FG_I32}, {"i8", FG_I64}, {"f8", FG_F64}};

enum { TYPE_COUNT = sizeof types / sizeof *types, MAX_STRING = 31 };

typedef struct cursor {
    const char *path;
    const unsigned char *file;
    int64_t at, end; /* offsets in the file */
} cursor;

/* What the header says. */
typedef struct header {
    char descr[MAX_STRING + 1];
    bool fortran_order;
    int64_t shape[2];
    int32_t dimensions; /* -1: not said */
    bool has_descr, has_order;
    int64_t descr_offset, order_offset, shape_offset;
} header;

static fg_status expected(const cursor *c, const char *what)
{
    if (c->at >= c->end)
        return fgi_fail(FG_FORMAT, "%s: offset %lld: the header ends where %s is expected", c->path,
                        (long long)c->at, what);
    return fgi_fail(FG_FORMAT, "%s: offset %lld: the header has byte 0x%02x where %s is expected",
                    c->path, (long long)c->at, c->file[c->at], what);
}

static void skip_spaces(cursor *c)
{
    while (c->at < c->end && (c->file[c->at] == ' ' || c->file[c->at] == '\n')) c->at++;
}

static bool accept(cursor *c, char character)
{
    skip_spaces(c);
    if (c->at >= c->end || c->file[c->at] != (unsigned char)character) return false;
    c->at++;
    return true;
}

static fg_status expect(cursor *c, char character)
{
    if (accept(c, character)) return FG_OK;
    return expected(c, (const char[]){'\'', character, '\'', 0});
}

static bool accept_word(cursor *c, const char *word)
{
    const int64_t length = (int64_t)strlen(word);
    skip_spaces(c);
    if (c->end - c->at < length || memcmp(c->file + c->at, word, (size_t)length) != 0) return false;
    c->at += length;
    return true;
}

static fg_status read_string(cursor *c, char string[MAX_STRING + 1])
{
    const char quote = accept(c, '\'') ? '\'' : accept(c, '"') ? '"' : 0;
    if (!quote) return expected(c, "a string");
    int32_t length = 0;
    for (; c->at < c->end && c->file[c->at] != (unsigned char)quote; c->at++) {
        const unsigned char character = c->file[c->at];
        if (length == MAX_STRING) return expected(c, "the end of a string of at most 31 bytes");
        if (character < ' ' || character > '~') return expected(c, "a printable character");
        string[length++] = (char)character;
    }
    string[length] = 0;
    return expect(c, quote);
}

static fg_status read_number(cursor *c, int64_t *number)
{
    skip_spaces(c);
    const int64_t begin = c->at;
    *number = 0;
    for (; c->at < c->end && c->file[c->at] >= '0' && c->file[c->at] <= '9'; c->at++) {
        const int64_t digit = c->file[c->at] - '0';
        if (*number > (INT64_MAX - digit) / 10)
            return expected(c, "the end of a number below 2^63");
        *number = *number * 10 + digit;
    }
    return c->at > begin ? FG_OK : expected(c, "a number");
}

static fg_status read_shape(cursor *c, header *h)
{
    FG_TRY(expect(c, '('));
    h->shape_offset = c->at;
    h->shape[0] = h->shape[1] = 1; /* one dimension: a single column */
    h->dimensions = 0;
    while (!accept(c, ')')) {
        int64_t size;
        FG_TRY(read_number(c, &size));
        if (h->dimensions < 2) h->shape[h->dimensions] = size;
        h->dimensions++;
        if (!accept(c, ',')) return expect(c, ')');
    }
    return FG_OK;
}

static fg_status read_value(cursor *c, const char *key, header *h)
{
    skip_spaces(c);
    if (strcmp(key, "shape") == 0) return read_shape(c, h);
    if (strcmp(key, "descr") == 0) {
        h->has_descr = true;
        h->descr_offset = c->at;
        if (accept(c, '['))
            return fgi_fail(FG_UNSUPPORTED,
                            "%s: offset %lld: elements are records; they must be single numbers",
                            c->path, (long long)h->descr_offset);
        return read_string(c, h->descr);
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->has_order = true;
        h->order_offset = c->at;
        h->fortran_order = accept_word(c, "True");
        return h->fortran_order || accept_word(c, "False") ? FG_OK : expected(c, "True or False");
    }
    return fgi_fail(FG_FORMAT,
                    "%s: offset %lld: the key before it is \"%s\"; it must be descr, fortran_order "
                    "or shape",
                    c->path, (long long)c->at, key);
}

static fg_status read_header(cursor *c, header *h)
{
    FG_TRY(expect(c, '{'));
    while (!accept(c, '}')) {
        char key[MAX_STRING + 1];
        FG_TRY(read_string(c, key));
        FG_TRY(expect(c, ':'));
        FG_TRY(read_value(c, key, h));
        if (accept(c, ',')) continue;
        FG_TRY(expect(c, '}'));
        break;
    }
    skip_spaces(c);
    if (c->at < c->end) return expected(c, "the header's end");
    if (!h->has_descr) return expected(c, "the key descr");
    if (!h->has_order) return expected(c, "the key fortran_order");
    return h->dimensions < 0 ? expected(c, "the key shape") : FG_OK;
}

static fg_status find_type(const char *path, const header *h, fg_dtype *dtype)
{
    const char order = h->descr[0];
    for (size_t i = 0; order && i < TYPE_COUNT; i++) {
        if (strcmp(h->descr + 1, types[i].text) != 0) continue;
        const bool single_byte = fg_dtype_bytes(types[i].dtype) == 1;
        *dtype = types[i].dtype;
        if (order == '<' || order == '=' || (single_byte && (order == '|' || order == '>')))
            return FG_OK;
        if (order == '>')
            return fgi_fail(FG_UNSUPPORTED,
                            "%s: offset %lld: elements are big-endian (\"%s\"); they must be "
                            "little-endian",
                            path, (long long)h->descr_offset, h->descr);
    }
    return fgi_fail(
        FG_UNSUPPORTED,
        "%s: offset %lld: elements are of type \"%s\"; they must be <f4, <f2, |u1, |i1, "
        "<i4, <i8 or <f8",
        path, (long long)h->descr_offset, h->descr);
}

static fg_status check_shape(const char *path, const header *h)
{
    if (h->dimensions < 1 || h->dimensions > 2)
        return fgi_fail(FG_UNSUPPORTED,
                        "%s: offset %lld: the array has %d dimensions; it must have 1 or 2", path,
                        (long long)h->shape_offset, h->dimensions);
    if (h->fortran_order && h->dimensions == 2)
        return fgi_fail(FG_UNSUPPORTED,
                        "%s: offset %lld: the array is stored by columns (fortran_order: True); it "
                        "must be stored by rows",
                        path, (long long)h->order_offset);
    if (h->shape[1] < 1 || h->shape[1] > FGI_MAX_COLS)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: the number of columns is %lld; it must be in 1..%d", path,
                        (long long)h->shape_offset, (long long)h->shape[1], FGI_MAX_COLS);
    return FG_OK;
}

/* Checks magic, version and length; leaves the cursor on the header. */
static fg_status find_header(cursor *c, int64_t bytes)
{
    const int64_t length_offset = 8;
    if (bytes < length_offset + 4)
        return fgi_fail(FG_FORMAT,
                        "%s: offset 0: the file has %lld bytes; it must have at least 12", c->path,
                        (long long)bytes);
    if (memcmp(c->file, magic, sizeof magic) != 0)
        return fgi_fail(FG_FORMAT, "%s: offset 0: does not begin with \"\\x93NUMPY\"", c->path);
    const unsigned char version = c->file[6];
    if (version < 1 || version > 3)
        return fgi_fail(FG_UNSUPPORTED, "%s: offset 6: the version is %u; it must be in 1..3",
                        c->path, version);
    uint32_t length = 0;
    const size_t length_bytes = version == 1 ? 2 : 4;
    memcpy(&length, c->file + length_offset, length_bytes);
    c->at = length_offset + (int64_t)length_bytes;
    if (length > bytes - c->at)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: the header's length is %u; it must be at most %lld, what "
                        "the file has after it",
                        c->path, (long long)length_offset, length, (long long)(bytes - c->at));
    c->end = c->at + length;
    return FG_OK;
}

static fg_status npy_parse(const char *path, const fgi_map *map, fg_dtype unused, fgi_layout *out)
{
    (void)unused;
    cursor c = {.path = path, .file = map->data};
    header h = {.dimensions = -1};
    FG_TRY(find_header(&c, map->bytes));
    FG_TRY(read_header(&c, &h));
    FG_TRY(find_type(path, &h, &out->dtype));
    FG_TRY(check_shape(path, &h));
    out->rows = h.shape[0];
    out->cols = (int32_t)h.shape[1];
    return fgi_layout_dense(path, map, h.shape_offset, c.end, out);
}

static fg_status npy_open(const char *path, fg_dtype dtype, fg_source **out)
{
    return fgi_source_parsed(path, dtype, npy_parse, out);
}

/* Version 1.0, padded with spaces to 128 bytes, which hold every shape and keep the elements
 * aligned. */
static fg_status npy_head(int64_t rows, int32_t cols, fg_dtype dtype, fgi_head *head)
{
    const char *type = NULL;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (types[i].dtype == dtype) type = types[i].text;
    if (!type) return fgi_fail(FG_ARGUMENT, "npy cannot hold %s", fg_dtype_text(dtype));
    enum { HEAD_BYTES = 128, TEXT_OFFSET = 10, TEXT_BYTES = HEAD_BYTES - TEXT_OFFSET };
    char text[TEXT_BYTES];
    const int length = snprintf(
        text, sizeof text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%lld, %d), }",
        fg_dtype_bytes(dtype) == 1 ? '|' : '<', type, (long long)rows, cols);
    FGI_ASSERT(length > 0 && length < TEXT_BYTES);
    memset(text + length, ' ', (size_t)(TEXT_BYTES - length));
    text[TEXT_BYTES - 1] = '\n';
    memcpy(head->bytes, magic, sizeof magic);
    memcpy(head->bytes + sizeof magic, (const unsigned char[]){1, 0, TEXT_BYTES, 0}, 4);
    memcpy(head->bytes + TEXT_OFFSET, text, sizeof text);
    head->count = HEAD_BYTES;
    return FG_OK;
}

const fgi_family fgi_npy = {.open = npy_open, .head = npy_head, .most_rows = INT64_MAX};
