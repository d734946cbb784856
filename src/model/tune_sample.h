/* SPDX-License-Identifier: Apache-2.0 */
/* tune_sample.h - queries to tune on, and where their true results are stored. Knows searches; knows no
 * probe. */
#ifndef FGI_TUNE_SAMPLE_H
#define FGI_TUNE_SAMPLE_H
#include "fit.h"
#include "ivf_scan.h"

typedef struct fgi_sample {
    fg_view queries;
    int64_t *own;      /* each query's own id among the rows, which is no result; NULL: none */
    int32_t *own_sets; /* of those rows; NULL: none */
    int32_t *sets;     /* queries x n: of the true results, best first */
    int64_t searched, to_search; /* queries, over all searches */
    unsigned char *rows;         /* of `queries` where they were taken from the index */
} fgi_sample;

/* The caller's queries, whose numbers have been found finite; or, without any, `rows` rows of the index, spread
 * evenly over its lists. Each has n results at least. */
fg_status fgi_sample_create(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                            const fg_tune_options *opt, fgi_sample *out);

/* Finds the true n among all rows, or among those that are allowed (there are n and one), by scanning everything. */
fg_status fgi_sample_search(fg_context *ctx, const fg_ivf *ivf, int32_t n, const fgi_allow *allow,
                            fgi_listener *listener, fgi_sample *sample);
void fgi_sample_destroy(fgi_sample *sample); /* also of a zeroed one */

#endif
