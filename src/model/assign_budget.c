/* SPDX-License-Identifier: Apache-2.0 */
/* assign_budget.c - finds the threshold that stores each row `copies` times on average. Knows the
 * rules with a threshold; knows no index.
 *
 * Under every rule but one, a candidate after the first joins from one threshold on. So the mean
 * number of lists is a step function of the threshold, and the sorted joining values of a sample
 * hold its steps: to have e extra copies in all, the threshold must lie between the e-th joining
 * value and the next. Candidates that tie at the threshold join together (margin, ratio) or stay
 * out together (posterior, rair, soar).
 *
 * Under rng a list that joins may keep others out. There the threshold is bisected on the kept
 * candidates of the sample; the mean number of lists grows with it but for a few rows. */
#include "assign.h"

#include "random.h"

#include <math.h>   /* isfinite, llround, sqrt */
#include <stdlib.h> /* qsort */
#include <string.h> /* memcpy */

enum {
    SAMPLE_ROWS = 20000, /* +- 0.5% of the mean where every other row has a second copy */
    BISECTIONS = 40
};
#define MOST_RNG_FACTOR 1e6

typedef struct sampling {
    const fgi_rule *rule;
    const fgi_params *coarse;
    int32_t top;
    int64_t rows, count;
    double *keys;   /* of what can join: count values, the first to join lowest */
    int32_t *lists; /* rng: rows x top */
    float *values;
} sampling;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The values from which on the row has 2, 3, ... max_lists lists. */
static void keep_keys(sampling *s, const fgi_candidates *c)
{
    double keys[FGI_MAX_LISTS];
    int32_t count = 0;
    for (int32_t j = 1; j < c->count; j++) {
        keys[count] = fgi_rule_joins(s->rule, s->coarse, c, j);
        count += isfinite(keys[count]);
    }
    qsort(keys, (size_t)count, sizeof *keys, ascending);
    for (int32_t i = 0; i < count && i < s->rule->max_lists - 1; i++) s->keys[s->count++] = keys[i];
}

static fg_status collect(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    (void)first;
    sampling *s = user;
    for (int64_t r = 0; r < rows; r++) {
        const fgi_candidates c = fgi_candidates_of(results, r, s->top);
        if (c.count == 0) continue; /* a row with NaN; whoever stores it refuses it */
        if (s->lists) {
            memcpy(s->lists + s->rows * s->top, c.lists, (size_t)s->top * sizeof *s->lists);
            memcpy(s->values + s->rows * s->top, c.values, (size_t)s->top * sizeof *s->values);
        } else {
            keep_keys(s, &c);
        }
        s->rows++;
    }
    return FG_OK;
}

static fg_status out_of_reach(const sampling *s, double copies, double reached)
{
    return fgi_fail(FG_ARGUMENT,
                    "copies is %g; these rows can be stored %.4g times on average at most, in "
                    "no more than %d lists each",
                    copies, reached, s->rule->max_lists);
}

static fg_status threshold_for(sampling *s, double copies, double *threshold)
{
    const int64_t extra = llround((copies - 1) * (double)s->rows);
    const fg_assign kind = s->rule->kind;
    if (extra > s->count) return out_of_reach(s, copies, 1 + (double)s->count / (double)s->rows);
    qsort(s->keys, (size_t)s->count, sizeof *s->keys, ascending);
    if (kind == FG_ASSIGN_POSTERIOR)
        *threshold = extra < s->count ? -s->keys[extra] : 0;
    else if (extra == 0)
        *threshold = kind == FG_ASSIGN_RATIO ? 1 : 0;
    else if (kind == FG_ASSIGN_MARGIN)
        *threshold = s->keys[extra - 1];
    else /* a little more, so that rounding does not keep out what joins here */
        *threshold = s->keys[extra - 1] * (1 + 0x1p-40) + 0x1p-1000;
    return FG_OK;
}

static double rng_copies(const sampling *s, double factor)
{
    fgi_rule rule = *s->rule;
    rule.threshold = factor;
    int64_t lists = 0;
    for (int64_t r = 0; r < s->rows; r++) {
        const fgi_row_results results = {.components = s->lists, .values = s->values};
        const fgi_candidates c = fgi_candidates_of(&results, r, s->top);
        int32_t chosen[FGI_MAX_LISTS];
        lists += fgi_rule_choose(&rule, s->coarse, &c, chosen);
    }
    return (double)lists / (double)s->rows;
}

static fg_status bisect_rng(sampling *s, double copies, double *threshold)
{
    double low = 0, high = MOST_RNG_FACTOR;
    const double reached = rng_copies(s, high);
    if (copies > reached + 1e-9) return out_of_reach(s, copies, reached);
    for (int32_t i = 0; i < BISECTIONS && high > 1.0001 * low; i++) {
        const double middle = low > 0 ? sqrt(low * high) : high > 1 ? 1 : 0.5 * high;
        if (rng_copies(s, middle) < copies)
            low = middle;
        else
            high = middle;
    }
    *threshold = high;
    return FG_OK;
}

static fg_status alloc_sample(fgi_ledger *ledger, sampling *s)
{
    const int64_t places = (int64_t)SAMPLE_ROWS * s->top;
    if (s->rule->kind != FG_ASSIGN_RNG) return fgi_alloc(ledger, places, sizeof *s->keys, &s->keys);
    FG_TRY(fgi_alloc(ledger, places, sizeof *s->lists, &s->lists));
    return fgi_alloc(ledger, places, sizeof *s->values, &s->values);
}

fg_status fgi_rule_solve(fg_context *ctx, fg_source *rows, const fgi_params *coarse, double copies,
                         uint64_t seed, fgi_rule *rule)
{
    fgi_rule open = *rule; /* lets every candidate join */
    open.threshold = 0;
    const fgi_params params = fgi_rule_params(&open, coarse);
    sampling sample = {
        .rule = &open, .coarse = coarse, .top = fgi_rule_candidates(rule, coarse->k)};
    fgi_pass pass = {.params = &params,
                     .rows = fgi_rule_request(&open, coarse),
                     .consume = collect,
                     .user = &sample,
                     .bad_rows = FG_BAD_ROWS_SKIP};
    pass.rows.exact_rank = true; /* a large budget may need responsibilities that a fit neglects */
    fg_source *some;
    FG_TRY(fgi_source_sample(rows, &ctx->ledger, SAMPLE_ROWS, seed, FGI_STREAM_BUDGET, &some));
    fg_status s = alloc_sample(&ctx->ledger, &sample);
    if (s == FG_OK) s = fgi_pass_run(ctx, some, &pass, true);
    if (s == FG_OK)
        s = (rule->kind == FG_ASSIGN_RNG ? bisect_rng : threshold_for)(&sample, copies,
                                                                       &rule->threshold);
    fgi_free(sample.keys);
    fgi_free(sample.lists);
    fgi_free(sample.values);
    fgi_source_close(some);
    return s;
}
