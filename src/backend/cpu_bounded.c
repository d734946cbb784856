/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_bounded.c - Lloyd's pass by bounds. Knows kernels, the plan and bounds; knows no thread, no source, no ISA.
 *
 * For each row, the distance a to its last centroid is found from differences. A group of centroids is settled if its bound
 * proves that none of them has a refined distance of a or less. Rows that it does not settle are packed and multiplied with
 * its panels alone: scores of -a or more are candidates, the largest score is the new bound. docs/math.md has the proof, and
 * why labels and sums are those of a pass without bounds. */
#include "cpu_bounded.h"

#include "cpu_sums.h"
#include "source.h"

#include <math.h>   /* INFINITY, sqrtf */
#include <string.h> /* memcpy, memset */

/* Many rows of a group fill tiles; they should stay in a core's L2 cache beside panels. */
enum { LEAST_BATCH = 256, MOST_BATCH = 1024, BATCH_BYTES = 512 * 1024 };

/* Rows of a group's scores stand a line further apart than they are long, as in cpu_tile.c. */
enum { SCORE_PAD = 16 };

/* Largest scores that are found side by side, by vectors. */
enum { MAX_LANES = 32 };

/* ------------------------------------------------------------------------------ bounds in f32 */

static const float below = 1.0f - 0x1p-22f, above = 1.0f + 0x1p-22f;

/* What terms of distances lose where they underflow. */
static const float least = 0x1p-50f;

/* The distance from which on a refined distance is larger than `own`, which was refined itself. */
static float reach_of(float own, double error)
{
    return sqrtf(own) * (float)(1.0 + error + 0x1p-21) + least;
}

/* A distance that refined gives `own` is no smaller. */
static float distance_of(float own, double error)
{
    const float distance = sqrtf(own) * (float)(1.0 - error - 0x1p-21) - least;
    return distance > 0.0f ? distance : 0.0f;
}

/* No centroid with such a score or less is nearer. */
static float distance_of_score(float score)
{
    return score < 0.0f ? sqrtf(-score) * below : 0.0f;
}

static float not_above(double drift)
{
    return (float)drift * below;
}

static float not_below(double drift)
{
    return (float)drift * above;
}

/* drift: not above what it is. */
static float bound_of(float distance, float drift)
{
    return (distance + drift) * below;
}

/* ------------------------------------------------------------------------------ batches */

fg_status fgi_cpu_batch_create(fgi_ledger *ledger, const fgi_cpu_scratch *scratch,
                               fgi_cpu_batch *out)
{
    fgi_cpu_batch b = {.most_rows = MOST_BATCH};
    while (b.most_rows > LEAST_BATCH &&
           (int64_t)b.most_rows * scratch->ldx * (int64_t)sizeof *b.x > BATCH_BYTES)
        b.most_rows /= 2;
    const int64_t rows = b.most_rows;
    fg_status s = fgi_alloc_zero(ledger, rows * scratch->ldx, sizeof *b.x, &b.x);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *b.norm2, &b.norm2);
    if (s == FG_OK) s = fgi_cpu_labels_create(ledger, b.most_rows, &b.labels);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *b.own, &b.own);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *b.reach, &b.reach);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *b.open, &b.open);
    if (s != FG_OK)
        fgi_cpu_batch_destroy(&b);
    else
        *out = b;
    return s;
}

void fgi_cpu_batch_destroy(fgi_cpu_batch *b)
{
    fgi_free(b->x);
    fgi_free(b->norm2);
    fgi_cpu_labels_destroy(&b->labels);
    fgi_free(b->own);
    fgi_free(b->reach);
    fgi_free(b->open);
    *b = (fgi_cpu_batch){0};
}

/* A batch in the pass. */
typedef struct taking {
    const fgi_cpu_bounded *with;
    int32_t rows;
    int32_t *label; /* of its rows, as kept */
    float *bound;
    int64_t screened;
} taking;

static bool all_have_labels(const int32_t *label, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++)
        if (label[r] < 0) return false;
    return true;
}

static bool all_are_screened(const fgi_cpu_batch *b, int32_t rows, double most_norm2)
{
    for (int32_t r = 0; r < rows; r++)
        if (!(b->norm2[r] <= most_norm2)) return false;
    return true;
}

static void find_distances(const fgi_cpu_bounded *with, const fgi_pairs *pairs, float *out)
{
    const fgi_cpu_plan *plan = with->job->plan;
    with->job->kernels->distances(&(fgi_distances_args){
        .pairs = *pairs,
        .x = with->batch->x,
        .means = plan->means,
        .ldx = with->scratch->ldx,
        .ld = plan->ld,
        .d = plan->d,
        .out = out,
    });
}

static void find_own_distances(const taking *t)
{
    fgi_cpu_batch *b = t->with->batch;
    const fgi_pairs own = {.count = t->rows, .row = b->labels.row, .component = t->label};
    const double error = fgi_distance_error(t->with->job->plan->d);
    find_distances(t->with, &own, b->own);
    for (int32_t r = 0; r < t->rows; r++) {
        b->reach[r] = reach_of(b->own[r], error);
        fgi_cpu_label(&b->labels, r, t->label[r], b->own[r], 0.0);
    }
}

/* ------------------------------------------------------------------------------ groups */

/* Rows of a batch for which a group is not settled. */
static int32_t open_rows(const taking *t, int32_t g)
{
    const fgi_cpu_batch *b = t->with->batch;
    const float *bound = t->bound + g, drift = not_below(t->with->bounds->drift[g]);
    int32_t count = 0;
    for (int32_t r = 0; r < t->rows; r++) {
        b->open[count] = r;
        count += !(bound[(int64_t)r * FGI_CPU_GROUPS] > (drift + b->reach[r]) * above);
    }
    return count;
}

/* The candidates so far are refined: rows go to the nearest, the first of equals. */
static void choose(const taking *t)
{
    fgi_cpu_block *b = &t->with->scratch->block;
    fgi_cpu_labels *labels = &t->with->batch->labels;
    const fgi_pairs pairs = {.count = b->count, .row = b->row, .component = b->component};
    if (b->count == 0) return;
    find_distances(t->with, &pairs, b->distance);
    for (int32_t c = 0; c < b->count; c++) {
        const int32_t r = b->row[c], j = b->component[c];
        const float distance = b->distance[c], nearest = labels->distance[r];
        if (distance < nearest || (distance == nearest && j < labels->component[r]))
            fgi_cpu_label(labels, r, j, distance, 0.0);
    }
    b->count = 0;
}

/* The group at hand, and some rows that it does not settle, packed in the scratch. */
typedef struct packed {
    int32_t group, first, lanes; /* lanes: padded to whole panels */
    const int32_t *rows;
    int32_t count, ld_scores;
} packed;

static void multiply(const taking *t, const packed *p)
{
    const fgi_cpu_plan *plan = t->with->job->plan;
    const fgi_screen *screen = plan->screen;
    const fgi_cpu_batch *b = t->with->batch;
    fgi_cpu_scratch *s = t->with->scratch;
    for (int32_t i = 0; i < p->count; i++) {
        memcpy(s->x + (int64_t)i * s->ldx, b->x + (int64_t)p->rows[i] * s->ldx,
               (size_t)s->ldx * sizeof *s->x);
        s->norm2[i] = b->norm2[p->rows[i]];
        s->row_max[i] = -INFINITY;
    }
    if (screen->prepare) screen->prepare(s->x, s->ldx, p->count, plan->depth, s->prepared);
    const size_t panel = (size_t)(p->first / screen->panel);
    const fgi_scores_args scores = {
        .x = screen->prepare ? s->prepared : s->x,
        .ldx = s->ldx,
        .rows = p->count,
        .depth = plan->depth,
        .norm2 = s->norm2,
        .packed = (const char *)plan->packed + panel * screen->panel_bytes(plan->depth),
        .bias = plan->bias + p->first,
        .slope = plan->slope + p->first,
        .panels = p->lanes / screen->panel,
        .scores = s->scores,
        .ld_scores = p->ld_scores,
        .row_max = s->row_max,
    };
    screen->scores(&scores);
}

static float largest(const float *scores, int32_t count)
{
    float most[MAX_LANES];
    for (int32_t i = 0; i < MAX_LANES; i++) most[i] = -INFINITY;
    const int32_t whole = count / MAX_LANES * MAX_LANES;
    for (int32_t j = 0; j < whole; j += MAX_LANES)
        for (int32_t i = 0; i < MAX_LANES; i++)
            most[i] = scores[j + i] > most[i] ? scores[j + i] : most[i];
    for (int32_t j = whole; j < count; j++)
        most[j - whole] = scores[j] > most[j - whole] ? scores[j] : most[j - whole];
    for (int32_t i = 1; i < MAX_LANES; i++) most[0] = most[i] > most[0] ? most[i] : most[0];
    return most[0];
}

/* Bounds are about all centroids but the row's own. */
static void write_bounds(const taking *t, const packed *p)
{
    const fgi_cpu_bounds *bounds = t->with->bounds;
    const float drift = not_above(bounds->drift[p->group]);
    fgi_cpu_scratch *s = t->with->scratch;
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t row = p->rows[i], own = bounds->lane[t->label[row]] - p->first;
        if (own >= 0 && own < p->lanes) {
            float *scores = s->scores + (int64_t)i * p->ld_scores;
            scores[own] = -INFINITY;
            s->row_max[i] = largest(scores, p->lanes);
        }
        t->bound[(int64_t)row * FGI_CPU_GROUPS + p->group] =
            bound_of(distance_of_score(s->row_max[i]), drift);
    }
}

/* Centroids that may be as near as the row's own, appended to the block. */
static void gather(const taking *t, const packed *p)
{
    const int32_t *order = t->with->bounds->order + p->first;
    fgi_cpu_scratch *s = t->with->scratch;
    fgi_cpu_block *b = &s->block;
    int32_t rows = 0;
    for (int32_t i = 0; i < p->count; i++) {
        s->open.row[rows] = i;
        s->open.threshold[rows] = -t->with->batch->own[p->rows[i]];
        rows += s->row_max[i] >= s->open.threshold[rows];
    }
    for (int32_t done = 0; done < rows;) {
        const int32_t before = b->count;
        b->begin[0] = before;
        const int32_t more = t->with->job->kernels->select_rows(&(fgi_select_rows_args){
            .scores = s->scores,
            .ld_scores = p->ld_scores,
            .count = p->lanes,
            .row = s->open.row + done,
            .threshold = s->open.threshold + done,
            .rows = rows - done,
            .places = b->capacity,
            .begin = b->begin,
            .chosen = b->row,
            .component = b->component,
        });
        b->count = b->begin[more];
        for (int32_t c = before; c < b->count; c++) {
            b->row[c] = p->rows[b->row[c]];
            b->component[c] = order[b->component[c]];
        }
        done += more;
        if (done < rows) choose(t); /* makes room */
    }
}

static void take_group(taking *t, int32_t g)
{
    const fgi_cpu_bounds *bounds = t->with->bounds;
    const fgi_cpu_scratch *s = t->with->scratch;
    const int32_t first = g * bounds->group_lanes, left = s->lanes - first;
    const int32_t lanes = left < bounds->group_lanes ? left : bounds->group_lanes;
    const int32_t open = open_rows(t, g);
    for (int32_t at = 0; at < open; at += s->tile_rows) {
        const packed p = {
            .group = g,
            .first = first,
            .lanes = lanes,
            .rows = t->with->batch->open + at,
            .count = open - at < s->tile_rows ? open - at : s->tile_rows,
            .ld_scores = lanes + SCORE_PAD,
        };
        multiply(t, &p);
        write_bounds(t, &p);
        gather(t, &p);
    }
    t->screened += (int64_t)open * lanes;
}

/* ------------------------------------------------------------------------------ rows */

/* A row that has moved leaves a centroid behind, which its bounds did not count. */
static void keep_labels(const taking *t)
{
    const fgi_cpu_bounds *bounds = t->with->bounds;
    fgi_cpu_batch *b = t->with->batch;
    const double error = fgi_distance_error(t->with->job->plan->d);
    for (int32_t r = 0; r < t->rows; r++) {
        const int32_t before = t->label[r];
        b->labels.value[r] = -(double)b->labels.distance[r];
        if (b->labels.component[r] == before) continue;
        const int32_t g = bounds->lane[before] / bounds->group_lanes;
        float *bound = &t->bound[(int64_t)r * FGI_CPU_GROUPS + g];
        const float drift = not_above(bounds->drift[g]);
        const float left = bound_of(distance_of(b->own[r], error), drift);
        if (left < *bound) *bound = left;
        t->label[r] = b->labels.component[r];
    }
}

/* Rows without labels, or too long to be screened: they get labels, and lose their bounds. */
static void take_plainly(const taking *t, const fg_view *rows, int64_t first, fgi_stats *stats)
{
    fgi_cpu_job job = *t->with->job;
    job.rows.top = 1;
    const fgi_row_results results = {.components = t->label};
    memset(t->bound, 0, (size_t)t->rows * FGI_CPU_GROUPS * sizeof *t->bound);
    fgi_cpu_tile_absorb(&job, t->with->scratch, rows, first, stats, &results);
}

static void take(taking *t, const fg_view *rows, int64_t first, fgi_stats *stats)
{
    const fgi_cpu_bounded *with = t->with;
    fgi_cpu_batch *b = with->batch;
    const fgi_cpu_plan *plan = with->job->plan;
    bool by_bounds = with->bounds->grouped && all_have_labels(t->label, t->rows);
    if (by_bounds) {
        fgi_cpu_load(with->job, rows,
                     &(fgi_cpu_loaded){.x = b->x, .norm2 = b->norm2, .ldx = with->scratch->ldx});
        by_bounds = all_are_screened(b, t->rows, plan->most_norm2);
    }
    if (!by_bounds) {
        take_plainly(t, rows, first, stats);
        return;
    }
    find_own_distances(t);
    with->scratch->block.count = 0;
    for (int32_t g = 0; g < with->bounds->groups; g++) take_group(t, g);
    choose(t);
    keep_labels(t);
    fgi_cpu_add_labels(with->job, &b->labels, t->rows, b->x, with->scratch->ldx, stats);
    stats->screened += t->screened;
}

void fgi_cpu_bounded_absorb(const fgi_cpu_bounded *with, const fg_view *rows, int64_t first,
                            fgi_stats *stats)
{
    if (first + rows->rows > with->bounds->rows) { /* more than were held */
        fgi_cpu_tile_absorb(with->job, with->scratch, rows, first, stats, &(fgi_row_results){0});
        return;
    }
    for (int64_t at = 0; at < rows->rows; at += with->batch->most_rows) {
        const int64_t left = rows->rows - at, most = with->batch->most_rows;
        const fg_view some = fgi_view_rows(rows, at, left < most ? left : most);
        taking t = {
            .with = with,
            .rows = (int32_t)some.rows,
            .label = with->bounds->label + first + at,
            .bound = with->bounds->bound + (first + at) * FGI_CPU_GROUPS,
        };
        take(&t, &some, first + at, stats);
    }
}
