/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_nearest.c - scores, and the keys of those that can matter. Knows kernels and the plan of a pass; knows no list. */
#include "ivf_nearest.h"

#include <float.h> /* FLT_MAX, FLT_MIN */
#include <math.h>  /* fabs, log, sqrt */

enum {
    LEAST_PACKED = 64, /* centroids: comparing a query with fewer takes next to nothing */
    LEAST_TO_ONE = 8,  /* centroids to one that is wanted: of fewer, too few would be ruled out */
    FAST_ALONE = 2,    /* a lone row waits for each of its products: those of f32 gain nothing */
    SCORE_PAD = 16     /* scores of different rows would share their place in the first cache */
};

/* Scores of the queries of a tile: they stay in the second cache. */
enum { TILE_BYTES = 1 << 19 };

static const double UNIT = 0x1p-24, TINY = 0x1p-120;

/* ------------------------------------------------------------------------------------------ packing */

/* For the largest |c| + |m|. */
static double longest(const fgi_coarse *coarse)
{
    const fgi_params *p = &coarse->params;
    double most = 0.0;
    for (int32_t j = 0; j < p->k; j++) {
        double of_centroid = 0.0, of_mean = 0.0;
        for (int64_t at = (int64_t)j * p->d; at < ((int64_t)j + 1) * p->d; at++) {
            of_centroid += (double)coarse->centroids[at] * coarse->centroids[at];
            of_mean += p->means[at] * p->means[at];
        }
        most = fmax(most, sqrt(of_centroid) + sqrt(of_mean));
    }
    return most;
}

fg_status fgi_packed_create(const fgi_coarse *coarse, const fgi_kernels *kernels, fgi_packed *out)
{
    fgi_params equal = coarse->params; /* lists are alike, however many rows they had in training */
    double *log_weights;
    *out = (fgi_packed){0};
    if (equal.k < LEAST_PACKED) return FG_OK;
    FG_TRY(fgi_alloc(NULL, equal.k, sizeof *log_weights, &log_weights));
    for (int32_t j = 0; j < equal.k; j++) log_weights[j] = -log(equal.k);
    equal.kind = FGI_HARD;
    equal.log_weights = log_weights;
    fgi_packed packed = {.kernels = kernels, .lengths = longest(coarse)};
    const fg_status s = fgi_cpu_plan_create(NULL, kernels, &equal, NULL, &packed.plan);
    fgi_free(log_weights);
    if (s == FG_OK) *out = packed;
    return s;
}

void fgi_packed_destroy(fgi_packed *packed)
{
    fgi_cpu_plan_destroy(&packed->plan);
    *packed = (fgi_packed){0};
}

int64_t fgi_packed_bytes(const fgi_packed *packed)
{
    const fgi_cpu_plan *plan = &packed->plan;
    if (!packed->kernels) return 0;
    const int64_t lanes = (int64_t)plan->panels * plan->screen->panel;
    return plan->panels * (int64_t)plan->screen->panel_bytes(plan->depth) +
           lanes * 2 * (int64_t)sizeof(float) +
           plan->k * (plan->ld * (int64_t)sizeof(float) + 2 * (int64_t)sizeof(double));
}

bool fgi_nearest_pays(const fgi_packed *packed, const fgi_kernels *kernels, int32_t wanted,
                      bool alone)
{
    if (!packed->kernels || packed->kernels != kernels) return false;
    if (alone && packed->plan.screen->speed < FAST_ALONE) return false;
    return wanted <= packed->plan.k / LEAST_TO_ONE;
}

/* ------------------------------------------------------------------------------------------- a tile */

static int32_t tile_rows(const fgi_screen *screen, int32_t lanes)
{
    const int64_t fit = TILE_BYTES / (lanes * (int64_t)sizeof(float));
    const int64_t rows = fit < screen->most_rows ? fit : screen->most_rows;
    return rows < screen->row_group ? screen->row_group
                                    : (int32_t)(rows / screen->row_group * screen->row_group);
}

fg_status fgi_nearest_create(fgi_ledger *ledger, const fgi_coarse *coarse, const fgi_packed *packed,
                             int32_t wanted, bool alone, fgi_nearest *out)
{
    const fgi_cpu_plan *plan = &packed->plan;
    const fgi_screen *screen = plan->screen;
    *out = (fgi_nearest){.coarse = coarse, .packed = packed, .wanted = wanted};
    out->lanes = plan->panels * screen->panel;
    out->ld_scores = out->lanes + SCORE_PAD;
    out->rows = alone ? 1 : tile_rows(screen, out->lanes);
    const int64_t rows = out->rows, selected = out->lanes + (int64_t)FGI_SELECT_SLACK;
    const int64_t groups = (rows + screen->row_group - 1) / screen->row_group;
    const size_t group_bytes = screen->prepare ? screen->group_bytes(plan->depth) : 1;
    const fgi_part parts[] = {{&out->scores, rows * out->ld_scores, sizeof *out->scores},
                              {&out->x, rows * plan->d, sizeof *out->x},
                              {&out->prepared, screen->prepare ? groups : 0, group_bytes},
                              {&out->norm2, rows, sizeof *out->norm2},
                              {&out->largest, rows, sizeof *out->largest},
                              {&out->row, selected, sizeof *out->row},
                              {&out->number, selected, sizeof *out->number},
                              {&out->key, out->lanes, sizeof *out->key}};
    FG_TRY(fgi_alloc_parts(ledger, parts, 8));
    return fgi_order_create(ledger, out->lanes, &out->order);
}

void fgi_nearest_destroy(fgi_nearest *n)
{
    fgi_free(n->scores);
    fgi_order_destroy(&n->order);
    *n = (fgi_nearest){0};
}

void fgi_nearest_screen(fgi_nearest *n, const float *queries, int32_t count)
{
    const fgi_cpu_plan *plan = &n->packed->plan;
    const fgi_screen *screen = plan->screen;
    n->packed->kernels->load[FG_F32](&(fgi_load_args){.rows = queries,
                                                      .stride = plan->d,
                                                      .count = count,
                                                      .d = plan->d,
                                                      .center = n->coarse->params.center,
                                                      .x = n->x,
                                                      .ldx = plan->d,
                                                      .norm2 = n->norm2});
    if (screen->prepare) screen->prepare(n->x, plan->d, count, plan->depth, n->prepared);
    for (int32_t r = 0; r < count; r++) n->largest[r] = -INFINITY;
    screen->scores(&(fgi_scores_args){.x = screen->prepare ? n->prepared : n->x,
                                      .ldx = plan->d,
                                      .rows = count,
                                      .depth = plan->depth,
                                      .norm2 = n->norm2,
                                      .packed = plan->packed,
                                      .bias = plan->bias,
                                      .slope = plan->slope,
                                      .panels = plan->panels,
                                      .scores = n->scores,
                                      .ld_scores = n->ld_scores,
                                      .row_max = n->largest});
}

/* -------------------------------------------------------------------------------------- one query */

static float round_down(double threshold)
{
    const double below = threshold - fabs(threshold) * 0x1p-23 - FLT_MIN;
    return below > -FLT_MAX ? (float)below : -INFINITY;
}

/* A score that as many reach as are wanted: the wanted-th of the largest of groups of lanes. */
static float score_reached(const fgi_nearest *n, int32_t row)
{
    const float *scores = n->scores + (int64_t)row * n->ld_scores;
    if (n->wanted == 1) return n->largest[row];
    const int32_t groups = (LEAST_TO_ONE * n->wanted + 15) / 16 * 16; /* no more than lanes */
    float *most = n->key;                                             /* not yet of use */
    for (int32_t g = 0; g < groups; g++) most[g] = scores[g];
    for (int32_t begin = groups; begin < n->lanes; begin += groups) {
        const int32_t count = n->lanes - begin < groups ? n->lanes - begin : groups;
        for (int32_t g = 0; g < count; g++)
            most[g] = scores[begin + g] > most[g] ? scores[begin + g] : most[g];
    }
    for (int32_t g = 0; g < groups; g++) n->order.pairs[g] = fgi_order_pair(-most[g], g);
    fgi_order_lowest(&n->order, groups, n->wanted);
    return -fgi_order_key(n->order.pairs[n->wanted - 1]);
}

/* No centroid with a lower score has a key of `worst` or less; -inf: nothing is known. */
static float score_needed(const fgi_nearest *n, double norm2, double worst)
{
    const double tiny = TINY * n->coarse->params.d; /* what underflows */
    const double key_error = 1.01 * (n->coarse->params.d + 8) * UNIT;
    const double apart = 1.01 * UNIT * (1.01 * sqrt(norm2) + n->packed->lengths);
    const double radius = sqrt((worst + tiny) / (1.0 - key_error)) + apart + tiny;
    return round_down(-radius * radius);
}

/* Puts those whose scores reach the threshold in order, as many as are wanted; returns the last one's key. */
static float rank(fgi_nearest *n, int32_t row, const float *query, float threshold)
{
    const fgi_kernels *kernels = n->packed->kernels;
    const int32_t d = n->coarse->params.d;
    const int32_t count = kernels->select(n->scores + (int64_t)row * n->ld_scores, n->lanes,
                                          threshold, row, n->row, n->number);
    kernels->scan_l2[FG_F32](query, n->coarse->centroids, n->number, count, d, n->key);
    for (int32_t i = 0; i < count; i++) n->order.pairs[i] = fgi_order_pair(n->key[i], n->number[i]);
    fgi_order_lowest(&n->order, count, n->wanted);
    return fgi_order_key(n->order.pairs[n->wanted - 1]);
}

bool fgi_nearest_find(fgi_nearest *n, int32_t row, const float *query, fgi_hit *found)
{
    enum { MARGINS_BELOW = 2 }; /* scores are bounds: exact ones would not reach as high */
    const fgi_cpu_plan *plan = &n->packed->plan;
    const double norm2 = n->norm2[row], margin = plan->margin + plan->margin_slope * norm2;
    if (!(norm2 <= plan->most_norm2)) return false;
    float threshold = round_down(score_reached(n, row) - MARGINS_BELOW * margin), needed;
    if (threshold == -INFINITY) return false;
    needed = score_needed(n, norm2, rank(n, row, query, threshold));
    if (needed == -INFINITY) return false;
    if (needed < threshold) rank(n, row, query, needed);
    for (int32_t i = 0; i < n->wanted; i++)
        found[i] = (fgi_hit){fgi_order_key(n->order.pairs[i]), fgi_order_number(n->order.pairs[i])};
    return true;
}
