/* SPDX-License-Identifier: Apache-2.0 */
/* svg.h - a figure of curves: recall against cost. Knows axes and colours; knows no index. */
#ifndef SVG_H
#define SVG_H
#include <stdbool.h>
#include <stdio.h> /* FILE */

typedef struct svg_point {
    double x, y;
} svg_point;

typedef struct svg_curve {
    const char *name;
    svg_point points[64]; /* ascending x */
    int count;
} svg_curve;

/* x is drawn on a logarithmic axis (all x > 0), y on a linear one that ends at 1. */
typedef struct svg_figure {
    const char *title, *subtitle, *x_label, *y_label;
    const svg_curve *curves;
    int count; /* up to 8 */
} svg_figure;

/* Writes the figure as an element, and words so that XML and HTML keep them. */
void svg_draw(FILE *file, const svg_figure *figure);
void svg_text(FILE *file, const char *words);

/* false: the file could not be written, errno says why. */
bool svg_write(const char *path, const svg_figure *figure);

#endif
