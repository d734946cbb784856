/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c - tries every probing rule on sample queries, and keeps the cheapest. Knows probes; knows
 * no file.
 *
 * Each query goes through the first round of a search, and then through all other cells in their order,
 * scanning none: under a steepness, a cell is scanned if and only if its score (probe.h) is at most
 * theta. So a true result is found from the theta on that is its cell's score, and the cell's rows
 * cost from there on too. Sums over the queries, at the thetas of a grid, tell recall and cost of any rule
 * on it; between two of them they are interpolated. All sums are of integers: they do not depend
 * on the threads.
 *
 * Of rules with the same recall the one is kept that takes the least time, not that with the fewest distances: the
 * rows scanned, and ROWS_A_CELL for each cell.
 *
 * Later a query looks only at the lists up to a rank, beyond which few true results lay. Those count as not
 * found.
 *
 * The same again under filters at random, each leaving a quarter of what the one before it leaves, with the steepness
 * that is best without one: what queries take that are like queries for more results (probe.h). */
#include "tune.h"

#include "ivf_search.h"
#include "probe.h"
#include "random.h"
#include "tune_sample.h"

#include <math.h>   /* ceil, fmax, fmin, llround, log2, sqrt */
#include <string.h> /* memset */

enum { DEFAULT_RESULTS = 10, DEFAULT_SAMPLE = 1000, LEAST_QUERIES = 20 };
enum { FOLDS = 4, STEPS = 1024, STEEPNESSES = 9 };
enum { LEAST_ROWS = 128 /* a result, that a filter leaves, to be tuned under */ };
enum { FILTER_SEED = 0, WORD_BITS = 64 };
enum { ROWS_A_CELL = 2 /* that are scanned in the time it takes to come to a cell */ };
enum { LEAST_MISSES = 5 /* what a recall leaves unfound in the sample, to be measurable */ };
#define STEP_SIZE  0.04
#define PLACE_SIZE 0x1p-20

static const double steepnesses[STEEPNESSES] = {0.5, 1, 2, 3, 4, 6, 8, 12, 20};

/* What is scanned at a step and not before; after summing up, also before. */
typedef struct counts {
    int64_t entries, cells;
} counts;

typedef struct fold {
    counts at[STEEPNESSES][STEPS + 1]; /* the last one: beyond the grid */
} fold;

/* A true result: the list it is in, as the query ranks them, and from which step on it is found. */
typedef struct result {
    int32_t rank, steps[STEEPNESSES];
} result;

/* What a steepness gives the queries of a part, as means over them, at every step. */
typedef struct profile {
    double recall[STEPS + 1], entries[STEPS + 1], cells[STEPS + 1];
} profile;

typedef struct walker {
    float *query, *sqdist;
    fgi_hit *order, *hits;
    fgi_probe probe;
    int32_t *stop_of; /* of every set: its place among the stops */
    int32_t *rank;    /* of every list */
    fold *folds;      /* FOLDS */
    int64_t places;   /* sum of log_4 (m / n), in units of PLACE_SIZE */
} walker;

typedef struct tuning {
    fg_context *ctx;
    const fg_ivf *ivf;
    fgi_sample sample;
    fgi_allow allow; /* what may be found */
    int32_t n, workers;
    float *zeros;
    walker *walkers;
    result *results;  /* queries x n */
    fold *folds;      /* FOLDS */
    profile *scratch; /* the one at hand */
    int64_t *held;    /* of every rank of lists: true results */
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

static int32_t set_at(const tuning *t, const walker *w, int64_t at)
{
    const fgi_stop *stop = fgi_probe_stop(&w->probe, at);
    return t->ivf->lists[stop->list].segments[stop->segment].set;
}

/* A row of the index draws the mean of its own cell near: without it, the mean of the m - 1 others would be
 * m / (m - 1) times as far away. */
static void disown(const tuning *t, walker *w, int64_t query)
{
    fgi_probe *p = &w->probe;
    if (!t->sample.own || p->count < 2 || set_at(t, w, 0) != t->sample.own_sets[query]) return;
    const double rows = (double)fgi_probe_stop(p, 0)->rows, factor = rows / (rows - 1);
    const double next = fgi_order_key(p->order.pairs[1]);
    p->nearest = rows > 1 ? fmin(next, p->nearest * factor * factor) : next;
}

/* The first round of a search, and the order of all that is left; returns r^2. */
static double look(const tuning *t, walker *w, int64_t query)
{
    const int64_t *own = t->sample.own;
    const bool finds_own = own && (!t->allow.bits || fgi_allows(&t->allow, own[query]));
    fgi_scan scan = {.kernels = t->ctx->kernels,
                     .ivf = t->ivf,
                     .allow = t->allow,
                     .query = w->query,
                     .hits = w->hits,
                     .n = t->n + finds_own};
    fgi_hits_clear(w->hits, scan.n);
    w->probe.sqdist = w->sqdist;
    w->probe.lists = w->order;
    w->probe.list_count = fgi_ivf_lists(t->ivf);
    fgi_probe_begin(&w->probe, INT64_MAX, &scan);
    disown(t, w, query);
    fgi_probe_widen(&w->probe);
    return fgi_probe_radius2(&scan);
}

/* From which steps on the stop is scanned, under each steepness. */
static void steps_of(const walker *w, int64_t at, double r2, int32_t *steps)
{
    const bool asked = at >= w->probe.first;
    const double effort = asked ? fgi_probe_effort(&w->probe, at) : 0;
    const double margin = asked ? fgi_probe_margin(&w->probe, at, r2) : 0;
    for (int32_t s = 0; s < STEEPNESSES; s++) steps[s] = step_of(effort + steepnesses[s] * margin);
}

static void find_results(const tuning *t, walker *w, int64_t query, double r2)
{
    for (int64_t i = 0; i < w->probe.count; i++) w->stop_of[set_at(t, w, i)] = (int32_t)i;
    for (int64_t i = query * t->n; i < (query + 1) * t->n; i++) {
        const int32_t at = w->stop_of[t->sample.sets[i]];
        t->results[i].rank = w->rank[fgi_probe_stop(&w->probe, at)->list];
        steps_of(w, at, r2, t->results[i].steps);
    }
}

/* Stops side by side count as one until the rows have grown by a GRAIN-th: costs need no more. */
static void count_cost(const walker *w, double r2, fold *f)
{
    enum { GRAIN = 64 };
    const fgi_probe *p = &w->probe;
    int32_t steps[STEEPNESSES];
    for (int64_t i = 0, end; i < p->count; i = end) {
        const int64_t until = i < p->first ? p->first : p->count;
        int64_t rows = 0;
        for (end = i; end < until && (end == i || rows * GRAIN <= p->before[i]); end++)
            rows += fgi_probe_stop(p, end)->rows;
        steps_of(w, i, r2, steps);
        for (int32_t s = 0; s < STEEPNESSES; s++) {
            f->at[s][steps[s]].entries += rows;
            f->at[s][steps[s]].cells += end - i;
        }
    }
}

static void tune_one(void *user, int64_t query, int32_t index)
{
    tuning *t = user;
    walker *w = &t->walkers[index];
    fgi_query_load(t->ivf, t->ctx->kernels, &t->sample.queries, query, t->zeros, w->query);
    rank_lists(t, w);
    const double r2 = look(t, w, query);
    find_results(t, w, query, r2);
    count_cost(w, r2, &w->folds[query % FOLDS]);
    w->places += llround(log2(w->probe.m / t->n) / 2 / PLACE_SIZE);
}

/* --------------------------------------------------------------------------- recall and its cost */

/* Some of the queries: one fold, or all but one, or all (fold FOLDS left out). */
typedef struct part {
    int32_t fold;
    bool others;
} part;

static bool has(part p, int64_t query)
{
    return (query % FOLDS == p.fold) != p.others;
}

static void trace(const tuning *t, part p, int32_t steepness, int32_t lists, profile *out)
{
    int64_t queries = 0;
    memset(out, 0, sizeof *out);
    for (int64_t q = 0; q < t->sample.queries.rows; q++) {
        if (!has(p, q)) continue;
        queries++;
        for (int64_t i = q * t->n; i < (q + 1) * t->n; i++)
            if (t->results[i].rank < lists) out->recall[t->results[i].steps[steepness]]++;
    }
    for (int32_t f = 0; f < FOLDS; f++)
        for (int32_t g = 0; has(p, f) && g <= STEPS; g++) {
            out->entries[g] += (double)t->folds[f].at[steepness][g].entries;
            out->cells[g] += (double)t->folds[f].at[steepness][g].cells;
        }
    double *sums[] = {out->recall, out->entries, out->cells};
    for (int32_t i = 0; i < 3; i++) {
        for (int32_t g = 1; g <= STEPS; g++) sums[i][g] += sums[i][g - 1];
        for (int32_t g = 0; g <= STEPS; g++) sums[i][g] /= (double)queries * (i == 0 ? t->n : 1);
    }
}

/* Between two steps everything is taken as straight. */
static double value_at(const double *values, double position)
{
    const int32_t step = (int32_t)ceil(position);
    if (step == 0) return values[0];
    return values[step] - (step - position) * (values[step] - values[step - 1]);
}

/* The position, in steps, where the recall is reached; STEPS if nowhere. */
static double reach(const profile *p, double recall)
{
    int32_t step = 0;
    while (step < STEPS && p->recall[step] < recall) step++;
    if (step == 0 || p->recall[step] < recall) return step;
    return step - (p->recall[step] - recall) / (p->recall[step] - p->recall[step - 1]);
}

/* In rows scanned. */
static double cost_at(const profile *p, double position)
{
    return value_at(p->entries, position) + ROWS_A_CELL * value_at(p->cells, position);
}

typedef struct choice {
    int32_t steepness;
    double position;
} choice;

/* The steepness that reaches the recall in the least time, counted in rows scanned. */
static choice cheapest(const tuning *t, part p, int32_t lists, double recall, profile *scratch)
{
    choice best = {0};
    double least = INFINITY;
    for (int32_t s = 0; s < STEEPNESSES; s++) {
        trace(t, p, s, lists, scratch);
        const double position = reach(scratch, recall);
        const double cost = cost_at(scratch, position);
        if (cost >= least) continue;
        least = cost;
        best = (choice){s, position};
    }
    return best;
}

static double theta_of(double position)
{
    return position > 0 ? position * STEP_SIZE : STEP_SIZE / 2;
}

/* ----------------------------------------------------------------------------------- the outcome */

static const part everyone = {.fold = FOLDS, .others = true};

/* So many that a tenth of what the recall may miss lies beyond them. */
static int32_t lists_needed(const tuning *t, double recall)
{
    const int32_t lists = fgi_ivf_lists(t->ivf);
    const int64_t all = t->sample.queries.rows * t->n;
    const double beyond = 0.1 * (1 - recall) * (double)all;
    int64_t *held = t->held;
    memset(held, 0, (size_t)lists * sizeof *held);
    for (int64_t i = 0; i < all; i++) held[t->results[i].rank]++;
    int64_t left = all;
    for (int32_t rank = 0; rank < lists; rank++) {
        left -= held[rank];
        if ((double)left <= beyond) return rank + 1;
    }
    return lists;
}

static double most_recall(const tuning *t)
{
    return 1 - (double)LEAST_MISSES / ((double)t->sample.queries.rows * t->n);
}

static const double recalls[FGI_CALIBRATION_POINTS] = {
    0.3,  0.4,  0.5,  0.6,  0.7,  0.75, 0.8,   0.85, 0.875,  0.9,   0.91,   0.92,
    0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999};

static void calibrate(const tuning *t, int32_t steepness, fgi_calibration_point *out)
{
    for (int32_t i = 0; i < FGI_CALIBRATION_POINTS; i++) {
        const double recall = fmin(recalls[i], most_recall(t));
        const int32_t lists = lists_needed(t, recall);
        trace(t, everyone, steepness, lists, t->scratch);
        double theta = theta_of(reach(t->scratch, recall));
        if (i > 0) theta = fmax(theta, out[i - 1].theta); /* more lists need less theta */
        const double position = theta / STEP_SIZE;
        const double cost = cost_at(t->scratch, position < STEPS ? position : STEPS);
        out[i] = (fgi_calibration_point){.recall = recall,
                                         .theta = theta,
                                         .lists = lists,
                                         .cost = (int32_t)fmin(cost, INT32_MAX)};
    }
}

typedef struct outcome {
    double recall, entries;
} outcome;

/* Each fold by the rule that the others choose. */
static outcome judge(const tuning *t, double target, int32_t lists, profile *scratch)
{
    outcome sum = {0};
    for (int32_t f = 0; f < FOLDS; f++) {
        const choice rule = cheapest(t, (part){f, true}, lists, target, scratch);
        trace(t, (part){f, false}, rule.steepness, lists, scratch);
        sum.recall += value_at(scratch->recall, rule.position) / FOLDS;
        sum.entries += value_at(scratch->entries, rule.position) / FOLDS;
    }
    return sum;
}

/* Of the mean of recall over queries, at the rule. */
static double recall_error(const tuning *t, const choice *rule, int32_t lists)
{
    const double queries = (double)t->sample.queries.rows;
    double sum = 0, squares = 0;
    for (int64_t q = 0; q < t->sample.queries.rows; q++) {
        int32_t found = 0;
        for (int64_t i = q * t->n; i < (q + 1) * t->n; i++)
            found += t->results[i].rank < lists &&
                     t->results[i].steps[rule->steepness] <= rule->position;
        sum += (double)found / t->n;
        squares += (double)found * found / ((double)t->n * t->n);
    }
    const double mean = sum / queries;
    return sqrt(fmax(squares / queries - mean * mean, 0) / (queries - 1));
}

static void add_fold(fold *to, const fold *from)
{
    for (int32_t s = 0; s < STEEPNESSES; s++)
        for (int32_t g = 0; g <= STEPS; g++) {
            to->at[s][g].entries += from->at[s][g].entries;
            to->at[s][g].cells += from->at[s][g].cells;
        }
}

/* What a tuning finds out, before it is the index's. */
typedef struct finding {
    int32_t steepness; /* its number */
    fgi_calibration calibration;
    int32_t share_count;
    fgi_share shares[FGI_SHARES];
    fg_tune_report report;
} finding;

static fg_status conclude(tuning *t, const fg_tune_options *opt, finding *out)
{
    if (opt->recall > most_recall(t))
        return fgi_fail(FG_ARGUMENT,
                        "recall is %g; %lld sample queries tell nothing above %.5g: take more",
                        opt->recall, (long long)t->sample.queries.rows, most_recall(t));
    const int32_t lists = lists_needed(t, opt->recall);
    const choice rule = cheapest(t, everyone, lists, opt->recall, t->scratch);
    const outcome expected = judge(t, opt->recall, lists, t->scratch);
    out->steepness = rule.steepness;
    out->calibration = (fgi_calibration){
        .n = t->n, .queries = t->sample.queries.rows, .steepness = steepnesses[rule.steepness]};
    calibrate(t, rule.steepness, out->calibration.points);
    for (int32_t i = 0; i < FGI_CALIBRATION_POINTS; i++) out->calibration.points[i].cost = 0;
    out->report = (fg_tune_report){
        .struct_size = sizeof out->report,
        .queries = t->sample.queries.rows,
        .recall = expected.recall,
        .recall_error = recall_error(t, &rule, lists),
        .dco = fgi_graph_effort_for(&t->ivf->graph, &t->ivf->coarse, lists).cost + expected.entries,
        .steepness = steepnesses[rule.steepness],
        .theta = theta_of(rule.position),
        .lists = lists,
        .most_recall = out->calibration.points[FGI_CALIBRATION_POINTS - 1].recall};
    return FG_OK;
}

/* ------------------------------------------------------------------------------------------- all */

static fg_status create_walker(const tuning *t, walker *w)
{
    fgi_ledger *ledger = &t->ctx->ledger;
    const int32_t lists = fgi_ivf_lists(t->ivf);
    FG_TRY(fgi_alloc(ledger, fgi_ivf_dims(t->ivf), sizeof *w->query, &w->query));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->sqdist, &w->sqdist));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->order, &w->order));
    FG_TRY(fgi_alloc(ledger, lists, sizeof *w->rank, &w->rank));
    FG_TRY(fgi_alloc(ledger, t->n + (int64_t)1, sizeof *w->hits, &w->hits));
    FG_TRY(fgi_alloc(ledger, t->ivf->sets.count, sizeof *w->stop_of, &w->stop_of));
    FG_TRY(fgi_probe_create(ledger, t->ivf, t->ctx->kernels, t->n, lists, &w->probe));
    return fgi_alloc_zero(ledger, FOLDS, sizeof *w->folds, &w->folds);
}

static fg_status create(tuning *t)
{
    fgi_ledger *ledger = &t->ctx->ledger;
    FG_TRY(fgi_alloc_zero(ledger, fgi_ivf_dims(t->ivf), sizeof *t->zeros, &t->zeros));
    FG_TRY(
        fgi_alloc(ledger, t->sample.queries.rows, (size_t)t->n * sizeof *t->results, &t->results));
    FG_TRY(fgi_alloc_zero(ledger, FOLDS, sizeof *t->folds, &t->folds));
    FG_TRY(fgi_alloc(ledger, 1, sizeof *t->scratch, &t->scratch));
    FG_TRY(fgi_alloc(ledger, fgi_ivf_lists(t->ivf), sizeof *t->held, &t->held));
    FG_TRY(fgi_alloc_zero(ledger, t->workers, sizeof *t->walkers, &t->walkers));
    for (int32_t i = 0; i < t->workers; i++) FG_TRY(create_walker(t, &t->walkers[i]));
    return FG_OK;
}

static void destroy(tuning *t)
{
    for (int32_t i = 0; t->walkers && i < t->workers; i++) {
        walker *w = &t->walkers[i];
        void *blocks[] = {w->query, w->sqdist, w->order, w->rank, w->hits, w->stop_of, w->folds};
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) fgi_free(blocks[b]);
        fgi_probe_destroy(&w->probe);
    }
    fgi_free(t->zeros);
    fgi_free(t->results);
    fgi_free(t->folds);
    fgi_free(t->scratch);
    fgi_free(t->held);
    fgi_free(t->walkers);
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

/* Searches for the truth, and tries all rules, under the filter at hand. */
static fg_status try_rules(tuning *t, fgi_listener *listener)
{
    FG_TRY(fgi_sample_search(t->ctx, t->ivf, t->n, &t->allow, listener, &t->sample));
    memset(t->folds, 0, FOLDS * sizeof *t->folds);
    for (int32_t i = 0; i < t->workers; i++) {
        memset(t->walkers[i].folds, 0, FOLDS * sizeof *t->walkers[i].folds);
        t->walkers[i].places = 0;
    }
    fgi_pool_each(t->ctx->pool, t->sample.queries.rows, tune_one, t);
    for (int32_t f = 0; f < FOLDS; f++)
        for (int32_t i = 0; i < t->workers; i++) add_fold(&t->folds[f], &t->walkers[i].folds[f]);
    return FG_OK;
}

/* How many shares leave enough rows. None where ids are too far apart for a filter of bits. */
static int32_t shares_to_try(const tuning *t)
{
    if (t->ivf->next_id / WORD_BITS > t->ivf->rows) return 0;
    int32_t count = 0;
    for (int64_t left = t->ivf->rows / 4; left >= LEAST_ROWS * (int64_t)t->n; left /= 4) count++;
    return count < FGI_SHARES ? count : FGI_SHARES;
}

/* Of the ids that are allowed one in four stays so. */
static void thin(uint64_t *bits, int64_t words, int32_t share)
{
    for (int64_t w = 0; w < words; w++) {
        const uint64_t at = 2 * ((uint64_t)w * FGI_SHARES + (uint64_t)share);
        bits[w] &= fgi_random_u64(FILTER_SEED, FGI_STREAM_SHARES, at) &
                   fgi_random_u64(FILTER_SEED, FGI_STREAM_SHARES, at + 1);
    }
}

static double mean_place(const tuning *t)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < t->workers; i++) sum += t->walkers[i].places;
    return (double)sum * PLACE_SIZE / (double)t->sample.queries.rows;
}

/* Filters that leave one row in 4, in 16, ... */
static fg_status tune_shares(tuning *t, int32_t count, fgi_listener *listener, finding *out)
{
    const int64_t words = t->ivf->next_id / WORD_BITS + 1;
    uint64_t *bits;
    if (count == 0) return FG_OK;
    FG_TRY(fgi_alloc(&t->ctx->ledger, words, sizeof *bits, &bits));
    memset(bits, 0xff, (size_t)words * sizeof *bits);
    t->allow = (fgi_allow){bits, t->ivf->next_id};
    fg_status s = FG_OK;
    double place = 0;
    for (int32_t i = 0; i < count; i++) {
        fgi_share *share = &out->shares[i];
        thin(bits, words, i);
        s = try_rules(t, listener);
        if (s != FG_OK) break;
        share->place = mean_place(t);
        if (!(share->place > place))
            break; /* queries that find nothing near, whatever the filter */
        place = share->place;
        calibrate(t, out->steepness, share->points);
        out->share_count = i + 1;
    }
    fgi_free(bits);
    return s;
}

static fg_status tune_on(tuning *t, const fg_tune_options *opt, finding *out)
{
    if (t->sample.queries.rows < LEAST_QUERIES)
        return fgi_fail(FG_ARGUMENT, "there are %lld sample queries; tuning takes %d at least",
                        (long long)t->sample.queries.rows, LEAST_QUERIES);
    fgi_listener listener = fgi_listener_begin(opt->progress, opt->user);
    listener.now.phase = "tune";
    const int32_t shares = shares_to_try(t);
    t->sample.to_search = (1 + shares) * t->sample.queries.rows;
    fg_status s = create(t);
    if (s == FG_OK) s = try_rules(t, &listener);
    if (s == FG_OK) s = conclude(t, opt, out);
    if (s == FG_OK) s = tune_shares(t, shares, &listener, out);
    destroy(t);
    return s;
}

fg_status fgi_ivf_tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries,
                       const fg_tune_options *opt, fg_tune_report *report)
{
    fg_tune_options o = *opt;
    FG_TRY(resolve(ivf, &o));
    tuning t = {.ctx = ctx, .ivf = ivf, .n = o.n, .workers = fgi_pool_threads(ctx->pool)};
    FG_TRY(fgi_sample_create(ctx, ivf, queries, &o, &t.sample));
    finding found = {0};
    const fg_status s = tune_on(&t, &o, &found);
    fgi_sample_destroy(&t.sample);
    if (s != FG_OK) return s;
    ivf->calibration = found.calibration;
    ivf->share_count = found.share_count;
    memcpy(ivf->shares, found.shares, sizeof ivf->shares);
    if (report) *report = found.report;
    return FG_OK;
}
