/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_moves.c - passes over rows that a device keeps, while the means move: what it learned of a row in one pass must
 * mislead it in none. And rows that f16 cannot hold. Skipped where there is no device. */
#include "backend_cases.h"
#include "backend_contexts.h"

#include "random.h"

#include <math.h> /* fabs, sqrt */

static const fgi_row_request ranked = {.top = 2, .exact_rank = true, .log_density = true};
static const fgi_row_request nothing = {0};

static const pass_case cases[] = {
    {20000, 300, 100, FG_F32, 1, false, 0},
    {9000, 400, 128, FG_U8, 1, false, 0},
    {9000, 200, 24, FG_F16, 2, true, 0},
    {5000, 150, 300, FG_F32, 1, false, 0},
};

/* Every mean goes `by` standard deviations in a random direction. */
static void move_means(problem *p, int32_t step, double by)
{
    const int32_t k = p->how->k, d = p->how->d;
    const double length = by * sqrt(p->least_variance) * sqrt(12.0 / d);
    for (int64_t i = 0; i < (int64_t)k * d; i++)
        p->params.means[i] += length * (fgi_random_uniform(11, (uint64_t)step, (uint64_t)i) - 0.5);
}

static void check_moves(const pass_case *c, fgi_kind kind)
{
    static const double steps[] = {0, 2, 0.5, 0.1, 0.02, 0, 1, 0.01};
    problem p;
    make_problem(c, kind, &p);
    hold_rows(gpu, &p);
    hold_rows(fast, &p);
    for (int32_t step = 0; step < (int32_t)(sizeof steps / sizeof *steps); step++) {
        outcome a, b, f;
        move_means(&p, step, steps[step]);
        run_pass(cpu, &p, &ranked, kind, &a);
        run_pass(gpu, &p, &nothing, kind, &b);
        run_pass(fast, &p, &nothing, kind, &f);
        compare_statistics(&p, &a, &b, false);
        compare_statistics(&p, &a, &f, true);
        free_outcome(&a);
        free_outcome(&b);
        free_outcome(&f);
    }
    gpu->backend->ops->release(gpu->backend);
    fast->backend->ops->release(fast->backend);
    free_problem(&p);
}

static void test_moving_means(void **state)
{
    (void)state;
    if (!gpu) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (fgi_kind kind = FGI_HARD; kind <= FGI_DIAGONAL; kind++) check_moves(&cases[i], kind);
}

/* Some rows lie 10^6 times as far away as the others: statistics as with row results, which no f16 has seen. */
static void test_far_rows(void **state)
{
    (void)state;
    if (!gpu) skip();
    const pass_case *c = &cases[0];
    for (fgi_kind kind = FGI_HARD; kind <= FGI_DIAGONAL; kind++) {
        problem p;
        outcome a, b;
        make_problem(c, kind, &p);
        for (int64_t r = 1000; r < c->n; r += 971)
            for (int32_t i = 0; i < c->d; i++) ((float *)p.rows)[r * c->d + i] *= 1e6f;
        run_pass(gpu, &p, &ranked, kind, &a);
        run_pass(gpu, &p, &nothing, kind, &b);
        assert_int_equal(a.stats.rows, b.stats.rows);
        assert_int_equal(a.stats.rows_skipped, b.stats.rows_skipped);
        assert_int_equal(a.stats.first_bad_row, b.stats.first_bad_row);
        assert_true(close_to(a.stats.objective, b.stats.objective, 1e-6 * fabs(a.stats.objective)));
        for (int32_t j = 0; j < c->k; j++) /* f32: a row's share is off by 10^-5 at most */
            assert_true(close_to(a.stats.mass[j], b.stats.mass[j],
                                 (kind == FGI_HARD ? 1e-9 : 1e-5) * (1 + a.stats.mass[j])));
        free_outcome(&a);
        free_outcome(&b);
        free_problem(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moving_means),
        cmocka_unit_test(test_far_rows),
    };
    return exit_of_group(cmocka_run_group_tests(tests, open_contexts, close_contexts));
}
