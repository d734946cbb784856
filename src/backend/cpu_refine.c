/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_refine.c - candidates by screened scores, their values from differences. Knows kernels and the plan; knows no
 * statistics, no ISA.
 *
 * For a row with scores U_j >= value_j (cpu_plan.h):
 *   candidates  = every j with U_j >= t, refined to value_j
 *   enough      when t <= max value - cut: whatever was left out has a value below t
 *   r_j         = 2^(value_j - max) / sum of those over candidates
 * A first t just below the largest score is enough for nearly every row; otherwise t is lowered to what the refined
 * values call for. What one row needs is a handful of operations, each waiting for the one before: so a block of rows
 * takes each step together. */
#include "cpu_refine.h"

#include "cpu_rank.h"

#include <float.h> /* FLT_MAX, FLT_MIN */
#include <math.h>  /* fabs, isfinite */

/* Scores are upper bounds: the first threshold lies so many of the plan's margins below what exact scores would
 * call for. */
static const double margins_below = 2.0;

/* A guess of ranks serves the next rows: the first rows of a shard come few at a time. */
enum { ROWS_WITHOUT_GUESS = 8 };

/* Kernels compare in f32: always downwards, so that every look is deeper. */
static float round_down(double threshold)
{
    const double below = threshold - fabs(threshold) * 0x1p-23 - FLT_MIN;
    return below > -FLT_MAX ? (float)below : -INFINITY;
}

/* What to look for if this is the score of the row's best component. */
static double threshold_below(const fgi_cpu_job *job, const fgi_cpu_scratch *s, int32_t row,
                              double score)
{
    const fgi_cpu_plan *plan = job->plan;
    const double cut = plan->kind == FGI_HARD ? 0.0 : job->cut;
    const double reach = cut > s->rank_gap ? cut : s->rank_gap;
    return score - reach - margins_below * (plan->margin + plan->margin_slope * s->norm2[row]);
}

void fgi_cpu_first_thresholds(const fgi_cpu_job *job, fgi_cpu_scratch *s)
{
    const fgi_cpu_plan *plan = job->plan;
    for (int32_t i = 0; i < s->open.count; i++) {
        const int32_t row = s->open.row[i];
        /* nothing to screen, or scores that may be beyond f32 */
        const bool blind = plan->k == 1 || !(s->norm2[row] <= plan->most_norm2);
        s->open.threshold[i] =
            blind ? -INFINITY : round_down(threshold_below(job, s, row, s->row_max[row]));
    }
}

/* ------------------------------------------------------------------------------------------ gather */

/* Appends every living component to the block, for one row. */
static void gather_all(const fgi_cpu_plan *plan, fgi_cpu_block *b, int32_t row, float *threshold)
{
    for (int32_t j = 0; j < plan->k; j++) {
        if (plan->offset[j] == -INFINITY) continue;
        b->row[b->count] = row;
        b->component[b->count++] = j;
    }
    b->begin[++b->rows] = b->count;
    *threshold = -INFINITY;
}

void fgi_cpu_gather(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at)
{
    fgi_cpu_block *b = &s->block;
    const bool guesses = !job->rows.exact_rank || job->rows.top <= 1 || s->rank_gap > 0.0;
    const int32_t most_rows = guesses ? s->tile_rows : ROWS_WITHOUT_GUESS;
    const int32_t left = s->open.count - at, rows = left < most_rows ? left : most_rows;
    b->rows = b->count = b->begin[0] = 0;
    while (b->rows < rows) {
        const int32_t before = b->count;
        b->rows += job->kernels->select_rows(&(fgi_select_rows_args){
            .scores = s->scores,
            .ld_scores = s->ld_scores,
            .count = s->lanes,
            .row = s->open.row + at + b->rows,
            .threshold = s->open.threshold + at + b->rows,
            .rows = rows - b->rows,
            .places = b->capacity,
            .begin = b->begin + b->rows,
            .chosen = b->row,
            .component = b->component,
        });
        b->count = b->begin[b->rows];
        for (int32_t c = before; job->plan->order && c < b->count; c++)
            b->component[c] = job->plan->order[b->component[c]];
        if (b->rows == rows || b->capacity - b->count < s->lanes) break;
        const int32_t i = at + b->rows;
        gather_all(job->plan, b, s->open.row[i], &s->open.threshold[i]);
    }
}

/* ------------------------------------------------------------------------------------------ values */

/* The scaled squared distance in f64: for rows so far away that f32 overflows. */
static double wide_distance(const fgi_cpu_plan *plan, const float *x, int32_t j)
{
    const float *mean = plan->means + (int64_t)j * plan->ld;
    const float *scale = plan->scale ? plan->scale + (int64_t)j * plan->ld : NULL;
    double sum = 0.0;
    for (int32_t i = 0; i < plan->d; i++) {
        const double difference = (double)x[i] - mean[i];
        sum += (scale ? scale[i] : 1.0) * difference * difference;
    }
    return sum;
}

static void widen_distances(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t i)
{
    fgi_cpu_block *b = &s->block;
    for (int32_t c = b->begin[i]; c < b->begin[i + 1]; c++) {
        if (isfinite(b->distance[c])) continue;
        const float *x = s->x + (int64_t)b->row[c] * s->ldx;
        const int32_t j = b->component[c];
        const double distance = wide_distance(job->plan, x, j);
        b->value[c] = job->plan->offset[j] - job->plan->h[j] * distance;
    }
}

static void evaluate(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at)
{
    const fgi_cpu_plan *plan = job->plan;
    fgi_cpu_block *b = &s->block;
    const fgi_distances_args distances = {
        .pairs = {.count = b->count, .row = b->row, .component = b->component},
        .x = s->x,
        .means = plan->means,
        .scale = plan->scale,
        .ldx = s->ldx,
        .ld = plan->ld,
        .d = plan->d,
        .out = b->distance,
    };
    job->kernels->distances(&distances);
    job->kernels->evaluate(b->distance, b->component, b->count, plan->offset, plan->h, b->value);
    for (int32_t i = 0; i < b->rows; i++)
        if (!(s->norm2[s->open.row[at + i]] <= plan->most_norm2)) widen_distances(job, s, i);
}

/* Of equals, the lowest number. */
static void choose_nearest(fgi_cpu_block *b)
{
    for (int32_t i = 0; i < b->rows; i++) {
        int32_t best = b->begin[i];
        for (int32_t c = best + 1; c < b->begin[i + 1]; c++)
            if (b->value[c] > b->value[best] ||
                (b->value[c] == b->value[best] && b->component[c] < b->component[best]))
                best = c;
        b->nearest[i] = best;
        b->most[i] = b->value[best];
    }
}

void fgi_cpu_refine(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at)
{
    fgi_cpu_block *b = &s->block;
    fgi_cpu_gather(job, s, at);
    evaluate(job, s, at);
    if (job->plan->kind == FGI_HARD) {
        choose_nearest(b);
        return;
    }
    const fgi_shares_args shares = {
        .value = b->value,
        .begin = b->begin,
        .rows = b->rows,
        .share = b->share,
        .most = b->most,
        .sum = b->sum,
    };
    job->kernels->shares(&shares);
}

/* ------------------------------------------------------------------------------------------- judge */

static double value_of_rank(fgi_cpu_block *b, int32_t i, int32_t rank)
{
    const int32_t begin = b->begin[i], count = b->begin[i + 1] - begin;
    for (int32_t c = 0; c < count; c++) b->order[c] = c;
    fgi_cpu_rank(b->order, count, rank, b->value + begin, b->component + begin);
    return b->value[begin + b->order[rank - 1]];
}

/* The threshold at which a row's candidates would be complete, judged by those found so far. */
static double threshold_needed(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t i,
                               double threshold)
{
    const double best = s->block.most[i];
    const double for_mass = best - (job->plan->kind == FGI_HARD ? 0.0 : job->cut);
    const int32_t rank = job->rows.exact_rank ? job->rows.top : 1;
    if (rank <= 1) return for_mass;
    if (s->block.begin[i + 1] - s->block.begin[i] < rank) { /* look deeper, faster each time */
        s->rank_gap = 2.0 * (best - threshold);
        const double deeper = fmin(
            best - s->rank_gap, round_down(threshold)); /* the best may stand just there: no gap */
        return fmin(for_mass, deeper);
    }
    const double for_rank = value_of_rank(&s->block, i, rank);
    s->rank_gap = 1.25 * (best - for_rank);
    return fmin(for_mass, for_rank);
}

/* Where all that a look found are worth less than its threshold, one that follows from their values might take in all components:
 * the next look is for the best of those left out. */
static double threshold_of_the_rest(const fgi_cpu_job *job, const fgi_cpu_scratch *s, int32_t row,
                                    float threshold)
{
    const float *scores = s->scores + (int64_t)row * s->ld_scores;
    float largest = -INFINITY;
    for (int32_t lane = 0; lane < s->lanes; lane++)
        if (scores[lane] < threshold && scores[lane] > largest) largest = scores[lane];
    return threshold_below(job, s, row, largest);
}

bool fgi_cpu_is_complete(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at, int32_t i)
{
    float *threshold = &s->open.threshold[at + i];
    if (*threshold == -INFINITY) return true;
    const double needed = threshold_needed(job, s, i, *threshold);
    if (*threshold <= needed) return true;
    const bool misled = s->block.most[i] < *threshold;
    const double rest =
        misled ? threshold_of_the_rest(job, s, s->open.row[at + i], *threshold) : needed;
    *threshold = round_down(fmax(needed, rest));
    return false;
}
