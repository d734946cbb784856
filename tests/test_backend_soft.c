/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_soft.c - the soft strategy of a CUDA device, which crowded rows are given to, beside the CPU: statistics within
 * the bounds of the arithmetic, on rows that overlap more or less; the same bits twice, held or passing by; tight components,
 * bad rows and rows beyond f16 are left to others. */
#include "backend_cases.h"
#include "backend_contexts.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"

#include <cuda_runtime_api.h> /* cudaMemcpy */
#include <math.h>             /* isinf */
#include <string.h>           /* strcmp */

static const pass_case overlapping[] = {
    {20000, 1024, 128, FG_F32, 0.1, false, 0}, /* a row has hundreds of components */
    {20000, 1024, 128, FG_F32, 0.5, false, 0},
    {100003, 300, 100, FG_F32, 1, false, 3},
    {9000, 129, 64, FG_F32, 0.3, false, 0},
    {9001, 256, 65, FG_F16, 1, false, 0},
    {30000, 97, 7, FG_F32, 1, false, 0},
    {5000, 150, 96, FG_BF16, 0.4, false, 0},
    {20000, 300, 128, FG_U8, 0.3, false, 0},
    {20000, 300, 128, FG_I8, 0.3, false, 7},
    {5000, 257, 100, FG_F32, 0.5, true, 0},
    {3000, 200, 50, FG_F64, 0.5, false, 1},
    {20000, 1000, 100, FG_F32, 2, false, 5}, /* separated */
    {100, 100, 16, FG_F32, 0.2, false, 0},
    {1, 96, 16, FG_F32, 0.2, false, 0},
    {65, 128, 16, FG_F32, 0.2, false, 0},
    {8193, 100, 64, FG_F32, 0.2, false, 0},
    {3000, 4096, 64, FG_F32, 0.2, false, 0},
    {9001, 200, 129, FG_F32, 0.5, false, 0}, /* spherical only, from here on */
    {9001, 150, 256, FG_F32, 0.3, false, 0},
    {9001, 150, 250, FG_U8, 0.3, false, 3},
    {20000, 128, 200, FG_F32, 0.5, false, 0}, /* three blocks of rows */
};
enum { COUNT = sizeof overlapping / sizeof *overlapping, SEPARATED = 11 };

/* Beyond what registers hold: more than 256 halves, of diagonal components 128 dimensions. */
static const pass_case deep[] = {
    {9001, 300, 300, FG_F32, 0.3, false, 0},   {5000, 130, 768, FG_F32, 0.15, false, 0},
    {20000, 1024, 384, FG_F32, 0.1, false, 3}, /* several blocks of rows */
    {9000, 257, 500, FG_U8, 0.3, false, 0},    {7000, 200, 260, FG_I8, 0.3, false, 7},
    {3000, 96, 1537, FG_F32, 0.1, false, 0},   {600, 520, 4096, FG_F32, 0.05, false, 0},
    {9001, 600, 320, FG_F16, 0.5, true, 0},    {2000, 2049, 290, FG_BF16, 0.2, false, 0},
    {1, 128, 400, FG_F32, 0.2, false, 0},      {129, 256, 1024, FG_F64, 0.2, false, 1},
    {33000, 100, 257, FG_F32, 2, false, 0},    /* separated */
    {20000, 2049, 257, FG_F32, 0.2, false, 0}, /* in default precision several chunks */
    {9001, 150, 129, FG_F32, 0.4, false, 0}, /* diagonal only, from here on: the second part begins amid a tile of columns */
    {5000, 300, 200, FG_U8, 0.3, false, 0},
};
enum { DEEP = sizeof deep / sizeof *deep, DEEP_DIAGONAL = 13 };

/* As if the sparse strategy had lost rows in so many passes before. */
static void crowd(fg_context *ctx, int32_t times)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)ctx->backend;
    cuda->crowding = times;
    cuda->passes_crowded = 16;
}

/* Deep rows have wider sums to try before the soft strategy takes over. */
static void run_soft(fg_context *ctx, const problem *p, outcome *out)
{
    const fgi_row_request nothing = {0};
    const fgi_cuda_backend *cuda = (const fgi_cuda_backend *)ctx->backend;
    crowd(ctx, 1);
    run_pass(ctx, p, &nothing, p->kind, out);
    if (strcmp(cuda->worker->strategy->name, "soft") != 0) {
        free_outcome(out);
        crowd(ctx, 2);
        run_pass(ctx, p, &nothing, p->kind, out);
    }
    assert_string_equal(cuda->worker->strategy->name, "soft");
}

static void expect_same_statistics(const problem *p, const outcome *a, const outcome *b)
{
    const int64_t doubles = fgi_stats_doubles(p->kind, p->how->k, p->how->d);
    assert_memory_equal(a->stats.mass, b->stats.mass, (size_t)doubles * sizeof(double));
    assert_memory_equal(&a->stats.objective, &b->stats.objective, sizeof(double));
}

/* Rows that the last check of densities found left to others. */
static int64_t left_over;

/* Whether the last pass has had all rows in one chunk, whose densities are still there. */
static bool is_one_chunk(const problem *p)
{
    const fgi_cuda_backend *cuda = (const fgi_cuda_backend *)gpu->backend;
    return cuda->worker->strategy->chunk_rows(&cuda->task) >= p->how->n;
}

/* Each row by itself, in default precision. */
static void check_densities(const problem *p, const outcome *exact)
{
    const fgi_cuda_worker *worker = ((fgi_cuda_backend *)gpu->backend)->worker;
    float *found = malloc((size_t)p->how->n * sizeof *found);
    assert_non_null(found);
    assert_int_equal(cudaMemcpy(found, worker->strategy->densities(worker),
                                (size_t)p->how->n * sizeof *found, cudaMemcpyDeviceToHost),
                     cudaSuccess);
    left_over = 0;
    for (int64_t r = 0; r < p->how->n; r++) {
        const double is = exact->log_density[r], seems = 0.6931471805599453 * (double)found[r];
        left_over += isinf(seems) != 0;
        if (isnan(is) || isinf(seems)) continue; /* a bad row; one left to others */
        if (!close_to(is, seems, value_bound(p, is)))
            fail_msg("row %lld: log-density %.17g and %.17g, bound %g", (long long)r, is, seems,
                     value_bound(p, is));
    }
    free(found);
}

/* Responsibilities of rows whose values are off by 0.03 nats differ by a factor of at most e^0.06; of one row in a thousand they may
 * be off by more. The bounds of compare_statistics, which hold for each row for certain, are many times wider. */
static void expect_near_masses(const problem *p, const outcome *exact, const outcome *found)
{
    for (int32_t j = 0; j < p->how->k; j++) {
        const double a = exact->stats.mass[j], b = found->stats.mass[j];
        if (!close_to(a, b, expm1(0.06) * a + 1e-3 * (double)p->how->n / p->how->k + 0.01))
            fail_msg("mass of %d: %.17g and %.17g", j, a, b);
    }
}

/* Rows that pass by, the same again, and rows that stay. */
static void check_on(fg_context *device, const problem *p)
{
    const fgi_row_request ranked = {.top = 2, .exact_rank = true, .log_density = true};
    outcome a, b, again;
    run_pass(cpu, p, &ranked, p->kind, &a);
    run_soft(device, p, &b);
    compare_statistics(p, &a, &b, device == fast);
    if (device == fast && p->how->spread <= 1 && p->least_variance > 1e-4)
        expect_near_masses(p, &a, &b);
    if (device == gpu && is_one_chunk(p)) check_densities(p, &a);
    for (int pass = 0; pass < 4; pass++) {
        if (pass == 1) hold_rows(device, p);
        run_soft(device, p, &again);
        expect_same_statistics(p, &b, &again);
        free_outcome(&again);
    }
    device->backend->ops->release(device->backend);
    free_outcome(&a);
    free_outcome(&b);
}

static void check(const problem *p)
{
    check_on(gpu, p);
    check_on(fast, p);
}

static void check_all(fgi_kind kind, const pass_case *cases, int count, int32_t most_d)
{
    if (!gpu) skip();
    for (int i = 0; i < count; i++) {
        const pass_case *c = &cases[i];
        if (c->d > most_d || (quickness() && c->n * c->k > 2000000)) continue;
        problem p;
        make_problem(c, kind, &p);
        print_message("n %lld, k %d, d %d, %s, spread %g\n", (long long)c->n, c->k, c->d,
                      fg_dtype_text(c->dtype), c->spread);
        check(&p);
        if (c->spread <= 1 && is_one_chunk(&p)) assert_true(left_over <= c->n / 100);
        free_problem(&p);
    }
}

static void test_spherical(void **state)
{
    (void)state;
    check_all(FGI_SPHERICAL, overlapping, COUNT, 256);
    check_all(FGI_SPHERICAL, deep, DEEP_DIAGONAL, 4096);
}

static void test_diagonal(void **state)
{
    (void)state;
    check_all(FGI_DIAGONAL, overlapping, COUNT, 128);
    check_all(FGI_DIAGONAL, deep, DEEP, 4096);
}

/* A component so tight that products cannot tell its values: rows at its mean go another way, with the same result. */
static void check_tight(fgi_kind kind, const pass_case *how)
{
    problem p;
    make_problem(how, kind, &p);
    const int32_t d = p.how->d, cols = fgi_variance_cols(kind, d);
    for (int32_t j = 0; j < p.how->k; j += 40) { /* each stands at one row, or near it */
        const float *row = (const float *)p.rows + (int64_t)(j + 5) * d;
        for (int32_t i = 0; i < d; i++)
            p.params.means[(int64_t)j * d + i] = row[i] - p.params.center[i] + (j % 80 ? 1e-4f : 0);
        for (int32_t i = 0; i < cols; i++) p.params.variances[(int64_t)j * cols + i] = 1e-6;
        p.params.log_weights[j] = -12.0;
    }
    p.least_variance = 1e-6;
    p.largest_offset = 12 + 0.5 * d * 12;
    check(&p);
    assert_true(left_over > 0 && left_over < p.how->n);
    free_problem(&p);
}

static void test_tight_components(void **state)
{
    (void)state;
    if (!gpu) skip();
    check_tight(FGI_SPHERICAL, &overlapping[3]);
    check_tight(FGI_DIAGONAL, &overlapping[3]);
    check_tight(FGI_SPHERICAL, &deep[0]);
    check_tight(FGI_DIAGONAL, &deep[0]);
}

/* Features that never vary, whose variance stands at a floor, cost nothing. */
static void test_constant_features(void **state)
{
    (void)state;
    if (!gpu) skip();
    problem p;
    make_problem(&overlapping[3], FGI_DIAGONAL, &p);
    const int32_t d = p.how->d;
    for (int32_t i = 5; i < d; i += 20) {
        p.params.center[i] = 2.5f;
        for (int64_t r = 0; r < p.how->n; r++) ((float *)p.rows)[r * d + i] = 2.5f;
        for (int64_t j = 0; j < p.how->k; j++) {
            p.params.means[j * d + i] = 0.0;
            p.params.variances[j * d + i] = 1e-6;
        }
    }
    p.least_variance = 1e-6;
    p.largest_offset += 0.5 * 4 * 12;
    check(&p);
    assert_int_equal(left_over, 0);
    free_problem(&p);
}

/* Features that half of the components hold fixed, away from the rest. */
static void test_fixed_features(void **state)
{
    (void)state;
    if (!gpu) skip();
    problem p;
    make_problem(&overlapping[3], FGI_DIAGONAL, &p);
    const int32_t d = p.how->d, k = p.how->k;
    for (int32_t i = 5; i < d; i += 20) {
        for (int64_t r = 0; r < p.how->n; r++)
            if (r % k % 2 == 0) ((float *)p.rows)[r * d + i] = 4.0f;
        for (int64_t j = 0; j < k; j += 2) {
            p.params.means[j * d + i] = 4.0 - p.params.center[i];
            p.params.variances[j * d + i] = 1e-5;
        }
    }
    p.least_variance = 1e-5;
    p.largest_offset += 0.5 * 4 * 12;
    check_on(gpu, &p); /* there is no bound for f16 where variances are so small */
    free_problem(&p);
}

/* Rows so long that f16 does not hold them, or not their squares, in scaled units. */
static void test_long_rows(void **state)
{
    (void)state;
    if (!gpu) skip();
    static const float lengths[] = {3e6f, 2e4f, 5e3f, 300.0f, 3e6f, 3e6f};
    for (int i = 0; i < 6; i++) {
        problem p;
        make_problem(i < 4   ? &overlapping[SEPARATED]
                     : i < 5 ? &overlapping[3]
                             : &deep[0],
                     FGI_SPHERICAL, &p);
        const int64_t stride = p.how->d + p.how->gap;
        for (int64_t r = 2000; r < 2003; r++) ((float *)p.rows)[r * stride + 7] = lengths[i];
        check(&p);
        free_problem(&p);
    }
}

/* Few of them, but each takes the 31 beside it along: the pass is fine, and the next had better go another way. */
static void test_many_left_over(void **state)
{
    (void)state;
    if (!gpu) skip();
    problem p;
    make_problem(&overlapping[2], FGI_SPHERICAL, &p);
    const int64_t stride = p.how->d + p.how->gap;
    for (int64_t r = 500; r < p.how->n; r += 1000) ((float *)p.rows)[r * stride + 7] = 3e6f;
    const fgi_row_request ranked = {.top = 2, .exact_rank = true, .log_density = true},
                          nothing = {0};
    const char *strategies[] = {"sparse", "soft", "soft"};
    outcome exact;
    run_pass(cpu, &p, &ranked, p.kind, &exact);
    hold_rows(gpu, &p);
    for (int pass = 0; pass < 3; pass++) {
        outcome found;
        run_pass(gpu, &p, &nothing, p.kind, &found);
        assert_string_equal(((fgi_cuda_backend *)gpu->backend)->worker->strategy->name,
                            strategies[pass]);
        compare_statistics(&p, &exact, &found, false);
        free_outcome(&found);
    }
    gpu->backend->ops->release(gpu->backend);
    free_outcome(&exact);
    free_problem(&p);
}

/* softly: whether the soft strategy serves the pass in the end */
static void check_too_many(problem *p, bool softly)
{
    const fgi_row_request ranked = {.top = 2, .exact_rank = true, .log_density = true},
                          nothing = {0};
    outcome a, b;
    run_pass(cpu, p, &ranked, p->kind, &a);
    crowd(gpu, 1);
    run_pass(gpu, p, &nothing, p->kind, &b);
    const char *name = ((fgi_cuda_backend *)gpu->backend)->worker->strategy->name;
    assert_int_equal(strcmp(name, "soft") == 0, softly);
    compare_statistics(p, &a, &b, false);
    free_outcome(&a);
    free_outcome(&b);
}

/* Means far from each other, so that a fifth of the components are tight: more rows are left over than there is room for. The
 * pass says so, and is made again, with these absorbed more often: the first bad row is among the first of them. */
static void test_too_many_left_over(void **state)
{
    (void)state;
    if (!gpu) skip();
    static const pass_case cases[] = {
        {100003, 300, 100, FG_F32, 2.6, false, 3},
        {80000, 200, 200, FG_F32, 2.85, false, 0}, /* room for a number of rows of its own */
    };
    for (int i = 0; i < 2; i++) {
        problem p;
        make_problem(&cases[i], FGI_SPHERICAL, &p);
        const int64_t stride = p.how->d + p.how->gap;
        for (int64_t r = 700; r < p.how->n; r += 9000) ((float *)p.rows)[r * stride + 7] = NAN;
        check_too_many(&p, true);
        free_problem(&p);
    }
}

/* So many long rows that in their units the others are nothing: the pass says so, and is made again by another strategy. */
static void test_rows_that_spoil_the_scale(void **state)
{
    (void)state;
    if (!gpu) skip();
    problem p;
    make_problem(&overlapping[2], FGI_SPHERICAL, &p);
    const int64_t stride = p.how->d + p.how->gap;
    for (int64_t r = 2000; r < p.how->n; r += 3) ((float *)p.rows)[r * stride + 7] = 3e6f;
    check_too_many(&p, false);
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spherical),
        cmocka_unit_test(test_diagonal),
        cmocka_unit_test(test_tight_components),
        cmocka_unit_test(test_constant_features),
        cmocka_unit_test(test_fixed_features),
        cmocka_unit_test(test_long_rows),
        cmocka_unit_test(test_many_left_over),
        cmocka_unit_test(test_too_many_left_over),
        cmocka_unit_test(test_rows_that_spoil_the_scale),
    };
    return exit_of_group(
        cmocka_run_group_tests_name("backend soft", tests, open_contexts, close_contexts));
}

#else

int main(void)
{
    return exit_without_cuda();
}

#endif
