/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_convert.c - turns a file of rows into another format; values change type only where they stay the same. */
#include "command.h"
#include "rows.h"
#include "sinks.h"
#include "stopwatch.h"
#include "text.h"

#include <math.h>   /* fabs, trunc */
#include <stdlib.h> /* free */
#include <string.h> /* strcmp, strlen */

typedef struct convert_args {
    const char *in, *out, *from, *to;
} convert_args;

/* What the formats of one type hold. .npy takes what comes. */
static const struct {
    const char *format;
    fg_dtype dtype;
} held[] = {{"fvecs", FG_F32}, {"bvecs", FG_U8}, {"ivecs", FG_I32}, {"fbin", FG_F32},
            {"u8bin", FG_U8},  {"i8bin", FG_I8}, {"ibin", FG_I32}};

static fg_dtype target_dtype(const convert_args *args, fg_dtype own)
{
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        size_t suffix_at = strlen(args->out) - strlen(held[i].format);
        bool named = args->to ? !strcmp(args->to, held[i].format)
                              : text_ends_in(args->out, held[i].format) && suffix_at > 0 &&
                                    args->out[suffix_at - 1] == '.';
        if (named) return held[i].dtype;
    }
    return own;
}

static bool is_whole(int32_t dtype)
{
    return dtype == FG_I32 || dtype == FG_I64;
}

/* Whether a value read from `from` stays the same in `to`. A real may become an f32, which is what it is read as. */
static bool fits(int32_t from, int32_t to, double value)
{
    if (to == FG_F32)
        return !is_whole(from) || (fabs(value) < 0x1p53 && (double)(float)value == value);
    double least = to == FG_U8 ? 0 : to == FG_I8 ? INT8_MIN : INT32_MIN;
    double most = to == FG_U8 ? UINT8_MAX : to == FG_I8 ? INT8_MAX : INT32_MAX;
    return value >= least && value <= most && trunc(value) == value;
}

static double load(int32_t dtype, const void *from, int64_t i)
{
    switch (dtype) {
    case FG_I32: return ((const int32_t *)from)[i];
    case FG_I64: return (double)((const int64_t *)from)[i];
    default: return (double)((const float *)from)[i];
    }
}

static void store(int32_t dtype, void *to, int64_t i, double value)
{
    switch (dtype) {
    case FG_F32: ((float *)to)[i] = (float)value; break;
    case FG_U8: ((uint8_t *)to)[i] = (uint8_t)value; break;
    case FG_I8: ((int8_t *)to)[i] = (int8_t)value; break;
    default: ((int32_t *)to)[i] = (int32_t)value;
    }
}

/* from: f32, i32 or i64. Values that the target cannot hold are refused with their place. */
static fg_status convert_block(session *s, const char *path, const fg_view *from, int64_t first,
                               const fg_out *to)
{
    for (int64_t i = 0; i < from->rows * from->cols; i++) {
        double value = load(from->dtype, from->data, i);
        if (!fits(from->dtype, to->dtype, value))
            return session_fail(s, FG_ARGUMENT,
                                "%s: row %lld, column %lld is %.9g, which %s cannot hold", path,
                                (long long)(first + i / from->cols), (long long)(i % from->cols),
                                value, fg_dtype_text((fg_dtype)to->dtype));
        store(to->dtype, to->data, i, value);
    }
    return FG_OK;
}

enum { BLOCK_VALUES = 1 << 22 };

static fg_status copy_rows(session *s, const convert_args *args, fg_source *in, fg_sink *sink,
                           fg_dtype target)
{
    fg_source_info info = {.struct_size = sizeof info};
    fg_out read = {0}, converted = {0};
    fg_status status = fg_source_get_info(in, &info);
    if (status != FG_OK) return status;
    /* every type of rows can be read as f32; numbers of rows (ids, labels) only as what they are */
    bool as_is = info.dtype == (int32_t)target;
    fg_dtype through = as_is || is_whole(info.dtype) ? (fg_dtype)info.dtype : FG_F32;
    int64_t capacity = 1 + BLOCK_VALUES / info.cols;
    if (capacity > info.rows) capacity = info.rows;
    status = rows_alloc(s, capacity, info.cols, through, &read);
    if (status == FG_OK && !as_is) status = rows_alloc(s, capacity, info.cols, target, &converted);
    for (int64_t first = 0; status == FG_OK && first < info.rows; first += read.rows) {
        int64_t left = info.rows - first;
        read.rows = converted.rows = left < capacity ? left : capacity;
        fg_view from = rows_written(&read, read.rows);
        fg_view to = as_is ? from : rows_written(&converted, read.rows);
        status = session_progress(s, "convert", first, info.rows);
        if (status == FG_OK) status = fg_source_read(in, first, &read);
        if (status == FG_OK && !as_is)
            status = convert_block(s, args->in, &from, first, &converted);
        if (status == FG_OK) status = fg_sink_write(sink, &to);
    }
    free(read.data);
    free(converted.data);
    return status;
}

static void tell(session *s, const convert_args *args, const fg_source_info *shape, fg_dtype target)
{
    double seconds = stopwatch_seconds() - s->began;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "input", args->in);
    json_text(out, "output", args->out);
    json_whole(out, "rows", shape->rows);
    json_whole(out, "dims", shape->cols);
    json_text(out, "from", fg_dtype_text((fg_dtype)shape->dtype));
    json_text(out, "to", fg_dtype_text(target));
    json_real(out, "seconds", seconds);
    json_close(out, '}');
    session_say(s, "written          %s: %s of %d dimensions, as %s, in %s",
                text_file_name(args->out), text_plural(shape->rows, "row").s, shape->cols,
                fg_dtype_text(target), text_seconds(seconds).s);
}

static fg_status run(session *s, const convert_args *args)
{
    fg_source *in = NULL;
    fg_source_info shape;
    fg_sink *sink = NULL;
    fg_status status = rows_open(args->in, args->from, &in, &shape);
    if (status != FG_OK) return status;
    fg_dtype target = target_dtype(args, (fg_dtype)shape.dtype);
    status = fg_sink_file(args->out, args->to, shape.cols, target, &sink);
    if (status == FG_OK) status = copy_rows(s, args, in, sink, target);
    status = sinks_end(sink, status);
    if (status == FG_OK) tell(s, args, &shape, target);
    fg_source_destroy(in);
    return status;
}

int cmd_convert(int argc, char **argv)
{
    convert_args args = {0};
    const operand operands[] = {
        {"IN", "a file of rows", &args.in},
        {"OUT", "the file to write, in the format of its suffix", &args.out}};
    const option options[] = {
        {"from", 0, "NAME", "format of IN (default: by its suffix)", .text = &args.from},
        {"to", 0, "NAME", "format of OUT (default: by its suffix)", .text = &args.to}};
    const command_line line = {
        .command = "convert",
        .summary = "turn a file of rows into another format",
        .synopsis = "IN OUT",
        TABLES(operands, options),
        .notes =
            "Formats: fvecs bvecs ivecs npy fbin u8bin i8bin ibin; hdf5 and faiss can be read.\n"
            "Values change type where OUT needs it: reals are rounded to f32; whole numbers must "
            "stay\n"
            "what they are.",
        .example = "flashgmm convert glove.hdf5:train glove.npy"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
