/* SPDX-License-Identifier: Apache-2.0 */
/* squares_ref.c - squares of rows' elements about an origin. Knows no instruction set. */
#include "ref.h"

void fgi_squares_ref(const fgi_squares_args *a)
{
    for (int32_t r = 0; r < a->rows; r++) {
        float *x = a->x + (int64_t)r * a->ldx;
        double level = 0.0;
        for (int32_t i = 0; i < a->d; i++) {
            const double square = (double)x[i] * x[i];
            x[a->d + i] = (float)((square - a->origin[i]) * a->unit[i]);
            level += a->scale[i] * square;
        }
        a->level[r] = (float)level;
    }
}
