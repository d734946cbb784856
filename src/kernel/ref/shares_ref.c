/* SPDX-License-Identifier: Apache-2.0 */
/* shares_ref.c - rows' shares of their candidates. Knows no instruction set. */
#include "ref.h"

void fgi_shares_ref(const fgi_shares_args *a)
{
    for (int32_t r = 0; r < a->rows; r++) {
        double most = -INFINITY, sum = 0;
        for (int32_t c = a->begin[r]; c < a->begin[r + 1]; c++) most = fmax(most, a->value[c]);
        for (int32_t c = a->begin[r]; c < a->begin[r + 1]; c++) {
            const float exponent = (float)(a->value[c] - most);
            a->share[c] = exponent < -126 ? 0 : (float)exp2(exponent);
            sum += a->share[c];
        }
        a->most[r] = most;
        a->sum[r] = (float)sum;
        for (int32_t c = a->begin[r]; c < a->begin[r + 1]; c++) a->share[c] /= a->sum[r];
    }
}
