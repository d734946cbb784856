/* SPDX-License-Identifier: Apache-2.0 */
/* sqdist_ref.c - squared distances to chosen means, from differences. Knows no instruction set. */
#include "ref.h"

void fgi_sqdist_ref(const float *x, const float *means, int32_t ld, int32_t d, const int32_t *index,
                    int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t c = 0; c < count; c++)
        fgi_scan_l2_f32_ref(x, means + (int64_t)index[c] * ld, NULL, 1, d, out + c);
}

void fgi_sqdist_scaled_ref(const float *x, const float *means, const float *scale, int32_t ld,
                           int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out)
{
    for (int32_t c = 0; c < count; c++) {
        const float *mean = means + (int64_t)index[c] * ld;
        const float *weight = scale + (int64_t)index[c] * ld;
        double sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const double difference = (double)x[i] - mean[i];
            sum += weight[i] * difference * difference;
        }
        out[c] = (float)sum;
    }
}
