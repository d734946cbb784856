/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_search.c - ranks the lists, scans the best ones, keeps the n best rows. Knows lists and
 * kernels; knows no pass and no file.
 *
 * A worker takes a query through all its lists alone, nearest list first, or a batch of queries
 * together (ivf_batch.h). A query alone marks the lists it has visited; a segment of which another
 * list is marked has been scored there (ivf.h, the owner rule). Segments that are due and lie side
 * by side are scanned as one run. Results depend neither on the number of workers nor on the batch. */
#include "ivf_search.h"

#include "fit.h"
#include "ivf_batch.h"
#include "ivf_group.h"
#include "tune.h"

#include <stdatomic.h> /* atomic_llong */

enum {
    DEFAULT_RESULTS = 10,
    DEFAULT_STEEPNESS = 4, /* bench/results/study_probing.jsonl */
    FEW_PROBES = 8
};

typedef struct worker {
    fgi_queries own;        /* the query, alone */
    float *query, *centred; /* d each: in `own`; only for the order by posterior */
    float *keys;            /* of all lists */
    fgi_hit *order;         /* probes */
    fgi_hit *hits;          /* n */
    bool *visited;          /* lists */
    fgi_order ranks;        /* lists */
    int64_t entries;
    int64_t centroids; /* compared with */
    fgi_scan scan;
    fgi_walk walk;   /* only where centroids have a graph, and it pays */
    fgi_probe probe; /* only for soft probing */
    fgi_batch batch; /* only where several queries go together */
    fgi_group group; /* the same, for soft probing */
} worker;

typedef struct searching {
    const fgi_kernels *kernels;
    const fg_ivf *ivf;
    const fg_view *queries;
    const fg_out *ids, *scores;
    fgi_allow allow;
    int32_t n, probes; /* n: results that there can be */
    bool posterior;
    int32_t width;              /* of walks to the lists; 0: all are compared */
    int32_t together;           /* queries that go through the lists as one batch */
    const fgi_probe_rule *soft; /* NULL: a fixed number of probes */
    float *zeros;               /* d: the centre of a query that is not centred */
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

static void compare_all(const searching *s, worker *w, int64_t number)
{
    const fgi_coarse *coarse = &s->ivf->coarse;
    w->centroids += fgi_ivf_lists(s->ivf);
    if (s->posterior) {
        fgi_query_load(s->ivf, s->kernels, s->queries, number, coarse->params.center, w->centred);
        fgi_coarse_posterior(coarse, s->kernels, w->centred, w->keys);
    } else if (s->ivf->metric == FG_METRIC_IP) {
        fgi_coarse_inner(coarse, s->kernels, w->query, w->keys);
    } else {
        fgi_coarse_distance(coarse, s->kernels, w->query, w->keys);
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

/* Puts the lists to visit into order, best first; returns how many. */
static int32_t rank_lists(const searching *s, worker *w, int64_t number)
{
    if (s->width > 0)
        fgi_walk_run(&w->walk, s->width, s->probes, w->order);
    else
        compare_all(s, w, number);
    int32_t count = 0;
    while (count < s->probes && !fgi_hit_empty(w->order[count])) count++;
    return count;
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

/* The first round, and the choice of the second. */
static void probe_softly(const searching *s, worker *w, int32_t count)
{
    fgi_probe *probe = &w->probe;
    probe->sqdist = w->keys;
    probe->lists = w->order;
    probe->list_count = count;
    probe->walk = s->width > 0 ? &w->walk : NULL;
    fgi_probe_open(probe);
    fgi_probe_scan_first(probe, &w->scan);
    w->entries += fgi_probe_decide(probe, s->soft, fgi_probe_radius2(&w->scan));
}

static void search_softly(const searching *s, worker *w, int32_t count)
{
    probe_softly(s, w, count);
    fgi_probe_scan_second(&w->probe, &w->scan);
}

static void search_one(void *user, int64_t number, int32_t index)
{
    const searching *s = user;
    worker *w = &s->workers[index];
    fgi_query_load(s->ivf, s->kernels, s->queries, number, s->zeros, w->query);
    fgi_queries_sketch(&w->own, 0);
    const int32_t count = rank_lists(s, w, number);
    fgi_hits_clear(w->hits, s->n);
    if (s->soft)
        search_softly(s, w, count);
    else
        search_lists(s, w, count);
    fgi_hits_sort(w->hits, s->n);
    write_hits(s, w->hits, number);
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
        const int32_t lists = rank_lists(s, w, first + q);
        fgi_batch_add(&w->batch, w->query, w->order, lists);
    }
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
        probe_softly(s, w, lists);
        fgi_group_wish(&w->group, q, &w->probe, &w->scan);
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
    if (s->posterior) FG_TRY(fgi_alloc(ledger, d, sizeof *w->centred, &w->centred));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->keys, &w->keys));
    FG_TRY(fgi_order_create(ledger, lists, &w->ranks));
    FG_TRY(fgi_alloc(ledger, s->probes, sizeof *w->order, &w->order));
    FG_TRY(fgi_alloc(ledger, s->n, sizeof *w->hits, &w->hits));
    if (s->soft) FG_TRY(fgi_probe_create(ledger, s->ivf, s->kernels, s->n, s->probes, &w->probe));
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
    return fgi_alloc_zero(ledger, lists, sizeof *w->visited, &w->visited);
}

static void destroy_workers(searching *s, int32_t count)
{
    for (int32_t i = 0; s->workers && i < count; i++) {
        fgi_queries_destroy(&s->workers[i].own);
        fgi_free(s->workers[i].centred);
        fgi_free(s->workers[i].keys);
        fgi_free(s->workers[i].order);
        fgi_free(s->workers[i].hits);
        fgi_free(s->workers[i].visited);
        fgi_order_destroy(&s->workers[i].ranks);
        fgi_batch_destroy(&s->workers[i].batch);
        fgi_group_destroy(&s->workers[i].group);
        fgi_walk_destroy(&s->workers[i].walk);
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

/* What a target asks for becomes a theta, and the lists to look at. */
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
    if (o->recall != 0) FG_TRY(fgi_calibration_find(ivf, o->recall, o->n, &o->theta, &o->probes));
    o->recall = 0;
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

fg_status fgi_ivf_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                         const fg_search_options *opt, const fg_out *ids, const fg_out *scores,
                         fg_search_stats *stats)
{
    const fgi_probe_rule soft = {.steepness = ivf->calibration.n > 0 ? ivf->calibration.steepness
                                                                     : DEFAULT_STEEPNESS,
                                 .theta = opt->theta};
    const int32_t workers = queries->rows > 1 ? fgi_pool_threads(ctx->pool) : 1;
    searching s = {.kernels = ctx->kernels,
                   .ivf = ivf,
                   .queries = queries,
                   .ids = ids,
                   .scores = scores,
                   .allow = {opt->allow, opt->allow_bits},
                   .n = opt->n < ivf->rows ? opt->n : (int32_t)ivf->rows,
                   .probes = opt->probes,
                   .posterior = opt->order == FG_PROBE_POSTERIOR,
                   .soft = opt->theta > 0 ? &soft : NULL};
    if (s.n < 1) s.n = 1; /* an index without rows */
    if (!s.posterior) s.width = fgi_graph_effort_for(&ivf->graph, &ivf->coarse, s.probes).width;
    s.together = fgi_batch_room(ivf, s.n, queries->rows, workers);
    atomic_init(&s.bad_query, queries->rows);
    fg_status status = create_workers(&ctx->ledger, &s, workers);
    if (status == FG_OK) {
        fgi_pool_each(ctx->pool, queries->rows, check_query, &s);
        const long long bad = atomic_load(&s.bad_query);
        if (bad < queries->rows)
            status = fgi_fail(FG_NUMERIC,
                              "query %lld holds NaN, infinity%s or a value too large for f32", bad,
                              ivf->metric == FG_METRIC_COSINE ? ", only zeros" : "");
    }
    if (status == FG_OK) {
        if (s.together > 1)
            fgi_pool_each(ctx->pool, (queries->rows + s.together - 1) / s.together,
                          s.soft ? search_group : search_together, &s);
        else
            fgi_pool_each(ctx->pool, queries->rows, search_one, &s);
        if (stats) sum_stats(&s, workers, stats);
    }
    destroy_workers(&s, workers);
    return status;
}
