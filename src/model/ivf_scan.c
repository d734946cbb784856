/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_scan.c - keys block by block, and what the filter leaves of a block. Knows lists and kernels;
 * knows no order of lists. */
#include "ivf_scan.h"

void fgi_span_keys(const fg_ivf *ivf, const fgi_kernels *kernels, const float *query,
                   const fgi_span *span, float *keys)
{
    const void *codes = span->list->codes + span->begin * fgi_ivf_row_bytes(ivf);
    const int32_t d = fgi_ivf_dims(ivf), *index = span->index;
    if (ivf->metric == FG_METRIC_L2) {
        kernels->scan_l2[ivf->dtype](query, codes, index, span->count, d, keys);
        return;
    }
    kernels->scan_ip[ivf->dtype](query, codes, index, span->count, d, keys);
    if (ivf->metric == FG_METRIC_IP) {
        for (int64_t i = 0; i < span->count; i++) keys[i] = -keys[i];
    } else {
        const float *inverse_norms = span->list->inverse_norms + span->begin;
        for (int64_t i = 0; i < span->count; i++) keys[i] *= -inverse_norms[index ? index[i] : i];
    }
}

/* Leaves the numbers of those that may be found in `index`; returns how many. */
static int32_t filter(const fgi_allow *allow, const int64_t *ids, const fgi_span *span,
                      int32_t *index)
{
    int32_t found = 0;
    for (int32_t i = 0; i < span->count; i++) {
        const int32_t entry = span->index ? span->index[i] : i;
        index[found] = entry; /* overwritten by the next one unless it stays */
        found += fgi_allows(allow, ids[entry]);
    }
    return found;
}

/* Offers entries to the hits. */
static void offer(fgi_scan *scan, const fgi_span *span)
{
    float keys[FGI_SCAN_BLOCK];
    const int64_t *ids = span->list->ids + span->begin;
    fgi_span_keys(scan->ivf, scan->kernels, scan->query, span, keys);
    for (int64_t i = 0; i < span->count; i++)
        if (keys[i] <= scan->hits[0].key)
            fgi_hits_push(scan->hits, scan->n,
                          (fgi_hit){keys[i], ids[span->index ? span->index[i] : i]});
}

/* The same, but for those that cannot be better: their sketches tell. Few at a time, so that the worst hit is soon
 * a good one. */
static void offer_screened(fgi_scan *scan, const fgi_span *span)
{
    const fgi_sketch_kind kind = fgi_ivf_sketch_kind(scan->ivf);
    const int64_t stride = scan->ivf->sketch_bytes;
    int32_t kept[FGI_SKETCH_BLOCK];
    for (int64_t at = 0; at < span->count; at += FGI_SKETCH_BLOCK) {
        const int64_t left = span->count - at, first = span->begin + (span->index ? 0 : at);
        fgi_span some = {.list = span->list,
                         .begin = first,
                         .count = left < FGI_SKETCH_BLOCK ? left : FGI_SKETCH_BLOCK,
                         .index = span->index ? span->index + at : NULL};
        const fgi_sketches sketches = {(const char *)span->list->sketches + first * stride, stride,
                                       some.index};
        if (scan->hits[0].key < INFINITY) {
            some.count = fgi_sketch_screen(&kind, scan->kernels, scan->sketch, &sketches,
                                           (int32_t)some.count, scan->hits[0].key, kept);
            some.index = kept;
        }
        if (some.count > 0) offer(scan, &some);
    }
}

static void scan_block(fgi_scan *scan, fgi_span span)
{
    int32_t index[FGI_SCAN_BLOCK];
    const int64_t *ids = span.list->ids + span.begin;
    if (scan->allow.bits) {
        const int32_t found = filter(&scan->allow, ids, &span, index);
        if (found < span.count) span.index = index;
        span.count = found;
    }
    scan->distances += span.count;
    if (scan->sketch && scan->sketch->numbers && span.list->sketches)
        offer_screened(scan, &span);
    else
        offer(scan, &span);
}

void fgi_scan_run(fgi_scan *scan, const fgi_list *list, int64_t begin, int64_t end)
{
    for (; begin < end; begin += FGI_SCAN_BLOCK) {
        const int64_t left = end - begin;
        scan_block(scan, (fgi_span){.list = list,
                                    .begin = begin,
                                    .count = left < FGI_SCAN_BLOCK ? left : FGI_SCAN_BLOCK});
    }
}

void fgi_scan_pending(fgi_scan *scan)
{
    const fgi_pending *p = &scan->pending;
    if (p->count > 0) scan_block(scan, (fgi_span){p->list, p->begin, p->count, p->index});
    scan->pending.count = 0;
}

void fgi_scan_gather(fgi_scan *scan, const fgi_list *list, int64_t begin, int64_t end)
{
    fgi_pending *p = &scan->pending;
    if (list != p->list) fgi_scan_pending(scan);
    for (int64_t some; begin < end; begin += some) {
        const bool out_of_reach = begin - p->begin > INT32_MAX - (FGI_SCAN_BLOCK + FGI_SCAN_FILL);
        if (p->count == FGI_SCAN_BLOCK || out_of_reach) fgi_scan_pending(scan);
        if (p->count == 0) {
            p->list = list;
            p->begin = begin;
        }
        const int32_t room = FGI_SCAN_BLOCK - p->count, first = (int32_t)(begin - p->begin);
        some = end - begin < room ? end - begin : room;
        for (int32_t i = 0; i < some; i += FGI_SCAN_FILL) /* runs are short, and of any length */
            for (int32_t j = i; j < i + FGI_SCAN_FILL; j++) p->index[p->count + j] = first + j;
        p->count += (int32_t)some;
    }
}
