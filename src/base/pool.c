/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - threads that wait for the number of a task to change. Knows pthreads; knows no data.
 *
 * Waking a thread that sleeps takes longer than a pass over a small data set. So whoever waits first looks for a while,
 * as long as there is a core for each thread, and only then goes to sleep. A task takes no lock unless someone sleeps, and
 * waits for no more threads than it has work for: of many, one is always late. */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "pool.h"

#include "cpu.h"
#include "fault.h"

#include <pthread.h>   /* the threads */
#include <sched.h>     /* sched_getaffinity */
#include <stdatomic.h> /* atomic_llong */
#include <stdbool.h>   /* bool */
#include <unistd.h>    /* sysconf */

/* Looks before a thread sleeps: some 70 microseconds, which is what waking it may take. */
enum { MOST_LOOKS = 4000 };

/* The number of a task stands above the number of its threads. */
enum { THREADS_BITS = 16 };

typedef struct pool_worker {
    fgi_pool *pool;
    pthread_cond_t work;
    atomic_bool asleep;
    int32_t index;
} pool_worker;

struct fgi_pool {
    pthread_mutex_t lock;
    pthread_cond_t done;
    pthread_t *threads;
    pool_worker *workers;
    fgi_task task;
    void *user;
    atomic_ullong ticket; /* of the task; a change, after task and user, is what threads wait for */
    atomic_int running;
    atomic_bool caller_sleeps;
    int32_t size, started, looks;
    bool stopping;
};

static bool is_idle(fgi_pool *pool, uint64_t seen)
{
    return atomic_load(&pool->ticket) == seen;
}

/* Until there is another task, looking so many times before falling asleep; false: there will be none. Who falls asleep says so first and then looks again, and who has
 * work to give looks for sleepers after that: no one sleeps over a change. */
static bool wait_for_work(pool_worker *self, uint64_t seen, int32_t *looks)
{
    fgi_pool *pool = self->pool;
    for (; *looks > 0; --*looks) {
        if (!is_idle(pool, seen)) return true;
        fgi_cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&self->asleep, true);
    while (is_idle(pool, seen) && !pool->stopping) pthread_cond_wait(&self->work, &pool->lock);
    atomic_store(&self->asleep, false);
    const bool stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return !stopping;
}

static void wake_workers(fgi_pool *pool, int32_t threads)
{
    for (int32_t i = 1; i < threads; i++) {
        if (!atomic_load(&pool->workers[i].asleep)) continue;
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->workers[i].work);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* The last one wakes the caller, who says that he sleeps before he counts. */
static void finish_task(fgi_pool *pool)
{
    if (atomic_fetch_sub(&pool->running, 1) > 1 || !atomic_load(&pool->caller_sleeps)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
}

/* Whoever is not among a task's threads may see it late or never, and reads nothing of it but its ticket; nor does it look for
 * longer because of it. */
static void *worker_main(void *argument)
{
    pool_worker *self = argument;
    fgi_pool *pool = self->pool;
    int32_t looks = pool->looks;
    for (uint64_t seen = 0; wait_for_work(self, seen, &looks);) {
        seen = atomic_load(&pool->ticket);
        if (self->index >= (int32_t)(seen & ((1u << THREADS_BITS) - 1))) continue;
        pool->task(pool->user, self->index);
        finish_task(pool);
        looks = pool->looks;
    }
    return NULL;
}

#ifdef __ELF__
/* Of the caller's OpenMP, if the program has any. */
extern int omp_in_parallel(void) __attribute__((weak));

static bool caller_is_parallel(void)
{
    return omp_in_parallel && omp_in_parallel();
}
#else
static bool caller_is_parallel(void)
{
    return false;
}
#endif

int32_t fgi_usable_cores(void)
{
    if (caller_is_parallel()) return 1;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int32_t)cores : 1;
}

fg_status fgi_pool_create(fgi_ledger *ledger, int32_t threads, fgi_pool **out)
{
    fgi_pool *pool;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *pool, &pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->size = threads;
    pool->looks = threads <= fgi_usable_cores() ? MOST_LOOKS : 0;
    fg_status s = fgi_alloc(ledger, threads, sizeof *pool->threads, &pool->threads);
    if (s == FG_OK) s = fgi_alloc(ledger, threads, sizeof *pool->workers, &pool->workers);
    for (int32_t i = 1; s == FG_OK && i < threads; i++) {
        pool_worker *worker = &pool->workers[i];
        *worker = (pool_worker){.pool = pool, .index = i};
        pthread_cond_init(&worker->work, NULL);
        if (fgi_fault(FGI_FAULT_THREAD) ||
            pthread_create(&pool->threads[i], NULL, worker_main, worker) != 0)
            s = fgi_fail(FG_MEMORY, "thread %d of %d could not be started", i + 1, threads);
        else
            pool->started++;
    }
    if (s != FG_OK) {
        fgi_pool_destroy(pool);
        return s;
    }
    *out = pool;
    return FG_OK;
}

void fgi_pool_destroy(fgi_pool *pool)
{
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    for (int32_t i = 1; i <= pool->started; i++) pthread_cond_signal(&pool->workers[i].work);
    pthread_mutex_unlock(&pool->lock);
    for (int32_t i = 1; i <= pool->started; i++) {
        pthread_join(pool->threads[i], NULL);
        pthread_cond_destroy(&pool->workers[i].work);
    }
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    fgi_free(pool->threads);
    fgi_free(pool->workers);
    fgi_free(pool);
}

int32_t fgi_pool_threads(const fgi_pool *pool)
{
    return pool->size;
}

static void wait_for_workers(fgi_pool *pool)
{
    for (int32_t i = 0; i < pool->looks && atomic_load(&pool->running) > 0; i++) fgi_cpu_relax();
    if (atomic_load(&pool->running) == 0) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->running) > 0) pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

/* By the first so many threads, the caller among them. */
static void run_on(fgi_pool *pool, int32_t threads, fgi_task task, void *user)
{
    const uint64_t number = (atomic_load(&pool->ticket) >> THREADS_BITS) + 1;
    pool->task = task;
    pool->user = user;
    atomic_store(&pool->running, threads - 1);
    atomic_store(&pool->ticket, number << THREADS_BITS | (uint64_t)threads);
    wake_workers(pool, threads);
    task(user, 0);
    wait_for_workers(pool);
}

void fgi_pool_run(fgi_pool *pool, fgi_task task, void *user)
{
    run_on(pool, pool->started + 1, task, user);
}

typedef struct each {
    fgi_body body;
    void *user;
    int64_t items;
    atomic_llong next;
} each;

static void each_task(void *user, int32_t worker)
{
    each *e = user;
    for (int64_t item; (item = atomic_fetch_add(&e->next, 1)) < e->items;)
        e->body(e->user, item, worker);
}

void fgi_pool_each(fgi_pool *pool, int64_t items, fgi_body body, void *user)
{
    if (items <= 1 || pool->started == 0) { /* waking threads would cost more than the work */
        for (int64_t item = 0; item < items; item++) body(user, item, 0);
        return;
    }
    each e = {.body = body, .user = user, .items = items};
    atomic_init(&e.next, 0);
    run_on(pool, items <= pool->started ? (int32_t)items : pool->started + 1, each_task, &e);
}
