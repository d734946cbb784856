/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c - tries every probing rule on sample queries, and keeps the cheapest. Knows probes; knows
 * no file.
 *
 * Each query walks through every cell of every list. Under a steepness, a cell is scanned if and only if
 * its score (probe.h) is at most theta. So a true result is found from the theta on that is its
 * cell's score, and the cell's rows cost from there on too. Sums over the queries of a fold, at the thetas
 * of a grid, tell recall and cost of any rule on it; between two of them they are interpolated. All
 * sums are of integers: they do not depend on the threads.
 *
 * Later a query looks only at the lists up to a rank, beyond which hardly any true result lay. */
#include "tune.h"

#include "fit.h"
#include "ivf_search.h"
#include "probe.h"
#include "random.h"

#include <math.h>   /* ceil, fmax, fmin, sqrt */
#include <string.h> /* memcpy, memset */

enum { DEFAULT_RESULTS = 10, DEFAULT_SAMPLE = 1000, LEAST_QUERIES = 20 };
enum { FOLDS = 4, STEPS = 1024, STEEPNESSES = 9, BLOCK_QUERIES = 64 };
enum { LEAST_MISSES = 5 /* what a recall leaves unfound in the sample, to be measurable */ };
#define STEP_SIZE 0.04

static const double steepnesses[STEEPNESSES] = {0, 1, 2, 3, 4, 6, 8, 12, 20};

/* What is found and scanned at a step and not before; after summing up, also before. */
typedef struct counts {
    int64_t found, entries;
} counts;

typedef struct fold {
    int64_t queries;
    counts at[STEEPNESSES][STEPS + 1]; /* the last one: beyond the grid */
} fold;

/* One cell of a walk, with what was known before it was scanned. */
typedef struct visit {
    fgi_stop stop;
    int64_t entries;
    double effort, margin;
} visit;

typedef struct walker {
    float *query, *sqdist;
    fgi_hit *order, *hits;
    uint64_t *queue;
    int32_t *first;
    visit *visits;
    int32_t *useful; /* visits that changed the hits */
    bool *visited;
    int32_t *rank;   /* of every list */
    int64_t *needed; /* of every rank: true results whose list has it */
    fold *folds;     /* FOLDS */
} walker;

typedef struct tuning {
    fg_context *ctx;
    const fg_ivf *ivf;
    const fg_view *queries;
    int64_t first;      /* of the block of queries at hand */
    const int64_t *own; /* each query's own id among the rows; NULL: none */
    int32_t n, workers;
    float *zeros;
    walker *walkers;
    int32_t *steps; /* queries x STEEPNESSES x n: from which step on a true result is found */
    fold *folds;    /* FOLDS sums, then their total */
} tuning;

/* ------------------------------------------------------------------------------------ one query */

static int32_t step_of(double score)
{
    const double step = ceil(score / STEP_SIZE);
    return step < STEPS ? (int32_t)step : STEPS;
}

static void rank_lists(const tuning *t, walker *w)
{
    const int32_t lists = fgi_ivf_lists(t->ivf);
    fgi_coarse_distance(&t->ivf->coarse, t->ctx->kernels, w->query, w->sqdist);
    for (int32_t l = 0; l < lists; l++) w->order[l] = (fgi_hit){INFINITY, INT64_MAX};
    for (int32_t l = 0; l < lists; l++) fgi_hits_push(w->order, lists, (fgi_hit){w->sqdist[l], l});
    fgi_hits_sort(w->order, lists);
    for (int32_t l = 0; l < lists; l++) w->rank[w->order[l].id] = l;
}

/* Scans everything; returns the number of visits and, of them, the useful ones. */
static int32_t walk(const tuning *t, walker *w, fgi_probe *probe, int32_t *useful)
{
    fgi_scan scan = {.kernels = t->ctx->kernels,
                     .ivf = t->ivf,
                     .query = w->query,
                     .hits = w->hits,
                     .n = t->n + (t->own != NULL)};
    fgi_hits_clear(w->hits, scan.n);
    visit v = {0};
    int32_t count = 0;
    *useful = 0;
    while (fgi_probe_next(probe, &v.stop)) {
        const fgi_list *list = &t->ivf->lists[v.stop.list];
        const fgi_segment *segment = &list->segments[v.stop.segment];
        const fgi_hit worst = w->hits[0];
        v.effort = fgi_probe_effort(v.entries, t->n);
        v.margin = fgi_probe_margin(probe, &v.stop, fgi_probe_radius2(&scan));
        w->visits[count] = v;
        fgi_scan_run(&scan, list, segment->begin, segment[1].begin);
        if (fgi_hit_empty(worst) || worst.id != w->hits[0].id) w->useful[(*useful)++] = count;
        v.entries += segment[1].begin - segment->begin;
        count++;
    }
    fgi_hits_sort(w->hits, scan.n);
    return count;
}

static bool holds(const tuning *t, const visit *v, int64_t id)
{
    const fgi_list *list = &t->ivf->lists[v->stop.list];
    const fgi_segment *segment = &list->segments[v->stop.segment];
    for (int64_t i = segment->begin; i < segment[1].begin; i++)
        if (list->ids[i] == id) return true;
    return false;
}

/* The true results, without the query itself, become visits: written over `useful`, n of them. */
static void find_results(const tuning *t, walker *w, int64_t own, int32_t useful, int32_t *found)
{
    int32_t count = 0;
    for (int32_t i = 0; count < t->n; i++) {
        if (w->hits[i].id == own) continue;
        int32_t u = 0;
        while (u < useful - 1 && !holds(t, &w->visits[w->useful[u]], w->hits[i].id)) u++;
        found[count++] = w->useful[u];
    }
}

static void count_walk(const tuning *t, walker *w, int32_t visits, int64_t query)
{
    fold *f = &w->folds[query % FOLDS];
    f->queries++;
    int32_t *steps = t->steps + query * STEEPNESSES * t->n;
    for (int32_t s = 0; s < STEEPNESSES; s++) {
        int32_t done = 0; /* true results met, whose places are in `useful`, STEPS beyond the end */
        for (int32_t i = 0; i < t->n; i++) steps[s * t->n + i] = STEPS;
        for (int32_t c = 0; c < visits; c++) {
            const visit *v = &w->visits[c];
            const int32_t step = step_of(v->effort + steepnesses[s] * v->margin);
            if (step == STEPS) break; /* and so are all that follow */
            const fgi_segment *segment = &t->ivf->lists[v->stop.list].segments[v->stop.segment];
            f->at[s][step].entries += segment[1].begin - segment->begin;
            for (int32_t i = 0; i < t->n && done < t->n; i++)
                if (w->useful[i] == c) {
                    steps[s * t->n + i] = step;
                    f->at[s][step].found++;
                    done++;
                }
        }
    }
}

static void tune_one(void *user, int64_t item, int32_t index)
{
    tuning *t = user;
    walker *w = &t->walkers[index];
    const int64_t query = t->first + item;
    if (!fgi_query_load(t->ivf, t->ctx->kernels, t->queries, query, t->zeros, w->query)) return;
    rank_lists(t, w);
    fgi_probe probe = {.ivf = t->ivf,
                       .sqdist = w->sqdist,
                       .lists = w->order,
                       .list_count = fgi_ivf_lists(t->ivf),
                       .queue = w->queue,
                       .first = w->first};
    fgi_probe_begin(&probe, w->visited);
    int32_t useful;
    const int32_t visits = walk(t, w, &probe, &useful);
    int32_t *found = w->useful + fgi_probe_room(t->ivf); /* the n places behind */
    find_results(t, w, t->own ? t->own[query] : -1, useful, found);
    for (int32_t i = 0; i < t->n; i++) {
        w->useful[i] = found[i];
        w->needed[w->rank[w->visits[found[i]].stop.list]]++;
    }
    count_walk(t, w, visits, query);
}

/* --------------------------------------------------------------------------- recall and its cost */

/* A rule on the grid: between step - 1 and step, `share` of the way. */
typedef struct choice {
    int32_t steepness, step;
    double share;
} choice;

typedef struct outcome {
    double recall, entries;
} outcome;

static outcome outcome_at(const fold *f, int32_t n, int32_t steepness, int32_t step)
{
    const counts *c = &f->at[steepness][step];
    return (outcome){(double)c->found / ((double)f->queries * n),
                     (double)c->entries / (double)f->queries};
}

static outcome outcome_of(const fold *f, int32_t n, const choice *c)
{
    const outcome high = outcome_at(f, n, c->steepness, c->step);
    if (c->step == 0) return high;
    const outcome low = outcome_at(f, n, c->steepness, c->step - 1);
    return (outcome){low.recall + c->share * (high.recall - low.recall),
                     low.entries + c->share * (high.entries - low.entries)};
}

static choice reach(const fold *f, int32_t n, int32_t steepness, double recall)
{
    choice c = {.steepness = steepness, .share = 1};
    while (c.step < STEPS && outcome_at(f, n, steepness, c.step).recall < recall) c.step++;
    if (c.step == 0 || c.step == STEPS) return c;
    const double low = outcome_at(f, n, steepness, c.step - 1).recall;
    c.share = (recall - low) / (outcome_at(f, n, steepness, c.step).recall - low);
    return c;
}

/* The steepness that reaches the recall at the least cost. */
static choice cheapest(const fold *f, int32_t n, double recall)
{
    choice best = reach(f, n, 0, recall);
    for (int32_t s = 1; s < STEEPNESSES; s++) {
        const choice c = reach(f, n, s, recall);
        if (outcome_of(f, n, &c).entries < outcome_of(f, n, &best).entries) best = c;
    }
    return best;
}

static double theta_of(const choice *c)
{
    return c->step == 0 ? STEP_SIZE / 2 : (c->step - 1 + c->share) * STEP_SIZE;
}

static void add_fold(fold *to, const fold *from)
{
    to->queries += from->queries;
    for (int32_t s = 0; s < STEEPNESSES; s++)
        for (int32_t g = 0; g <= STEPS; g++) {
            to->at[s][g].found += from->at[s][g].found;
            to->at[s][g].entries += from->at[s][g].entries;
        }
}

static void sum_up(fold *f)
{
    for (int32_t s = 0; s < STEEPNESSES; s++)
        for (int32_t g = 1; g <= STEPS; g++) {
            f->at[s][g].found += f->at[s][g - 1].found;
            f->at[s][g].entries += f->at[s][g - 1].entries;
        }
}

/* ----------------------------------------------------------------------------------- the outcome */

/* So many that a fiftieth of what the recall may miss lies beyond them: most of that would not be
 * found anyway. */
static int32_t lists_needed(const tuning *t, double recall)
{
    const int32_t lists = fgi_ivf_lists(t->ivf);
    const int64_t all = t->queries->rows * t->n;
    const double beyond = 0.02 * (1 - recall) * (double)all;
    int64_t held = 0;
    for (int32_t rank = 0; rank < lists; rank++) {
        for (int32_t i = 0; i < t->workers; i++) held += t->walkers[i].needed[rank];
        if ((double)(all - held) <= beyond) return rank + 1;
    }
    return lists;
}

static double most_recall(const tuning *t)
{
    return 1 - (double)LEAST_MISSES / ((double)t->queries->rows * t->n);
}

static fgi_calibration calibrate(const tuning *t, int32_t steepness)
{
    static const double recalls[FGI_CALIBRATION_POINTS] = {
        0.3,  0.4,  0.5,  0.6,  0.7,  0.75, 0.8,   0.85, 0.875,  0.9,   0.91,   0.92,
        0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999};
    const fold *all = &t->folds[FOLDS];
    fgi_calibration c = {
        .n = t->n, .queries = t->queries->rows, .steepness = steepnesses[steepness]};
    for (int32_t i = 0; i < FGI_CALIBRATION_POINTS; i++) {
        c.points[i].recall = fmin(recalls[i], most_recall(t));
        const choice rule = reach(all, t->n, steepness, c.points[i].recall);
        c.points[i].theta = theta_of(&rule);
        c.points[i].lists = lists_needed(t, c.points[i].recall);
    }
    return c;
}

/* Each fold by the rule that the others choose. */
static outcome judge(const tuning *t, double target, fold *others)
{
    outcome sum = {0};
    for (int32_t f = 0; f < FOLDS; f++) {
        memset(others, 0, sizeof *others);
        for (int32_t o = 0; o < FOLDS; o++)
            if (o != f) add_fold(others, &t->folds[o]);
        const choice rule = cheapest(others, t->n, target);
        const outcome got = outcome_of(&t->folds[f], t->n, &rule);
        sum.recall += got.recall / FOLDS;
        sum.entries += got.entries / FOLDS;
    }
    return sum;
}

/* Of the mean of recall over queries, at the rule. */
static double recall_error(const tuning *t, const choice *rule)
{
    const double queries = (double)t->queries->rows;
    double sum = 0, squares = 0;
    for (int64_t q = 0; q < t->queries->rows; q++) {
        const int32_t *steps = t->steps + (q * STEEPNESSES + rule->steepness) * t->n;
        int32_t found = 0;
        for (int32_t i = 0; i < t->n; i++) found += steps[i] <= rule->step;
        sum += (double)found / t->n;
        squares += (double)found * found / ((double)t->n * t->n);
    }
    const double mean = sum / queries;
    return sqrt(fmax(squares / queries - mean * mean, 0) / (queries - 1));
}

static fg_status conclude(tuning *t, const fg_tune_options *opt, fgi_calibration *calibration,
                          fg_tune_report *report)
{
    if (opt->recall > most_recall(t))
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g; %lld sample queries tell nothing above %.5g: take more",
                        opt->recall, (long long)t->queries->rows, most_recall(t));
    fold *others;
    FG_TRY(fgi_alloc(&t->ctx->ledger, 1, sizeof *others, &others));
    for (int32_t f = 0; f < FOLDS; f++) {
        for (int32_t i = 0; i < t->workers; i++) add_fold(&t->folds[f], &t->walkers[i].folds[f]);
        sum_up(&t->folds[f]);
        add_fold(&t->folds[FOLDS], &t->folds[f]);
    }
    const choice rule = cheapest(&t->folds[FOLDS], t->n, opt->recall);
    const int32_t lists = lists_needed(t, opt->recall);
    const outcome expected = judge(t, opt->recall, others);
    fgi_free(others);
    *calibration = calibrate(t, rule.steepness);
    *report = (fg_tune_report){
        .struct_size = sizeof *report,
        .queries = t->queries->rows,
        .recall = expected.recall,
        .recall_error = recall_error(t, &rule),
        .dco = fgi_graph_effort_for(&t->ivf->graph, &t->ivf->coarse, lists).cost + expected.entries,
        .steepness = steepnesses[rule.steepness],
        .theta = theta_of(&rule),
        .lists = lists,
        .most_recall = calibration->points[FGI_CALIBRATION_POINTS - 1].recall};
    return FG_OK;
}

/* ------------------------------------------------------------------------------------ the sample */

/* Rows of the index, spread evenly over its lists. */
typedef struct own_rows {
    const fg_ivf *ivf;
    uint64_t seed;
    int64_t count, taken, passed; /* rows wanted, taken, gone by */
    unsigned char *codes;
    int64_t *ids;
} own_rows;

static int64_t next_taken(const own_rows *o)
{
    const double place =
        (double)o->taken + fgi_random_uniform(o->seed, FGI_STREAM_TUNE, (uint64_t)o->taken);
    return (int64_t)(place / (double)o->count * (double)o->ivf->rows);
}

static void take(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    (void)set;
    own_rows *o = user;
    const int64_t row_bytes = fgi_ivf_row_bytes(o->ivf);
    while (o->taken < o->count && next_taken(o) < o->passed + count) {
        const int64_t at = begin + next_taken(o) - o->passed;
        memcpy(o->codes + o->taken * row_bytes, list->codes + at * row_bytes, (size_t)row_bytes);
        o->ids[o->taken++] = list->ids[at];
    }
    o->passed += count;
}

static fg_status sample_rows(const fg_ivf *ivf, const fg_tune_options *opt, fgi_ledger *ledger,
                             own_rows *out)
{
    *out = (own_rows){.ivf = ivf,
                      .seed = opt->seed,
                      .count = opt->sample_rows < ivf->rows ? opt->sample_rows : ivf->rows};
    FG_TRY(fgi_alloc(ledger, out->count, (size_t)fgi_ivf_row_bytes(ivf), &out->codes));
    FG_TRY(fgi_alloc(ledger, out->count, sizeof *out->ids, &out->ids));
    fgi_ivf_each_row(ivf, take, out);
    return FG_OK;
}

/* ------------------------------------------------------------------------------------------- all */

static fg_status create_walker(const tuning *t, walker *w)
{
    fgi_ledger *ledger = &t->ctx->ledger;
    const int32_t lists = fgi_ivf_lists(t->ivf);
    const int64_t room = fgi_probe_room(t->ivf);
    FG_TRY(fgi_alloc(ledger, fgi_ivf_dims(t->ivf), sizeof *w->query, &w->query));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->sqdist, &w->sqdist));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->order, &w->order));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->rank, &w->rank));
    FG_TRY(fgi_alloc_zero(ledger, lists, sizeof *w->visited, &w->visited));
    FG_TRY(fgi_alloc_zero(ledger, lists, sizeof *w->needed, &w->needed));
    FG_TRY(fgi_alloc(ledger, t->n + (int64_t)1, sizeof *w->hits, &w->hits));
    FG_TRY(fgi_alloc(ledger, room, sizeof *w->queue, &w->queue));
    FG_TRY(fgi_alloc(ledger, lists + (int64_t)1, sizeof *w->first, &w->first));
    FG_TRY(fgi_alloc(ledger, room, sizeof *w->visits, &w->visits));
    FG_TRY(fgi_alloc(ledger, room + 2 * (int64_t)t->n, sizeof *w->useful, &w->useful));
    return fgi_alloc_zero(ledger, FOLDS, sizeof *w->folds, &w->folds);
}

static fg_status create(tuning *t)
{
    fgi_ledger *ledger = &t->ctx->ledger;
    FG_TRY(fgi_alloc_zero(ledger, fgi_ivf_dims(t->ivf), sizeof *t->zeros, &t->zeros));
    FG_TRY(fgi_alloc(ledger, t->queries->rows, STEEPNESSES * (size_t)t->n * sizeof *t->steps,
                     &t->steps));
    FG_TRY(fgi_alloc_zero(ledger, FOLDS + 1, sizeof *t->folds, &t->folds));
    FG_TRY(fgi_alloc_zero(ledger, t->workers, sizeof *t->walkers, &t->walkers));
    for (int32_t i = 0; i < t->workers; i++) FG_TRY(create_walker(t, &t->walkers[i]));
    return FG_OK;
}

static void destroy(tuning *t)
{
    for (int32_t i = 0; t->walkers && i < t->workers; i++) {
        walker *w = &t->walkers[i];
        void *blocks[] = {w->query, w->sqdist, w->order,  w->rank,   w->visited, w->needed,
                          w->hits,  w->queue,  w->visits, w->useful, w->folds,   w->first};
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) fgi_free(blocks[b]);
    }
    fgi_free(t->zeros);
    fgi_free(t->steps);
    fgi_free(t->folds);
    fgi_free(t->walkers);
}

static fg_status check_queries(const tuning *t)
{
    for (int64_t q = 0; q < t->queries->rows; q++)
        if (!fgi_query_load(t->ivf, t->ctx->kernels, t->queries, q, t->zeros, t->walkers[0].query))
            return fgi_fail(FG_NUMERIC,
                            "query %lld holds NaN, infinity%s or a value too large for f32",
                            (long long)q, t->ivf->metric == FG_METRIC_COSINE ? ", only zeros" : "");
    return FG_OK;
}

static fg_status walk_all(tuning *t, fgi_listener *listener)
{
    const int64_t rows = t->queries->rows;
    for (; t->first < rows; t->first += BLOCK_QUERIES) {
        const int64_t left = rows - t->first;
        FG_TRY(fgi_listener_step(listener, t->first, rows));
        fgi_pool_each(t->ctx->pool, left < BLOCK_QUERIES ? left : BLOCK_QUERIES, tune_one, t);
    }
    return fgi_listener_step(listener, rows, rows);
}

/* Fills in the defaults and checks. */
static fg_status resolve(const fg_ivf *ivf, fg_tune_options *o)
{
    FG_TRY(fgi_check_range("sample_rows", o->sample_rows, 0, INT64_MAX));
    if (o->n == 0) o->n = DEFAULT_RESULTS;
    FG_TRY(fgi_check_range("n", o->n, 1, INT32_MAX));
    if (o->recall == 0) o->recall = 0.95;
    if (!(o->recall > 0 && o->recall < 1))
        return fgi_fail(FG_ARGUMENT, "recall is %g; it must be above 0 and below 1", o->recall);
    if (o->sample_rows == 0) o->sample_rows = DEFAULT_SAMPLE;
    if (ivf->metric == FG_METRIC_IP)
        return fgi_fail(FG_UNSUPPORTED,
                        "tuning needs l2 or cosine; the index compares by inner product");
    if (o->n < ivf->rows) return FG_OK;
    return fgi_fail(FG_ARGUMENT, "n is %d; the index has just %lld rows", o->n,
                    (long long)ivf->rows);
}

static fg_status tune_on(tuning *t, const fg_tune_options *opt, fgi_calibration *calibration,
                         fg_tune_report *report)
{
    if (t->queries->rows < LEAST_QUERIES)
        return fgi_fail(FG_ARGUMENT, "there are %lld sample queries; tuning takes %d at least",
                        (long long)t->queries->rows, LEAST_QUERIES);
    fgi_listener listener = fgi_listener_begin(opt->progress, opt->user);
    listener.now.phase = "tune";
    fg_status s = create(t);
    if (s == FG_OK) s = check_queries(t);
    if (s == FG_OK) s = walk_all(t, &listener);
    if (s == FG_OK) s = conclude(t, opt, calibration, report);
    destroy(t);
    return s;
}

fg_status fgi_ivf_tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries,
                       const fg_tune_options *opt, fg_tune_report *report)
{
    fg_tune_options o = *opt;
    FG_TRY(resolve(ivf, &o));
    own_rows own = {0};
    fg_view view = {0};
    fg_status s = FG_OK;
    if (!queries) s = sample_rows(ivf, &o, &ctx->ledger, &own);
    if (!queries)
        view = (fg_view){.data = own.codes,
                         .rows = own.count,
                         .cols = fgi_ivf_dims(ivf),
                         .dtype = (int16_t)ivf->dtype};
    tuning t = {.ctx = ctx,
                .ivf = ivf,
                .queries = queries ? queries : &view,
                .own = own.ids,
                .n = o.n,
                .workers = fgi_pool_threads(ctx->pool)};
    fgi_calibration calibration;
    fg_tune_report told;
    if (s == FG_OK) s = tune_on(&t, &o, &calibration, &told);
    fgi_free(own.codes);
    fgi_free(own.ids);
    if (s != FG_OK) return s;
    ivf->calibration = calibration;
    if (report) *report = told;
    return FG_OK;
}

fg_status fgi_calibration_find(const fg_ivf *ivf, double recall, int32_t n, double *theta,
                               int32_t *lists)
{
    const fgi_calibration *c = &ivf->calibration;
    const double most = c->points[FGI_CALIBRATION_POINTS - 1].recall;
    if (c->n == 0)
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g, but the index is not tuned (fg_ivf_tune, "
                        "flashgmm tune)",
                        recall);
    if (n != c->n)
        return fgi_fail(FG_ARGUMENT, "n is %d; the index is tuned for %d results a query", n, c->n);
    if (!(recall > 0 && recall <= most))
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g; the index is tuned for targets above 0 and up to %.6g",
                        recall, most);
    int32_t i = 0;
    while (c->points[i].recall < recall) i++;
    *theta = c->points[i].theta;
    *lists = c->points[i].lists;
    if (i == 0) return FG_OK;
    const double below = c->points[i - 1].recall, width = c->points[i].recall - below;
    *theta -= (c->points[i].recall - recall) / width * (*theta - c->points[i - 1].theta);
    return FG_OK;
}
