/* SPDX-License-Identifier: Apache-2.0 */
/* backend_cases.h - one list of cases for whatever compares backends: rows and parameters, what a pass makes of them, and how
 * far two results may lie apart. Knows passes; knows no backend. */
#ifndef BACKEND_CASES_H
#define BACKEND_CASES_H
#include "scratch.h"

#include "pass.h"
#include "source.h"

typedef struct pass_case {
    int64_t n;
    int32_t k, d;
    fg_dtype dtype;
    double spread; /* of the means, in standard deviations */
    bool normalize;
    int32_t gap; /* elements between rows */
} pass_case;

enum { CASE_COUNT = 24 };
extern const pass_case backend_cases[CASE_COUNT];

typedef struct problem {
    const pass_case *how;
    fgi_params params;
    void *rows;
    fg_source *src;
    fgi_kind kind;
    double largest_offset, least_variance,
        most_variance; /* of components that live; centroids: 0, 1, 0 */
} problem;

void make_problem(const pass_case *c, fgi_kind kind, problem *p);
void free_problem(problem *p);

/* What a pass has found. */
typedef struct outcome {
    fgi_stats stats;
    int32_t top;
    bool told_density;
    int32_t *components;
    float *values;
    double *log_density;
} outcome;

/* Skips bad rows. */
void run_pass(fg_context *ctx, const problem *p, const fgi_row_request *want, fgi_kind stats_kind,
              outcome *out);
/* The same without statistics, which stay empty. */
void ask_rows(fg_context *ctx, const problem *p, const fgi_row_request *want, outcome *out);
void free_outcome(outcome *o);

/* The context's backend keeps the problem's rows, until it is told to release them. */
void hold_rows(fg_context *ctx, const problem *p);

/* Of two passes over rows of the same problem, with the same request. */
void expect_same_bits(const problem *p, const outcome *a, const outcome *b);

/* How far two f32-grade values of a row of this density may lie apart, in nats or squared distance. */
double value_bound(const problem *p, double density);
bool close_to(double a, double b, double bound);

/* Fails the test where what rows have to tell, or statistics too, lie further apart than the arithmetic explains. What was not
 * asked of `gpu` is not compared; cpu: has the densities, and as many components a row or more: with one alone, any other would pass
 * that is worth as much. */
void compare_rows(const problem *p, const outcome *cpu, const outcome *gpu);
void compare_rows_and_statistics(const problem *p, const outcome *cpu, const outcome *gpu);

/* Statistics alone, of `gpu`, which may have computed with rows and means rounded to f16. cpu: has the two best components of
 * every row, exactly ranked. */
void compare_statistics(const problem *p, const outcome *cpu, const outcome *gpu, bool f16);

#endif
