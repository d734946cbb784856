/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_faiss.c - any bytes as an index of FAISS: the vectors that are handed out stand in the file one after
 * the other, as often as they are read and however they are cut. */
#include "fuzz_rows.h"

enum { MOST_FLOATS = 1 << 20 };

/* Copies all rows, read in chunks of so many. */
static void read_rows(fg_source *src, int64_t chunk_rows, float *out)
{
    fgi_chunks chunks;
    fg_view chunk = {.rows = 1};
    int64_t first, seen = 0;
    fg_status s = fgi_chunks_begin(&chunks, NULL, src, chunk_rows);
    while (s == FG_OK && chunk.rows > 0) {
        s = fgi_chunks_next(&chunks, &chunk, &first);
        if (s != FG_OK || chunk.rows == 0) break;
        FUZZ_REQUIRE(first == seen && chunk.cols == src->cols && chunk.dtype == FG_F32);
        for (int64_t r = 0; r < chunk.rows; r++, seen++)
            memcpy(out + seen * src->cols, fgi_view_rows(&chunk, r, 1).data,
                   (size_t)src->cols * sizeof *out);
    }
    fgi_chunks_end(&chunks);
    FUZZ_REQUIRE(s == FG_OK && seen == src->rows);
}

static bool holds(const uint8_t *data, size_t size, const void *part, size_t part_bytes)
{
    for (size_t at = 0; at + part_bytes <= size; at++)
        if (memcmp(data + at, part, part_bytes) == 0) return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float few[MOST_FLOATS], many[MOST_FLOATS];
    fg_source *src = NULL;
    if (fgi_source_file(fuzz_file(data, size), "faiss", &src) != FG_OK) {
        FUZZ_REQUIRE(!src && fg_last_error()[0]);
        return 0;
    }
    FUZZ_REQUIRE(src->rows >= 1 && src->cols >= 1);
    const size_t floats = (size_t)src->rows * (size_t)src->cols;
    FUZZ_REQUIRE(floats <= size / sizeof(float));
    if (floats <= MOST_FLOATS) {
        read_rows(src, 1, few);
        read_rows(src, 1000, many);
        FUZZ_REQUIRE(memcmp(few, many, floats * sizeof *few) == 0);
        FUZZ_REQUIRE(holds(data, size, few, floats * sizeof *few));
    }
    fgi_source_close(src);
    return 0;
}
