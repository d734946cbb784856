/* SPDX-License-Identifier: Apache-2.0 */
/* test_determinism.c - the same bits from the same rows and seed: whatever the threads, the chunks, the kind of source,
 * the strides, or the type that holds the same numbers. Compares hashes of saved models. */
#include "mixtures.h"
#include "rounding.h"
#include "stream.h"

#include "checksum.h"
#include "half.h"

/* Small enough to be quick, large enough for several shards in a chunk and several chunks in a pass. */
enum { N = 12007, D = 7, K = 9, STRIDE = 11 };

static float *x; /* whole numbers 0 .. 127, which every type holds */

static int make_rows(void **state)
{
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = 12, .spread = 2.0});
    for (int i = 0; i < N * D; i++) {
        const float value = (float)(int)(64.0f + 10.0f * x[i]);
        x[i] = value < 0 ? 0 : value > 127 ? 127 : value;
    }
    return scratch_begin(state);
}

static int free_rows(void **state)
{
    free(x);
    return scratch_end(state);
}

/* A fit that uses everything a fit can use: seeds, k-means, EM, restarts. */
static uint64_t hash_of_fit(fg_context *ctx, fg_source *src, fg_covariance covariance)
{
    fitted f;
    fit(ctx, src,
        (fg_gmm_options){.k = K,
                         .covariance = covariance,
                         .kmeans_iter = 3,
                         .max_iter = 3,
                         .restarts = 2,
                         .seed = 77},
        &f);
    const char *path = scratch_path("hashed.fgm");
    size_t bytes;
    expect_ok(fg_gmm_save(f.gmm, path));
    unsigned char *data = scratch_read(path, &bytes);
    const uint64_t hash = fgi_checksum_of(data, bytes);
    free(data);
    fitted_free(&f);
    return hash;
}

static uint64_t hash_of_kmeans(fg_context *ctx, fg_source *src)
{
    float centroids[K * D];
    const fg_kmeans_options opt = {
        .struct_size = sizeof opt, .k = K, .max_iter = 4, .restarts = 2, .seed = 77};
    const fg_out out = out_of(centroids, K, D, FG_F32);
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, NULL));
    return fgi_checksum_of(centroids, sizeof centroids);
}

typedef struct hashes {
    uint64_t diag, spherical, kmeans;
} hashes;

/* Everything there is to compare, of this source; the source is destroyed. */
static hashes hashes_of(const char *isa, int32_t threads, fg_source *src)
{
    fg_context *ctx = context_of(isa, threads);
    const hashes h = {
        .diag = hash_of_fit(ctx, src, FG_COV_DIAG),
        .spherical = hash_of_fit(ctx, src, FG_COV_SPHERICAL),
        .kmeans = hash_of_kmeans(ctx, src),
    };
    fg_context_destroy(ctx);
    fg_source_destroy(src);
    return h;
}

static void check_same(const hashes *a, const hashes *b, const char *what)
{
    if (a->diag != b->diag || a->spherical != b->spherical || a->kmeans != b->kmeans)
        fail_msg("%s: diag %d, spherical %d, k-means %d (1: the same)", what, a->diag == b->diag,
                 a->spherical == b->spherical, a->kmeans == b->kmeans);
}

static hashes plain(const char *isa)
{
    return hashes_of(isa, 1, source_of(x, N, D, FG_F32));
}

/* The fast kernels of this CPU, from `isa` on: "ref" is slow, and shares all but the kernels. NULL: no more. */
static const char *next_fast(int *isa)
{
    while (every_isa[*isa]) {
        const char *name = every_isa[(*isa)++];
        fg_context *usable = context_of(name, 1);
        fg_context_destroy(usable);
        if (usable && strcmp(name, "ref") != 0) return name;
    }
    return NULL;
}

/* ---- threads */

static void any_number_of_threads(void **state)
{
    (void)state;
    static const int32_t threads[] = {2, 7, 0 /* all */};
    int next = 0;
    for (const char *isa; (isa = next_fast(&next));) {
        const hashes truth = plain(isa);
        for (int t = 0; t < 3; t++) {
            const hashes h = hashes_of(isa, threads[t], source_of(x, N, D, FG_F32));
            check_same(&h, &truth, isa);
        }
    }
}

/* ---- chunks and sources */

static void any_size_of_chunk(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 1000, N};
    const hashes truth = plain(NULL);
    for (int i = 0; i < 6; i++) {
        row_stream s = {.rows = view_of(x, N, D, FG_F32), .most = sizes[i / 2]};
        fg_source *src = stream_source(&s, i % 2);
        const hashes h = hashes_of(NULL, 2, src);
        check_same(&h, &truth, "reader");
    }
}

static void files_and_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"rows.fvecs", "rows.npy", "rows.fbin"};
    const hashes truth = plain(NULL);
    const fg_view rows = view_of(x, N, D, FG_F32);
    for (int i = 0; i < 3; i++) {
        const char *path = scratch_path(names[i]);
        fg_sink *sink;
        fg_source *src;
        expect_ok(fg_sink_file(path, NULL, D, FG_F32, &sink));
        expect_ok(fg_sink_write(sink, &rows));
        expect_ok(fg_sink_close(sink));
        fg_sink_destroy(sink);
        expect_ok(fg_source_file(path, NULL, &src));
        const hashes h = hashes_of(NULL, 2, src);
        check_same(&h, &truth, names[i]);
    }
}

static void rows_with_gaps_between(void **state)
{
    (void)state;
    const hashes truth = plain(NULL);
    float *padded = malloc(N * STRIDE * sizeof *padded);
    for (int i = 0; i < N * STRIDE; i++) padded[i] = -1e30f; /* nobody looks there */
    for (int n = 0; n < N; n++) memcpy(padded + n * STRIDE, x + n * D, D * sizeof *x);
    fg_view view = view_of(padded, N, D, FG_F32);
    view.row_stride = STRIDE;
    fg_source *src;
    expect_ok(fg_source_memory(&view, &src));
    const hashes h = hashes_of(NULL, 2, src);
    check_same(&h, &truth, "stride");
    free(padded);
}

/* ---- types */

static void *as_type(fg_dtype dtype)
{
    void *data = malloc(N * D * fg_dtype_bytes(dtype));
    for (int i = 0; i < N * D; i++) switch (dtype) {
        case FG_F64: ((double *)data)[i] = x[i]; break;
        case FG_F16: ((uint16_t *)data)[i] = fgi_f16_of_f32(x[i]); break;
        case FG_BF16: ((uint16_t *)data)[i] = fgi_bf16_of_f32(x[i]); break;
        case FG_U8: ((uint8_t *)data)[i] = (uint8_t)x[i]; break;
        case FG_I8: ((int8_t *)data)[i] = (int8_t)x[i]; break;
        default: ((float *)data)[i] = x[i]; break;
        }
    return data;
}

static hashes hashes_of_type(const char *isa, fg_dtype dtype)
{
    void *data = as_type(dtype);
    const hashes h = hashes_of(isa, 2, source_of(data, N, D, dtype));
    free(data);
    return h;
}

/* Rows of 8-bit numbers are centred by whole numbers, all others by their mean: so the same numbers have the same bits
 * among the first, and among the second. */
static void types_that_hold_the_same_numbers(void **state)
{
    (void)state;
    static const fg_dtype reals[] = {FG_F64, FG_F16, FG_BF16};
    int next = 0;
    for (const char *isa; (isa = next_fast(&next));) {
        const hashes truth = plain(isa), u8 = hashes_of_type(isa, FG_U8),
                     i8 = hashes_of_type(isa, FG_I8);
        for (int t = 0; t < 3; t++) {
            const hashes h = hashes_of_type(isa, reals[t]);
            check_same(&h, &truth, fg_dtype_text(reals[t]));
        }
        check_same(&i8, &u8, "i8 and u8");
    }
}

/* And the two ways of centring lead to the same model, but for rounding. */
static void bytes_and_reals_agree(void **state)
{
    (void)state;
    enum { STEPS = 4 };
    fg_context *ctx = context_of(NULL, 2);
    void *bytes = as_type(FG_U8);
    fg_source *real = source_of(x, N, D, FG_F32), *byte = source_of(bytes, N, D, FG_U8);
    oracle start = start_at_rows(x, N, D, K, FG_COV_DIAG);
    for (int i = 0; i < K * D; i++) start.variances[i] = 400.0;
    fg_gmm *gmm = gmm_of(&start);
    const fg_gmm_options opt = {.k = K,
                                .init = FG_INIT_GIVEN,
                                .start = gmm,
                                .max_iter = STEPS,
                                .tol = -1,
                                .tol_relative = -1};
    fitted a, b;
    fit(ctx, real, opt, &a);
    fit(ctx, byte, opt, &b);
    oracle oa = oracle_of(a.gmm), ob = oracle_of(b.gmm);
    double *wide = widened(x, N * D);
    const oracle_rows rows = {.x = wide, .n = N, .d = D};
    rounding bound[STEPS + 1];
    rounding_of_fit(&start, &rows, STEPS, bound);
    assert_true(oracle_distance(&ob, &oa) <= 2.0 * bound[STEPS].parameters); /* either may be off */
    assert_true(oracle_distance(&ob, &oa) > 0.0); /* or the test is about nothing */
    free(wide);
    oracle_free(&oa);
    oracle_free(&ob);
    oracle_free(&start);
    fitted_free(&a);
    fitted_free(&b);
    fg_gmm_destroy(gmm);
    fg_source_destroy(real);
    fg_source_destroy(byte);
    fg_context_destroy(ctx);
    free(bytes);
}

/* What rows are asked does not depend on threads and chunks either. */
static void answers_about_rows(void **state)
{
    (void)state;
    static int32_t labels[2][N];
    static float shares[2][N * 3];
    static double densities[2][N];
    double means[2];
    oracle o = start_at_rows(x, N, D, K, FG_COV_DIAG);
    for (int i = 0; i < K * D; i++) o.variances[i] = 300.0;
    fg_gmm *gmm = gmm_of(&o);
    for (int i = 0; i < 2; i++) {
        row_stream s = {.rows = view_of(x, N, D, FG_F32), .most = i ? 13 : N};
        int32_t(*top)[3] = malloc(N * sizeof *top);
        const fg_out label = out_of(labels[i], N, 1, FG_I32), best = out_of(top, N, 3, FG_I32),
                     share = out_of(shares[i], N, 3, FG_F32),
                     density = out_of(densities[i], N, 1, FG_F64);
        fg_context *ctx = context_of(NULL, i ? 5 : 1);
        fg_source *src = stream_source(&s, true);
        expect_ok(fg_gmm_predict(ctx, gmm, src, &label, NULL));
        expect_ok(fg_gmm_top(ctx, gmm, src, &best, &share));
        expect_ok(fg_gmm_score(ctx, gmm, src, &density, &means[i]));
        fg_source_destroy(src);
        fg_context_destroy(ctx);
        free(top);
    }
    assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
    assert_memory_equal(shares[0], shares[1], sizeof shares[0]);
    assert_memory_equal(densities[0], densities[1], sizeof densities[0]);
    assert_true(means[0] == means[1]);
    fg_gmm_destroy(gmm);
    oracle_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(any_size_of_chunk),
        cmocka_unit_test(files_and_memory),
        cmocka_unit_test(rows_with_gaps_between),
        cmocka_unit_test(types_that_hold_the_same_numbers),
        cmocka_unit_test(bytes_and_reals_agree),
        cmocka_unit_test(answers_about_rows),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
