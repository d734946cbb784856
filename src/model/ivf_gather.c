/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_gather.c - copies rows by id. Knows lists and filters; knows no query. */
#include "ivf_gather.h"

#include "ivf_draft.h"

enum { WORD_BITS = 64 };

static int32_t count_bits(uint64_t word)
{
    int32_t count = 0;
    for (; word; word &= word - 1) count++;
    return count;
}

int64_t fgi_allow_count(const fg_ivf *ivf, const fgi_allow *allow)
{
    const int64_t bits = allow->count < ivf->next_id ? allow->count : ivf->next_id;
    int64_t count = 0;
    for (int64_t w = 0; w < bits / WORD_BITS; w++) count += count_bits(allow->bits[w]);
    if (bits % WORD_BITS == 0) return count;
    const uint64_t below = ((uint64_t)1 << (bits % WORD_BITS)) - 1;
    return count + count_bits(allow->bits[bits / WORD_BITS] & below);
}

typedef struct gathering {
    const fg_ivf *ivf;
    const fgi_allow *allow;
    fgi_entries to;
    int64_t count, most;
} gathering;

static void take(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    (void)set;
    gathering *g = user;
    for (int64_t i = begin; i < begin + count && g->count < g->most; i++)
        if (fgi_allows(g->allow, list->ids[i]))
            fgi_entries_copy(g->ivf, &g->to, g->count++, list, i, 1);
}

fg_status fgi_gather(fgi_ledger *ledger, const fg_ivf *ivf, const fgi_allow *allow, int64_t most,
                     fgi_list *out)
{
    fgi_list list = {.count = most};
    FG_TRY(fgi_list_alloc(ledger, ivf, &list));
    gathering g = {.ivf = ivf, .allow = allow, .to = fgi_list_entries(ivf, &list), .most = most};
    /* a mapped index would have to make them, for a few queries */
    list.sketches = g.to.sketches = NULL;
    fgi_ivf_each_row(ivf, take, &g);
    list.count = g.count;
    *out = list;
    return FG_OK;
}
