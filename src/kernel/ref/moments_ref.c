/* SPDX-License-Identifier: Apache-2.0 */
/* moments_ref.c - rows' shares of a component's first and second moments. Knows no instruction set. */
#include "ref.h"

void fgi_add_moments_ref(const fgi_moments_args *a)
{
    for (int32_t c = 0; c < a->count; c++) {
        const float *x = a->x + (int64_t)a->row[c] * a->ldx;
        for (int32_t i = 0; i < a->d; i++) {
            const float difference = x[i] - a->mean[i];
            const double weighted = (double)a->weight[c] * difference;
            a->shift[i] += weighted;
            if (a->square) a->square[i] += weighted * difference;
        }
    }
}
