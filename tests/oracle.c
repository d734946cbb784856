/* SPDX-License-Identifier: Apache-2.0 */
/* oracle.c - the formulas of a mixture, as they stand in a textbook:
 *     log p(x, j) = log w_j - sum over i of [log(2 pi v_ji) + (x_i - m_ji)^2 / v_ji] / 2
 *     p(x)        = sum over j of p(x, j)               r_j = p(x, j) / p(x)
 *     N_j = sum of r_j   w_j = N_j / n   m_j = sum of r_j x / N_j   v_j = sum of r_j (x - m_j)^2 / N_j
 * Knows nothing of the library. */
#include "oracle.h"

#include <math.h>   /* log, exp, isnan */
#include <stdlib.h> /* calloc */
#include <string.h> /* memcpy */

static const double two_pi = 6.283185307179586476925;

oracle oracle_new(int32_t k, int32_t d, bool spherical)
{
    const size_t matrix = (size_t)k * (size_t)d;
    return (oracle){
        .k = k,
        .d = d,
        .spherical = spherical,
        .weights = calloc((size_t)k, sizeof(double)),
        .means = calloc(matrix, sizeof(double)),
        .variances = calloc(matrix, sizeof(double)),
    };
}

oracle oracle_copy(const oracle *from)
{
    const oracle o = oracle_new(from->k, from->d, from->spherical);
    const size_t vector_bytes = (size_t)o.k * sizeof(double);
    memcpy(o.weights, from->weights, vector_bytes);
    memcpy(o.means, from->means, vector_bytes * (size_t)o.d);
    memcpy(o.variances, from->variances, vector_bytes * (size_t)o.d);
    return o;
}

void oracle_free(oracle *o)
{
    free(o->weights);
    free(o->means);
    free(o->variances);
    *o = (oracle){0};
}

/* What a component's log-density has in common for all rows: k values, to be given to free. */
static double *log_heights(const oracle *o)
{
    double *heights = malloc((size_t)o->k * sizeof *heights);
    for (int32_t j = 0; j < o->k; j++) {
        double log_volume = 0.0;
        for (int32_t i = 0; i < o->d; i++)
            log_volume += log(two_pi * o->variances[(int64_t)j * o->d + i]);
        heights[j] = log(o->weights[j]) - 0.5 * log_volume;
    }
    return heights;
}

static double joint_density(const oracle *o, const double *heights, const double *x, int32_t j)
{
    const double *mean = o->means + (int64_t)j * o->d, *variance = o->variances + (int64_t)j * o->d;
    double sum = 0.0;
    for (int32_t i = 0; i < o->d; i++) sum += (x[i] - mean[i]) * (x[i] - mean[i]) / variance[i];
    return heights[j] - 0.5 * sum;
}

static double row_density(const oracle *o, const double *heights, const double *x, double *r)
{
    double best = -INFINITY, sum = 0.0;
    for (int32_t j = 0; j < o->k; j++) {
        r[j] = joint_density(o, heights, x, j);
        best = fmax(best, r[j]);
    }
    for (int32_t j = 0; j < o->k; j++) sum += exp(r[j] - best);
    const double density = best + log(sum);
    for (int32_t j = 0; j < o->k; j++) r[j] = exp(r[j] - density);
    return density;
}

double oracle_density(const oracle *o, const double *x, double *r)
{
    double *heights = log_heights(o);
    const double density = row_density(o, heights, x, r);
    free(heights);
    return density;
}

double oracle_score(const oracle *o, const oracle_rows *rows, double *r)
{
    double *heights = log_heights(o), sum = 0.0;
    for (int64_t n = 0; n < rows->n; n++)
        sum += row_density(o, heights, rows->x + n * rows->d, r + n * o->k);
    free(heights);
    return sum / (double)rows->n;
}

static void update_mean(oracle *o, const oracle_rows *rows, const double *r, int32_t j)
{
    double *mean = o->means + (int64_t)j * o->d, mass = 0.0;
    for (int32_t i = 0; i < o->d; i++) mean[i] = 0.0;
    for (int64_t n = 0; n < rows->n; n++) {
        mass += r[n * o->k + j];
        for (int32_t i = 0; i < o->d; i++) mean[i] += r[n * o->k + j] * rows->x[n * o->d + i];
    }
    for (int32_t i = 0; i < o->d; i++) mean[i] /= mass;
    o->weights[j] = mass / (double)rows->n;
}

static void update_variance(oracle *o, const oracle_rows *rows, const double *r, int32_t j)
{
    const double *mean = o->means + (int64_t)j * o->d, mass = o->weights[j] * (double)rows->n;
    double *variance = o->variances + (int64_t)j * o->d, all = 0.0;
    for (int32_t i = 0; i < o->d; i++) variance[i] = 0.0;
    for (int64_t n = 0; n < rows->n; n++)
        for (int32_t i = 0; i < o->d; i++) {
            const double z = rows->x[n * o->d + i] - mean[i];
            variance[i] += r[n * o->k + j] * z * z;
        }
    for (int32_t i = 0; i < o->d; i++) {
        variance[i] /= mass;
        all += variance[i] / o->d;
    }
    for (int32_t i = 0; o->spherical && i < o->d; i++) variance[i] = all;
}

void oracle_update(oracle *o, const oracle_rows *rows, const double *r)
{
    for (int32_t j = 0; j < o->k; j++) {
        update_mean(o, rows, r, j);
        update_variance(o, rows, r, j);
    }
}

double oracle_iterate(oracle *o, const oracle_rows *rows)
{
    double *r = malloc((size_t)rows->n * (size_t)o->k * sizeof *r);
    const double before = oracle_score(o, rows, r);
    oracle_update(o, rows, r);
    free(r);
    return before;
}

/* The larger of two; NaN is larger than anything. */
static double worse(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

double oracle_distance(const oracle *o, const oracle *truth)
{
    double most = 0.0;
    for (int32_t j = 0; j < truth->k; j++) {
        if (truth->weights[j] == 0.0) continue;
        most = worse(most, fabs(log(o->weights[j] / truth->weights[j])));
        for (int64_t i = (int64_t)j * truth->d; i < (int64_t)(j + 1) * truth->d; i++) {
            const double deviation = sqrt(truth->variances[i]);
            most = worse(most, fabs(o->means[i] - truth->means[i]) / deviation);
            most = worse(most, fabs(log(o->variances[i] / truth->variances[i])));
        }
    }
    return most;
}

double oracle_sqdist(const double *a, const double *b, int32_t d)
{
    double sum = 0.0;
    for (int32_t i = 0; i < d; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

int32_t oracle_nearest(const double *centroids, int32_t k, int32_t d, const double *x)
{
    int32_t best = 0;
    for (int32_t j = 1; j < k; j++)
        if (oracle_sqdist(x, centroids + (int64_t)j * d, d) <
            oracle_sqdist(x, centroids + (int64_t)best * d, d))
            best = j;
    return best;
}

static void move_centroid(double *centroid, int32_t j, const oracle_rows *rows,
                          const int32_t *labels)
{
    double count = 0.0;
    for (int64_t n = 0; n < rows->n; n++) count += labels[n] == j;
    for (int32_t i = 0; count > 0.0 && i < rows->d; i++) {
        double sum = 0.0;
        for (int64_t n = 0; n < rows->n; n++)
            if (labels[n] == j) sum += rows->x[n * rows->d + i];
        centroid[i] = sum / count;
    }
}

double oracle_lloyd(double *centroids, int32_t k, const oracle_rows *rows, int32_t *labels)
{
    const int32_t d = rows->d;
    double sum = 0.0;
    for (int64_t n = 0; n < rows->n; n++) {
        labels[n] = oracle_nearest(centroids, k, d, rows->x + n * d);
        sum += oracle_sqdist(rows->x + n * d, centroids + (int64_t)labels[n] * d, d);
    }
    for (int32_t j = 0; j < k; j++) move_centroid(centroids + (int64_t)j * d, j, rows, labels);
    return sum / (double)rows->n;
}
