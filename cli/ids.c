/* SPDX-License-Identifier: Apache-2.0 */
/* ids.c - ids of rows from files of whole numbers. Knows sources; knows no command. */
#include "ids.h"

#include "rows.h"

#include <stdlib.h> /* free */

fg_status ids_load(session *s, const char *path, int64_t wanted, int64_t **out, int64_t *count)
{
    fg_view ids = {0};
    void *wide = NULL;
    fg_status status = rows_load(s, path, NULL, &ids);
    if (status != FG_OK) return status;
    int64_t there = ids.rows * ids.cols;
    if (ids.dtype != FG_I32 && ids.dtype != FG_I64)
        status = session_fail(s, FG_ARGUMENT, "%s: is of type %s; ids must be of type i32 or i64",
                              path, fg_dtype_text((fg_dtype)ids.dtype));
    else if (wanted >= 0 && there != wanted)
        status = session_fail(s, FG_ARGUMENT, "%s: holds %lld ids; they must be %lld", path,
                              (long long)there, (long long)wanted);
    if (status == FG_OK) status = session_alloc(s, there, sizeof(int64_t), &wide);
    if (status == FG_OK) {
        *out = wide;
        for (int64_t i = 0; i < there; i++)
            (*out)[i] = ids.dtype == FG_I64 ? ((const int64_t *)ids.data)[i]
                                            : ((const int32_t *)ids.data)[i];
        if (count) *count = there;
    }
    rows_free(&ids);
    return status;
}

fg_status ids_bitmap(session *s, const char *path, uint64_t **out, int64_t *bits)
{
    int64_t *ids, count, largest = 0;
    void *words = NULL;
    fg_status status = ids_load(s, path, -1, &ids, &count);
    if (status != FG_OK) return status;
    for (int64_t i = 0; status == FG_OK && i < count; i++) {
        if (ids[i] > largest) largest = ids[i];
        if (ids[i] < 0 || ids[i] == INT64_MAX)
            status = session_fail(s, FG_ARGUMENT, "%s: number %lld is %lld, which is no id", path,
                                  (long long)i, (long long)ids[i]);
    }
    if (status == FG_OK) status = session_alloc(s, largest / 64 + 1, sizeof(uint64_t), &words);
    if (status == FG_OK) {
        *out = words;
        *bits = largest + 1;
        for (int64_t i = 0; i < count; i++) (*out)[ids[i] / 64] |= (uint64_t)1 << (ids[i] % 64);
    }
    free(ids);
    return status;
}
