/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_dense.c - rows to which most components matter. Knows kernels and the plan; knows no ISA.
 *
 * Where responsibilities are really soft, choosing candidates costs more than it saves. Here components are lanes, nothing
 * is chosen, and nothing is left out. Which way a shard goes is asked of its first rows: so it depends on rows and
 * parameters alone. */
#include "cpu_dense.h"

#include "cpu_refine.h"

#include <string.h> /* memcpy, memset */

static int64_t lanes_of(const fgi_cpu_plan *plan)
{
    return (int64_t)plan->dense_panels * FGI_DENSE_PANEL;
}

/* Doubles of square: one a component, or one for each dimension too. */
static int64_t square_count(const fgi_cpu_plan *plan)
{
    return lanes_of(plan) * (plan->kind == FGI_DIAGONAL ? plan->d : 1);
}

static int64_t sum_count(const fgi_cpu_plan *plan)
{
    return lanes_of(plan) * (1 + plan->d) + square_count(plan);
}

fg_status fgi_cpu_dense_sums_create(fgi_ledger *ledger, const fgi_cpu_plan *plan,
                                    fgi_cpu_dense_sums *out)
{
    double *block;
    FG_TRY(fgi_alloc(ledger, sum_count(plan), sizeof *block, &block));
    *out = (fgi_cpu_dense_sums){
        .mass = block,
        .square = block + lanes_of(plan),
        .shift = block + lanes_of(plan) + square_count(plan),
    };
    return FG_OK;
}

void fgi_cpu_dense_sums_destroy(fgi_cpu_dense_sums *sums)
{
    fgi_free(sums->mass);
    *sums = (fgi_cpu_dense_sums){0};
}

/* A candidate costs some cycles of its own, any component only its dimensions. Both ways took alike long where a share of
 * 0.1 of the components mattered for 8 dimensions, 0.3 for 32, 0.33 for 128, with AMX as with AVX2 (bench/NOTES.md). */
static bool pays(const fgi_cpu_plan *plan, int64_t candidates, int64_t rows)
{
    const int64_t candidate = 60 + 5 * (int64_t)plan->d / 2, any = plan->d;
    return candidates * candidate >= rows * lanes_of(plan) * any;
}

bool fgi_cpu_dense_suits(const fgi_cpu_job *job, fgi_cpu_scratch *s)
{
    int64_t candidates = 0;
    for (int32_t at = 0; at < s->open.count; at += s->block.rows) {
        fgi_cpu_gather(job, s, at);
        candidates += s->block.count;
    }
    return s->open.count > 0 && pays(job->plan, candidates, s->open.count);
}

/* Closes the gaps that bad rows leave. */
static void move_together(fgi_cpu_scratch *s, int32_t d)
{
    for (int32_t i = 0; i < s->open.count; i++) {
        const int64_t from = s->open.row[i];
        if (from != i)
            memcpy(s->x + (int64_t)i * s->ldx, s->x + from * s->ldx, (size_t)d * sizeof *s->x);
    }
}

/* Not before: a worker's memory is then touched by itself, and where no tile is dense by nobody. */
static void begin_sums(const fgi_cpu_plan *plan, fgi_cpu_dense_sums *sums)
{
    if (sums->used) return;
    memset(sums->mass, 0, (size_t)sum_count(plan) * sizeof *sums->mass);
    sums->used = true;
}

bool fgi_cpu_dense_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s)
{
    const fgi_cpu_plan *plan = job->plan;
    const bool diagonal = plan->kind == FGI_DIAGONAL;
    const int32_t rows = s->open.count;
    for (int32_t i = 0; i < rows; i++)
        if (!(s->norm2[s->open.row[i]] <= plan->most_norm2)) return false;
    move_together(s, plan->d);
    begin_sums(plan, &s->dense);
    const fgi_dense_args all = {
        .x = s->x,
        .ldx = s->ldx,
        .rows = rows,
        .d = plan->d,
        .panels = plan->dense_panels,
        .means = plan->dense_means,
        .scale = plan->dense_scale,
        .r = s->scores,
        .ld = s->ld_scores,
    };
    const fgi_dense_shares_args shares = {
        .r = s->scores,
        .ld = s->ld_scores,
        .rows = rows,
        .count = (int32_t)lanes_of(plan),
        .offset = plan->dense_offset,
        .scale = plan->dense_h,
        .value = s->block.value,
        .mass = s->dense.mass,
        .square = diagonal ? NULL : s->dense.square,
        .most = s->block.most,
        .sum = s->block.sum,
    };
    job->kernels->dense_distances(&all);
    job->kernels->dense_shares(&shares);
    job->kernels->dense_moments(&all, s->dense.shift, diagonal ? s->dense.square : NULL);
    return true;
}

/* Adds packed sums to rows of components. */
static void unpack(const fgi_cpu_plan *plan, const double *packed, double *sums)
{
    const int32_t panel = FGI_DENSE_PANEL;
    for (int32_t j = 0; j < plan->k; j++) {
        const double *lane = packed + (int64_t)(j / panel) * plan->d * panel + j % panel;
        for (int32_t i = 0; i < plan->d; i++)
            sums[(int64_t)j * plan->d + i] += lane[(int64_t)i * panel];
    }
}

void fgi_cpu_dense_flush(const fgi_cpu_job *job, fgi_cpu_scratch *s, fgi_stats *stats)
{
    const fgi_cpu_plan *plan = job->plan;
    if (!s->dense.used) return;
    for (int32_t j = 0; j < plan->k; j++) stats->mass[j] += s->dense.mass[j];
    unpack(plan, s->dense.shift, stats->shift);
    if (plan->kind == FGI_DIAGONAL)
        unpack(plan, s->dense.square, stats->square);
    else
        for (int32_t j = 0; j < plan->k; j++) stats->square[j] += s->dense.square[j];
    s->dense.used = false;
}
