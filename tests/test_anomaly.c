/* SPDX-License-Identifier: Apache-2.0 */
/* test_anomaly.c - each call again and again, with its first block, thread, read or write failing, then its second, and so
 * on, until there is none left to fail: a clean status, a sentence, nothing handed out, nothing held, and a context that
 * goes on working. Knows faults, and the ledger of a context. */
#include "mixtures.h"

#include "context.h"
#include "fault.h"

enum { N = 300, D = 3, K = 4 };

/* What the calls work with, and where they put their results. */
static struct world {
    fg_context *ctx, *made;
    fg_source *rows, *opened;
    fg_gmm *model, *gmm;
    fg_csr *csr;
    float *x;
    int32_t labels[N * K];
    float shares[N * K];
    float centroids[K * D];
} w;

static int make_world(void **state)
{
    assert_int_equal(scratch_begin(state), 0);
    w.ctx = context_of(NULL, 2);
    w.x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 4.0});
    w.rows = source_of(w.x, N, D, FG_F32);
    fitted f;
    fit(w.ctx, w.rows, (fg_gmm_options){.k = K}, &f);
    w.model = f.gmm;
    expect_ok(fg_gmm_save(w.model, scratch_path("model.fgm")));
    const fg_view view = view_of(w.x, N, D, FG_F32);
    fg_sink *sink;
    expect_ok(fg_sink_file(scratch_path("rows.fvecs"), NULL, D, FG_F32, &sink));
    expect_ok(fg_sink_write(sink, &view));
    expect_ok(fg_sink_close(sink));
    fg_sink_destroy(sink);
    return 0;
}

static int free_world(void **state)
{
    fg_gmm_destroy(w.model);
    fg_source_destroy(w.rows);
    fg_context_destroy(w.ctx);
    free(w.x);
    return scratch_end(state);
}

/* ---- the calls */

static fg_status create_context(void)
{
    const fg_context_options opt = {
        .struct_size = sizeof opt, .backend = FG_BACKEND_CPU, .threads = 3};
    return fg_context_create(&opt, &w.made);
}

static fg_status fit_kmeans_start(void)
{
    const fg_gmm_options opt = {.struct_size = sizeof opt, .k = K, .max_iter = 3, .restarts = 2};
    fg_fit_report report = {.struct_size = sizeof report};
    return fg_gmm_fit(w.ctx, w.rows, &opt, &w.gmm, &report);
}

static fg_status fit_random_start_on_a_sample(void)
{
    const fg_gmm_options opt = {.struct_size = sizeof opt,
                                .k = K,
                                .covariance = FG_COV_SPHERICAL,
                                .init = FG_INIT_RANDOM,
                                .sample_rows = 100,
                                .max_iter = 3};
    return fg_gmm_fit(w.ctx, w.rows, &opt, &w.gmm, NULL);
}

static fg_status fit_centroids(void)
{
    const fg_out out = out_of(w.centroids, K, D, FG_F32);
    const fg_kmeans_options opt = {.struct_size = sizeof opt, .k = K, .max_iter = 3, .restarts = 2};
    return fg_kmeans_fit(w.ctx, w.rows, &opt, &out, NULL);
}

static fg_status assign(void)
{
    const fg_view centroids = view_of(w.x, K, D, FG_F32);
    const fg_out out = out_of(w.labels, N, 2, FG_I32);
    return fg_kmeans_assign(w.ctx, &centroids, w.rows, &out, NULL);
}

static fg_status predict(void)
{
    const fg_out labels = out_of(w.labels, N, 1, FG_I32), shares = out_of(w.shares, N, 1, FG_F32);
    return fg_gmm_predict(w.ctx, w.model, w.rows, &labels, &shares);
}

static fg_status score(void)
{
    double mean;
    return fg_gmm_score(w.ctx, w.model, w.rows, NULL, &mean);
}

static fg_status top(void)
{
    const fg_out components = out_of(w.labels, N, 3, FG_I32);
    return fg_gmm_top(w.ctx, w.model, w.rows, &components, NULL);
}

static fg_status above(void)
{
    return fg_gmm_above(w.ctx, w.model, w.rows, 0.01, &w.csr);
}

static fg_status responsibilities(void)
{
    const fg_out dense = out_of(w.shares, N, K, FG_F32);
    return fg_gmm_responsibilities(w.ctx, w.model, w.rows, &dense);
}

static fg_status from_parameters(void)
{
    static const double weights[] = {1, 3}, means[] = {0, 5}, variances[] = {1, 2};
    const fg_view a = view_of(weights, 2, 1, FG_F64), b = view_of(means, 2, 1, FG_F64),
                  c = view_of(variances, 2, 1, FG_F64);
    return fg_gmm_from(&a, &b, &c, FG_COV_DIAG, &w.gmm);
}

static fg_status draw(void)
{
    const fg_out out = out_of(w.shares, N, D, FG_F32);
    return fg_gmm_sample(w.model, 1, 0, &out, NULL);
}

static fg_status save(void)
{
    return fg_gmm_save(w.model, scratch_path("model.fgm"));
}

static fg_status load(void)
{
    return fg_gmm_load(scratch_path("model.fgm"), 0, &w.gmm);
}

static fg_status load_mapped(void)
{
    return fg_gmm_load(scratch_path("model.fgm"), 1, &w.gmm);
}

static fg_status open_rows(void)
{
    return fg_source_file(scratch_path("rows.fvecs"), NULL, &w.opened);
}

/* ---- the failures */

/* Whether the call handed anything out, which is then released. */
static bool take_back(void)
{
    const bool given = w.made || w.gmm || w.csr || w.opened;
    fg_context_destroy(w.made);
    fg_gmm_destroy(w.gmm);
    fg_csr_destroy(w.csr);
    fg_source_destroy(w.opened);
    w.made = NULL;
    w.gmm = NULL;
    w.csr = NULL;
    w.opened = NULL;
    return given;
}

/* Whether the model file, which save replaces, is whole. */
static void check_model_file(void)
{
    fg_gmm *gmm;
    expect_ok(fg_gmm_load(scratch_path("model.fgm"), 0, &gmm));
    fg_gmm_destroy(gmm);
}

/* Gives how many faults there were to survive back. */
static int64_t survive(fg_status (*call)(void), unsigned kinds)
{
    const size_t held = w.ctx->ledger.now_bytes;
    for (int64_t n = 1;; n++) {
        fgi_fail(FG_OK, "stale");
        fgi_fault_arm(kinds, n);
        const fg_status s = call();
        const bool happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        assert_int_equal(w.ctx->ledger.now_bytes, held);
        check_model_file();
        if (!happened) {
            expect_ok(s);
            take_back();
            return n - 1;
        }
        if (s != FG_MEMORY && s != FG_IO) fail_msg("fault %d: status %d", (int)n, (int)s);
        assert_true(fg_last_error()[0] && strcmp(fg_last_error(), "stale") != 0);
        assert_false(take_back());
        expect_ok(predict()); /* the context is as good as before */
    }
}

/* Every call, and the kinds of fault that it must meet. */
static void every_call_survives_every_fault(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        fg_status (*call)(void);
        unsigned kinds;
    } calls[] = {
        {"create_context", create_context, FGI_FAULT_ALLOC | FGI_FAULT_THREAD},
        {"fit_kmeans_start", fit_kmeans_start, FGI_FAULT_ALLOC},
        {"fit_random_start_on_a_sample", fit_random_start_on_a_sample, FGI_FAULT_ALLOC},
        {"fit_centroids", fit_centroids, FGI_FAULT_ALLOC},
        {"assign", assign, FGI_FAULT_ALLOC},
        {"predict", predict, FGI_FAULT_ALLOC},
        {"score", score, FGI_FAULT_ALLOC},
        {"top", top, FGI_FAULT_ALLOC},
        {"above", above, FGI_FAULT_ALLOC},
        {"responsibilities", responsibilities, FGI_FAULT_ALLOC},
        {"from_parameters", from_parameters, FGI_FAULT_ALLOC},
        {"draw", draw, FGI_FAULT_ALLOC},
        {"save", save, FGI_FAULT_ALLOC | FGI_FAULT_WRITE},
        {"load", load, FGI_FAULT_ALLOC | FGI_FAULT_READ},
        {"load_mapped", load_mapped, FGI_FAULT_ALLOC | FGI_FAULT_READ},
        {"open_rows", open_rows, FGI_FAULT_ALLOC | FGI_FAULT_READ},
    };
    static const unsigned every_kind[] = {FGI_FAULT_ALLOC, FGI_FAULT_READ, FGI_FAULT_WRITE,
                                          FGI_FAULT_THREAD};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int k = 0; k < 4; k++) {
            const int64_t survived = survive(calls[i].call, every_kind[k]);
            if ((survived > 0) != ((calls[i].kinds & every_kind[k]) != 0))
                fail_msg("%s met %d faults of kind %u", calls[i].name, (int)survived,
                         every_kind[k]);
        }
    assert_int_equal(scratch_clear(), 2); /* no temporary file was left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_survives_every_fault),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
