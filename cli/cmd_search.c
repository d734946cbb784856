/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_search.c - the nearest rows of queries, block by block. */
#include "command.h"
#include "ids.h"
#include "rows.h"
#include "sinks.h"
#include "stopwatch.h"
#include "words.h"

#include <math.h>   /* NAN */
#include <stdlib.h> /* free */
#include <string.h> /* memcpy */

typedef struct search_args {
    const char *index, *queries, *format, *output, *scores, *allow;
    bool mapped;
    fg_search_options opt;
} search_args;

typedef struct search_files {
    fg_sink *ids, *scores;
    fg_dtype id_dtype;
} search_files;

static fg_status open_files(session *s, const search_args *args, search_files *files)
{
    int32_t cols = args->opt.n;
    fg_status status = FG_OK;
    if (args->output) {
        status = sinks_dtype(s, args->output, SINK_NUMBERS, FG_I64, &files->id_dtype);
        if (status == FG_OK)
            status = fg_sink_file(args->output, NULL, cols, files->id_dtype, &files->ids);
    }
    if (status == FG_OK && args->scores)
        status = sinks_open(s, args->scores, SINK_REALS, cols, FG_F32, &files->scores);
    return status;
}

static void print_results(int64_t first, const fg_out *ids, const fg_out *scores)
{
    const int64_t *id = ids->data;
    const float *score = scores->data;
    for (int64_t i = 0; i < ids->rows; i++, id += ids->cols, score += ids->cols) {
        printf("%lld:", (long long)(first + i));
        for (int32_t j = 0; j < ids->cols && id[j] >= 0; j++)
            printf(" %lld:%.6g", (long long)id[j], (double)score[j]);
        putchar('\n');
    }
}

/* Files of 32 bits: narrowed in place, as each value moves to where it or an earlier one stood. */
static fg_status narrow(session *s, const char *path, const fg_out *ids, fg_view *out)
{
    char *bytes = ids->data;
    for (int64_t i = 0; i < ids->rows * ids->cols; i++) {
        int64_t wide;
        memcpy(&wide, bytes + i * (int64_t)sizeof wide, sizeof wide);
        if (wide > INT32_MAX)
            return session_fail(s, FG_ARGUMENT,
                                "%s: id %lld is above %d, the most it can hold; write .npy", path,
                                (long long)wide, INT32_MAX);
        int32_t narrowed = (int32_t)wide;
        memcpy(bytes + i * (int64_t)sizeof narrowed, &narrowed, sizeof narrowed);
    }
    out->dtype = FG_I32;
    return FG_OK;
}

static fg_status write_results(session *s, const search_args *args, const search_files *files,
                               const fg_out *ids, const fg_out *scores)
{
    fg_view id_view = rows_written(ids, ids->rows), score_view = rows_written(scores, ids->rows);
    fg_status status = FG_OK;
    if (files->ids && files->id_dtype == FG_I32) status = narrow(s, args->output, ids, &id_view);
    if (status == FG_OK && files->ids) status = fg_sink_write(files->ids, &id_view);
    if (status == FG_OK && files->scores) status = fg_sink_write(files->scores, &score_view);
    return status;
}

static fg_status search_blocks(session *s, const search_args *args, const fg_ivf *ivf,
                               fg_source *queries, const search_files *files,
                               fg_search_stats *total)
{
    blocks b;
    fg_out ids = {0}, scores = {0};
    fg_status status = blocks_open(s, queries, "search", 12 * (int64_t)args->opt.n, &b);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, args->opt.n, FG_I64, &ids);
    if (status == FG_OK) status = rows_alloc(s, b.capacity, args->opt.n, FG_F32, &scores);
    while (status == FG_OK && (status = blocks_next(&b)) == FG_OK && b.rows > 0) {
        fg_search_stats stats = {.struct_size = sizeof stats};
        ids.rows = scores.rows = b.rows;
        status = fg_ivf_search(s->ctx, ivf, &b.view, &args->opt, &ids, &scores, &stats);
        status = blocks_blame(&b, status);
        if (status != FG_OK) break;
        total->queries += stats.queries;
        total->entries += stats.entries;
        total->distances += stats.distances;
        total->centroids += stats.centroids;
        if (!args->output && !session_json_alone(s)) print_results(b.first, &ids, &scores);
        status = write_results(s, args, files, &ids, &scores);
    }
    free(ids.data);
    free(scores.data);
    blocks_close(&b);
    return status;
}

static void tell(session *s, const search_args *args, const fg_search_stats *total, double seconds)
{
    double queries = (double)total->queries;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "index", args->index);
    json_text(out, "queries_file", args->queries);
    json_text(out, "output", args->output);
    json_whole(out, "queries", total->queries);
    json_whole(out, "n", args->opt.n);
    json_whole(out, "probes", args->opt.probes);
    json_real(out, "recall_asked", args->opt.recall > 0 ? args->opt.recall : NAN);
    json_text(out, "order", words_at(WORDS_ORDER, args->opt.order).s);
    json_whole(out, "entries", total->entries);
    json_whole(out, "distances", total->distances);
    json_whole(out, "centroids", total->centroids);
    json_real(out, "seconds", seconds);
    json_real(out, "qps", queries / seconds);
    json_close(out, '}');
    if (!args->output) return;
    session_say(s, "written          %s: the %d nearest of %s quer%s", text_file_name(args->output),
                args->opt.n, text_count(total->queries).s, total->queries == 1 ? "y" : "ies");
    session_say(s, "cost a query     %.0f distances to rows, %.0f to centroids",
                (double)total->distances / queries, (double)total->centroids / queries);
    session_say(s, "time             %s, %s queries/s", text_seconds(seconds).s,
                text_rate(queries / seconds).s);
}

static fg_status run(session *s, search_args *args)
{
    fg_ivf *ivf = NULL;
    fg_source *queries = NULL;
    fg_source_info shape;
    search_files files = {0};
    fg_search_stats total = {0};
    uint64_t *allow = NULL;
    fg_status status = fg_ivf_load(args->index, args->mapped, &ivf);
    if (status == FG_OK) status = rows_open(args->queries, args->format, &queries, &shape);
    if (status == FG_OK && args->allow)
        status = ids_bitmap(s, args->allow, &allow, &args->opt.allow_bits);
    args->opt.allow = allow;
    if (status == FG_OK) status = open_files(s, args, &files);
    double began = stopwatch_seconds();
    if (status == FG_OK) {
        args->opt.struct_size = sizeof args->opt;
        status = search_blocks(s, args, ivf, queries, &files, &total);
    }
    double seconds = stopwatch_seconds() - began;
    status = sinks_end(files.ids, status);
    status = sinks_end(files.scores, status);
    if (status == FG_OK) tell(s, args, &total, seconds);
    free(allow);
    fg_source_destroy(queries);
    fg_ivf_destroy(ivf);
    return status;
}

int cmd_search(int argc, char **argv)
{
    search_args args = {.opt = {.n = 10}};
    fg_search_options *opt = &args.opt;
    const operand operands[] = {{"INDEX", "an index made by flashgmm index", &args.index},
                                {"QUERIES", "a file of rows to search for", &args.queries}};
    const option options[] = {
        {"n", 'n', "N", "results a query (default 10)", .i32 = &opt->n, AT_LEAST(1)},
        {"probes", 0, "P", "lists to look into (default 1)", .i32 = &opt->probes, AT_LEAST(1)},
        {"recall", 0, "R", "look into as much as this recall takes; flashgmm tune comes first",
         .f64 = &opt->recall, BETWEEN(0, 1)},
        {"order", 0, NULL, "which lists come first: by distance (default), or by responsibility",
         .choice = &opt->order, .words = WORDS_ORDER},
        {"allow", 0, "FILE", "find no other rows than those with these ids, .npy, .ivecs or .ibin",
         .text = &args.allow},
        {"output", 'o', "FILE",
         "write ids to .ivecs, .ibin or .npy (default: lines on standard output)",
         .text = &args.output},
        {"scores", 0, "FILE", "write scores to .fvecs, .fbin or .npy", .text = &args.scores},
        {"mapped", 0, NULL,
         "leave the index in its file: starts at once, but the codes' checksum is not "
         "verified",
         .flag = &args.mapped},
        {"format", 0, "NAME", "of QUERIES (default: by its suffix)", .text = &args.format}};
    const command_line line = {
        .command = "search",
        .summary = "find the nearest rows of queries in an index",
        .synopsis = "INDEX QUERIES [-n N] [--probes P | --recall R] [-o IDS.ivecs]",
        TABLES(operands, options),
        .notes = "Lines hold \"query: id:score id:score ...\", best first. "
                 "Scores are squared distances, inner\n"
                 "products or cosine similarities, as the index compares.",
        .example = "flashgmm search words.fgi queries.fvecs -n 10 --probes 8"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (opt->recall > 0 && opt->probes > 0)
        return options_mistake(&line, "--probes and --recall exclude each other");
    if (opt->recall == 0 && opt->probes == 0) opt->probes = 1;
    if (!args.output && !args.scores && session_json_alone(&s))
        return options_mistake(&line, "--json - leaves no place for the results; add -o FILE");
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
