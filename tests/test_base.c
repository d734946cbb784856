/* SPDX-License-Identifier: Apache-2.0 */
/* test_base.c - floor 1: statuses, memory, threads, random numbers, half precision, checksums. */
#include "scratch.h"

#include "checksum.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "half.h"
#include "memory.h"
#include "pool.h"
#include "random.h"

#include <math.h>    /* isnan, nextafterf */
#include <pthread.h> /* a thread with an error of its own */
#include <time.h>    /* nanosleep */

/* ---- statuses */

/* As if this program used OpenMP. */
static int parallel_region;
int omp_in_parallel(void);
int omp_in_parallel(void)
{
    return parallel_region;
}

static void every_status_has_a_text(void **state)
{
    (void)state;
#define FG_X(name, value, text)                                                                    \
    assert_int_equal(FG_##name, value);                                                            \
    assert_string_equal(fg_status_text(FG_##name), text);
    FG_STATUS_MAP(FG_X)
#undef FG_X
    assert_string_equal(fg_status_text((fg_status)-1000), "unknown status");
}

static void *fail_elsewhere(void *seen_before)
{
    *(bool *)seen_before = fg_last_error()[0] != 0;
    fgi_fail(FG_IO, "theirs");
    return NULL;
}

static void each_thread_has_its_own_last_error(void **state)
{
    (void)state;
    assert_int_equal(fgi_fail(FG_FORMAT, "mine is %d", 7), FG_FORMAT);
    bool seen_before = true;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &seen_before), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(seen_before);
    assert_string_equal(fg_last_error(), "mine is 7");
}

static void context_goes_in_front_of_an_error(void **state)
{
    (void)state;
    fgi_fail(FG_IO, "inner");
    assert_int_equal(fgi_fail_in(FG_FORMAT, "row %d", 3), FG_FORMAT);
    assert_string_equal(fg_last_error(), "row 3: inner");
}

static void long_sentences_are_cut(void **state)
{
    (void)state;
    fgi_fail(FG_IO, "%02000d", 0);
    assert_int_equal(strlen(fg_last_error()), 1023);
}

/* ---- the machine */

static void the_machine_is_consistent(void **state)
{
    (void)state;
    const double before = fgi_seconds();
    assert_true(before > 0 && fgi_seconds() >= before);
    assert_true(fgi_usable_cores() >= 1);
    parallel_region = 1;
    assert_int_equal(fgi_usable_cores(), 1);
    parallel_region = 0;
    assert_true(fgi_cpu_any());
    if (fgi_cpu_avx512()) assert_true(fgi_cpu_avx2());
}

/* ---- memory */

static void memory_is_aligned_and_counted(void **state)
{
    (void)state;
    fgi_ledger ledger = {0};
    char *a, *b;
    expect_ok(fgi_alloc(&ledger, 100, 3, &a));
    expect_ok(fgi_alloc_zero(&ledger, 0, 8, &b));
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_non_null(b);
    assert_int_equal(ledger.now_bytes, 300);
    a[299] = 5;
    expect_ok(fgi_grow(&ledger, 1000, 1, &a));
    assert_int_equal(a[299], 5);
    assert_int_equal(ledger.now_bytes, 1000);
    assert_int_equal(ledger.peak_bytes, 1300);
    fgi_free(a);
    fgi_free(b);
    fgi_free(NULL);
    assert_int_equal(ledger.now_bytes, 0);
    assert_int_equal(ledger.peak_bytes, 1300);
    fgi_ledger_mark(&ledger);
    assert_int_equal(ledger.peak_bytes, 0);
}

static void too_much_memory_is_refused(void **state)
{
    (void)state;
    char *block = (char *)1;
    expect_failure(fgi_alloc(NULL, INT64_MAX, 8, &block), FG_MEMORY, "9223372036854775807", NULL);
    assert_null(block);
    fgi_fault_arm(FGI_FAULT_ALLOC, 2);
    expect_ok(fgi_alloc(NULL, 4, 4, &block));
    char *old = block;
    expect_failure(fgi_grow(NULL, 8, 4, &block), FG_MEMORY, "32 bytes", NULL);
    assert_true(fgi_fault_happened());
    fgi_fault_arm(0, 0);
    assert_ptr_equal(block, old);
    fgi_free(block);
}

static void parts_share_a_block(void **state)
{
    (void)state;
    fgi_ledger ledger = {0};
    char *a, *c;
    double *b;
    const fgi_part parts[] = {{&a, 65, 1}, {&b, 3, sizeof *b}, {&c, 0, 7}};
    expect_ok(fgi_alloc_parts(&ledger, parts, 3));
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_ptr_equal(b, a + 128);
    assert_ptr_equal(c, b + 8);
    assert_int_equal(ledger.now_bytes, 192);
    fgi_free(a);
    assert_int_equal(ledger.now_bytes, 0);
    const fgi_part large[] = {{&a, INT64_MAX, 8}, {&b, INT64_MAX / 8, sizeof *b}, {&c, 1, 1}};
    expect_failure(fgi_alloc_parts(NULL, large, 3), FG_MEMORY, "64 bytes", NULL);
    assert_null(a);
    assert_null(b);
    assert_null(c);
}

/* ---- threads */

enum { ITEMS = 1000 };

typedef struct tally {
    atomic_int items[ITEMS], workers[8];
    int32_t threads;
} tally;

static void count_worker(void *user, int32_t worker)
{
    tally *t = user;
    atomic_fetch_add(&t->workers[worker], 1);
}

static void count_item(void *user, int64_t item, int32_t worker)
{
    tally *t = user;
    atomic_fetch_add(&t->items[item], worker < t->threads ? 1 : 1000);
}

static void every_item_and_worker_runs_once(void **state)
{
    (void)state;
    const int32_t sizes[] = {1, 2, 7};
    for (int i = 0; i < 3; i++) {
        fgi_ledger ledger = {0};
        fgi_pool *pool;
        tally *t = calloc(1, sizeof *t);
        t->threads = sizes[i];
        expect_ok(fgi_pool_create(&ledger, sizes[i], &pool));
        assert_int_equal(fgi_pool_threads(pool), sizes[i]);
        for (int round = 1; round <= 20; round++) { /* the same threads, again and again */
            fgi_pool_run(pool, count_worker, t);
            fgi_pool_each(pool, ITEMS, count_item, t);
            for (int j = 0; j < ITEMS; j++) assert_int_equal(t->items[j], round);
            for (int j = 0; j < 8; j++) assert_int_equal(t->workers[j], j < sizes[i] ? round : 0);
        }
        fgi_pool_each(pool, 0, count_item, t);
        fgi_pool_each(pool, 1, count_item, t);
        assert_int_equal(t->items[0], 21);
        fgi_pool_destroy(pool);
        assert_int_equal(ledger.now_bytes, 0);
        free(t);
    }
}

/* Few items leave most threads alone; pauses let some or all of them fall asleep. */
static void threads_come_and_go_between_tasks(void **state)
{
    (void)state;
    enum { THREADS = 7, ROUNDS = 300 };
    fgi_ledger ledger = {0};
    fgi_pool *pool;
    tally *t = calloc(1, sizeof *t);
    t->threads = THREADS;
    expect_ok(fgi_pool_create(&ledger, THREADS, &pool));
    int32_t expected[THREADS + 2] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        const int32_t items = 1 + round % (THREADS + 2);
        fgi_pool_each(pool, items, count_item, t);
        for (int j = 0; j < items; j++) assert_int_equal(t->items[j], ++expected[j]);
        if (round % 10 == 0) {
            const struct timespec pause = {.tv_nsec = round % 20 * 20000};
            nanosleep(&pause, NULL);
            fgi_pool_run(pool, count_worker, t);
        }
    }
    for (int j = 0; j < THREADS; j++) assert_int_equal(t->workers[j], ROUNDS / 10);
    fgi_pool_destroy(pool);
    free(t);
}

static void a_pool_that_cannot_start_leaves_nothing(void **state)
{
    (void)state;
    fgi_ledger ledger = {0};
    for (int64_t n = 1;; n++) {
        fgi_pool *pool = NULL;
        fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_THREAD, n);
        const fg_status s = fgi_pool_create(&ledger, 4, &pool);
        const bool happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        if (!happened) {
            expect_ok(s);
            fgi_pool_destroy(pool);
            assert_int_equal(n, 7); /* three blocks, three threads */
            break;
        }
        expect_failure(s, FG_MEMORY, NULL);
        assert_null(pool);
    }
    assert_int_equal(ledger.now_bytes, 0);
}

/* ---- random numbers */

static void random_numbers_never_change(void **state)
{
    (void)state;
    const uint64_t all = UINT64_MAX;
    assert_true(fgi_random_u64(0, 0, 0) == 0x1cd364143cce4aaeu);
    assert_true(fgi_random_u64(1, 2, 3) == 0xeef6e0a7c20a45eeu);
    assert_true(fgi_random_u64(all, all, all) == 0x179f01f0d2fba97au);
    assert_true(fgi_random_u64(42, 1, 1000000) == 0xdfc04ae9f2096cd6u);
}

static void random_numbers_keep_their_range_and_moments(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    double uniform = 0, normal = 0, square = 0;
    int64_t below[10] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        const double u = fgi_random_uniform(9, 8, i), z = fgi_random_normal(9, 8, i);
        assert_true(u >= 0.0 && u < 1.0);
        uniform += u;
        normal += z;
        square += z * z;
        below[fgi_random_below(9, 8, i, 10)]++; /* a draw outside 0..9 would be caught by asan */
    }
    /* five standard deviations of each mean */
    assert_true(fabs(uniform / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(normal / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(square / DRAWS - 1.0) < 5 * sqrt(2.0 / DRAWS));
    for (int i = 0; i < 10; i++) assert_in_range(below[i], DRAWS / 10 - 475, DRAWS / 10 + 475);
    assert_int_equal(fgi_random_below(1, 2, 3, 1), 0);
    assert_true(fgi_random_below(1, 2, 3, INT64_MAX) >= 0);
}

/* ---- half precision */

static void every_half_survives_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= 0xffff; h++) {
        const float f16 = fgi_f32_of_f16((uint16_t)h), bf16 = fgi_f32_of_bf16((uint16_t)h);
        if (isnan(f16))
            assert_true(isnan(fgi_f32_of_f16(fgi_f16_of_f32(f16))));
        else
            assert_int_equal(fgi_f16_of_f32(f16), h);
        if (isnan(bf16))
            assert_true(isnan(fgi_f32_of_bf16(fgi_bf16_of_f32(bf16))));
        else
            assert_int_equal(fgi_bf16_of_f32(bf16), h);
    }
    assert_true(fgi_f32_of_f16(0x3c00) == 1.0f && fgi_f32_of_bf16(0x3f80) == 1.0f);
    assert_true(fgi_f32_of_f16(0x0001) == 0x1p-24f && fgi_f32_of_f16(0x7bff) == 65504.0f);
}

/* Between each two neighbours: just below the middle, the middle (to even), and just above it. */
static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float low = fgi_f32_of_f16((uint16_t)h);
        const float high = h == 0x7bff ? 65536.0f : fgi_f32_of_f16((uint16_t)(h + 1));
        const float middle = low + (high - low) / 2; /* exact: f32 has 13 bits more */
        assert_int_equal(fgi_f16_of_f32(nextafterf(middle, low)), h);
        assert_int_equal(fgi_f16_of_f32(middle), h + (h & 1));
        assert_int_equal(fgi_f16_of_f32(nextafterf(middle, high)), h + 1);
        assert_int_equal(fgi_f16_of_f32(-middle), 0x8000u | (h + (h & 1)));
    }
    for (uint32_t h = 0; h < 0x7f80; h++) {
        const uint32_t middle = h << 16 | 0x8000u;
        assert_int_equal(fgi_bf16_of_f32(fgi_f32_of_bits(middle - 1)), h);
        assert_int_equal(fgi_bf16_of_f32(fgi_f32_of_bits(middle)), h + (h & 1));
        assert_int_equal(fgi_bf16_of_f32(fgi_f32_of_bits(middle + 1)), h + 1);
        assert_int_equal(fgi_bf16_of_f32(-fgi_f32_of_bits(middle)), 0x8000u | (h + (h & 1)));
    }
    assert_int_equal(fgi_f16_of_f32(1e30f), 0x7c00);
    assert_int_equal(fgi_f16_of_f32(-INFINITY), 0xfc00);
    assert_int_equal(fgi_f16_of_f32(1e-30f), 0);
}

/* ---- checksums: expectations from the reference implementation */

static void checksums_are_those_of_xxh64(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint64_t sum;
    } known[] = {{0, 0xef46db3751d8e999u},   {1, 0x1f25c8d0bc1f4bb6u},  {3, 0x31d2363f52e564c9u},
                 {4, 0x9bb64b7d66ee9fdau},   {8, 0xdab99d95c6f90092u},  {14, 0xc7f1d4d0acfa5a14u},
                 {31, 0xa2aa5f33cc4a6119u},  {32, 0x23c3c17ef790fd97u}, {33, 0x50a7cfc7ba588784u},
                 {100, 0xa61f8d4c170fe531u}, {222, 0x8488aa61fc67f7ebu}};
    unsigned char data[222];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + 3);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(fgi_checksum_of(data, known[i].bytes) == known[i].sum);
        fgi_checksum sum; /* in pieces of 1, 2, 3, ... bytes */
        fgi_checksum_begin(&sum);
        for (size_t at = 0, piece = 1; at < known[i].bytes; at += piece++) {
            const size_t left = known[i].bytes - at;
            fgi_checksum_add(&sum, data + at, piece < left ? piece : left);
        }
        assert_true(fgi_checksum_end(&sum) == known[i].sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text),
        cmocka_unit_test(each_thread_has_its_own_last_error),
        cmocka_unit_test(context_goes_in_front_of_an_error),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(the_machine_is_consistent),
        cmocka_unit_test(memory_is_aligned_and_counted),
        cmocka_unit_test(too_much_memory_is_refused),
        cmocka_unit_test(parts_share_a_block),
        cmocka_unit_test(every_item_and_worker_runs_once),
        cmocka_unit_test(threads_come_and_go_between_tasks),
        cmocka_unit_test(a_pool_that_cannot_start_leaves_nothing),
        cmocka_unit_test(random_numbers_never_change),
        cmocka_unit_test(random_numbers_keep_their_range_and_moments),
        cmocka_unit_test(every_half_survives_the_round_trip),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(checksums_are_those_of_xxh64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
