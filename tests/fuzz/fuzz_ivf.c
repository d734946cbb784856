/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ivf.c - any bytes as an index: what can be loaded can be searched, changed and saved. */
#include "fuzz_seal.h"

static fg_context *shared_context(void)
{
    static fg_context *ctx;
    const fg_context_options options = {.struct_size = sizeof options, .threads = 1};
    if (!ctx) FUZZ_REQUIRE(fg_context_create(&options, &ctx) == FG_OK);
    return ctx;
}

enum { RESULTS = 7, MOST_DIMS = 64 };

/* A query of small numbers; every list is probed. */
static void search(const fg_ivf *ivf, const fg_ivf_info *info)
{
    static float query[MOST_DIMS];
    int64_t ids[RESULTS];
    for (int i = 0; i < MOST_DIMS; i++) query[i] = (float)(i % 5 + 1);
    const fg_view view = {.data = query, .rows = 1, .cols = info->dims, .dtype = FG_F32};
    const fg_out out = {.data = ids, .rows = 1, .cols = RESULTS, .dtype = FG_I64};
    fg_search_stats stats = {.struct_size = sizeof stats};
    const fg_search_options options = {.struct_size = sizeof options,
                                       .n = RESULTS,
                                       .probes = info->lists,
                                       .order = info->coarse == FG_COARSE_GMM};
    FUZZ_REQUIRE(fg_ivf_search(shared_context(), ivf, &view, &options, &out, NULL, &stats) ==
                 FG_OK);
    FUZZ_REQUIRE(stats.distances <= stats.entries && stats.entries <= info->entries);
    FUZZ_REQUIRE(stats.distances <= info->rows);
}

/* Queries with a recall, under filters that leave few rows, and many. */
static void search_tuned(const fg_ivf *ivf, const fg_ivf_info *info)
{
    static const uint64_t filters[][2] = {{0x20, 0}, {0x8421084210842108, 1}, {~0x0fULL, ~0ULL}};
    static float query[MOST_DIMS] = {1, 2};
    if (!(info->tuned_recall > 0) || info->metric == FG_METRIC_IP) return;
    int64_t ids[RESULTS];
    const fg_view view = {.data = query, .rows = 1, .cols = info->dims, .dtype = FG_F32};
    const fg_out out = {.data = ids, .rows = 1, .cols = RESULTS, .dtype = FG_I64};
    for (int i = 0; i < 2 * 4; i++) {
        const uint64_t *allow = i / 2 < 3 ? filters[i / 2] : NULL;
        fg_search_stats stats = {.struct_size = sizeof stats};
        const fg_search_options options = {.struct_size = sizeof options,
                                           .n = RESULTS,
                                           .recall = info->tuned_recall / (i % 2 + 1),
                                           .allow = allow,
                                           .allow_bits = allow ? 128 : 0};
        FUZZ_REQUIRE(fg_ivf_search(shared_context(), ivf, &view, &options, &out, NULL, &stats) ==
                     FG_OK);
        FUZZ_REQUIRE(stats.distances <= (allow ? 2 : 1) * info->rows);
        for (int r = 0; r < RESULTS && allow; r++)
            FUZZ_REQUIRE(ids[r] == -1 ||
                         (ids[r] >= 0 && ids[r] < 128 && allow[ids[r] / 64] >> (ids[r] % 64) & 1));
    }
}

/* The index may refuse, but must stay whole. */
static void change(fg_ivf *ivf, const fg_ivf_info *info)
{
    static unsigned char bytes[MOST_DIMS * sizeof(float)];
    static const int64_t gone[] = {0, 2, 3, 1000};
    memset(bytes, 1, sizeof bytes);
    const fg_view row = {
        .data = bytes, .rows = 1, .cols = info->dims, .dtype = (int16_t)info->dtype};
    fg_source *source;
    FUZZ_REQUIRE(fg_source_memory(&row, &source) == FG_OK);
    const fg_status added = fg_ivf_add(shared_context(), ivf, source, NULL);
    fg_source_destroy(source);
    FUZZ_REQUIRE(fg_ivf_remove(ivf, gone, 4, NULL) == FG_OK);
    fg_ivf_info after = {.struct_size = sizeof after};
    FUZZ_REQUIRE(fg_ivf_get_info(ivf, &after) == FG_OK);
    FUZZ_REQUIRE(after.rows <= info->rows + (added == FG_OK));
    search(ivf, &after);
    search_tuned(ivf, &after);
}

static void load(const char *path)
{
    for (int32_t mapped = 0; mapped < 2; mapped++) {
        fg_ivf *ivf;
        if (fg_ivf_load(path, mapped, &ivf) != FG_OK) {
            FUZZ_REQUIRE(fg_last_error()[0]);
            continue;
        }
        fg_ivf_info info = {.struct_size = sizeof info};
        FUZZ_REQUIRE(fg_ivf_get_info(ivf, &info) == FG_OK);
        if (info.dims <= MOST_DIMS) {
            search(ivf, &info);
            search_tuned(ivf, &info);
            change(ivf, &info);
        }
        fg_ivf_destroy(ivf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_sealed(data, size, load);
    return 0;
}
