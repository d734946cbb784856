/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_scan.h - one query against entries of lists: keys, the filter by id, the n best. Knows lists
 * and kernels; knows no order of lists. */
#ifndef FGI_IVF_SCAN_H
#define FGI_IVF_SCAN_H
#include "ivf.h"
#include "ivf_hits.h"
#include "ivf_queries.h"

enum {
    FGI_SCAN_BLOCK = 256, /* keys computed before they are compared */
    FGI_SCAN_FILL = 8     /* numbers of entries that are written at a time */
};

/* Keys of entries of a list: the lower, the better. The query's centre is 0. */
typedef struct fgi_span {
    const fgi_list *list;
    int64_t begin, count;
    const int32_t *index; /* count: numbers of entries, from begin on; NULL: 0 .. count - 1 */
} fgi_span;

void fgi_span_keys(const fg_ivf *ivf, const fgi_kernels *kernels, const float *query,
                   const fgi_span *span, float *keys);

/* What a key means to the caller: a squared distance, or a similarity. */
static inline float fgi_score_of_key(const fg_ivf *ivf, float key)
{
    return ivf->metric == FG_METRIC_L2 ? key : 0.0f - key;
}

/* Which ids may be found. */
typedef struct fgi_allow {
    const uint64_t *bits; /* NULL: all of them */
    int64_t count;        /* ids from here on may not */
} fgi_allow;

/* bits: not NULL. A mapped file may hold negative ids, which may not be found. */
static inline bool fgi_allows(const fgi_allow *allow, int64_t id)
{
    return (uint64_t)id < (uint64_t)allow->count && (allow->bits[id / 64] >> (id % 64) & 1);
}

/* Entries of a list that wait to be scanned together. */
typedef struct fgi_pending {
    const fgi_list *list;
    int64_t begin; /* of the first one */
    int32_t count;
    /* from there on; what is behind `count` is of no use */
    int32_t index[FGI_SCAN_BLOCK + FGI_SCAN_FILL];
} fgi_pending;

/* The state of one query's scan. */
typedef struct fgi_scan {
    const fgi_kernels *kernels;
    const fg_ivf *ivf;
    fgi_allow allow;
    const float *query;
    const fgi_query_sketch *sketch; /* of the query; NULL: nothing is screened */
    fgi_hit *hits;                  /* a heap of n */
    int32_t n;
    int64_t distances; /* raised by those computed */
    fgi_pending pending;
} fgi_scan;

/* What is scanned from here on is for this query. */
static inline void fgi_scan_ask(fgi_scan *scan, const fgi_queries *queries, int32_t number)
{
    scan->query = fgi_queries_vector(queries, number);
    scan->sketch = &queries->sketches[number];
}

/* Offers the allowed ones of the entries begin .. end - 1 to the hits. */
void fgi_scan_run(fgi_scan *scan, const fgi_list *list, int64_t begin, int64_t end);

/* The same for short runs, which wait for others of their list. */
void fgi_scan_gather(fgi_scan *scan, const fgi_list *list, int64_t begin, int64_t end);

/* Scans what waits. */
void fgi_scan_pending(fgi_scan *scan);

#endif
