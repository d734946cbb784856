/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_sets.c - sets of lists in a hash table with linear probing. Knows numbers of lists; knows no
 * row. */
#include "ivf_sets.h"

#include "random.h"

#include <string.h> /* memcmp, memcpy */

enum { FIRST_ROOM = 16 };

typedef struct key {
    const int32_t *lists;
    int32_t size, facing;
} key;

static key key_of(const fgi_sets *sets, int32_t set)
{
    return (key){sets->members + sets->begin[set], fgi_set_size(sets, set), sets->facing[set]};
}

static uint64_t hash(const key *k)
{
    uint64_t h = fgi_random_mix((uint64_t)k->size << 32 | (uint32_t)k->facing);
    for (int32_t i = 0; i < k->size; i++)
        h = fgi_random_mix(h ^ ((uint64_t)k->lists[i] << 32 | 1u));
    return h;
}

/* The slot that holds the set, or the free one where it belongs. At least half are free. */
static int32_t *slot_of(const fgi_sets *sets, const key *k)
{
    const uint64_t mask = (uint64_t)sets->slot_count - 1;
    for (uint64_t i = hash(k) & mask;; i = (i + 1) & mask) {
        const int32_t set = sets->slots[i];
        if (set < 0) return &sets->slots[i];
        const key there = key_of(sets, set);
        if (there.size == k->size && there.facing == k->facing &&
            memcmp(there.lists, k->lists, (size_t)k->size * sizeof *k->lists) == 0)
            return &sets->slots[i];
    }
}

static fg_status make_slots(fgi_sets *sets, int64_t slot_count)
{
    int32_t *slots;
    FG_TRY(fgi_alloc(NULL, slot_count, sizeof *slots, &slots));
    for (int64_t i = 0; i < slot_count; i++) slots[i] = -1;
    fgi_free(sets->slots);
    sets->slots = slots;
    sets->slot_count = slot_count;
    for (int32_t set = 0; set < sets->count; set++) {
        const key k = key_of(sets, set);
        *slot_of(sets, &k) = set;
    }
    return FG_OK;
}

/* Room for one more set of so many members. */
static fg_status make_room(fgi_sets *sets, int32_t size)
{
    if (sets->count == sets->set_room) {
        const int64_t room = 2 * sets->set_room;
        FG_TRY(fgi_grow(NULL, room + 1, sizeof *sets->begin, &sets->begin));
        FG_TRY(fgi_grow(NULL, room, sizeof *sets->rows, &sets->rows));
        FG_TRY(fgi_grow(NULL, room, sizeof *sets->facing, &sets->facing));
        FG_TRY(make_slots(sets, 2 * room));
        sets->set_room = room;
    }
    const int64_t needed = (int64_t)sets->begin[sets->count] + size;
    if (needed > INT32_MAX)
        return fgi_fail(FG_UNSUPPORTED,
                        "the rows are stored in too many different sets of lists: their members "
                        "would be %lld, more than %d",
                        (long long)needed, INT32_MAX);
    if (needed <= sets->member_room) return FG_OK;
    const int64_t room = needed > 2 * sets->member_room ? needed : 2 * sets->member_room;
    FG_TRY(fgi_grow(NULL, room, sizeof *sets->members, &sets->members));
    sets->member_room = room;
    return FG_OK;
}

fg_status fgi_sets_create(fgi_sets *out)
{
    fgi_sets sets = {.set_room = FIRST_ROOM, .member_room = FIRST_ROOM};
    fg_status s = fgi_alloc_zero(NULL, FIRST_ROOM + 1, sizeof *sets.begin, &sets.begin);
    if (s == FG_OK) s = fgi_alloc(NULL, FIRST_ROOM, sizeof *sets.rows, &sets.rows);
    if (s == FG_OK) s = fgi_alloc(NULL, FIRST_ROOM, sizeof *sets.facing, &sets.facing);
    if (s == FG_OK) s = fgi_alloc(NULL, FIRST_ROOM, sizeof *sets.members, &sets.members);
    if (s == FG_OK) s = make_slots(&sets, 2 * FIRST_ROOM);
    if (s != FG_OK)
        fgi_sets_destroy(&sets);
    else
        *out = sets;
    return s;
}

void fgi_sets_destroy(fgi_sets *sets)
{
    fgi_free(sets->begin);
    fgi_free(sets->members);
    fgi_free(sets->rows);
    fgi_free(sets->facing);
    fgi_free(sets->slots);
    *sets = (fgi_sets){0};
}

fg_status fgi_sets_intern(fgi_sets *sets, const int32_t *lists, int32_t size, int32_t facing,
                          int32_t *set)
{
    const key k = {lists, size, facing};
    const int32_t found = *slot_of(sets, &k);
    if (found >= 0) {
        *set = found;
        return FG_OK;
    }
    FG_TRY(make_room(sets, size));
    *slot_of(sets, &k) = sets->count;
    const int32_t begin = sets->begin[sets->count];
    memcpy(sets->members + begin, lists, (size_t)size * sizeof *lists);
    sets->begin[sets->count + 1] = begin + size;
    sets->facing[sets->count] = facing;
    sets->rows[sets->count] = 0;
    *set = sets->count++;
    return FG_OK;
}

void fgi_sets_truncate(fgi_sets *sets, int32_t count)
{
    /* last in, first out: no set that stays can have been probed past one that goes */
    while (sets->count > count) {
        const int32_t last = sets->count - 1;
        const key k = key_of(sets, last);
        *slot_of(sets, &k) = -1;
        sets->count = last;
    }
}

int64_t fgi_sets_bytes(const fgi_sets *sets)
{
    return sets->set_room *
               (int64_t)(sizeof *sets->begin + sizeof *sets->rows + sizeof *sets->facing) +
           sets->member_room * (int64_t)sizeof *sets->members +
           sets->slot_count * (int64_t)sizeof *sets->slots;
}
