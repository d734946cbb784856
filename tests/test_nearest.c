/* SPDX-License-Identifier: Apache-2.0 */
/* test_nearest.c - the nearest centroids as screening leaves them are those of all keys, to the bit: for every instruction
 * set, shape and scale, centroids that are equal, and queries near, far and huge. Knows the coarse quantizer and kernels. */
#include "kernel_case.h"

#include "ivf_nearest.h"

enum { QUERIES = 61, MOST_K = 700, MOST_D = 128 };

typedef struct shape {
    int32_t k, d;
    double scale, away; /* of centroids; of all from 0, in scales */
} shape;

static const shape shapes[] = {{64, 1, 1, 0},      {65, 3, 1, 100},     {95, 2, 1e-30, 0},
                               {64, 16, 1, 0},     {100, 12, 1, 1e4},   {200, 33, 1e-3, 10},
                               {256, 100, 1, 0.3}, {257, 127, 1e12, 0}, {700, 128, 50, 1.5},
                               {300, 20, 1e17, 0}, {80, 5, 3e37, 0},    {70, 7, 0, 0}};

static fgi_coarse coarse_of(const shape *c)
{
    fgi_params p;
    fgi_coarse coarse;
    assert_int_equal(fgi_params_create(NULL, FGI_HARD, c->k, c->d, &p), FG_OK);
    for (int32_t i = 0; i < c->d; i++) p.center[i] = (float)(c->scale * c->away);
    for (int32_t j = 0; j < c->k; j++) {
        const int32_t like = j % 5 == 4 ? j - 1 : j;
        p.log_weights[j] = j % 7 ? -1 : -INFINITY; /* an empty list is still a list */
        for (int32_t i = 0; i < c->d; i++)
            p.means[(int64_t)j * c->d + i] =
                c->scale * random_float((uint64_t)like * 1000 + (uint64_t)i);
    }
    assert_int_equal(fgi_coarse_create(&p, &coarse), FG_OK);
    fgi_params_destroy(&p);
    return coarse;
}

/* At a centroid, about all, far away, halfway between two, huge. */
static void fill_query(const fgi_coarse *coarse, const shape *c, int32_t number, float *query)
{
    const float *one = coarse->centroids + (int64_t)(number % c->k) * c->d;
    const float *other = coarse->centroids + (int64_t)((number + 3) % c->k) * c->d;
    for (int32_t i = 0; i < c->d; i++) {
        const double noise = c->scale * random_float(77 + (uint64_t)number * 500 + (uint64_t)i);
        switch (number % 6) {
        case 0: query[i] = one[i]; break;
        case 1: query[i] = one[i] / 2 + other[i] / 2; break;
        case 2: query[i] = (float)(1000 * fmin(noise, 1e30)); break;
        case 3: query[i] = i == 0 ? 3e38F : 0; break;
        default: query[i] = (float)(one[i] + noise / 2);
        }
    }
}

static void expect_nearest(const fgi_coarse *coarse, const float *query, int32_t wanted,
                           const fgi_hit *found)
{
    float keys[MOST_K];
    fgi_hit best[MOST_K];
    fgi_hits_clear(best, wanted);
    fgi_coarse_distance(coarse, table, query, keys);
    for (int32_t j = 0; j < coarse->params.k; j++)
        fgi_hits_push(best, wanted, (fgi_hit){keys[j], j});
    fgi_hits_sort(best, wanted);
    for (int32_t i = 0; i < wanted; i++) {
        assert_int_equal(found[i].id, best[i].id);
        assert_memory_equal(&found[i].key, &best[i].key, sizeof(float));
    }
}

static int32_t check_wanted(const shape *c, const fgi_coarse *coarse, const fgi_packed *packed,
                            int32_t wanted, bool alone)
{
    static float queries[QUERIES * MOST_D];
    fgi_nearest nearest;
    fgi_hit found[MOST_K];
    int32_t count = 0;
    for (int32_t q = 0; q < QUERIES; q++) fill_query(coarse, c, q, queries + q * c->d);
    assert_int_equal(fgi_nearest_create(NULL, coarse, packed, wanted, alone, &nearest), FG_OK);
    for (int32_t begin = 0; begin < QUERIES; begin += nearest.rows) {
        const int32_t left = QUERIES - begin, some = left < nearest.rows ? left : nearest.rows;
        fgi_nearest_screen(&nearest, queries + begin * c->d, some);
        for (int32_t i = 0; i < some; i++) {
            const float *query = queries + (begin + i) * c->d;
            if (!fgi_nearest_find(&nearest, i, query, found)) continue;
            expect_nearest(coarse, query, wanted, found);
            count++;
        }
    }
    fgi_nearest_destroy(&nearest);
    return count;
}

static void the_same_as_by_all_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *c = &shapes[i];
        fgi_coarse coarse = coarse_of(c);
        fgi_packed packed;
        assert_int_equal(fgi_packed_create(&coarse, table, &packed), FG_OK);
        assert_true(fgi_packed_bytes(&packed) > 0);
        for (int32_t wanted = 1; wanted <= c->k / 8; wanted = 2 * wanted + 1) {
            const int32_t together = check_wanted(c, &coarse, &packed, wanted, false);
            assert_int_equal(check_wanted(c, &coarse, &packed, wanted, true), together);
            /* all but the huge ones */
            if (c->scale < 1e15) assert_true(together >= QUERIES - (QUERIES + 2) / 6);
        }
        fgi_packed_destroy(&packed);
        fgi_coarse_destroy(&coarse);
    }
}

static void it_pays_for_few_of_many(void **state)
{
    (void)state;
    const shape few = {63, 4, 1, 0};
    fgi_coarse coarse = coarse_of(&few);
    fgi_packed packed;
    assert_int_equal(fgi_packed_create(&coarse, table, &packed), FG_OK);
    assert_false(fgi_nearest_pays(&packed, table, 1, false)); /* nothing is packed */
    assert_int_equal(fgi_packed_bytes(&packed), 0);
    fgi_packed_destroy(&packed);
    fgi_coarse_destroy(&coarse);
    coarse = coarse_of(&shapes[3]);
    assert_int_equal(fgi_packed_create(&coarse, table, &packed), FG_OK);
    assert_true(fgi_nearest_pays(&packed, table, 8, false));
    assert_false(fgi_nearest_pays(&packed, table, 9, false));
    assert_false(fgi_nearest_pays(&packed, NULL, 1, false)); /* packed for others */
    fgi_packed_destroy(&packed);
    fgi_coarse_destroy(&coarse);
}

int main(void)
{
    static const char *const sets[] = {"ref", "neon", "avx2", "avx512", "avx512bf16", "amx"};
    int failed = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        table = fgi_kernels_pick(sets[i]);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_same_as_by_all_keys),
            cmocka_unit_test(it_pays_for_few_of_many),
        };
        if (table) failed += cmocka_run_group_tests_name(sets[i], tests, NULL, NULL);
    }
    return failed;
}
