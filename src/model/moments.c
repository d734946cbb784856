/* SPDX-License-Identifier: Apache-2.0 */
/* moments.c - the moments of the data are the statistics of a mixture of one component at the origin.
 * Knows passes; knows no model. */
#include "moments.h"

#include <math.h> /* fmax, nearbyint */

static fg_status run(fg_context *ctx, fg_source *src, const fgi_reading *reading,
                     fgi_listener *listener, fgi_stats *stats)
{
    fgi_params one;
    FG_TRY(fgi_params_create(&ctx->ledger, FGI_DIAGONAL, 1, src->cols, &one));
    for (int32_t i = 0; i < src->cols; i++) one.variances[i] = 1.0;
    one.normalize = reading->normalize;
    const fgi_pass pass = {
        .params = &one,
        .stats = stats,
        .listener = listener,
        .bad_rows = reading->bad_rows,
    };
    const fg_status s = fgi_pass_run(ctx, src, &pass, true);
    fgi_params_destroy(&one);
    return s;
}

static void settle(const fgi_stats *stats, bool whole, fgi_moments *m)
{
    const double n = (double)stats->rows;
    m->rows = stats->rows;
    m->rows_skipped = stats->rows_skipped;
    for (int32_t i = 0; i < m->d; i++) {
        const double mean = stats->shift[i] / n;
        const double variance = stats->square[i] / n - mean * mean;
        m->center[i] = (float)(whole ? nearbyint(mean) : mean);
        /* what cancellation leaves of a constant feature is not a variance */
        m->variance[i] = variance > 0x1p-45 * mean * mean ? variance : 0.0;
    }
}

fg_status fgi_moments_of(fg_context *ctx, fg_source *src, const fgi_reading *reading,
                         fgi_listener *listener, fgi_moments *out)
{
    fgi_moments m = {.d = src->cols};
    fgi_stats stats = {0};
    fgi_listener_phase(listener, "moments", 0);
    fg_status s = fgi_alloc(&ctx->ledger, m.d, sizeof(float), &m.center);
    if (s == FG_OK) s = fgi_alloc(&ctx->ledger, m.d, sizeof(double), &m.variance);
    if (s == FG_OK) s = fgi_stats_create(&ctx->ledger, FGI_DIAGONAL, 1, m.d, &stats);
    if (s == FG_OK) s = run(ctx, src, reading, listener, &stats);
    if (s == FG_OK && stats.rows == 0)
        s = fgi_fail(FG_ARGUMENT, "%s: no usable rows (%lld skipped)",
                     src->name ? src->name : "rows", (long long)stats.rows_skipped);
    if (s == FG_OK) {
        const bool whole = !reading->normalize && (src->dtype == FG_U8 || src->dtype == FG_I8);
        settle(&stats, whole, &m);
        *out = m;
    } else {
        fgi_moments_destroy(&m);
    }
    fgi_stats_destroy(&stats);
    return s;
}

void fgi_moments_destroy(fgi_moments *m)
{
    fgi_free(m->center);
    fgi_free(m->variance);
    *m = (fgi_moments){0};
}

void fgi_variance_floor(const fgi_moments *m, fgi_kind kind, double share, double *floor)
{
    double mean = 0.0;
    for (int32_t i = 0; i < m->d; i++) mean += m->variance[i] / m->d;
    if (mean == 0.0) mean = 1.0;
    if (kind != FGI_DIAGONAL) {
        floor[0] = fmax(share * mean, FGI_LEAST_VARIANCE);
        return;
    }
    for (int32_t i = 0; i < m->d; i++)
        floor[i] = fmax(share * (m->variance[i] > 0.0 ? m->variance[i] : mean), FGI_LEAST_VARIANCE);
}
