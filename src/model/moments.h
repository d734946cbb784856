/* SPDX-License-Identifier: Apache-2.0 */
/* moments.h - one look at the data before a fit: how many rows, their mean and variance, whether they are
 * finite. Knows passes; knows no model. */
#ifndef FGI_MOMENTS_H
#define FGI_MOMENTS_H
#include "pass.h"

typedef struct fgi_moments {
    int32_t d;
    int64_t rows, rows_skipped;
    float *center;    /* d: the mean as f32; whole numbers for 8-bit rows, which then stay exact */
    double *variance; /* d */
} fgi_moments;

/* How rows are to be read: part of every fit's options. */
typedef struct fgi_reading {
    bool normalize;
    fg_bad_rows bad_rows;
} fgi_reading;

/* One pass. FG_NUMERIC with the row's number for NaN or infinity, unless they are to be skipped; FG_ARGUMENT
 * if no row is left. */
fg_status fgi_moments_of(fg_context *ctx, fg_source *src, const fgi_reading *reading,
                         fgi_listener *listener, fgi_moments *out);
void fgi_moments_destroy(fgi_moments *moments);

/* Variances no component may fall below: share * the data's, d values for FGI_DIAGONAL, else one. A constant feature
 * takes the share of the mean variance, and constant data the share of 1; no floor is below FGI_LEAST_VARIANCE. */
void fgi_variance_floor(const fgi_moments *moments, fgi_kind kind, double share, double *floor);

#endif
