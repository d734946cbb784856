/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_graph.h - a graph of the centroids, along which a query finds its nearest lists without comparing itself with all of
 * them. Knows centroids; knows no list and no file.
 *
 * Every centroid has edges to centroids about it that point into different directions (the rule of relative
 * neighbourhoods, as in Fu et al., Fast approximate nearest neighbor search with the navigating spreading-out graph, VLDB
 * 2019), in both directions, and every centroid can be reached. A walk keeps the `width` nearest centroids seen so far and
 * follows the edges of the nearest one not yet followed, until there is none left.
 *
 * How wide a walk must be to find the m nearest (997 of 1000 of them) is measured on sample rows when the index is built.
 * Where that would cost as much as comparing all, all are compared. */
#ifndef FGI_IVF_GRAPH_H
#define FGI_IVF_GRAPH_H
#include "ivf_coarse.h"
#include "ivf_hits.h"
#include "pool.h"
#include "source.h"

enum { FGI_GRAPH_EFFORTS = 12 };

/* For the 2^i nearest; width 0: compare all. cost: distances on average. */
typedef struct fgi_graph_effort {
    int32_t width, cost;
} fgi_graph_effort;

typedef struct fgi_graph {
    int32_t k;      /* 0: there is no graph */
    int32_t stride; /* walks begin at the centroids 0, stride, 2 stride, ... */
    int32_t *begin; /* k + 1 */
    int32_t *edges;
    fgi_graph_effort efforts[FGI_GRAPH_EFFORTS];
} fgi_graph;

/* The graph of the coarse quantizer's centroids, without efforts. */
fg_status fgi_graph_make(fg_context *ctx, const fgi_coarse *coarse, fgi_graph *out);

/* Measures efforts on a sample of the rows. */
fg_status fgi_graph_measure(fg_context *ctx, const fgi_coarse *coarse, fg_source *rows,
                            uint64_t seed, fgi_graph *graph);
void fgi_graph_destroy(fgi_graph *graph); /* also of a zeroed one */
int64_t fgi_graph_bytes(const fgi_graph *graph);

/* The root of k, rounded up: about as many entries. */
static inline int32_t fgi_graph_stride(int32_t k)
{
    int32_t stride = 1;
    while ((int64_t)stride * stride < k) stride++;
    return stride;
}

/* What finding `want` lists takes: width 0 without a graph. */
fgi_graph_effort fgi_graph_effort_for(const fgi_graph *graph, const fgi_coarse *coarse,
                                      int32_t want);

/* One query's way through the graph. */
typedef struct fgi_walk {
    const fgi_graph *graph;
    const fgi_coarse *coarse;
    const fgi_kernels *kernels;
    const float *query; /* d, not centred */
    float *keys;        /* k: |query - c|^2 of those seen; lent */
    bool *seen;         /* k */
    struct fgi_step *steps;
    int32_t *fresh; /* k */
    int64_t distances;
} fgi_walk;

/* Room for walks of this width; graph, coarse, kernels, query and keys stay the caller's to set. */
fg_status fgi_walk_create(fgi_ledger *ledger, int32_t k, int32_t width, fgi_walk *out);
void fgi_walk_destroy(fgi_walk *walk); /* also of a zeroed one */

/* Writes the `want` nearest centroids found, best first, to `nearest`. width: at least want. Raises distances. */
void fgi_walk_run(fgi_walk *walk, int32_t width, int32_t want, fgi_hit *nearest);

/* Makes sure of the key of one more centroid. */
static inline void fgi_walk_ensure(fgi_walk *w, int32_t centroid)
{
    if (w->seen[centroid]) return;
    const int32_t d = w->coarse->params.d;
    w->kernels->scan_l2[FG_F32](w->query, w->coarse->centroids, &centroid, 1, d,
                                w->keys + centroid);
    w->seen[centroid] = true;
    w->distances++;
}

#endif
