/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_shapes.c - passes on a CUDA device beside the CPU, over shapes that a seed draws, about the sizes at which kernels
 * take turns; each in both precisions, however crowded the device has been told that rows are: so by every strategy that serves
 * the shape. */
#include "backend_cases.h"
#include "backend_contexts.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"
#include "random.h"

#include <math.h> /* exp2 */

enum {
    SHAPES = 160,
    QUICK_SHAPES = 6,
    MOST_CROWDING = 6 /* beyond, only the dense strategy is left */
};
static const uint64_t seed = 20261128;

/* Sizes that something ends at, or begins. */
static const int32_t edges[] = {1,    2,    16,   31,   32,   33,   63,   64,   65,   95,   96,
                                97,   127,  128,  129,  191,  192,  193,  255,  256,  257,  383,
                                384,  385,  511,  512,  513,  767,  768,  1023, 1024, 1025, 2048,
                                2049, 4095, 4096, 4097, 5760, 5761, 8192, 8193, 12000};
enum { EDGES = sizeof edges / sizeof *edges };

/* The numbers of a shape, one after the other. */
typedef struct lots {
    uint64_t shape, next;
} lots;

static int64_t below(lots *l, int64_t bound)
{
    return fgi_random_below(seed, l->shape, l->next++, bound);
}

/* One of the edges, or any size, small ones as often as large ones. */
static int32_t size_up_to(lots *l, int32_t most)
{
    int32_t size = most + 1;
    if (below(l, 2) == 0)
        while (size > most) size = edges[below(l, EDGES)];
    else
        size = (int32_t)exp2(log2(most + 0.99) * 0x1p-20 * (double)below(l, 1 << 20));
    return size;
}

static pass_case draw(lots *l)
{
    static const fg_dtype types[] = {FG_F32, FG_F32, FG_F16, FG_BF16, FG_U8, FG_I8, FG_F64};
    enum { WORK = 300000000 /* n k d */, MOST_ROWS = 40000 };
    pass_case c = {.k = size_up_to(l, 12000)};
    int32_t most_d = (int32_t)(WORK / 40 / c.k);
    if (most_d > 4096) most_d = 4096;
    c.d = size_up_to(l, most_d);
    int64_t rows = WORK / ((int64_t)c.k * c.d);
    if (rows > MOST_ROWS) rows = MOST_ROWS;
    c.n = 1 + below(l, rows);
    c.dtype = types[below(l, sizeof types / sizeof *types)];
    c.spread = 0.05 * exp2((double)below(l, 8)); /* from rows of all components to rows of one */
    const bool whole = c.dtype == FG_U8 || c.dtype == FG_I8;
    c.normalize = !whole && below(l, 6) == 0;
    c.gap = (int32_t)below(l, 4);
    return c;
}

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
    static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};
    lots l = {.shape = number};
    const pass_case c = draw(&l);
    problem p;
    make_problem(&c, kinds[below(&l, 3)], &p);
    print_message("shape %d: n %lld, k %d, d %d, %s, spread %g%s, gap %d, kind %d\n", (int)number,
                  (long long)c.n, c.k, c.d, fg_dtype_text(c.dtype), c.spread,
                  c.normalize ? ", normalized" : "", c.gap, (int)p.kind);
    const fgi_row_request ranked = {
        .top = c.k < 2 ? 1 : 2, .exact_rank = true, .log_density = true};
    outcome exact, found;
    run_pass(cpu, &p, &ranked, p.kind, &exact);
    run_pass(gpu, &p, &ranked, p.kind, &found);
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
    const bool quick = getenv("FLASHGMM_TEST_QUICK") != NULL;
    for (uint64_t i = 0; i < (quick ? QUICK_SHAPES : SHAPES); i++) check_shape(i);
}

int main(void)
{
    const bool device = fg_device_count() > 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes)};
    const int failed =
        cmocka_run_group_tests_name("backend shapes", tests, open_contexts, close_contexts);
    return failed || device ? failed : SKIPPED;
}

#else

int main(void)
{
    printf("built without CUDA: GPU tests skipped\n");
    return SKIPPED;
}

#endif
