/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_graph_make.c - edges between centroids. Knows passes; knows no walk and no list.
 *
 * Of the NEIGHBOURS nearest centroids of one, going outwards, those get an edge that are nearer to it than to every one
 * that has an edge already, up to OWN_EDGES. Edges go both ways. Parts that cannot be reached from where walks begin are tied
 * to the nearest centroid that can. */
#include "centroids.h"
#include "infer.h"
#include "ivf_graph.h"

#include <stdlib.h> /* qsort */

enum { NEIGHBOURS = 48, OWN_EDGES = 16 };

typedef struct making {
    fg_context *ctx;
    const fgi_coarse *coarse;
    int32_t k, d, top;
    int32_t *neighbours; /* k x top, the nearest first; perhaps itself among them */
    float *sqdist;       /* k x top */
    uint64_t *pairs;     /* from << 32 | to: k x OWN_EDGES, UINT64_MAX for none; then both ways */
    int64_t pair_count;
    bool *reached;
    int32_t *queue;
    float *keys; /* k */
    fgi_graph graph;
} making;

static const float *centroid(const making *m, int32_t j)
{
    return m->coarse->centroids + (int64_t)j * m->d;
}

static fg_status find_neighbours(making *m)
{
    const fg_view view = {
        .data = m->coarse->centroids, .rows = m->k, .cols = m->d, .dtype = FG_F32};
    const fg_out components = {
        .data = m->neighbours, .rows = m->k, .cols = m->top, .dtype = FG_I32};
    const fg_out values = {.data = m->sqdist, .rows = m->k, .cols = m->top, .dtype = FG_F32};
    const fgi_top_outputs out = {.components = &components, .values = &values, .all_ranks = true};
    fg_source *rows;
    fgi_params params;
    FG_TRY(fgi_source_memory(&view, NULL, &rows));
    fg_status s = fgi_centroids_from(&m->ctx->ledger, &view, &params);
    if (s == FG_OK) {
        s = fgi_infer_top(m->ctx, &params, rows, &out);
        fgi_params_destroy(&params);
    }
    fgi_source_close(rows);
    return s;
}

static uint64_t pair_of(int32_t from, int32_t to)
{
    return (uint64_t)(uint32_t)from << 32 | (uint32_t)to;
}

static void choose_edges(void *user, int64_t item, int32_t worker)
{
    (void)worker;
    const making *m = user;
    const int32_t self = (int32_t)item;
    int32_t chosen[OWN_EDGES], count = 0;
    float between[OWN_EDGES];
    for (int32_t t = 0; t < m->top && count < OWN_EDGES; t++) {
        const int32_t other = m->neighbours[item * m->top + t];
        if (other == self) continue;
        m->ctx->kernels->scan_l2[FG_F32](centroid(m, other), m->coarse->centroids, chosen, count,
                                         m->d, between);
        bool hidden = false;
        for (int32_t c = 0; c < count; c++) hidden |= between[c] <= m->sqdist[item * m->top + t];
        if (!hidden) chosen[count++] = other;
    }
    for (int32_t c = 0; c < OWN_EDGES; c++)
        m->pairs[item * OWN_EDGES + c] = c < count ? pair_of(self, chosen[c]) : UINT64_MAX;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Adds every pair turned round, and drops repeats: `pairs` has room for all. */
static void make_symmetric(making *m)
{
    int64_t count = 0, kept = 0;
    for (int64_t i = 0; i < m->pair_count; i++)
        if (m->pairs[i] != UINT64_MAX) m->pairs[count++] = m->pairs[i];
    for (int64_t i = 0; i < count; i++) m->pairs[count + i] = m->pairs[i] << 32 | m->pairs[i] >> 32;
    count *= 2;
    qsort(m->pairs, (size_t)count, sizeof *m->pairs, ascending);
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || m->pairs[i] != m->pairs[kept - 1]) m->pairs[kept++] = m->pairs[i];
    m->pair_count = kept;
}

static fg_status lay_out(making *m)
{
    fgi_graph *g = &m->graph;
    FG_TRY(fgi_grow(NULL, m->pair_count, sizeof *g->edges, &g->edges));
    int64_t at = 0;
    for (int32_t j = 0; j < m->k; j++) {
        g->begin[j] = (int32_t)at;
        for (; at < m->pair_count && (int32_t)(m->pairs[at] >> 32) == j; at++)
            g->edges[at] = (int32_t)(uint32_t)m->pairs[at];
    }
    g->begin[m->k] = (int32_t)at;
    return FG_OK;
}

static void reach_from(making *m, int32_t start)
{
    int32_t first = 0, last = 0;
    if (m->reached[start]) return;
    m->reached[start] = true;
    for (m->queue[last++] = start; first < last; first++) {
        const int32_t from = m->queue[first];
        for (int32_t e = m->graph.begin[from]; e < m->graph.begin[from + 1]; e++) {
            const int32_t to = m->graph.edges[e];
            if (m->reached[to]) continue;
            m->reached[to] = true;
            m->queue[last++] = to;
        }
    }
}

/* Appends a pair for every part that is out of reach. */
static void tie_parts(making *m)
{
    for (int64_t j = 0; j < m->k; j += m->graph.stride) reach_from(m, (int32_t)j);
    for (int32_t j = 0; j < m->k; j++) {
        if (m->reached[j]) continue;
        m->ctx->kernels->scan_l2[FG_F32](centroid(m, j), m->coarse->centroids, NULL, m->k, m->d,
                                         m->keys);
        int32_t nearest = 0; /* an entry: always reached */
        for (int32_t c = 1; c < m->k; c++)
            if (m->reached[c] && m->keys[c] < m->keys[nearest]) nearest = c;
        m->pairs[m->pair_count++] = pair_of(j, nearest);
        reach_from(m, j);
    }
}

static fg_status make_edges(making *m)
{
    fgi_ledger *ledger = &m->ctx->ledger;
    const int64_t k = m->k, most = k * (OWN_EDGES + 1); /* each may be tied once */
    FG_TRY(fgi_alloc(ledger, k * m->top, sizeof *m->neighbours, &m->neighbours));
    FG_TRY(fgi_alloc(ledger, k * m->top, sizeof *m->sqdist, &m->sqdist));
    FG_TRY(fgi_alloc(ledger, 4 * most, sizeof *m->pairs, &m->pairs)); /* turned round, twice */
    FG_TRY(fgi_alloc_zero(ledger, k, sizeof *m->reached, &m->reached));
    FG_TRY(fgi_alloc(ledger, k, sizeof *m->queue, &m->queue));
    FG_TRY(fgi_alloc(ledger, k, sizeof *m->keys, &m->keys));
    FG_TRY(fgi_alloc(NULL, k + 1, sizeof *m->graph.begin, &m->graph.begin));
    FG_TRY(find_neighbours(m));
    fgi_pool_each(m->ctx->pool, k, choose_edges, m);
    m->pair_count = k * OWN_EDGES;
    make_symmetric(m);
    FG_TRY(lay_out(m));
    tie_parts(m);
    make_symmetric(m);
    return lay_out(m);
}

static void free_making(making *m)
{
    void *blocks[] = {m->neighbours, m->sqdist, m->pairs, m->reached, m->queue, m->keys};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) fgi_free(blocks[b]);
}

fg_status fgi_graph_make(fg_context *ctx, const fgi_coarse *coarse, fgi_graph *out)
{
    const int32_t k = coarse->params.k;
    making m = {.ctx = ctx,
                .coarse = coarse,
                .k = k,
                .d = coarse->params.d,
                .top = k <= NEIGHBOURS ? k : NEIGHBOURS + 1,
                .graph = {.k = k, .stride = fgi_graph_stride(k)}};
    const fg_status s = make_edges(&m);
    free_making(&m);
    if (s == FG_OK)
        *out = m.graph;
    else
        fgi_graph_destroy(&m.graph);
    return s;
}
