/* SPDX-License-Identifier: Apache-2.0 */
/* test_gmm_file.c - mixtures saved, loaded, mapped, damaged and forged. Knows the sections that docs/format.md lists. */
#include "mixtures.h"

#include "container.h"

#include <math.h> /* NAN */

enum { N = 200, D = 3, K = 4 };

static fg_context *ctx;
static fg_source *src;
static float *x;

static int make_rows(void **state)
{
    ctx = context_of(NULL, 1);
    x = blob_rows(&(blobs){.n = N, .d = D, .blobs = K, .spread = 4.0});
    src = source_of(x, N, D, FG_F32);
    return scratch_begin(state);
}

static int free_rows(void **state)
{
    fg_source_destroy(src);
    fg_context_destroy(ctx);
    free(x);
    return scratch_end(state);
}

static fg_gmm *fitted_model(fg_covariance covariance, int32_t normalize)
{
    fitted f;
    fit(ctx, src, (fg_gmm_options){.k = K, .covariance = covariance, .normalize = normalize}, &f);
    return f.gmm;
}

/* ---- there and back */

static void check_same(const fg_gmm *a, const fg_gmm *b)
{
    fg_gmm_info info_a = {.struct_size = sizeof info_a}, info_b = info_a;
    double density_a[N], density_b[N];
    const fg_out out_a = out_of(density_a, N, 1, FG_F64), out_b = out_of(density_b, N, 1, FG_F64);
    expect_ok(fg_gmm_get_info(a, &info_a));
    expect_ok(fg_gmm_get_info(b, &info_b));
    assert_memory_equal(&info_a, &info_b, sizeof info_a);
    oracle oa = oracle_of(a), ob = oracle_of(b);
    assert_memory_equal(oa.weights, ob.weights, K * sizeof(double));
    assert_memory_equal(oa.means, ob.means, K * D * sizeof(double));
    assert_memory_equal(oa.variances, ob.variances, K * D * sizeof(double));
    int32_t states_a[K], states_b[K];
    states_of(a, states_a);
    states_of(b, states_b);
    assert_memory_equal(states_a, states_b, sizeof states_a);
    expect_ok(fg_gmm_score(ctx, a, src, &out_a, NULL));
    expect_ok(fg_gmm_score(ctx, b, src, &out_b, NULL));
    assert_memory_equal(density_a, density_b, sizeof density_a);
    oracle_free(&oa);
    oracle_free(&ob);
}

static void loaded_and_mapped_are_what_was_saved(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        fg_gmm *gmm = fitted_model(both_kinds[i % 2], i / 2), *loaded, *mapped;
        const char *path = scratch_path("model.fgm"), *kind;
        expect_ok(fg_gmm_save(gmm, path));
        expect_ok(fg_gmm_load(path, 0, &loaded));
        expect_ok(fg_gmm_load(path, 1, &mapped));
        expect_ok(fg_file_kind(path, &kind));
        assert_string_equal(kind, "fgm");
        check_same(loaded, gmm);
        check_same(mapped, gmm);
        fg_gmm_destroy(gmm);
        fg_gmm_destroy(loaded);
        fg_gmm_destroy(mapped);
    }
}

static void a_given_mixture_is_saved_too(void **state)
{
    (void)state;
    oracle o = start_at_rows(x, N, D, K, FG_COV_SPHERICAL);
    o.weights[2] = 0.0;
    fg_gmm *gmm = gmm_of(&o), *loaded;
    const char *path = scratch_path("given.fgm");
    expect_ok(fg_gmm_save(gmm, path));
    expect_ok(fg_gmm_load(path, 0, &loaded));
    check_same(loaded, gmm);
    fg_gmm_destroy(gmm);
    fg_gmm_destroy(loaded);
    oracle_free(&o);
}

/* More components than distinct rows: the dead ones are saved and loaded like the others. */
static void dead_components_are_saved_too(void **state)
{
    (void)state;
    static const float few[] = {0, 0, 0, 1, 1, 1, 5, 5, 5};
    fg_source *three = source_of(few, 9, 1, FG_F32);
    for (int c = 0; c < 2; c++) {
        fitted f;
        fit(ctx, three, (fg_gmm_options){.k = 6, .covariance = both_kinds[c]}, &f);
        fg_gmm *loaded;
        const char *path = scratch_path("dead.fgm");
        assert_int_equal(f.report.dead, 3);
        expect_ok(fg_gmm_save(f.gmm, path));
        expect_ok(fg_gmm_load(path, 0, &loaded));
        fg_gmm_destroy(loaded);
        fitted_free(&f);
    }
    fg_source_destroy(three);
}

/* The old file stays behind the mapping until the mixture goes. */
static void a_mapped_mixture_may_be_saved_over(void **state)
{
    (void)state;
    const char *path = scratch_path("model.fgm");
    fg_gmm *gmm = fitted_model(FG_COV_DIAG, 0), *other = fitted_model(FG_COV_SPHERICAL, 0), *mapped;
    expect_ok(fg_gmm_save(gmm, path));
    expect_ok(fg_gmm_load(path, 1, &mapped));
    expect_ok(fg_gmm_save(mapped, path)); /* itself */
    check_same(mapped, gmm);
    expect_ok(fg_gmm_save(other, path));
    check_same(mapped, gmm);
    fg_gmm *again;
    expect_ok(fg_gmm_load(path, 0, &again));
    check_same(again, other);
    fg_gmm_destroy(gmm);
    fg_gmm_destroy(other);
    fg_gmm_destroy(mapped);
    fg_gmm_destroy(again);
}

static void saved_twice_is_the_same_file(void **state)
{
    (void)state;
    fg_gmm *gmm = fitted_model(FG_COV_DIAG, 0);
    size_t bytes[2];
    unsigned char *data[2];
    for (int i = 0; i < 2; i++) {
        expect_ok(fg_gmm_save(gmm, scratch_path("twice.fgm")));
        data[i] = scratch_read(scratch_path("twice.fgm"), &bytes[i]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(data[0], data[1], bytes[0]);
    free(data[0]);
    free(data[1]);
    fg_gmm_destroy(gmm);
}

/* ---- damage */

static fg_status load_both(const char *path)
{
    fg_gmm *loaded = NULL, *mapped = NULL;
    const fg_status s = fg_gmm_load(path, 0, &loaded), t = fg_gmm_load(path, 1, &mapped);
    assert_int_equal(s, t);
    assert_int_equal(s == FG_OK, loaded != NULL);
    assert_int_equal(t == FG_OK, mapped != NULL);
    fg_gmm_destroy(loaded);
    fg_gmm_destroy(mapped);
    return s;
}

static void every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    fg_gmm *gmm = fitted_model(FG_COV_SPHERICAL, 0);
    size_t bytes;
    expect_ok(fg_gmm_save(gmm, scratch_path("good.fgm")));
    unsigned char *data = scratch_read(scratch_path("good.fgm"), &bytes);
    for (size_t i = 0; i < bytes; i++)
        for (int f = 0; f < 3; f++) {
            data[i] ^= flips[f];
            const char *path = scratch_write("damaged.fgm", data, bytes);
            const fg_status s = load_both(path);
            const bool version = i >= 8 && i < 12 && data[8] != 0;
            if (s != (version ? FG_VERSION : FG_FORMAT)) fail_msg("byte %zu: %d", i, (int)s);
            assert_non_null(strstr(fg_last_error(), path));
            data[i] ^= flips[f];
        }
    free(data);
    fg_gmm_destroy(gmm);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    fg_gmm *gmm = fitted_model(FG_COV_DIAG, 0);
    size_t bytes;
    expect_ok(fg_gmm_save(gmm, scratch_path("good.fgm")));
    unsigned char *data = scratch_read(scratch_path("good.fgm"), &bytes);
    for (size_t length = 0; length < bytes; length++)
        expect_failure(load_both(scratch_write("cut.fgm", data, length)), FG_FORMAT, "cut.fgm",
                       NULL);
    free(data);
    fg_gmm_destroy(gmm);
}

static void what_is_no_mixture_is_said(void **state)
{
    (void)state;
    fg_gmm *gmm;
    expect_failure(load_both(scratch_path("missing.fgm")), FG_IO, "missing.fgm", NULL);
    expect_failure(load_both(scratch_folder), FG_IO, "directory", NULL);
    expect_failure(load_both(scratch_write("text.fgm",
                                           "not a mixture, but long enough to hold a "
                                           "header of sixty-four bytes",
                                           66)),
                   FG_FORMAT, "FGMMODEL", NULL);
    expect_failure(fg_gmm_load(NULL, 0, &gmm), FG_ARGUMENT, "path is NULL", NULL);
    expect_failure(fg_gmm_load("x", 0, NULL), FG_ARGUMENT, "out is NULL", NULL);
    expect_failure(fg_gmm_save(NULL, "x"), FG_ARGUMENT, "gmm is NULL", NULL);
    gmm = fitted_model(FG_COV_DIAG, 0);
    expect_failure(fg_gmm_save(gmm, NULL), FG_ARGUMENT, "path is NULL", NULL);
    expect_failure(fg_gmm_save(gmm, scratch_path("no/such/folder.fgm")), FG_IO, "folder.fgm", NULL);
    fg_gmm_destroy(gmm);
}

/* ---- forgeries: files with right checksums and wrong numbers */

/* Two components in two dimensions, as the sections hold them. */
typedef struct forgery {
    struct {
        int32_t iterations, stop_reason;
        int64_t rows;
        double log_likelihood;
    } meta;
    int32_t states[2];
    uint32_t shape[4]; /* kind, k, d, normalize */
    struct {
        double log_weights[2], means[4], variances[4];
        float center[2];
    } params;
} forgery;

static const forgery honest = {
    .meta = {3, FG_STOP_TOL, 100, -2.5},
    .states = {FG_COMPONENT_OK, FG_COMPONENT_DEAD},
    .shape = {2, 2, 2, 0},
    .params = {{0.0, -INFINITY}, {1, 2, 3, 4}, {1, 1, 0.5, 2}, {10, 20}},
};

static fg_status write_section(fgi_container_writer *w, const char *tag, const void *data,
                               size_t bytes, const char *missing)
{
    if (missing && strcmp(tag, missing) == 0) return FG_OK;
    FG_TRY(fgi_container_begin(w, tag));
    return fgi_container_write(w, data, (int64_t)bytes);
}

/* Writes it, but for one section, and loads it. */
static fg_status load_forgery(const forgery *f, const char *missing, uint32_t version)
{
    const char *path = scratch_path("forged.fgm");
    fgi_container_writer *w;
    FG_TRY(fgi_container_create(path, "FGMMODEL", version, &w));
    fg_status s = write_section(w, "GMET", &f->meta, sizeof f->meta, missing);
    if (s == FG_OK) s = write_section(w, "STAT", f->states, sizeof f->states, missing);
    if (s == FG_OK) s = write_section(w, "PSHP", f->shape, sizeof f->shape, missing);
    if (s == FG_OK) s = write_section(w, "PARM", &f->params, sizeof f->params, missing);
    if (s == FG_OK) s = fgi_container_commit(w);
    fgi_container_abandon(w);
    return s == FG_OK ? load_both(path) : s;
}

static void missing_sections_and_newer_versions_are_named(void **state)
{
    (void)state;
    static const char *const tags[] = {"GMET", "STAT", "PSHP", "PARM"};
    expect_ok(load_forgery(&honest, NULL, 1));
    for (int i = 0; i < 4; i++)
        expect_failure(load_forgery(&honest, tags[i], 1), FG_FORMAT, tags[i], "missing", NULL);
    expect_failure(load_forgery(&honest, NULL, 2), FG_VERSION, "version is 2", "up to 1", NULL);
}

static void numbers_out_of_bounds_are_named(void **state)
{
    (void)state;
    forgery f = honest;
    struct {
        void *place;
        double value; /* as the place's own type */
        char type;    /* i: i32, l: i64, d: f64, f: f32 */
        const char *text;
    } lies[] = {
        {&f.meta.iterations, -1, 'i', "-1 iterations"},
        {&f.meta.rows, -1, 'l', "-1 rows"},
        {&f.meta.stop_reason, 4, 'i', "stop_reason is 4"},
        {&f.states[1], 3, 'i', "component 1 is 3"},
        {&f.states[0], -1, 'i', "component 0 is -1"},
        {&f.shape[0], 3, 'i', "kind is 3"},
        {&f.shape[0], 0, 'i', "PARM"}, /* centroids have no variances: another size */
        {&f.shape[1], 0, 'i', "k is 0"},
        {&f.shape[1], 3, 'i', "PARM"},
        {&f.shape[1], -1, 'i', "k is 4294967295"},
        {&f.shape[2], 0, 'i', "d is 0"},
        {&f.shape[2], (1 << 20) + 1, 'i', "d is 1048577"},
        {&f.shape[3], 2, 'i', "normalize is 2"},
        {&f.params.log_weights[0], 1e-9, 'd', "log-weight 0"},
        {&f.params.log_weights[0], NAN, 'd', "log-weight 0"},
        {&f.params.log_weights[0], -1e4, 'd', "log-weight 0"},
        {&f.params.log_weights[0], -INFINITY, 'd', "all 2 weights"},
        {&f.params.means[3], NAN, 'd', "mean 3"},
        {&f.params.means[2], -1e31, 'd', "mean 2"},
        {&f.params.variances[1], 0, 'd', "variance 1"},
        {&f.params.variances[2], -1, 'd', "variance 2"},
        {&f.params.variances[0], INFINITY, 'd', "variance 0"},
        {&f.params.variances[3], 1e-31, 'd', "variance 3"},
        {&f.params.center[1], NAN, 'f', "centre 1"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        f = honest;
        switch (lies[i].type) {
        case 'i': *(int32_t *)lies[i].place = (int32_t)lies[i].value; break;
        case 'l': *(int64_t *)lies[i].place = (int64_t)lies[i].value; break;
        case 'd': *(double *)lies[i].place = lies[i].value; break;
        default: *(float *)lies[i].place = (float)lies[i].value; break;
        }
        expect_failure(load_forgery(&f, NULL, 1), FG_FORMAT, "forged.fgm", lies[i].text, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_and_mapped_are_what_was_saved),
        cmocka_unit_test(a_given_mixture_is_saved_too),
        cmocka_unit_test(dead_components_are_saved_too),
        cmocka_unit_test(a_mapped_mixture_may_be_saved_over),
        cmocka_unit_test(saved_twice_is_the_same_file),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(what_is_no_mixture_is_said),
        cmocka_unit_test(missing_sections_and_newer_versions_are_named),
        cmocka_unit_test(numbers_out_of_bounds_are_named),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
