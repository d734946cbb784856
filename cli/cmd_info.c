/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_info.c - what a model, an index or a file of rows holds. */
#include "command.h"
#include "report.h"
#include "rows.h"
#include "words.h"

#include <stdlib.h> /* free, qsort */
#include <string.h> /* strcmp */

typedef struct subject {
    const char *path, *kind;
} subject;

/* Once the file has been read: a damaged one is told by its failure alone. */
static void begin(session *s, const subject *file)
{
    json_open(&s->json, NULL, '{');
    json_text(&s->json, "file", file->path);
    json_text(&s->json, "kind", file->kind);
    session_say(s, "file             %s (%s)", file->path, file->kind);
}

static int ascending(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int descending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

typedef struct mixture_summary {
    int64_t dead, floored;
    double largest, median, smallest; /* weights */
} mixture_summary;

static fg_status summarise_mixture(session *s, const fg_gmm *gmm, int32_t k, mixture_summary *out)
{
    fg_out weights = {0}, states = {0};
    fg_status status = rows_alloc(s, k, 1, FG_F64, &weights);
    if (status == FG_OK) status = rows_alloc(s, k, 1, FG_I32, &states);
    if (status == FG_OK) status = fg_gmm_get(gmm, &weights, NULL, NULL, &states);
    if (status == FG_OK) {
        double *weight = weights.data;
        const int32_t *state = states.data;
        *out = (mixture_summary){0};
        for (int32_t j = 0; j < k; j++) {
            out->dead += state[j] == FG_COMPONENT_DEAD;
            out->floored += state[j] == FG_COMPONENT_FLOORED;
        }
        qsort(weight, (size_t)k, sizeof *weight, descending);
        out->largest = weight[0];
        out->median = weight[k / 2];
        out->smallest = weight[k - 1];
    }
    free(weights.data);
    free(states.data);
    return status;
}

static void tell_mixture(session *s, const fg_gmm_info *info, const mixture_summary *m)
{
    json *out = &s->json;
    json_whole(out, "components", info->components);
    json_whole(out, "dims", info->dims);
    json_text(out, "covariance", words_at(WORDS_COVARIANCE, info->covariance).s);
    json_bool(out, "normalize", info->normalize != 0);
    json_whole(out, "parameters", info->parameters);
    json_whole(out, "rows", info->rows);
    json_whole(out, "iterations", info->iterations);
    json_text(out, "stop_reason", info->rows ? words_at(WORDS_STOP, info->stop_reason).s : NULL);
    json_real(out, "log_likelihood", info->log_likelihood);
    json_whole(out, "dead", m->dead);
    json_whole(out, "floored", m->floored);

    session_say(s, "mixture          %s %s of %d dimensions%s", text_count(info->components).s,
                words_at(WORDS_COVARIANCE, info->covariance).s, info->dims,
                info->normalize ? ", of rows scaled to length 1" : "");
    session_say(s, "parameters       %s", text_count(info->parameters).s);
    if (info->rows)
        session_say(s, "fitted to        %s in %s; %s", text_plural(info->rows, "row").s,
                    text_plural(info->iterations, "iteration").s,
                    report_stop_clause(info->stop_reason));
    else
        session_say(s, "fitted to        nothing: made from given parameters");
    if (info->rows) session_say(s, "log-likelihood   %.6g nats a row", info->log_likelihood);
    session_say(s, "weights          %.3g largest, %.3g median, %.3g smallest", m->largest,
                m->median, m->smallest);
    if (m->dead)
        session_say(s, "dead             %s without rows", text_plural(m->dead, "component").s);
    if (m->floored)
        session_say(s, "floored          %s with the variance at its floor",
                    text_plural(m->floored, "component").s);
}

static fg_status info_mixture(session *s, const subject *file)
{
    fg_gmm *gmm = NULL;
    fg_gmm_info info = {.struct_size = sizeof info};
    mixture_summary summary;
    fg_status status = fg_gmm_load(file->path, 1, &gmm);
    if (status == FG_OK) status = fg_gmm_get_info(gmm, &info);
    if (status == FG_OK) status = summarise_mixture(s, gmm, info.components, &summary);
    if (status == FG_OK) {
        begin(s, file);
        tell_mixture(s, &info, &summary);
    }
    fg_gmm_destroy(gmm);
    return status;
}

/* sizes: sorted */
static void tell_index(session *s, const fg_ivf_info *info, const int64_t *sizes)
{
    int64_t smallest = sizes[0], median = sizes[info->lists / 2], largest = sizes[info->lists - 1];
    double copies = info->rows ? (double)info->entries / (double)info->rows : 0;
    json *out = &s->json;
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
    json_bool(out, "strict", info->strict != 0);
    json_whole(out, "tuned_n", info->tuned_n);
    json_whole(out, "tuned_queries", info->tuned_queries);
    json_real(out, "tuned_recall", info->tuned_recall);
    json_whole(out, "bytes", (int64_t)info->bytes);
    json_whole(out, "graph_edges", info->graph_edges);
    json_whole(out, "list_smallest", smallest);
    json_whole(out, "list_median", median);
    json_whole(out, "list_largest", largest);

    session_say(s, "index            %s of %d dimensions, %s, compared by %s",
                text_plural(info->rows, "row").s, info->dims, fg_dtype_text((fg_dtype)info->dtype),
                words_at(WORDS_METRIC, info->metric).s);
    session_say(s, "lists            %s, found by %s", text_count(info->lists).s,
                info->coarse == FG_COARSE_GMM ? "a mixture" : "k-means");
    if (info->graph_edges)
        session_say(s, "graph            %s between centroids",
                    text_plural(info->graph_edges / 2, "edge").s);
    session_say(s, "stored in        %s", report_rule(info).s);
    if (info->tuned_n)
        session_say(s, "tuned            for %d results a query, recall up to %.4g, on %s",
                    info->tuned_n, info->tuned_recall,
                    text_plural(info->tuned_queries, "sample").s);
    session_say(s, "copies a row     %.3f (%s entries)", copies, text_count(info->entries).s);
    session_say(s, "list sizes       %s smallest, %s median, %s largest", text_count(smallest).s,
                text_count(median).s, text_count(largest).s);
    session_say(s, "memory           %s", text_bytes(info->bytes).s);
}

static fg_status info_index(session *s, const subject *file)
{
    fg_ivf *ivf = NULL;
    fg_ivf_info info = {.struct_size = sizeof info};
    fg_out sizes = {0};
    fg_status status = fg_ivf_load(file->path, 1, &ivf);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &info);
    if (status == FG_OK) status = rows_alloc(s, info.lists, 1, FG_I64, &sizes);
    if (status == FG_OK) status = fg_ivf_get_lists(ivf, &sizes, NULL);
    if (status == FG_OK) {
        qsort(sizes.data, (size_t)info.lists, sizeof(int64_t), ascending);
        begin(s, file);
        tell_index(s, &info, sizes.data);
    }
    free(sizes.data);
    fg_ivf_destroy(ivf);
    return status;
}

static fg_status info_rows(session *s, const subject *file)
{
    fg_source *source = NULL;
    fg_source_info info;
    fg_status status = rows_open(file->path, file->kind, &source, &info);
    if (status != FG_OK) return status;
    fg_source_destroy(source);
    begin(s, file);
    size_t row_bytes = (size_t)info.cols * fg_dtype_bytes((fg_dtype)info.dtype);
    json *out = &s->json;
    json_whole(out, "rows", info.rows);
    json_whole(out, "dims", info.cols);
    json_text(out, "dtype", fg_dtype_text((fg_dtype)info.dtype));
    session_say(s, "rows             %s", text_count(info.rows).s);
    session_say(s, "dimensions       %d", info.cols);
    session_say(s, "type             %s, %s a row", fg_dtype_text((fg_dtype)info.dtype),
                text_bytes(row_bytes).s);
    return FG_OK;
}

static fg_status info_devices(session *s)
{
    json_open(&s->json, NULL, '{');
    json_open(&s->json, "devices", '[');
    fg_status status = FG_OK;
    for (int32_t i = 0; i < fg_device_count() && status == FG_OK; i++) {
        fg_device device = {.struct_size = sizeof device};
        status = fg_device_get(i, &device);
        if (status != FG_OK) break;
        char where[16] = "cpu";
        if (device.backend == FG_BACKEND_CUDA)
            snprintf(where, sizeof where, "cuda:%d", device.index);
        session_say(s, "%-9s %s, %s, %s free of %s", where, device.name, device.isa,
                    text_bytes(device.bytes_free).s, text_bytes(device.bytes_total).s);
        json_open(&s->json, NULL, '{');
        json_text(&s->json, "device", where);
        json_text(&s->json, "name", device.name);
        json_text(&s->json, "isa", device.isa);
        json_whole(&s->json, "bytes_total", (int64_t)device.bytes_total);
        json_whole(&s->json, "bytes_free", (int64_t)device.bytes_free);
        json_close(&s->json, '}');
    }
    json_close(&s->json, ']');
    json_close(&s->json, '}');
    return status;
}

static fg_status run(session *s, const char *path, const char *format)
{
    const char *kind = format;
    fg_status status = format ? FG_OK : fg_file_kind(path, &kind);
    /* a damaged file of our own: its loader knows more about the damage than its name tells */
    if (status != FG_OK && text_ends_in(path, ".fgm"))
        return info_mixture(s, &(subject){path, "fgm"});
    if (status != FG_OK && text_ends_in(path, ".fgi"))
        return info_index(s, &(subject){path, "fgi"});
    if (status != FG_OK) return status;
    const subject file = {path, kind};
    if (!strcmp(kind, "fgm"))
        status = info_mixture(s, &file);
    else if (!strcmp(kind, "fgi"))
        status = info_index(s, &file);
    else
        status = info_rows(s, &file);
    if (status == FG_OK) json_close(&s->json, '}');
    return status;
}

int cmd_info(int argc, char **argv)
{
    const char *path = NULL, *format = NULL;
    bool devices = false;
    const operand operands[] = {
        {"FILE", "a model, an index, or a file of rows", &path, .optional = true}};
    const option options[] = {
        {"devices", 0, NULL, "list the places to compute instead: --device takes their names",
         .flag = &devices},
        {"format", 0, "NAME", "of the file (default: its kind is recognised)", .text = &format}};
    const command_line line = {.command = "info",
                               .summary = "what a model, an index or a file of rows holds",
                               .synopsis = "FILE | --devices",
                               TABLES(operands, options),
                               .example = "flashgmm info words.fgm"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (!path == !devices)
        return options_mistake(&line, "either FILE or --devices is needed; usage: flashgmm info %s",
                               line.synopsis);
    fg_status status = session_open(&s);
    if (status == FG_OK) status = devices ? info_devices(&s) : run(&s, path, format);
    return session_close(&s, status);
}
