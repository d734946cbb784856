/* SPDX-License-Identifier: Apache-2.0 */
/* seeding.h - first centroids. Knows samples and distances; knows no iteration. */
#ifndef FGI_SEEDING_H
#define FGI_SEEDING_H
#include "moments.h"

/* Rows that seeding looks at: this many for each centroid, at least LEAST. */
enum { FGI_SEEDING_ROWS_PER_CENTROID = 32, FGI_SEEDING_LEAST_ROWS = 4096 };

typedef struct fgi_seeding {
    fg_init method; /* FG_INIT_PLUSPLUS (FG_INIT_KMEANS is the same here) or FG_INIT_RANDOM */
    uint64_t seed;
    fgi_reading reading;
} fgi_seeding;

/* Fills centroids->means (relative to centroids->center, which is set) from a random sample of the rows.
 * PLUSPLUS: each next seed is a row drawn with probability proportional to its squared distance to the nearest seed
 * so far (Arthur, Vassilvitskii 2007). Seeds come in rounds, as in k-means|| (Bahmani and others 2012), but by the very law
 * of seeds that come one by one. With fewer distinct rows than centroids, seeds repeat. Time: rows of the sample * k
 * * d, as a product. */
fg_status fgi_seed(fg_context *ctx, fg_source *src, const fgi_seeding *how, fgi_listener *listener,
                   fgi_params *centroids);

#endif
