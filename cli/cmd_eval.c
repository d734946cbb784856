/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_eval.c - measures indexes: recall against cost, as tables, JSON, a figure and a page. */
#include "command.h"
#include "eval_report.h"
#include "report.h"
#include "rows.h"
#include "stopwatch.h"
#include "words.h"

#include <errno.h>  /* errno */
#include <stdlib.h> /* strtod */
#include <string.h> /* strchr, strerror */

typedef struct eval_args {
    const char *index, *queries, *format, *truth, *plot, *report, *others, *recalls;
    bool mapped;
    option_list probes;
    int32_t seeds;
    double targets[EVAL_POINTS];
    int target_count;
    fg_eval_options opt;
} eval_args;

static void tell_curve(json *out, const eval_curve *curve)
{
    json_open(out, "curve", '[');
    for (int i = 0; i < curve->count; i++) {
        const fg_eval_point *p = &curve->points[i];
        json_open(out, NULL, '{');
        json_whole(out, "probes", p->probes);
        if (p->target > 0) json_real(out, "target", p->target);
        json_real(out, "recall", p->recall);
        json_real(out, "dco", p->dco);
        json_real(out, "dco_unique", p->dco_unique);
        json_real(out, "qps", p->qps);
        json_real(out, "p50_us", p->p50_us);
        json_real(out, "p99_us", p->p99_us);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void tell_reached(json *out, const eval_study *study, int curve)
{
    json_open(out, "reached", '[');
    for (int t = 0; t < EVAL_RECALLS; t++) {
        json_open(out, NULL, '{');
        json_real(out, "recall", eval_recalls[t]);
        json_real(out, "dco", eval_cost_at(&study->curves[curve], eval_recalls[t]));
        json_real(out, "ratio", eval_ratio_at(study, curve, eval_recalls[t]));
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void tell_group(json *out, const eval_study *study, int group)
{
    json_open(out, NULL, '{');
    json_open(out, "indexes", '[');
    for (int i = 0; i < study->seeds; i++) json_text(out, NULL, eval_group(study, group)[i].path);
    json_close(out, ']');
    json_real(out, "copies", eval_reach(study, group, 1).copies);
    json_open(out, "reached", '[');
    for (int t = 0; t < EVAL_RECALLS; t++) {
        eval_reached reached = eval_reach(study, group, eval_recalls[t]);
        json_open(out, NULL, '{');
        json_real(out, "recall", eval_recalls[t]);
        json_real(out, "dco", reached.cost);
        json_real(out, "ratio", reached.ratio);
        json_real(out, "ratio_spread", reached.ratio_spread);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
}

/* What is told of one index, after the keys that all of them share. */
static void tell_index(json *out, const eval_study *study, int number)
{
    const eval_curve *curve = &study->curves[number];
    json_whole(out, "rows", curve->info.rows);
    json_whole(out, "lists", curve->info.lists);
    json_real(out, "copies", eval_copies(curve));
    tell_curve(out, curve);
    tell_reached(out, study, number);
}

static void tell_json(session *s, const eval_args *args, const eval_study *study)
{
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "index", args->index);
    json_text(out, "queries_file", args->queries);
    json_whole(out, "queries", study->queries);
    json_whole(out, "n", study->n);
    json_text(out, "order", words_at(WORDS_ORDER, args->opt.order).s);
    json_whole(out, "threads", session_machine(s).threads);
    tell_index(out, study, 0);
    if (study->count > 1) {
        json_open(out, "others", '[');
        for (int i = 1; i < study->count; i++) {
            json_open(out, NULL, '{');
            json_text(out, "index", study->curves[i].path);
            tell_index(out, study, i);
            json_close(out, '}');
        }
        json_close(out, ']');
    }
    if (study->seeds > 1) {
        json_open(out, "groups", '[');
        for (int g = 0; g < eval_groups(study); g++) tell_group(out, study, g);
        json_close(out, ']');
    }
    json_real(out, "seconds", stopwatch_seconds() - s->began);
    json_close(out, '}');
}

static void say_curve(session *s, const eval_study *study, const eval_curve *curve)
{
    session_say(s, "\nindex            %s: %s in %s lists, %.3f copies a row",
                text_file_name(curve->path), text_plural(curve->info.rows, "row").s,
                text_count(curve->info.lists).s, eval_copies(curve));
    session_say(s, "%7s  recall@%-3d  %11s  %11s  %10s  %8s  %8s",
                curve->points[0].target > 0 ? "asked" : "probes", study->n, "distances",
                "without dup.", "queries/s", "p50", "p99");
    for (int i = 0; i < curve->count; i++) {
        const fg_eval_point *p = &curve->points[i];
        char name[16];
        if (p->target > 0)
            snprintf(name, sizeof name, "%.4g", p->target);
        else
            snprintf(name, sizeof name, "%d", p->probes);
        session_say(s, "%7s  %10.4f  %11s  %12s  %10s  %8s  %8s", name, p->recall,
                    text_count((int64_t)(p->dco + 0.5)).s,
                    text_count((int64_t)(p->dco_unique + 0.5)).s,
                    text_count((int64_t)(p->qps + 0.5)).s, text_seconds(p->p50_us * 1e-6).s,
                    text_seconds(p->p99_us * 1e-6).s);
    }
}

static void say_comparison(session *s, const eval_study *study)
{
    session_say(s, "\ndistances to reach a recall, and how many times fewer than %s%s:",
                text_file_name(study->curves[0].path),
                study->seeds > 1 ? ", mean and spread over seeds" : "");
    for (int t = 0; t < EVAL_RECALLS; t++)
        for (int g = 0; g < eval_groups(study); g++) {
            eval_reached reached = eval_reach(study, g, eval_recalls[t]);
            char spread[16] = "";
            if (isnan(reached.cost)) continue;
            if (study->seeds > 1) snprintf(spread, sizeof spread, " +-%.2f", reached.ratio_spread);
            session_say(s, "%7.4g  %11s  %5.2f%s  %s", eval_recalls[t],
                        text_count((int64_t)(reached.cost + 0.5)).s, reached.ratio, spread,
                        text_file_name(eval_group(study, g)->path));
        }
}

static void say(session *s, const eval_args *args, const eval_study *study)
{
    fg_context_info machine = session_machine(s);
    session_say(s, "queries          %s: %s, against %s", text_file_name(args->queries),
                text_count(study->queries).s,
                args->truth ? text_file_name(args->truth) : "an exact search");
    session_say(s, "machine          %s, %s", text_plural(machine.threads, "thread").s,
                machine.isa);
    for (int i = 0; i < study->count; i++) say_curve(s, study, &study->curves[i]);
    session_say(
        s, "\ndistances: computed a query, to the %s centroids and to rows in the probed lists",
        text_count(study->curves[0].info.lists).s);
    if (study->count > 1) say_comparison(s, study);
    if (args->plot) session_say(s, "figure: %s", args->plot);
    if (args->report) session_say(s, "report: %s", args->report);
}

/* 1, 2, 4, ... and all lists. */
static option_list doubling(int32_t lists)
{
    option_list out = {.count = 0};
    for (int64_t probes = 1; probes < lists; probes *= 2) out.values[out.count++] = (int32_t)probes;
    out.values[out.count++] = lists;
    return out;
}

/* A tuned index is measured at the targets, an untuned one at numbers of probes. */
static fg_status measure(session *s, const eval_args *args, const fg_view *queries,
                         const char *path, eval_curve *curve)
{
    fg_ivf *ivf = NULL;
    fg_eval_options opt = args->opt;
    option_list probes = args->probes;
    curve->path = path;
    curve->info = (fg_ivf_info){.struct_size = sizeof curve->info};
    fg_status status = fg_ivf_load(path, args->mapped, &ivf);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &curve->info);
    bool tuned = args->target_count > 0 && (curve->info.tuned_n > 0 || !args->others);
    if (tuned) opt.recalls = args->targets;
    if (status == FG_OK && probes.count == 0) probes = doubling(curve->info.lists);
    curve->count = tuned ? args->target_count : probes.count;
    if (status == FG_OK)
        status =
            fg_ivf_eval(s->ctx, ivf, queries, &opt, probes.values, curve->count, curve->points);
    fg_ivf_destroy(ivf);
    return status;
}

/* Costs of indexes compare where the same rows are looked for in the same way. */
static fg_status check_rows(session *s, const eval_study *study)
{
    const eval_curve *first = &study->curves[0];
    for (int i = 1; i < study->count; i++) {
        const eval_curve *curve = &study->curves[i];
        if (curve->info.rows != first->info.rows)
            return session_fail(
                s, FG_ARGUMENT, "%s has %lld rows and %s has %lld: they cannot be compared",
                first->path, (long long)first->info.rows, curve->path, (long long)curve->info.rows);
        if (curve->info.metric != first->info.metric)
            return session_fail(s, FG_ARGUMENT,
                                "%s compares rows by %s and %s by %s: they cannot be compared",
                                first->path, words_at(WORDS_METRIC, first->info.metric).s,
                                curve->path, words_at(WORDS_METRIC, curve->info.metric).s);
    }
    return FG_OK;
}

/* Curves of a group are averaged point by point. */
static fg_status check_groups(session *s, const eval_study *study)
{
    for (int i = 0; i < study->count; i++) {
        const eval_curve *curve = &study->curves[i], *first = eval_group(study, i / study->seeds);
        bool alike = curve->count == first->count;
        for (int p = 0; alike && p < curve->count; p++)
            alike = curve->points[p].probes == first->points[p].probes &&
                    curve->points[p].target == first->points[p].target;
        if (!alike)
            return session_fail(s, FG_ARGUMENT,
                                "%s and %s are no two seeds of one index: they are measured at "
                                "other probes or recalls",
                                first->path, curve->path);
    }
    return FG_OK;
}

static fg_status draw(session *s, const eval_args *args, const eval_study *study)
{
    if (args->plot && !eval_plot(args->plot, study))
        return session_fail(s, FG_IO, "%s: %s", args->plot, strerror(errno));
    if (args->report && !eval_page(args->report, study))
        return session_fail(s, FG_IO, "%s: %s", args->report, strerror(errno));
    return FG_OK;
}

static fg_status run(session *s, eval_args *args, eval_study *study)
{
    fg_view queries = {0}, truth = {0};
    fg_status status = rows_load(s, args->queries, args->format, &queries);
    if (status == FG_OK && args->truth) status = rows_load(s, args->truth, NULL, &truth);
    args->opt.struct_size = sizeof args->opt;
    args->opt.truth = args->truth ? &truth : NULL;
    args->opt.progress = progress_report;
    args->opt.user = &s->progress;
    study->queries = queries.rows;
    study->n = args->opt.n;
    for (int i = 0; status == FG_OK && i < study->count; i++)
        status = measure(s, args, &queries, study->curves[i].path, &study->curves[i]);
    if (status == FG_OK) status = check_rows(s, study);
    if (status == FG_OK) status = check_groups(s, study);
    if (status == FG_OK) status = draw(s, args, study);
    if (status == FG_OK) tell_json(s, args, study);
    if (status == FG_OK) say(s, args, study);
    rows_free(&truth);
    rows_free(&queries);
    return status;
}

/* "0.9,0.95": false if it is something else. */
static bool read_targets(eval_args *args)
{
    const char *at = args->recalls;
    while (args->target_count < EVAL_POINTS) {
        char *end;
        double target = strtod(at, &end);
        if (end == at || !(target > 0 && target < 1)) return false;
        args->targets[args->target_count++] = target;
        if (!*end) return true;
        if (*end != ',') return false;
        at = end + 1;
    }
    return false;
}

/* Cuts "B.fgi,C.fgi" into paths, in place. */
static bool read_others(char *others, eval_study *study)
{
    for (char *path = others; path; study->count++) {
        char *comma = strchr(path, ',');
        if (study->count == EVAL_CURVES) return false;
        if (comma) *comma++ = 0;
        study->curves[study->count].path = path;
        path = comma;
    }
    return true;
}

/* others: room for the words of --compare. */
static int plan(const command_line *line, const eval_args *args, char *others, eval_study *study)
{
    if (args->plot && !text_ends_in(args->plot, ".svg"))
        return options_mistake(line, "--plot draws SVG: %s does not end in .svg", args->plot);
    study->curves[study->count++].path = args->index;
    study->seeds = args->seeds;
    if (args->others) {
        strcpy(others, args->others);
        if (!read_others(others, study))
            return options_mistake(line, "--compare takes %d indexes at most", EVAL_CURVES - 1);
    }
    if (study->count % study->seeds != 0)
        return options_mistake(line, "--seeds is %d, but there are %d indexes, INDEX included",
                               study->seeds, study->count);
    if (eval_groups(study) > EVAL_GROUPS)
        return options_mistake(line, "%d indexes to compare; %d at most, each from --seeds",
                               eval_groups(study), EVAL_GROUPS);
    return OPTIONS_READ;
}

static int evaluate(const command_line *line, session *s, eval_args *args)
{
    eval_study *study = calloc(1, sizeof *study);
    char *others = calloc(1, args->others ? strlen(args->others) + 1 : 1);
    int code = OPTIONS_READ;
    if (study && others) code = plan(line, args, others, study);
    if (code == OPTIONS_READ) {
        fg_status status = session_open(s);
        if (status == FG_OK && (!study || !others))
            status = session_fail(s, FG_MEMORY, "no memory for the curves");
        if (status == FG_OK) status = run(s, args, study);
        code = session_close(s, status);
    }
    free(others);
    free(study);
    return code;
}

int cmd_eval(int argc, char **argv)
{
    eval_args args = {.seeds = 1, .opt = {.n = 10}};
    const operand operands[] = {{"INDEX", "an index made by flashgmm index", &args.index},
                                {"QUERIES", "a file of rows to search for", &args.queries}};
    const option options[] = {
        {"groundtruth", 0, "FILE",
         "ids of the true nearest rows of each query, best first: .ivecs, .ibin or .npy "
         "(default: found by an exact search)",
         .text = &args.truth},
        {"n", 'n', "N", "results a query, for recall@N (default 10)", .i32 = &args.opt.n,
         AT_LEAST(1)},
        {"probes", 0, "P,P,...", "numbers of lists to look into (default 1,2,4,... to all)",
         .list = &args.probes, AT_LEAST(1)},
        {"recall", 0, "R,R,...", "instead: recalls to ask for, of a tuned index",
         .text = &args.recalls},
        {"compare", 0, "INDEX,...",
         "more indexes to measure, against the first; with --recall, those that are not tuned are "
         "measured by probes",
         .text = &args.others},
        {"seeds", 0, "N",
         "every N indexes, INDEX first, were made alike from N seeds: they are compared as one, by "
         "mean and spread",
         .i32 = &args.seeds, AT_LEAST(1)},
        {"order", 0, NULL, "which lists come first: by distance (default), or by responsibility",
         .choice = &args.opt.order, .words = WORDS_ORDER},
        {"latency-queries", 0, "N", "queries timed one by one (default 1000)",
         .i32 = &args.opt.latency_queries, AT_LEAST(1)},
        {"plot", 0, "FILE.svg", "draw recall against distance computations", .text = &args.plot},
        {"report", 0, "FILE.html", "a page with the figure, the tables and what they say",
         .text = &args.report},
        {"mapped", 0, NULL, "leave the index in its file; the codes' checksum is then not verified",
         .flag = &args.mapped},
        {"format", 0, "NAME", "of QUERIES (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "eval",
        .summary = "measure indexes: recall against cost",
        .synopsis = "INDEX QUERIES [--compare INDEX,...] [--groundtruth GT.ivecs] [-n N] "
                    "[--probes P,P,... | --recall R,R,...]",
        TABLES(operands, options),
        .example = "flashgmm eval words.fgi queries.fvecs --probes 1,2,4,8,16 --plot words.svg"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (args.recalls && !read_targets(&args))
        return options_mistake(&line,
                               "--recall is \"%s\"; it must be recalls between 0 and 1, %d "
                               "at most, with commas between",
                               args.recalls, EVAL_POINTS);
    return evaluate(&line, &s, &args);
}
