/* SPDX-License-Identifier: Apache-2.0 */
/* eval_report.h - recall curves of several indexes: cost at a recall, a figure, a page. Knows curves;
 * knows no index and no command. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H
#include "flashgmm.h"

#include <math.h> /* isnan, NAN */
#include <stdbool.h>

enum { EVAL_POINTS = 64, EVAL_CURVES = 6, EVAL_RECALLS = 5 };

/* The recalls that tables name. */
extern const double eval_recalls[EVAL_RECALLS];

typedef struct eval_curve {
    const char *path;
    fg_ivf_info info;
    fg_eval_point points[EVAL_POINTS];
    int count;
} eval_curve;

/* The first curve is what the others are compared to. */
typedef struct eval_study {
    int64_t queries;
    int n, count;
    eval_curve curves[EVAL_CURVES];
} eval_study;

double eval_copies(const eval_curve *curve);

/* Distance computations a query at a recall, between the points about it in log cost; NAN beyond the curve. */
double eval_cost_at(const eval_curve *curve, double recall);

/* How many times fewer that is than of the first curve. */
double eval_ratio_at(const eval_study *study, const eval_curve *curve, double recall);

/* Write an SVG, or a page of HTML that needs no other file. false: errno says why. */
bool eval_plot(const char *path, const eval_study *study);
bool eval_page(const char *path, const eval_study *study);

#endif
