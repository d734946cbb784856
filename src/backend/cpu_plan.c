/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_plan.c - packs parameters for the kernels (formulas: cpu_plan.h). Knows the packed layout; knows no row. */
#include "cpu_plan.h"

#include <float.h> /* FLT_MAX */
#include <math.h>  /* log2, fabs, isfinite */

static const double log2_e = 1.4426950408889634, two_pi = 6.283185307179586;

static int32_t rounded_up(int32_t value, int32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

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

/* The squared length up to which no row's score against a component can overflow: with h its largest scale, weights are
 * at most h + s, and the terms of a score sum to at most |b| + s + 2 h norm2. A quarter of the range leaves room for
 * rounding. */
static double longest_screened(double b, double s, double h)
{
    const double room = 0.25 * FLT_MAX - fabs(b) - s - h;
    return room > 0.0 ? room / (2.0 * h) : -1.0;
}

static void pack_component(const fgi_params *p, const fgi_kernels *kernels, fgi_cpu_plan *plan,
                           int32_t j)
{
    const int32_t d = p->d, panel = kernels->panel;
    const double gamma = plan->gamma;
    float *lane = plan->packed + (int64_t)(j / panel) * plan->depth * panel + j % panel;
    float *mean = plan->means + (int64_t)j * plan->ld;
    double s = 0.0, steepest = 0.0;
    for (int32_t i = 0; i < d; i++) {
        mean[i] = (float)p->means[(int64_t)j * d + i];
        const double h = inverse_scale(p, j, i), m = mean[i];
        s += h * m * m;
        steepest = fmax(steepest, h);
        lane[(int64_t)i * panel] = (float)(2.0 * h * m);
        if (p->kind == FGI_DIAGONAL) {
            plan->scale[(int64_t)j * plan->ld + i] = (float)h;
            lane[(int64_t)(d + i) * panel] = (float)(-h * (1.0 - 2.0 * gamma));
        }
    }
    plan->h[j] = p->kind == FGI_DIAGONAL ? 1.0 : inverse_scale(p, j, 0);
    if (p->kind != FGI_DIAGONAL)
        lane[(int64_t)d * panel] = (float)(-plan->h[j] * (1.0 - 2.0 * gamma));
    plan->offset[j] = value_at_mean(p, j);
    const double b = plan->offset[j] - s;
    plan->bias[j] = isfinite(b) ? (float)(b + gamma * (fabs(b) + s)) : -INFINITY;
    if (isfinite(b)) plan->most_norm2 = fmin(plan->most_norm2, longest_screened(b, s, steepest));
}

fg_status fgi_cpu_plan_create(fgi_ledger *ledger, const fgi_kernels *kernels,
                              const fgi_params *params, fgi_cpu_plan *out)
{
    const int32_t k = params->k, d = params->d, panel = kernels->panel;
    const bool diagonal = params->kind == FGI_DIAGONAL;
    fgi_cpu_plan plan = {
        .kind = params->kind,
        .k = k,
        .d = d,
        .depth = diagonal ? 2 * d : d + 1,
        .panels = rounded_up(k, panel) / panel,
        .ld = rounded_up(d, 16),
        .normalize = params->normalize,
        .center = params->center,
        .most_norm2 = FLT_MAX,
    };
    plan.gamma = (2.0 * plan.depth + 8.0) * 0x1p-24;
    const int64_t lanes = (int64_t)plan.panels * panel, matrix = (int64_t)k * plan.ld;
    fg_status s = fgi_alloc_zero(ledger, lanes * plan.depth, sizeof(float), &plan.packed);
    if (s == FG_OK) s = fgi_alloc(ledger, lanes, sizeof(float), &plan.bias);
    if (s == FG_OK) s = fgi_alloc_zero(ledger, matrix, sizeof(float), &plan.means);
    if (s == FG_OK && diagonal) s = fgi_alloc_zero(ledger, matrix, sizeof(float), &plan.scale);
    if (s == FG_OK) s = fgi_alloc(ledger, k, sizeof(double), &plan.offset);
    if (s == FG_OK) s = fgi_alloc(ledger, k, sizeof(double), &plan.h);
    if (s != FG_OK) {
        fgi_cpu_plan_destroy(&plan);
        return s;
    }
    for (int32_t j = 0; j < k; j++) pack_component(params, kernels, &plan, j);
    for (int64_t j = k; j < lanes; j++) plan.bias[j] = -INFINITY;
    *out = plan;
    return FG_OK;
}

void fgi_cpu_plan_destroy(fgi_cpu_plan *plan)
{
    fgi_free(plan->packed);
    fgi_free(plan->bias);
    fgi_free(plan->means);
    fgi_free(plan->scale);
    fgi_free(plan->offset);
    fgi_free(plan->h);
    *plan = (fgi_cpu_plan){0};
}
