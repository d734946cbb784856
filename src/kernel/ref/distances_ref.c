/* SPDX-License-Identifier: Apache-2.0 */
/* distances_ref.c - squared distances from differences. Knows no instruction set. */
#include "ref.h"

static float scaled_distance(const float *x, const float *mean, const float *scale, int32_t d)
{
    double sum = 0;
    for (int32_t i = 0; i < d; i++) {
        const double difference = (double)x[i] - mean[i];
        sum += scale[i] * difference * difference;
    }
    return (float)sum;
}

void fgi_distances_ref(const fgi_distances_args *a)
{
    for (int32_t c = 0; c < a->pairs.count; c++) {
        const float *x = a->x + (int64_t)a->pairs.row[c] * a->ldx;
        const int64_t at = (int64_t)a->pairs.component[c] * a->ld;
        if (a->scale)
            a->out[c] = scaled_distance(x, a->means + at, a->scale + at, a->d);
        else
            fgi_scan_l2_f32_ref(x, a->means + at, NULL, 1, a->d, a->out + c);
    }
}

void fgi_sqdist_scaled_ref(const float *x, const float *means, const float *scale, int32_t ld,
                           int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t c = 0; c < count; c++) {
        const int64_t at = (int64_t)index[c] * ld;
        out[c] = scaled_distance(x, means + at, scale + at, d);
    }
}
