/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_index.c - builds a search index over the rows of a file. */
#include "command.h"
#include "ids.h"
#include "report.h"
#include "rows.h"
#include "stopwatch.h"
#include "words.h"

#include <stdlib.h> /* free */

typedef struct index_args {
    const char *data, *format, *output, *model, *centroids, *ids;
    double tau, margin, ratio, lambda, factor;
    bool strict, shared, spherical;
    fg_ivf_options opt;
} index_args;

static void tell(session *s, const index_args *args, const fg_ivf_info *info,
                 const fg_fit_report *report)
{
    double copies = (double)info->entries / (double)info->rows;
    double seconds = stopwatch_seconds() - s->began;
    bool trained = !args->model && !args->centroids;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "data", args->data);
    json_text(out, "output", args->output);
    json_whole(out, "rows", info->rows);
    json_whole(out, "entries", info->entries);
    json_real(out, "copies", copies);
    json_whole(out, "dims", info->dims);
    json_text(out, "dtype", fg_dtype_text((fg_dtype)info->dtype));
    json_whole(out, "lists", info->lists);
    json_text(out, "metric", words_at(WORDS_METRIC, info->metric).s);
    json_text(out, "coarse", words_at(WORDS_COARSE, info->coarse).s);
    json_text(out, "assign", words_at(WORDS_ASSIGN, info->assign).s);
    json_real(out, "threshold", info->threshold);
    json_whole(out, "max_lists", info->max_lists);
    json_whole(out, "bytes", (int64_t)info->bytes);
    json_whole(out, "training_iterations", report->iterations);
    json_real(out, "training_seconds", report->seconds);
    json_real(out, "seconds", seconds);
    json_close(out, '}');

    session_say(s, "index            %s: %s of %d dimensions in %s lists",
                text_file_name(args->output), text_plural(info->rows, "row").s, info->dims,
                text_count(info->lists).s);
    session_say(s, "stored in        %s: %.3f copies a row", report_rule(info).s, copies);
    session_say(s, "memory           %s", text_bytes(info->bytes).s);
    session_say(s, "time             %s, of it training %s", text_seconds(seconds).s,
                trained ? text_seconds(report->seconds).s : "none");
    session_say(s, "next: flashgmm eval %s QUERIES", args->output);
}

static fg_status run(session *s, index_args *args)
{
    fg_ivf_options *opt = &args->opt;
    fg_source *data = NULL;
    fg_source_info shape;
    fg_gmm *model = NULL;
    fg_view centroids = {0};
    int64_t *ids = NULL;
    fg_ivf *ivf = NULL;
    fg_ivf_info info = {.struct_size = sizeof info};
    fg_fit_report report = {.struct_size = sizeof report};
    fg_status status = rows_open(args->data, args->format, &data, &shape);
    if (status == FG_OK && args->model) status = fg_gmm_load(args->model, 0, &model);
    if (status == FG_OK && args->centroids)
        status = rows_load(s, args->centroids, NULL, &centroids);
    if (status == FG_OK && args->ids) status = ids_load(s, args->ids, shape.rows, &ids, NULL);
    if (status == FG_OK) {
        opt->struct_size = sizeof *opt;
        opt->model = model;
        opt->centroids = args->centroids ? &centroids : NULL;
        opt->ids = ids;
        opt->progress = progress_report;
        opt->user = &s->progress;
        status = fg_ivf_build(s->ctx, data, opt, &ivf, &report);
    }
    if (status == FG_OK) status = fg_ivf_save(ivf, args->output);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &info);
    if (status == FG_OK) tell(s, args, &info, &report);
    fg_ivf_destroy(ivf);
    free(ids);
    rows_free(&centroids);
    fg_gmm_destroy(model);
    fg_source_destroy(data);
    return status;
}

/* What the table of options cannot say: which options go together. */
static int check(const command_line *line, index_args *args)
{
    fg_ivf_options *opt = &args->opt;
    if (args->model && args->centroids)
        return options_mistake(line, "--model and --centroids exclude each other");
    if (!opt->lists && !args->model && !args->centroids)
        return options_mistake(line, "-k is missing; usage: flashgmm index %s", line->synopsis);
    const bool directed = opt->assign == FG_ASSIGN_RAIR || opt->assign == FG_ASSIGN_SOAR;
    const struct threshold {
        const char *name, *rule;
        double value;
        bool used;
    } thresholds[] = {
        {"tau", "posterior", args->tau, opt->assign == FG_ASSIGN_POSTERIOR},
        {"margin", "margin", args->margin, opt->assign == FG_ASSIGN_MARGIN},
        {"ratio", "ratio", args->ratio, opt->assign == FG_ASSIGN_RATIO},
        {"lambda", "rair or soar", args->lambda, directed},
        {"factor", "rng", args->factor, opt->assign == FG_ASSIGN_RNG},
    };
    bool free = false; /* the rule has a threshold */
    for (int i = 0; i < COUNT_OF(thresholds); i++) {
        const struct threshold *t = &thresholds[i];
        if (t->value > 0 && !t->used)
            return options_mistake(line, "--%s is of no use without --assign %s", t->name, t->rule);
        if (t->value > 0 && opt->copies > 0)
            return options_mistake(line, "--copies finds the threshold; leave out --%s", t->name);
        if (t->used) opt->threshold = t->value;
        free = free || t->used;
    }
    if (opt->copies > 0 && !free)
        return options_mistake(line, "--copies needs a rule with a threshold, not --assign %s",
                               words_at(WORDS_ASSIGN, opt->assign).s);
    if (opt->assign == FG_ASSIGN_MARGIN && !(args->margin > 0) && !(opt->copies > 0))
        return options_mistake(line, "--assign margin needs --margin or --copies");
    if (opt->assign == FG_ASSIGN_RATIO && !(args->ratio > 0) && !(opt->copies > 0))
        return options_mistake(line, "--assign ratio needs --ratio or --copies");
    if (args->strict && !directed)
        return options_mistake(line, "--strict is of no use without --assign rair or soar");
    opt->strict = args->strict;
    opt->shared_variance = args->shared;
    opt->spherical = args->spherical;
    /* responsibilities take a mixture */
    if (opt->coarse < 0)
        opt->coarse = opt->assign == FG_ASSIGN_POSTERIOR ? FG_COARSE_GMM : FG_COARSE_KMEANS;
    return OPTIONS_READ;
}

int cmd_index(int argc, char **argv)
{
    index_args args = {.opt = {.coarse = -1, .covariance = FG_COV_SPHERICAL}};
    fg_ivf_options *opt = &args.opt;
    const operand operands[] = {
        {"DATA", "a file of rows; they are stored in their own type", &args.data}};
    const option options[] = {
        {"k", 'k', "K", "number of lists; needed unless --model or --centroids is given",
         .i32 = &opt->lists, AT_LEAST(1)},
        {"output", 'o', "INDEX.fgi", "where the index goes", .text = &args.output,
         .required = true},
        {"metric", 0, NULL,
         "how rows are compared: squared distance (l2, the default), inner product or cosine",
         .choice = &opt->metric, .words = WORDS_METRIC},
        {"coarse", 0, NULL,
         "what is trained to make the lists (default kmeans; gmm for --assign posterior)",
         .choice = &opt->coarse, .words = WORDS_COARSE},
        {"model", 0, "MODEL.fgm", "a mixture whose components are the lists, instead of training",
         .text = &args.model},
        {"centroids", 0, "FILE", "centroids of the lists, instead of training",
         .text = &args.centroids},
        {"assign", 0, NULL,
         "the lists a row is stored in: one (default), or some more, by one of the rules below",
         .choice = &opt->assign, .words = WORDS_ASSIGN},
        {"tau", 0, "T", "posterior: least responsibility (default 1/K)", .f64 = &args.tau,
         BETWEEN(0, 1)},
        {"margin", 0, "M", "margin: squared distance beyond the nearest list's",
         .f64 = &args.margin, ABOVE(0)},
        {"ratio", 0, "T", "ratio: distance at most T times the nearest list's", .f64 = &args.ratio,
         AT_LEAST(1)},
        {"lambda", 0, "L", "rair (default 0.75), soar (default 1): weight of the direction",
         .f64 = &args.lambda, ABOVE(0)},
        {"factor", 0, "F", "rng: the larger, the more lists (default 1)", .f64 = &args.factor,
         ABOVE(0)},
        {"strict", 0, NULL, "rair, soar: always --max-lists lists", .flag = &args.strict},
        {"temperature", 0, "T", "softens (above 1) or sharpens a mixture's responsibilities",
         .f64 = &opt->temperature, WITHIN(1e-6, 1e6)},
        {"copies", 0, "R", "storage budget: mean copies a row; finds the threshold",
         .f64 = &opt->copies, WITHIN(1, 64)},
        {"max-lists", 0, "M",
         "lists a row is stored in at most (default 8; nearest, rair, soar: 2)",
         .i32 = &opt->max_lists, WITHIN(1, 64)},
        {"covariance", 0, NULL, "of a trained mixture (default spherical)",
         .choice = &opt->covariance, .words = WORDS_COVARIANCE},
        {"graph", 0, NULL,
         "find lists along a graph of the centroids (default auto: above 16384 lists)",
         .choice = &opt->graph, .words = WORDS_GRAPH},
        {"shared-variance", 0, NULL, "of a trained mixture: one variance for all components",
         .flag = &args.shared},
        {"spherical", 0, NULL, "with --metric cosine: trained centroids have length 1",
         .flag = &args.spherical},
        {"kmeans-iter", 0, "N", "Lloyd iterations (default 25; before EM 10)",
         .i32 = &opt->kmeans_iter, AT_LEAST(1)},
        {"em-iter", 0, "N", "EM iterations of a trained mixture (default 90)", .i32 = &opt->em_iter,
         AT_LEAST(1)},
        {"sample", 0, "ROWS", "random rows to train on (default 256 a list)",
         .i64 = &opt->sample_rows, AT_LEAST(1)},
        {"seed", 0, "S", "of the random choices (default 0)", .u64 = &opt->seed},
        {"ids", 0, "FILE", "an id for every row, .npy, .ivecs or .ibin (default 0, 1, 2, ...)",
         .text = &args.ids},
        {"format", 0, "NAME", "of DATA (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "index",
        .summary = "build a search index over the rows of a file",
        .synopsis = "DATA -k K -o INDEX.fgi [options]",
        TABLES(operands, options),
        .notes =
            "Rules: nearest (the --max-lists nearest), margin and ratio (about as near as the "
            "nearest), "
            "posterior\n(responsibility above --tau, as in Flash-GMM), rair and soar (another "
            "direction than the nearest, as in\nRAIRS and SOAR), rng (not hidden by a chosen list, "
            "as in SPANN).",
        .example =
            "flashgmm index words.fvecs -k 256 -o words.fgi --metric cosine --assign posterior "
            "--copies 1.5"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code == OPTIONS_READ) code = check(&line, &args);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
