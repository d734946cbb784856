/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_bounds.c - what Lloyd's passes keep of their rows, from hold to release. Knows centroids and their drifts; knows no
 * kernel, no row. */
#include "cpu_bounds.h"

#include "cpu_groups.h"

#include <math.h>   /* INFINITY, fmax, sqrt */
#include <string.h> /* memcmp, memcpy, memset */

/* Shorter rows are multiplied as fast as bounds are looked at (bench/NOTES.md). */
enum { LEAST_D = 32 };

/* What is kept grows with the rows, which may be a stream that no memory holds. */
static const int64_t most_bytes = (int64_t)512 << 20;
enum { ROW_BYTES = sizeof(int32_t) + FGI_CPU_GROUPS * sizeof(float) };

static void drop(fgi_cpu_bounds *b)
{
    fgi_free(b->label);
    fgi_free(b->bound);
    fgi_free(b->center);
    fgi_free(b->means);
    fgi_free(b->order);
    fgi_free(b->lane);
    *b = (fgi_cpu_bounds){
        .source = b->source, .rows = b->rows, .least_k = b->least_k, .refused = b->refused};
}

void fgi_cpu_bounds_release(fgi_cpu_bounds *b)
{
    drop(b);
    *b = (fgi_cpu_bounds){0};
}

void fgi_cpu_bounds_hold(fgi_cpu_bounds *b, const fgi_hold *rows, int32_t least_k)
{
    fgi_cpu_bounds_release(b);
    *b = (fgi_cpu_bounds){.source = rows->source, .rows = rows->rows, .least_k = least_k};
}

static bool suits(const fgi_cpu_bounds *b, const fgi_pass_spec *spec)
{
    const fgi_params *p = spec->params;
    if (!b->source || b->source != spec->source || b->refused) return false;
    if (b->rows * ROW_BYTES > most_bytes) return false;
    if (p->kind != FGI_HARD || !spec->stats || fgi_asks_rows(&spec->rows)) return false;
    if (p->k < b->least_k || p->d < LEAST_D) return false;
    for (int32_t j = 0; j < p->k; j++)
        if (p->log_weights[j] == -INFINITY) return false; /* dead: no row may keep it */
    return true;
}

static fg_status create(fgi_cpu_bounds *b, fgi_ledger *ledger, const fgi_params *p)
{
    const int32_t share = (p->k + FGI_CPU_GROUPS - 1) / FGI_CPU_GROUPS;
    b->k = p->k;
    b->d = p->d;
    b->normalize = p->normalize;
    b->group_lanes = (share + FGI_CPU_GROUP_UNIT - 1) / FGI_CPU_GROUP_UNIT * FGI_CPU_GROUP_UNIT;
    b->groups = (p->k + b->group_lanes - 1) / b->group_lanes;
    FG_TRY(fgi_alloc(ledger, b->rows, sizeof *b->label, &b->label));
    FG_TRY(fgi_alloc(ledger, b->rows * FGI_CPU_GROUPS, sizeof *b->bound, &b->bound));
    FG_TRY(fgi_alloc(ledger, p->d, sizeof *b->center, &b->center));
    FG_TRY(fgi_alloc(ledger, (int64_t)p->k * p->d, sizeof *b->means, &b->means));
    FG_TRY(fgi_alloc(ledger, p->k, sizeof *b->order, &b->order));
    FG_TRY(fgi_alloc(ledger, p->k, sizeof *b->lane, &b->lane));
    memcpy(b->center, p->center, (size_t)p->d * sizeof *b->center);
    return FG_OK;
}

static bool is_of(const fgi_cpu_bounds *b, const fgi_params *p)
{
    return b->label && b->k == p->k && b->d == p->d && b->normalize == p->normalize &&
           memcmp(b->center, p->center, (size_t)p->d * sizeof *b->center) == 0;
}

static void keep_means(fgi_cpu_bounds *b, const fgi_params *p)
{
    for (int64_t i = 0; i < (int64_t)b->k * b->d; i++) b->means[i] = (float)p->means[i];
}

/* How far a centroid has moved, not less; differences of f32 are rounded once in f64. */
static double drift_of(const fgi_cpu_bounds *b, const fgi_params *p, int32_t j)
{
    double sum = 0.0;
    for (int64_t i = (int64_t)j * b->d; i < (int64_t)(j + 1) * b->d; i++) {
        const double step = (double)(float)p->means[i] - b->means[i];
        sum += step * step;
    }
    return sqrt(sum) * (1.0 + (b->d + 8) * 0x1p-52);
}

/* Whether centroids lie about where they lay. In a step of Lloyd's none moves further than the root mean square of its rows'
 * distances; at the start of another try, labels say nothing. */
static bool follows(const fgi_cpu_bounds *b, const fgi_params *p)
{
    double sum = 0.0;
    for (int32_t j = 0; j < b->k; j++) sum += drift_of(b, p, j);
    return sum <= sqrt(b->spread) * b->k;
}

static void begin_anew(fgi_cpu_bounds *b)
{
    for (int64_t row = 0; row < b->rows; row++) b->label[row] = -1;
    b->grouped = false;
}

static fg_status group(fgi_cpu_bounds *b, fgi_ledger *ledger)
{
    const fgi_cpu_means means = {.means = b->means, .k = b->k, .d = b->d};
    FG_TRY(fgi_cpu_groups(ledger, &means, b->group_lanes, b->order));
    for (int32_t lane = 0; lane < b->k; lane++) b->lane[b->order[lane]] = lane;
    memset(b->bound, 0, (size_t)b->rows * FGI_CPU_GROUPS * sizeof *b->bound);
    memset(b->drift, 0, sizeof b->drift);
    b->grouped = true;
    return FG_OK;
}

static void add_drifts(fgi_cpu_bounds *b, const fgi_params *p)
{
    for (int32_t g = 0; g < b->groups; g++) {
        const int32_t first = g * b->group_lanes;
        const int32_t end = first + b->group_lanes < b->k ? first + b->group_lanes : b->k;
        double most = 0.0;
        for (int32_t lane = first; lane < end; lane++)
            most = fmax(most, drift_of(b, p, b->order[lane]));
        b->drift[g] = (b->drift[g] + most) * (1.0 + 0x1p-52);
    }
}

static fg_status begin(fgi_cpu_bounds *b, fgi_ledger *ledger, const fgi_params *p)
{
    if (!is_of(b, p)) {
        drop(b);
        FG_TRY(create(b, ledger, p));
        begin_anew(b);
        keep_means(b, p);
        return FG_OK;
    }
    if (!follows(b, p)) {
        begin_anew(b);
        keep_means(b, p);
        return FG_OK;
    }
    if (b->grouped) add_drifts(b, p);
    keep_means(b, p);
    return b->grouped ? FG_OK : group(b, ledger);
}

bool fgi_cpu_bounds_begin(fgi_cpu_bounds *b, fgi_ledger *ledger, const fgi_pass_spec *spec)
{
    if (spec->params->kind != FGI_HARD) drop(b); /* a mixture begins where Lloyd has ended */
    if (!suits(b, spec)) return false;
    b->refused = begin(b, ledger, spec->params) != FG_OK;
    if (b->refused) drop(b);
    b->spread = 0.0;
    return !b->refused;
}

void fgi_cpu_bounds_end(fgi_cpu_bounds *b, const fgi_stats *stats)
{
    if (stats->rows > 0) b->spread = stats->objective / (double)stats->rows;
}
