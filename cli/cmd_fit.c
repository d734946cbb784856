/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_fit.c - fits a mixture to the rows of a file and saves it. */
#include "command.h"
#include "report.h"
#include "rows.h"
#include "words.h"

#include <float.h>  /* DBL_MIN */
#include <stdlib.h> /* free */
#include <string.h> /* strcmp */

#define WORDS_INIT "kmeans|kmeans++|random" /* fg_init */

typedef struct fit_args {
    const char *data, *format, *model, *init;
    fg_gmm_options opt;
    bool skip_bad_rows, normalize, shared;
} fit_args;

static void tell(session *s, const fit_args *args, const fg_gmm_info *info,
                 const fg_fit_report *report)
{
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "data", args->data);
    json_text(out, "model", args->model);
    json_whole(out, "rows", report->rows);
    json_whole(out, "dims", info->dims);
    json_whole(out, "components", info->components);
    json_text(out, "covariance", words_at(WORDS_COVARIANCE, info->covariance).s);
    json_real(out, "log_likelihood", report->objective);
    report_fit_json(s, report, args->opt.restarts);
    json_close(out, '}');

    session_say(s, "mixture          %s: %s %s components of %d dimensions, fitted to %s",
                text_file_name(args->model), text_count(info->components).s,
                words_at(WORDS_COVARIANCE, info->covariance).s, info->dims,
                text_plural(report->rows, "row").s);
    session_say(s, "log-likelihood   %.6g nats a row", report->objective);
    report_fit_say(s, report, args->opt.restarts);
    session_say(s, "next: flashgmm predict %s %s --top 3", args->model, args->data);
}

/* The start model decides on k and covariance, where the command line did not. */
static fg_status take_start(session *s, fit_args *args, fg_gmm **start)
{
    fg_gmm_options *opt = &args->opt;
    int32_t word = words_find(WORDS_INIT, args->init);
    if (word >= 0) {
        opt->init = word;
        return FG_OK;
    }
    const char *kind = NULL;
    fg_status status = fg_file_kind(args->init, &kind);
    if (status == FG_OK && strcmp(kind, "fgm") != 0)
        return session_fail(
            s, FG_ARGUMENT,
            "%s: this is %s; --init takes kmeans, kmeans++, random or a model (fgm)", args->init,
            kind);
    if (status == FG_OK) status = fg_gmm_load(args->init, 0, start);
    if (status != FG_OK) return status;
    fg_gmm_info info = {.struct_size = sizeof info};
    status = fg_gmm_get_info(*start, &info);
    opt->init = FG_INIT_GIVEN;
    opt->start = *start;
    if (!opt->k) opt->k = info.components;
    if (opt->covariance < 0) opt->covariance = info.covariance;
    return status;
}

static fg_status run(session *s, fit_args *args)
{
    fg_gmm_options *opt = &args->opt;
    fg_source *rows = NULL;
    fg_source_info shape;
    fg_gmm *start = NULL, *gmm = NULL;
    fg_gmm_info info = {.struct_size = sizeof info};
    fg_fit_report report = {.struct_size = sizeof report, .history_capacity = opt->max_iter + 1};
    void *history = NULL;
    fg_status status = rows_open(args->data, args->format, &rows, &shape);
    if (status == FG_OK) status = take_start(s, args, &start);
    if (status == FG_OK)
        status = session_alloc(s, report.history_capacity, sizeof(double), &history);
    if (status == FG_OK) {
        report.history = history;
        opt->struct_size = sizeof *opt;
        if (opt->covariance < 0) opt->covariance = FG_COV_SPHERICAL;
        opt->bad_rows = args->skip_bad_rows ? FG_BAD_ROWS_SKIP : FG_BAD_ROWS_REFUSE;
        opt->normalize = args->normalize;
        opt->shared_variance = args->shared;
        opt->progress = progress_report;
        opt->user = &s->progress;
        status = fg_gmm_fit(s->ctx, rows, opt, &gmm, &report);
    }
    if (status == FG_OK) status = fg_gmm_save(gmm, args->model);
    if (status == FG_OK) status = fg_gmm_get_info(gmm, &info);
    if (status == FG_OK) tell(s, args, &info, &report);
    free(history);
    fg_gmm_destroy(gmm);
    fg_gmm_destroy(start);
    fg_source_destroy(rows);
    return status;
}

int cmd_fit(int argc, char **argv)
{
    fit_args args = {
        .model = "model.fgm", .init = "kmeans", .opt = {.covariance = -1, .max_iter = 90}};
    fg_gmm_options *opt = &args.opt;
    double tol = 1e-4, tol_relative = 1e-7;
    const operand operands[] = {{"DATA", "a file of rows, one vector each", &args.data}};
    const option options[] = {
        {"k", 'k', "K", "number of components; needed unless --init is a model", .i32 = &opt->k,
         AT_LEAST(1)},
        {"output", 'o', "MODEL.fgm", "where the mixture goes (default model.fgm)",
         .text = &args.model},
        {"covariance", 0, NULL,
         "one variance a component (spherical, the default) or one a dimension (diag)",
         .choice = &opt->covariance, .words = WORDS_COVARIANCE},
        {"shared-variance", 0, NULL, "one variance for all components (diag: one a dimension)",
         .flag = &args.shared},
        {"init", 0, "HOW",
         "kmeans (default: k-means++ seeds, then Lloyd iterations), kmeans++, random, or a "
         "model to start from",
         .text = &args.init},
        {"kmeans-iter", 0, "N", "Lloyd iterations before EM (default 10)", .i32 = &opt->kmeans_iter,
         AT_LEAST(1)},
        {"max-iter", 0, "N", "EM iterations at most (default 90)", .i32 = &opt->max_iter,
         WITHIN(1, 1000000)},
        {"tol", 0, "NATS",
         "stop when the mean log-likelihood rises by at most this (default 1e-4; negative: "
         "never)",
         .f64 = &tol},
        {"tol-relative", 0, "SHARE", "the same as a share of it (default 1e-7; negative: never)",
         .f64 = &tol_relative},
        {"var-floor", 0, "SHARE", "least variance as a share of the data's (default 1e-6)",
         .f64 = &opt->var_floor, BETWEEN(0, 1)},
        {"restarts", 0, "R", "fits from other seeds; the best is kept (default 1)",
         .i32 = &opt->restarts, AT_LEAST(1)},
        {"seed", 0, "S", "of the random choices (default 0)", .u64 = &opt->seed},
        {"sample", 0, "ROWS", "fit to this many random rows (default: all)",
         .i64 = &opt->sample_rows, AT_LEAST(1)},
        {"normalize", 0, NULL, "scale every row to length 1 first (cosine)",
         .flag = &args.normalize},
        {"skip-bad-rows", 0, NULL, "pass over rows with NaN or infinity instead of refusing them",
         .flag = &args.skip_bad_rows},
        {"format", 0, "NAME", "of DATA (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "fit",
        .summary = "fit a Gaussian mixture to the rows of a file",
        .synopsis = "DATA -k K [-o MODEL.fgm] [options]",
        TABLES(operands, options),
        .notes = "Ctrl-C ends the fit after the pass at hand and keeps the model so far.",
        .example = "flashgmm fit words.fvecs -k 256 -o words.fgm --normalize"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (!opt->k && words_find(WORDS_INIT, args.init) >= 0)
        return options_mistake(&line, "-k is missing; usage: flashgmm fit %s", line.synopsis);
    /* the library reads 0 as its default; the least positive number means what 0 says */
    opt->tol = tol == 0 ? DBL_MIN : tol;
    opt->tol_relative = tol_relative == 0 ? DBL_MIN : tol_relative;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
