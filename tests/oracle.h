/* SPDX-License-Identifier: Apache-2.0 */
/* oracle.h - mixtures and k-means in f64 and plain loops, dense, uncentred, written to be read and believed. Knows
 * nothing of the library. */
#ifndef ORACLE_H
#define ORACLE_H
#include <stdbool.h> /* bool */
#include <stdint.h>  /* int64_t */

typedef struct oracle_rows {
    const double *x; /* n x d */
    int64_t n;
    int32_t d;
} oracle_rows;

typedef struct oracle {
    int32_t k, d;
    bool spherical;
    double *weights;   /* k */
    double *means;     /* k x d */
    double *variances; /* k x d: a spherical component repeats its own */
} oracle;

/* Zeroed parameters; to be given to oracle_free. */
oracle oracle_new(int32_t k, int32_t d, bool spherical);
oracle oracle_copy(const oracle *from);
void oracle_free(oracle *o);

/* The log-density of a row, nats, and its responsibilities (k). */
double oracle_density(const oracle *o, const double *x, double *r);

/* The mean log-density, and all responsibilities (n x k). */
double oracle_score(const oracle *o, const oracle_rows *rows, double *r);

/* The M-step from responsibilities (n x k): weights, means, variances about the new means. */
void oracle_update(oracle *o, const oracle_rows *rows, const double *r);

/* One iteration of EM; gives the mean log-density before it. */
double oracle_iterate(oracle *o, const oracle_rows *rows);

/* How far two mixtures are from each other, as the largest of: differences of log-weights; of means, in the standard
 * deviation of `truth`; of log-variances. Components without weight are passed over. */
double oracle_distance(const oracle *o, const oracle *truth);

double oracle_sqdist(const double *a, const double *b, int32_t d);

/* The nearest of k centroids, ties to the lowest number. */
int32_t oracle_nearest(const double *centroids, int32_t k, int32_t d, const double *x);

/* One iteration of Lloyd's: labels (n) by the centroids given, which then move to their rows' means; empty ones stay.
 * Gives the mean squared distance before the move. */
double oracle_lloyd(double *centroids, int32_t k, const oracle_rows *rows, int32_t *labels);

#endif
