/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend.c - every operation of a pass on the CPU and on a CUDA device, over one list of cases, within bounds
 * derived from the arithmetic; the same bits twice; and what happens where there is no device. */
#include "scratch.h"

#include "half.h"
#include "pass.h"
#include "random.h"
#include "source.h"

#include <math.h> /* fabs */

static const double unit = 0x1p-24;

/* ---------------------------------------------------------------------------------------- cases */

typedef struct pass_case {
    int64_t n;
    int32_t k, d;
    fg_dtype dtype;
    double spread; /* of the means, in standard deviations */
    bool normalize;
    int32_t gap; /* elements between rows */
} pass_case;

static const pass_case cases[] = {
    {1, 1, 1, FG_F32, 4, false, 0},
    {127, 3, 2, FG_F32, 4, false, 1},
    {129, 65, 31, FG_F64, 4, false, 3},
    {200, 150, 260, FG_F32, 3, true, 0},
    {1000, 1000, 2, FG_F32, 20, false, 0}, /* dense: most components matter */
    {20000, 100, 3, FG_F32, 0.5, false, 0},
    {100003, 64, 31, FG_F16, 4, false, 0},
    {20000, 1000, 100, FG_F32, 3, false, 5},
    {100003, 1025, 128, FG_F32, 3, false, 0},
    {20000, 1025, 128, FG_F32, 100, false, 0}, /* far from the centre: screening gives much away */
    {20000, 300, 128, FG_U8, 1, false, 0},
    {20000, 300, 128, FG_I8, 1, false, 7},
    {5000, 129, 129, FG_BF16, 3, false, 0},
    {5000, 257, 100, FG_F32, 3, true, 0},
    {3001, 257, 768, FG_F32, 3, false, 0},
    {400, 5, 4096, FG_F16, 2, false, 0},
    {300, 9000, 17, FG_F32, 4, false, 0},
    {129, 65536, 2, FG_F32, 30, false, 0},
};

enum {
    MEANS = 1,
    NOISE = 2,
    WEIGHTS = 3,
    VARIANCES = 4,
    CASE_COUNT = sizeof cases / sizeof *cases
};

typedef struct problem {
    const pass_case *how;
    fgi_params params;
    void *rows;
    fg_source *src;
    fgi_kind kind;
    double largest_offset, least_variance; /* of components that live; centroids: 0, 1 */
} problem;

static double noise_at(const pass_case *c, int32_t stream, int64_t row, int32_t i)
{
    return 2 * fgi_random_uniform(5, (uint64_t)stream, (uint64_t)(row * c->d + i)) - 1;
}

static double mean_at(const pass_case *c, int64_t j, int32_t i)
{
    return c->spread * sqrt(3) * noise_at(c, MEANS, j, i);
}

static void put(void *rows, int64_t at, fg_dtype dtype, double value)
{
    switch (dtype) {
    case FG_F32: ((float *)rows)[at] = (float)value; break;
    case FG_F64: ((double *)rows)[at] = value; break;
    case FG_F16: ((uint16_t *)rows)[at] = fgi_f16_of_f32((float)value); break;
    case FG_BF16: ((uint16_t *)rows)[at] = fgi_bf16_of_f32((float)value); break;
    case FG_U8:
        ((uint8_t *)rows)[at] = (uint8_t)fmin(255, fmax(0, nearbyint(100 + 20 * value)));
        break;
    default: ((int8_t *)rows)[at] = (int8_t)fmin(127, fmax(-128, nearbyint(20 * value)));
    }
}

/* What one standard deviation is, and 0, in the units of the rows. */
static double scale_of(const pass_case *c)
{
    if (c->normalize) return 1.0 / sqrt((double)c->d * (1.0 + c->spread * c->spread));
    return c->dtype == FG_U8 || c->dtype == FG_I8 ? 20.0 : 1.0;
}

static void make_params(problem *p)
{
    const pass_case *c = p->how;
    const double scale = scale_of(c), origin = c->dtype == FG_U8 && !c->normalize ? 100.0 : 0.0;
    const int32_t cols = fgi_variance_cols(p->kind, c->d);
    expect_ok(fgi_params_create(NULL, p->kind, c->k, c->d, &p->params));
    p->params.normalize = c->normalize;
    for (int32_t i = 0; i < c->d; i++)
        p->params.center[i] = (float)(origin + 0.25 * scale * (i % 3));
    double total = 0.0;
    for (int32_t j = 0; j < c->k; j++) total += fgi_random_uniform(5, WEIGHTS, (uint64_t)j) + 0.1;
    for (int32_t j = 0; j < c->k; j++) {
        const double w = (fgi_random_uniform(5, WEIGHTS, (uint64_t)j) + 0.1) / total;
        p->params.log_weights[j] = j % 50 == 7 ? -INFINITY : log(w); /* some are dead */
        for (int32_t i = 0; i < c->d; i++)
            p->params.means[(int64_t)j * c->d + i] =
                origin + scale * mean_at(c, j, i) - p->params.center[i];
        for (int32_t i = 0; i < cols; i++) {
            const uint64_t at = (uint64_t)((int64_t)j * cols + i);
            p->params.variances[at] = scale * scale * (0.5 + fgi_random_uniform(5, VARIANCES, at));
        }
    }
}

static void find_extremes(problem *p)
{
    const fgi_params *m = &p->params;
    const int32_t cols = fgi_variance_cols(p->kind, m->d);
    p->least_variance = 1.0;
    for (int32_t j = 0; j < m->k && cols; j++) {
        double volume = 0.0;
        for (int32_t i = 0; i < cols; i++) {
            const double v = m->variances[(int64_t)j * cols + i];
            volume += 0.5 * log(6.283185307179586 * v) * (m->d / cols);
            p->least_variance = fmin(p->least_variance, v);
        }
        if (isfinite(m->log_weights[j]))
            p->largest_offset = fmax(p->largest_offset, fabs(m->log_weights[j] - volume));
    }
}

static void make_problem(const pass_case *c, fgi_kind kind, problem *p)
{
    *p = (problem){.how = c, .kind = kind};
    const int64_t stride = c->d + c->gap;
    p->rows = calloc((size_t)(c->n * stride), fg_dtype_bytes(c->dtype));
    assert_non_null(p->rows);
    for (int64_t r = 0; r < c->n; r++)
        for (int32_t i = 0; i < c->d; i++) {
            const double noise = sqrt(3) * noise_at(c, NOISE, r, i);
            put(p->rows, r * stride + i, c->dtype, mean_at(c, r % c->k, i) + noise);
        }
    if (c->n > 1000 && (c->dtype == FG_F32 || c->dtype == FG_F64)) { /* two rows that are no rows */
        put(p->rows, 777 * stride, c->dtype, NAN);
        put(p->rows, 778 * stride + c->d - 1, c->dtype, INFINITY);
    }
    const fg_view view = {.data = p->rows,
                          .rows = c->n,
                          .cols = c->d,
                          .row_stride = stride,
                          .dtype = (int16_t)c->dtype};
    expect_ok(fgi_source_memory(&view, NULL, &p->src));
    make_params(p);
    find_extremes(p);
}

static void free_problem(problem *p)
{
    fg_source_destroy(p->src);
    fgi_params_destroy(&p->params);
    free(p->rows);
}

/* ---------------------------------------------------------------------------------------- outcomes */

typedef struct outcome {
    fgi_stats stats;
    int32_t top;
    int32_t *components;
    float *values;
    double *log_density;
} outcome;

static fg_status keep_rows(void *user, const fg_view *chunk, int64_t first,
                           const fgi_row_results *results)
{
    outcome *out = user;
    const size_t top = (size_t)out->top, rows = (size_t)chunk->rows, at = (size_t)first;
    if (top) {
        memcpy(out->components + at * top, results->components, rows * top * sizeof(int32_t));
        memcpy(out->values + at * top, results->values, rows * top * sizeof(float));
    }
    if (results->log_density)
        memcpy(out->log_density + at, results->log_density, rows * sizeof(double));
    return FG_OK;
}

static void run(fg_context *ctx, const problem *p, const fgi_row_request *want, fgi_kind stats_kind,
                outcome *out)
{
    const pass_case *c = p->how;
    *out = (outcome){.top = want->top};
    const size_t rows = (size_t)c->n, cells = rows * (size_t)(want->top ? want->top : 1);
    out->components = calloc(cells, sizeof(int32_t));
    out->values = calloc(cells, sizeof(float));
    out->log_density = calloc(rows, sizeof(double));
    expect_ok(fgi_stats_create(NULL, stats_kind, c->k, c->d, &out->stats));
    const fgi_pass pass = {
        .params = &p->params,
        .rows = *want,
        .stats = &out->stats,
        .consume = keep_rows,
        .user = out,
        .bad_rows = FG_BAD_ROWS_SKIP,
    };
    expect_ok(fgi_pass_run(ctx, p->src, &pass, false));
}

static void free_outcome(outcome *o)
{
    fgi_stats_destroy(&o->stats);
    free(o->components);
    free(o->values);
    free(o->log_density);
}

static size_t stats_bytes(const fgi_stats *s)
{
    const size_t k = (size_t)s->k, d = (size_t)s->d;
    return k * (1 + d + (s->kind == FGI_DIAGONAL ? d : 1)) * sizeof(double);
}

static void expect_same_bits(const problem *p, const outcome *a, const outcome *b)
{
    const size_t rows = (size_t)p->how->n, cells = rows * (size_t)a->top;
    assert_memory_equal(a->stats.mass, b->stats.mass, stats_bytes(&a->stats));
    assert_memory_equal(&a->stats.objective, &b->stats.objective, sizeof(double));
    assert_memory_equal(a->log_density, b->log_density, rows * sizeof(double));
    if (cells) assert_memory_equal(a->components, b->components, cells * sizeof(int32_t));
    if (cells) assert_memory_equal(a->values, b->values, cells * sizeof(float));
}

/* ---------------------------------------------------------------------------------------- bounds */

/* How far two f32-grade values of a row may lie apart, in nats or squared distance: each sums d terms of equal sign in an
 * order of its own, so each is off by less than (d / 16 + 8) units of the largest distance that matters; that is bounded by
 * the density and the largest offset. Normalised rows may differ by a unit of each coordinate. */
static double value_bound(const problem *p, double density)
{
    const int32_t d = p->how->d;
    const double size = fabs(density) + p->largest_offset + 26 + log(p->how->k);
    return 2 * (d / 16.0 + 8) * unit * size +
           (p->how->normalize ? 8 * unit / p->least_variance : 0);
}

static bool close_to(double a, double b, double bound)
{
    return a == b || fabs(a - b) <= bound || (isnan(a) && isnan(b));
}

static void compare_row(const problem *p, const outcome *cpu, const outcome *gpu, int64_t r,
                        int64_t *flips)
{
    const int32_t top = cpu->top;
    const bool hard = p->kind == FGI_HARD;
    const double density = cpu->log_density[r], bound = value_bound(p, density);
    if (!close_to(density, gpu->log_density[r], bound))
        fail_msg("row %lld: log-density %.17g and %.17g, bound %g", (long long)r, density,
                 gpu->log_density[r], bound);
    for (int32_t i = 0; i < top; i++) {
        const int64_t at = r * top + i;
        const double a = cpu->values[at], b = gpu->values[at];
        const double allowed = hard ? value_bound(p, a) : 3 * bound;
        if (!close_to(a, b, allowed))
            fail_msg("row %lld, rank %d: value %.9g and %.9g, bound %g", (long long)r, i, a, b,
                     allowed);
        if (cpu->components[at] == gpu->components[at]) continue;
        if (cpu->components[at] < 0 || gpu->components[at] < 0) { /* one stopped at tau, or at 0 */
            assert_true(fmax(a, b) <= 3 * bound + 0x1p-20);
            continue;
        }
        /* another of equal worth: the one the CPU has there must stand beside it, or beyond the last */
        bool near = i == top - 1;
        for (int32_t q = 0; q < top; q++)
            if (gpu->components[r * top + q] == cpu->components[at])
                near = close_to(gpu->values[r * top + q], a, 2 * allowed);
        if (!near)
            fail_msg("row %lld, rank %d: components %d and %d", (long long)r, i,
                     cpu->components[at], gpu->components[at]);
        if (i == 0) ++*flips;
    }
}

static void compare_stats(const problem *p, const outcome *cpu, const outcome *gpu, double bound,
                          double flips)
{
    const fgi_stats *a = &cpu->stats, *b = &gpu->stats;
    const int32_t d = a->d, cols = a->kind == FGI_DIAGONAL ? d : 1;
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->rows_skipped, b->rows_skipped);
    assert_int_equal(a->first_bad_row, b->first_bad_row);
    assert_true(close_to(a->objective, b->objective, bound * (double)a->rows));
    /* responsibilities differ by a factor of at most e^(2 bound); what is dropped is below 2^-26 of a row */
    const double share = p->kind == FGI_HARD ? 0.0 : 2.1 * bound, tiny = 0x1p-24 * (double)a->rows;
    double longest = 0.0;
    for (int64_t r = 0; flips > 0 && r < p->how->n; r++)
        if (isfinite(cpu->log_density[r])) longest = fmax(longest, fabs(cpu->log_density[r]));
    for (int32_t j = 0; j < a->k; j++) {
        double square = 0.0;
        for (int32_t i = 0; i < cols; i++) {
            const int64_t at = (int64_t)j * cols + i;
            square += a->square[at];
            const double allowed = (share + (d / 8.0 + 16) * unit) * a->square[at] +
                                   flips * longest + tiny * (1 + a->square[at]) + 1e-30;
            if (!close_to(a->square[at], b->square[at], allowed))
                fail_msg("square of %d, %d: %.17g and %.17g, bound %g", j, i, a->square[at],
                         b->square[at], allowed);
        }
        if (!close_to(a->mass[j], b->mass[j], share * a->mass[j] + flips + tiny))
            fail_msg("mass of %d: %.17g and %.17g", j, a->mass[j], b->mass[j]);
        const double reach = sqrt(a->mass[j] * square) + flips * sqrt(longest);
        for (int32_t i = 0; i < d; i++) {
            const int64_t at = (int64_t)j * d + i;
            if (!close_to(a->shift[at], b->shift[at],
                          (share + 8 * unit) * reach + flips * sqrt(longest) + tiny * (1 + reach)))
                fail_msg("shift of %d, %d: %.17g and %.17g", j, i, a->shift[at], b->shift[at]);
        }
    }
}

static void compare(const problem *p, const outcome *cpu, const outcome *gpu)
{
    int64_t flips = 0;
    double bound = 0.0;
    for (int64_t r = 0; r < p->how->n; r++) {
        compare_row(p, cpu, gpu, r, &flips);
        if (isfinite(cpu->log_density[r])) bound = fmax(bound, value_bound(p, cpu->log_density[r]));
    }
    compare_stats(p, cpu, gpu, bound, p->kind == FGI_HARD ? (double)flips : 0.0);
}

/* ---------------------------------------------------------------------------------------- contexts */

static fg_context *cpu, *gpu; /* gpu: NULL where there is no device */

static int open_contexts(void **state)
{
    (void)state;
    const fg_context_options on_cpu = {.struct_size = sizeof on_cpu, .backend = FG_BACKEND_CPU};
    const fg_context_options on_gpu = {.struct_size = sizeof on_gpu, .backend = FG_BACKEND_CUDA};
    expect_ok(fg_context_create(&on_cpu, &cpu));
    if (fg_device_count() > 1) {
        expect_ok(fg_context_create(&on_gpu, &gpu));
    } else {
        printf("no CUDA device: GPU tests skipped\n");
    }
    return 0;
}

static int close_contexts(void **state)
{
    (void)state;
    fg_context_destroy(cpu);
    fg_context_destroy(gpu);
    return 0;
}

static void need_gpu(void)
{
    if (!gpu) skip();
}

/* ---------------------------------------------------------------------------------------- tests */

static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};

static bool is_small(const pass_case *c)
{
    return c->n * c->k < 40000;
}

/* Under a checker of memory, which is slow. */
static bool is_quick(void)
{
    return getenv("FLASHGMM_TEST_QUICK") != NULL;
}

static void each_case(void (*check)(const problem *p))
{
    need_gpu();
    for (size_t i = 0; i < CASE_COUNT; i++)
        for (size_t q = 0; q < 3; q++) {
            if (is_quick() && !is_small(&cases[i])) continue;
            problem p;
            make_problem(&cases[i], kinds[q], &p);
            print_message("n %lld, k %d, d %d, %s, kind %d\n", (long long)cases[i].n, cases[i].k,
                          cases[i].d, fg_dtype_text(cases[i].dtype), (int)kinds[q]);
            check(&p);
            free_problem(&p);
        }
}

static void check_request(const problem *p, const fgi_row_request *want, fgi_kind stats_kind)
{
    outcome a, b, again;
    run(cpu, p, want, stats_kind, &a);
    run(gpu, p, want, stats_kind, &b);
    run(gpu, p, want, stats_kind, &again);
    expect_same_bits(p, &b, &again);
    compare(p, &a, &b);
    free_outcome(&a);
    free_outcome(&b);
    free_outcome(&again);
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

static void test_best_and_statistics(void **state)
{
    (void)state;
    each_case(check_best);
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
    make_problem(is_quick() ? &cases[3] : &cases[7], FGI_SPHERICAL, &p);
    const fgi_row_request want = {.top = 1, .log_density = true};
    outcome streamed, held;
    run(gpu, &p, &want, p.kind, &streamed);
    const fgi_hold all = {
        .source = p.src, .rows = p.src->rows, .cols = p.src->cols, .dtype = p.src->dtype};
    gpu->backend->ops->hold(gpu->backend, &all);
    for (int pass = 0; pass < 2; pass++) {
        run(gpu, &p, &want, p.kind, &held);
        expect_same_bits(&p, &streamed, &held);
        free_outcome(&held);
    }
    gpu->backend->ops->release(gpu->backend);
    free_outcome(&streamed);
    free_problem(&p);
}

/* A whole fit from given means: log-likelihoods of every step within the bound of a row, once a step. */
static void test_fit(void **state)
{
    (void)state;
    need_gpu();
    for (int32_t covariance = FG_COV_DIAG; covariance <= FG_COV_SPHERICAL; covariance++) {
        enum { STEPS = 8 };
        problem p;
        make_problem(is_quick() ? &cases[2] : &cases[6],
                     covariance == FG_COV_DIAG ? FGI_DIAGONAL : FGI_SPHERICAL, &p);
        double history[2][STEPS + 1];
        fg_fit_report report[2];
        for (int i = 0; i < 2; i++) {
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
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_no_such_device),
        cmocka_unit_test(test_best_and_statistics),
        cmocka_unit_test(test_top_above_tau),
        cmocka_unit_test(test_every_rank),
        cmocka_unit_test(test_held_rows),
        cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests_name("backend", tests, open_contexts, close_contexts);
}
