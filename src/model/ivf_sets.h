/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_sets.h - where rows are stored: distinct sets of lists. A set of one list comes together with
 * a list that its rows face, so that the rows of a set lie on one side; those of several lists lie
 * between these, and face none (-1). Each set has a number and a count of its rows. Knows numbers of
 * lists; knows no row. */
#ifndef FGI_IVF_SETS_H
#define FGI_IVF_SETS_H
#include "memory.h"

typedef struct fgi_sets {
    int32_t count;    /* sets, numbered in the order of their first appearance */
    int32_t *begin;   /* count + 1: where a set's members start; the last one ends them all */
    int32_t *members; /* list numbers, ascending in each set */
    int32_t *facing;  /* count: the list faced, -1: none */
    int64_t *rows;    /* count: rows stored in exactly these lists that face that one */
    int32_t *slots;   /* slot_count set numbers in a hash table, -1: free */
    int64_t slot_count, set_room, member_room;
} fgi_sets;

fg_status fgi_sets_create(fgi_sets *out);
void fgi_sets_destroy(fgi_sets *sets); /* also of zeroed sets */

/* The number of the set of these `size` distinct lists, ascending, facing that list; a new one has
 * no rows yet. FG_UNSUPPORTED if all members together become more than INT32_MAX. */
fg_status fgi_sets_intern(fgi_sets *sets, const int32_t *lists, int32_t size, int32_t facing,
                          int32_t *set);

/* Forgets the sets from number `count` on. */
void fgi_sets_truncate(fgi_sets *sets, int32_t count);

static inline int32_t fgi_set_size(const fgi_sets *sets, int32_t set)
{
    return sets->begin[set + 1] - sets->begin[set];
}

/* Bytes of its tables. */
int64_t fgi_sets_bytes(const fgi_sets *sets);

#endif
