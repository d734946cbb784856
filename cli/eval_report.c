/* SPDX-License-Identifier: Apache-2.0 */
/* eval_report.c - recall curves told as a figure and as a page. Knows curves; knows no index. */
#include "eval_report.h"
#include "svg.h"
#include "text.h"

#include <stdio.h>  /* FILE */
#include <stdlib.h> /* qsort */

const double eval_recalls[EVAL_RECALLS] = {0.8, 0.9, 0.95, 0.98, 0.99};

double eval_copies(const eval_curve *curve)
{
    return curve->info.rows ? (double)curve->info.entries / (double)curve->info.rows : 0;
}

/* The cheapest point that reaches it, and the dearest that does not. */
double eval_cost_at(const eval_curve *curve, double recall)
{
    const fg_eval_point *above = NULL, *below = NULL;
    for (int i = 0; i < curve->count; i++) {
        const fg_eval_point *p = &curve->points[i];
        if (p->recall >= recall && (!above || p->dco < above->dco)) above = p;
        if (p->recall < recall && (!below || p->recall > below->recall)) below = p;
    }
    if (!above || (!below && above->recall > recall)) return NAN;
    if (!below) return above->dco;
    double share = (recall - below->recall) / (above->recall - below->recall);
    return exp(log(below->dco) + share * (log(above->dco) - log(below->dco)));
}

double eval_ratio_at(const eval_study *study, int curve, double recall)
{
    return eval_cost_at(&study->curves[curve % study->seeds], recall) /
           eval_cost_at(&study->curves[curve], recall);
}

int eval_groups(const eval_study *study)
{
    return study->count / study->seeds;
}

const eval_curve *eval_group(const eval_study *study, int group)
{
    return &study->curves[group * study->seeds];
}

eval_reached eval_reach(const eval_study *study, int group, double recall)
{
    const int seeds = study->seeds, first = group * seeds;
    eval_reached mean = {0};
    double squares = 0;
    for (int i = first; i < first + seeds; i++) {
        mean.copies += eval_copies(&study->curves[i]) / seeds;
        mean.cost += eval_cost_at(&study->curves[i], recall) / seeds;
        mean.ratio += eval_ratio_at(study, i, recall) / seeds;
    }
    for (int i = first; i < first + seeds; i++) {
        double off = eval_ratio_at(study, i, recall) - mean.ratio;
        squares += off * off;
    }
    mean.ratio_spread = seeds > 1 ? sqrt(squares / (seeds - 1)) : 0;
    return mean;
}

static int by_cost(const void *a, const void *b)
{
    double left = ((const svg_point *)a)->x, right = ((const svg_point *)b)->x;
    return (left > right) - (left < right);
}

/* The mean of a group's curves, point by point: all have the same ones. */
static void draw_group(const eval_study *study, int group, svg_curve *out)
{
    const eval_curve *from = eval_group(study, group);
    *out = (svg_curve){.name = text_file_name(from->path), .count = from->count};
    for (int i = 0; i < from->count; i++)
        for (int s = 0; s < study->seeds; s++) {
            out->points[i].x += from[s].points[i].dco / study->seeds;
            out->points[i].y += from[s].points[i].recall / study->seeds;
        }
    qsort(out->points, (size_t)from->count, sizeof(svg_point), by_cost);
}

static void draw(FILE *file, const eval_study *study)
{
    char title[64], subtitle[256];
    svg_curve curves[EVAL_GROUPS];
    const eval_curve *first = eval_group(study, 0);
    for (int g = 0; g < eval_groups(study); g++) draw_group(study, g, &curves[g]);
    snprintf(title, sizeof title, "Recall@%d against cost", study->n);
    snprintf(subtitle, sizeof subtitle, "%s: %s in %s lists, %.2f copies a row; %s queries",
             text_file_name(first->path), text_plural(first->info.rows, "row").s,
             text_count(first->info.lists).s, eval_copies(first), text_count(study->queries).s);
    const svg_figure figure = {.title = title,
                               .subtitle = subtitle,
                               .x_label = "distance computations a query (DCO)",
                               .y_label = "recall",
                               .curves = curves,
                               .count = eval_groups(study)};
    svg_draw(file, &figure);
}

static bool close_written(FILE *file)
{
    bool written = ferror(file) == 0;
    return fclose(file) == 0 && written;
}

bool eval_plot(const char *path, const eval_study *study)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    draw(file, study);
    return close_written(file);
}

static void write_cell(FILE *file, double value, int digits)
{
    if (isnan(value))
        fputs("<td>-</td>", file);
    else
        fprintf(file, "<td>%.*f</td>", digits, value);
}

static void write_ratio(FILE *file, const eval_study *study, const eval_reached *reached)
{
    if (study->seeds == 1 || isnan(reached->ratio))
        write_cell(file, reached->ratio, 2);
    else
        fprintf(file, "<td>%.2f &plusmn; %.2f</td>", reached->ratio, reached->ratio_spread);
}

static void write_comparison(FILE *file, const eval_study *study)
{
    fputs("<h2>Cost of a recall</h2>\n<p>Distance computations a query, and how many times fewer "
          "than of the first index.",
          file);
    if (study->seeds > 1)
        fprintf(file, " Means over %d seeds, and the standard deviation.", study->seeds);
    fputs("</p>\n<table>\n<tr><th>index</th><th>copies a row</th>", file);
    for (int t = 0; t < EVAL_RECALLS; t++)
        fprintf(file, "<th colspan=\"2\">%.4g</th>", eval_recalls[t]);
    fputs("</tr>\n", file);
    for (int g = 0; g < eval_groups(study); g++) {
        fputs("<tr><td>", file);
        svg_text(file, text_file_name(eval_group(study, g)->path));
        fprintf(file, "</td><td>%.2f</td>", eval_reach(study, g, 1).copies);
        for (int t = 0; t < EVAL_RECALLS; t++) {
            const eval_reached reached = eval_reach(study, g, eval_recalls[t]);
            write_cell(file, reached.cost, 0);
            write_ratio(file, study, &reached);
        }
        fputs("</tr>\n", file);
    }
    fputs("</table>\n", file);
}

static void write_points(FILE *file, const eval_curve *curve)
{
    fputs("<h2>", file);
    svg_text(file, text_file_name(curve->path));
    fputs("</h2>\n<table>\n<tr><th>asked for</th><th>recall</th><th>distances</th><th>without "
          "duplicates</th><th>queries/s</th><th>p50, us</th><th>p99, us</th></tr>\n",
          file);
    for (int i = 0; i < curve->count; i++) {
        const fg_eval_point *p = &curve->points[i];
        if (p->target > 0)
            fprintf(file, "<tr><td>recall %.4g</td>", p->target);
        else
            fprintf(file, "<tr><td>%d lists</td>", p->probes);
        fprintf(file,
                "<td>%.4f</td><td>%.0f</td><td>%.0f</td><td>%.0f</td><td>%.1f</td><td>%.1f</td>"
                "</tr>\n",
                p->recall, p->dco, p->dco_unique, p->qps, p->p50_us, p->p99_us);
    }
    fputs("</table>\n", file);
}

/* How an index stands to the first one, which may not come that far. */
static void write_gain(FILE *file, const eval_study *study, const eval_reached *reached)
{
    if (isnan(reached->ratio)) {
        fputs("; the first index was not seen to reach it", file);
        return;
    }
    fprintf(file, ", %.2f times fewer than with the first index", reached->ratio);
    if (study->seeds > 1) fprintf(file, " (%.2f from seed to seed)", reached->ratio_spread);
}

/* What the table says, in words. */
static void write_reading(FILE *file, const eval_study *study)
{
    for (int t = 0; t < EVAL_RECALLS; t++) {
        int best = 0;
        eval_reached least = eval_reach(study, 0, eval_recalls[t]);
        for (int g = 1; g < eval_groups(study); g++) {
            const eval_reached reached = eval_reach(study, g, eval_recalls[t]);
            if (isnan(reached.cost) || reached.cost >= least.cost) continue;
            best = g;
            least = reached;
        }
        if (isnan(least.cost)) continue;
        fprintf(file, "<p>Recall %.4g costs%s ", eval_recalls[t],
                eval_groups(study) > 1 ? " least with" : ", with");
        svg_text(file, text_file_name(eval_group(study, best)->path));
        fprintf(file, ", %.0f distances a query", least.cost);
        if (best > 0) write_gain(file, study, &least);
        fputs(".</p>\n", file);
    }
}

bool eval_page(const char *path, const eval_study *study)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Recall@%d "
            "against cost</title>\n<style>body{font:15px system-ui,sans-serif;max-width:62em;"
            "margin:2em auto;padding:0 1em}table{border-collapse:collapse}th,td{padding:.25em "
            ".7em;border-bottom:1px solid #ddd;text-align:right}td:first-child,"
            "th:first-child{text-align:left}</style>\n<h1>Recall@%d against cost</h1>\n"
            "<p>%s queries. Distances count every centroid and every scanned entry, copies "
            "included.</p>\n",
            study->n, study->n, text_count(study->queries).s);
    write_reading(file, study);
    draw(file, study);
    write_comparison(file, study);
    for (int c = 0; c < study->count; c++) write_points(file, &study->curves[c]);
    fputs("</html>\n", file);
    return close_written(file);
}
