/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_ref.c - values of candidates from their distances. Knows no instruction set. */
#include "ref.h"

void fgi_evaluate_ref(const float *distance, const int32_t *index, int32_t count,
                      const double *offset, const double *scale, double *FGI_RESTRICT value)
{
    for (int32_t c = 0; c < count; c++) value[c] = offset[index[c]] - scale[index[c]] * distance[c];
}
