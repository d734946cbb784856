/* SPDX-License-Identifier: Apache-2.0 */
/* test_progress.c - what a fit tells while it runs, and what stopping it leaves behind. Knows the phases. */
#include "mixtures.h"

#include <math.h>    /* isnan */
#include <pthread.h> /* pthread_self */

enum { N = 10000, D = 2, K = 3, MOST_CALLS = 512 };

static fg_context *ctx;
static fg_source *src;
static float *x;

static int make_rows(void **state)
{
    (void)state;
    ctx = context_of(NULL, 2);
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 5.0});
    src = source_of(x, N, D, FG_F32);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    fg_source_destroy(src);
    fg_context_destroy(ctx);
    free(x);
    return 0;
}

/* ---- a listener that remembers every call, and stops the fit at one of them */

typedef struct listener {
    fg_progress calls[MOST_CALLS];
    int count, stop_at; /* stop_at: the number of the call that says stop, from 1; 0: none */
    pthread_t caller;
} listener;

static int listen(void *user, const fg_progress *now)
{
    listener *l = user;
    assert_true(l->count < MOST_CALLS);
    assert_true(pthread_equal(l->caller, pthread_self()));
    assert_int_equal(now->struct_size, sizeof *now);
    l->calls[l->count++] = *now;
    return l->count == l->stop_at;
}

static listener *listener_new(int stop_at)
{
    listener *l = calloc(1, sizeof *l);
    l->stop_at = stop_at;
    l->caller = pthread_self();
    return l;
}

static bool is_phase(const fg_progress *now, const char *phase)
{
    return strcmp(now->phase, phase) == 0;
}

/* A fit of two restarts, each of two k-means and three EM passes at most. */
static fg_gmm_options gmm_options(listener *l)
{
    return (fg_gmm_options){
        .struct_size = sizeof(fg_gmm_options),
        .k = K,
        .kmeans_iter = 2,
        .max_iter = 2,
        .restarts = 2,
        .tol = -1.0,
        .tol_relative = -1.0,
        .progress = listen,
        .user = l,
    };
}

static fg_kmeans_options kmeans_options(listener *l)
{
    return (fg_kmeans_options){
        .struct_size = sizeof(fg_kmeans_options),
        .k = K,
        .max_iter = 3,
        .restarts = 2,
        .tol = -1.0,
        .progress = listen,
        .user = l,
    };
}

/* ---- what is told */

/* One call against the one before it. */
static void check_order(const fg_progress *before, const fg_progress *now)
{
    assert_true(now->seconds >= before->seconds);
    if (!is_phase(now, before->phase)) return;
    if (now->step < before->step) return; /* another restart */
    assert_in_range(now->step - before->step, 0, 1);
    assert_int_equal(now->steps, before->steps);
    if (is_phase(now, "seeding")) return;
    if (now->step == before->step)
        assert_true(now->rows > before->rows);
    else
        assert_int_equal(before->rows, N); /* a step ends when all rows are done */
}

static void check_call(const fg_progress *now)
{
    const bool seeding = is_phase(now, "seeding"), moments = is_phase(now, "moments");
    if (!seeding) assert_in_range(now->rows, 1, N);
    assert_int_equal(now->rows_total, seeding ? -1 : N);
    if (moments) assert_int_equal(now->steps, 0);
    if (seeding) assert_int_equal(now->steps, K);
    if (is_phase(now, "em")) assert_int_equal(now->steps, 3); /* one pass more than updates */
    if (!moments) assert_in_range(now->step, 1, now->steps);
    /* a pass is told of while it runs: the first knows no objective, the second no change */
    assert_int_equal(isnan(now->objective), moments || seeding || now->step == 1);
    assert_int_equal(isnan(now->change), moments || seeding || now->step <= 2);
}

static void check_phases(const listener *l, const char *const *phases)
{
    const char *last = "";
    int at = 0;
    for (int i = 0; i < l->count; i++) {
        const fg_progress *now = &l->calls[i];
        check_call(now);
        if (i > 0) check_order(&l->calls[i - 1], now);
        if (is_phase(now, last)) continue;
        assert_string_equal(now->phase, phases[at++]);
        last = now->phase;
    }
    assert_null(phases[at]);
}

static void a_mixture_tells_phases_steps_and_rows(void **state)
{
    (void)state;
    static const char *const phases[] = {"moments", "seeding", "k-means", "em",
                                         "seeding", "k-means", "em",      NULL};
    listener *l = listener_new(0);
    fitted f;
    fit(ctx, src, gmm_options(l), &f);
    check_phases(l, phases);
    fitted_free(&f);
    free(l);
}

static void the_objective_is_that_of_the_pass_before(void **state)
{
    (void)state;
    listener *l = listener_new(0);
    fg_gmm_options opt = gmm_options(l);
    opt.restarts = 1;
    opt.max_iter = 4;
    fitted f;
    fit(ctx, src, opt, &f);
    assert_int_equal(f.report.history_count, 5);
    for (int i = 0; i < l->count; i++) {
        const fg_progress *now = &l->calls[i];
        if (!is_phase(now, "em") || now->step < 3) continue;
        assert_true(now->objective == f.history[now->step - 2]);
        assert_true(now->change == f.history[now->step - 2] - f.history[now->step - 3]);
    }
    fitted_free(&f);
    free(l);
}

/* A stream that did not say how many rows it has, which are more than a chunk: the first pass finds out. */
enum { STREAM_ROWS = 8 * N };

static fg_status stream_rewind(void *user)
{
    *(int64_t *)user = 0;
    return FG_OK;
}

static fg_status stream_next(void *user, int64_t want, fg_view *chunk)
{
    int64_t *at = user;
    const int64_t from = *at % N, left = *at < STREAM_ROWS ? N - from : 0;
    const int64_t rows = want < left ? want : left;
    *chunk = view_of(x + from * D, rows, D, FG_F32);
    *at += rows;
    return FG_OK;
}

static void rows_of_a_stream_are_unknown_at_first(void **state)
{
    (void)state;
    int64_t at = 0;
    const fg_reader reader = {
        .struct_size = sizeof reader,
        .rows = -1,
        .cols = D,
        .dtype = FG_F32,
        .user = &at,
        .rewind = stream_rewind,
        .next = stream_next,
    };
    fg_source *stream;
    expect_ok(fg_source_reader(&reader, &stream));
    listener *l = listener_new(0);
    fitted f;
    fit(ctx, stream, gmm_options(l), &f);
    assert_int_equal(l->calls[0].rows_total, -1);
    for (int i = 0; i < l->count; i++)
        if (is_phase(&l->calls[i], "em")) assert_int_equal(l->calls[i].rows_total, STREAM_ROWS);
    fitted_free(&f);
    free(l);
    fg_source_destroy(stream);
}

static void kmeans_tells_phases_steps_and_rows(void **state)
{
    (void)state;
    static const char *const phases[] = {"moments", "seeding", "k-means",
                                         "seeding", "k-means", NULL};
    float centroids[K * D];
    const fg_out out = out_of(centroids, K, D, FG_F32);
    listener *l = listener_new(0);
    const fg_kmeans_options opt = kmeans_options(l);
    expect_ok(fg_kmeans_fit(ctx, src, &opt, &out, NULL));
    check_phases(l, phases);
    free(l);
}

/* ---- stopping */

/* Calls before the first k-means pass: stopped there, a fit has nothing to hand back. */
static int calls_before_a_model(const listener *l)
{
    int calls = 0;
    while (calls < l->count && !is_phase(&l->calls[calls], "k-means")) calls++;
    return calls;
}

static void check_model(const fg_gmm *gmm, const fg_fit_report *report)
{
    fg_gmm_info info = {.struct_size = sizeof info};
    double score;
    expect_ok(fg_gmm_get_info(gmm, &info));
    assert_int_equal(info.stop_reason, report->stop_reason);
    assert_int_equal(info.iterations, report->iterations);
    assert_int_equal(report->history_count, report->iterations + 1);
    assert_true(report->objective == report->history[report->iterations]);
    expect_ok(fg_gmm_score(ctx, gmm, src, NULL, &score));
    assert_true(fabs(score - report->objective) < 1e-12 * fabs(score));
}

/* Stops at the first call, the second, and so on, until there is no call left to stop at. */
static void a_mixture_stopped_anywhere_is_whole_or_nothing(void **state)
{
    (void)state;
    bool more = true;
    int nothing = 0;
    for (int stop_at = 1; more; stop_at++) {
        listener *l = listener_new(stop_at);
        const fg_gmm_options opt = gmm_options(l);
        double history[HISTORY];
        fg_fit_report report = {
            .struct_size = sizeof report, .history = history, .history_capacity = HISTORY};
        fg_gmm *gmm = NULL;
        const fg_status s = fg_gmm_fit(ctx, src, &opt, &gmm, &report);
        const bool stopped = l->count >= stop_at;
        if (stopped && calls_before_a_model(l) == l->count) {
            expect_failure(s, FG_CANCELLED, "stopped by the progress function", NULL);
            assert_null(gmm);
            assert_int_equal(l->count, stop_at); /* at once */
            nothing++;
        } else {
            expect_ok(s);
            assert_int_equal(report.stop_reason, stopped ? FG_STOP_CALLBACK : FG_STOP_MAX_ITER);
            check_model(gmm, &report);
        }
        fg_gmm_destroy(gmm);
        more = stopped;
        if (!stopped) assert_int_equal(nothing, calls_before_a_model(l));
        free(l);
    }
}

static void kmeans_stopped_anywhere_is_whole_or_nothing(void **state)
{
    (void)state;
    bool more = true;
    int nothing = 0;
    for (int stop_at = 1; more; stop_at++) {
        listener *l = listener_new(stop_at);
        const fg_kmeans_options opt = kmeans_options(l);
        float centroids[K * D];
        const fg_out out = out_of(centroids, K, D, FG_F32);
        fg_fit_report report = {.struct_size = sizeof report};
        for (int i = 0; i < K * D; i++) centroids[i] = -77.0f;
        const fg_status s = fg_kmeans_fit(ctx, src, &opt, &out, &report);
        const bool stopped = l->count >= stop_at;
        if (stopped && calls_before_a_model(l) == l->count) {
            expect_failure(s, FG_CANCELLED, "stopped by the progress function", NULL);
            for (int i = 0; i < K * D; i++) assert_true(centroids[i] == -77.0f);
            nothing++;
        } else {
            expect_ok(s);
            assert_int_equal(report.stop_reason, stopped ? FG_STOP_CALLBACK : FG_STOP_MAX_ITER);
            for (int i = 0; i < K * D; i++) assert_true(fabsf(centroids[i]) < 20.0f);
        }
        more = stopped;
        if (!stopped) assert_int_equal(nothing, calls_before_a_model(l));
        free(l);
    }
}

/* Stopped in the k-th pass of EM, a fit ends with that pass. */
static void a_stop_lets_the_pass_finish(void **state)
{
    (void)state;
    listener *l = listener_new(0);
    fg_gmm_options opt = gmm_options(l);
    opt.restarts = 1;
    opt.max_iter = 50;
    fitted f;
    fit(ctx, src, opt, &f);
    int stop_at = 0;
    while (!is_phase(&l->calls[stop_at], "em") || l->calls[stop_at].step < 7) stop_at++;
    fitted_free(&f);
    free(l);
    l = listener_new(stop_at + 1); /* at the first chunk of pass 7 */
    opt.user = l;
    fit(ctx, src, opt, &f);
    assert_int_equal(f.report.iterations, 6);
    assert_int_equal(f.report.stop_reason, FG_STOP_CALLBACK);
    assert_int_equal(l->calls[l->count - 1].step, 7);
    assert_int_equal(l->calls[l->count - 1].rows, N);
    check_model(f.gmm, &f.report);
    fitted_free(&f);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mixture_tells_phases_steps_and_rows),
        cmocka_unit_test(the_objective_is_that_of_the_pass_before),
        cmocka_unit_test(rows_of_a_stream_are_unknown_at_first),
        cmocka_unit_test(kmeans_tells_phases_steps_and_rows),
        cmocka_unit_test(a_mixture_stopped_anywhere_is_whole_or_nothing),
        cmocka_unit_test(kmeans_stopped_anywhere_is_whole_or_nothing),
        cmocka_unit_test(a_stop_lets_the_pass_finish),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
