/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_shapes.c - passes on a CUDA device beside the CPU, over shapes that a seed draws, about the sizes at which kernels
 * take turns; each in both precisions, however crowded the device has been told that rows are: so by every strategy that serves
 * the shape. */
#include "drawn_cases.h"

#include "backend_contexts.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"

enum {
    SHAPES = 160,
    QUICK_SHAPES = 6,
    WORK = 300000000,
    MOST_CROWDING = 6 /* beyond, only the dense strategy is left */
};

static void crowd(fg_context *ctx, int32_t times)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)ctx->backend;
    cuda->crowding = times;
    cuda->passes_crowded = times ? 16 : 0;
}

static void check_statistics(const problem *p, const outcome *exact, fg_context *device)
{
    const fgi_row_request nothing = {0};
    for (int32_t times = 0; times <= MOST_CROWDING; times++) {
        outcome found;
        crowd(device, times);
        run_pass(device, p, &nothing, p->kind, &found);
        compare_statistics(p, exact, &found, device == fast);
        free_outcome(&found);
    }
    crowd(device, 0);
}

static void check_shape(uint64_t number)
{
    fgi_kind kind;
    const pass_case c = draw_case(number, WORK, &kind);
    problem p;
    make_problem(&c, kind, &p);
    tell_case(number, &c, kind);
    const fgi_row_request ranked = {
        .top = c.k < 2 ? 1 : 2, .exact_rank = true, .log_density = true};
    outcome exact, found;
    run_pass(cpu, &p, &ranked, kind, &exact);
    run_pass(gpu, &p, &ranked, kind, &found);
    compare_rows_and_statistics(&p, &exact, &found);
    check_statistics(&p, &exact, gpu);
    check_statistics(&p, &exact, fast);
    free_outcome(&exact);
    free_outcome(&found);
    free_problem(&p);
}

static void test_shapes(void **state)
{
    (void)state;
    if (!gpu) skip();
    for (uint64_t i = 0; i < (quickness() ? QUICK_SHAPES : SHAPES); i++) check_shape(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes)};
    return exit_of_group(
        cmocka_run_group_tests_name("backend shapes", tests, open_contexts, close_contexts));
}

#else

int main(void)
{
    return exit_without_cuda();
}

#endif
