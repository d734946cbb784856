/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_answers.c - what single rows have to tell, by the sparse strategy of a CUDA device, beside the CPU: whichever part of
 * it is asked for; of rows that come in several chunks, that f16 does not hold, or that find no room. */
#include "backend_cases.h"
#include "backend_contexts.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"

#include <string.h> /* memcpy */

static const pass_case separated[] = {
    {300001, 128, 16, FG_F32, 4, false, 0}, /* several chunks */
    {20000, 1025, 128, FG_U8, 1, false, 0},
    {9001, 300, 65, FG_F16, 3, false, 1},
    {5000, 257, 100, FG_F32, 3, true, 0},
    {3001, 97, 700, FG_F64, 2, false, 0},
    {1, 96, 16, FG_F32, 4, false, 0},
    /* two chunks, the second with more rows than find room with the dense strategy */
    {30000, 256, 520, FG_F32, 4, false, 0},
};
enum { COUNT = sizeof separated / sizeof *separated };

/* Under a checker two have to do. */
static const pass_case *chunks_of_rows(void)
{
    return &separated[quickness() ? COUNT - 1 : 0];
}

/* Rows have hundreds of components: one for each form of the soft kernels, and all types. */
static const pass_case crowded[] = {
    {9001, 300, 16, FG_F32, 0.2, false, 0},  {9001, 300, 30, FG_U8, 0.1, false, 1},
    {9001, 300, 100, FG_F32, 0.2, false, 0}, {9001, 300, 120, FG_I8, 0.1, false, 0},
    {9001, 300, 250, FG_F16, 0.1, false, 3}, {9001, 300, 200, FG_U8, 0.1, false, 0},
    {9001, 300, 90, FG_BF16, 0.2, false, 0}, {9001, 300, 80, FG_F64, 0.2, false, 0},
    {9001, 300, 70, FG_F32, 0.2, true, 0},
};
enum { CROWDED = sizeof crowded / sizeof *crowded, MOST_DIAGONAL = 128 };

/* Components of a row that the CPU tells: what a device takes for the best is among them. */
enum { FEW = 8 };

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

/* Now, and for whatever else would be sent in the last pass. */
static const char *who_answers(const fg_context *ctx)
{
    const fgi_cuda_asking *asking = &backend_of(ctx)->asking;
    return asking->substituted ? "dense" : asking->worker->strategy->name;
}

static void check(const problem *p, const fgi_row_request *want, const char *by)
{
    fg_context *devices[] = {gpu, fast};
    fgi_row_request all = *want;
    all.log_density = true; /* which says how far apart rows may lie */
    if (want->top < FEW) all.top = FEW;
    outcome exact;
    ask_rows(cpu, p, &all, &exact);
    for (int i = 0; i < 2; i++) {
        outcome found, again;
        ask_rows(devices[i], p, want, &found);
        assert_string_equal(who_answers(devices[i]), by);
        compare_rows(p, &exact, &found);
        ask_rows(devices[i], p, want, &again);
        expect_same_bits(p, &found, &again);
        free_outcome(&found);
        free_outcome(&again);
    }
    free_outcome(&exact);
}

/* by_best: who answers in the end where a row has one component to tell, or none; by: where it has more */
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
    for (int i = quickness() ? 2 : 0; i < COUNT; i++)
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

/* Where the first chunk finds no room, the soft strategy begins the pass anew, if it serves the task. Else such a chunk is answered by
 * the dense one, and after a second one in a row so are all that come. */
static void test_rows_without_room(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    for (int q = 1; q < 3; q++)
        for (int64_t from = 0; from < chunks_of_rows()->n; from += quickness() ? 26000 : 120000) {
            problem p;
            make_problem(chunks_of_rows(), kinds[q], &p);
            crowd_rows(&p, from);
            const bool soft = from == 0 && p.how->d <= MOST_DIAGONAL,
                       only_last = from >= (quickness() ? 26000 : 240000);
            const char *by = only_last ? "sparse" : "dense";
            check_each_request(&p, soft ? "soft" : by, by);
            free_problem(&p);
        }
}

static void test_crowded_rows(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    const fgi_row_request some[] = {
        {.top = 1}, {.log_density = true}, {.top = 1, .log_density = true}};
    for (int i = 0; i < CROWDED; i++)
        for (int q = 1; q < 3; q++) {
            if (kinds[q] == FGI_DIAGONAL && crowded[i].d > MOST_DIAGONAL) continue;
            problem p;
            make_problem(&crowded[i], kinds[q], &p);
            print_message("n %lld, k %d, d %d, %s, kind %d\n", (long long)p.how->n, p.how->k,
                          p.how->d, fg_dtype_text(p.how->dtype), (int)kinds[q]);
            for (int r = quickness() ? 2 : 0; r < 3; r++) check(&p, &some[r], "soft");
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

/* The same model about another centre: what is kept of rows for one is of no use for the other. */
static void move_center(problem *p)
{
    for (int32_t i = 0; i < p->how->d; i++) {
        p->params.center[i] += 1.5f;
        for (int64_t j = 0; j < p->how->k; j++) p->params.means[j * p->how->d + i] -= 1.5;
    }
}

/* Passes that ask held rows between others, about the same centre or another one, change nothing, and tell what they tell of rows
 * that are not held. */
static void test_amid_statistics(void **state)
{
    (void)state;
    if (!has_hopper()) skip();
    problem p, other;
    make_problem(chunks_of_rows(), FGI_SPHERICAL, &p);
    make_problem(chunks_of_rows(), FGI_SPHERICAL, &other);
    move_center(&other);
    problem about[2] = {p, p};
    about[1].params = other.params;
    const fgi_row_request nothing = {0}, best = {.top = 1, .log_density = true};
    outcome told[2], summed[2], found;
    for (int center = 0; center < 2; center++) {
        ask_rows(gpu, &about[center], &best, &told[center]);
        run_pass(gpu, &about[center], &nothing, p.kind, &summed[center]);
    }
    hold_rows(gpu, &p);
    for (int pass = 0; pass < 6; pass++) {
        const int center = pass >= 3;
        ask_rows(gpu, &about[center], &best, &found);
        expect_same_bits(&p, &told[center], &found);
        free_outcome(&found);
        run_pass(gpu, &about[center], &nothing, p.kind, &found);
        expect_same_bits(&p, &summed[center], &found);
        free_outcome(&found);
    }
    gpu->backend->ops->release(gpu->backend);
    for (int center = 0; center < 2; center++) {
        free_outcome(&told[center]);
        free_outcome(&summed[center]);
    }
    free_problem(&other);
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),          cmocka_unit_test(test_rows_left_over),
        cmocka_unit_test(test_rows_without_room), cmocka_unit_test(test_equal_components),
        cmocka_unit_test(test_crowded_rows),      cmocka_unit_test(test_amid_statistics),
    };
    return exit_of_group(
        cmocka_run_group_tests_name("backend answers", tests, open_contexts, close_contexts));
}

#else

int main(void)
{
    return exit_without_cuda();
}

#endif
