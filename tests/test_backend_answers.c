/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_answers.c - what single rows have to tell, by the sparse strategy of a CUDA device, beside the CPU: whichever part of
 * it is asked for; of rows that come in several chunks, that f16 does not hold, or that find no room. */
#include "backend_cases.h"
#include "backend_contexts.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"

#include <stdlib.h> /* getenv */
#include <string.h> /* memcpy */

static const pass_case separated[] = {
    {300001, 128, 16, FG_F32, 4, false, 0}, /* several chunks */
    {20000, 1025, 128, FG_U8, 1, false, 0},
    {9001, 300, 65, FG_F16, 3, false, 1},
    {5000, 257, 100, FG_F32, 3, true, 0},
    {3001, 97, 700, FG_F64, 2, false, 0},
    {1, 96, 16, FG_F32, 4, false, 0},
    {9001, 256, 16, FG_F32, 4, false, 0}, /* more than find room with the dense strategy */
};
enum { COUNT = sizeof separated / sizeof *separated };

static bool quick(void)
{
    return getenv("FLASHGMM_TEST_QUICK") != NULL;
}

/* Under a checker a single chunk has to do. */
static const pass_case *chunks_of_rows(void)
{
    return &separated[quick() ? COUNT - 1 : 0];
}

static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};

static const fgi_cuda_backend *backend_of(const fg_context *ctx)
{
    return (const fgi_cuda_backend *)ctx->backend;
}

/* Whether there is a device whose rows the strategy serves. */
static bool has_hopper(void)
{
    return gpu && backend_of(gpu)->capability == FGI_CUDA_HOPPER;
}

/* by: the strategy that answers for the last chunk */
static void check(const problem *p, const fgi_row_request *want, const char *by)
{
    fg_context *devices[] = {gpu, fast};
    fgi_row_request all = *want; /* densities say how far apart rows may lie */
    all.log_density = true;
    outcome exact;
    ask_rows(cpu, p, &all, &exact);
    for (int i = 0; i < 2; i++) {
        outcome found, again;
        ask_rows(devices[i], p, want, &found);
        assert_string_equal(backend_of(devices[i])->answers.worker->strategy->name, by);
        compare_rows(p, &exact, &found);
        ask_rows(devices[i], p, want, &again);
        expect_same_bits(p, &found, &again);
        free_outcome(&found);
        free_outcome(&again);
    }
    free_outcome(&exact);
}

/* by_best: the same where a row has one component to tell, or none */
static void check_each_request(const problem *p, const char *by_best, const char *by)
{
    const fgi_row_request some[] = {
        {.top = 1},
        {.log_density = true},
        {.top = 1, .log_density = true},
        {.top = 4},
        {.top = 32, .tau = 1e-6f, .log_density = true},
    };
    for (size_t i = 0; i < (p->kind == FGI_HARD ? 3 : 5); i++)
        check(p, &some[i], some[i].top > 1 ? by : by_best);
}

static void test_requests(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    for (int i = quick() ? 2 : 0; i < COUNT; i++)
        for (int q = 0; q < 3; q++) {
            problem p;
            make_problem(&separated[i], kinds[q], &p);
            print_message("n %lld, k %d, d %d, kind %d\n", (long long)p.how->n, p.how->k, p.how->d,
                          (int)kinds[q]);
            check_each_request(&p, "sparse", "sparse");
            free_problem(&p);
        }
}

/* Each takes the 31 beside it along, to the dense strategy and back. */
static void test_rows_left_over(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    for (int q = 0; q < 3; q++) {
        problem p;
        make_problem(chunks_of_rows(), kinds[q], &p);
        for (int64_t r = 500; r < p.how->n; r += 3000) ((float *)p.rows)[r * p.how->d + 7] = 3e6f;
        check_each_request(&p, "sparse", "sparse");
        free_problem(&p);
    }
}

/* Half of the components are drawn together until none can be told from another. Rows are those of the other half, and from a row on
 * those of this one. */
static void crowd_rows(problem *p, int64_t from)
{
    const float closer = 0.03f;
    const int32_t d = p->how->d, half = p->how->k / 2;
    const size_t row_bytes = (size_t)d * sizeof(float);
    float *rows = p->rows;
    for (int32_t j = half; j < 2 * half; j++) {
        for (int32_t i = 0; i < d; i++) {
            double *mean = &p->params.means[(int64_t)j * d + i];
            *mean = closer * (*mean + p->params.center[i]) - p->params.center[i];
        }
        const int32_t cols = fgi_variance_cols(p->kind, d);
        for (int32_t i = 0; i < cols; i++) p->params.variances[(int64_t)j * cols + i] = 1;
    }
    for (int64_t r = half; r < p->how->n; r++) {
        float *row = rows + r * d;
        if (r < from && r % (2 * half) >= half) memcpy(row, row - half * d, row_bytes);
        for (int32_t i = 0; i < d && r >= from; i++) row[i] *= closer;
    }
}

/* Where the first chunk finds no room, another strategy begins the pass anew; where a later one does not, it is answered by the dense
 * one, and so are those after it. */
static void test_rows_without_room(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    for (int q = 1; q < 3; q++)
        for (int64_t from = 0; from < chunks_of_rows()->n; from += 120000) {
            problem p;
            make_problem(chunks_of_rows(), kinds[q], &p);
            crowd_rows(&p, from);
            check_each_request(&p, from == 0 ? "soft" : "dense", "dense");
            free_problem(&p);
        }
}

/* Of components that are the same, the one with the lower number comes first. */
static void test_equal_components(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    for (int q = 0; q < 3; q++) {
        problem p;
        make_problem(&separated[2], kinds[q], &p);
        const size_t cols = (size_t)fgi_variance_cols(kinds[q], p.how->d), d = (size_t)p.how->d;
        for (size_t j = 1; j < (size_t)p.how->k; j += 2) {
            memcpy(p.params.means + j * d, p.params.means + (j - 1) * d, d * sizeof(double));
            if (cols)
                memcpy(p.params.variances + j * cols, p.params.variances + (j - 1) * cols,
                       cols * sizeof(double));
            p.params.log_weights[j] = p.params.log_weights[j - 1];
        }
        const fgi_row_request best = {.top = 1}, two = {.top = 2};
        const bool hard = kinds[q] == FGI_HARD;
        outcome found;
        ask_rows(gpu, &p, hard ? &best : &two, &found);
        for (int64_t r = 0; r < p.how->n; r++) {
            assert_int_equal(found.components[r * found.top] % 2, 0);
            if (hard) continue;
            assert_int_equal(found.components[2 * r + 1], found.components[2 * r] + 1);
            assert_true(found.values[2 * r + 1] == found.values[2 * r]);
        }
        free_outcome(&found);
        free_problem(&p);
    }
}

/* What passes have learned of held rows outlives a pass that asks them. */
static void test_amid_statistics(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    problem p;
    make_problem(chunks_of_rows(), FGI_SPHERICAL, &p);
    const fgi_row_request nothing = {0}, best = {.top = 1, .log_density = true};
    const fgi_hold all = {
        .source = p.src, .rows = p.src->rows, .cols = p.src->cols, .dtype = p.src->dtype};
    outcome exact, told, held, found[3];
    ask_rows(cpu, &p, &best, &exact);
    ask_rows(gpu, &p, &best, &told);
    gpu->backend->ops->hold(gpu->backend, &all);
    for (int pass = 0; pass < 3; pass++) {
        run_pass(gpu, &p, &nothing, p.kind, &found[pass]);
        ask_rows(gpu, &p, &best, &held);
        expect_same_bits(&p, &told, &held);
        compare_rows(&p, &exact, &held);
        expect_same_bits(&p, &found[0], &found[pass]);
        free_outcome(&held);
    }
    gpu->backend->ops->release(gpu->backend);
    for (int pass = 0; pass < 3; pass++) free_outcome(&found[pass]);
    free_outcome(&exact);
    free_outcome(&told);
    free_problem(&p);
}

int main(void)
{
    const bool device = fg_device_count() > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),          cmocka_unit_test(test_rows_left_over),
        cmocka_unit_test(test_rows_without_room), cmocka_unit_test(test_equal_components),
        cmocka_unit_test(test_amid_statistics),
    };
    const int failed =
        cmocka_run_group_tests_name("backend answers", tests, open_contexts, close_contexts);
    return failed || device ? failed : SKIPPED;
}

#else

int main(void)
{
    printf("built without CUDA: GPU tests skipped\n");
    return SKIPPED;
}

#endif
