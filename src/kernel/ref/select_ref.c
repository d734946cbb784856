/* SPDX-License-Identifier: Apache-2.0 */
/* select_ref.c - which scores reach a threshold. Knows no instruction set. */
#include "ref.h"

int32_t fgi_select_ref(const float *scores, int32_t count, float threshold, int32_t row,
                       int32_t *FGI_RESTRICT rows, int32_t *FGI_RESTRICT components)
{
    int32_t selected = 0;
    for (int32_t j = 0; j < count; j++) {
        if (scores[j] >= threshold) {
            rows[selected] = row;
            components[selected++] = j;
        }
    }
    return selected;
}
