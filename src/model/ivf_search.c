/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_search.c - ranks the lists, scans the best ones, keeps the n best rows. Knows lists and
 * kernels; knows no pass and no file.
 *
 * A worker takes a query through all its lists alone, nearest list first, or a batch of queries
 * together (ivf_batch.h). A query alone marks the lists it has visited; a segment of which another
 * list is marked has been scored there (ivf.h, the owner rule). Segments that are due and lie side
 * by side are scanned as one run. Results depend neither on the number of workers nor on the batch. */
#include "ivf_search.h"

#include "calibration.h"
#include "fit.h"
#include "ivf_batch.h"
#include "ivf_gather.h"
#include "ivf_group.h"

#include <stdatomic.h> /* atomic_llong */
#include <string.h>    /* memset */

enum {
    DEFAULT_RESULTS = 10,
    DEFAULT_STEEPNESS = 4, /* bench/results/study_probing.jsonl */
    FEW_PROBES = 8
};
enum {
    FIRST_ONE_IN = 8, /* rows are scanned by a first round, before everything is */
    LEAST_ONE_IN = 8  /* rows, where those that may be found are gathered: bounds the memory */
};

/* What gathering takes, in rows scanned by soft probing: half of what was measured, since one query may well take
 * twice as long if all others take next to nothing (bench/NOTES.md). */
#define ROWS_AN_ID      (1 / 24.0)
#define ROWS_A_GATHERED 3.0

typedef struct worker {
    fgi_queries own; /* the query, alone */
    float *query;    /* d: in `own` */
    float *keys;     /* of all lists */
    float *centred;  /* d: only for the order by posterior */
    fgi_hit *order;  /* probes */
    fgi_hit *hits;   /* n */
    bool *visited;   /* lists */
    fgi_order ranks; /* lists */
    int64_t entries;
    int64_t centroids; /* compared with */
    fgi_scan scan;
    fgi_nearest nearest; /* only where centroids are screened */
    fgi_walk walk;       /* only where centroids have a graph, and it pays */
    fgi_probe probe;     /* only for soft probing */
    fgi_batch batch;     /* only where several queries go together */
    fgi_group group;     /* the same, for soft probing */
} worker;

typedef struct searching {
    const fgi_kernels *kernels;
    const fg_ivf *ivf;
    const fg_view *queries;
    const fg_out *ids, *scores;
    fgi_allow allow;
    int32_t n, probes; /* n: results that there can be */
    bool posterior;
    bool screened;            /* most centroids are ruled out by scores */
    int32_t width;            /* of walks to the lists; 0: all are compared */
    int32_t together;         /* queries that go through the lists as one batch */
    const fgi_rules *soft;    /* NULL: a fixed number of probes */
    const fgi_list *gathered; /* all rows that may be found, where they are few; or NULL */
    float *zeros;             /* d: the centre of a query that is not centred */
    worker *workers;
    atomic_llong bad_query; /* the lowest number of one, or the number of queries */
} searching;

/* ------------------------------------------------------------------------------------ the query */

bool fgi_query_load(const fg_ivf *ivf, const fgi_kernels *kernels, const fg_view *queries,
                    int64_t number, const float *center, float *query)
{
    const fg_view one = fgi_view_rows(queries, number, 1);
    float norm2;
    const fgi_load_args load = {.rows = one.data,
                                .stride = one.cols,
                                .count = 1,
                                .d = one.cols,
                                .center = center,
                                .normalize = ivf->metric == FG_METRIC_COSINE,
                                .x = query,
                                .ldx = one.cols,
                                .norm2 = &norm2};
    kernels->load[queries->dtype](&load);
    return isfinite(norm2);
}

static void check_query(void *user, int64_t number, int32_t index)
{
    searching *s = user;
    if (fgi_query_load(s->ivf, s->kernels, s->queries, number, s->zeros, s->workers[index].query))
        return;
    long long lowest = atomic_load(&s->bad_query);
    while (number < lowest && !atomic_compare_exchange_weak(&s->bad_query, &lowest, number)) {
    }
}

/* ------------------------------------------------------------------------------------ the lists */

/* The best lists of all, by their keys: sorting more than these would take longer. */
static void pick_few(const searching *s, worker *w)
{
    fgi_hits_clear(w->order, s->probes);
    for (int32_t l = 0; l < fgi_ivf_lists(s->ivf); l++)
        if (w->keys[l] <= w->order[0].key)
            fgi_hits_push(w->order, s->probes, (fgi_hit){w->keys[l], l});
    fgi_hits_sort(w->order, s->probes);
}

static void compare_all(const searching *s, worker *w, int64_t number, const float *query)
{
    const fgi_coarse *coarse = &s->ivf->coarse;
    if (s->posterior) {
        fgi_query_load(s->ivf, s->kernels, s->queries, number, coarse->params.center, w->centred);
        fgi_coarse_posterior(coarse, s->kernels, w->centred, w->keys);
    } else if (s->ivf->metric == FG_METRIC_IP) {
        fgi_coarse_inner(coarse, s->kernels, query, w->keys);
    } else {
        fgi_coarse_distance(coarse, s->kernels, query, w->keys);
    }
    if (s->probes <= FEW_PROBES) {
        pick_few(s, w);
        return;
    }
    int64_t count = 0;
    for (int32_t l = 0; l < fgi_ivf_lists(s->ivf); l++) {
        w->ranks.pairs[count] = fgi_order_pair(w->keys[l], l);
        count += !isnan(w->keys[l]);
    }
    fgi_order_lowest(&w->ranks, count, s->probes);
    for (int32_t i = 0; i < s->probes; i++)
        w->order[i] = i < count ? (fgi_hit){fgi_order_key(w->ranks.pairs[i]),
                                            fgi_order_number(w->ranks.pairs[i])}
                                : (fgi_hit){INFINITY, INT64_MAX};
}

static int32_t count_lists(const searching *s, const worker *w)
{
    int32_t count = 0;
    while (count < s->probes && !fgi_hit_empty(w->order[count])) count++;
    return count;
}

/* Puts the lists to visit into order, best first; returns how many. The query is the worker's. */
static int32_t rank_lists(const searching *s, worker *w, int64_t number)
{
    if (s->width > 0) {
        fgi_walk_run(&w->walk, s->width, s->probes, w->order);
        return count_lists(s, w);
    }
    w->centroids += fgi_ivf_lists(s->ivf);
    if (s->screened) fgi_nearest_screen(&w->nearest, w->query, 1);
    if (!s->screened || !fgi_nearest_find(&w->nearest, 0, w->query, w->order))
        compare_all(s, w, number, w->query);
    return count_lists(s, w);
}

static bool scored_elsewhere(const worker *w, const fgi_list *list, const fgi_segment *segment)
{
    for (int32_t o = segment->others; o < segment[1].others; o++)
        if (w->visited[list->others[o]]) return true;
    return false;
}

static void scan_list(const searching *s, worker *w, int64_t number)
{
    const fgi_list *list = &s->ivf->lists[number];
    int64_t run = 0; /* where the run of segments that are due begins */
    for (int32_t i = 0; i < list->segment_count; i++) {
        const fgi_segment *segment = &list->segments[i];
        if (!scored_elsewhere(w, list, segment)) continue;
        fgi_scan_run(&w->scan, list, run, segment->begin);
        run = segment[1].begin;
    }
    fgi_scan_run(&w->scan, list, run, list->count);
    w->entries += list->count;
    w->visited[number] = true;
}

static void write_hits(const searching *s, const fgi_hit *hits, int64_t number)
{
    const fg_out *scores = s->scores;
    int64_t *ids = (int64_t *)s->ids->data + number * fgi_stride(s->ids->row_stride, s->ids->cols);
    for (int32_t i = 0; i < s->ids->cols; i++)
        ids[i] = i < s->n && !fgi_hit_empty(hits[i]) ? hits[i].id : -1;
    if (!scores) return;
    float *values = (float *)scores->data + number * fgi_stride(scores->row_stride, scores->cols);
    for (int32_t i = 0; i < scores->cols; i++)
        values[i] = fgi_score_of_key(s->ivf, i < s->n ? hits[i].key : INFINITY);
}

static void search_lists(const searching *s, worker *w, int32_t count)
{
    for (int32_t i = 0; i < count; i++) scan_list(s, w, w->order[i].id);
    for (int32_t i = 0; i < count; i++) w->visited[w->order[i].id] = false;
}

/* Rows that a first round may scan, looking for enough that may be found. */
static int64_t most_first(const searching *s)
{
    return s->allow.bits ? s->ivf->rows / FIRST_ONE_IN : INT64_MAX;
}

/* The first round, and the choice of the second; false if the query had better scan everything. */
static bool probe_softly(const searching *s, worker *w, int32_t count)
{
    fgi_probe *probe = &w->probe;
    probe->sqdist = w->keys;
    probe->lists = w->order;
    probe->list_count = count;
    probe->walk = s->width > 0 ? &w->walk : NULL;
    if (!fgi_probe_begin(probe, most_first(s), &w->scan)) return false;
    if (!s->allow.bits) probe->m = fgi_rules_m(s->soft, s->n);
    const struct fgi_rule_for here = fgi_rules_at(s->soft, probe->m);
    const int32_t lists = here.lists > probe->opened ? here.lists : probe->opened;
    if (lists < count) probe->list_count = lists;
    const fgi_probe_rule rule = {s->soft->steepness, here.theta};
    w->entries += fgi_probe_decide(probe, &rule, fgi_probe_radius2(&w->scan));
    return true;
}

/* What the filter leaves is found faster list by list than cell by cell, where little of it is near. */
static void search_everything(const searching *s, worker *w, int32_t count)
{
    fgi_hits_clear(w->scan.hits, s->n);
    search_lists(s, w, count);
}

static void search_softly(const searching *s, worker *w, int32_t count)
{
    if (probe_softly(s, w, count))
        fgi_probe_scan_second(&w->probe, &w->scan);
    else
        search_everything(s, w, count);
}

static void search_gathered(const searching *s, worker *w)
{
    fgi_scan_run(&w->scan, s->gathered, 0, s->gathered->count);
    w->entries += s->gathered->count;
}

static void search_one(void *user, int64_t number, int32_t index)
{
    const searching *s = user;
    worker *w = &s->workers[index];
    fgi_query_load(s->ivf, s->kernels, s->queries, number, s->zeros, w->query);
    fgi_queries_sketch(&w->own, 0);
    fgi_hits_clear(w->hits, s->n);
    if (s->gathered)
        search_gathered(s, w);
    else if (s->soft)
        search_softly(s, w, rank_lists(s, w, number));
    else
        search_lists(s, w, rank_lists(s, w, number));
    fgi_hits_sort(w->hits, s->n);
    write_hits(s, w->hits, number);
}

/* The lists of a batch's queries, some queries at a time. */
static void ask_screened(const searching *s, worker *w, int64_t first)
{
    fgi_batch *batch = &w->batch;
    for (int32_t begin = 0; begin < batch->count; begin += w->nearest.rows) {
        const int32_t left = batch->count - begin;
        const int32_t some = left < w->nearest.rows ? left : w->nearest.rows;
        fgi_nearest_screen(&w->nearest, fgi_queries_vector(&batch->queries, begin), some);
        for (int32_t i = 0; i < some; i++) {
            const float *query = fgi_queries_vector(&batch->queries, begin + i);
            if (!fgi_nearest_find(&w->nearest, i, query, w->order))
                compare_all(s, w, first + begin + i, query);
            fgi_batch_ask(batch, begin + i, w->order, count_lists(s, w));
        }
    }
    w->centroids += batch->count * (int64_t)fgi_ivf_lists(s->ivf);
}

static void search_together(void *user, int64_t number, int32_t index)
{
    const searching *s = user;
    worker *w = &s->workers[index];
    const int64_t first = number * s->together, left = s->queries->rows - first;
    const int32_t count = left < s->together ? (int32_t)left : s->together;
    fgi_batch_clear(&w->batch);
    for (int32_t q = 0; q < count; q++) {
        fgi_query_load(s->ivf, s->kernels, s->queries, first + q, s->zeros, w->query);
        fgi_batch_add(&w->batch, w->query);
        if (!s->screened) fgi_batch_ask(&w->batch, q, w->order, rank_lists(s, w, first + q));
    }
    if (s->screened) ask_screened(s, w, first);
    w->entries += fgi_batch_scan(&w->batch, &w->scan);
    for (int32_t q = 0; q < count; q++) {
        fgi_hit *hits = fgi_batch_hits(&w->batch, q);
        fgi_hits_sort(hits, s->n);
        write_hits(s, hits, first + q);
    }
}

static void search_group(void *user, int64_t number, int32_t index)
{
    const searching *s = user;
    worker *w = &s->workers[index];
    const int64_t first = number * s->together, left = s->queries->rows - first;
    const int32_t count = left < s->together ? (int32_t)left : s->together;
    w->group.count = 0;
    for (int32_t q = 0; q < count; q++) {
        fgi_query_load(s->ivf, s->kernels, s->queries, first + q, s->zeros, w->query);
        const int32_t lists = rank_lists(s, w, first + q);
        fgi_group_add(&w->group, w->query);
        fgi_scan_ask(&w->scan, &w->group.queries, q);
        w->scan.hits = fgi_group_hits(&w->group, q);
        if (probe_softly(s, w, lists))
            fgi_group_wish(&w->group, q, &w->probe, &w->scan);
        else
            search_everything(s, w, lists);
    }
    fgi_group_scan(&w->group, &w->scan);
    for (int32_t q = 0; q < count; q++) {
        fgi_hit *hits = fgi_group_hits(&w->group, q);
        fgi_hits_sort(hits, s->n);
        write_hits(s, hits, first + q);
    }
}

/* ------------------------------------------------------------------------------------------ all */

static fg_status create_worker(fgi_ledger *ledger, const searching *s, worker *w)
{
    const int32_t d = fgi_ivf_dims(s->ivf), lists = fgi_ivf_lists(s->ivf);
    FG_TRY(fgi_queries_create(ledger, 1, d, &w->own));
    w->query = fgi_queries_vector(&w->own, 0);
    const fgi_part parts[] = {{&w->keys, lists, sizeof *w->keys},
                              {&w->centred, s->posterior ? d : 0, sizeof *w->centred},
                              {&w->order, s->probes, sizeof *w->order},
                              {&w->hits, s->n, sizeof *w->hits},
                              {&w->visited, lists, sizeof *w->visited}};
    FG_TRY(fgi_alloc_parts(ledger, parts, 5));
    memset(w->visited, 0, (size_t)lists * sizeof *w->visited);
    FG_TRY(fgi_order_create(ledger, lists, &w->ranks));
    if (s->soft) FG_TRY(fgi_probe_create(ledger, s->ivf, s->kernels, s->n, s->probes, &w->probe));
    if (s->screened)
        FG_TRY(fgi_nearest_create(ledger, &s->ivf->coarse, &s->ivf->packed, s->probes,
                                  s->together == 1, &w->nearest));
    if (s->width > 0) {
        FG_TRY(fgi_walk_create(ledger, lists, s->width, &w->walk));
        w->walk.graph = &s->ivf->graph;
        w->walk.coarse = &s->ivf->coarse;
        w->walk.kernels = s->kernels;
        w->walk.query = w->query;
        w->walk.keys = w->keys;
    }
    if (s->together > 1 && s->soft)
        FG_TRY(fgi_group_create(ledger, s->ivf, s->together, s->n,
                                fgi_probe_room(s->ivf, s->probes), &w->group));
    if (s->together > 1 && !s->soft)
        FG_TRY(fgi_batch_create(ledger, s->ivf, s->together, s->n, &w->batch));
    w->scan = (fgi_scan){
        .kernels = s->kernels, .ivf = s->ivf, .allow = s->allow, .hits = w->hits, .n = s->n};
    fgi_scan_ask(&w->scan, &w->own, 0);
    return FG_OK;
}

static void destroy_workers(searching *s, int32_t count)
{
    for (int32_t i = 0; s->workers && i < count; i++) {
        fgi_queries_destroy(&s->workers[i].own);
        fgi_free(s->workers[i].keys);
        fgi_order_destroy(&s->workers[i].ranks);
        fgi_batch_destroy(&s->workers[i].batch);
        fgi_group_destroy(&s->workers[i].group);
        fgi_walk_destroy(&s->workers[i].walk);
        fgi_nearest_destroy(&s->workers[i].nearest);
        fgi_probe_destroy(&s->workers[i].probe);
    }
    fgi_free(s->workers);
    fgi_free(s->zeros);
}

static fg_status create_workers(fgi_ledger *ledger, searching *s, int32_t count)
{
    FG_TRY(fgi_alloc_zero(ledger, fgi_ivf_dims(s->ivf), sizeof *s->zeros, &s->zeros));
    FG_TRY(fgi_alloc_zero(ledger, count, sizeof *s->workers, &s->workers));
    for (int32_t i = 0; i < count; i++) FG_TRY(create_worker(ledger, s, &s->workers[i]));
    return FG_OK;
}

static void sum_stats(const searching *s, int32_t workers, fg_search_stats *out)
{
    *out = (fg_search_stats){.struct_size = sizeof *out, .queries = s->queries->rows};
    for (int32_t i = 0; i < workers; i++) {
        out->entries += s->workers[i].entries;
        out->centroids += s->workers[i].centroids + s->workers[i].walk.distances;
        out->distances += s->workers[i].scan.distances;
    }
}

/* What a target or a theta asks for becomes lists to look at. */
static fg_status resolve_soft(const fg_ivf *ivf, fg_search_options *o)
{
    if (o->recall == 0 && o->theta == 0) return FG_OK;
    if (o->recall != 0 && o->theta != 0)
        return fgi_fail(FG_ARGUMENT, "recall is %g and theta %g; one sets the other", o->recall,
                        o->theta);
    if (o->probes != 0)
        return fgi_fail(FG_ARGUMENT, "probes is %d beside a recall or theta; leave it 0",
                        o->probes);
    if (!(o->theta >= 0)) return fgi_fail(FG_ARGUMENT, "theta is %g; it must be above 0", o->theta);
    if (o->order != FG_PROBE_NEAREST)
        return fgi_fail(FG_ARGUMENT, "order is %d; a recall or theta needs %d (nearest)", o->order,
                        FG_PROBE_NEAREST);
    if (ivf->metric == FG_METRIC_IP)
        return fgi_fail(FG_UNSUPPORTED, "soft probing needs l2 or cosine; the index compares by "
                                        "inner product");
    o->probes = fgi_ivf_lists(ivf);
    if (o->recall == 0) return FG_OK;
    fgi_rules rules;
    FG_TRY(fgi_calibration_find(ivf, o->recall, &rules));
    /* how far a query must look under a filter, its first round will tell */
    if (!o->allow) o->probes = fgi_rules_at(&rules, fgi_rules_m(&rules, o->n)).lists;
    return FG_OK;
}

fg_status fgi_search_resolve(const fg_ivf *ivf, const fg_search_options *in, fg_search_options *out)
{
    fg_search_options o = *in;
    FG_TRY(fgi_check_range("n", o.n, 0, INT32_MAX));
    FG_TRY(fgi_check_range("probes", o.probes, 0, INT32_MAX));
    FG_TRY(fgi_check_range("order", o.order, FG_PROBE_NEAREST, FG_PROBE_POSTERIOR));
    FG_TRY(fgi_check_range("allow_bits", o.allow_bits, 0, o.allow ? INT64_MAX : 0));
    if (o.order == FG_PROBE_POSTERIOR && ivf->coarse.params.kind == FGI_HARD)
        return fgi_fail(FG_ARGUMENT, "order is %d (posterior); the index has centroids, no mixture",
                        o.order);
    if (o.n == 0) o.n = DEFAULT_RESULTS;
    FG_TRY(resolve_soft(ivf, &o));
    if (o.probes == 0) o.probes = 1;
    if (o.probes > fgi_ivf_lists(ivf)) o.probes = fgi_ivf_lists(ivf);
    *out = o;
    return FG_OK;
}

/* What soft probing goes by: a target's rules, or one theta for all. */
static fg_status find_rules(const fg_ivf *ivf, const fg_search_options *opt, fgi_rules *out)
{
    const fgi_calibration *c = &ivf->calibration;
    if (opt->recall > 0) return fgi_calibration_find(ivf, opt->recall, out);
    *out = (fgi_rules){.steepness = c->n > 0 ? c->steepness : DEFAULT_STEEPNESS,
                       .n = opt->n,
                       .count = 1,
                       .at = {{.theta = opt->theta, .lists = opt->probes}}};
    return FG_OK;
}

/* Few rows that may be found are gathered, and then all compared, where that takes less than looking for them. A matter
 * of the filter and of the rules alone: what a query finds does not depend on its company. */
static fg_status gather(fg_context *ctx, searching *s, fgi_list *out)
{
    const int64_t rows = s->ivf->rows, could = fgi_allow_count(s->ivf, &s->allow);
    const double m = (double)s->n * (double)rows / (double)(could > 0 ? could : 1);
    const double direct = ROWS_AN_ID * (double)rows + ROWS_A_GATHERED * (double)could;
    const bool hopeless = FGI_FIRST_ROWS * m > (double)most_first(s);
    if (could > rows / LEAST_ONE_IN) return FG_OK;
    if (!hopeless && direct > fgi_rules_at(s->soft, fgi_rules_m(s->soft, m)).cost) return FG_OK;
    FG_TRY(fgi_gather(&ctx->ledger, s->ivf, &s->allow, could, out));
    s->gathered = out;
    s->soft = NULL;
    s->width = 0;
    s->together = 1;
    return FG_OK;
}

static fg_status check_queries(fg_context *ctx, searching *s)
{
    const int64_t queries = s->queries->rows;
    atomic_init(&s->bad_query, queries);
    fgi_pool_each(ctx->pool, queries, check_query, s);
    const long long bad = atomic_load(&s->bad_query);
    if (bad == queries) return FG_OK;
    return fgi_fail(FG_NUMERIC, "query %lld holds NaN, infinity%s or a value too large for f32",
                    bad, s->ivf->metric == FG_METRIC_COSINE ? ", only zeros" : "");
}

static void search_all(fg_context *ctx, searching *s)
{
    const int64_t queries = s->queries->rows;
    if (s->together > 1)
        fgi_pool_each(ctx->pool, (queries + s->together - 1) / s->together,
                      s->soft ? search_group : search_together, s);
    else
        fgi_pool_each(ctx->pool, queries, search_one, s);
}

fg_status fgi_ivf_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         const fg_search_options *opt, const fg_out *ids, const fg_out *scores,
                         fg_search_stats *stats)
{
    const int32_t workers = queries->rows > 1 ? fgi_pool_threads(ctx->pool) : 1;
    const bool tuned = opt->recall > 0; /* and then for n results, of which the first are as good */
    const int32_t n = tuned && opt->n < ivf->calibration.n ? ivf->calibration.n : opt->n;
    fgi_rules soft;
    FG_TRY(find_rules(ivf, opt, &soft));
    searching s = {.kernels = ctx->kernels,
                   .ivf = ivf,
                   .queries = queries,
                   .ids = ids,
                   .scores = scores,
                   .allow = {opt->allow, opt->allow_bits},
                   .n = n < ivf->rows ? n : (int32_t)ivf->rows,
                   .probes = opt->probes,
                   .posterior = opt->order == FG_PROBE_POSTERIOR,
                   .soft = tuned || opt->theta > 0 ? &soft : NULL};
    fgi_list gathered = {0};
    if (s.n < 1) s.n = 1; /* an index without rows */
    if (!s.posterior) s.width = fgi_graph_effort_for(&ivf->graph, &ivf->coarse, s.probes).width;
    s.together = fgi_batch_room(ivf, s.n, queries->rows, workers);
    s.screened = !s.posterior && !s.soft && s.width == 0 &&
                 fgi_nearest_pays(&ivf->packed, s.kernels, s.probes, s.together == 1);
    fg_status status = tuned && opt->allow ? gather(ctx, &s, &gathered) : FG_OK;
    if (status == FG_OK) status = create_workers(&ctx->ledger, &s, workers);
    if (status == FG_OK) status = check_queries(ctx, &s);
    if (status == FG_OK) {
        search_all(ctx, &s);
        if (stats) sum_stats(&s, workers, stats);
    }
    destroy_workers(&s, workers);
    fgi_free(gathered.entries);
    return status;
}
