/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_model.c - the shape of a model on a device. Knows the padding that kernels want; knows no value. */
#include "cuda_model.h"

#include <math.h> /* log2 */

enum { HALF_BYTES = 2 };

int64_t fgi_cuda_padded(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

double fgi_cuda_cut(int32_t k)
{
    return 26.0 + log2((double)k);
}

void fgi_cuda_carve_values(fgi_cuda_carver *c, const fgi_cuda_task *task, fgi_cuda_model *m)
{
    m->kind = (int32_t)task->kind;
    m->k = task->k;
    m->d = task->d;
    m->ld = (int32_t)fgi_cuda_padded(task->d, FGI_CUDA_DEPTH);
    m->lanes = (int32_t)fgi_cuda_padded(task->k, FGI_CUDA_TILE);
    m->normalize = task->normalize;
    const int64_t matrix = (int64_t)m->k * m->ld;
    m->means = fgi_cuda_carve(c, matrix, sizeof(float));
    m->scale = task->kind == FGI_DIAGONAL ? fgi_cuda_carve(c, matrix, sizeof(float)) : NULL;
    m->offset = fgi_cuda_carve(c, m->k, sizeof(double));
    m->h = fgi_cuda_carve(c, m->k, sizeof(double));
}

void fgi_cuda_carve_model(fgi_cuda_carver *c, const fgi_cuda_task *task, fgi_cuda_model *m)
{
    fgi_cuda_carve_values(c, task, m);
    const int64_t product = (int64_t)m->lanes * m->ld;
    m->weights = fgi_cuda_carve(c, product, HALF_BYTES);
    m->squares = task->kind == FGI_DIAGONAL ? fgi_cuda_carve(c, product, HALF_BYTES) : NULL;
    m->weight_unit = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->square_unit = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->bias = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->slope = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->largest_h = fgi_cuda_carve(c, 1, sizeof(float));
}
