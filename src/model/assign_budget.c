/* SPDX-License-Identifier: Apache-2.0 */
/* assign_budget.c - finds the threshold that stores each row `copies` times on average. Knows the
 * rules with a threshold; knows no index.
 *
 * Every candidate after the first joins from one threshold on: a margin from d_j^2 - d_1^2 upwards,
 * a posterior below r_j. So the mean number of lists is a step function of the threshold, and the
 * sorted joining values of a sample hold its steps: to have e extra copies in all, the threshold
 * must lie between the e-th joining value and the next. Candidates that tie at the threshold join
 * together (margin) or stay out together (posterior). */
#include "assign.h"

#include "random.h"

#include <math.h>   /* llround */
#include <stdlib.h> /* qsort */

enum { SAMPLE_ROWS = 20000 /* +- 0.5% of the mean where every other row has a second copy */ };

typedef struct joining {
    bool posterior;
    int32_t top;
    int64_t rows, count;
    double *keys; /* count values, the first to join lowest: d_j^2 - d_1^2, or -r_j */
} joining;

static fg_status collect(void *user, const fg_view *chunk, int64_t first,
                         const fgi_row_results *results)
{
    (void)first;
    joining *joins = user;
    for (int64_t r = 0; r < chunk->rows; r++) {
        const fgi_candidates c = fgi_candidates_of(results, r, joins->top);
        joins->rows +=
            c.count > 0; /* a row with NaN has no candidates; whoever stores it refuses it */
        for (int32_t j = 1; j < c.count; j++) {
            if (joins->posterior && !(c.values[j] > 0)) break;
            joins->keys[joins->count++] =
                joins->posterior ? -(double)c.values[j] : (double)c.values[j] - c.values[0];
        }
    }
    return FG_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static fg_status threshold_for(joining *joins, double copies, double *threshold)
{
    const int64_t extra = llround((copies - 1) * (double)joins->rows);
    if (extra > joins->count)
        return fgi_fail(FG_ARGUMENT,
                        "copies is %g; these rows can be stored %.4g times on average at most, in "
                        "no more than %d lists each",
                        copies, 1 + (double)joins->count / (double)joins->rows, joins->top);
    qsort(joins->keys, (size_t)joins->count, sizeof *joins->keys, ascending);
    if (joins->posterior)
        *threshold = extra < joins->count ? -joins->keys[extra] : 0;
    else
        *threshold = extra > 0 ? joins->keys[extra - 1] : 0;
    return FG_OK;
}

fg_status fgi_rule_solve(fg_context *ctx, fg_source *rows, const fgi_params *coarse, double copies,
                         uint64_t seed, fgi_rule *rule)
{
    fgi_rule open = *rule; /* lets every candidate join */
    open.threshold = 0;
    const fgi_params params = fgi_rule_params(&open, coarse);
    joining joins = {.posterior = rule->kind == FG_ASSIGN_POSTERIOR, .top = rule->max_lists};
    fgi_pass pass = {
        .params = &params, .rows = fgi_rule_request(&open), .consume = collect, .user = &joins};
    pass.rows.exact_rank = true; /* a large budget may need responsibilities that a fit neglects */
    fg_source *sample;
    FG_TRY(fgi_source_sample(rows, &ctx->ledger, SAMPLE_ROWS, seed, FGI_STREAM_BUDGET, &sample));
    fg_status s =
        fgi_alloc(&ctx->ledger, (int64_t)SAMPLE_ROWS * joins.top, sizeof *joins.keys, &joins.keys);
    if (s == FG_OK) s = fgi_pass_run(ctx, sample, &pass, true);
    if (s == FG_OK) s = threshold_for(&joins, copies, &rule->threshold);
    fgi_free(joins.keys);
    fgi_source_close(sample);
    return s;
}
