/* SPDX-License-Identifier: Apache-2.0 */
/* eval_report.h - recall curves of several indexes: cost at a recall, a figure, a page. Knows curves;
 * knows no index and no command. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H
#include "flashgmm.h"

#include <math.h> /* isnan, NAN */
#include <stdbool.h>

enum { EVAL_POINTS = 64, EVAL_GROUPS = 8, EVAL_CURVES = 40, EVAL_RECALLS = 5 };

/* The recalls that tables name. */
extern const double eval_recalls[EVAL_RECALLS];

typedef struct eval_curve {
    const char *path;
    fg_ivf_info info;
    fg_eval_point points[EVAL_POINTS];
    int count;
} eval_curve;

/* Every `seeds` curves are a group: indexes made alike from other seeds. What is compared is compared to the first group,
 * seed by seed. */
typedef struct eval_study {
    int64_t queries;
    int n, count, seeds;
    eval_curve curves[EVAL_CURVES];
} eval_study;

double eval_copies(const eval_curve *curve);

/* Distance computations a query at a recall, between the points about it in log cost; NAN beyond the curve. */
double eval_cost_at(const eval_curve *curve, double recall);

/* How many times fewer that is than of the first group's curve of this seed. */
double eval_ratio_at(const eval_study *study, int curve, double recall);

/* Means over a group's seeds, NAN if one of them does not reach the recall, and a standard deviation. */
typedef struct eval_reached {
    double copies, cost, ratio, ratio_spread; /* spread: 0 for one seed */
} eval_reached;

int eval_groups(const eval_study *study);
eval_reached eval_reach(const eval_study *study, int group, double recall);

/* The first index of a group stands for it. */
const eval_curve *eval_group(const eval_study *study, int group);

/* Write an SVG, or a page of HTML that needs no other file. false: errno says why. */
bool eval_plot(const char *path, const eval_study *study);
bool eval_page(const char *path, const eval_study *study);

#endif
