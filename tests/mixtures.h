/* SPDX-License-Identifier: Apache-2.0 */
/* mixtures.h - what tests of fits share: contexts, rows, fits with their history, and the way from a mixture to the
 * oracle and back. Every function fails the test if the library does. Knows cmocka and the public interface. */
#ifndef MIXTURES_H
#define MIXTURES_H
#include "scratch.h"

#include "oracle.h"

/* A context with these kernels ("ref", "avx2", "avx512", "avx512vnni", "amx"; NULL: the best); NULL if this CPU cannot run them. */
fg_context *context_of(const char *isa, int32_t threads);

/* Every set of kernels there is, best last; up to a NULL. */
extern const char *const every_isa[];

extern const fg_covariance both_kinds[2];

/* ---- rows */

/* Normal rows about `blobs` centers drawn with standard deviation `spread`, which row n joins in turn: n x d, to be given
 * to free. The same everywhere for the same seed. */
typedef struct blobs {
    int64_t n;
    int32_t d, blobs;
    double spread;
    uint64_t seed;
} blobs;
float *blob_rows(const blobs *how);

/* The same values in f64, to be given to free. */
double *widened(const float *x, int64_t count);

fg_view view_of(const void *data, int64_t rows, int32_t cols, fg_dtype dtype);
fg_out out_of(void *data, int64_t rows, int32_t cols, fg_dtype dtype);
fg_source *source_of(const void *data, int64_t rows, int32_t cols, fg_dtype dtype);

/* ---- fits */

enum { HISTORY = 256 };

typedef struct fitted {
    fg_gmm *gmm;
    fg_fit_report report;
    double history[HISTORY];
} fitted;

/* opt->struct_size is set here. Ended by fitted_free. */
void fit(fg_context *ctx, fg_source *src, fg_gmm_options opt, fitted *out);
void fitted_free(fitted *f);

/* Somewhere to begin: k rows as means, equal weights, every variance 4. */
oracle start_at_rows(const float *x, int64_t n, int32_t d, int32_t k, fg_covariance covariance);

/* The parameters; oracle_free ends it. */
oracle oracle_of(const fg_gmm *gmm);
fg_gmm *gmm_of(const oracle *o);
void states_of(const fg_gmm *gmm, int32_t *states);

#endif
