/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_merge.c - statistics of shards, merged in the order of shards (cpu_merge.h). Knows pthreads; knows no row. */
#include "cpu_merge.h"

#include "cpu.h"

/* Looks at whose turn it is before a worker sleeps: shards take alike long. */
enum { MOST_LOOKS = 1000 };

/* Places to spare, one a thread, are at most so large together. */
enum { SPARE_BYTES = 32 << 20 };

enum { FREE = -1, TAKEN = -2 };

/* Threads write to their statistics all the time, so no two may lie in one line of a cache. */
struct fgi_cpu_place {
    _Alignas(64) fgi_stats stats;
    int64_t shard; /* that waits for its turn; or FREE, or TAKEN */
};

void fgi_cpu_merge_init(fgi_cpu_merge *merge)
{
    pthread_mutex_init(&merge->lock, NULL);
    pthread_cond_init(&merge->merged, NULL);
}

void fgi_cpu_merge_destroy(fgi_cpu_merge *merge)
{
    pthread_cond_destroy(&merge->merged);
    pthread_mutex_destroy(&merge->lock);
}

static int32_t places_for(fgi_kind kind, int32_t k, int32_t d, int32_t threads)
{
    const int64_t most = SPARE_BYTES / (fgi_stats_doubles(kind, k, d) * (int64_t)sizeof(double));
    if (threads == 1) return 1;
    return threads + (most < threads ? (int32_t)most : threads);
}

fg_status fgi_cpu_merge_begin(fgi_cpu_merge *merge, fgi_ledger *ledger, fgi_kind kind, int32_t k,
                              int32_t d, int32_t threads)
{
    const int32_t count = places_for(kind, k, d, threads);
    merge->threads = threads;
    FG_TRY(fgi_stats_create(ledger, kind, k, d, &merge->total));
    FG_TRY(fgi_alloc_zero(ledger, count, sizeof *merge->places, &merge->places));
    for (merge->count = 0; merge->count < count; merge->count++) {
        fgi_cpu_place *place = &merge->places[merge->count];
        place->shard = FREE;
        FG_TRY(fgi_stats_create_uncleared(ledger, kind, k, d, &place->stats));
    }
    return FG_OK;
}

void fgi_cpu_merge_end(fgi_cpu_merge *merge)
{
    for (int32_t i = 0; i < merge->count; i++) fgi_stats_destroy(&merge->places[i].stats);
    fgi_free(merge->places);
    fgi_stats_destroy(&merge->total);
    merge->places = NULL;
    merge->count = 0;
}

void fgi_cpu_merge_restart(fgi_cpu_merge *merge)
{
    atomic_store(&merge->turn, 0);
}

/* The first from there on, around the end. Under the lock. */
static fgi_cpu_place *find(const fgi_cpu_merge *merge, int64_t shard, int32_t from)
{
    for (int32_t i = 0; i < merge->count; i++) {
        fgi_cpu_place *place = &merge->places[(from + i) % merge->count];
        if (place->shard == shard) return place;
    }
    return NULL;
}

/* Until another turn has come, or it seems to take long. */
static void look(fgi_cpu_merge *merge)
{
    const int64_t seen = atomic_load(&merge->turn);
    pthread_mutex_unlock(&merge->lock);
    for (int32_t i = 0; i < MOST_LOOKS && atomic_load(&merge->turn) == seen; i++) fgi_cpu_relax();
    pthread_mutex_lock(&merge->lock);
}

fgi_cpu_place *fgi_cpu_merge_take(fgi_cpu_merge *merge, int32_t worker)
{
    const int32_t own = worker * (merge->count / merge->threads);
    pthread_mutex_lock(&merge->lock);
    fgi_cpu_place *place = find(merge, FREE, own);
    if (!place) {
        look(merge);
        while (!(place = find(merge, FREE, own))) pthread_cond_wait(&merge->merged, &merge->lock);
    }
    place->shard = TAKEN;
    pthread_mutex_unlock(&merge->lock);
    return place;
}

fgi_stats *fgi_cpu_merge_stats(fgi_cpu_place *place)
{
    return &place->stats;
}

void fgi_cpu_merge_give(fgi_cpu_merge *merge, fgi_cpu_place *place, int64_t shard)
{
    pthread_mutex_lock(&merge->lock);
    place->shard = shard < 0 ? FREE : shard;
    if (shard < 0) pthread_cond_broadcast(&merge->merged);
    while (!merge->merging && (place = find(merge, atomic_load(&merge->turn), 0))) {
        merge->merging = true;
        pthread_mutex_unlock(&merge->lock);
        fgi_stats_merge(&merge->total, &place->stats);
        pthread_mutex_lock(&merge->lock);
        merge->merging = false;
        place->shard = FREE;
        atomic_fetch_add(&merge->turn, 1);
        pthread_cond_broadcast(&merge->merged);
    }
    pthread_mutex_unlock(&merge->lock);
}
