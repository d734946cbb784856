/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_hits.h - the n best of many (key, id) pairs: a binary heap with the worst on top. Lower keys
 * are better, equal keys are ordered by the lower id. Knows no index.
 *
 * An empty place holds the worst pair there is, (+inf, INT64_MAX), so that the heap is always full
 * and its top is always the bound that a newcomer must beat. A NaN beats nothing. */
#ifndef FGI_IVF_HITS_H
#define FGI_IVF_HITS_H
#include <math.h>    /* INFINITY */
#include <stdbool.h> /* bool */
#include <stdint.h>  /* int64_t */

typedef struct fgi_hit {
    float key;
    int64_t id;
} fgi_hit;

static inline bool fgi_hit_before(fgi_hit a, fgi_hit b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static inline bool fgi_hit_empty(fgi_hit hit)
{
    return hit.id == INT64_MAX;
}

static inline void fgi_hits_clear(fgi_hit *hits, int32_t n)
{
    for (int32_t i = 0; i < n; i++) hits[i] = (fgi_hit){INFINITY, INT64_MAX};
}

/* Lets `hit` sink from the top of a heap of n whose top has been taken away. */
static inline void fgi_hits_sink(fgi_hit *hits, int32_t n, fgi_hit hit)
{
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && fgi_hit_before(hits[child], hits[child + 1])) child++;
        if (!fgi_hit_before(hit, hits[child])) break;
        hits[at] = hits[child];
        at = child;
    }
    hits[at] = hit;
}

/* n: at least 1. */
static inline void fgi_hits_push(fgi_hit *hits, int32_t n, fgi_hit hit)
{
    if (fgi_hit_before(hit, hits[0])) fgi_hits_sink(hits, n, hit);
}

/* Turns the heap into the sorted sequence, best first, empty places last. */
static inline void fgi_hits_sort(fgi_hit *hits, int32_t n)
{
    while (n > 1) {
        const fgi_hit worst = hits[0], last = hits[--n];
        fgi_hits_sink(hits, n, last);
        hits[n] = worst;
    }
}

#endif
