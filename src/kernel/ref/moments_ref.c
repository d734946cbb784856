/* SPDX-License-Identifier: Apache-2.0 */
/* moments_ref.c - a row's share of a component's first and second moments. Knows no instruction set. */
#include "ref.h"

void fgi_add_shift_ref(double *FGI_RESTRICT shift, const float *x, const float *mean, int32_t d,
                       double r)
{
    for (int32_t i = 0; i < d; i++) {
        const float difference = x[i] - mean[i];
        shift[i] += r * difference;
    }
}

void fgi_add_moments_ref(double *FGI_RESTRICT shift, double *FGI_RESTRICT square, const float *x,
                         const float *mean, int32_t d, double r)
{
    for (int32_t i = 0; i < d; i++) {
        const float difference = x[i] - mean[i];
        const double weighted = r * difference;
        shift[i] += weighted;
        square[i] += weighted * difference;
    }
}
