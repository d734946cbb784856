/* SPDX-License-Identifier: Apache-2.0 */
/* assign.c - the rules, one small function each. Knows candidates of one row; knows no index.
 *
 *     hard       { 1 }                                  the candidates' places, best first
 *     nearest    { 1 .. max_lists }
 *     margin     { j : d_j^2 <= d_1^2 + threshold }     d_j: distance to the mean of candidate j
 *     posterior  { j : r_j > threshold } and 1          r_j: responsibility of candidate j
 *
 * A rule sees max_lists candidates at most, which caps it. */
#include "assign.h"

typedef int32_t (*choose_fn)(const fgi_candidates *c, double threshold, int32_t *chosen);

static int32_t take_first(const fgi_candidates *c, int32_t count, int32_t *chosen)
{
    for (int32_t j = 0; j < count; j++) chosen[j] = c->lists[j];
    return count;
}

static int32_t choose_hard(const fgi_candidates *c, double threshold, int32_t *chosen)
{
    (void)threshold;
    return take_first(c, 1, chosen);
}

static int32_t choose_nearest(const fgi_candidates *c, double threshold, int32_t *chosen)
{
    (void)threshold;
    return take_first(c, c->count, chosen);
}

static int32_t choose_margin(const fgi_candidates *c, double threshold, int32_t *chosen)
{
    int32_t count = 1;
    while (count < c->count && (double)c->values[count] - c->values[0] <= threshold) count++;
    return take_first(c, count, chosen);
}

static int32_t choose_posterior(const fgi_candidates *c, double threshold, int32_t *chosen)
{
    int32_t count = 1;
    while (count < c->count && c->values[count] > threshold) count++;
    return take_first(c, count, chosen);
}

static const choose_fn choose[] = {
    [FG_ASSIGN_HARD] = choose_hard,
    [FG_ASSIGN_NEAREST] = choose_nearest,
    [FG_ASSIGN_MARGIN] = choose_margin,
    [FG_ASSIGN_POSTERIOR] = choose_posterior,
};

static void sort_ascending(int32_t *values, int32_t count)
{
    for (int32_t i = 1; i < count; i++) {
        const int32_t value = values[i];
        int32_t j = i;
        for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
        values[j] = value;
    }
}

fgi_candidates fgi_candidates_of(const fgi_row_results *results, int64_t row, int32_t top)
{
    fgi_candidates c = {.lists = results->components + row * top,
                        .values = results->values + row * top};
    while (c.count < top && c.lists[c.count] >= 0) c.count++;
    return c;
}

int32_t fgi_rule_choose(const fgi_rule *rule, const fgi_candidates *candidates, int32_t *chosen)
{
    const int32_t count = choose[rule->kind](candidates, rule->threshold, chosen);
    sort_ascending(chosen, count);
    return count;
}

fgi_row_request fgi_rule_request(const fgi_rule *rule)
{
    const bool posterior = rule->kind == FG_ASSIGN_POSTERIOR;
    return (fgi_row_request){.top = rule->max_lists,
                             .tau = posterior ? (float)rule->threshold : 0,
                             .exact_rank = !posterior};
}

fgi_params fgi_rule_params(const fgi_rule *rule, const fgi_params *coarse)
{
    fgi_params params = *coarse;
    if (rule->kind == FG_ASSIGN_MARGIN) params.kind = FGI_HARD;
    return params;
}
