/* SPDX-License-Identifier: Apache-2.0 */
/* scores_ref.c - screening scores, one at a time. Knows no instruction set.
 *     score[r][j] = bias[j] + sum over p of x[r][p] * weight[p][j] */
#include "ref.h"

void fgi_scores_ref(const fgi_scores_args *a)
{
    for (int32_t r = 0; r < a->rows; r++) {
        const float *x = a->x + (int64_t)r * a->ldx;
        float *scores = a->scores + (int64_t)r * a->ld_scores;
        for (int32_t j = 0; j < a->panels * FGI_REF_PANEL; j++) {
            const int64_t panel = j / FGI_REF_PANEL;
            const float *weight = a->packed + panel * a->depth * FGI_REF_PANEL + j % FGI_REF_PANEL;
            double score = a->bias[j];
            for (int32_t p = 0; p < a->depth; p++)
                score += (double)x[p] * weight[(int64_t)p * FGI_REF_PANEL];
            scores[j] = (float)score;
            if (scores[j] > a->row_max[r]) a->row_max[r] = scores[j];
        }
    }
}
