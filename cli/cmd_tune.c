/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_tune.c - finds how much a search must look into for a recall, and keeps that in the index. */
#include "command.h"
#include "report.h"
#include "rows.h"

typedef struct tune_args {
    const char *index, *queries, *format, *output;
    fg_tune_options opt;
} tune_args;

static void tell(session *s, const tune_args *args, const fg_tune_report *r)
{
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "index", args->index);
    json_text(out, "queries_file", args->queries);
    json_text(out, "output", args->output);
    json_whole(out, "queries", r->queries);
    json_whole(out, "n", args->opt.n);
    json_real(out, "target", args->opt.recall);
    json_real(out, "recall", r->recall);
    json_real(out, "recall_error", r->recall_error);
    json_real(out, "dco", r->dco);
    json_real(out, "steepness", r->steepness);
    json_real(out, "theta", r->theta);
    json_whole(out, "most_lists", r->lists);
    json_real(out, "most_recall", r->most_recall);
    json_close(out, '}');

    session_say(s, "sample           %s%s", text_count(r->queries).s,
                args->queries ? " queries"
                              : " rows of the index, each searched for among the others");
    session_say(s, "recall@%-9d %.4f +- %.4f expected for %.4g, on queries like the sample",
                args->opt.n, r->recall, r->recall_error, args->opt.recall);
    session_say(s, "cost a query     %s distances expected, in %d lists at most",
                text_count((int64_t)(r->dco + 0.5)).s, r->lists);
    session_say(s, "serves           targets up to %.4g", r->most_recall);
    if (!args->queries)
        session_say(s, "note             queries from elsewhere may be harder than rows: give some "
                       "if you can");
    if (r->recall_error > 0.005)
        session_say(s, "note             a larger sample would tell more: +- 0.01 is not certain");
    session_say(s, "next: flashgmm search %s QUERIES --recall %.4g", args->output,
                args->opt.recall);
}

static fg_status run(session *s, tune_args *args)
{
    fg_ivf *ivf = NULL;
    fg_view queries = {0};
    fg_tune_report report = {.struct_size = sizeof report};
    fg_status status = fg_ivf_load(args->index, 0, &ivf);
    if (status == FG_OK && args->queries)
        status = rows_load(s, args->queries, args->format, &queries);
    if (status == FG_OK) {
        args->opt.struct_size = sizeof args->opt;
        args->opt.progress = progress_report;
        args->opt.user = &s->progress;
        status = fg_ivf_tune(s->ctx, ivf, args->queries ? &queries : NULL, &args->opt, &report);
    }
    if (status == FG_OK) status = fg_ivf_save(ivf, args->output);
    if (status == FG_OK) tell(s, args, &report);
    rows_free(&queries);
    fg_ivf_destroy(ivf);
    return status;
}

int cmd_tune(int argc, char **argv)
{
    tune_args args = {.opt = {.n = 10, .recall = 0.95}};
    fg_tune_options *opt = &args.opt;
    const operand operands[] = {
        {"INDEX", "an index made by flashgmm index", &args.index},
        {"QUERIES", "a file of rows like those to be searched for (default: rows of the index)",
         &args.queries, .optional = true}};
    const option options[] = {
        {"recall", 0, "R", "the target to tune for; others are served too (default 0.95)",
         .f64 = &opt->recall, BETWEEN(0, 1)},
        {"n", 'n', "N", "results a query; others are served too (default 10)", .i32 = &opt->n,
         AT_LEAST(1)},
        {"sample", 0, "ROWS", "without QUERIES: rows to search for (default 1000)",
         .i64 = &opt->sample_rows, AT_LEAST(1)},
        {"seed", 0, "S", "of that sample (default 0)", .u64 = &opt->seed},
        {"output", 'o', "INDEX.fgi", "where the tuned index goes (default: INDEX itself)",
         .text = &args.output},
        {"format", 0, "NAME", "of QUERIES (default: by its suffix)", .text = &args.format}};
    const command_line line = {.command = "tune",
                               .summary = "find how much a search must look into for a recall",
                               .synopsis = "INDEX [QUERIES] [--recall R] [-n N]",
                               TABLES(operands, options),
                               .example = "flashgmm tune words.fgi queries.fvecs --recall 0.95"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (!args.output) args.output = args.index;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
