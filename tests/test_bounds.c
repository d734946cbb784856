/* SPDX-License-Identifier: Apache-2.0 */
/* test_bounds.c - passes of Lloyd's over rows that are held, which leave out what bounds prove too far away: the same bits as
 * passes over rows that are not, and less work. Knows passes, Lloyd and the ledger; every instruction set this CPU has. */
#include "mixtures.h"
#include "stream.h"

#include "context.h"
#include "fault.h"
#include "half.h"
#include "lloyd.h"
#include "random.h"
#include "source.h"

#include <math.h> /* INFINITY, NAN */

/* On tiles of bf16 bounds begin with more centroids. */
enum { FEW = 530, MANY = 4109 };

typedef struct shape {
    int64_t n;
    int32_t k, d;
    fg_dtype dtype;
    bool normalize;
    int spoiled; /* 1: some rows cannot be used; 2: and one is so long that screens say nothing */
    int32_t threads;
} shape;

typedef struct world {
    const shape *of;
    void *rows;
    fg_source *src;
    fg_context *plain, *held;
    size_t bytes; /* that the context needs for itself */
    fgi_params params;
} world;

/* ------------------------------------------------------------------------------------------ rows */

static void put(void *rows, int64_t at, fg_dtype dtype, float value)
{
    switch (dtype) {
    case FG_F32: ((float *)rows)[at] = value; break;
    case FG_F64: ((double *)rows)[at] = (double)value * (1.0 + 0x1p-40); break;
    case FG_F16: ((uint16_t *)rows)[at] = fgi_f16_of_f32(value); break;
    case FG_U8: ((uint8_t *)rows)[at] = (uint8_t)(128 + 8 * value); break;
    default: ((int8_t *)rows)[at] = (int8_t)(8 * value);
    }
}

/* Rows about as many places as there are centroids; some stand twice. */
static void *make_rows(const shape *of)
{
    float *x =
        blob_rows(&(blobs){.n = of->n, .d = of->d, .blobs = of->k, .spread = 3.0, .seed = 9});
    void *rows = calloc((size_t)(of->n * of->d), fg_dtype_bytes(of->dtype));
    for (int64_t n = 0; n < of->n; n++)
        for (int32_t i = 0; i < of->d; i++)
            put(rows, n * of->d + i, of->dtype, x[(n % 7 == 6 ? n - 3 : n) * of->d + i]);
    if (of->spoiled) {
        put(rows, 77 * of->d, of->dtype, NAN);
        put(rows, 500 * of->d + 3, of->dtype, INFINITY);
    }
    if (of->spoiled == 2) put(rows, (of->n - 5) * of->d + 1, of->dtype, 1.5e19f);
    free(x);
    return rows;
}

/* ------------------------------------------------------------------------------------ centroids */

/* Rows as centroids: others for each draw. */
static void place_at_rows(world *w, int64_t draw)
{
    fgi_params *p = &w->params;
    float *row = malloc((size_t)p->d * sizeof *row);
    for (int32_t j = 0; j < p->k; j++) {
        const int64_t n = (j * (w->of->n / p->k) + 31 * draw + 100) % w->of->n;
        const fg_out out = out_of(row, 1, p->d, FG_F32);
        expect_ok(fgi_source_read(w->src, n == 77 ? 78 : n, &out));
        double length2 = 0.0;
        for (int32_t i = 0; i < p->d; i++) length2 += (double)row[i] * row[i];
        const double scale = p->normalize ? 1.0 / sqrt(length2) : 1.0;
        for (int32_t i = 0; i < p->d; i++) {
            const double value = scale * row[i] - p->center[i];
            p->means[(int64_t)j * p->d + i] = fabs(value) < 1e6 ? value : 0.0;
        }
    }
    free(row);
}

static bool open_world(const shape *of, const char *isa, world *w)
{
    *w = (world){.of = of, .plain = context_of(isa, 1), .held = context_of(isa, of->threads)};
    if (!w->plain) return false;
    w->bytes = w->held->ledger.now_bytes;
    w->rows = make_rows(of);
    w->src = source_of(w->rows, of->n, of->d, of->dtype);
    expect_ok(fgi_params_create(NULL, FGI_HARD, of->k, of->d, &w->params));
    w->params.normalize = of->normalize;
    for (int32_t i = 0; i < of->d; i++) w->params.center[i] = of->dtype == FG_U8 ? 128.0f : 0.125f;
    place_at_rows(w, 0);
    return true;
}

static void close_world(world *w)
{
    fgi_params_destroy(&w->params);
    fg_source_destroy(w->src);
    free(w->rows);
    fg_context_destroy(w->plain);
    fg_context_destroy(w->held);
}

static void hold(const world *w, fg_source *src)
{
    const fgi_hold all = {.source = src, .rows = w->of->n, .cols = w->of->d, .dtype = w->of->dtype};
    w->held->backend->ops->hold(w->held->backend, &all);
}

static void let_go(const world *w)
{
    w->held->backend->ops->release(w->held->backend);
    assert_int_equal(w->held->ledger.now_bytes, w->bytes);
}

/* ---------------------------------------------------------------------------------------- passes */

static void expect_same(const fgi_stats *a, const fgi_stats *b)
{
    const int64_t doubles = fgi_stats_doubles(a->kind, a->k, a->d);
    assert_memory_equal(a->mass, b->mass, (size_t)doubles * sizeof *a->mass);
    assert_memory_equal(&a->objective, &b->objective, sizeof a->objective);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->rows_skipped, b->rows_skipped);
    assert_int_equal(a->first_bad_row, b->first_bad_row);
    assert_int_equal(a->survivors, b->survivors);
}

static void pass_over(fg_context *ctx, fg_source *src, const fgi_params *p, fgi_stats *stats)
{
    const fgi_pass pass = {.params = p, .stats = stats, .bad_rows = FG_BAD_ROWS_SKIP};
    expect_ok(fgi_pass_run(ctx, src, &pass, false));
}

/* Both ways with the centroids as they are, which then move to the means of their rows. Gives the share of the products that
 * bounds have left to do back. */
static double step(world *w, fg_source *held_rows, fgi_kind kind)
{
    fgi_stats a, b;
    expect_ok(fgi_stats_create(NULL, kind, w->params.k, w->params.d, &a));
    expect_ok(fgi_stats_create(NULL, kind, w->params.k, w->params.d, &b));
    pass_over(w->plain, w->src, &w->params, &a);
    pass_over(w->held, held_rows, &w->params, &b);
    expect_same(&a, &b);
    const double share = (double)b.screened / (double)a.screened;
    fgi_update_centroids(&w->params, &a, FGI_TO_MEAN);
    fgi_stats_destroy(&a);
    fgi_stats_destroy(&b);
    return share;
}

/* Whatever may happen to centroids between passes. */
static void walk(world *w, fg_source *held_rows)
{
    fgi_params *p = &w->params;
    /* beside rows that cannot be screened none is left out */
    const double most = w->of->spoiled == 0 ? 0.6 : w->of->spoiled == 1 ? 0.8 : 1.0;
    hold(w, held_rows);
    assert_true(step(w, held_rows, FGI_HARD) == 1.0); /* no labels yet */
    assert_true(step(w, held_rows, FGI_DIAGONAL) <= 1.01);
    for (int i = 0; i < 3; i++) step(w, held_rows, FGI_HARD);
    assert_true(step(w, held_rows, FGI_SPHERICAL) <= most);
    for (int32_t i = 0; i < p->d; i++) { /* one moves far, others to where some are already */
        p->means[7 * p->d + i] = 9.0;
        for (int32_t j = 20; j < 36; j++) {
            const int32_t low = j, high = j + 300;
            const int32_t to = j % 2 ? low : high, from = j % 2 ? high : low;
            p->means[to * p->d + i] = p->means[from * p->d + i];
        }
    }
    for (int i = 0; i < 4; i++) step(w, held_rows, FGI_HARD);
    p->log_weights[20] = -INFINITY;
    assert_true(step(w, held_rows, FGI_HARD) == 1.0);
    p->log_weights[20] = 0.0;
    assert_true(step(w, held_rows, FGI_HARD) <= most + 0.1);
    place_at_rows(w, 1); /* another start */
    for (int i = 0; i < 4; i++) step(w, held_rows, FGI_HARD);
    assert_true(step(w, held_rows, FGI_HARD) <= most + 0.1);
    p->center[0] += 0.5f; /* rows are others now */
    assert_true(step(w, held_rows, FGI_HARD) == 1.0);
    for (int i = 0; i < 2; i++) step(w, held_rows, FGI_HARD);
    let_go(w);
    assert_true(step(w, held_rows, FGI_HARD) == 1.0);
}

static void bounds_change_no_bit(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {3000, FEW, 33, FG_F32, false, 0, 1}, {3000, 544, 32, FG_F64, true, 0, 2},
        {3000, FEW, 40, FG_F16, false, 0, 2}, {2500, FEW, 47, FG_U8, false, 0, 1},
        {2500, FEW, 32, FG_I8, true, 0, 1},   {3000, FEW, 33, FG_F32, false, 1, 2},
        {3000, FEW, 33, FG_F32, false, 2, 2}, {6000, MANY, 33, FG_F32, false, 0, 2},
        {6000, MANY, 47, FG_U8, false, 0, 1},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (const char *const *isa = every_isa; *isa; isa++) {
            world w;
            const bool amx = strcmp(*isa, "amx") == 0, many = shapes[i].k == MANY;
            if (amx != many || (*isa == every_isa[0] && i % 4)) continue; /* ref is slow */
            if (!open_world(&shapes[i], *isa, &w)) continue;
            walk(&w, w.src);
            close_world(&w);
        }
}

/* Several chunks, in pieces of a stream. */
static void a_stream_may_be_held_too(void **state)
{
    (void)state;
    static const shape streamed = {20000, FEW, 32, FG_F32, false, 0, 2};
    world w;
    if (!open_world(&streamed, "avx2", &w)) return;
    row_stream s = {.rows = view_of(w.rows, w.of->n, w.of->d, w.of->dtype), .most = 137};
    fg_source *src = stream_source(&s, true);
    walk(&w, src);
    fg_source_destroy(src);
    close_world(&w);
}

/* ----------------------------------------------------------------------------------------- Lloyd */

/* Not enough to hold all: less is done, or as much. */
static fg_status iterate(const world *w, fg_context *ctx, fgi_params *centroids, double *history,
                         fgi_lloyd_state *out)
{
    fgi_stats stats;
    const fgi_lloyd how = {.max_iter = 12, .tol = -1.0, .seed = 5};
    FG_TRY(fgi_stats_create(NULL, FGI_HARD, w->params.k, w->params.d, &stats));
    fgi_params_copy(centroids, &w->params);
    *out = (fgi_lloyd_state){.centroids = centroids, .stats = &stats, .history = history};
    const fg_status s = fgi_lloyd_run(ctx, w->src, &how, NULL, out);
    fgi_stats_destroy(&stats);
    return s;
}

typedef struct iterated {
    fgi_params centroids;
    double history[12];
    fgi_lloyd_state state;
} iterated;

static void expect_same_end(const iterated *a, const iterated *b)
{
    const size_t cells = (size_t)a->centroids.k * (size_t)a->centroids.d;
    assert_int_equal(a->state.iterations, b->state.iterations);
    assert_int_equal(a->state.revived, b->state.revived);
    assert_memory_equal(a->history, b->history, (size_t)a->state.iterations * sizeof *a->history);
    assert_memory_equal(a->centroids.means, b->centroids.means, cells * sizeof(double));
}

/* Centroids that stand twice are left without rows, and revived. Whatever allocation fails, the end is the same or there is
 * none. */
static void iterations_end_alike_if_memory_fails(void **state)
{
    (void)state;
    static const shape of = {2000, FEW, 32, FG_F32, false, 0, 1};
    world w;
    iterated plain, held;
    assert_true(open_world(&of, fgi_kernels_pick("avx2") ? "avx2" : NULL, &w));
    for (int32_t i = 0; i < 10 * of.d; i++) w.params.means[100 * of.d + i] = w.params.means[i];
    expect_ok(fgi_params_create(NULL, FGI_HARD, of.k, of.d, &plain.centroids));
    expect_ok(fgi_params_create(NULL, FGI_HARD, of.k, of.d, &held.centroids));
    expect_ok(iterate(&w, w.plain, &plain.centroids, plain.history, &plain.state));
    assert_true(plain.state.revived >= 10);
    bool happened = true;
    int survived = 0;
    for (int64_t n = 1; happened && n < 100; n++) {
        hold(&w, w.src);
        fgi_fault_arm(FGI_FAULT_ALLOC, n);
        const fg_status s = iterate(&w, w.held, &held.centroids, held.history, &held.state);
        happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        let_go(&w);
        if (s == FG_OK)
            expect_same_end(&plain, &held);
        else
            assert_true(happened && s == FG_MEMORY);
        survived += happened && s == FG_OK;
    }
    assert_true(survived >= 6); /* what bounds are kept in is not needed */
    fgi_params_destroy(&plain.centroids);
    fgi_params_destroy(&held.centroids);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_change_no_bit),
        cmocka_unit_test(a_stream_may_be_held_too),
        cmocka_unit_test(iterations_end_alike_if_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
