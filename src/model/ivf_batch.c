/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_batch.c - list after list, piece after piece, query after query. Knows lists and scans; knows no
 * order of lists. */
#include "ivf_batch.h"

#include <string.h> /* memcpy, memset */

enum {
    MOST_QUERIES = 1024,
    BATCH_BYTES = 1 << 24,
    PIECE_BYTES = 1 << 15, /* of a list: stays in the first cache while queries come and go */
    WORD_BITS = 64
};

int32_t fgi_batch_room(const fg_ivf *ivf, int32_t n, int64_t queries, int32_t workers)
{
    const int64_t query_bytes = fgi_ivf_dims(ivf) * (int64_t)sizeof(float) +
                                n * (int64_t)sizeof(fgi_hit) + fgi_ivf_lists(ivf) / 8;
    const int64_t parts =
        workers > 1 ? 2 * (int64_t)workers : 1; /* one may end before the others */
    int64_t room = (queries + parts - 1) / parts;
    if (room > BATCH_BYTES / query_bytes) room = BATCH_BYTES / query_bytes;
    if (room > MOST_QUERIES) room = MOST_QUERIES;
    return room > 1 ? (int32_t)room : 1;
}

fg_status fgi_batch_create(fgi_ledger *ledger, const fg_ivf *ivf, int32_t room, int32_t n,
                           fgi_batch *out)
{
    fgi_batch b = {.ivf = ivf, .room = room, .n = n, .words = (room + WORD_BITS - 1) / WORD_BITS};
    fg_status s = fgi_queries_create(ledger, room, fgi_ivf_dims(ivf), &b.queries);
    if (s == FG_OK) s = fgi_alloc(ledger, (int64_t)room * n, sizeof *b.hits, &b.hits);
    if (s == FG_OK)
        s = fgi_alloc(ledger, fgi_ivf_lists(ivf) * (int64_t)b.words, sizeof *b.asking, &b.asking);
    if (s == FG_OK)
        *out = b;
    else
        fgi_batch_destroy(&b);
    return s;
}

void fgi_batch_destroy(fgi_batch *batch)
{
    fgi_queries_destroy(&batch->queries);
    fgi_free(batch->hits);
    fgi_free(batch->asking);
    *batch = (fgi_batch){0};
}

void fgi_batch_clear(fgi_batch *batch)
{
    batch->count = 0;
    memset(batch->asking, 0,
           (size_t)fgi_ivf_lists(batch->ivf) * (size_t)batch->words * sizeof *batch->asking);
}

void fgi_batch_add(fgi_batch *b, const float *query)
{
    const int32_t number = b->count++;
    memcpy(fgi_queries_vector(&b->queries, number), query,
           (size_t)fgi_ivf_dims(b->ivf) * sizeof *query);
    fgi_queries_sketch(&b->queries, number);
    fgi_hits_clear(fgi_batch_hits(b, number), b->n);
}

void fgi_batch_ask(fgi_batch *b, int32_t query, const fgi_hit *lists, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        b->asking[lists[i].id * b->words + query / WORD_BITS] |= (uint64_t)1 << (query % WORD_BITS);
}

static bool asks(const fgi_batch *b, int32_t query, int32_t list)
{
    const uint64_t word = b->asking[(int64_t)list * b->words + query / WORD_BITS];
    return word >> (query % WORD_BITS) & 1;
}

/* Part of a list. */
typedef struct piece {
    int32_t number; /* of the list */
    const fgi_list *list;
    int64_t begin, end;
    int32_t segment; /* the one that the first entry belongs to */
} piece;

static bool scored_elsewhere(const fgi_batch *b, int32_t query, const piece *p,
                             const fgi_segment *segment)
{
    for (int32_t o = segment->others; o < segment[1].others; o++)
        if (p->list->others[o] < p->number && asks(b, query, p->list->others[o])) return true;
    return false;
}

static void scan_piece(const fgi_batch *b, int32_t query, const piece *p, fgi_scan *scan)
{
    const fgi_segment *segments = p->list->segments;
    int64_t run = p->begin; /* where the run of segments that are due begins */
    fgi_scan_ask(scan, &b->queries, query);
    scan->hits = fgi_batch_hits(b, query);
    for (int32_t i = p->segment; i < p->list->segment_count && segments[i].begin < p->end; i++) {
        if (!scored_elsewhere(b, query, p, &segments[i])) continue;
        fgi_scan_run(scan, p->list, run, segments[i].begin);
        run = segments[i + 1].begin;
    }
    fgi_scan_run(scan, p->list, run, p->end);
}

/* The numbers of the queries that look into a list; returns how many. */
static int32_t who_asks(const fgi_batch *b, int32_t list, int32_t *queries)
{
    const uint64_t *words = b->asking + (int64_t)list * b->words;
    int32_t count = 0;
    for (int32_t w = 0; w < b->words; w++) {
        if (words[w] == 0) continue; /* few queries look into a list */
        for (int32_t q = w * WORD_BITS; q < (w + 1) * WORD_BITS && q < b->count; q++) {
            queries[count] = q; /* overwritten by the next one unless it stays */
            count += asks(b, q, list);
        }
    }
    return count;
}

int64_t fgi_batch_scan(fgi_batch *b, fgi_scan *scan)
{
    int32_t queries[MOST_QUERIES];
    const int64_t fit = PIECE_BYTES / fgi_ivf_row_bytes(b->ivf), step = fit > 16 ? fit : 16;
    int64_t entries = 0;
    for (int32_t l = 0; l < fgi_ivf_lists(b->ivf); l++) {
        const fgi_list *list = &b->ivf->lists[l];
        const int32_t count = who_asks(b, l, queries);
        piece p = {.number = l, .list = list};
        for (; count > 0 && p.begin < list->count; p.begin = p.end) {
            p.end = p.begin + step < list->count ? p.begin + step : list->count;
            while (list->segments[p.segment + 1].begin <= p.begin) p.segment++;
            for (int32_t q = 0; q < count; q++) scan_piece(b, queries[q], &p, scan);
        }
        entries += count * list->count;
    }
    return entries;
}
