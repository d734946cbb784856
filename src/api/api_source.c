/* SPDX-License-Identifier: Apache-2.0 */
/* api_source.c - the public functions on element types, sources and sinks, and on what a file is.
 * Checks arguments; knows no more. */
#include "check.h"
#include "format.h"
#include "sink.h"

#include <string.h> /* memcmp, memcpy */

uint32_t fg_version(void)
{
    return (uint32_t)FG_VERSION_MAJOR << 16 | FG_VERSION_MINOR << 8 | FG_VERSION_PATCH;
}

static bool is_row_type(fg_dtype dtype)
{
    return fg_dtype_bytes(dtype) != 0 && dtype != FG_I32 && dtype != FG_I64;
}

fg_status fg_source_memory(const fg_view *rows, fg_source **out)
{
    FG_TRY(fgi_check_given(out, "out"));
    FG_TRY(fgi_view_check(rows, "rows"));
    if (!is_row_type((fg_dtype)rows->dtype))
        return fgi_fail(FG_ARGUMENT, "rows: dtype is %s; it must be f32, f16, bf16, u8, i8 or f64",
                        fg_dtype_text((fg_dtype)rows->dtype));
    return fgi_source_memory(rows, NULL, out);
}

fg_status fg_source_file(const char *path, const char *format, fg_source **out)
{
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_given(out, "out"));
    return fgi_source_file(path, format, out);
}

fg_status fg_source_reader(const fg_reader *reader, fg_source **out)
{
    FG_TRY(fgi_check_given(reader, "reader"));
    FG_TRY(fgi_check_given(out, "out"));
    FG_TRY(fgi_check_struct_size(reader->struct_size, sizeof *reader, "reader"));
    return fgi_source_reader(reader, out);
}

void fg_source_destroy(fg_source *src)
{
    fgi_source_close(src);
}

fg_status fg_source_get_info(const fg_source *src, fg_source_info *info)
{
    FG_TRY(fgi_check_given(src, "src"));
    FG_TRY(fgi_check_given(info, "info"));
    FG_TRY(fgi_check_struct_size(info->struct_size, sizeof *info, "info"));
    info->rows = src->rows;
    info->cols = src->cols;
    info->dtype = (int32_t)src->dtype;
    return FG_OK;
}

fg_status fg_source_read(fg_source *src, int64_t first, const fg_out *out)
{
    FG_TRY(fgi_check_given(src, "src"));
    if (first < 0)
        return fgi_fail(FG_ARGUMENT, "first is %lld; it must be at least 0", (long long)first);
    const fg_dtype other = is_row_type(src->dtype) ? FG_F32 : src->dtype;
    FG_TRY(fgi_out_check(out, "out", 1, src->cols, src->dtype, other));
    return fgi_source_read(src, first, out);
}

fg_status fg_sink_file(const char *path, const char *format, int32_t cols, fg_dtype dtype,
                       fg_sink **out)
{
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_given(out, "out"));
    return fgi_sink_open(path, format, cols, dtype, out);
}

fg_status fg_sink_write(fg_sink *sink, const fg_view *rows)
{
    FG_TRY(fgi_check_given(sink, "sink"));
    FG_TRY(fgi_view_check(rows, "rows"));
    return fgi_sink_write(sink, rows);
}

fg_status fg_sink_close(fg_sink *sink)
{
    FG_TRY(fgi_check_given(sink, "sink"));
    return fgi_sink_close(sink);
}

void fg_sink_destroy(fg_sink *sink)
{
    fgi_sink_destroy(sink);
}

/* Our own files tell by their first bytes, data by its name. */
static fg_status kind_of_file(const char *path, const char *name, const char **kind)
{
    static const struct {
        char magic[9];
        const char *kind;
    } own[] = {{"FGMMODEL", "fgm"}, {"FGMINDEX", "fgi"}};
    fgi_map map;
    FG_TRY(fgi_map_open(name, &map));
    const char *found = NULL;
    for (size_t i = 0; map.bytes >= 8 && i < sizeof own / sizeof *own; i++)
        if (memcmp(map.data, own[i].magic, 8) == 0) found = own[i].kind;
    fgi_map_close(&map);
    const fgi_format *format = NULL;
    if (!found) FG_TRY(fgi_format_find(path, NULL, &format));
    *kind = found ? found : format->name;
    return FG_OK;
}

fg_status fg_file_kind(const char *path, const char **kind)
{
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_given(kind, "kind"));
    const fgi_format *format;
    const char *colon = fgi_format_dataset(path);
    if (!colon || fgi_format_find(path, NULL, &format) != FG_OK)
        return kind_of_file(path, path, kind);
    char *file; /* "x.hdf5:name": the file alone */
    FG_TRY(fgi_alloc_zero(NULL, (int64_t)(colon - path) + 1, 1, &file));
    memcpy(file, path, (size_t)(colon - path));
    const fg_status s = kind_of_file(path, file, kind);
    fgi_free(file);
    return s;
}
