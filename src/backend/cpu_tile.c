/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_tile.c - one tile of rows: screened by a product, refined from differences. Knows kernels and the plan;
 * knows no thread, no source, no ISA.
 *
 * For a row with scores U_j >= value_j (cpu_plan.h):
 *   candidates  = every j with U_j >= t, refined to value_j
 *   enough      when t <= max value - cut: whatever was left out has a value below t
 *   r_j         = 2^(value_j - lse), lse = log2 of the sum over candidates
 * A first t just below the largest score is enough for nearly every row; otherwise t is lowered to what the
 * refined values call for. */
#include "cpu_tile.h"

#include "cpu_rank.h"

#include <float.h> /* FLT_MAX */
#include <math.h>  /* exp2, log2, isfinite, nextafterf */

static const double ln_2 = 0.6931471805599453;

/* Scores are upper bounds: the first threshold lies so many of the plan's margins below what exact scores would
 * call for. */
static const double margins_below = 2.0;

/* The score tile should stay in a core's L2 cache beside the packed panels. Rows of scores stand a line further
 * apart than they are long: powers of two would meet in few sets of the cache. */
enum { SCORE_TILE_BYTES = 256 * 1024, MOST_TILE_ROWS = 192, SCORE_PAD = 16 };

/* Shares are sorted by component where there are so many of them for each, on average. */
enum { LEAST_SHARES = 8192, DENSE_SHARES = 4 };

double fgi_cpu_cut(int32_t k)
{
    return 26.0 + log2((double)k);
}

static int32_t tile_rows_for(int32_t group, int32_t ld_scores)
{
    int64_t rows = SCORE_TILE_BYTES / ((int64_t)sizeof(float) * ld_scores);
    if (rows > MOST_TILE_ROWS) rows = MOST_TILE_ROWS;
    return rows < group ? group : (int32_t)(rows / group * group);
}

static fg_status shares_create(fgi_ledger *ledger, int32_t k, fgi_cpu_shares *shares)
{
    const int32_t capacity = k > LEAST_SHARES ? k : LEAST_SHARES;
    shares->capacity = capacity;
    FG_TRY(fgi_alloc(ledger, capacity, sizeof(int32_t), &shares->component));
    FG_TRY(fgi_alloc(ledger, capacity, sizeof(int32_t), &shares->row));
    FG_TRY(fgi_alloc(ledger, capacity, sizeof(int32_t), &shares->sorted_row));
    FG_TRY(fgi_alloc(ledger, (int64_t)k + 1, sizeof(int32_t), &shares->end));
    FG_TRY(fgi_alloc(ledger, capacity, sizeof(float), &shares->weight));
    return fgi_alloc(ledger, capacity, sizeof(float), &shares->sorted_weight);
}

static void shares_destroy(fgi_cpu_shares *shares)
{
    fgi_free(shares->component);
    fgi_free(shares->row);
    fgi_free(shares->sorted_row);
    fgi_free(shares->end);
    fgi_free(shares->weight);
    fgi_free(shares->sorted_weight);
}

fg_status fgi_cpu_scratch_create(fgi_ledger *ledger, const fgi_cpu_plan *plan, fgi_cpu_scratch *out)
{
    const fgi_screen *screen = plan->screen;
    fgi_cpu_scratch s = {0};
    s.lanes = plan->panels * screen->panel;
    s.ld_scores = s.lanes + SCORE_PAD;
    s.ldx = (plan->depth + 15) / 16 * 16;
    s.tile_rows = tile_rows_for(screen->row_group, s.ld_scores);
    const int64_t rows = s.tile_rows, places = (int64_t)plan->k + FGI_SELECT_SLACK;
    fg_status status = fgi_alloc_zero(ledger, rows * s.ldx, sizeof(float), &s.x);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(float), &s.norm2);
    if (status == FG_OK && screen->prepare)
        status = fgi_alloc(ledger, rows / screen->row_group, screen->group_bytes(plan->depth),
                           &s.prepared);
    if (status == FG_OK) status = fgi_alloc(ledger, rows * s.ld_scores, sizeof(float), &s.scores);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(float), &s.row_max);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(int32_t), &s.index);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(int32_t), &s.order);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(float), &s.screened);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(float), &s.distance);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(float), &s.weight);
    if (status == FG_OK) status = fgi_alloc(ledger, places, sizeof(double), &s.value);
    if (status == FG_OK) status = shares_create(ledger, plan->k, &s.shares);
    if (status != FG_OK)
        fgi_cpu_scratch_destroy(&s);
    else
        *out = s;
    return status;
}

void fgi_cpu_scratch_destroy(fgi_cpu_scratch *s)
{
    fgi_free(s->x);
    fgi_free(s->norm2);
    fgi_free(s->prepared);
    fgi_free(s->scores);
    fgi_free(s->row_max);
    fgi_free(s->index);
    fgi_free(s->order);
    fgi_free(s->screened);
    fgi_free(s->distance);
    fgi_free(s->weight);
    fgi_free(s->value);
    shares_destroy(&s->shares);
    *s = (fgi_cpu_scratch){0};
}

/* ------------------------------------------------------------------------------------ load, screen */

static void load_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s, const fg_view *rows)
{
    const fgi_cpu_plan *plan = job->plan;
    const fgi_load_args load = {
        .rows = rows->data,
        .stride = rows->row_stride ? rows->row_stride : rows->cols,
        .count = (int32_t)rows->rows,
        .d = plan->d,
        .center = plan->center,
        .normalize = plan->normalize,
        .x = s->x,
        .ldx = s->ldx,
        .norm2 = s->norm2,
    };
    job->kernels->load[rows->dtype](&load);
    for (int32_t r = 0; r < load.count && plan->kind == FGI_DIAGONAL; r++) {
        float *x = s->x + (int64_t)r * s->ldx;
        for (int32_t i = 0; i < plan->d; i++) x[plan->d + i] = x[i] * x[i];
    }
}

static void screen_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t rows)
{
    const fgi_cpu_plan *plan = job->plan;
    const fgi_screen *screen = plan->screen;
    for (int32_t r = 0; r < rows; r++) s->row_max[r] = -INFINITY;
    if (screen->prepare) screen->prepare(s->x, s->ldx, rows, plan->depth, s->prepared);
    const fgi_scores_args scores = {
        .x = screen->prepare ? s->prepared : s->x,
        .ldx = s->ldx,
        .rows = rows,
        .depth = plan->depth,
        .norm2 = s->norm2,
        .packed = plan->packed,
        .bias = plan->bias,
        .slope = plan->slope,
        .panels = plan->panels,
        .scores = s->scores,
        .ld_scores = s->ld_scores,
        .row_max = s->row_max,
    };
    screen->scores(&scores);
}

/* ------------------------------------------------------------------------------------------ refine */

/* The candidates of one row, in the scratch's arrays, by rising component number. */
typedef struct candidates {
    int32_t count, best; /* best: the place of the largest value, the first of equals */
    double threshold;    /* every component that is left out has a value below this */
} candidates;

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

static void evaluate_far(const fgi_cpu_plan *plan, fgi_cpu_scratch *s, const float *x,
                         candidates *found)
{
    found->best = 0;
    for (int32_t c = 0; c < found->count; c++) {
        const int32_t j = s->index[c];
        const double distance =
            isfinite(s->distance[c]) ? s->distance[c] : wide_distance(plan, x, j);
        s->value[c] = plan->offset[j] - plan->h[j] * distance;
        if (s->value[c] > s->value[found->best]) found->best = c;
    }
}

static void refine(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t r, candidates *found)
{
    const fgi_cpu_plan *plan = job->plan;
    const float *x = s->x + (int64_t)r * s->ldx;
    if (plan->kind == FGI_DIAGONAL)
        job->kernels->sqdist_scaled(x, plan->means, plan->scale, plan->ld, plan->d, s->index,
                                    found->count, s->distance);
    else
        job->kernels->sqdist(x, plan->means, plan->ld, plan->d, s->index, found->count,
                             s->distance);
    if (s->norm2[r] <= plan->most_norm2)
        found->best = job->kernels->evaluate(s->distance, s->index, found->count, plan->offset,
                                             plan->h, s->value);
    else
        evaluate_far(plan, s, x, found);
}

static int32_t every_living_component(const fgi_cpu_plan *plan, int32_t *index)
{
    int32_t count = 0;
    for (int32_t j = 0; j < plan->k; j++)
        if (plan->offset[j] > -INFINITY) index[count++] = j;
    return count;
}

static void select_candidates(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t r,
                              candidates *found)
{
    const fgi_cpu_plan *plan = job->plan;
    found->count = 0;
    if (found->threshold > -FLT_MAX && plan->k > 1 && s->norm2[r] <= plan->most_norm2)
        found->count = job->kernels->select(s->scores + (int64_t)r * s->ld_scores, s->lanes,
                                            (float)found->threshold, 0, s->index, s->screened);
    if (found->count ==
        0) { /* nothing to screen, or scores that may be beyond f32: no component is left out */
        found->count = every_living_component(plan, s->index);
        found->threshold = -INFINITY;
    }
}

static double value_of_rank(fgi_cpu_scratch *s, int32_t count, int32_t rank)
{
    for (int32_t c = 0; c < count; c++) s->order[c] = c;
    fgi_cpu_rank(s->order, count, rank, s->value, s->index);
    return s->value[s->order[rank - 1]];
}

/* The threshold at which the candidates would be complete, judged by those found so far. */
static double threshold_needed(const fgi_cpu_job *job, fgi_cpu_scratch *s, const candidates *found)
{
    const double best = s->value[found->best];
    const double for_mass = best - (job->plan->kind == FGI_HARD ? 0.0 : job->cut);
    const int32_t rank = job->rows.exact_rank ? job->rows.top : 1;
    if (rank <= 1) return for_mass;
    if (found->count < rank) { /* look deeper, faster each time */
        s->rank_gap = 2.0 * (best - found->threshold);
        return fmin(for_mass, best - s->rank_gap);
    }
    const double for_rank = value_of_rank(s, found->count, rank);
    s->rank_gap = 1.25 * (best - for_rank);
    return fmin(for_mass, for_rank);
}

static candidates find_candidates(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t r)
{
    const fgi_cpu_plan *plan = job->plan;
    const double reach = plan->kind == FGI_HARD ? 0.0 : job->cut;
    const double margin = margins_below * (plan->margin + plan->margin_slope * s->norm2[r]);
    candidates found = {.threshold = s->row_max[r] - fmax(reach, s->rank_gap) - margin};
    for (;;) {
        /* the kernel compares in f32: the threshold in force is the rounded one */
        found.threshold = nextafterf((float)found.threshold, -INFINITY);
        select_candidates(job, s, r, &found);
        refine(job, s, r, &found);
        if (found.threshold == -INFINITY) return found;
        const double needed = threshold_needed(job, s, &found);
        if (found.threshold <= needed) return found;
        found.threshold = needed;
    }
}

/* ----------------------------------------------------------------------------- tell and accumulate */

/* Responsibilities of the candidates into weight; gives the row's log-density in log2 units back. */
static double normalise(const fgi_cpu_job *job, fgi_cpu_scratch *s, const candidates *found)
{
    const double best = s->value[found->best];
    if (job->plan->kind == FGI_HARD) {
        for (int32_t c = 0; c < found->count; c++) s->weight[c] = c == found->best ? 1.0f : 0.0f;
        return best;
    }
    if (found->count == 1) { /* most rows of well separated data */
        s->weight[0] = 1.0f;
        return best;
    }
    const float sum = job->kernels->exp2_sum(s->value, best, found->count, s->weight);
    for (int32_t c = 0; c < found->count; c++) s->weight[c] /= sum;
    return best + log2((double)sum);
}

static void tell_components(const fgi_cpu_job *job, fgi_cpu_scratch *s, const candidates *found,
                            int32_t *components, float *values)
{
    const fgi_row_request *want = &job->rows;
    const bool hard = job->plan->kind == FGI_HARD;
    const int32_t top = want->top < found->count ? want->top : found->count;
    for (int32_t c = 0; c < found->count; c++) s->order[c] = c;
    fgi_cpu_rank(s->order, found->count, top, s->value, s->index);
    int32_t told = 0;
    for (; told < top; told++) {
        const int32_t c = s->order[told];
        if (!hard && told > 0 && !(s->weight[c] >= want->tau)) break;
        components[told] = s->index[c];
        if (values) values[told] = hard ? s->distance[c] : s->weight[c];
    }
    for (; told < want->top; told++) {
        components[told] = -1;
        if (values) values[told] = 0.0f;
    }
}

static void add_shares(const fgi_cpu_job *job, const fgi_cpu_scratch *s, int32_t j,
                       const fgi_moments_args *of, fgi_stats *stats)
{
    fgi_moments_args a = *of;
    a.x = s->x;
    a.ldx = s->ldx;
    a.d = job->plan->d;
    a.mean = job->plan->means + (int64_t)j * job->plan->ld;
    a.shift = stats->shift + (int64_t)j * a.d;
    a.square = stats->kind == FGI_DIAGONAL ? stats->square + (int64_t)j * a.d : NULL;
    job->kernels->add_moments(&a);
}

/* By component, then by row: a component's sums stay in registers, and no sum is taken in another order. */
static void add_sorted(const fgi_cpu_job *job, fgi_cpu_scratch *s, fgi_stats *stats)
{
    fgi_cpu_shares *shares = &s->shares;
    const int32_t k = job->plan->k;
    int32_t *end = shares->end;
    for (int32_t j = 0; j <= k; j++) end[j] = 0;
    for (int32_t e = 0; e < shares->count; e++) end[shares->component[e] + 1]++;
    for (int32_t j = 0; j < k; j++) end[j + 1] += end[j];
    for (int32_t e = 0; e < shares->count; e++) {
        const int32_t place = end[shares->component[e]]++; /* first a beginning, then the end */
        shares->sorted_row[place] = shares->row[e];
        shares->sorted_weight[place] = shares->weight[e];
    }
    for (int32_t j = 0, begin = 0; j < k; begin = end[j++]) {
        const fgi_moments_args of = {.row = shares->sorted_row + begin,
                                     .weight = shares->sorted_weight + begin,
                                     .count = end[j] - begin};
        if (of.count > 0) add_shares(job, s, j, &of, stats);
    }
}

static void flush_shares(const fgi_cpu_job *job, fgi_cpu_scratch *s, fgi_stats *stats)
{
    fgi_cpu_shares *shares = &s->shares;
    if (shares->count / DENSE_SHARES >= job->plan->k) {
        add_sorted(job, s, stats);
    } else {
        for (int32_t e = 0; e < shares->count; e++) {
            const fgi_moments_args of = {
                .row = shares->row + e, .weight = shares->weight + e, .count = 1};
            add_shares(job, s, shares->component[e], &of, stats);
        }
    }
    shares->count = 0;
}

static void accumulate(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t r,
                       const candidates *found, fgi_stats *stats)
{
    const bool hard = job->plan->kind == FGI_HARD;
    fgi_cpu_shares *shares = &s->shares;
    if (shares->capacity - shares->count < found->count) flush_shares(job, s, stats);
    for (int32_t c = hard ? found->best : 0; c < (hard ? found->best + 1 : found->count); c++) {
        if (s->weight[c] == 0.0f) continue;
        const int32_t j = s->index[c], e = shares->count++;
        const double weight = s->weight[c];
        stats->mass[j] += weight;
        if (stats->kind != FGI_DIAGONAL) stats->square[j] += weight * s->distance[c];
        stats->survivors++;
        shares->component[e] = j;
        shares->row[e] = r;
        shares->weight[e] = s->weight[c];
    }
}

/* A row with NaN or infinity: counted, told as such, and otherwise left out. */
static void pass_over(const fgi_cpu_job *job, int64_t row, int64_t place, fgi_stats *stats,
                      const fgi_row_results *results)
{
    if (stats) {
        stats->rows_skipped++;
        if (stats->first_bad_row < 0) stats->first_bad_row = row;
    }
    const int32_t top = job->rows.top;
    for (int32_t i = 0; i < top; i++) {
        results->components[place * top + i] = -1;
        if (results->values) results->values[place * top + i] = 0.0f;
    }
    if (job->rows.log_density) results->log_density[place] = NAN;
}

static void absorb_row(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t r, int64_t place,
                       fgi_stats *stats, const fgi_row_results *results)
{
    const candidates found = find_candidates(job, s, r);
    const double lse = normalise(job, s, &found);
    const bool hard = job->plan->kind == FGI_HARD;
    const double density = hard ? lse : ln_2 * lse;
    const int32_t top = job->rows.top;
    if (top)
        tell_components(job, s, &found, results->components + place * top,
                        results->values ? results->values + place * top : NULL);
    if (job->rows.log_density) results->log_density[place] = density;
    if (!stats) return;
    stats->rows++;
    stats->objective += hard ? -density : density;
    if (!hard) stats->dropped += (job->plan->k - found.count) * exp2(found.threshold - lse);
    accumulate(job, s, r, &found, stats);
}

void fgi_cpu_tile_absorb(const fgi_cpu_job *job, fgi_cpu_scratch *scratch, const fg_view *rows,
                         int64_t first, fgi_stats *stats, const fgi_row_results *results)
{
    const int64_t stride_bytes = (rows->row_stride ? rows->row_stride : rows->cols) *
                                 (int64_t)fg_dtype_bytes((fg_dtype)rows->dtype);
    for (int64_t done = 0; done < rows->rows; done += scratch->tile_rows) {
        fg_view tile = *rows;
        tile.data = (const char *)rows->data + done * stride_bytes;
        if (rows->rows - done < scratch->tile_rows)
            tile.rows = rows->rows - done;
        else
            tile.rows = scratch->tile_rows;
        load_tile(job, scratch, &tile);
        if (job->plan->k > 1) screen_tile(job, scratch, (int32_t)tile.rows);
        for (int32_t r = 0; r < tile.rows; r++) {
            if (isfinite(scratch->norm2[r]))
                absorb_row(job, scratch, r, done + r, stats, results);
            else
                pass_over(job, first + done + r, done + r, stats, results);
        }
        if (stats) flush_shares(job, scratch, stats);
    }
}
