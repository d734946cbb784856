/* SPDX-License-Identifier: Apache-2.0 */
/* rounding.c - the bounds. To first order in u = 2^-24, for a row x, a component j, z_i = x_i - m_ji (old mean):
 *
 *   rows and means are rounded after centring    |error of z_i| <= a_i = u (|x_i - c_i| + |m_ji - c_i|)
 *   D = sum of z_i^2 / v_i, summed in at least   relative error at most g = (d/8 + 11) u: d/8 additions, 4 to join the
 *     8 lanes and joined, or in eights             lanes, 6 for difference, square, scale and the scale's rounding; or
 *                                                  8, d/8 - 1 and 4
 *   so the log-density strays by at most         e_j = g D / 2 + sum of |z_i| a_i / v_i
 *   r_j = exp(l_j) / sum of exp(l): its          r_j [(1 - r_j) e_j + sum over l != j of r_l e_l]
 *     derivative gives                             + r_j q_j,  q_j = (k/8 + 11 + gap) u: the power of two 4, its
 *                                                  argument gap = log(r_best / r_j), the sum k/8 + 4, the quotient 1,
 *                                                  what is left out as negligible 1
 *     and never more than r_j itself where it is left out, below 2^-26 / k of the best
 *   With b_nj the bound on r_nj, N the mass, m', v' the new mean and variance, z' = x - m', s = sqrt(v'):
 *   log-weight     sum of b / N
 *   mean / s       sum of b |z'| / (N s)  +  u sum of r (|x - c| + |z|) / (N s)  +  u |m' - c| / s
 *                  +  t sum of r |z| / (N s), t = 34 u: moments of 32 rows at most are summed in f32
 *   log-variance   sum of b |z'^2 / v' - 1| / N  +  2 u sum of r |z'| (|x - c| + |z|) / (N v')
 *                  +  t sum of r (z^2 + 2 |z (m' - m)|) / (N v')
 *                  and for spherical g sum of r |z|^2 / (N d v'), as its squares are the distances
 *   mean log-density   the mean over rows of sum of r_j e_j + (k/8 + 6) u
 *
 * What a step adds, the later ones pass on, grown or shrunk. By how much is measured: the mixture is pushed by as much as
 * one step may err, to sides drawn by lot, and iterated in f64 beside the unpushed one. So the bound is proved for one
 * step, and for more it rests on errors growing no more than the pushes do. Knows the operations of a pass. */
#include "rounding.h"

#include <math.h>   /* fabs */
#include <stdlib.h> /* malloc */

static const double u = 0x1p-24, in_runs = 34 * 0x1p-24;

enum { PUSHES = 2 };

double *rounding_center(const oracle_rows *rows)
{
    double *center = calloc((size_t)rows->d, sizeof *center);
    for (int64_t n = 0; n < rows->n; n++)
        for (int32_t i = 0; i < rows->d; i++)
            center[i] += rows->x[n * rows->d + i] / (double)rows->n;
    return center;
}

static double relative_of_distance(int32_t d)
{
    return (d / 8.0 + 11.0) * u;
}

/* e_j */
static double density_error(const oracle *o, const double *x, const double *center, int32_t j)
{
    const double *mean = o->means + (int64_t)j * o->d, *variance = o->variances + (int64_t)j * o->d;
    double distance = 0.0, moved = 0.0;
    for (int32_t i = 0; i < o->d; i++) {
        const double z = x[i] - mean[i];
        distance += z * z / variance[i];
        moved += fabs(z) * u * (fabs(x[i] - center[i]) + fabs(mean[i] - center[i])) / variance[i];
    }
    return 0.5 * relative_of_distance(o->d) * distance + moved;
}

double rounding_of_row(const oracle *o, const double *x, const double *center, const double *r,
                       double *b)
{
    double best = 0.0, density = (o->k / 8.0 + 6.0) * u;
    for (int32_t j = 0; j < o->k; j++) {
        best = fmax(best, r[j]);
        if (r[j] > 0.0) density += r[j] * density_error(o, x, center, j);
    }
    for (int32_t j = 0; j < o->k; j++) {
        if (r[j] < 0x1p-26 / o->k * best) {
            b[j] = r[j];
            continue;
        }
        const double e = density_error(o, x, center, j);
        const double q = (o->k / 8.0 + 11.0 + log(best / r[j])) * u;
        b[j] = r[j] * ((1.0 - 2.0 * r[j]) * e + density + q);
    }
    return density;
}

/* The step whose rounding is bounded. */
typedef struct step {
    const oracle *old, *new;
    const oracle_rows *rows;
    const double *center;
    const double *r, *b; /* n x k: responsibilities and the bounds on them */
} step;

/* Adds row n's share to the bounds on a component's means and variances (d each). */
static void add_row(const step *t, int64_t n, int32_t j, double *mean, double *variance)
{
    const int32_t k = t->old->k, d = t->old->d;
    const int64_t at = (int64_t)j * d;
    const double mass = t->new->weights[j] * (double)t->rows->n;
    const double share = t->r[n * k + j] / mass, b = t->b[n * k + j] / mass;
    for (int32_t i = 0; i < d; i++) {
        const double x = t->rows->x[n * d + i], s = sqrt(t->new->variances[at + i]);
        const double z = (x - t->old->means[at + i]) / s, moved = (x - t->new->means[at + i]) / s;
        const double rounded = u * (fabs(x - t->center[i]) / s + fabs(z));
        mean[i] += b * fabs(moved) + share * (rounded + in_runs * fabs(z));
        variance[i] += b * fabs(moved * moved - 1.0) + 2.0 * share * fabs(moved) * rounded;
        variance[i] += share * in_runs * (z * z + 2.0 * fabs(z * (z - moved)));
        if (t->old->spherical) variance[i] += share * relative_of_distance(d) * z * z;
    }
}

/* Raises the bounds on a component's parameters to what this step may do to them. */
static void raise_component(const step *t, int32_t j, oracle *error)
{
    const int32_t k = t->old->k, d = t->old->d;
    double *mean = calloc((size_t)d, sizeof *mean), *variance = calloc((size_t)d, sizeof *variance);
    double weight = 0.0, average = 0.0;
    for (int64_t n = 0; n < t->rows->n; n++) {
        weight += t->b[n * k + j] / (t->new->weights[j] * (double)t->rows->n);
        add_row(t, n, j, mean, variance);
    }
    error->weights[j] = fmax(error->weights[j], weight);
    for (int32_t i = 0; i < d; i++) average += variance[i] / d;
    for (int32_t i = 0; i < d; i++) {
        const int64_t at = (int64_t)j * d + i;
        const double offset = fabs(t->new->means[at] - t->center[i]);
        const double stored = u * offset / sqrt(t->new->variances[at]);
        error->means[at] = fmax(error->means[at], mean[i] + stored);
        error->variances[at] =
            fmax(error->variances[at], t->old->spherical ? average : variance[i]);
    }
    free(mean);
    free(variance);
}

/* One step from `o`: raises the bounds on all parameters; gives the bound on the log-likelihood before it back. */
static double raise_errors(const oracle *o, const oracle_rows *rows, const double *center,
                           oracle *error)
{
    const size_t places = (size_t)rows->n * (size_t)o->k;
    double *r = malloc(places * sizeof *r), *b = malloc(places * sizeof *b);
    oracle next = oracle_copy(o);
    double density = 0.0;
    oracle_score(o, rows, r);
    oracle_update(&next, rows, r);
    for (int64_t n = 0; n < rows->n; n++) {
        const double *x = rows->x + n * rows->d;
        density += rounding_of_row(o, x, center, r + n * o->k, b + n * o->k) / (double)rows->n;
    }
    const step t = {o, &next, rows, center, r, b};
    for (int32_t j = 0; j < o->k; j++) raise_component(&t, j, error);
    oracle_free(&next);
    free(b);
    free(r);
    return density;
}

/* The size, or minus it: by lot (Knuth's MMIX generator). */
static double either_side(double size, uint64_t *lot)
{
    *lot = *lot * 6364136223846793005u + 1442695040888963407u;
    return *lot >> 63 ? size : -size;
}

/* Moves every parameter by its error, to one side or the other. */
static void push(oracle *o, const oracle *error, uint64_t seed)
{
    double sum = 0.0;
    for (int32_t j = 0; j < o->k; j++) {
        o->weights[j] *= exp(either_side(error->weights[j], &seed));
        sum += o->weights[j];
        double side = 0.0;
        for (int64_t i = (int64_t)j * o->d; i < (int64_t)(j + 1) * o->d; i++) {
            o->means[i] += either_side(error->means[i], &seed) * sqrt(o->variances[i]);
            if (side == 0.0 || !o->spherical) side = either_side(error->variances[i], &seed);
            o->variances[i] *= exp(side);
        }
    }
    for (int32_t j = 0; j < o->k; j++) o->weights[j] /= sum;
}

/* What errors after the first step have become s steps later; growth[s] is raised to it. */
static void measure_growth(const oracle *first, const oracle *error, const oracle_rows *rows,
                           uint64_t seed, int32_t iterations, rounding *growth)
{
    oracle truth = oracle_copy(first), pushed = oracle_copy(first);
    push(&pushed, error, seed);
    for (int32_t s = 0; s < iterations; s++) {
        growth[s].parameters = fmax(growth[s].parameters, oracle_distance(&pushed, &truth));
        const double change = oracle_iterate(&pushed, rows) - oracle_iterate(&truth, rows);
        growth[s].log_likelihood = fmax(growth[s].log_likelihood, fabs(change));
    }
    oracle_free(&truth);
    oracle_free(&pushed);
}

void rounding_of_fit(const oracle *start, const oracle_rows *rows, int32_t iterations,
                     rounding *after)
{
    double *center = rounding_center(rows);
    rounding *growth = calloc((size_t)iterations, sizeof *growth);
    oracle path = oracle_copy(start), first = {0};
    oracle error = oracle_new(start->k, start->d, start->spherical);
    for (int32_t t = 0; t <= iterations; t++) {
        after[t] = (rounding){.log_likelihood = raise_errors(&path, rows, center, &error)};
        oracle_iterate(&path, rows);
        if (t == 0) first = oracle_copy(&path);
    }
    for (uint64_t seed = 1; seed <= PUSHES; seed++)
        measure_growth(&first, &error, rows, seed, iterations, growth);
    for (int32_t t = 1; t <= iterations; t++) /* each of t steps errs anew; s steps pass it on */
        for (int32_t s = 0; s < t; s++) {
            after[t].parameters += growth[s].parameters;
            after[t].log_likelihood += growth[s].log_likelihood;
        }
    oracle_free(&path);
    oracle_free(&first);
    oracle_free(&error);
    free(growth);
    free(center);
}
