/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend.c - every operation of a pass on the CPU and on a CUDA device, over one list of cases, within bounds
 * derived from the arithmetic; the same bits twice, and however rows arrive; and what happens where there is no device. */
#include "backend_cases.h"
#include "backend_contexts.h"

#include <math.h> /* fabs */

static void need_gpu(void)
{
    if (!gpu) skip();
}

/* ---------------------------------------------------------------------------------------- tests */

static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};

static bool is_small_enough(const pass_case *c)
{
    if (quickness() == 2) return c->n * c->k * c->d < 300000;
    return quickness() == 0 || c->n * c->k < 40000;
}

static void each_case(void (*check)(const problem *p))
{
    need_gpu();
    for (size_t i = 0; i < CASE_COUNT; i++)
        for (size_t q = 0; q < 3; q++) {
            if (!is_small_enough(&backend_cases[i])) continue;
            problem p;
            make_problem(&backend_cases[i], kinds[q], &p);
            print_message("n %lld, k %d, d %d, %s, kind %d\n", (long long)backend_cases[i].n,
                          backend_cases[i].k, backend_cases[i].d,
                          fg_dtype_text(backend_cases[i].dtype), (int)kinds[q]);
            check(&p);
            free_problem(&p);
        }
}

static void check_request(const problem *p, const fgi_row_request *want, fgi_kind stats_kind)
{
    outcome a, b, again;
    run_pass(cpu, p, want, stats_kind, &a);
    run_pass(gpu, p, want, stats_kind, &b);
    run_pass(gpu, p, want, stats_kind, &again);
    expect_same_bits(p, &b, &again);
    compare_rows_and_statistics(p, &a, &b);
    free_outcome(&a);
    free_outcome(&b);
    free_outcome(&again);
}

/* Rows alone may go another way than beside statistics; what they tell is as exact in either precision. */
static void check_rows(const problem *p, const fgi_row_request *want)
{
    fg_context *devices[] = {gpu, fast};
    fgi_row_request more = *want;
    if (want->top == 1 && p->how->k > 1) more.top = 2;
    more.exact_rank = want->top == 1;
    outcome a;
    ask_rows(cpu, p, &more, &a);
    for (int i = 0; i < 2; i++) {
        outcome b, again;
        ask_rows(devices[i], p, want, &b);
        ask_rows(devices[i], p, want, &again);
        expect_same_bits(p, &b, &again);
        compare_rows(p, &a, &b);
        free_outcome(&b);
        free_outcome(&again);
    }
    free_outcome(&a);
}

static void check_rows_alone(const problem *p)
{
    const int32_t top = p->how->k < 5 ? p->how->k : 5;
    const fgi_row_request best = {.top = 1, .log_density = true},
                          some = {.top = top, .tau = 0.01f, .log_density = true};
    check_rows(p, &best);
    if (p->kind != FGI_HARD) check_rows(p, &some);
}

static void check_best(const problem *p)
{
    const fgi_row_request want = {.top = 1, .log_density = true};
    check_request(p, &want, p->kind);
    if (p->kind == FGI_HARD) check_request(p, &want, FGI_DIAGONAL); /* the start of a mixture */
}

static void check_top(const problem *p)
{
    if (p->kind == FGI_HARD) return; /* there only the best one has a responsibility */
    const int32_t top = p->how->k < 5 ? p->how->k : 5;
    const fgi_row_request want = {.top = top, .tau = 0.01f, .log_density = true};
    check_request(p, &want, p->kind);
}

static void check_rank(const problem *p)
{
    const int32_t top = p->how->k < 7 ? p->how->k : 7;
    const fgi_row_request want = {.top = top, .exact_rank = true, .log_density = true};
    check_request(p, &want, p->kind);
}

/* Statistics alone may go another way than what rows have to tell; held rows yet another. */
static void check_statistics(const problem *p)
{
    const fgi_row_request ranked = {
        .top = p->how->k < 2 ? 1 : 2, .exact_rank = true, .log_density = true};
    const fgi_row_request nothing = {0};
    fg_context *devices[] = {gpu, fast};
    outcome a;
    run_pass(cpu, p, &ranked, p->kind, &a);
    for (int i = 0; i < 2; i++) {
        fgi_backend *backend = devices[i]->backend;
        outcome b, again;
        run_pass(devices[i], p, &nothing, p->kind, &b);
        compare_statistics(p, &a, &b, i == 1);
        hold_rows(devices[i], p);
        for (int pass = 0; pass < 3; pass++) {
            run_pass(devices[i], p, &nothing, p->kind, &again);
            compare_statistics(p, &a, &again, i == 1);
            free_outcome(&again);
        }
        backend->ops->release(backend);
        run_pass(devices[i], p, &nothing, p->kind, &again);
        assert_memory_equal(b.stats.mass, again.stats.mass,
                            (size_t)fgi_stats_doubles(p->kind, p->how->k, p->how->d) *
                                sizeof(double));
        free_outcome(&b);
        free_outcome(&again);
    }
    free_outcome(&a);
}

static void test_statistics_alone(void **state)
{
    (void)state;
    each_case(check_statistics);
}

static void test_best_and_statistics(void **state)
{
    (void)state;
    each_case(check_best);
}

static void test_rows_alone(void **state)
{
    (void)state;
    each_case(check_rows_alone);
}

static void test_top_above_tau(void **state)
{
    (void)state;
    each_case(check_top);
}

static void test_every_rank(void **state)
{
    (void)state;
    each_case(check_rank);
}

/* Rows that stay on the device give the same bits as rows that travel. */
static void test_held_rows(void **state)
{
    (void)state;
    need_gpu();
    problem p;
    make_problem(quickness() ? &backend_cases[2] : &backend_cases[7], FGI_SPHERICAL, &p);
    const fgi_row_request want = {.top = 1, .log_density = true};
    outcome streamed, held;
    run_pass(gpu, &p, &want, p.kind, &streamed);
    hold_rows(gpu, &p);
    for (int pass = 0; pass < 2; pass++) {
        run_pass(gpu, &p, &want, p.kind, &held);
        expect_same_bits(&p, &streamed, &held);
        free_outcome(&held);
    }
    gpu->backend->ops->release(gpu->backend);
    free_outcome(&streamed);
    free_problem(&p);
}

/* Pieces of 1, 2, 3 .. rows, from the first on. */
typedef struct pieces {
    const fg_view *all;
    int64_t at, next;
} pieces;

static fg_status rewind_pieces(void *user)
{
    pieces *p = user;
    p->at = 0;
    p->next = 1;
    return FG_OK;
}

static fg_status next_piece(void *user, int64_t want, fg_view *chunk)
{
    pieces *p = user;
    int64_t rows = p->next++;
    if (rows > want) rows = want;
    if (rows > p->all->rows - p->at) rows = p->all->rows - p->at;
    *chunk = fgi_view_rows(p->all, p->at, rows);
    p->at += rows;
    return FG_OK;
}

/* Rows that come in pieces, their number unknown, give the bits of rows in memory. */
static void test_pieces(void **state)
{
    (void)state;
    need_gpu();
    const size_t which[] = {2, 6, 10};
    for (size_t i = 0; i < (quickness() ? 1 : 3); i++) {
        problem p, cut;
        make_problem(&backend_cases[which[i]], FGI_SPHERICAL, &p);
        const pass_case *c = p.how;
        const fg_view all = {.data = p.rows,
                             .rows = c->n,
                             .cols = c->d,
                             .row_stride = c->d + c->gap,
                             .dtype = (int16_t)c->dtype};
        pieces from = {.all = &all};
        const fg_reader reader = {.struct_size = sizeof reader,
                                  .rows = -1,
                                  .cols = c->d,
                                  .dtype = (int32_t)c->dtype,
                                  .user = &from,
                                  .rewind = rewind_pieces,
                                  .next = next_piece};
        cut = p;
        expect_ok(fg_source_reader(&reader, &cut.src));
        const fgi_row_request best = {.top = 1, .log_density = true}, nothing = {0};
        outcome a, b;
        run_pass(gpu, &p, &best, p.kind, &a);
        run_pass(gpu, &cut, &best, p.kind, &b);
        expect_same_bits(&p, &a, &b);
        free_outcome(&a);
        free_outcome(&b);
        run_pass(gpu, &p, &nothing, p.kind, &a);
        run_pass(gpu, &cut, &nothing, p.kind, &b);
        expect_same_bits(&p, &a, &b);
        free_outcome(&a);
        free_outcome(&b);
        fg_source_destroy(cut.src);
        free_problem(&p);
    }
}

/* A whole fit from given means: log-likelihoods of every step within the bound of a row, once a step. */
static void test_fit(void **state)
{
    (void)state;
    need_gpu();
    for (int32_t covariance = FG_COV_DIAG; covariance <= FG_COV_SPHERICAL; covariance++) {
        enum { STEPS = 8 };
        problem p;
        make_problem(quickness() ? &backend_cases[2] : &backend_cases[6],
                     covariance == FG_COV_DIAG ? FGI_DIAGONAL : FGI_SPHERICAL, &p);
        double history[3][STEPS + 1];
        fg_fit_report report[3];
        for (int i = 0; i < 3; i++) {
            fg_gmm *gmm;
            const fg_gmm_options opt = {.struct_size = sizeof opt,
                                        .k = 16,
                                        .covariance = covariance,
                                        .max_iter = STEPS,
                                        .tol = -1,
                                        .tol_relative = -1};
            report[i] = (fg_fit_report){.struct_size = sizeof report[i],
                                        .history = history[i],
                                        .history_capacity = STEPS + 1};
            expect_ok(fg_gmm_fit(i ? gpu : cpu, p.src, &opt, &gmm, &report[i]));
            fg_gmm_destroy(gmm);
        }
        assert_memory_equal(history[1], history[2], sizeof history[1]);
        assert_int_equal(report[0].history_count, report[1].history_count);
        for (int t = 0; t < report[0].history_count; t++) {
            const double bound = (t + 1) * value_bound(&p, history[0][t]);
            if (!close_to(history[0][t], history[1][t], bound))
                fail_msg("step %d: %.17g and %.17g, bound %g", t, history[0][t], history[1][t],
                         bound);
        }
        free_problem(&p);
    }
}

static void test_places(void **state)
{
    (void)state;
    fg_device device = {.struct_size = sizeof device};
    expect_ok(fg_device_get(0, &device));
    assert_int_equal(device.backend, FG_BACKEND_CPU);
    assert_true(device.bytes_total >= device.bytes_free);
    expect_failure(fg_device_get(-1, &device), FG_ARGUMENT, "-1", NULL);
    expect_failure(fg_device_get(fg_device_count(), &device), FG_ARGUMENT, "numbered", NULL);
    expect_failure(fg_device_get(0, NULL), FG_ARGUMENT, "device", NULL);
    for (int32_t i = 1; i < fg_device_count(); i++) {
        expect_ok(fg_device_get(i, &device));
        assert_int_equal(device.backend, FG_BACKEND_CUDA);
        assert_int_equal(device.index, i - 1);
    }
}

static void test_no_such_device(void **state)
{
    (void)state;
    fg_context *ctx = NULL;
    fg_context_options o = {.struct_size = sizeof o, .backend = FG_BACKEND_CUDA, .device = 99};
    expect_failure(fg_context_create(&o, &ctx), FG_DEVICE, "CUDA", NULL);
    assert_null(ctx);
    o.device = -1;
    expect_failure(fg_context_create(&o, &ctx), FG_ARGUMENT, "-1", NULL);
    o = (fg_context_options){.struct_size = sizeof o, .precision = 2};
    expect_failure(fg_context_create(&o, &ctx), FG_ARGUMENT, "precision", NULL);
    o = (fg_context_options){.struct_size = sizeof o, .backend = FG_BACKEND_AUTO, .device = 99};
    expect_ok(fg_context_create(&o, &ctx)); /* AUTO falls back */
    fg_context_info info = {.struct_size = sizeof info};
    expect_ok(fg_context_get_info(ctx, &info));
    assert_int_equal(info.backend, FG_BACKEND_CPU);
    fg_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),           cmocka_unit_test(test_no_such_device),
        cmocka_unit_test(test_statistics_alone), cmocka_unit_test(test_best_and_statistics),
        cmocka_unit_test(test_rows_alone),       cmocka_unit_test(test_top_above_tau),
        cmocka_unit_test(test_every_rank),       cmocka_unit_test(test_held_rows),
        cmocka_unit_test(test_pieces),           cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests_name("backend", tests, open_contexts, close_contexts);
}
