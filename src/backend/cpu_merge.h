/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_merge.h - statistics of shards, merged in the order of shards, whichever is done first. Knows statistics and threads;
 * knows no row.
 *
 * Cores are not alike fast at all times. A thread that is ahead leaves what it has summed to whoever has the shard before,
 * and goes on in a place of its own, as long as there are some to spare: only then it waits. */
#ifndef FGI_CPU_MERGE_H
#define FGI_CPU_MERGE_H
#include "stats.h"

#include <pthread.h>   /* the order of merging */
#include <stdatomic.h> /* atomic_llong */
#include <stdbool.h>   /* bool */

/* A place for one shard's statistics. */
typedef struct fgi_cpu_place fgi_cpu_place;

typedef struct fgi_cpu_merge {
    pthread_mutex_t lock;
    pthread_cond_t merged;
    fgi_stats total;
    fgi_cpu_place *places;
    int32_t count, threads;
    bool merging;      /* somebody does */
    atomic_llong turn; /* the shard that is merged next */
} fgi_cpu_merge;

void fgi_cpu_merge_init(fgi_cpu_merge *merge);
void fgi_cpu_merge_destroy(fgi_cpu_merge *merge);

/* For a pass by so many threads. */
fg_status fgi_cpu_merge_begin(fgi_cpu_merge *merge, fgi_ledger *ledger, fgi_kind kind, int32_t k,
                              int32_t d, int32_t threads);
void fgi_cpu_merge_end(fgi_cpu_merge *merge);

/* Shards count from 0 again: no thread is at work. */
void fgi_cpu_merge_restart(fgi_cpu_merge *merge);

/* A place to sum in, to be taken before the number of the shard: so whoever has the least has one. One of the worker's own
 * if it can be, whose memory is near. */
fgi_cpu_place *fgi_cpu_merge_take(fgi_cpu_merge *merge, int32_t worker);
fgi_stats *fgi_cpu_merge_stats(fgi_cpu_place *place);
/* With the sums of this shard; or, with -1, as it was taken. */
void fgi_cpu_merge_give(fgi_cpu_merge *merge, fgi_cpu_place *place, int64_t shard);

#endif
