/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_graph.c - walks along a graph of centroids. Knows edges and keys; knows not how they are made. */
#include "ivf_graph.h"

#include <string.h> /* memmove, memset */

/* A centroid seen, in order of (key, number); done: its edges have been followed. */
typedef struct fgi_step {
    float key;
    int32_t centroid;
    bool done;
} fgi_step;

void fgi_graph_destroy(fgi_graph *graph)
{
    fgi_free(graph->begin);
    fgi_free(graph->edges);
    *graph = (fgi_graph){0};
}

int64_t fgi_graph_bytes(const fgi_graph *graph)
{
    if (graph->k == 0) return 0;
    return (graph->k + (int64_t)1 + graph->begin[graph->k]) * (int64_t)sizeof(int32_t);
}

fgi_graph_effort fgi_graph_effort_for(const fgi_graph *graph, const fgi_coarse *coarse,
                                      int32_t want)
{
    const fgi_graph_effort all = {.cost = coarse->params.k};
    if (graph->k == 0) return all;
    int32_t i = 0;
    while (i < FGI_GRAPH_EFFORTS && (int32_t)1 << i < want) i++;
    return i < FGI_GRAPH_EFFORTS && graph->efforts[i].width > 0 ? graph->efforts[i] : all;
}

fg_status fgi_walk_create(fgi_ledger *ledger, int32_t k, int32_t width, fgi_walk *out)
{
    fgi_walk w = {0};
    fg_status s = fgi_alloc(ledger, k, sizeof *w.seen, &w.seen);
    if (s == FG_OK) s = fgi_alloc(ledger, k, sizeof *w.fresh, &w.fresh);
    if (s == FG_OK) s = fgi_alloc(ledger, width, sizeof *w.steps, &w.steps);
    if (s == FG_OK)
        *out = w;
    else
        fgi_walk_destroy(&w);
    return s;
}

void fgi_walk_destroy(fgi_walk *walk)
{
    fgi_free(walk->seen);
    fgi_free(walk->fresh);
    fgi_free(walk->steps);
    *walk = (fgi_walk){0};
}

static bool comes_before(const fgi_step *a, const fgi_step *b)
{
    return a->key < b->key || (a->key == b->key && a->centroid < b->centroid);
}

/* Puts a step into its place among `count`, of which the last falls out if there is no room. Gives the place back, or -1. */
static int32_t insert(fgi_walk *w, int32_t width, int32_t *count, fgi_step step)
{
    if (*count == width && !comes_before(&step, &w->steps[width - 1])) return -1;
    int32_t low = 0, high = *count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (comes_before(&w->steps[middle], &step))
            low = middle + 1;
        else
            high = middle;
    }
    if (*count < width) ++*count;
    memmove(w->steps + low + 1, w->steps + low, (size_t)(*count - 1 - low) * sizeof *w->steps);
    w->steps[low] = step;
    return low;
}

/* Inserts what `fresh` names; the least place that was taken, or `at`. */
static int32_t see(fgi_walk *w, int32_t fresh, int32_t width, int32_t *count, int32_t at)
{
    float keys[64];
    for (int32_t first = 0; first < fresh; first += 64) {
        const int32_t some = fresh - first < 64 ? fresh - first : 64;
        const int32_t *centroids = w->fresh + first;
        w->kernels->scan_l2[FG_F32](w->query, w->coarse->centroids, centroids, some,
                                    w->coarse->params.d, keys);
        for (int32_t i = 0; i < some; i++) {
            w->keys[centroids[i]] = keys[i];
            const int32_t place = insert(w, width, count, (fgi_step){keys[i], centroids[i], false});
            if (place >= 0 && place < at) at = place;
        }
    }
    w->distances += fresh;
    return at;
}

void fgi_walk_run(fgi_walk *w, int32_t width, int32_t want, fgi_hit *nearest)
{
    const fgi_graph *g = w->graph;
    int32_t count = 0, fresh = 0;
    memset(w->seen, 0, (size_t)g->k * sizeof *w->seen);
    for (int64_t c = 0; c < g->k; c += g->stride) {
        w->fresh[fresh++] = (int32_t)c;
        w->seen[c] = true;
    }
    for (int32_t at = see(w, fresh, width, &count, 0); at < count;) {
        if (w->steps[at].done) {
            at++;
            continue;
        }
        const int32_t from = w->steps[at].centroid;
        w->steps[at].done = true;
        fresh = 0;
        for (int32_t e = g->begin[from]; e < g->begin[from + 1]; e++) {
            const int32_t c = g->edges[e];
            w->fresh[fresh] = c;
            fresh += !w->seen[c];
            w->seen[c] = true;
        }
        at = see(w, fresh, width, &count, at);
    }
    for (int32_t i = 0; i < want; i++)
        nearest[i] = i < count ? (fgi_hit){w->steps[i].key, w->steps[i].centroid}
                               : (fgi_hit){INFINITY, INT64_MAX};
}
