/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_batch.h - several queries that each look into a fixed choice of lists, taken through the lists
 * together: a list is read from memory once for all queries that look into it. Knows lists and
 * scans; knows no order of lists, and no query's results but as a heap.
 *
 * What a query finds does not depend on its company: all its rows have the same keys, and of the
 * lists that hold a row, the one with the lowest number that the query looks into owns it. */
#ifndef FGI_IVF_BATCH_H
#define FGI_IVF_BATCH_H
#include "ivf_scan.h"

typedef struct fgi_batch {
    const fg_ivf *ivf;
    int32_t room, count; /* queries that there can be, and are */
    int32_t n;           /* results of each */
    fgi_queries queries; /* room */
    fgi_hit *hits;       /* room heaps of n */
    int32_t words;       /* of a bitmap of queries */
    uint64_t *asking;    /* lists x words: the queries that look into the list */
} fgi_batch;

/* How many queries a batch should hold, where `queries` are to be spread over `workers`. */
int32_t fgi_batch_room(const fg_ivf *ivf, int32_t n, int64_t queries, int32_t workers);

fg_status fgi_batch_create(fgi_ledger *ledger, const fg_ivf *ivf, int32_t room, int32_t n,
                           fgi_batch *out);
void fgi_batch_destroy(fgi_batch *batch); /* also of a zeroed one */

/* Forgets all queries. */
void fgi_batch_clear(fgi_batch *batch);

/* One more query (d). */
void fgi_batch_add(fgi_batch *batch, const float *query);

/* The lists that it looks into. */
void fgi_batch_ask(fgi_batch *batch, int32_t query, const fgi_hit *lists, int32_t count);

/* Fills the heaps of all queries; of `scan`, query and hits are set, the rest is as in a scan of one.
 * Returns the entries of the lists, counted for each query. */
int64_t fgi_batch_scan(fgi_batch *batch, fgi_scan *scan);

static inline fgi_hit *fgi_batch_hits(const fgi_batch *batch, int32_t query)
{
    return batch->hits + (int64_t)query * batch->n;
}

#endif
