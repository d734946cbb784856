/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - piles of equal width, each sorted by itself. Knows no index.
 *
 * The bits of floats are close to their logarithms, so that a few that are far away do not press all the others
 * into one pile. */
#include "order.h"

#include <stdlib.h> /* qsort */
#include <string.h> /* memcpy, memset */

enum { MOST_PILES = 1 << 14, FEW = 24 /* pairs, that insertion sorts */ };

fg_status fgi_order_create(fgi_ledger *ledger, int64_t room, fgi_order *out)
{
    const int64_t ends = (2 * room < MOST_PILES ? 2 * room : MOST_PILES) + 2;
    const fgi_part parts[] = {{&out->pairs, room, sizeof *out->pairs},
                              {&out->spare, room, sizeof *out->spare},
                              {&out->ends, ends, sizeof *out->ends}};
    return fgi_alloc_parts(ledger, parts, 3);
}

void fgi_order_destroy(fgi_order *order)
{
    fgi_free(order->pairs);
    *order = (fgi_order){0};
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_pile(uint64_t *pairs, int64_t count)
{
    if (count > FEW) {
        qsort(pairs, (size_t)count, sizeof *pairs, compare);
        return;
    }
    for (int64_t i = 1; i < count; i++) {
        const uint64_t pair = pairs[i];
        int64_t j = i;
        for (; j > 0 && pairs[j - 1] > pair; j--) pairs[j] = pairs[j - 1];
        pairs[j] = pair;
    }
}

/* So that all pairs from `low` to `high` fall into the piles. */
static int32_t shift_for(uint64_t low, uint64_t high, int64_t piles)
{
    int32_t shift = 0;
    while ((high - low) >> shift >= (uint64_t)piles) shift++;
    return shift;
}

void fgi_order_lowest(const fgi_order *order, int64_t count, int64_t want)
{
    uint64_t *pairs = order->pairs, low = UINT64_MAX, high = 0;
    const int64_t piles = 2 * count < MOST_PILES ? 2 * count + 1 : MOST_PILES;
    int32_t *ends = order->ends;
    for (int64_t i = 0; i < count; i++) {
        low = pairs[i] < low ? pairs[i] : low;
        high = pairs[i] > high ? pairs[i] : high;
    }
    if (count < 2 || want < 1) return;
    const int32_t shift = shift_for(low, high, piles);
    memset(ends, 0, (size_t)(piles + 1) * sizeof *ends);
    for (int64_t i = 0; i < count; i++) ends[((pairs[i] - low) >> shift) + 1]++;
    for (int64_t p = 0; p < piles; p++) ends[p + 1] += ends[p];
    for (int64_t i = 0; i < count; i++) order->spare[ends[(pairs[i] - low) >> shift]++] = pairs[i];
    for (int64_t p = 0, at = 0; p < piles && at < want; at = ends[p++])
        sort_pile(order->spare + at, ends[p] - at);
    memcpy(pairs, order->spare, (size_t)count * sizeof *pairs);
}
