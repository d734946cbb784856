/* SPDX-License-Identifier: Apache-2.0 */
/* xbin.c - the formats fbin, u8bin, i8bin and ibin of the billion-scale benchmarks: rows and
 * columns as u32, then all elements. Knows the layout; knows no mapping. */
#include "format.h"

#include <string.h> /* memcpy */

static fg_status xbin_parse(const char *path, const fgi_map *map, fg_dtype dtype, fgi_layout *out)
{
    uint32_t shape[2];
    if (map->bytes < (int64_t)sizeof shape)
        return fgi_fail(FG_FORMAT,
                        "%s: offset 0: the file has %lld bytes; its head alone takes %zu", path,
                        (long long)map->bytes, sizeof shape);
    memcpy(shape, map->data, sizeof shape);
    if (shape[1] < 1 || shape[1] > FGI_MAX_COLS)
        return fgi_fail(FG_FORMAT, "%s: offset 4: the number of columns is %u; it must be in 1..%d",
                        path, shape[1], FGI_MAX_COLS);
    *out = (fgi_layout){.rows = shape[0], .cols = (int32_t)shape[1], .dtype = dtype};
    return fgi_layout_dense(path, map, 0, sizeof shape, out);
}

static fg_status xbin_open(const char *path, fg_dtype dtype, fg_source **out)
{
    return fgi_source_parsed(path, dtype, xbin_parse, out);
}

static fg_status xbin_head(int64_t rows, int32_t cols, fg_dtype dtype, fgi_head *head)
{
    (void)dtype; /* stands in the name */
    const uint32_t shape[2] = {(uint32_t)rows, (uint32_t)cols};
    memcpy(head->bytes, shape, sizeof shape);
    head->count = sizeof shape;
    return FG_OK;
}

const fgi_family fgi_xbin = {.open = xbin_open, .head = xbin_head, .most_rows = UINT32_MAX};
