/* SPDX-License-Identifier: Apache-2.0 */
/* stats.c - statistics live in one block: mass, shift, square; so clearing and merging are one
 * loop. Knows shapes; knows no meaning. */
#include "stats.h"

#include <string.h> /* memset */

/* Cannot overflow: k and d are below 2^31. */
int64_t fgi_stats_doubles(fgi_kind kind, int32_t k, int32_t d)
{
    return k * (1 + (int64_t)d + (kind == FGI_DIAGONAL ? d : 1));
}

fg_status fgi_stats_create_uncleared(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d,
                                     fgi_stats *out)
{
    double *block;
    FG_TRY(fgi_alloc(ledger, fgi_stats_doubles(kind, k, d), sizeof *block, &block));
    *out = (fgi_stats){.kind = kind,
                       .k = k,
                       .d = d,
                       .mass = block,
                       .shift = block + k,
                       .square = block + k + (int64_t)k * d,
                       .first_bad_row = -1};
    return FG_OK;
}

fg_status fgi_stats_create(fgi_ledger *ledger, fgi_kind kind, int32_t k, int32_t d, fgi_stats *out)
{
    FG_TRY(fgi_stats_create_uncleared(ledger, kind, k, d, out));
    fgi_stats_clear(out);
    return FG_OK;
}

void fgi_stats_clear(fgi_stats *stats)
{
    memset(stats->mass, 0,
           (size_t)fgi_stats_doubles(stats->kind, stats->k, stats->d) * sizeof *stats->mass);
    stats->objective = stats->dropped = 0.0;
    stats->rows = stats->rows_skipped = stats->survivors = stats->screened = 0;
    stats->first_bad_row = -1;
}

void fgi_stats_merge(fgi_stats *into, const fgi_stats *from)
{
    FGI_ASSERT(into->kind == from->kind && into->k == from->k && into->d == from->d);
    const int64_t doubles = fgi_stats_doubles(into->kind, into->k, into->d);
    for (int64_t i = 0; i < doubles; i++) into->mass[i] += from->mass[i];
    into->objective += from->objective;
    into->dropped += from->dropped;
    into->rows += from->rows;
    into->rows_skipped += from->rows_skipped;
    into->survivors += from->survivors;
    into->screened += from->screened;
    if (from->first_bad_row >= 0 &&
        (into->first_bad_row < 0 || from->first_bad_row < into->first_bad_row))
        into->first_bad_row = from->first_bad_row;
}

void fgi_stats_destroy(fgi_stats *stats)
{
    fgi_free(stats->mass);
    *stats = (fgi_stats){0};
}
