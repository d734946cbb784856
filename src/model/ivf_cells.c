/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_cells.c - a mean as a blend of centroids. Knows centroids and kernels; knows no row.
 *
 * The pursuit is a Cholesky factorisation of the Gram matrix G_ij = <e_i, e_j> of the edges e_i = c_i - c_0,
 * whose next pivot is the edge that explains most: with b_i = <e_i, rest>,
 *
 *     j = argmax b_i^2 / |e_i'|^2      e_i': what the edges chosen before leave of e_i
 *     l_i = <e_i, e_j'> / |e_j'|,  z = b_j / |e_j'|,  b_i -= l_i z,  |e_i'|^2 -= l_i^2
 *
 * Then |a - c_0|^2 = sum z^2, and the weights follow from the triangular system L' w = z. An edge of which
 * less than LEAST_SHARE is left adds nothing that f32 can tell. */
#include "ivf_cells.h"

#include "half.h"
#include "ivf_hits.h"

#include <math.h> /* INFINITY, isfinite, sqrt */

#define LEAST_SHARE 1e-3

/* ------------------------------------------------------------------------------ around one list */

void fgi_near_find(const fgi_coarse *coarse, const fgi_kernels *kernels, int32_t list,
                   float *sqdist, int32_t *near)
{
    const int32_t k = coarse->params.k, d = coarse->params.d;
    fgi_hit hits[FGI_NEAR];
    fgi_hits_clear(hits, FGI_NEAR);
    fgi_coarse_distance(coarse, kernels, coarse->centroids + (int64_t)list * d, sqdist);
    for (int32_t j = 0; j < k; j++)
        if (j != list) fgi_hits_push(hits, FGI_NEAR, (fgi_hit){sqdist[j], j});
    fgi_hits_sort(hits, FGI_NEAR);
    for (int32_t i = 0; i < FGI_NEAR; i++)
        near[i] = fgi_hit_empty(hits[i]) ? list : (int32_t)hits[i].id;
}

fg_status fgi_around_create(fgi_ledger *ledger, int32_t d, fgi_around *out)
{
    fgi_around a = {.home = -1};
    fg_status s = fgi_alloc(ledger, FGI_NEAR * (int64_t)d, sizeof *a.edges, &a.edges);
    if (s == FG_OK) s = fgi_alloc(ledger, FGI_NEAR * FGI_NEAR, sizeof *a.gram, &a.gram);
    if (s == FG_OK)
        *out = a;
    else
        fgi_around_destroy(&a);
    return s;
}

void fgi_around_destroy(fgi_around *around)
{
    fgi_free(around->edges);
    fgi_free(around->gram);
    *around = (fgi_around){0};
}

void fgi_around_set(fgi_around *around, const fgi_coarse *coarse, const fgi_kernels *kernels,
                    int32_t home, const int32_t *near)
{
    const int64_t d = coarse->params.d;
    const float *own = coarse->centroids + home * d;
    around->home = home;
    for (int32_t i = 0; i < FGI_NEAR; i++)
        for (int32_t c = 0; c < d; c++)
            around->edges[i * d + c] = coarse->centroids[near[i] * d + c] - own[c];
    for (int32_t i = 0; i < FGI_NEAR; i++)
        kernels->scan_ip[FG_F32](around->edges + i * d, around->edges, NULL, FGI_NEAR, (int32_t)d,
                                 around->gram + i * FGI_NEAR);
}

/* ----------------------------------------------------------------------------------- the pursuit */

typedef struct pursuit {
    const float *gram;
    double inner[FGI_NEAR], left[FGI_NEAR]; /* b_i; |e_i'|^2 */
    double lower[FGI_BLEND_TERMS][FGI_NEAR], z[FGI_BLEND_TERMS];
    int32_t chosen[FGI_BLEND_TERMS], count;
} pursuit;

/* The edge that explains most of what is left; -1: none does. */
static int32_t best_edge(const pursuit *p)
{
    int32_t best = -1;
    double most = 0;
    for (int32_t i = 0; i < FGI_NEAR; i++) {
        const double whole = p->gram[i * FGI_NEAR + i];
        if (!(p->left[i] > LEAST_SHARE * whole)) continue;
        const double explained = p->inner[i] * p->inner[i] / p->left[i];
        if (explained > most) {
            most = explained;
            best = i;
        }
    }
    return best;
}

static void choose(pursuit *p, int32_t edge)
{
    const int32_t t = p->count++;
    const double length = sqrt(p->left[edge]), z = p->inner[edge] / length;
    p->chosen[t] = edge;
    p->z[t] = z;
    for (int32_t i = 0; i < FGI_NEAR; i++) {
        double l = p->gram[edge * FGI_NEAR + i];
        for (int32_t s = 0; s < t; s++) l -= p->lower[s][i] * p->lower[s][edge];
        l /= length;
        p->lower[t][i] = l;
        p->inner[i] -= l * z;
        p->left[i] -= l * l;
    }
}

static void solve(const pursuit *p, double *w)
{
    for (int32_t t = p->count - 1; t >= 0; t--) {
        w[t] = p->z[t];
        for (int32_t s = t + 1; s < p->count; s++) w[t] -= p->lower[t][p->chosen[s]] * w[s];
        w[t] /= p->lower[t][p->chosen[t]];
    }
}

fgi_cell fgi_cell_fit(const fgi_around *around, const fgi_coarse *coarse,
                      const fgi_kernels *kernels, float *mean)
{
    const int32_t d = coarse->params.d;
    const float *own = coarse->centroids + (int64_t)around->home * d;
    float inner[FGI_NEAR];
    pursuit p = {.gram = around->gram};
    for (int32_t i = 0; i < d; i++) mean[i] -= own[i];
    kernels->scan_ip[FG_F32](mean, around->edges, NULL, FGI_NEAR, d, inner);
    for (int32_t i = 0; i < FGI_NEAR; i++) {
        p.inner[i] = inner[i];
        p.left[i] = around->gram[i * FGI_NEAR + i];
    }
    for (int32_t edge; p.count < FGI_BLEND_TERMS && (edge = best_edge(&p)) >= 0;) choose(&p, edge);
    double w[FGI_BLEND_TERMS], offset = 0;
    solve(&p, w);
    fgi_cell cell = {.home = around->home};
    bool finite = true;
    for (int32_t t = 0; t < p.count; t++) {
        const int32_t edge = p.chosen[t];
        offset += p.z[t] * p.z[t] - w[t] * around->gram[edge * FGI_NEAR + edge];
        cell.near[t] = (uint8_t)edge;
        cell.weights[t] = (float)w[t];
        finite = finite && isfinite(cell.weights[t]);
    }
    cell.offset = (float)offset;
    return finite && isfinite(cell.offset) ? cell : (fgi_cell){.home = around->home};
}

/* ------------------------------------------------------------------------------------- side by side */

fg_status fgi_places_create(int32_t room, fgi_places *out)
{
    enum { GROUP = 16 };
    const int64_t stride = (room + (int64_t)GROUP - 1) / GROUP * GROUP;
    const int64_t terms = FGI_BLEND_TERMS * stride;
    fgi_places p = {.stride = (int32_t)stride};
    fg_status s = fgi_alloc(NULL, stride, sizeof *p.segments, &p.segments);
    if (s == FG_OK) s = fgi_alloc(NULL, stride, sizeof *p.bias, &p.bias);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, terms, sizeof *p.weights, &p.weights);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, terms, sizeof *p.near, &p.near);
    for (int64_t i = 0; s == FG_OK && i < stride; i++) p.bias[i] = -INFINITY;
    if (s == FG_OK)
        *out = p;
    else
        fgi_places_destroy(&p);
    return s;
}

void fgi_places_destroy(fgi_places *places)
{
    fgi_free(places->segments);
    fgi_free(places->bias);
    fgi_free(places->weights);
    fgi_free(places->near);
    *places = (fgi_places){0};
}

void fgi_places_add(fgi_places *places, const fgi_cell *cell, int32_t segment)
{
    const int32_t at = places->count++;
    places->segments[at] = segment;
    places->bias[at] = -cell->offset;
    for (int32_t t = 0; t < FGI_BLEND_TERMS; t++) {
        places->weights[(int64_t)t * places->stride + at] = fgi_f16_of_f32(cell->weights[t]);
        places->near[(int64_t)t * places->stride + at] = cell->near[t];
    }
}

int64_t fgi_places_bytes(const fgi_places *places)
{
    const int64_t term_bytes = (int64_t)sizeof *places->weights + (int64_t)sizeof *places->near;
    return places->stride * (int64_t)(sizeof *places->segments + sizeof *places->bias) +
           places->stride * FGI_BLEND_TERMS * term_bytes;
}
