/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_graph_effort.c - how wide walks must be to find the nearest centroids of sample rows. Knows walks; knows no edge and
 * no list. */
#include "context.h"
#include "ivf_graph.h"
#include "random.h"

enum { SAMPLE_ROWS = 256, MOST_SHARE = 4 /* of the lists, that walks are measured for */ };
enum { LEAST_WIDTH = 16 };
#define FOUND_SHARE 0.997

typedef struct walker {
    fgi_walk walk;
    float *keys;   /* k */
    fgi_hit *hits; /* most */
    int64_t found, cost;
} walker;

typedef struct measuring {
    fg_context *ctx;
    const fgi_coarse *coarse;
    fgi_graph *graph;
    float *x; /* rows x d */
    int64_t rows;
    int32_t most;   /* nearest that are looked for */
    fgi_hit *truth; /* rows x FGI_GRAPH_EFFORTS: the 2^i-th nearest */
    int32_t workers, want, width;
    int32_t effort; /* want = 2^effort */
    walker *walkers;
} measuring;

/* Rows with NaN are left out. */
static fg_status load_rows(measuring *m, fg_source *rows, uint64_t seed)
{
    fgi_ledger *ledger = &m->ctx->ledger;
    const int32_t d = m->coarse->params.d;
    fg_source *some;
    float *raw = NULL, *zeros = NULL;
    FG_TRY(fgi_source_sample(rows, ledger, SAMPLE_ROWS, seed, FGI_STREAM_GRAPH, &some));
    fg_status s = fgi_alloc(ledger, some->rows * d, sizeof *raw, &raw);
    if (s == FG_OK) s = fgi_alloc_zero(ledger, d, sizeof *zeros, &zeros);
    if (s == FG_OK) s = fgi_alloc(ledger, some->rows * d, sizeof *m->x, &m->x);
    const fg_out out = {.data = raw, .rows = some->rows, .cols = d, .dtype = FG_F32};
    if (s == FG_OK) s = fgi_source_read(some, 0, &out);
    for (int64_t r = 0; s == FG_OK && r < some->rows; r++) {
        float norm2;
        const fgi_load_args load = {.rows = raw + r * d,
                                    .stride = d,
                                    .count = 1,
                                    .d = d,
                                    .center = zeros,
                                    .normalize = m->coarse->params.normalize,
                                    .x = m->x + m->rows * d,
                                    .ldx = d,
                                    .norm2 = &norm2};
        m->ctx->kernels->load[FG_F32](&load);
        m->rows += isfinite(norm2);
    }
    fgi_free(raw);
    fgi_free(zeros);
    fgi_source_close(some);
    return s;
}

static void find_truth(void *user, int64_t row, int32_t worker)
{
    measuring *m = user;
    walker *w = &m->walkers[worker];
    fgi_coarse_distance(m->coarse, m->ctx->kernels, m->x + row * m->coarse->params.d, w->keys);
    fgi_hits_clear(w->hits, m->most);
    for (int32_t j = 0; j < m->coarse->params.k; j++)
        fgi_hits_push(w->hits, m->most, (fgi_hit){w->keys[j], j});
    fgi_hits_sort(w->hits, m->most);
    for (int32_t i = 0; i < FGI_GRAPH_EFFORTS && 1 << i <= m->most; i++)
        m->truth[row * FGI_GRAPH_EFFORTS + i] = w->hits[(1 << i) - 1];
}

/* A centroid that a walk found is one of the nearest unless it comes after the last of them. */
static void try_row(void *user, int64_t row, int32_t worker)
{
    measuring *m = user;
    walker *w = &m->walkers[worker];
    const fgi_hit last = m->truth[row * FGI_GRAPH_EFFORTS + m->effort];
    w->walk.query = m->x + row * m->coarse->params.d;
    w->walk.distances = 0;
    fgi_walk_run(&w->walk, m->width, m->want, w->hits);
    for (int32_t i = 0; i < m->want; i++) w->found += !fgi_hit_before(last, w->hits[i]);
    w->cost += w->walk.distances;
}

/* The share of the nearest that walks of this width find. */
static double try_width(measuring *m, int64_t *cost)
{
    int64_t found = *cost = 0;
    for (int32_t i = 0; i < m->workers; i++) m->walkers[i].found = m->walkers[i].cost = 0;
    fgi_pool_each(m->ctx->pool, m->rows, try_row, m);
    for (int32_t i = 0; i < m->workers; i++) {
        found += m->walkers[i].found;
        *cost += m->walkers[i].cost;
    }
    *cost /= m->rows;
    return (double)found / ((double)m->rows * m->want);
}

static void measure(measuring *m)
{
    const int32_t k = m->coarse->params.k;
    int64_t cost = 0;
    m->width = LEAST_WIDTH;
    for (m->effort = 0; m->effort < FGI_GRAPH_EFFORTS; m->effort++) {
        m->want = 1 << m->effort;
        if (m->want > m->most) return;
        if (m->width < m->want) m->width = m->want;
        while (try_width(m, &cost) < FOUND_SHARE && cost < k && m->width < k / 2)
            m->width += m->width / 4;
        if (cost >= k || m->width >= k / 2) return;
        m->graph->efforts[m->effort] = (fgi_graph_effort){m->width, (int32_t)cost};
    }
}

static fg_status measure_efforts(measuring *m)
{
    fgi_ledger *ledger = &m->ctx->ledger;
    const int32_t k = m->coarse->params.k;
    FG_TRY(fgi_alloc(ledger, m->rows * FGI_GRAPH_EFFORTS, sizeof *m->truth, &m->truth));
    FG_TRY(fgi_alloc_zero(ledger, m->workers, sizeof *m->walkers, &m->walkers));
    for (int32_t i = 0; i < m->workers; i++) {
        walker *w = &m->walkers[i];
        FG_TRY(fgi_alloc(ledger, k, sizeof *w->keys, &w->keys));
        FG_TRY(fgi_alloc(ledger, m->most, sizeof *w->hits, &w->hits));
        FG_TRY(fgi_walk_create(ledger, k, k, &w->walk));
        w->walk.graph = m->graph;
        w->walk.coarse = m->coarse;
        w->walk.kernels = m->ctx->kernels;
        w->walk.keys = w->keys;
    }
    fgi_pool_each(m->ctx->pool, m->rows, find_truth, m);
    measure(m);
    return FG_OK;
}

static void free_measuring(measuring *m)
{
    for (int32_t i = 0; m->walkers && i < m->workers; i++) {
        fgi_free(m->walkers[i].keys);
        fgi_free(m->walkers[i].hits);
        fgi_walk_destroy(&m->walkers[i].walk);
    }
    fgi_free(m->walkers);
    fgi_free(m->truth);
    fgi_free(m->x);
}

fg_status fgi_graph_measure(fg_context *ctx, const fgi_coarse *coarse, fg_source *rows,
                            uint64_t seed, fgi_graph *graph)
{
    measuring m = {.ctx = ctx,
                   .coarse = coarse,
                   .graph = graph,
                   .most = (coarse->params.k + MOST_SHARE - 1) / MOST_SHARE,
                   .workers = fgi_pool_threads(ctx->pool)};
    fg_status s = load_rows(&m, rows, seed);
    if (s == FG_OK && m.rows > 0) s = measure_efforts(&m);
    free_measuring(&m);
    return s;
}
