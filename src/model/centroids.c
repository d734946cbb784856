/* SPDX-License-Identifier: Apache-2.0 */
/* centroids.c - given centroids as parameters. Knows views; knows no rows. */
#include "centroids.h"

#include "source.h"

#include <math.h> /* isfinite */

fg_status fgi_centroids_check(const fg_view *view, const char *what)
{
    for (int64_t j = 0; j < view->rows; j++)
        for (int32_t i = 0; i < view->cols; i++) {
            const double value = fgi_view_get(view, j, i);
            if (!isfinite((float)value))
                return fgi_fail(FG_NUMERIC, "%s: row %lld, column %d is %g, not a finite f32", what,
                                (long long)j, i, value);
        }
    return FG_OK;
}

fg_status fgi_centroids_from(fgi_ledger *ledger, const fg_view *view, fgi_params *out)
{
    if (view->rows > INT32_MAX)
        return fgi_fail(FG_ARGUMENT, "centroids: rows is %lld; it must be at most %d",
                        (long long)view->rows, INT32_MAX);
    FG_TRY(fgi_centroids_check(view, "centroids"));
    const int32_t k = (int32_t)view->rows, d = view->cols;
    FG_TRY(fgi_params_create(ledger, FGI_HARD, k, d, out));
    for (int32_t i = 0; i < d; i++) {
        double mean = 0.0;
        for (int32_t j = 0; j < k; j++) mean += fgi_view_get(view, j, i) / k;
        out->center[i] = (float)mean;
        for (int32_t j = 0; j < k; j++)
            out->means[(int64_t)j * d + i] = fgi_view_get(view, j, i) - out->center[i];
    }
    return FG_OK;
}
