/* SPDX-License-Identifier: Apache-2.0 */
/* vecs.c - the TexMex formats fvecs, bvecs and ivecs: each row is its dimension as i32, then its
 * elements. No header. Knows the layout; knows no mapping. */
#include "format.h"

#include <string.h> /* memcpy */

static fg_status vecs_parse(const char *path, const fgi_map *map, fg_dtype dtype, fgi_layout *out)
{
    int32_t cols;
    const int64_t prefix_bytes = sizeof cols, item_bytes = (int64_t)fg_dtype_bytes(dtype);
    if (map->bytes < prefix_bytes)
        return fgi_fail(FG_FORMAT,
                        "%s: offset 0: the file has %lld bytes; the first row's dimension alone "
                        "takes %lld",
                        path, (long long)map->bytes, (long long)prefix_bytes);
    memcpy(&cols, map->data, sizeof cols);
    if (cols < 1 || cols > FGI_MAX_COLS)
        return fgi_fail(FG_FORMAT,
                        "%s: offset 0: the dimension of row 0 is %d; it must be in 1..%d", path,
                        cols, FGI_MAX_COLS);
    const int64_t row_bytes = prefix_bytes + cols * item_bytes, rows = map->bytes / row_bytes;
    if (map->bytes % row_bytes != 0)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: row %lld has %lld bytes; it must have %lld, as row 0 of "
                        "dimension %d has",
                        path, (long long)(rows * row_bytes), (long long)rows,
                        (long long)(map->bytes % row_bytes), (long long)row_bytes, cols);
    *out = (fgi_layout){.offset = prefix_bytes,
                        .rows = rows,
                        .stride = row_bytes / item_bytes,
                        .cols = cols,
                        .dtype = dtype,
                        .prefixed = true};
    return FG_OK;
}

static fg_status vecs_open(const char *path, fg_dtype dtype, fg_source **out)
{
    return fgi_source_parsed(path, dtype, vecs_parse, out);
}

static fg_status vecs_head(int64_t rows, int32_t cols, fg_dtype dtype, fgi_head *head)
{
    (void)rows, (void)cols, (void)dtype; /* stand before each row, or in the name */
    head->count = 0;
    return FG_OK;
}

const fgi_family fgi_vecs = {
    .open = vecs_open, .head = vecs_head, .most_rows = INT64_MAX, .prefixed = true};
