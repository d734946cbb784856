/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - two rounds of cells. Knows lists and cells; knows no batch of queries. */
#include "probe.h"

#include <float.h>  /* FLT_MAX */
#include <math.h>   /* INFINITY, exp, exp2, fmax, fmin, isinf, log1p, log2 */
#include <string.h> /* memset */

enum {
    OPEN_ROWS = 128, /* a result wanted */
    WIDENING = 2,    /* of the rows that the first round scans, where too few may be found */
    WIDE_ROWS = 5,   /* a row to scan, that lists hold to choose it from */
    LISTS_A_LOOK = 8 /* that are added before the bound is lowered again */
};

/* ------------------------------------------------------------------------------------------- rules */

double fgi_rules_m(const fgi_rules *rules, double n)
{
    const double place = log2(n / rules->n) / 2;
    const int32_t last = rules->count - 1, below = place < last ? (int32_t)place : last;
    if (!(place > 0)) return n;
    const double from = rules->at[below].place;
    const double width = below < last ? rules->at[below + 1].place - from : 1;
    return rules->n * exp2(2 * (from + (place - below) * width));
}

struct fgi_rule_for fgi_rules_at(const fgi_rules *rules, double m)
{
    const double place = log2(m / rules->n) / 2;
    int32_t i = 0;
    while (i < rules->count && rules->at[i].place <= place) i++;
    struct fgi_rule_for here = rules->at[i > 0 ? i - 1 : 0];
    if (i == rules->count) {
        here.cost *= exp2(place - here.place);
        return here;
    }
    const struct fgi_rule_for next = rules->at[i];
    if (place <= here.place) return here;
    const double part = (place - here.place) / (next.place - here.place);
    here.theta += part * (next.theta - here.theta);
    here.cost += part * (next.cost - here.cost);
    if (next.lists > here.lists) here.lists = next.lists;
    return here;
}

/* ------------------------------------------------------------------------------------------- room */

int64_t fgi_probe_room(const fg_ivf *ivf, int32_t lists)
{
    const int64_t room = lists * (int64_t)ivf->most_places;
    return room < ivf->sets.count ? room : ivf->sets.count;
}

fg_status fgi_probe_create(fgi_ledger *ledger, const fg_ivf *ivf, const fgi_kernels *kernels,
                           int32_t n, int32_t lists, fgi_probe *out)
{
    const int64_t all = fgi_probe_room(ivf, lists), most = ivf->most_places;
    const int64_t selected = most + FGI_SELECT_SLACK;
    *out = (fgi_probe){.kernels = kernels, .ivf = ivf, .n = n};
    const fgi_part parts[] = {
        {&out->stops, all, sizeof *out->stops},   {&out->chosen, all, sizeof *out->chosen},
        {&out->before, all, sizeof *out->before}, {&out->key, most, sizeof *out->key},
        {&out->row, selected, sizeof *out->row},  {&out->index, selected, sizeof *out->index}};
    FG_TRY(fgi_alloc_parts(ledger, parts, 6));
    return fgi_order_create(ledger, all, &out->order);
}

void fgi_probe_destroy(fgi_probe *probe)
{
    fgi_free(probe->stops);
    fgi_order_destroy(&probe->order);
    *probe = (fgi_probe){0};
}

/* ---------------------------------------------------------------------------------- cells of a list */

static void add_stop(fgi_probe *probe, int32_t list, int32_t segment, float sqdist)
{
    const fgi_segment *s = &probe->ivf->lists[list].segments[segment];
    const float e = sqdist > 0 ? sqdist : 0; /* NaN, where distances overflow, becomes 0 */
    probe->order.pairs[probe->count++] = fgi_order_pair(e, (int32_t)probe->added);
    probe->stops[probe->added++] = (fgi_stop){list, segment, s->begin, s[1].begin - s->begin};
}

/* The cells at home in a list, but for those beyond the bound. */
static void add_cells(fgi_probe *probe, int32_t number)
{
    const fgi_places *places = &probe->ivf->lists[number].places;
    const int32_t *near = probe->ivf->near + (int64_t)number * FGI_NEAR;
    const float own = probe->sqdist[number];
    const fgi_blend blend = {places->bias, places->weights, places->near, places->stride};
    float table[FGI_NEAR];
    if (places->count == 0) return;
    for (int32_t i = 0; probe->walk && i < FGI_NEAR; i++) fgi_walk_ensure(probe->walk, near[i]);
    for (int32_t i = 0; i < FGI_NEAR; i++) table[i] = own - probe->sqdist[near[i]];
    probe->kernels->blend(table, &blend, places->stride, probe->key);
    if (isinf(probe->bound)) { /* also those whose e overflows */
        for (int32_t c = 0; c < places->count; c++)
            add_stop(probe, number, places->segments[c], own - probe->key[c]);
        return;
    }
    const int32_t found = probe->kernels->select(
        probe->key, places->stride, (float)(own - probe->bound), 0, probe->row, probe->index);
    for (int32_t c = 0; c < found; c++) {
        const int32_t at = probe->index[c];
        add_stop(probe, number, places->segments[at], own - probe->key[at]);
    }
}

static int64_t rows_before(const fgi_probe *probe, int64_t end)
{
    return end > 0 ? probe->before[end - 1] + fgi_probe_stop(probe, end - 1)->rows : 0;
}

static float sqdist_at(const fgi_probe *probe, int64_t at)
{
    return fgi_order_key(probe->order.pairs[at]);
}

/* Puts the first `want` of the stops from the place `begin` on into order. */
static void sort_stops(fgi_probe *probe, int64_t begin, int64_t want)
{
    const fgi_order rest = {probe->order.pairs + begin, probe->order.spare, probe->order.ends};
    fgi_order_lowest(&rest, probe->count - begin, want);
}

/* Counts the rows before each of the stops with the places begin .. end - 1. */
static void count_rows(fgi_probe *probe, int64_t begin, int64_t end)
{
    int64_t rows = rows_before(probe, begin);
    for (int64_t i = begin; i < end; i++) {
        probe->before[i] = rows;
        rows += fgi_probe_stop(probe, i)->rows;
    }
}

/* --------------------------------------------------------------------------------------- the rounds */

/* The first page of what is read of a cell: the scan itself fetches what follows. */
static void fetch(const fg_ivf *ivf, const fgi_stop *stop)
{
#ifdef __GNUC__
    enum { PAGE = 4096, LINE = 64 };
    const fgi_list *list = &ivf->lists[stop->list];
    const int64_t row_bytes = list->sketches ? ivf->sketch_bytes : fgi_ivf_row_bytes(ivf);
    const int64_t bytes = stop->rows * row_bytes < PAGE ? stop->rows * row_bytes : PAGE;
    const unsigned char *rows =
        (list->sketches ? list->sketches : list->codes) + stop->begin * row_bytes;
    for (int64_t b = 0; b < bytes; b += LINE) __builtin_prefetch(rows + b);
    if (list->inverse_norms && !list->sketches)
        __builtin_prefetch(list->inverse_norms + stop->begin);
#else
    (void)ivf, (void)stop;
#endif
}

static void scan_stop(const fgi_probe *probe, const fgi_stop *stop, fgi_scan *scan)
{
    fgi_scan_run(scan, &probe->ivf->lists[stop->list], stop->begin, stop->begin + stop->rows);
}

/* Opens lists until they hold `wanted` rows, of which they hold `rows` so far; returns how many they do. */
static int64_t open_lists(fgi_probe *probe, int64_t rows, int64_t wanted)
{
    while (probe->opened < probe->list_count && rows < wanted) {
        const int32_t list = (int32_t)probe->lists[probe->opened++].id;
        add_cells(probe, list);
        rows += probe->ivf->lists[list].count;
    }
    return rows;
}

/* Of the rows scanned so far some could be found: for how many results among all rows n of them stand. */
static double results_alike(const fgi_probe *probe, int64_t could)
{
    return (double)rows_before(probe, probe->first) * probe->n / (double)could;
}

/* Scans on in order, `most` rows in all, or until there are FGI_FIRST_ROWS for each result that could be found; returns
 * how many of these there are. */
static int64_t scan_first(fgi_probe *probe, int64_t most, int64_t could, fgi_scan *scan)
{
    const int64_t enough = FGI_FIRST_ROWS * (int64_t)probe->n, before = scan->distances - could;
    const int64_t last = most < probe->count ? most : probe->count; /* no cell is empty */
    sort_stops(probe, probe->first, most);
    count_rows(probe, probe->first, last);
    if (probe->first == 0 && last > 0) probe->nearest = sqdist_at(probe, 0);
    while (probe->first < last && could < enough && probe->before[probe->first] < most) {
        const bool few = could < probe->n;
        if (probe->first + 1 < last) fetch(probe->ivf, fgi_probe_stop(probe, probe->first + 1));
        scan_stop(probe, fgi_probe_stop(probe, probe->first++), scan);
        could = scan->distances - before;
        if (few && could >= probe->n) probe->m = results_alike(probe, could);
    }
    return could;
}

/* m, from what the first n that could be found told and what all of the first round do. For ids at random both
 * tell about the same. Where what may be found is a region away from the query, the first of it comes late, and
 * the rest at once: all of it is about as far as the region, and harder to find than most of m would be. */
static double settle(double first, double all)
{
    const double excess = fmax(first / all, 1);
    return all * excess * excess * excess;
}

bool fgi_probe_begin(fgi_probe *probe, int64_t most_rows, fgi_scan *scan)
{
    const int64_t enough = FGI_FIRST_ROWS * (int64_t)probe->n;
    int64_t reach = enough, rows, could;
    probe->count = probe->added = probe->first = probe->opened = 0;
    probe->bound = INFINITY;
    probe->nearest = 0;
    probe->m = probe->n;
    rows = open_lists(probe, 0, OPEN_ROWS * (int64_t)probe->n);
    could = scan_first(probe, reach, 0, scan);
    while (could < enough && (probe->opened < probe->list_count || probe->first < probe->count)) {
        if (reach > most_rows / WIDENING) return false;
        reach *= WIDENING;
        rows = open_lists(probe, rows, WIDE_ROWS * reach);
        could = scan_first(probe, reach, could, scan);
    }
    if (could > 0) probe->m = settle(probe->m, results_alike(probe, could));
    return true;
}

double fgi_probe_effort(const fgi_probe *probe, int64_t at)
{
    return log1p((double)probe->before[at] / probe->m);
}

double fgi_probe_margin(const fgi_probe *probe, int64_t at, double r2)
{
    const double beyond = (double)sqdist_at(probe, at) - probe->nearest;
    return beyond > 0 ? beyond / r2 : 0; /* r2 = 0: nothing can be better */
}

double fgi_probe_radius2(const fgi_scan *scan)
{
    const double key = scan->hits[0].key;
    if (fgi_hit_empty(scan->hits[0])) return INFINITY;
    if (scan->ivf->metric == FG_METRIC_L2) return key;
    return key > -1 ? 2 + 2 * key : 0; /* of unit vectors, from minus their cosine */
}

/* --------------------------------------------------------------------------------- the second round */

/* The first bound is what the effort so far leaves for the margin. */
static void set_bound(fgi_probe *probe, const fgi_probe_rule *rule, double r2)
{
    const double left = rule->theta - log1p((double)rows_before(probe, probe->first) / probe->m);
    const double reach = left / rule->steepness * r2; /* of e, beyond e_0 */
    if (!(reach < FLT_MAX)) return;
    fgi_probe_bins *bins = &probe->bins;
    probe->bound = left < 0 ? -1 : probe->nearest + reach;
    bins->width = reach / FGI_PROBE_BINS;
    bins->inverse_width = reach > 0 ? 1 / bins->width : 0;
    const double factor = exp(-rule->steepness * bins->width / r2);
    double power = exp(rule->theta);
    for (int32_t b = 0; b < FGI_PROBE_BINS; b++, power *= factor) {
        const double limit = probe->m * (power - 1);
        bins->limits[b] = limit < 0x1p62 ? (int64_t)fmax(limit, 0) : INT64_MAX;
        bins->rows[b] = 0;
    }
}

/* The bin of a stop: FGI_PROBE_BINS or more for all that lie beyond them. */
static int32_t bin_at(const fgi_probe *probe, int64_t at)
{
    const double bin = (sqdist_at(probe, at) - probe->nearest) * probe->bins.inverse_width;
    return bin < FGI_PROBE_BINS ? (bin > 0 ? (int32_t)bin : 0) : FGI_PROBE_BINS;
}

/* Rows of the stops from `begin` on go into their bins. Rows that are nearer than a cell can only become more, so
 * the first bin with too many before it bounds what can pass; one more makes up for rounding. */
static void lower_bound(fgi_probe *probe, int64_t begin)
{
    fgi_probe_bins *bins = &probe->bins;
    for (int64_t i = begin; i < probe->count; i++) {
        const int32_t bin = bin_at(probe, i);
        if (bin < FGI_PROBE_BINS) bins->rows[bin] += fgi_probe_stop(probe, i)->rows;
    }
    int64_t before = rows_before(probe, probe->first);
    for (int32_t b = 0; b < FGI_PROBE_BINS; b++) {
        if (before > bins->limits[b]) {
            probe->bound = fmin(probe->bound, probe->nearest + (b + 1) * bins->width);
            return;
        }
        before += bins->rows[b];
    }
}

/* Adds the cells of the other lists, but for those beyond the bound. */
static void add_lists(fgi_probe *probe)
{
    const bool bounded = !isinf(probe->bound);
    if (bounded) lower_bound(probe, probe->first);
    for (int32_t i = probe->opened, until; i < probe->list_count; i = until) {
        const int64_t known = probe->count;
        until = probe->list_count - i < LISTS_A_LOOK ? probe->list_count : i + LISTS_A_LOOK;
        for (int32_t l = i; l < until; l++) add_cells(probe, (int32_t)probe->lists[l].id);
        if (bounded) lower_bound(probe, known);
    }
}

void fgi_probe_widen(fgi_probe *probe)
{
    add_lists(probe);
    sort_stops(probe, probe->first, probe->count);
    count_rows(probe, probe->first, probe->count);
}

/* How many bins hold nothing but what passes: even the last of their stops would, at the far end of the bin and with
 * all other rows before it. One bin more makes up for rounding. */
static int32_t sure_bins(const fgi_probe *probe)
{
    const fgi_probe_bins *bins = &probe->bins;
    int64_t until = rows_before(probe, probe->first);
    if (isinf(probe->bound) || !(bins->width > 0)) return 0;
    for (int32_t b = 0; b < FGI_PROBE_BINS - 2; b++) {
        until += bins->rows[b];
        if (until > bins->limits[b + 2]) return b;
    }
    return FGI_PROBE_BINS - 2;
}

/* Of the stops beyond the first round, those that are sure to pass come first, in any order, and those that may pass
 * behind them, in theirs; the others are dropped. Returns where the second kind begins. */
static int64_t arrange(fgi_probe *probe)
{
    uint64_t *pairs = probe->order.pairs;
    const int32_t sure = sure_bins(probe);
    int64_t passing = probe->first, kept = probe->first;
    for (int64_t i = probe->first; i < probe->count; i++) {
        const uint64_t pair = pairs[i];
        const bool passes = bin_at(probe, i) < sure, stays = sqdist_at(probe, i) <= probe->bound;
        pairs[kept] = pairs[passing]; /* no branch: nothing foretells it */
        pairs[passes ? passing : kept] = pair;
        passing += passes;
        kept += stays;
    }
    probe->count = kept;
    sort_stops(probe, passing, kept);
    count_rows(probe, probe->first, kept);
    return passing;
}

/* The first stop from `low` on that does not pass: the rule's left side rises. */
static int64_t last_stop(const fgi_probe *probe, int64_t low, const fgi_probe_rule *rule, double r2)
{
    int64_t high = probe->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const double score =
            fgi_probe_effort(probe, middle) + rule->steepness * fgi_probe_margin(probe, middle, r2);
        if (score > rule->theta)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void fgi_probe_scan_second(const fgi_probe *probe, fgi_scan *scan)
{
    for (int64_t i = 0; i < probe->count; i++) {
        const fgi_stop *stop = &probe->stops[i];
        const bool next_list = i == 0 || stop->list != stop[-1].list;
        if (next_list) fetch(probe->ivf, stop); /* while the list before it is scanned */
        fgi_scan_gather(scan, &probe->ivf->lists[stop->list], stop->begin,
                        stop->begin + stop->rows);
    }
    fgi_scan_pending(scan);
}

/* The stops with the places `first` .. end - 1 take the front, list by list. */
static void take_chosen(fgi_probe *probe, int64_t end)
{
    memset(probe->chosen, 0, (size_t)probe->added * sizeof *probe->chosen);
    for (int64_t i = probe->first; i < end; i++)
        probe->chosen[fgi_order_number(probe->order.pairs[i])] = true;
    probe->count = 0;
    for (int64_t i = 0; i < probe->added; i++) {
        probe->stops[probe->count] = probe->stops[i]; /* no branch: nothing foretells it */
        probe->count += probe->chosen[i];
    }
}

int64_t fgi_probe_decide(fgi_probe *probe, const fgi_probe_rule *rule, double r2)
{
    set_bound(probe, rule, r2);
    add_lists(probe);
    const int64_t end = last_stop(probe, arrange(probe), rule, r2), rows = rows_before(probe, end);
    take_chosen(probe, end);
    return rows;
}
