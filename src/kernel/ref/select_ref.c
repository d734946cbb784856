/* SPDX-License-Identifier: Apache-2.0 */
/* select_ref.c - which scores reach a threshold. Knows no instruction set. */
#include "ref.h"

#include <math.h> /* INFINITY */

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

int32_t fgi_select_rows_ref(const fgi_select_rows_args *a)
{
    for (int32_t i = 0; i < a->rows; i++) {
        const int32_t begin = a->begin[i];
        if (a->threshold[i] == -INFINITY || a->places - begin < a->count) return i;
        const float *scores = a->scores + (int64_t)a->row[i] * a->ld_scores;
        const int32_t found = fgi_select_ref(scores, a->count, a->threshold[i], a->row[i],
                                             a->chosen + begin, a->component + begin);
        if (found == 0) return i;
        a->begin[i + 1] = begin + found;
    }
    return a->rows;
}
