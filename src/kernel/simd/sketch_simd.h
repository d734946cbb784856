/* SPDX-License-Identifier: Apache-2.0 */
/* sketch_simd.h - a query in whole numbers against rows of bytes, over the vocabulary of vec.h, as rows_simd.h
 * scans rows. */
#ifndef FGI_SKETCH_SIMD_H
#define FGI_SKETCH_SIMD_H

static void sketch_products(const int16_t *query, const fgi_sketches *sketches, int64_t count,
                            int32_t d, float *FGI_RESTRICT out)
{
    const int64_t stride = sketches->stride, ahead = rows_ahead(stride);
    const row_scan scan = {sketches->rows, sketches->index, count};
    /* what stands behind a row meets zeros of the query: cheaper than a tail, where there are no masks */
    const int32_t step = 2 * LANES,
                  read = step > FGI_SKETCH_READ ? d : (d + step - 1) / step * step;
    for (int64_t r = 0; r < count; r += 4) {
        row_four four = {.whole = query, .d = read};
        for (int64_t c = 0; c < 4; c++) {
            const int64_t at = r + c < count ? r + c : count - 1;
            four.row[c] = scan.rows + (scan.index ? scan.index[at] : at) * stride;
        }
        fetch_four(&scan, r, stride, ahead);
        sum_whole_rows(&four, count - r, out + r, (row_sum){PRODUCT, FG_I8});
    }
}

#endif
