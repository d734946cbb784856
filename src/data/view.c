/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - checks on matrices that callers lend, and access to single elements. Knows element
 * types; knows no source. */
#include "source.h"

#include "half.h"

/* A view and an output differ in nothing but const. */
static fg_view view_of(const fg_out *out)
{
    return (fg_view){.data = out->data,
                     .rows = out->rows,
                     .row_stride = out->row_stride,
                     .cols = out->cols,
                     .dtype = out->dtype,
                     .place = out->place};
}

fg_status fgi_view_check(const fg_view *view, const char *what)
{
    if (!view) return fgi_fail(FG_ARGUMENT, "%s is NULL", what);
    const size_t item_bytes = fg_dtype_bytes((fg_dtype)view->dtype);
    if (item_bytes == 0)
        return fgi_fail(FG_ARGUMENT, "%s: dtype is %d, which is no element type", what,
                        view->dtype);
    if (view->place != FG_HOST)
        return fgi_fail(FG_UNSUPPORTED, "%s: place is %d; this version serves only %d (host)", what,
                        view->place, FG_HOST);
    if (view->rows < 1)
        return fgi_fail(FG_ARGUMENT, "%s: rows is %lld; it must be at least 1", what,
                        (long long)view->rows);
    if (view->cols < 1)
        return fgi_fail(FG_ARGUMENT, "%s: cols is %d; it must be at least 1", what, view->cols);
    if (view->row_stride != 0 && view->row_stride < view->cols)
        return fgi_fail(FG_ARGUMENT,
                        "%s: row_stride is %lld; it must be 0 or at least %d (the columns)", what,
                        (long long)view->row_stride, view->cols);
    const int64_t most = (int64_t)(PTRDIFF_MAX / item_bytes);
    if (view->rows > most / fgi_stride(view->row_stride, view->cols))
        return fgi_fail(FG_ARGUMENT, "%s: %lld rows of %lld elements are more than memory can hold",
                        what, (long long)view->rows,
                        (long long)fgi_stride(view->row_stride, view->cols));
    if (!view->data) return fgi_fail(FG_ARGUMENT, "%s: data is NULL", what);
    if ((uintptr_t)view->data % item_bytes != 0)
        return fgi_fail(FG_ARGUMENT, "%s: data is not aligned to %zu bytes, the size of %s", what,
                        item_bytes, fg_dtype_text((fg_dtype)view->dtype));
    return FG_OK;
}

fg_status fgi_out_check(const fg_out *out, const char *what, int64_t rows, int32_t cols,
                        fg_dtype type_a, fg_dtype type_b)
{
    if (!out) return fgi_fail(FG_ARGUMENT, "%s is NULL", what);
    const fg_view view = view_of(out);
    FG_TRY(fgi_view_check(&view, what));
    if (out->rows < rows)
        return fgi_fail(FG_ARGUMENT, "%s: rows is %lld; room for %lld is needed", what,
                        (long long)out->rows, (long long)rows);
    if (out->cols != cols)
        return fgi_fail(FG_ARGUMENT, "%s: cols is %d; it must be %d", what, out->cols, cols);
    if (out->dtype == (int16_t)type_a || out->dtype == (int16_t)type_b) return FG_OK;
    if (type_a == type_b)
        return fgi_fail(FG_ARGUMENT, "%s: dtype is %s; it must be %s", what,
                        fg_dtype_text((fg_dtype)out->dtype), fg_dtype_text(type_a));
    return fgi_fail(FG_ARGUMENT, "%s: dtype is %s; it must be %s or %s", what,
                    fg_dtype_text((fg_dtype)out->dtype), fg_dtype_text(type_a),
                    fg_dtype_text(type_b));
}

fg_view fgi_view_rows(const fg_view *view, int64_t first, int64_t rows)
{
    fg_view part = *view;
    const int64_t skipped = first * fgi_stride(view->row_stride, view->cols);
    part.data = (const char *)view->data + skipped * (int64_t)fg_dtype_bytes((fg_dtype)view->dtype);
    part.rows = rows;
    return part;
}

double fgi_view_get(const fg_view *view, int64_t row, int32_t col)
{
    const int64_t i = row * fgi_stride(view->row_stride, view->cols) + col;
    switch ((fg_dtype)view->dtype) {
    case FG_F32: return ((const float *)view->data)[i];
    case FG_F16: return fgi_f32_of_f16(((const uint16_t *)view->data)[i]);
    case FG_BF16: return fgi_f32_of_bf16(((const uint16_t *)view->data)[i]);
    case FG_I8: return ((const int8_t *)view->data)[i];
    case FG_U8: return ((const uint8_t *)view->data)[i];
    case FG_I32: return ((const int32_t *)view->data)[i];
    case FG_I64: return (double)((const int64_t *)view->data)[i];
    case FG_F64: return ((const double *)view->data)[i];
    default: FGI_ASSERT(!"a checked view has a known type"); return 0.0;
    }
}

void fgi_out_set(const fg_out *out, int64_t row, int32_t col, double value)
{
    const int64_t i = row * fgi_stride(out->row_stride, out->cols) + col;
    switch ((fg_dtype)out->dtype) {
    case FG_F32: ((float *)out->data)[i] = (float)value; break;
    case FG_F64: ((double *)out->data)[i] = value; break;
    case FG_I32: ((int32_t *)out->data)[i] = (int32_t)value; break;
    case FG_I64: ((int64_t *)out->data)[i] = (int64_t)value; break;
    default: FGI_ASSERT(!"a checked output has one of the types above");
    }
}

void fgi_out_set_integer(const fg_out *out, int64_t row, int32_t col, int64_t value)
{
    const int64_t i = row * fgi_stride(out->row_stride, out->cols) + col;
    switch ((fg_dtype)out->dtype) {
    case FG_I32: ((int32_t *)out->data)[i] = (int32_t)value; break;
    case FG_I64: ((int64_t *)out->data)[i] = value; break;
    default: fgi_out_set(out, row, col, (double)value);
    }
}
