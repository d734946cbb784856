/* SPDX-License-Identifier: Apache-2.0 */
/* exp2_ref.c - powers of two and their sum. Knows no instruction set. */
#include "ref.h"

float fgi_exp2_sum_ref(float *value, int32_t count)
{
    double sum = 0;
    for (int32_t c = 0; c < count; c++) {
        value[c] = value[c] < -126 ? 0 : (float)exp2(value[c]);
        sum += value[c];
    }
    return (float)sum;
}
