/* SPDX-License-Identifier: Apache-2.0 */
/* scores_ref.c - screening scores, one at a time. Knows no instruction set.
 *     score[r][j] = bias[j] + slope[j] * norm2[r] + sum over p of x[r][p] * weight[j][p]
 * A panel holds the weights of component after component. */
#include "ref.h"

static size_t panel_bytes(int32_t depth)
{
    return FGI_REF_PANEL * (size_t)depth * sizeof(float);
}

static void pack(const float *weight, int32_t depth, int32_t lane, void *panel)
{
    memcpy((float *)panel + (int64_t)lane * depth, weight, (size_t)depth * sizeof *weight);
}

static void score_rows(const fgi_scores_args *a)
{
    for (int32_t r = 0; r < a->rows; r++) {
        const float *x = (const float *)a->x + (int64_t)r * a->ldx, *weight = a->packed;
        float *scores = a->scores + (int64_t)r * a->ld_scores;
        for (int32_t j = 0; j < a->panels * FGI_REF_PANEL; j++, weight += a->depth) {
            double score = a->bias[j] + (double)a->slope[j] * a->norm2[r];
            for (int32_t p = 0; p < a->depth; p++) score += (double)x[p] * weight[p];
            scores[j] = (float)score;
            if (scores[j] > a->row_max[r]) a->row_max[r] = scores[j];
        }
    }
}

const fgi_screen fgi_screen_ref = {
    .name = "f64",
    .panel = FGI_REF_PANEL,
    .row_group = 1,
    .most_rows = 48,
    .speed = 1,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .scores = score_rows,
};
