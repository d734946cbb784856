/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_rows.h - opens bytes as a file of rows and reads them all, twice over. Knows sources. */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H
#include "fuzz_file.h"

#include "source.h"

/* In each of these formats rows lie at equal distances and the last one ends the file: so every row
 * that is handed out can be compared with the bytes it must have come from. */
static inline void fuzz_compare(const fg_source *src, const fg_view *chunk, int64_t first,
                                const uint8_t *data, size_t size)
{
    const size_t item_bytes = fg_dtype_bytes((fg_dtype)chunk->dtype);
    const size_t row_bytes = (size_t)chunk->cols * item_bytes;
    const size_t distance = (size_t)fgi_stride(chunk->row_stride, chunk->cols) * item_bytes;
    for (int64_t r = 0; r < chunk->rows; r++) {
        const size_t from_end = (size_t)(src->rows - first - r - 1) * distance + row_bytes;
        FUZZ_REQUIRE(from_end <= size);
        FUZZ_REQUIRE(memcmp(fgi_view_rows(chunk, r, 1).data, data + size - from_end, row_bytes) ==
                     0);
    }
}

static inline void fuzz_rows(const char *format, const uint8_t *data, size_t size)
{
    static const int64_t chunk_sizes[] = {3, 1000};
    fg_source *src = NULL;
    if (fgi_source_file(fuzz_file(data, size), format, &src) != FG_OK) {
        FUZZ_REQUIRE(!src && fg_last_error()[0]);
        return;
    }
    FUZZ_REQUIRE(src->rows >= 1 && src->cols >= 1);
    for (int i = 0; i < 2; i++) {
        fgi_chunks chunks;
        fg_view chunk = {.rows = 1};
        int64_t first;
        fg_status s = fgi_chunks_begin(&chunks, NULL, src, chunk_sizes[i]);
        while (s == FG_OK && chunk.rows > 0) {
            s = fgi_chunks_next(&chunks, &chunk, &first);
            if (s == FG_OK) fuzz_compare(src, &chunk, first, data, size);
        }
        fgi_chunks_end(&chunks);
    }
    fgi_source_close(src);
}

#endif
