/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_group.h - several queries that look into cells of their own choice, scanned list by list: what
 * one of them has brought from memory serves those that come next. Knows lists and scans; knows no order of
 * cells. What a query finds does not depend on its company. */
#ifndef FGI_IVF_GROUP_H
#define FGI_IVF_GROUP_H
#include "probe.h"

/* A query that waits for a cell. */
typedef struct fgi_wish {
    int32_t query;
    fgi_stop stop;
} fgi_wish;

typedef struct fgi_group {
    const fg_ivf *ivf;
    int32_t count, n;    /* queries that there are; results of each */
    fgi_queries queries; /* room */
    fgi_hit *hits;       /* room heaps of n */
    fgi_wish *wishes;
    int64_t wish_count, wish_room;
    int64_t *ends;   /* of each list's part of `sorted` */
    int32_t *sorted; /* numbers of wishes, list after list */
} fgi_group;

/* Room for so many queries, whose probes have `stops` stops at most. */
fg_status fgi_group_create(fgi_ledger *ledger, const fg_ivf *ivf, int32_t room, int32_t n,
                           int64_t stops, fgi_group *out);
void fgi_group_destroy(fgi_group *group); /* also of a zeroed one */

static inline fgi_hit *fgi_group_hits(const fgi_group *group, int32_t query)
{
    return group->hits + (int64_t)query * group->n;
}

/* One more query (d), with empty hits; returns its number. */
int32_t fgi_group_add(fgi_group *group, const float *query);

/* The query waits for the second round of its probe. May scan what others wait for; of `scan`, query and hits are
 * set then, the rest is as in a scan of one. */
void fgi_group_wish(fgi_group *group, int32_t query, const fgi_probe *probe, fgi_scan *scan);

/* Scans all that is waited for. */
void fgi_group_scan(fgi_group *group, fgi_scan *scan);

#endif
