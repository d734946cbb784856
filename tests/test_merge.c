/* SPDX-License-Identifier: Apache-2.0 */
/* test_merge.c - sums of shards, done in any order, come out as if done in theirs. Knows cpu_merge.h, statistics and threads. */
#include "scratch.h"

#include "cpu_merge.h"
#include "pool.h"
#include "random.h"

#include <math.h> /* exp2 */

enum { K = 3, D = 5, SHARDS = 400, THREADS = 4 };

/* Numbers of all sizes, so that every order of additions has bits of its own. */
static void fill(fgi_stats *stats, int64_t shard)
{
    const int64_t doubles = fgi_stats_doubles(stats->kind, stats->k, stats->d);
    fgi_stats_clear(stats);
    for (int64_t i = 0; i < doubles; i++) {
        const uint64_t number = (uint64_t)(shard * doubles + i);
        stats->mass[i] =
            exp2(30.0 * fgi_random_uniform(5, 1, number)) * fgi_random_normal(5, 2, number);
    }
    stats->rows = shard;
}

static void expect_order(const fgi_stats *total, int64_t shards)
{
    fgi_stats expected, one;
    expect_ok(fgi_stats_create(NULL, total->kind, K, D, &expected));
    expect_ok(fgi_stats_create(NULL, total->kind, K, D, &one));
    for (int64_t shard = 0; shard < shards; shard++) {
        fill(&one, shard);
        fgi_stats_merge(&expected, &one);
    }
    assert_memory_equal(total->mass, expected.mass,
                        (size_t)fgi_stats_doubles(total->kind, K, D) * sizeof *total->mass);
    assert_int_equal(total->rows, expected.rows);
    fgi_stats_destroy(&one);
    fgi_stats_destroy(&expected);
}

static void shards_wait_for_their_turn(void **state)
{
    (void)state;
    static const int64_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}};
    fgi_cpu_merge merge = {0};
    fgi_cpu_merge_init(&merge);
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        fgi_cpu_place *places[4];
        expect_ok(fgi_cpu_merge_begin(&merge, NULL, FGI_DIAGONAL, K, D, 2));
        fgi_cpu_merge_restart(&merge);
        for (int32_t i = 0; i < 4; i++) { /* one each, and one to spare for each */
            places[i] = fgi_cpu_merge_take(&merge, i % 2);
            fill(fgi_cpu_merge_stats(places[i]), orders[o][i]);
        }
        for (int32_t i = 0; i < 4; i++) fgi_cpu_merge_give(&merge, places[i], orders[o][i]);
        expect_order(&merge.total, 4);
        fgi_cpu_merge_give(&merge, fgi_cpu_merge_take(&merge, 1), -1);
        expect_order(&merge.total, 4);
        fgi_cpu_merge_end(&merge);
    }
    fgi_cpu_merge_destroy(&merge);
}

typedef struct work {
    fgi_cpu_merge merge;
    atomic_llong next;
} work;

/* Some shards take a hundred times as long as others. */
static void sum_shards(void *user, int32_t index)
{
    work *w = user;
    while (atomic_load(&w->next) < SHARDS) {
        fgi_cpu_place *place = fgi_cpu_merge_take(&w->merge, index);
        const int64_t shard = atomic_fetch_add(&w->next, 1);
        for (int32_t again = 0; shard < SHARDS && again < (shard % 7 == 0 ? 100 : 1); again++)
            fill(fgi_cpu_merge_stats(place), shard);
        fgi_cpu_merge_give(&w->merge, place, shard < SHARDS ? shard : -1);
    }
}

static void threads_do_not_change_the_order(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= THREADS; threads++) {
        fgi_pool *pool;
        work w = {0};
        expect_ok(fgi_pool_create(NULL, threads, &pool));
        fgi_cpu_merge_init(&w.merge);
        expect_ok(fgi_cpu_merge_begin(&w.merge, NULL, FGI_SPHERICAL, K, D, threads));
        fgi_cpu_merge_restart(&w.merge);
        fgi_pool_run(pool, sum_shards, &w);
        expect_order(&w.merge.total, SHARDS);
        fgi_cpu_merge_end(&w.merge);
        fgi_cpu_merge_destroy(&w.merge);
        fgi_pool_destroy(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_wait_for_their_turn),
        cmocka_unit_test(threads_do_not_change_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
