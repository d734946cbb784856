/* SPDX-License-Identifier: Apache-2.0 */
/* moments_ref.c - rows' shares of components' first and second moments. Knows no instruction set. */
#include "ref.h"

void fgi_add_moments_ref(const fgi_moments_args *a)
{
    for (int32_t c = 0; c < a->pairs.count; c++) {
        if (a->share[c] == 0.0f) continue;
        const int64_t j = a->pairs.component[c];
        const float *x = a->x + (int64_t)a->pairs.row[c] * a->ldx, *mean = a->means + j * a->ld;
        for (int32_t i = 0; i < a->d; i++) {
            const float difference = x[i] - mean[i];
            const double weighted = (double)a->share[c] * difference;
            a->shift[j * a->d + i] += weighted;
            if (a->square) a->square[j * a->d + i] += weighted * difference;
        }
    }
}
