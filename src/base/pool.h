/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - a fixed set of threads that run one task at a time. Knows no data. */
#ifndef FGI_POOL_H
#define FGI_POOL_H
#include "memory.h"

typedef struct fgi_pool fgi_pool;

/* worker: 0 .. threads - 1; worker 0 is the calling thread. */
typedef void (*fgi_task)(void *user, int32_t worker);

/* Starts threads - 1 threads. They look for work for some 70 microseconds after the last, if there is a core for each, and
 * sleep otherwise. */
fg_status fgi_pool_create(fgi_ledger *ledger, int32_t threads, fgi_pool **out);
void fgi_pool_destroy(fgi_pool *pool);
int32_t fgi_pool_threads(const fgi_pool *pool);

/* Runs task(user, worker) once on every worker and returns when all are done. Not to be nested; one caller
 * at a time. */
void fgi_pool_run(fgi_pool *pool, fgi_task task, void *user);

/* Runs body(user, item, worker) for every item 0 .. items - 1, in any order, items taken one by one; by no more threads than
 * items: the others do not notice. */
typedef void (*fgi_body)(void *user, int64_t item, int32_t worker);
void fgi_pool_each(fgi_pool *pool, int64_t items, fgi_body body, void *user);

/* Cores this thread's work may use, at least 1: those of its affinity, but 1 inside a parallel region of a caller's OpenMP,
 * where the other threads of the team have theirs. */
int32_t fgi_usable_cores(void);

#endif
