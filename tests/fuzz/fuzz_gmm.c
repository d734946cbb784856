/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gmm.c - any bytes as a mixture: what can be loaded can be asked about rows. */
#include "fuzz_seal.h"

#include <math.h> /* isfinite */

enum { ROWS = 3, MOST_DIMS = 64, MOST_COMPONENTS = 64 };

static fg_context *shared_context(void)
{
    static fg_context *ctx;
    const fg_context_options options = {
        .struct_size = sizeof options, .backend = FG_BACKEND_CPU, .threads = 1};
    if (!ctx) FUZZ_REQUIRE(fg_context_create(&options, &ctx) == FG_OK);
    return ctx;
}

/* Rows near the origin and far from it; about a distant center they may be beyond f32. */
static fg_source *some_rows(int32_t cols)
{
    static float rows[ROWS * MOST_DIMS];
    for (int i = 0; i < ROWS * MOST_DIMS; i++)
        rows[i] = (float)(i % 5 + 1) * (i < cols ? 1.0f : i < 2 * cols ? 1e-3f : -1e12f);
    const fg_view view = {.data = rows, .rows = ROWS, .cols = cols, .dtype = FG_F32};
    fg_source *src;
    FUZZ_REQUIRE(fg_source_memory(&view, &src) == FG_OK);
    return src;
}

static void ask_about_rows(const fg_gmm *gmm, const fg_gmm_info *info, fg_source *src)
{
    int32_t labels[ROWS];
    float shares[ROWS];
    double density[ROWS];
    const fg_out label = {.data = labels, .rows = ROWS, .cols = 1, .dtype = FG_I32};
    const fg_out share = {.data = shares, .rows = ROWS, .cols = 1, .dtype = FG_F32};
    const fg_out log_density = {.data = density, .rows = ROWS, .cols = 1, .dtype = FG_F64};
    const fg_status s = fg_gmm_predict(shared_context(), gmm, src, &label, &share);
    FUZZ_REQUIRE(s == FG_OK || s == FG_NUMERIC);
    FUZZ_REQUIRE(fg_gmm_score(shared_context(), gmm, src, &log_density, NULL) == s);
    for (int i = 0; s == FG_OK && i < ROWS; i++) {
        FUZZ_REQUIRE(labels[i] >= 0 && labels[i] < info->components);
        FUZZ_REQUIRE(shares[i] > 0.0f && shares[i] <= 1.0f);
        FUZZ_REQUIRE(isfinite(density[i]));
    }
    fg_csr *csr;
    FUZZ_REQUIRE(fg_gmm_above(shared_context(), gmm, src, 0.01, &csr) == s);
    if (s == FG_OK) fg_csr_destroy(csr);
}

static void take_parameters(const fg_gmm *gmm, const fg_gmm_info *info)
{
    static double room[3][MOST_COMPONENTS * MOST_DIMS];
    const int32_t k = info->components, d = info->dims;
    const int32_t cols = info->covariance == FG_COV_SPHERICAL ? 1 : d;
    const fg_out weights = {.data = room[0], .rows = k, .cols = 1, .dtype = FG_F64};
    const fg_out means = {.data = room[1], .rows = k, .cols = d, .dtype = FG_F64};
    const fg_out variances = {.data = room[2], .rows = k, .cols = cols, .dtype = FG_F64};
    FUZZ_REQUIRE(fg_gmm_get(gmm, &weights, &means, &variances, NULL) == FG_OK);
    for (int32_t j = 0; j < k; j++) FUZZ_REQUIRE(room[0][j] >= 0.0 && room[0][j] <= 1.0);
    for (int32_t i = 0; i < k * d; i++) FUZZ_REQUIRE(isfinite(room[1][i]));
    for (int32_t i = 0; i < k * cols; i++) FUZZ_REQUIRE(room[2][i] > 0.0);
}

static void load(const char *path)
{
    for (int32_t mapped = 0; mapped < 2; mapped++) {
        fg_gmm *gmm;
        if (fg_gmm_load(path, mapped, &gmm) != FG_OK) {
            FUZZ_REQUIRE(fg_last_error()[0]);
            continue;
        }
        fg_gmm_info info = {.struct_size = sizeof info};
        FUZZ_REQUIRE(fg_gmm_get_info(gmm, &info) == FG_OK);
        FUZZ_REQUIRE(info.components >= 1 && info.dims >= 1);
        if (info.dims <= MOST_DIMS && info.components <= MOST_COMPONENTS) {
            fg_source *src = some_rows(info.dims);
            take_parameters(gmm, &info);
            ask_about_rows(gmm, &info, src);
            fg_source_destroy(src);
        }
        fg_gmm_destroy(gmm);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_sealed(data, size, load);
    return 0;
}
