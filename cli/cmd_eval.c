/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_eval.c - measures an index: recall against cost, as a table, JSON and a figure. */
#include "command.h"
#include "report.h"
#include "rows.h"
#include "stopwatch.h"
#include "svg.h"
#include "words.h"

#include <errno.h>  /* errno */
#include <stdlib.h> /* qsort */
#include <string.h> /* strerror */

typedef struct eval_args {
    const char *index, *queries, *format, *truth, *plot;
    bool mapped;
    option_list probes;
    fg_eval_options opt;
} eval_args;

static void tell_json(session *s, const eval_args *args, const fg_ivf_info *info, int64_t queries,
                      const fg_eval_point *points)
{
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "index", args->index);
    json_text(out, "queries_file", args->queries);
    json_whole(out, "queries", queries);
    json_whole(out, "n", args->opt.n);
    json_text(out, "order", words_at(WORDS_ORDER, args->opt.order).s);
    json_whole(out, "rows", info->rows);
    json_whole(out, "lists", info->lists);
    json_real(out, "copies", (double)info->entries / (double)info->rows);
    json_whole(out, "threads", session_machine(s).threads);
    json_open(out, "curve", '[');
    for (int i = 0; i < args->probes.count; i++) {
        json_open(out, NULL, '{');
        json_whole(out, "probes", points[i].probes);
        json_real(out, "recall", points[i].recall);
        json_real(out, "dco", points[i].dco);
        json_real(out, "dco_unique", points[i].dco_unique);
        json_real(out, "qps", points[i].qps);
        json_real(out, "p50_us", points[i].p50_us);
        json_real(out, "p99_us", points[i].p99_us);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_real(out, "seconds", stopwatch_seconds() - s->began);
    json_close(out, '}');
}

static void tell(session *s, const eval_args *args, const fg_ivf_info *info, int64_t queries,
                 const fg_eval_point *points)
{
    fg_context_info machine = session_machine(s);
    session_say(s, "index            %s: %s in %s lists, %.3f copies a row",
                text_file_name(args->index), text_plural(info->rows, "row").s,
                text_count(info->lists).s, (double)info->entries / (double)info->rows);
    session_say(s, "queries          %s: %s, against %s", text_file_name(args->queries),
                text_count(queries).s,
                args->truth ? text_file_name(args->truth) : "an exact search");
    session_say(s, "machine          %s, %s\n", text_plural(machine.threads, "thread").s,
                machine.isa);
    session_say(s, "%7s  recall@%-3d  %11s  %11s  %10s  %8s  %8s", "probes", args->opt.n,
                "distances", "without dup.", "queries/s", "p50", "p99");
    for (int i = 0; i < args->probes.count; i++) {
        const fg_eval_point *p = &points[i];
        session_say(s, "%7d  %10.4f  %11s  %12s  %10s  %8s  %8s", p->probes, p->recall,
                    text_count((int64_t)(p->dco + 0.5)).s,
                    text_count((int64_t)(p->dco_unique + 0.5)).s,
                    text_count((int64_t)(p->qps + 0.5)).s, text_seconds(p->p50_us * 1e-6).s,
                    text_seconds(p->p99_us * 1e-6).s);
    }
    session_say(
        s, "\ndistances: computed a query, to the %s centroids and to rows in the probed lists",
        text_count(info->lists).s);
    if (args->plot) session_say(s, "figure: %s", args->plot);
}

static int by_cost(const void *a, const void *b)
{
    double left = ((const svg_point *)a)->x, right = ((const svg_point *)b)->x;
    return (left > right) - (left < right);
}

static fg_status plot(session *s, const eval_args *args, const fg_ivf_info *info, int64_t queries,
                      const fg_eval_point *points)
{
    char title[64], subtitle[256];
    svg_curve curve = {.name = text_file_name(args->index), .count = args->probes.count};
    for (int i = 0; i < curve.count; i++)
        curve.points[i] = (svg_point){points[i].dco, points[i].recall};
    qsort(curve.points, (size_t)curve.count, sizeof *curve.points, by_cost);
    snprintf(title, sizeof title, "Recall@%d against cost", args->opt.n);
    snprintf(subtitle, sizeof subtitle, "%s: %s in %s lists, %.2f copies a row; %s queries",
             curve.name, text_plural(info->rows, "row").s, text_count(info->lists).s,
             (double)info->entries / (double)info->rows, text_count(queries).s);
    const svg_figure figure = {.title = title,
                               .subtitle = subtitle,
                               .x_label = "distance computations a query (DCO)",
                               .y_label = "recall",
                               .curves = &curve,
                               .count = 1};
    if (svg_write(args->plot, &figure)) return FG_OK;
    return session_fail(s, FG_IO, "%s: %s", args->plot, strerror(errno));
}

/* 1, 2, 4, ... and all lists. */
static option_list doubling(int32_t lists)
{
    option_list out = {.count = 0};
    for (int64_t probes = 1; probes < lists; probes *= 2) out.values[out.count++] = (int32_t)probes;
    out.values[out.count++] = lists;
    return out;
}

static fg_status run(session *s, eval_args *args)
{
    fg_ivf *ivf = NULL;
    fg_ivf_info info = {.struct_size = sizeof info};
    fg_view queries = {0}, truth = {0};
    fg_eval_point points[COUNT_OF(args->probes.values)];
    fg_status status = fg_ivf_load(args->index, args->mapped, &ivf);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &info);
    if (status == FG_OK) status = rows_load(s, args->queries, args->format, &queries);
    if (status == FG_OK && args->truth) status = rows_load(s, args->truth, NULL, &truth);
    if (status == FG_OK) {
        if (args->probes.count == 0) args->probes = doubling(info.lists);
        args->opt.struct_size = sizeof args->opt;
        args->opt.truth = args->truth ? &truth : NULL;
        args->opt.progress = progress_report;
        args->opt.user = &s->progress;
        status = fg_ivf_eval(s->ctx, ivf, &queries, &args->opt, args->probes.values,
                             args->probes.count, points);
    }
    if (status == FG_OK && args->plot) status = plot(s, args, &info, queries.rows, points);
    if (status == FG_OK) tell_json(s, args, &info, queries.rows, points);
    if (status == FG_OK) tell(s, args, &info, queries.rows, points);
    rows_free(&truth);
    rows_free(&queries);
    fg_ivf_destroy(ivf);
    return status;
}

int cmd_eval(int argc, char **argv)
{
    eval_args args = {.opt = {.n = 10}};
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
        {"order", 0, NULL, "which lists come first: by distance (default), or by responsibility",
         .choice = &args.opt.order, .words = WORDS_ORDER},
        {"latency-queries", 0, "N", "queries timed one by one (default 1000)",
         .i32 = &args.opt.latency_queries, AT_LEAST(1)},
        {"plot", 0, "FILE.svg", "draw recall against distance computations", .text = &args.plot},
        {"mapped", 0, NULL, "leave the index in its file; the codes' checksum is then not verified",
         .flag = &args.mapped},
        {"format", 0, "NAME", "of QUERIES (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "eval",
        .summary = "measure an index: recall against cost",
        .synopsis =
            "INDEX QUERIES [--groundtruth GT.ivecs] [-n N] [--probes P,P,...] [--plot FILE.svg]",
        TABLES(operands, options),
        .example = "flashgmm eval words.fgi queries.fvecs --probes 1,2,4,8,16 --plot words.svg"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
