/* SPDX-License-Identifier: Apache-2.0 */
/* dense_ref.c - distances, shares and moments of all components. Knows no instruction set. */
#include "ref.h"

/* Where component j, dimension i stands. */
static int64_t packed(const fgi_dense_args *a, int32_t j, int32_t i)
{
    const int32_t panel = j / FGI_DENSE_PANEL;
    return ((int64_t)panel * a->d + i) * FGI_DENSE_PANEL + j % FGI_DENSE_PANEL;
}

void fgi_dense_distances_ref(const fgi_dense_args *a)
{
    for (int32_t n = 0; n < a->rows; n++) {
        const float *x = a->x + (int64_t)n * a->ldx;
        for (int32_t j = 0; j < a->panels * FGI_DENSE_PANEL; j++) {
            double sum = 0;
            for (int32_t i = 0; i < a->d; i++) {
                const int64_t at = packed(a, j, i);
                const double difference = (double)x[i] - a->means[at];
                sum += (a->scale ? a->scale[at] : 1.0) * difference * difference;
            }
            a->r[(int64_t)n * a->ld + j] = (float)sum;
        }
    }
}

void fgi_dense_shares_ref(const fgi_dense_shares_args *a)
{
    for (int32_t n = 0; n < a->rows; n++) {
        float *r = a->r + (int64_t)n * a->ld;
        double most = -INFINITY, sum = 0;
        for (int32_t j = 0; j < a->count; j++) {
            a->value[j] = a->offset[j] - a->scale[j] * r[j];
            if (a->value[j] > most) most = a->value[j];
        }
        for (int32_t j = 0; j < a->count; j++) {
            const float exponent = (float)(a->value[j] - most);
            a->value[j] = exponent < FGI_DENSE_LEAST ? 0 : exp2(exponent);
            sum += a->value[j];
        }
        a->most[n] = most;
        a->sum[n] = (float)sum;
        for (int32_t j = 0; j < a->count; j++) {
            const float share = (float)(a->value[j] / sum);
            a->mass[j] += share;
            if (a->square) a->square[j] += (double)share * r[j];
            r[j] = share;
        }
    }
}

void fgi_dense_moments_ref(const fgi_dense_args *a, double *shift, double *square)
{
    for (int32_t n = 0; n < a->rows; n++) {
        const float *x = a->x + (int64_t)n * a->ldx, *r = a->r + (int64_t)n * a->ld;
        for (int32_t j = 0; j < a->panels * FGI_DENSE_PANEL; j++) {
            for (int32_t i = 0; i < a->d; i++) {
                const int64_t at = packed(a, j, i);
                const float difference = x[i] - a->means[at];
                const double weighted = (double)r[j] * difference;
                shift[at] += weighted;
                if (square) square[at] += weighted * difference;
            }
        }
    }
}
