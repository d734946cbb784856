/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_sorted.c - a block's pairs, component by component, by counting. Knows no kernel.
 *
 * Sums of all components are often more than the second cache holds: each is then brought in once a block, not once a pair.
 * Where they lie in the first one, only what is kept in registers between the pairs of a component is saved. */
#include "cpu_sorted.h"

#include <string.h> /* memset */

/* Sums that the first cache holds, and how many pairs have to meet there. */
enum { NEAR_SUMS = 4096, LEAST_NEAR_PAIRS = 4 };

fg_status fgi_cpu_sorted_create(fgi_ledger *ledger, int32_t k, int32_t d, int32_t capacity,
                                fgi_cpu_sorted *out)
{
    const bool near = (int64_t)k * d <= NEAR_SUMS;
    fgi_cpu_sorted sorted = {
        .k = k, .least = near ? LEAST_NEAR_PAIRS * k : k, .capacity = capacity};
    fg_status s = fgi_alloc(ledger, k, sizeof *sorted.place, &sorted.place);
    if (s == FG_OK) s = fgi_alloc(ledger, capacity, sizeof *sorted.row, &sorted.row);
    if (s == FG_OK) s = fgi_alloc(ledger, capacity, sizeof *sorted.component, &sorted.component);
    if (s == FG_OK) s = fgi_alloc(ledger, capacity, sizeof *sorted.share, &sorted.share);
    if (s != FG_OK)
        fgi_cpu_sorted_destroy(&sorted);
    else
        *out = sorted;
    return s;
}

void fgi_cpu_sorted_destroy(fgi_cpu_sorted *sorted)
{
    fgi_free(sorted->place);
    fgi_free(sorted->row);
    fgi_free(sorted->component);
    fgi_free(sorted->share);
    *sorted = (fgi_cpu_sorted){0};
}

bool fgi_cpu_sorted_pays(const fgi_cpu_sorted *sorted, int32_t pairs)
{
    return pairs >= sorted->least && pairs <= sorted->capacity;
}

fgi_pairs fgi_cpu_sort(fgi_cpu_sorted *sorted, const fgi_pairs *pairs, const float *share)
{
    int32_t *place = sorted->place, count = 0;
    memset(place, 0, (size_t)sorted->k * sizeof *place);
    for (int32_t c = 0; c < pairs->count; c++) place[pairs->component[c]] += share[c] != 0.0f;
    for (int32_t j = 0; j < sorted->k; j++) {
        const int32_t here = place[j];
        place[j] = count;
        count += here;
    }
    for (int32_t c = 0; c < pairs->count; c++) {
        if (share[c] == 0.0f) continue;
        const int32_t to = place[pairs->component[c]]++;
        sorted->row[to] = pairs->row[c];
        sorted->component[to] = pairs->component[c];
        sorted->share[to] = share[c];
    }
    return (fgi_pairs){.count = count, .row = sorted->row, .component = sorted->component};
}
