/* SPDX-License-Identifier: Apache-2.0 */
/* test_seeding.c - first centroids: rows of the data, by the law of k-means++, however rounds and threads cut the work.
 * Knows the seeding within the library. */
#include "mixtures.h"

#include "random.h"
#include "seeding.h"

#include <math.h>   /* sqrt, NAN */
#include <string.h> /* memcpy */

/* Enough seeds for some that come alone (32), and for rounds of 16, 24 and 24. */
enum { N = 600, D = 3, K = 96 };

/* Seeds of rows about a center of zeros, so that they are the rows themselves. */
static void seeds_of(fg_context *ctx, fg_source *src, fg_init method, uint64_t seed, int32_t k,
                     double *means)
{
    fgi_params centroids;
    fg_source_info info = {.struct_size = sizeof info};
    expect_ok(fg_source_get_info(src, &info));
    expect_ok(fgi_params_create(&ctx->ledger, FGI_HARD, k, info.cols, &centroids));
    const fgi_seeding how = {
        .method = method, .seed = seed, .reading = {.bad_rows = FG_BAD_ROWS_SKIP}};
    expect_ok(fgi_seed(ctx, src, &how, NULL, &centroids));
    memcpy(means, centroids.means, (size_t)k * (size_t)info.cols * sizeof *means);
    fgi_params_destroy(&centroids);
}

/* How many of the rows are among the seeds; every seed must be one. */
static int32_t rows_taken(const float *x, int64_t n, int32_t d, const double *means, int32_t k)
{
    int32_t taken = 0, matched = 0;
    bool *is_row = calloc((size_t)k, sizeof *is_row);
    for (int64_t r = 0; r < n; r++) {
        bool is_seed = false;
        for (int32_t j = 0; j < k; j++) {
            bool same = true;
            for (int32_t i = 0; i < d; i++) same = same && means[j * d + i] == x[r * d + i];
            is_row[j] = is_row[j] || same;
            is_seed = is_seed || same;
        }
        taken += is_seed;
    }
    for (int32_t j = 0; j < k; j++) matched += is_row[j];
    assert_int_equal(matched, k);
    free(is_row);
    return taken;
}

static void seeds_are_distinct_rows(void **state)
{
    (void)state;
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 9, .spread = 3.0});
    fg_source *src = source_of(x, N, D, FG_F32);
    double *means = calloc(N * D, sizeof *means);
    static const int32_t counts[] = {1, 2, 5, K, N / 2, N};
    for (int isa = 0; every_isa[isa]; isa++) {
        fg_context *ctx = context_of(every_isa[isa], 2);
        for (size_t c = 0; ctx && c < sizeof counts / sizeof *counts; c++) {
            seeds_of(ctx, src, FG_INIT_PLUSPLUS, 5 + c, counts[c], means);
            assert_int_equal(rows_taken(x, N, D, means, counts[c]), counts[c]);
        }
        fg_context_destroy(ctx);
    }
    free(means);
    fg_source_destroy(src);
    free(x);
}

/* Rows that differ in a few places only: each value becomes a seed before any comes twice. */
static void every_distinct_row_is_a_seed_before_one_repeats(void **state)
{
    (void)state;
    static const int32_t distinct_rows[] = {1, 2, 7, 40};
    fg_context *ctx = context_of(NULL, 2);
    for (size_t c = 0; c < sizeof distinct_rows / sizeof *distinct_rows; c++) {
        const int32_t distinct = distinct_rows[c];
        float x[N * D];
        double means[K * D];
        for (int32_t i = 0; i < N * D; i++) x[i] = (float)((i / D % distinct) * (i % D + 1));
        fg_source *src = source_of(x, N, D, FG_F32);
        seeds_of(ctx, src, FG_INIT_PLUSPLUS, c, K, means);
        assert_int_equal(rows_taken(x, distinct, D, means, K), distinct);
        fg_source_destroy(src);
    }
    fg_context_destroy(ctx);
}

/* One row holds nearly all there is of D: what is drawn by it again and again is refused, and rounds end early. */
static void a_row_far_away_is_taken_once(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 9, .spread = 3.0});
    double means[K * D];
    for (int32_t i = 0; i < D; i++) x[100 * D + i] = 1e8f;
    fg_source *src = source_of(x, N, D, FG_F32);
    for (uint64_t seed = 0; seed < 20; seed++) {
        seeds_of(ctx, src, FG_INIT_PLUSPLUS, seed, K, means);
        assert_int_equal(rows_taken(x, N, D, means, K), K);
    }
    fg_source_destroy(src);
    free(x);
    fg_context_destroy(ctx);
}

static void bad_rows_are_no_seeds(void **state)
{
    (void)state;
    fg_context *ctx = context_of(NULL, 2);
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 9, .spread = 3.0});
    double *means = calloc(N * D, sizeof *means);
    for (int32_t r = 0; r < N; r += 3) x[r * D + r % D] = r % 2 ? NAN : INFINITY;
    fg_source *src = source_of(x, N, D, FG_F32);
    seeds_of(ctx, src, FG_INIT_PLUSPLUS, 3, N - N / 3, means); /* all that are left */
    assert_int_equal(rows_taken(x, N, D, means, N - N / 3), N - N / 3);
    fg_source_destroy(src);
    free(means);
    free(x);
    fg_context_destroy(ctx);
}

/* 20,000 rows: more than a shard of the backend, and more blocks than threads. */
static void threads_do_not_change_them(void **state)
{
    (void)state;
    enum { MANY = 20000, WIDE = 17, SEEDS = 300 };
    static const int32_t threads[] = {1, 2, 7};
    static double means[3][SEEDS * WIDE];
    float *x = blob_rows(&(blobs){.n = MANY, .d = WIDE, .blobs = 50, .spread = 2.0});
    fg_source *src = source_of(x, MANY, WIDE, FG_F32);
    for (int t = 0; t < 3; t++) {
        fg_context *ctx = context_of(NULL, threads[t]);
        seeds_of(ctx, src, FG_INIT_PLUSPLUS, 8, SEEDS, means[t]);
        fg_context_destroy(ctx);
    }
    assert_memory_equal(means[0], means[1], sizeof means[0]);
    assert_memory_equal(means[0], means[2], sizeof means[0]);
    fg_source_destroy(src);
    free(x);
}

/* ---- the law */

/* k-means++ as it is written down: D of every row after every seed. */
static void seeds_one_by_one(const double *x, uint64_t seed, double *means)
{
    double nearest[N];
    int32_t row = (int32_t)(fgi_random_u64(seed, 99, 0) % N);
    for (int32_t r = 0; r < N; r++) nearest[r] = INFINITY;
    for (int32_t j = 0; j < K; j++) {
        memcpy(means + j * D, x + row * D, D * sizeof *means);
        double total = 0.0;
        for (int32_t r = 0; r < N; r++) {
            nearest[r] = fmin(nearest[r], oracle_sqdist(x + r * D, means + j * D, D));
            total += nearest[r];
        }
        double left = fgi_random_uniform(seed, 99, (uint64_t)j + 1) * total;
        for (row = 0; row < N - 1 && left >= nearest[row]; row++) left -= nearest[row];
    }
}

static double potential(const double *x, const double *means)
{
    double sum = 0.0;
    for (int32_t r = 0; r < N; r++)
        sum += oracle_sqdist(x + r * D, means + oracle_nearest(means, K, D, x + r * D) * D, D);
    return sum / N;
}

typedef struct moments {
    double mean, error; /* the standard error of the mean */
} moments;

static moments moments_of(const double *value, int32_t count)
{
    double sum = 0.0, square = 0.0;
    for (int32_t i = 0; i < count; i++) sum += value[i];
    for (int32_t i = 0; i < count; i++) square += pow(value[i] - sum / count, 2);
    return (moments){sum / count, sqrt(square / (count - 1.0) / count)};
}

/* The mean potential over many runs is that of seeds drawn one by one, and below that of random rows: by chance, means
 * differ by more than 4.5 standard errors in 1 of 150,000 such comparisons. Blobs of 12 rows, of which many get a seed
 * twice within a round if nobody refuses them. */
static void the_law_is_that_of_seeds_one_by_one(void **state)
{
    (void)state;
    enum { RUNS = 400 };
    static double value[3][RUNS];
    fg_context *ctx = context_of(NULL, 2);
    float *x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 50, .spread = 10.0});
    double *wide = widened(x, N * D), means[K * D];
    fg_source *src = source_of(x, N, D, FG_F32);
    for (int32_t run = 0; run < RUNS; run++) {
        const uint64_t seed = (uint64_t)run;
        seeds_of(ctx, src, FG_INIT_PLUSPLUS, seed, K, means);
        value[0][run] = potential(wide, means);
        seeds_one_by_one(wide, seed, means);
        value[1][run] = potential(wide, means);
        seeds_of(ctx, src, FG_INIT_RANDOM, seed, K, means);
        value[2][run] = potential(wide, means);
    }
    const moments rounds = moments_of(value[0], RUNS), one_by_one = moments_of(value[1], RUNS),
                  random = moments_of(value[2], RUNS);
    assert_true(fabs(rounds.mean - one_by_one.mean) < 4.5 * hypot(rounds.error, one_by_one.error));
    assert_true(rounds.mean < random.mean - 4.5 * hypot(rounds.error, random.error));
    fg_source_destroy(src);
    free(wide);
    free(x);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_are_distinct_rows),
        cmocka_unit_test(every_distinct_row_is_a_seed_before_one_repeats),
        cmocka_unit_test(a_row_far_away_is_taken_once),
        cmocka_unit_test(bad_rows_are_no_seeds),
        cmocka_unit_test(threads_do_not_change_them),
        cmocka_unit_test(the_law_is_that_of_seeds_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
