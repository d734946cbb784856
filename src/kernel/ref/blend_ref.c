/* SPDX-License-Identifier: Apache-2.0 */
/* blend_ref.c - sums of a few entries of a small table. Knows no instruction set. */
#include "ref.h"

void fgi_blend_ref(const float *table, const fgi_blend *blend, int32_t count,
                   float *FGI_RESTRICT out)
{
    for (int32_t c = 0; c < count; c++) {
        double sum = blend->bias[c];
        for (int32_t t = 0; t < FGI_BLEND_TERMS; t++) {
            const int64_t at = t * blend->stride + c;
            sum += fgi_element(blend->weight, at, FG_F16) * table[blend->index[at]];
        }
        out[c] = (float)sum;
    }
}
