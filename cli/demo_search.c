/* SPDX-License-Identifier: Apache-2.0 */
/* demo_search.c - a k-means index and two soft ones over the same words, measured. Knows no words. */
#include "demo.h"
#include "svg.h"
#include "text.h"

#include <errno.h>  /* errno */
#include <math.h>   /* INFINITY, NAN, isnan */
#include <stdarg.h> /* va_list */
#include <string.h> /* strerror, strlen */

static const int32_t probes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
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

enum { LINE_BYTES = 200 };

/* printf to the end of a line */
static void append(char *line, const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, LINE_BYTES - used, format, args);
    va_end(args);
}

static void print_head(demo *d, const contender *all, int count, const char *first,
                       const char *second)
{
    char names[LINE_BYTES] = "", columns[LINE_BYTES] = "";
    append(names, "  %6s", first);
    append(columns, "  %6s", second);
    for (int c = 0; c < count; c++) {
        append(names, "   %19s", all[c].name);
        append(columns, "   %8s  %9s", "recall", "distances");
    }
    session_say(d->session, "%s%s%s\n%s", d->bold, names, d->plain, columns);
}

static void print_table(demo *d, const contender *all, int count)
{
    session *s = d->session;
    char copies[LINE_BYTES] = "";
    print_head(d, all, count, "lists", "probed");
    for (int i = 0; i < PROBES; i++) {
        char line[LINE_BYTES] = "";
        append(line, "  %6d", probes[i]);
        for (int c = 0; c < count; c++)
            append(line, "   %8.3f  %9s", all[c].curve[i].recall,
                   text_count((int64_t)(all[c].curve[i].dco + 0.5)).s);
        session_say(s, "%s", line);
    }
    append(copies, "  %6s", "copies");
    for (int c = 0; c < count; c++) append(copies, "   %12.3f a word", all[c].copies);
    session_say(s, "%s\n", copies);
}

/* Says which index takes the fewest distances to each recall, and by how much. */
static void print_verdict(demo *d, const contender *all, int count)
{
    session *s = d->session;
    int hard_wins = 0, decided = 0;
    session_say(s, "%sWhich wins%s: distances a query to reach a recall, and as a multiple of %s\n",
                d->bold, d->plain, all[0].name);
    for (int t = 0; t < TARGETS; t++) {
        char line[LINE_BYTES] = "";
        double hard = cost_of(&all[0], targets[t]), least = INFINITY;
        int winner = -1;
        append(line, "  %6.2f", targets[t]);
        for (int c = 0; c < count; c++) {
            double cost = cost_of(&all[c], targets[t]);
            if (isnan(cost))
                append(line, "   %19s", "not reached");
            else
                append(line, "   %9s  %7.2fx", text_count((int64_t)(cost + 0.5)).s, cost / hard);
            if (!(cost < least)) continue;
            least = cost;
            winner = c;
        }
        if (winner >= 0) session_say(s, "%s   %s", line, all[winner].name);
        decided += winner >= 0;
        hard_wins += winner == 0;
    }
    session_say(
        s,
        "\n  List by list the soft indexes find more, for they hold more. Distance by distance,\n"
        "  k-means wins at %d of %d recalls on these words.",
        hard_wins, decided);
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
