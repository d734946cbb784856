/* SPDX-License-Identifier: Apache-2.0 */
/* exp2_ref.c - powers of two and their sum. Knows no instruction set. */
#include "ref.h"

float fgi_exp2_sum_ref(const double *value, double most, int32_t count, float *FGI_RESTRICT power)
{
    double sum = 0;
    for (int32_t c = 0; c < count; c++) {
        const float exponent = (float)(value[c] - most);
        power[c] = exponent < -126 ? 0 : (float)exp2(exponent);
        sum += power[c];
    }
    return (float)sum;
}
