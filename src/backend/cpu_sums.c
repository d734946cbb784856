/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_sums.c - shares and labels of rows, added to statistics. Knows kernels and the plan; knows no screen, no ISA. */
#include "cpu_sums.h"

static void add_masses(const fgi_cpu_shares *s, fgi_stats *stats)
{
    double *mass = stats->mass, *square = stats->kind == FGI_DIAGONAL ? NULL : stats->square;
    int64_t survivors = 0;
    for (int32_t c = 0; c < s->pairs.count; c++) {
        if (s->share[c] == 0.0f) continue;
        const int32_t j = s->pairs.component[c];
        const double share = s->share[c];
        mass[j] += share;
        if (square) square[j] += share * s->distance[c];
        survivors++;
    }
    stats->survivors += survivors;
}

void fgi_cpu_add_shares(const fgi_cpu_job *job, const fgi_cpu_shares *shares, fgi_stats *stats)
{
    fgi_moments_args moments = {
        .pairs = shares->pairs,
        .share = shares->share,
        .x = shares->x,
        .means = job->plan->means,
        .ldx = shares->ldx,
        .ld = job->plan->ld,
        .d = job->plan->d,
        .shift = stats->shift,
        .square = stats->kind == FGI_DIAGONAL ? stats->square : NULL,
    };
    add_masses(shares, stats);
    if (shares->sorted && fgi_cpu_sorted_pays(shares->sorted, shares->pairs.count)) {
        moments.pairs = fgi_cpu_sort(shares->sorted, &shares->pairs, shares->share);
        moments.share = shares->sorted->share;
    }
    job->kernels->add_moments(&moments);
}

/* ------------------------------------------------------------------------------------------ labels */

fg_status fgi_cpu_labels_create(fgi_ledger *ledger, int32_t rows, fgi_cpu_labels *out)
{
    fgi_cpu_labels l = {0};
    fg_status s = fgi_alloc(ledger, rows, sizeof *l.row, &l.row);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *l.component, &l.component);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *l.distance, &l.distance);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *l.share, &l.share);
    if (s == FG_OK) s = fgi_alloc(ledger, rows, sizeof *l.value, &l.value);
    if (s != FG_OK) {
        fgi_cpu_labels_destroy(&l);
        return s;
    }
    for (int32_t r = 0; r < rows; r++) l.row[r] = r;
    *out = l;
    return FG_OK;
}

void fgi_cpu_labels_destroy(fgi_cpu_labels *l)
{
    fgi_free(l->row);
    fgi_free(l->component);
    fgi_free(l->distance);
    fgi_free(l->share);
    fgi_free(l->value);
    *l = (fgi_cpu_labels){0};
}

void fgi_cpu_labels_clear(fgi_cpu_labels *l, int32_t rows)
{
    for (int32_t r = 0; r < rows; r++) {
        l->component[r] = 0;
        l->share[r] = 0.0f;
    }
}

void fgi_cpu_add_labels(const fgi_cpu_job *job, const fgi_cpu_labels *l, int32_t rows,
                        const float *x, int32_t ldx, fgi_stats *stats)
{
    const fgi_cpu_shares shares = {
        .pairs = {.count = rows, .row = l->row, .component = l->component},
        .share = l->share,
        .distance = l->distance,
        .x = x,
        .ldx = ldx,
    };
    for (int32_t r = 0; r < rows; r++) {
        if (l->share[r] == 0.0f) continue;
        stats->objective -= l->value[r];
        stats->rows++;
    }
    fgi_cpu_add_shares(job, &shares, stats);
}
