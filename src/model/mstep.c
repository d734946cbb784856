/* SPDX-License-Identifier: Apache-2.0 */
/* mstep.c - statistics into parameters. Knows no pass.
 *
 * With N, S, Q the mass, shift and square of a component about its old mean m, and m' the new mean:
 *     m' = f32(m + S / N)                        f32: the mean that the next pass will compute with
 *     sum of r (x - m')^2 = Q - 2 (m' - m) S + N (m' - m)^2
 * so that variances are exact about the mean as rounded, and EM's log-likelihood cannot fall by the
 * rounding. */
#include "mstep.h"

#include "random.h"

#include <math.h> /* exp, fmax, log, sqrt */

const double fgi_empty_mass = 1e-6;

/* One coordinate of a mean; gives the correction of the square back. */
static double move_to(double *mean, double target, double shift, double mass)
{
    const double old = (float)*mean;
    *mean = (float)target;
    const double moved = *mean - old;
    return moved * (mass * moved - 2.0 * shift);
}

/* Moves one mean; gives the correction of the squares summed over dimensions back, and for each dimension in `each` unless
 * it is NULL. */
static double move_mean(double *mean, const double *shift, double mass, int32_t d, double *each)
{
    double sum = 0.0;
    for (int32_t i = 0; i < d; i++) {
        const double target = (float)mean[i] + shift[i] / mass;
        const double correction = move_to(&mean[i], target, shift[i], mass);
        if (each) each[i] = correction;
        sum += correction;
    }
    return sum;
}

/* As move_mean, and on to length 1 about the origin, which lies at -center. A mean of 0 has no direction: it stays. */
static double move_to_sphere(double *mean, const float *center, const double *shift, double mass,
                             int32_t d)
{
    double length2 = 0.0, sum = 0.0;
    for (int32_t i = 0; i < d; i++) {
        const double at = center[i] + ((float)mean[i] + shift[i] / mass);
        length2 += at * at;
    }
    if (!(length2 > 0.0)) return 0.0;
    for (int32_t i = 0; i < d; i++) {
        const double at = center[i] + ((float)mean[i] + shift[i] / mass);
        sum += move_to(&mean[i], at / sqrt(length2) - center[i], shift[i], mass);
    }
    return sum;
}

/* Squared error of a cluster; of diagonal statistics, over all dimensions. */
static double squared_error(const fgi_stats *stats, int32_t j)
{
    const int32_t cols = stats->kind == FGI_DIAGONAL ? stats->d : 1;
    double sum = 0.0;
    for (int32_t i = 0; i < cols; i++) sum += stats->square[(int64_t)j * cols + i];
    return sum;
}

double fgi_update_centroids(fgi_params *centroids, const fgi_stats *stats, fgi_centroid_rule rule)
{
    const int32_t d = stats->d;
    double sum = 0.0;
    for (int32_t j = 0; j < stats->k; j++) {
        if (stats->mass[j] == 0.0) continue;
        const int64_t at = (int64_t)j * d;
        double *mean = centroids->means + at;
        const double *shift = stats->shift + at;
        const double correction =
            rule == FGI_TO_MEAN ? move_mean(mean, shift, stats->mass[j], d, NULL)
                                : move_to_sphere(mean, centroids->center, shift, stats->mass[j], d);
        sum += fmax(squared_error(stats, j) + correction, 0.0);
    }
    return sum;
}

/* Shifts are sums of differences rounded to f32, and so is the centroid: at rest it lies beside its rows' mean by at most
 * u = 2^-24 of their deviation and of its own length. (u a + u b)^2 <= 2^-47 (a^2 + b^2); the bound is four times that. On
 * the sphere the rows' mean lies further in, on the centroid's own ray: steps along it do not count. */
bool fgi_centroids_rest(const fgi_params *centroids, const fgi_stats *stats, fgi_centroid_rule rule)
{
    const int32_t d = stats->d;
    for (int32_t j = 0; j < stats->k; j++) {
        if (stats->mass[j] == 0.0) continue;
        const double *mean = centroids->means + (int64_t)j * d;
        double step2 = 0.0, length2 = 0.0, along = 0.0, ray2 = 0.0;
        for (int32_t i = 0; i < d; i++) {
            const double step = stats->shift[(int64_t)j * d + i] / stats->mass[j];
            step2 += step * step;
            length2 += mean[i] * mean[i];
            const double ray = centroids->center[i] + mean[i];
            along += step * ray;
            ray2 += ray * ray;
        }
        if (rule == FGI_TO_SPHERE && ray2 > 0.0) step2 -= along * along / ray2;
        if (step2 > 0x1p-45 * (length2 + squared_error(stats, j) / stats->mass[j])) return false;
    }
    return true;
}

/* Gives whether a variance stood at or below its floor back. */
static bool settle_variance(double *variance, double sum, double count, double floor)
{
    *variance = sum / count;
    if (*variance > floor) return false;
    *variance = floor;
    return true;
}

static bool update_component(fgi_params *p, const fgi_stats *stats, const double *floor, int32_t j)
{
    const int32_t d = p->d;
    const int64_t at = (int64_t)j * d;
    const double mass = stats->mass[j];
    if (p->kind == FGI_SPHERICAL) {
        const double correction = move_mean(p->means + at, stats->shift + at, mass, d, NULL);
        return settle_variance(&p->variances[j], stats->square[j] + correction, mass * d, floor[0]);
    }
    double *variance = p->variances + at; /* holds the corrections for a moment */
    move_mean(p->means + at, stats->shift + at, mass, d, variance);
    bool floored = false;
    for (int32_t i = 0; i < d; i++)
        floored |=
            settle_variance(&variance[i], stats->square[at + i] + variance[i], mass, floor[i]);
    return floored;
}

void fgi_update_mixture(fgi_params *p, const fgi_stats *stats, const double *floor, int32_t *states)
{
    double total = 0.0;
    for (int32_t j = 0; j < p->k; j++)
        if (stats->mass[j] >= fgi_empty_mass) total += stats->mass[j]; /* weights sum to 1 */
    for (int32_t j = 0; j < p->k; j++) {
        if (stats->mass[j] < fgi_empty_mass) {
            p->log_weights[j] = -INFINITY;
            states[j] = FG_COMPONENT_DEAD;
            continue;
        }
        p->log_weights[j] = log(stats->mass[j] / total);
        const bool floored = update_component(p, stats, floor, j);
        states[j] = floored ? FG_COMPONENT_FLOORED : FG_COMPONENT_OK;
    }
}

void fgi_share_variance(fgi_params *p, const double *floor, int32_t *states)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    bool floored = false;
    for (int32_t i = 0; i < cols; i++) {
        double shared = 0.0;
        for (int32_t j = 0; j < p->k; j++)
            shared += exp(p->log_weights[j]) * p->variances[(int64_t)j * cols + i];
        floored |= !(shared > floor[i]);
        for (int32_t j = 0; j < p->k; j++)
            p->variances[(int64_t)j * cols + i] = fmax(shared, floor[i]);
    }
    for (int32_t j = 0; j < p->k; j++)
        if (states[j] != FG_COMPONENT_DEAD)
            states[j] = floored ? FG_COMPONENT_FLOORED : FG_COMPONENT_OK;
}

/* ------------------------------------------------------------------------------------------ revival */

/* Two means half a standard deviation to either side of one, every coordinate's side drawn by lot. */
static void part_by_lot(double *mean, double *twin, int32_t d, double deviation,
                        const uint64_t lot[2])
{
    for (int32_t i = 0; i < d; i++) {
        const uint64_t bit = fgi_random_u64(lot[0], FGI_STREAM_SPLIT, lot[1] + (uint64_t)i) & 1u;
        const double step = bit ? 0.5 * deviation : -0.5 * deviation;
        twin[i] = (float)(mean[i] + step);
        mean[i] = (float)(mean[i] - step);
    }
}

static uint64_t lot_index(uint64_t draw, int32_t k, int32_t d, int32_t j)
{
    return (draw * (uint64_t)k + (uint64_t)j) * (uint64_t)d;
}

static void halve_cluster(fgi_stats *stats, int32_t from, int32_t to)
{
    const int32_t cols = stats->kind == FGI_DIAGONAL ? stats->d : 1;
    stats->mass[from] = stats->mass[to] = 0.5 * stats->mass[from];
    for (int32_t i = 0; i < cols; i++) {
        double *square = stats->square + i;
        square[(int64_t)from * cols] = square[(int64_t)to * cols] =
            0.5 * square[(int64_t)from * cols];
    }
}

int32_t fgi_revive_centroids(fgi_params *centroids, fgi_stats *stats, uint64_t seed, uint64_t draw)
{
    const int32_t k = stats->k, d = stats->d;
    int32_t revived = 0;
    for (int32_t j = 0; j < k; j++) {
        if (stats->mass[j] > 0.0) continue;
        int32_t richest = 0;
        for (int32_t c = 1; c < k; c++)
            if (squared_error(stats, c) > squared_error(stats, richest)) richest = c;
        const double error = squared_error(stats, richest);
        if (!(error > 0.0) || stats->mass[richest] < 2.0)
            break; /* as many centroids as distinct rows */
        const double deviation = sqrt(error / (stats->mass[richest] * d));
        const uint64_t lot[2] = {seed, lot_index(draw, k, d, j)};
        part_by_lot(centroids->means + (int64_t)richest * d, centroids->means + (int64_t)j * d, d,
                    deviation, lot);
        halve_cluster(stats, richest, j);
        revived++;
    }
    return revived;
}

/* Weight times log of volume over the floor's volume: never negative, 0 at the floor. */
static double entropy_share(const fgi_params *p, const double *floor, int32_t j)
{
    if (p->log_weights[j] == -INFINITY) return 0.0;
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    double volume = 0.0;
    for (int32_t i = 0; i < cols; i++)
        volume += log(p->variances[(int64_t)j * cols + i] / floor[i]);
    return exp(p->log_weights[j]) * volume * (p->d / cols);
}

static void split_component(fgi_params *p, int32_t from, int32_t to, const uint64_t lot[2])
{
    const int32_t d = p->d, cols = fgi_variance_cols(p->kind, d);
    double *mean = p->means + (int64_t)from * d, *twin = p->means + (int64_t)to * d;
    double *variance = p->variances + (int64_t)from * cols;
    p->log_weights[from] = p->log_weights[to] = p->log_weights[from] - log(2.0);
    if (p->kind == FGI_SPHERICAL) {
        part_by_lot(mean, twin, d, sqrt(variance[0]), lot);
    } else {
        int32_t widest = 0;
        for (int32_t i = 1; i < d; i++)
            if (variance[i] > variance[widest]) widest = i;
        for (int32_t i = 0; i < d; i++) twin[i] = mean[i];
        const double step = 0.5 * sqrt(variance[widest]);
        twin[widest] = (float)(mean[widest] + step);
        mean[widest] = (float)(mean[widest] - step);
    }
    for (int32_t i = 0; i < cols; i++) p->variances[(int64_t)to * cols + i] = variance[i];
}

int32_t fgi_revive_components(fgi_params *p, const double *floor, int32_t *states, uint64_t seed,
                              uint64_t draw)
{
    int32_t revived = 0;
    for (int32_t j = 0; j < p->k; j++) {
        if (states[j] != FG_COMPONENT_DEAD) continue;
        int32_t richest = 0;
        for (int32_t c = 1; c < p->k; c++)
            if (entropy_share(p, floor, c) > entropy_share(p, floor, richest)) richest = c;
        if (!(entropy_share(p, floor, richest) > 0.0)) break; /* all that live stand at the floor */
        const uint64_t lot[2] = {seed, lot_index(draw, p->k, p->d, j)};
        split_component(p, richest, j, lot);
        states[j] = states[richest];
        revived++;
    }
    return revived;
}
