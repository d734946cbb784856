/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - a queue of cells and the rule that ends it. Knows lists and cells; knows no batch of
 * queries. */
#include "probe.h"

#include <math.h>   /* INFINITY, log1p */
#include <string.h> /* memcpy */

int64_t fgi_probe_room(const fg_ivf *ivf)
{
    int64_t room = 0;
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) room += ivf->lists[l].segment_count;
    return room;
}

static void sink(uint64_t *queue, int32_t count, int64_t at)
{
    const uint64_t item = queue[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        child += child + 1 < count && queue[child + 1] < queue[child];
        if (queue[child] >= item) break;
        queue[at] = queue[child];
        at = child;
    }
    queue[at] = item;
}

static bool queued_before(const fgi_list *list, const fgi_segment *segment, const bool *visited)
{
    for (int32_t o = segment->others; o < segment[1].others; o++)
        if (visited[list->others[o]]) return true;
    return false;
}

/* Floats that are not negative are in the order of their bits. */
static uint64_t pack(float sqdist, int32_t number)
{
    uint32_t bits;
    memcpy(&bits, &sqdist, sizeof bits);
    return (uint64_t)bits << 32 | (uint32_t)number;
}

static float unpack(uint64_t item)
{
    const uint32_t bits = (uint32_t)(item >> 32);
    float sqdist;
    memcpy(&sqdist, &bits, sizeof sqdist);
    return sqdist;
}

static void queue_list(fgi_probe *probe, int32_t rank, const bool *visited)
{
    const fgi_list *list = &probe->ivf->lists[probe->lists[rank].id];
    const int32_t first = probe->first[rank];
    for (int32_t i = 0; i < list->segment_count; i++)
        if (!queued_before(list, &list->segments[i], visited))
            probe->queue[probe->count++] =
                pack(fgi_cell_sqdist(&list->cells[i], probe->sqdist), first + i);
    probe->first[rank + 1] = first + list->segment_count;
}

void fgi_probe_begin(fgi_probe *probe, bool *visited)
{
    probe->count = 0;
    probe->first[0] = 0;
    for (int32_t i = 0; i < probe->list_count; i++) {
        queue_list(probe, i, visited);
        visited[probe->lists[i].id] = true;
    }
    for (int32_t i = 0; i < probe->list_count; i++) visited[probe->lists[i].id] = false;
    for (int32_t at = probe->count / 2 - 1; at >= 0; at--) sink(probe->queue, probe->count, at);
    probe->nearest = probe->count > 0 ? unpack(probe->queue[0]) : 0;
}

/* The list that has the cell of this number: the last that begins at or before it. */
static int32_t rank_of(const fgi_probe *probe, int32_t number)
{
    int32_t low = 0, high = probe->list_count;
    while (high - low > 1) {
        const int32_t middle = low + (high - low) / 2;
        if (probe->first[middle] <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool fgi_probe_next(fgi_probe *probe, fgi_stop *out)
{
    if (probe->count == 0) return false;
    const uint64_t item = probe->queue[0];
    const int32_t number = (int32_t)(uint32_t)item, rank = rank_of(probe, number);
    *out = (fgi_stop){unpack(item), (int32_t)probe->lists[rank].id, number - probe->first[rank]};
    probe->queue[0] = probe->queue[--probe->count];
    if (probe->count > 0) sink(probe->queue, probe->count, 0);
    return true;
}

double fgi_probe_effort(int64_t rows, int32_t n)
{
    return log1p((double)rows / n);
}

double fgi_probe_margin(const fgi_probe *probe, const fgi_stop *stop, double r2)
{
    const double beyond = (double)stop->sqdist - probe->nearest;
    return beyond > 0 ? beyond / r2 : 0; /* r2 = 0: nothing can be better */
}

double fgi_probe_radius2(const fgi_scan *scan)
{
    const double key = scan->hits[0].key;
    if (fgi_hit_empty(scan->hits[0])) return INFINITY;
    if (scan->ivf->metric == FG_METRIC_L2) return key;
    return key > -1 ? 2 + 2 * key : 0; /* of unit vectors, from minus their cosine */
}

int64_t fgi_probe_walk(fgi_probe *probe, const fgi_probe_rule *rule, fgi_scan *scan)
{
    int64_t entries = 0;
    fgi_stop stop;
    while (fgi_probe_next(probe, &stop)) {
        const double margin = fgi_probe_margin(probe, &stop, fgi_probe_radius2(scan));
        if (fgi_probe_effort(entries, scan->n) + rule->steepness * margin > rule->theta) break;
        const fgi_list *list = &probe->ivf->lists[stop.list];
        const fgi_segment *segment = &list->segments[stop.segment];
        fgi_scan_run(scan, list, segment->begin, segment[1].begin);
        entries += segment[1].begin - segment->begin;
    }
    return entries;
}
