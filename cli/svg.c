/* SPDX-License-Identifier: Apache-2.0 */
/* svg.c - a figure of curves, written as SVG. Knows axes and colours; knows no index. */
#include "svg.h"
#include "text.h"

#include <math.h>  /* INFINITY, floor, fmax, fmin, log10, pow */
#include <stdio.h> /* FILE */

enum { WIDTH = 760, HEIGHT = 480, LEFT = 72, RIGHT = 28, TOP = 74, BOTTOM = 64 };
enum { LEGEND_ROW = 22, LEGEND_WIDTH = 250 };

/* Told apart without colour too (Okabe and Ito's palette; a mark for each). */
static const struct {
    const char *colour;
    const char *mark; /* path around the point, about 9 units wide */
} looks[] = {
    {"#0072b2", "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"},
    {"#d55e00", "m-4 -4h8v8h-8z"},
    {"#009e73", "m0 -5.2l5 8.6h-10z"},
    {"#cc79a7", "m0 -5.4l5.4 5.4l-5.4 5.4l-5.4 -5.4z"},
    {"#56b4e9", "m0 5.2l5 -8.6h-10z"},
    {"#a37400", "m-5 -1.7h3.3v-3.3h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3z"},
    {"#555555", "m-5.2 0l8.6 -5v10z"},
    {"#e0b000", "m5.2 0l-8.6 -5v10z"},
};

/* The part of the plane that is shown, in log10 of x. */
typedef struct frame {
    double x_least, x_most, y_least;
} frame;

static double across(const frame *f, double x)
{
    return LEFT + (log10(x) - f->x_least) / (f->x_most - f->x_least) * (WIDTH - LEFT - RIGHT);
}

static double down(const frame *f, double y)
{
    return TOP + (1 - y) / (1 - f->y_least) * (HEIGHT - TOP - BOTTOM);
}

static frame frame_of(const svg_figure *figure)
{
    frame f = {.x_least = INFINITY, .x_most = -INFINITY, .y_least = 1};
    for (int c = 0; c < figure->count; c++)
        for (int i = 0; i < figure->curves[c].count; i++) {
            const svg_point *p = &figure->curves[c].points[i];
            f.x_least = fmin(f.x_least, log10(p->x));
            f.x_most = fmax(f.x_most, log10(p->x));
            f.y_least = fmin(f.y_least, p->y);
        }
    double margin = fmax(0.03 * (f.x_most - f.x_least), 0.05);
    f.x_least -= margin;
    f.x_most += margin;
    f.y_least = fmin(floor(f.y_least * 10) / 10, 0.9);
    return f;
}

void svg_text(FILE *file, const char *words)
{
    for (const char *c = words; *c; c++) switch (*c) {
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        case '&': fputs("&amp;", file); break;
        default: fputc(*c, file);
        }
}

static void draw_text(FILE *file, double x, double y, const char *style, const char *words)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
    svg_text(file, words);
    fputs("</text>\n", file);
}

static void draw_line(FILE *file, double x1, double y1, double x2, double y2)
{
    fprintf(file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1, y1, x2, y2);
}

/* 1, 2 and 5 of each power of ten; over many powers the ones alone. */
static void draw_x_ticks(FILE *file, const frame *f, bool labels)
{
    static const int steps[] = {1, 2, 5};
    int used = f->x_most - f->x_least > 3 ? 1 : 3;
    for (int power = (int)floor(f->x_least); power <= (int)f->x_most; power++)
        for (int i = 0; i < used; i++) {
            double x = steps[i] * pow(10, power);
            if (log10(x) < f->x_least || log10(x) > f->x_most) continue;
            if (labels)
                draw_text(file, across(f, x), HEIGHT - BOTTOM + 20, "text-anchor=\"middle\"",
                          text_count((int64_t)(x + 0.5)).s);
            else
                draw_line(file, across(f, x), TOP, across(f, x), HEIGHT - BOTTOM);
        }
}

static void draw_y_ticks(FILE *file, const frame *f, bool labels)
{
    double step = 1 - f->y_least > 0.55 ? 0.2 : 1 - f->y_least > 0.25 ? 0.1 : 0.05;
    for (int i = 0; 1 - i * step >= f->y_least - 1e-9; i++) {
        double y = 1 - i * step;
        char label[16];
        snprintf(label, sizeof label, "%.2g", y);
        if (labels)
            draw_text(file, LEFT - 10, down(f, y) + 4, "text-anchor=\"end\"", label);
        else
            draw_line(file, LEFT, down(f, y), WIDTH - RIGHT, down(f, y));
    }
}

static void draw_axes(FILE *file, const svg_figure *figure, const frame *f)
{
    fputs("<g stroke=\"#e4e4e4\">\n", file);
    draw_x_ticks(file, f, false);
    draw_y_ticks(file, f, false);
    fputs("</g>\n<g stroke=\"#555\">\n", file);
    draw_line(file, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    draw_line(file, LEFT, TOP, LEFT, HEIGHT - BOTTOM);
    fputs("</g>\n<g fill=\"#444\">\n", file);
    draw_x_ticks(file, f, true);
    draw_y_ticks(file, f, true);
    draw_text(file, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 18, "text-anchor=\"middle\"",
              figure->x_label);
    /* turned about its own place: reads upwards beside the axis */
    char turned[96];
    double middle = (TOP + HEIGHT - BOTTOM) / 2.0;
    snprintf(turned, sizeof turned, "text-anchor=\"middle\" transform=\"rotate(-90 20 %.1f)\"",
             middle);
    draw_text(file, 20, middle, turned, figure->y_label);
    fputs("</g>\n", file);
}

static void draw_mark(FILE *file, int look, double x, double y)
{
    fprintf(file, "<path d=\"M%.1f %.1f%s\" fill=\"%s\" stroke=\"#fff\"/>\n", x, y,
            looks[look].mark, looks[look].colour);
}

static void draw_curve(FILE *file, const svg_curve *curve, int look, const frame *f)
{
    fprintf(file,
            "<polyline fill=\"none\" stroke-width=\"2.2\" stroke-linejoin=\"round\" stroke=\"%s\" "
            "points=\"",
            looks[look].colour);
    for (int i = 0; i < curve->count; i++)
        fprintf(file, "%s%.1f,%.1f", i ? " " : "", across(f, curve->points[i].x),
                down(f, curve->points[i].y));
    fputs("\"/>\n", file);
    for (int i = 0; i < curve->count; i++)
        draw_mark(file, look, across(f, curve->points[i].x), down(f, curve->points[i].y));
}

/* Bottom right: curves of recall rise from the left and leave it free. */
static void draw_legend(FILE *file, const svg_figure *figure)
{
    double left = WIDTH - RIGHT - LEGEND_WIDTH - 12;
    double top = HEIGHT - BOTTOM - LEGEND_ROW * figure->count - 22;
    fprintf(file,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"#fff\" "
            "fill-opacity=\"0.9\" stroke=\"#ccc\"/>\n",
            left, top, LEGEND_WIDTH, LEGEND_ROW * figure->count + 10);
    for (int c = 0; c < figure->count; c++) {
        double y = top + 5 + LEGEND_ROW * (c + 0.5);
        fprintf(file, "<g stroke=\"%s\" stroke-width=\"2.2\">", looks[c].colour);
        draw_line(file, left + 10, y, left + 38, y);
        fputs("</g>\n", file);
        draw_mark(file, c, left + 24, y);
        draw_text(file, left + 48, y + 4, "fill=\"#222\"", figure->curves[c].name);
    }
}

void svg_draw(FILE *file, const svg_figure *figure)
{
    frame f = frame_of(figure);
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" "
            "font-family=\"system-ui, 'DejaVu Sans', Arial, sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_text(file, LEFT, 32, "font-size=\"18\" font-weight=\"600\" fill=\"#111\"", figure->title);
    draw_text(file, LEFT, 54, "fill=\"#555\"", figure->subtitle);
    draw_axes(file, figure, &f);
    for (int c = 0; c < figure->count; c++) draw_curve(file, &figure->curves[c], c, &f);
    if (figure->count > 1) draw_legend(file, figure);
    fputs("</svg>\n", file);
}

bool svg_write(const char *path, const svg_figure *figure)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    svg_draw(file, figure);
    bool written = ferror(file) == 0;
    return fclose(file) == 0 && written;
}
