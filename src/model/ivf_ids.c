/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_ids.c - ids by binary search. Knows ids; knows no code. */
#include "ivf_ids.h"

#include <stdlib.h> /* qsort */
#include <string.h> /* memcpy */

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

fg_status fgi_ids_create(fgi_ledger *ledger, const int64_t *ids, int64_t count, fgi_ids *out)
{
    FG_TRY(fgi_alloc(ledger, count, sizeof *out->sorted, &out->sorted));
    out->count = count;
    if (count > 0) memcpy(out->sorted, ids, (size_t)count * sizeof *ids);
    fgi_ids_sort(out);
    return FG_OK;
}

void fgi_ids_sort(fgi_ids *ids)
{
    qsort(ids->sorted, (size_t)ids->count, sizeof *ids->sorted, ascending);
}

void fgi_ids_destroy(fgi_ids *ids)
{
    fgi_free(ids->sorted);
    *ids = (fgi_ids){0};
}

int64_t fgi_ids_find(const fgi_ids *ids, int64_t id)
{
    int64_t low = 0, high = ids->count; /* all before low are below id, all from high on are not */
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (ids->sorted[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ids->count && ids->sorted[low] == id ? low : -1;
}

typedef struct collision {
    fgi_ids ids;
    int64_t found; /* an id that is in the index already, or -1 */
} collision;

static void look_up(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    (void)set;
    collision *c = user;
    for (int64_t i = begin; i < begin + count; i++)
        if (fgi_ids_find(&c->ids, list->ids[i]) >= 0) c->found = list->ids[i];
}

static fg_status check_sorted(const fg_ivf *ivf, collision *c)
{
    const int64_t *sorted = c->ids.sorted, last = c->ids.count - 1;
    if (sorted[0] < 0)
        return fgi_fail(FG_ARGUMENT, "id %lld is negative; ids are 0 or above",
                        (long long)sorted[0]);
    if (sorted[last] == INT64_MAX)
        return fgi_fail(FG_ARGUMENT, "id %lld is too large; ids are below it",
                        (long long)INT64_MAX);
    for (int64_t i = 0; i < last; i++)
        if (sorted[i] == sorted[i + 1])
            return fgi_fail(FG_ARGUMENT, "id %lld is given to more than one row",
                            (long long)sorted[i]);
    if (sorted[0] < ivf->next_id) fgi_ivf_each_row(ivf, look_up, c);
    if (c->found >= 0)
        return fgi_fail(FG_ARGUMENT, "id %lld is already in the index", (long long)c->found);
    return FG_OK;
}

fg_status fgi_ids_check_new(fgi_ledger *ledger, const fg_ivf *ivf, const int64_t *ids,
                            int64_t count)
{
    collision c = {.found = -1};
    FG_TRY(fgi_ids_create(ledger, ids, count, &c.ids));
    const fg_status s = check_sorted(ivf, &c);
    fgi_ids_destroy(&c.ids);
    return s;
}
