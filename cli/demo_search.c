/* SPDX-License-Identifier: Apache-2.0 */
/* demo_search.c - a k-means index and two soft ones over the same words, measured. Knows no words. */
#include "demo.h"
#include "svg.h"
#include "text.h"

#include <errno.h>  /* errno */
#include <math.h>   /* isnan, NAN */
#include <string.h> /* strerror */

static const int32_t probes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
enum { PROBES = sizeof probes / sizeof *probes };

static const double targets[] = {0.8, 0.9, 0.95, 0.98};
enum { TARGETS = sizeof targets / sizeof *targets };

/* What the second soft index may store: a row in this many lists on average. */
static const double BUDGET = 1.15;

typedef struct contender {
    const char *name, *key; /* for people, for JSON */
    fg_ivf_options opt;
    double copies;
    fg_eval_point curve[PROBES];
} contender;

static fg_status measure(demo *d, contender *c)
{
    session *s = d->session;
    fg_source *known = NULL;
    fg_ivf *ivf = NULL;
    fg_ivf_info info = {.struct_size = sizeof info};
    const fg_eval_options opt = {
        .struct_size = sizeof opt, .n = 10, .progress = progress_report, .user = &s->progress};
    c->opt.struct_size = sizeof c->opt;
    c->opt.metric = FG_METRIC_COSINE;
    c->opt.progress = progress_report;
    c->opt.user = &s->progress;
    fg_status status = fg_source_memory(&d->known, &known);
    if (status == FG_OK) status = fg_ivf_build(s->ctx, known, &c->opt, &ivf, NULL);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &info);
    if (status == FG_OK)
        status = fg_ivf_eval(s->ctx, ivf, &d->asking, &opt, probes, PROBES, c->curve);
    if (status == FG_OK) c->copies = (double)info.entries / (double)info.rows;
    fg_ivf_destroy(ivf);
    fg_source_destroy(known);
    return status;
}

/* Distances that a recall takes, between the measured points; NAN beyond them. */
static double cost_of(const contender *c, double recall)
{
    for (int i = 1; i < PROBES; i++) {
        const fg_eval_point *before = &c->curve[i - 1], *after = &c->curve[i];
        if (before->recall > recall || after->recall < recall) continue;
        double rise = after->recall - before->recall;
        double share = rise > 0 ? (recall - before->recall) / rise : 0;
        return before->dco + share * (after->dco - before->dco);
    }
    return NAN;
}

static void print_table(demo *d, const contender *all, int count)
{
    session *s = d->session;
    char line[200];
    int used = snprintf(line, sizeof line, "  %-8s", "lists");
    for (int c = 0; c < count; c++)
        used += snprintf(line + used, sizeof line - (size_t)used, "  %-24s", all[c].name);
    session_say(s, "%s%s%s", d->bold, line, d->plain);
    used = snprintf(line, sizeof line, "  %-8s", "probed");
    for (int c = 0; c < count; c++)
        used += snprintf(line + used, sizeof line - (size_t)used, "  %-6s  %-16s", "recall",
                         "distances");
    session_say(s, "%s", line);
    for (int i = 0; i < PROBES; i++) {
        used = snprintf(line, sizeof line, "  %6d  ", probes[i]);
        for (int c = 0; c < count; c++)
            used += snprintf(line + used, sizeof line - (size_t)used, "  %.3f   %9s       ",
                             all[c].curve[i].recall,
                             text_count((int64_t)(all[c].curve[i].dco + 0.5)).s);
        session_say(s, "%s", line);
    }
    used = snprintf(line, sizeof line, "  %-8s", "copies");
    for (int c = 0; c < count; c++)
        used += snprintf(line + used, sizeof line - (size_t)used, "  %-24.3f", all[c].copies);
    session_say(s, "%s\n", line);
}

/* Says which index takes the fewest distances to each recall, and by how much. */
static void print_verdict(demo *d, const contender *all, int count)
{
    session *s = d->session;
    session_say(s, "%sWhich wins%s: distances a query to reach a recall, and as a multiple of %s\n",
                d->bold, d->plain, all[0].name);
    for (int t = 0; t < TARGETS; t++) {
        char line[240];
        double base = cost_of(&all[0], targets[t]), least = INFINITY;
        const char *winner = NULL;
        int used = snprintf(line, sizeof line, "  %-8.2f", targets[t]);
        for (int c = 0; c < count; c++) {
            double cost = cost_of(&all[c], targets[t]);
            if (cost < least) {
                least = cost;
                winner = all[c].name;
            }
            if (isnan(cost))
                used += snprintf(line + used, sizeof line - (size_t)used, "  %-24s",
                                 "beyond the table");
            else
                used += snprintf(line + used, sizeof line - (size_t)used, "  %6s  x%-15.2f",
                                 text_count((int64_t)(cost + 0.5)).s, cost / base);
        }
        if (winner) session_say(s, "%s %s", line, winner);
    }
}

static fg_status draw(demo *d, const contender *all, int count)
{
    static svg_curve curves[3];
    char names[3][64];
    for (int c = 0; c < count; c++) {
        snprintf(names[c], sizeof names[c], "%s (%.2f copies)", all[c].name, all[c].copies);
        curves[c].name = names[c];
        curves[c].count = PROBES;
        for (int i = 0; i < PROBES; i++)
            curves[c].points[i] = (svg_point){all[c].curve[i].dco, all[c].curve[i].recall};
    }
    char subtitle[160];
    snprintf(subtitle, sizeof subtitle, "%s GloVe words, cosine, %d lists; %s words kept aside ask",
             text_count(d->known.rows).s, DEMO_COMPONENTS, text_count(d->asking.rows).s);
    const svg_figure figure = {.title = "Recall@10 against cost: hard and soft lists",
                               .subtitle = subtitle,
                               .x_label =
                                   "distance computations a query (centroids and copies included)",
                               .y_label = "recall@10",
                               .curves = curves,
                               .count = count};
    if (svg_write(d->figure, &figure)) return FG_OK;
    return session_fail(d->session, FG_IO, "%s: %s", d->figure, strerror(errno));
}

static void tell_json(json *out, const contender *all, int count)
{
    json_open(out, "indexes", '[');
    for (int c = 0; c < count; c++) {
        json_open(out, NULL, '{');
        json_text(out, "index", all[c].key);
        json_whole(out, "lists", DEMO_COMPONENTS);
        json_real(out, "copies", all[c].copies);
        json_open(out, "curve", '[');
        for (int i = 0; i < PROBES; i++) {
            json_open(out, NULL, '{');
            json_whole(out, "probes", probes[i]);
            json_real(out, "recall", all[c].curve[i].recall);
            json_real(out, "dco", all[c].curve[i].dco);
            json_real(out, "dco_unique", all[c].curve[i].dco_unique);
            json_close(out, '}');
        }
        json_close(out, ']');
        json_close(out, '}');
    }
    json_close(out, ']');
}

fg_status demo_search(demo *d)
{
    contender all[] = {
        {.name = "k-means", .key = "kmeans", .opt = {.lists = DEMO_COMPONENTS}},
        {.name = "mixture, r > 1/K",
         .key = "posterior",
         .opt = {.model = d->gmm, .assign = FG_ASSIGN_POSTERIOR}},
        {.name = "mixture, budget",
         .key = "posterior_budget",
         .opt = {.model = d->gmm, .assign = FG_ASSIGN_POSTERIOR, .copies = BUDGET}},
    };
    enum { COUNT = sizeof all / sizeof *all };
    session *s = d->session;
    session_say(
        s, "\n%sSearch%s: %s words kept aside look for their 10 nearest among %s, in %d lists\n",
        d->bold, d->plain, text_count(d->asking.rows).s, text_count(d->known.rows).s,
        DEMO_COMPONENTS);
    fg_status status = FG_OK;
    for (int c = 0; c < COUNT && status == FG_OK; c++) status = measure(d, &all[c]);
    if (status == FG_OK) status = draw(d, all, COUNT);
    if (status != FG_OK) return status;
    print_table(d, all, COUNT);
    print_verdict(d, all, COUNT);
    tell_json(&s->json, all, COUNT);
    return FG_OK;
}
