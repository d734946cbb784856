/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_group.c - wishes sorted by list, and granted. Knows lists and scans; knows no order of cells. */
#include "ivf_group.h"

#include <string.h> /* memcpy, memset */

enum { MANY_WISHES = 1 << 16 };

fg_status fgi_group_create(fgi_ledger *ledger, const fg_ivf *ivf, int32_t room, int32_t n,
                           int64_t stops, fgi_group *out)
{
    fgi_group g = {.ivf = ivf, .n = n, .wish_room = stops > MANY_WISHES ? stops : MANY_WISHES};
    const int64_t lists = fgi_ivf_lists(ivf);
    fg_status s = fgi_queries_create(ledger, room, fgi_ivf_dims(ivf), &g.queries);
    if (s == FG_OK) s = fgi_alloc(ledger, (int64_t)room * n, sizeof *g.hits, &g.hits);
    if (s == FG_OK) s = fgi_alloc(ledger, g.wish_room, sizeof *g.wishes, &g.wishes);
    if (s == FG_OK) s = fgi_alloc(ledger, g.wish_room, sizeof *g.sorted, &g.sorted);
    if (s == FG_OK) s = fgi_alloc(ledger, lists + 1, sizeof *g.ends, &g.ends);
    if (s == FG_OK)
        *out = g;
    else
        fgi_group_destroy(&g);
    return s;
}

void fgi_group_destroy(fgi_group *group)
{
    fgi_queries_destroy(&group->queries);
    fgi_free(group->hits);
    fgi_free(group->wishes);
    fgi_free(group->sorted);
    fgi_free(group->ends);
    *group = (fgi_group){0};
}

int32_t fgi_group_add(fgi_group *group, const float *query)
{
    memcpy(fgi_queries_vector(&group->queries, group->count), query,
           (size_t)fgi_ivf_dims(group->ivf) * sizeof *query);
    fgi_queries_sketch(&group->queries, group->count);
    fgi_hits_clear(fgi_group_hits(group, group->count), group->n);
    return group->count++;
}

void fgi_group_wish(fgi_group *group, int32_t query, const fgi_probe *probe, fgi_scan *scan)
{
    if (group->wish_room - group->wish_count < probe->count) fgi_group_scan(group, scan);
    for (int64_t i = 0; i < probe->count; i++)
        group->wishes[group->wish_count++] = (fgi_wish){query, probe->stops[i]};
}

static void sort_wishes(fgi_group *g)
{
    const int32_t lists = fgi_ivf_lists(g->ivf);
    memset(g->ends, 0, ((size_t)lists + 1) * sizeof *g->ends);
    for (int64_t i = 0; i < g->wish_count; i++) g->ends[g->wishes[i].stop.list + 1]++;
    for (int32_t l = 0; l < lists; l++) g->ends[l + 1] += g->ends[l];
    for (int64_t i = 0; i < g->wish_count; i++)
        g->sorted[g->ends[g->wishes[i].stop.list]++] = (int32_t)i;
}

void fgi_group_scan(fgi_group *g, fgi_scan *scan)
{
    sort_wishes(g);
    for (int64_t i = 0; i < g->wish_count; i++) {
        const fgi_wish *wish = &g->wishes[g->sorted[i]];
        const fgi_stop *stop = &wish->stop;
        if (fgi_queries_vector(&g->queries, wish->query) != scan->query) fgi_scan_pending(scan);
        fgi_scan_ask(scan, &g->queries, wish->query);
        scan->hits = fgi_group_hits(g, wish->query);
        fgi_scan_gather(scan, &g->ivf->lists[stop->list], stop->begin, stop->begin + stop->rows);
    }
    fgi_scan_pending(scan);
    g->wish_count = 0;
}
