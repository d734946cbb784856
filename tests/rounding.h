/* SPDX-License-Identifier: Apache-2.0 */
/* rounding.h - how far EM in f32 may stray from EM in f64: bounds derived from the arithmetic, row by row, by an analysis
 * that runs along with the oracle. Knows the operations of a pass; knows no code of the library. */
#ifndef ROUNDING_H
#define ROUNDING_H
#include "oracle.h"

typedef struct rounding {
    double parameters;     /* on oracle_distance of the mixtures */
    double log_likelihood; /* on the difference of mean log-densities, nats */
} rounding;

/* A fit of `iterations` steps, at least 1, from `start`. after[t], t from 0 to iterations: the bounds after t steps. */
void rounding_of_fit(const oracle *start, const oracle_rows *rows, int32_t iterations,
                     rounding *after);

/* Of one row: of its log-density, nats, and b (k) of its responsibilities, which are r (k) in f64. center: of the
 * mixture. */
double rounding_of_row(const oracle *o, const double *x, const double *center, const double *r,
                       double *b);

/* The mean of the rows (d), to be given to free: what the library centres by. */
double *rounding_center(const oracle_rows *rows);

#endif
