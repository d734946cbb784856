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
