/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_cells.c - the nearest point of a small affine hull, by least squares. Knows centroids; knows
 * no row.
 *
 * With e_i = c_i - c_0 and y = mean - c_0, the weights w_1.. minimise |y - sum w_i e_i|^2: they
 * solve G w = b, G_ij = <e_i, e_j>, b_i = <e_i, y>. A ridge of 10^-6 of the diagonal serves centroids that
 * coincide. */
#include "ivf_cells.h"

#include <math.h> /* isfinite */

enum { EDGES = FGI_MOST_ANCHORS - 1 };

static int32_t anchors_of(const fgi_sets *sets, int32_t set, int32_t *lists)
{
    int32_t count = 0;
    for (int32_t m = sets->begin[set]; m < sets->begin[set + 1] && count < EDGES; m++)
        lists[count++] = sets->members[m];
    if (sets->facing[set] >= 0) lists[count++] = sets->facing[set];
    return count;
}

/* Symmetric and positive definite: no pivots. */
static void solve(double g[EDGES][EDGES], double *b, int32_t size)
{
    for (int32_t i = 0; i < size; i++)
        for (int32_t j = i + 1; j < size; j++) {
            const double factor = g[j][i] / g[i][i];
            for (int32_t l = i; l < size; l++) g[j][l] -= factor * g[i][l];
            b[j] -= factor * b[i];
        }
    for (int32_t i = size - 1; i >= 0; i--) {
        for (int32_t j = i + 1; j < size; j++) b[i] -= g[i][j] * b[j];
        b[i] /= g[i][i];
    }
}

static double inner(const float *a, const float *b, const float *origin, int32_t d)
{
    double sum = 0;
    for (int32_t i = 0; i < d; i++) sum += ((double)a[i] - origin[i]) * ((double)b[i] - origin[i]);
    return sum;
}

static double inner_mean(const float *a, const double *mean, const float *origin, int32_t d)
{
    double sum = 0;
    for (int32_t i = 0; i < d; i++) sum += ((double)a[i] - origin[i]) * (mean[i] - origin[i]);
    return sum;
}

fgi_cell fgi_cell_fit(const fgi_coarse *coarse, const fgi_sets *sets, int32_t set,
                      const double *mean)
{
    const int32_t d = coarse->params.d;
    fgi_cell cell = {0};
    const int32_t edges = anchors_of(sets, set, cell.lists) - 1;
    const float *c[FGI_MOST_ANCHORS];
    for (int32_t i = 0; i <= edges; i++) c[i] = coarse->centroids + (int64_t)cell.lists[i] * d;
    double g[EDGES][EDGES], full[EDGES][EDGES], w[EDGES] = {0};
    for (int32_t i = 0; i < edges; i++) {
        w[i] = inner_mean(c[i + 1], mean, c[0], d);
        for (int32_t j = 0; j < edges; j++)
            full[i][j] = g[i][j] = inner(c[i + 1], c[j + 1], c[0], d);
        g[i][i] += 1e-6 * g[i][i] + 1e-300;
    }
    solve(g, w, edges);
    /* |q - a|^2 = |q - c_0|^2 + sum w_i (|q - c_i|^2 - |q - c_0|^2 - G_ii) + |a - c_0|^2 */
    double rest = 1, offset = 0;
    for (int32_t i = 0; i < edges; i++) {
        if (!isfinite(w[i])) return (fgi_cell){.lists = {cell.lists[0]}, .weights = {1}};
        cell.weights[i + 1] = (float)w[i];
        rest -= cell.weights[i + 1];
        offset -= w[i] * full[i][i];
        for (int32_t j = 0; j < edges; j++) offset += w[i] * w[j] * full[i][j];
    }
    cell.weights[0] = (float)rest;
    cell.offset = (float)offset;
    return cell;
}
