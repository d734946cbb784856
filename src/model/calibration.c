/* SPDX-License-Identifier: Apache-2.0 */
/* calibration.c - interpolates between recalls. Knows what a tuned index keeps; knows no sample and no query. */
#include "calibration.h"

static struct fgi_rule_for rule_at(const fgi_calibration_point *points, double recall)
{
    int32_t i = 0;
    while (points[i].recall < recall) i++;
    struct fgi_rule_for rule = {
        .theta = points[i].theta, .lists = points[i].lists, .cost = points[i].cost};
    if (i == 0) return rule;
    const double below = points[i - 1].recall, width = points[i].recall - below;
    rule.theta -= (points[i].recall - recall) / width * (rule.theta - points[i - 1].theta);
    return rule;
}

fg_status fgi_calibration_find(const fg_ivf *ivf, double recall, fgi_rules *out)
{
    const fgi_calibration *c = &ivf->calibration;
    const double most = c->points[FGI_CALIBRATION_POINTS - 1].recall;
    if (c->n == 0)
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g, but the index is not tuned (fg_ivf_tune, "
                        "flashgmm tune)",
                        recall);
    if (!(recall > 0 && recall <= most))
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g; the index is tuned for targets above 0 and up to %.6g",
                        recall, most);
    fgi_rules rules = {.steepness = c->steepness, .n = c->n, .count = ivf->share_count + 1};
    rules.at[0] = rule_at(c->points, recall);
    for (int32_t i = 0; i < ivf->share_count; i++) {
        rules.at[i + 1] = rule_at(ivf->shares[i].points, recall);
        rules.at[i + 1].place = ivf->shares[i].place;
    }
    *out = rules;
    return FG_OK;
}
