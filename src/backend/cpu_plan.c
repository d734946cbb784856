/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_plan.c - packs parameters for the kernels (formulas: cpu_plan.h). Knows what a screen promises; knows no
 * row, no packed layout. */
#include "cpu_plan.h"

#include <float.h> /* FLT_MAX */
#include <math.h>  /* exp, log2, sqrt, fabs, isfinite */

static const double log2_e = 1.4426950408889634, two_pi = 6.283185307179586;

/* A coarse screen serves a mixture while its scores lie at most this far above the true values: little
 * beside the 26 + log2 k that separate candidates from the rest. One that is still worse for a few components
 * alone, those of tiny variance, is no worse for the rows of the others. */
static const double most_margin = 16.0, most_counted = 32.0;

/* And it serves while so few components, on average, are as near to each other as its margins: always for centroids,
 * for mixtures while no margin is beyond what is counted. */
enum { MOST_NEIGHBOURS = 4, SPACING_SAMPLE = 16 };

/* A screen that raises its scores by more is a coarse one: its lengths cost a row what some 64 components more would. */
static const double most_fine_raise = 0x1p-10;
enum { LEAST_COARSE_K = 192 };

/* Where more means than this would be packed for rows to which most components matter, they do not matter to any. */
enum { MOST_DENSE_MEANS = 1 << 19 };

/* Where scores are raised by lengths, a dimension's scale, at the floor perhaps, must not decide for all: it is at most so many
 * times the typical one. A smaller scale only raises scores. */
static const double most_coarse_scale = 16.0, most_fine_scale = 64.0;

/* The squared length of what a typical row gives to the product of diagonal components, beside its own: half the variance
 * of normal x_i^2 in its unit more. */
static const double square_features = 1.5;

/* Kernels may take numbers below 2^-126 for 0. */
static const double tiny = 0x1p-120;

/* ------------------------------------------------------------------------------- one component's terms */

/* What the bounds of all components share. */
typedef struct bounds {
    double product_error, sum_error;
    double raise;         /* what the screen adds by itself, for each |x| |w|: about */
    double refine_error;  /* of a refined value, for each h |x|^2 and s */
    const double *rms;    /* d: root mean square of the data */
    double rms_all;       /* of the length of rows */
    const double *offset; /* k: values at means */
    const fgi_cpu_squares *squares;
    double most_scale; /* of a diagonal component, in typical ones */
} bounds;

/* A component in the expanded form: its weights, and value = bias + slope |x|^2 + sum of weights. */
typedef struct expansion {
    float *weights; /* depth */
    double bias, slope;
    double margin, margin_slope; /* how much of bias and slope is bound */
    double most_norm2;           /* no longer row overflows a score */
} expansion;

static double inverse_scale(const fgi_params *p, int32_t j, int32_t i)
{
    switch (p->kind) {
    case FGI_SPHERICAL: return 0.5 * log2_e / p->variances[j];
    case FGI_DIAGONAL: return 0.5 * log2_e / p->variances[(int64_t)j * p->d + i];
    default: return 1.0;
    }
}

static double value_at_mean(const fgi_params *p, int32_t j)
{
    if (p->kind == FGI_HARD) return p->log_weights[j] == -INFINITY ? -INFINITY : 0.0;
    double log2_volume = 0.0;
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    for (int32_t i = 0; i < cols; i++)
        log2_volume += log2(two_pi * p->variances[(int64_t)j * cols + i]);
    if (p->kind == FGI_SPHERICAL) log2_volume *= p->d;
    return p->log_weights[j] * log2_e - 0.5 * log2_volume;
}

/* The squared length up to which no row's score or distance can overflow: with h the largest scale, weights are at most
 * h + s, and the terms of a score sum to at most |bias| + s + 2 h norm2, those of a distance to 2 s + 2 h norm2. A quarter
 * of the range leaves room for rounding. */
static double longest_screened(double bias, double s, double h)
{
    const double room = 0.25 * FLT_MAX - fabs(bias) - s - h;
    return room > 0.0 ? room / (2.0 * h) : -1.0;
}

/* |m| / X, which is 0 for m = 0 also where all data is 0. */
static double ratio(double m, double rms)
{
    return m == 0.0 ? 0.0 : m / rms;
}

static void expand_spherical(const fgi_params *p, int32_t j, const bounds *b, expansion *e)
{
    const double h = inverse_scale(p, j, 0), *mean = p->means + (int64_t)j * p->d;
    double squares = 0.0, weights = 0.0;
    for (int32_t i = 0; i < p->d; i++) {
        const double m = (float)mean[i], weight = 2.0 * h * m;
        squares += m * m;
        weights += fabs(weight);
        e->weights[i] = (float)weight;
    }
    const double length = sqrt(squares), offset = value_at_mean(p, j) - h * squares;
    const double loss = b->product_error * h, left = 1.0 - b->sum_error;
    const double refine = b->refine_error * h;
    e->margin =
        (loss * length * b->rms_all + b->sum_error * fabs(offset) + refine * squares) / left +
        tiny * (p->d + weights);
    e->margin_slope = (loss * ratio(length, b->rms_all) + b->sum_error * h + refine) / left + tiny;
    e->bias = offset + e->margin;
    e->slope = e->margin_slope - h;
    e->margin += b->raise * h * length * b->rms_all;
    e->margin_slope += b->raise * h * ratio(length, b->rms_all);
    e->most_norm2 = fmin(longest_screened(e->bias, h * squares, h + e->margin_slope),
                         longest_screened(0.0, squares, 1.0)); /* distances are not scaled */
}

static double screened_scale(const fgi_params *p, int32_t j, int32_t i, const bounds *b)
{
    return fmin(inverse_scale(p, j, i), b->most_scale * b->squares->scale[i]);
}

/* How much of the typical scales a component has: what leaves the squares' weights as short as can be. */
static double own_share(const fgi_params *p, int32_t j, const bounds *b)
{
    double own = 0.0, all = 0.0;
    for (int32_t i = 0; i < p->d; i++) {
        const double scale = b->squares->scale[i] * b->rms[i] * b->rms[i];
        own += screened_scale(p, j, i, b) * scale;
        all += b->squares->scale[i] * scale;
    }
    return all > 0.0 ? (float)(own / all) : 0.0;
}

/* Sums over the dimensions of a diagonal component: what depends on the row's square has the factor -common + rest. */
typedef struct diagonal_sums {
    double squares, products, whole_squares; /* h m^2, h |m| X, the first for h as it is */
    double origins, origin_sizes;            /* rest c, its absolute value */
    double margins;                          /* how much of rest X^2 is bound */
    double weights, weights2, widest; /* their absolute values, squares, the largest of a square */
    double steepest;
} diagonal_sums;

static void expand_diagonal(const fgi_params *p, int32_t j, const bounds *b, expansion *e)
{
    const fgi_cpu_squares *typical = b->squares;
    const double *mean = p->means + (int64_t)j * p->d, error = b->product_error;
    const double share = own_share(p, j, b);
    diagonal_sums s = {0};
    for (int32_t i = 0; i < p->d; i++) {
        const double h = screened_scale(p, j, i, b), m = (float)mean[i], rms = b->rms[i];
        const double whole = inverse_scale(p, j, i);
        const double common = share * typical->scale[i], own = h - common;
        const double lost = h * (error * ratio(fabs(m), rms) + b->refine_error);
        const double margin =
            (lost + error * fabs(own) + b->sum_error * common) / (1.0 - error) + tiny;
        const double rest = margin - own, origin = rest * typical->origin[i];
        const double weight = 2.0 * h * m, square_weight = rest / typical->unit[i];
        s.squares += h * m * m;
        s.whole_squares += whole * m * m;
        s.products += h * fabs(m) * rms;
        s.origins += origin;
        s.origin_sizes += fabs(origin);
        s.margins += margin * rms * rms;
        s.weights += fabs(weight) + fabs(square_weight) + h + common;
        s.weights2 += weight * weight + square_weight * square_weight;
        s.widest = fmax(s.widest, fabs(square_weight));
        s.steepest = fmax(s.steepest, whole + common + margin);
        e->weights[i] = (float)weight;
        e->weights[p->d + i] = (float)square_weight;
    }
    const double offset = b->offset[j] - s.squares + s.origins;
    const double loss = error * (s.products + s.origin_sizes) + b->sum_error * fabs(offset) +
                        b->refine_error * s.squares;
    e->margin = loss / (1.0 - b->sum_error) + tiny * (2.0 * p->d + s.weights);
    e->bias = offset + e->margin;
    e->slope = -share;
    e->margin_slope = 0.0;
    e->margin += s.margins + b->raise * sqrt(s.weights2 * square_features) * b->rms_all;
    e->most_norm2 =
        longest_screened(e->bias, s.whole_squares + s.origin_sizes + s.widest, s.steepest);
}

static void expand(const fgi_params *p, int32_t j, const bounds *b, expansion *e)
{
    if (p->kind == FGI_DIAGONAL)
        expand_diagonal(p, j, b, e);
    else
        expand_spherical(p, j, b, e);
}

/* ---------------------------------------------------------------------------------- all components */

/* Root mean squares of the data, and variances within components, as the parameters know it. */
static void find_rms(const fgi_params *p, double *rms, double *within, bounds *b)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    double total = 0.0, sum = 0.0;
    for (int32_t i = 0; i < p->d; i++) rms[i] = within[i] = 0.0;
    for (int32_t j = 0; j < p->k; j++) {
        const double weight = exp(p->log_weights[j]), *mean = p->means + (int64_t)j * p->d;
        total += weight;
        for (int32_t i = 0; weight > 0.0 && i < p->d; i++) {
            const double v = cols ? p->variances[(int64_t)j * cols + i % cols] : 0.0;
            rms[i] += weight * (mean[i] * mean[i] + v);
            within[i] += weight * v;
        }
    }
    for (int32_t i = 0; i < p->d; i++) {
        const double square = rms[i] / total;
        rms[i] = square > 0.0 ? sqrt(square) : 1.0;
        within[i] /= total;
        sum += rms[i] * rms[i];
    }
    b->rms = rms;
    b->rms_all = sqrt(sum);
}

/* The mean of variances and not of scales: a component at the floor would be typical of all. In units of twice their root
 * mean, squares about their mean are about as large as values, and so are their weights. */
static void choose_squares(const double *within, fgi_cpu_plan *plan, bounds *b)
{
    const fgi_cpu_squares *s = &plan->squares;
    double largest = 0.0, steepest = 0.0;
    b->squares = s;
    for (int32_t i = 0; s->scale && i < plan->d; i++) {
        const double rms = b->rms[i];
        s->scale[i] = (float)(0.5 * log2_e / within[i]);
        s->origin[i] = (float)(rms * rms);
        s->unit[i] = (float)(0.5 / rms);
        const double square = (1.0 + s->unit[i]) * s->origin[i];
        if (square > largest) largest = square; /* as fmax, gcc 12 for ARM fails over it */
        steepest = fmax(steepest, fmax(s->unit[i], s->scale[i]));
    }
    if (s->scale) plan->most_norm2 = longest_screened(0.0, largest, steepest);
}

/* Two roundings of each sum, one of weights, values and bias, three of squares, and those of |x|^2 itself; |x - m|^2 is at most twice
 * |x|^2 + |m|^2. */
static void set_errors(const fgi_cpu_plan *plan, bounds *b)
{
    b->product_error = fgi_product_error(plan->screen, plan->depth) + 6 * 0x1p-24;
    b->sum_error = (plan->depth + 4 + plan->d + 4) * 0x1p-24;
    b->raise = plan->screen->raise;
    b->most_scale = b->raise > most_fine_raise ? most_coarse_scale
                    : b->raise > 0.0           ? most_fine_scale
                                               : INFINITY;
    b->refine_error = 2.0 * fgi_distance_error(plan->d);
}

static void find_margins(const fgi_params *p, const bounds *b, expansion *e, fgi_cpu_plan *plan)
{
    double total = 0.0;
    plan->margin = plan->margin_slope = 0.0;
    for (int32_t j = 0; j < p->k; j++) {
        double weight = exp(p->log_weights[j]);
        if (weight == 0.0) continue;
        expand(p, j, b, e);
        total += weight;
        const double whole = e->margin + e->margin_slope * b->rms_all * b->rms_all;
        if (p->kind != FGI_HARD && whole > most_counted) weight *= most_counted / whole;
        plan->margin += weight * e->margin;
        plan->margin_slope += weight * e->margin_slope;
    }
    if (total == 0.0) return;
    plan->margin /= total;
    plan->margin_slope /= total;
}

/* Pairs of a component, as a row at its mean, with all others. */
typedef struct spacing {
    int32_t *row, *component; /* k */
    float *distance;          /* k */
} spacing;

/* How many components a row at the mean of one could not tell from it, on average over a few. */
static double neighbours(const fgi_kernels *kernels, const fgi_cpu_plan *plan, const spacing *to,
                         double reach)
{
    const int32_t k = plan->k, sample = k < SPACING_SAMPLE ? k : SPACING_SAMPLE;
    int64_t count = 0;
    for (int32_t s = 0; s < sample; s++) {
        const int32_t j = (int32_t)((int64_t)s * k / sample);
        for (int32_t other = 0; other < k; other++) {
            to->row[other] = j;
            to->component[other] = other;
        }
        kernels->distances(&(fgi_distances_args){
            .pairs = {.count = k, .row = to->row, .component = to->component},
            .x = plan->means,
            .means = plan->means,
            .scale = plan->scale,
            .ldx = plan->ld,
            .ld = plan->ld,
            .d = plan->d,
            .out = to->distance,
        });
        for (int32_t other = 0; other < k; other++) {
            const double fall = plan->h[other] * to->distance[other] + plan->offset[j];
            count += other != j && fall - plan->offset[other] < reach;
        }
    }
    return (double)count / sample;
}

static bool is_coarse(const fgi_screen *screen)
{
    return screen->raise > most_fine_raise;
}

/* A score lies up to two margins above a value, and the first threshold two below the largest score. */
static bool serves(const fgi_params *p, const fgi_kernels *kernels, const bounds *b,
                   const fgi_cpu_plan *plan, const spacing *to)
{
    const double whole = plan->margin + plan->margin_slope * b->rms_all * b->rms_all;
    if (p->kind == FGI_HARD) return neighbours(kernels, plan, to, 2.0 * whole) <= MOST_NEIGHBOURS;
    /* a coarse screen of diagonal components saves a half of the products that a finer one takes, not three quarters */
    const bool spare = !is_coarse(plan->screen) || p->kind == FGI_SPHERICAL;
    if (spare && whole <= most_margin) return true;
    const double reach = FGI_CPU_CUT + log2((double)p->k) + 4.0 * whole;
    return whole < most_counted && neighbours(kernels, plan, to, reach) <= MOST_NEIGHBOURS;
}

static void choose_screen(const fgi_params *p, const fgi_kernels *kernels, bounds *b, expansion *e,
                          const spacing *to, fgi_cpu_plan *plan)
{
    for (int32_t i = 0; i < kernels->screen_count; i++) {
        const bool last = i == kernels->screen_count - 1;
        plan->screen = &kernels->screens[i];
        if (!last && is_coarse(plan->screen) && p->k < LEAST_COARSE_K) continue;
        set_errors(plan, b);
        find_margins(p, b, e, plan);
        if (last || serves(p, kernels, b, plan, to)) return;
    }
}

static void fill_rows(const fgi_params *p, fgi_cpu_plan *plan)
{
    for (int32_t j = 0; j < p->k; j++) {
        const double *mean = p->means + (int64_t)j * p->d;
        const int64_t row = (int64_t)j * plan->ld;
        for (int32_t i = 0; i < p->d; i++) plan->means[row + i] = (float)mean[i];
        for (int32_t i = 0; plan->scale && i < p->d; i++)
            plan->scale[row + i] = (float)inverse_scale(p, j, i);
        plan->h[j] = p->kind == FGI_DIAGONAL ? 1.0 : inverse_scale(p, j, 0);
        plan->offset[j] = value_at_mean(p, j);
    }
}

static void pack(const fgi_params *p, const bounds *b, expansion *e, fgi_cpu_plan *plan)
{
    const int32_t panel = plan->screen->panel;
    const size_t panel_bytes = plan->screen->panel_bytes(plan->depth);
    for (int64_t j = 0; j < (int64_t)plan->panels * panel; j++) plan->bias[j] = -INFINITY;
    for (int32_t lane = 0; lane < p->k; lane++) {
        const int32_t j = plan->order ? plan->order[lane] : lane;
        if (plan->offset[j] == -INFINITY) continue; /* dead: no row may choose it */
        expand(p, j, b, e);
        plan->screen->pack(e->weights, plan->depth, lane % panel,
                           (char *)plan->packed + (size_t)(lane / panel) * panel_bytes);
        plan->bias[lane] = (float)e->bias;
        plan->slope[lane] = (float)e->slope;
        plan->most_norm2 = fmin(plan->most_norm2, e->most_norm2);
    }
}

static void pack_dense(fgi_cpu_plan *plan)
{
    const int32_t panel = FGI_DENSE_PANEL;
    for (int32_t j = 0; j < plan->dense_panels * panel; j++) {
        const bool padding = j >= plan->k;
        plan->dense_offset[j] = padding ? -INFINITY : plan->offset[j];
        plan->dense_h[j] = padding ? 0.0 : plan->h[j];
        for (int32_t i = 0; !padding && i < plan->d; i++) {
            const int64_t from = (int64_t)j * plan->ld + i;
            const int64_t to = ((int64_t)(j / panel) * plan->d + i) * panel + j % panel;
            plan->dense_means[to] = plan->means[from];
            if (plan->scale) plan->dense_scale[to] = plan->scale[from];
        }
    }
}

static fg_status allocate_dense(fgi_ledger *ledger, fgi_cpu_plan *plan)
{
    const int32_t panels = (plan->k + FGI_DENSE_PANEL - 1) / FGI_DENSE_PANEL;
    const int64_t lanes = (int64_t)panels * FGI_DENSE_PANEL, cells = lanes * plan->d;
    if (plan->kind == FGI_HARD || plan->k == 1 || cells > MOST_DENSE_MEANS) return FG_OK;
    plan->dense_panels = panels;
    FG_TRY(fgi_alloc_zero(ledger, cells, sizeof(float), &plan->dense_means));
    if (plan->kind == FGI_DIAGONAL)
        FG_TRY(fgi_alloc_zero(ledger, cells, sizeof(float), &plan->dense_scale));
    FG_TRY(fgi_alloc(ledger, lanes, sizeof(double), &plan->dense_offset));
    return fgi_alloc(ledger, lanes, sizeof(double), &plan->dense_h);
}

static fg_status allocate_squares(fgi_ledger *ledger, fgi_cpu_plan *plan)
{
    fgi_cpu_squares *s = &plan->squares;
    if (plan->kind != FGI_DIAGONAL) return FG_OK;
    FG_TRY(fgi_alloc(ledger, plan->d, sizeof *s->scale, &s->scale));
    FG_TRY(fgi_alloc(ledger, plan->d, sizeof *s->origin, &s->origin));
    return fgi_alloc(ledger, plan->d, sizeof *s->unit, &s->unit);
}

static fg_status allocate_rows(fgi_ledger *ledger, fgi_cpu_plan *plan)
{
    const int64_t matrix = (int64_t)plan->k * plan->ld;
    FG_TRY(fgi_alloc_zero(ledger, matrix, sizeof(float), &plan->means));
    if (plan->kind == FGI_DIAGONAL)
        FG_TRY(fgi_alloc_zero(ledger, matrix, sizeof(float), &plan->scale));
    FG_TRY(fgi_alloc(ledger, plan->k, sizeof(double), &plan->offset));
    return fgi_alloc(ledger, plan->k, sizeof(double), &plan->h);
}

static fg_status allocate_panels(fgi_ledger *ledger, fgi_cpu_plan *plan)
{
    const fgi_screen *screen = plan->screen;
    plan->panels = (plan->k + screen->panel - 1) / screen->panel;
    const int64_t lanes = (int64_t)plan->panels * screen->panel;
    FG_TRY(fgi_alloc_zero(ledger, plan->panels, screen->panel_bytes(plan->depth), &plan->packed));
    FG_TRY(fgi_alloc(ledger, lanes, sizeof(float), &plan->bias));
    return fgi_alloc_zero(ledger, lanes, sizeof(float), &plan->slope);
}

fg_status fgi_cpu_plan_create(fgi_ledger *ledger, const fgi_kernels *kernels,
                              const fgi_params *params, const int32_t *order, fgi_cpu_plan *out)
{
    const int32_t d = params->d;
    fgi_cpu_plan plan = {
        .kind = params->kind,
        .k = params->k,
        .d = d,
        .depth = params->kind == FGI_DIAGONAL ? 2 * d : d,
        .ld = (d + 15) / 16 * 16,
        .normalize = params->normalize,
        .center = params->center,
        .order = order,
        .most_norm2 = FLT_MAX,
    };
    double *rms = NULL; /* and variances within components */
    expansion e = {0};
    bounds b = {0};
    spacing to = {0};
    fg_status s = fgi_alloc(ledger, 2 * (int64_t)d, sizeof *rms, &rms);
    if (s == FG_OK) s = fgi_alloc(ledger, plan.depth, sizeof *e.weights, &e.weights);
    if (s == FG_OK) s = fgi_alloc(ledger, plan.k, sizeof *to.row, &to.row);
    if (s == FG_OK) s = fgi_alloc(ledger, plan.k, sizeof *to.component, &to.component);
    if (s == FG_OK) s = fgi_alloc(ledger, plan.k, sizeof *to.distance, &to.distance);
    if (s == FG_OK) s = allocate_rows(ledger, &plan);
    if (s == FG_OK) s = allocate_squares(ledger, &plan);
    if (s == FG_OK) s = allocate_dense(ledger, &plan);
    if (s == FG_OK) {
        fill_rows(params, &plan);
        b.offset = plan.offset;
        find_rms(params, rms, rms + d, &b);
        choose_squares(rms + d, &plan, &b);
        choose_screen(params, kernels, &b, &e, &to, &plan);
        s = allocate_panels(ledger, &plan);
    }
    if (s == FG_OK) {
        pack(params, &b, &e, &plan);
        pack_dense(&plan);
        *out = plan;
    } else {
        fgi_cpu_plan_destroy(&plan);
    }
    fgi_free(to.row);
    fgi_free(to.component);
    fgi_free(to.distance);
    fgi_free(e.weights);
    fgi_free(rms);
    return s;
}

void fgi_cpu_plan_destroy(fgi_cpu_plan *plan)
{
    fgi_free(plan->packed);
    fgi_free(plan->bias);
    fgi_free(plan->slope);
    fgi_free(plan->squares.scale);
    fgi_free(plan->squares.origin);
    fgi_free(plan->squares.unit);
    fgi_free(plan->means);
    fgi_free(plan->scale);
    fgi_free(plan->offset);
    fgi_free(plan->h);
    fgi_free(plan->dense_means);
    fgi_free(plan->dense_scale);
    fgi_free(plan->dense_offset);
    fgi_free(plan->dense_h);
    *plan = (fgi_cpu_plan){0};
}
