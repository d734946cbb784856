/* SPDX-License-Identifier: Apache-2.0 */
/* load_ref.c - rows of any type to centred f32. Knows no instruction set.
 *     x[i] = row[i] / |row| - center[i], the division only where asked for */
#include "ref.h"

/* What to multiply a row by to give it length 1; NaN where no number does. */
static double unit_scale(const void *row, int64_t first, int32_t d, fg_dtype dtype)
{
    double sum = 0;
    for (int32_t i = 0; i < d; i++) {
        const double value = fgi_element(row, first + i, dtype);
        sum += value * value;
    }
    return sum > 0 && sum < INFINITY ? 1 / sqrt(sum) : NAN;
}

static void load(const fgi_load_args *a, fg_dtype dtype)
{
    for (int32_t r = 0; r < a->count; r++) {
        const int64_t first = r * a->stride;
        const double scale = a->normalize ? unit_scale(a->rows, first, a->d, dtype) : 1;
        float *x = a->x + (int64_t)r * a->ldx;
        double norm2 = 0;
        for (int32_t i = 0; i < a->d; i++) {
            x[i] = (float)(fgi_element(a->rows, first + i, dtype) * scale - a->center[i]);
            norm2 += (double)x[i] * x[i];
        }
        a->norm2[r] = (float)norm2;
    }
}

#define FGI_X(NAME, name)                                                                          \
    void fgi_load_##name##_ref(const fgi_load_args *a)                                             \
    {                                                                                              \
        load(a, FG_##NAME);                                                                        \
    }
FGI_LOAD_DTYPES(FGI_X)
#undef FGI_X
