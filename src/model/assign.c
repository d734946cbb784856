/* SPDX-License-Identifier: Apache-2.0 */
/* assign.c - the rules, one small function each. Knows candidates of one row; knows no index.
 *
 *     hard       { 1 }                                  the candidates' places, best first
 *     nearest    { 1 .. max_lists }
 *     margin     { j : d_j^2 <= d_1^2 + threshold }     d_j: distance to the mean of candidate j
 *     ratio      { j : d_j <= threshold d_1 }           ScaNN's multiplicative spilling
 *     posterior  { j : r_j > threshold } and 1          r_j: responsibility (Flash-GMM, section 4)
 *     rair       1 and the j of least |r_j|^2 + lambda <r, r_j>            RAIRS, theorem 4.1
 *     soar       1 and the j of least |r_j|^2 + lambda <r, r_j>^2 / |r|^2  SOAR, theorem 3.1
 *     rng        1 and, going outwards, each j with d_j^2 <= threshold |c_j - c_s|^2
 *                for every s already chosen                  SPANN, section 3.2 (closure, RNG rule)
 *
 * Here r = x - c_1, r_j = x - c_j, and lambda is the threshold. The row itself is not needed:
 *     <r, r_j> = (d_1^2 + d_j^2 - |c_1 - c_j|^2) / 2.
 * The loss of candidate 1 itself is (1 + lambda) d_1^2 under both; unless strict, only a j of less
 * loss joins. So j joins if d_j^2 - d_1^2 < lambda g_j, where g_j = d_1^2 - <r, r_j> for rair and
 * d_1^2 - <r, r_j>^2 / d_1^2 for soar. A row that equals its centroid (r = 0) has g_j = 0: no
 * direction, and nothing joins but by distance alone, if strict.
 *
 * rair and soar look at 10 candidates as in RAIRS' code, rng at 64 as in SPTAG's. max_lists caps
 * every rule. */
#include "assign.h"

#include <math.h> /* INFINITY, sqrt */

enum { DIRECTED_CANDIDATES = 10, RNG_CANDIDATES = 64 };

static double sqdist_between(const fgi_params *p, int32_t a, int32_t b)
{
    const double *x = p->means + (int64_t)a * p->d, *y = p->means + (int64_t)b * p->d;
    double sum = 0;
    for (int32_t i = 0; i < p->d; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sum;
}

/* g_j and, for the loss, the term that lambda multiplies. */
typedef struct direction {
    double gain, term;
} direction;

static direction direction_of(const fgi_rule *rule, const fgi_params *coarse,
                              const fgi_candidates *c, int32_t j)
{
    const double first = c->values[0], own = c->values[j];
    if (!(first > 0)) return (direction){0, 0};
    const double inner = 0.5 * (first + own - sqdist_between(coarse, c->lists[0], c->lists[j]));
    const double term = rule->kind == FG_ASSIGN_RAIR ? inner : inner * inner / first;
    return (direction){first - term, term};
}

double fgi_rule_joins(const fgi_rule *rule, const fgi_params *coarse, const fgi_candidates *c,
                      int32_t j)
{
    const double first = c->values[0], own = c->values[j];
    switch (rule->kind) {
    case FG_ASSIGN_MARGIN: return own - first;
    case FG_ASSIGN_RATIO: return first > 0 ? sqrt(own / first) : own > 0 ? INFINITY : 1;
    case FG_ASSIGN_POSTERIOR: return own > 0 ? -own : INFINITY;
    default: {
        const double gain = direction_of(rule, coarse, c, j).gain;
        return gain > 0 ? (own - first) / gain : INFINITY;
    }
    }
}

/* Candidates are in order of distance or responsibility, and so of joining. */
static int32_t take_near(const fgi_rule *rule, const fgi_candidates *c, int32_t *chosen)
{
    const double threshold = rule->threshold, first = c->values[0];
    int32_t count = 0;
    do {
        chosen[count] = c->lists[count];
        count++;
        if (count == c->count || count == rule->max_lists) break;
    } while (rule->kind == FG_ASSIGN_NEAREST ||
             (rule->kind == FG_ASSIGN_MARGIN && c->values[count] - first <= threshold) ||
             (rule->kind == FG_ASSIGN_RATIO && c->values[count] <= threshold * threshold * first) ||
             (rule->kind == FG_ASSIGN_POSTERIOR && c->values[count] > threshold));
    return count;
}

/* The best by loss, as many as fit, each taken once. */
static int32_t take_directed(const fgi_rule *rule, const fgi_params *coarse,
                             const fgi_candidates *c, int32_t *chosen)
{
    const double lambda = rule->threshold, first = c->values[0];
    double loss[FGI_MAX_LISTS];
    for (int32_t j = 1; j < c->count; j++) {
        const direction d = direction_of(rule, coarse, c, j);
        const bool joins = rule->strict || c->values[j] - first < lambda * d.gain;
        loss[j] = joins ? c->values[j] + lambda * d.term : INFINITY;
    }
    int32_t count = 0;
    for (chosen[count++] = c->lists[0]; count < rule->max_lists; count++) {
        int32_t best = 0;
        for (int32_t j = 1; j < c->count; j++)
            if (loss[j] < (best ? loss[best] : INFINITY)) best = j;
        if (best == 0) break;
        chosen[count] = c->lists[best];
        loss[best] = INFINITY;
    }
    return count;
}

static int32_t take_rng(const fgi_rule *rule, const fgi_params *coarse, const fgi_candidates *c,
                        int32_t *chosen)
{
    int32_t count = 0;
    for (int32_t j = 0; j < c->count && count < rule->max_lists; j++) {
        bool hidden = false;
        for (int32_t s = 0; s < count && !hidden; s++)
            hidden =
                rule->threshold * sqdist_between(coarse, chosen[s], c->lists[j]) < c->values[j];
        if (!hidden) chosen[count++] = c->lists[j];
    }
    return count;
}

static void sort_ascending(int32_t *values, int32_t count)
{
    for (int32_t i = 1; i < count; i++) {
        const int32_t value = values[i];
        int32_t j = i;
        for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
        values[j] = value;
    }
}

static bool is_directed(const fgi_rule *rule)
{
    return rule->kind == FG_ASSIGN_RAIR || rule->kind == FG_ASSIGN_SOAR;
}

int32_t fgi_rule_candidates(const fgi_rule *rule, int32_t lists)
{
    int32_t count = rule->max_lists;
    if (is_directed(rule) && count < DIRECTED_CANDIDATES) count = DIRECTED_CANDIDATES;
    if (rule->kind == FG_ASSIGN_RNG && count < RNG_CANDIDATES) count = RNG_CANDIDATES;
    return count < lists ? count : lists;
}

fgi_candidates fgi_candidates_of(const fgi_row_results *results, int64_t row, int32_t top)
{
    fgi_candidates c = {.lists = results->components + row * top,
                        .values = results->values + row * top};
    while (c.count < top && c.lists[c.count] >= 0) c.count++;
    return c;
}

int32_t fgi_rule_choose(const fgi_rule *rule, const fgi_params *coarse,
                        const fgi_candidates *candidates, int32_t *chosen)
{
    const int32_t count = is_directed(rule) ? take_directed(rule, coarse, candidates, chosen)
                          : rule->kind == FG_ASSIGN_RNG ? take_rng(rule, coarse, candidates, chosen)
                                                        : take_near(rule, candidates, chosen);
    sort_ascending(chosen, count);
    return count;
}

fgi_row_request fgi_rule_request(const fgi_rule *rule, const fgi_params *coarse)
{
    const bool posterior = rule->kind == FG_ASSIGN_POSTERIOR;
    return (fgi_row_request){.top = fgi_rule_candidates(rule, coarse->k),
                             .tau = posterior ? (float)rule->threshold : 0,
                             .exact_rank = !posterior};
}

fgi_params fgi_rule_params(const fgi_rule *rule, const fgi_params *coarse)
{
    fgi_params params = *coarse;
    const bool own_order = rule->kind <= FG_ASSIGN_NEAREST || rule->kind == FG_ASSIGN_POSTERIOR;
    if (!own_order) params.kind = FGI_HARD;
    return params;
}
