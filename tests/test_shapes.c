/* SPDX-License-Identifier: Apache-2.0 */
/* test_shapes.c - passes by all kernels that this CPU has beside those of the reference, over shapes that a seed draws: with what
 * single rows tell, and for statistics alone, which may go another way. */
#include "drawn_cases.h"

enum { SHAPES = 100, QUICK_SHAPES = 20, WORK = 12000000 };

static const char *const isas[] = {"amx", "avx512vnni", "avx512", "avx2", "neon"};
enum { ISAS = sizeof isas / sizeof *isas };

/* NULL: this CPU lacks them. */
static fg_context *context_with(const char *isa)
{
    const fg_context_options o = {
        .struct_size = sizeof o, .backend = FG_BACKEND_CPU, .threads = 2, .isa = isa};
    fg_context *ctx = NULL;
    const fg_status status = fg_context_create(&o, &ctx);
    if (status != FG_ARGUMENT) expect_ok(status);
    return ctx;
}

static void check_kernels(fg_context *ctx, const problem *p, const fgi_row_request *ranked,
                          const outcome *exact)
{
    const fgi_row_request nothing = {0};
    outcome found;
    run_pass(ctx, p, ranked, p->kind, &found);
    compare_rows_and_statistics(p, exact, &found);
    free_outcome(&found);
    run_pass(ctx, p, &nothing, p->kind, &found);
    compare_statistics(p, exact, &found, false);
    free_outcome(&found);
}

static void check_shape(uint64_t number, fg_context *reference, fg_context *const *contexts)
{
    fgi_kind kind;
    const pass_case c = draw_case(number, WORK, &kind);
    const fgi_row_request ranked = {
        .top = c.k < 2 ? 1 : 2, .exact_rank = true, .log_density = true};
    problem p;
    outcome exact;
    make_problem(&c, kind, &p);
    tell_case(number, &c, kind);
    run_pass(reference, &p, &ranked, kind, &exact);
    for (int i = 0; i < ISAS; i++)
        if (contexts[i]) check_kernels(contexts[i], &p, &ranked, &exact);
    free_outcome(&exact);
    free_problem(&p);
}

static void test_drawn_shapes(void **state)
{
    (void)state;
    const bool quick = getenv("FLASHGMM_TEST_QUICK") != NULL;
    fg_context *reference = context_with("ref"), *contexts[ISAS];
    assert_non_null(reference);
    for (int i = 0; i < ISAS; i++) contexts[i] = context_with(isas[i]);
    for (uint64_t i = 0; i < (quick ? QUICK_SHAPES : SHAPES); i++)
        check_shape(i, reference, contexts);
    for (int i = 0; i < ISAS; i++) fg_context_destroy(contexts[i]);
    fg_context_destroy(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drawn_shapes)};
    return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
