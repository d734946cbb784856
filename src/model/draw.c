/* SPDX-License-Identifier: Apache-2.0 */
/* draw.c - a component by its weight, then a normal in each dimension. Knows parameters and random numbers; knows
 * no pass. */
#include "draw.h"

#include "random.h"
#include "source.h"

#include <math.h> /* exp, sqrt */

/* The first component at which the running sum of weights passes u; never a dead one. */
static int32_t component_at(const double *running, int32_t k, double u)
{
    int32_t low = 0, high = k - 1;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (running[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw_row(const fgi_params *p, int32_t j, uint64_t lot[2], const fg_out *out, int64_t at)
{
    const int32_t d = p->d, cols = fgi_variance_cols(p->kind, d);
    for (int32_t i = 0; i < d; i++) {
        const double variance = p->variances[(int64_t)j * cols + (cols == 1 ? 0 : i)];
        const double z =
            fgi_random_normal(lot[0], FGI_STREAM_NOISE, lot[1] * (uint64_t)d + (uint64_t)i);
        const double mean = p->means[(int64_t)j * d + i] + (double)p->center[i];
        fgi_out_set(out, at, i, mean + sqrt(variance) * z);
    }
}

fg_status fgi_gmm_draw(const fg_gmm *gmm, uint64_t seed, int64_t first, const fg_out *out,
                       const fg_out *labels)
{
    const fgi_params *p = &gmm->params;
    double *running, sum = 0.0;
    FG_TRY(fgi_alloc(NULL, p->k, sizeof *running, &running));
    for (int32_t j = 0; j < p->k; j++) running[j] = sum += exp(p->log_weights[j]);
    for (int64_t r = 0; r < out->rows; r++) {
        uint64_t lot[2] = {seed, (uint64_t)(first + r)};
        const double u = fgi_random_uniform(seed, FGI_STREAM_DRAW, lot[1]);
        const int32_t j = component_at(running, p->k, u * sum);
        draw_row(p, j, lot, out, r);
        if (labels) fgi_out_set_integer(labels, r, 0, j);
    }
    fgi_free(running);
    return FG_OK;
}
