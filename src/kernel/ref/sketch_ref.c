/* SPDX-License-Identifier: Apache-2.0 */
/* sketch_ref.c - a query in whole numbers against rows of bytes. Knows no instruction set. */
#include "ref.h"

void fgi_sketch_products_ref(const int16_t *query, const fgi_sketches *sketches, int64_t count,
                             int32_t d, float *FGI_RESTRICT out)
{
    for (int64_t r = 0; r < count; r++) {
        const int64_t number = sketches->index ? sketches->index[r] : r;
        const signed char *row = (const signed char *)sketches->rows + number * sketches->stride;
        int32_t sum = 0;
        for (int32_t i = 0; i < d; i++) sum += query[i] * row[i];
        out[r] = (float)sum;
    }
}
