/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_plane.c - planes of f16: where they lie, and for how long. */
#include "cuda_plane.h"

#include "cuda_model.h"
#include "cuda_transfer.h"

#include <math.h> /* INFINITY */

int32_t fgi_cuda_plane_depth(const fgi_cuda_task *task, int32_t unit)
{
    const int32_t half = (int32_t)fgi_cuda_padded(task->d, unit);
    return fgi_cuda_is_diagonal(task) ? 2 * half : half;
}

/* Rows that no kernel reads as they are stored. */
static bool has_to_load(const fgi_cuda_task *task)
{
    return task->normalize || task->dtype == FG_F64;
}

static void *carve_low(const fgi_cuda_plane *p, int64_t rows, fgi_cuda_carver *c)
{
    return p->low_ld ? fgi_cuda_carve(c, rows * p->low_ld, sizeof(uint16_t)) : NULL;
}

/* Room for the planes of held rows; it is not there if there is none. */
static void keep(fgi_cuda_plane *p)
{
    const int64_t rows = p->task.held_rows;
    fgi_cuda_release(&p->kept);
    p->kept_rows = p->filled = 0;
    fgi_cuda_carver c = {0};
    for (int pass = 0; pass < 2 && rows; pass++) {
        c.used = 0;
        p->kept_plane = fgi_cuda_carve(&c, rows * p->ld, sizeof(uint16_t));
        p->kept_low = carve_low(p, rows, &c);
        p->kept_norm = fgi_cuda_carve(&c, rows, sizeof *p->kept_norm);
        if (c.data) p->kept_rows = rows;
        if (c.data || c.used > fgi_cuda_free_bytes() / 4 * 3) return;
        if (fgi_cuda_reserve(&p->kept, c.used) != FG_OK) return;
        c.data = p->kept.data;
    }
}

void fgi_cuda_plane_take(fgi_cuda_plane *p, const fgi_cuda_task *task, int32_t unit,
                         fgi_cuda_low low, bool exact)
{
    const int32_t ld = fgi_cuda_plane_depth(task, unit);
    const int32_t low_ld = low == FGI_CUDA_LOW_ALL ? ld : low == FGI_CUDA_LOW_SQUARES ? ld / 2 : 0;
    const bool same = p->task.held_rows == task->held_rows && p->ld == ld && p->low_ld == low_ld;
    p->task = *task;
    p->ld = ld;
    p->low_ld = low_ld;
    p->exact = exact;
    p->mean_ld = (int32_t)fgi_cuda_padded(task->d, FGI_SPARSE_PAD);
    p->pitch_bytes = fgi_cuda_pitch_bytes(task->dtype, task->d);
    if (!same || p->kept_rows != task->held_rows) keep(p);
}

void fgi_cuda_plane_carve(fgi_cuda_plane *p, fgi_cuda_carver *c)
{
    p->zeros = fgi_cuda_carve(c, p->mean_ld, sizeof(float));
}

void fgi_cuda_plane_carve_chunk(fgi_cuda_plane *p, int64_t rows, fgi_cuda_carver *c)
{
    const int64_t loaded = has_to_load(&p->task) ? fgi_cuda_padded(rows, FGI_CUDA_TILE) : 0,
                  planes = p->kept_rows ? 0 : rows;
    p->x = fgi_cuda_carve(c, loaded * p->mean_ld, sizeof *p->x);
    p->norm2 = fgi_cuda_carve(c, loaded, sizeof *p->norm2);
    p->plane = fgi_cuda_carve(c, planes * p->ld, sizeof(uint16_t));
    p->low_plane = carve_low(p, planes, c);
    p->norm = fgi_cuda_carve(c, planes, sizeof *p->norm);
}

fg_status fgi_cuda_plane_prepare(fgi_cuda_plane *p)
{
    const bool diagonal = fgi_cuda_is_diagonal(&p->task);
    const bool same =
        p->d == p->task.d && p->diagonal == diagonal && p->normalize == p->task.normalize;
    if (same && p->remembered.data) {
        if (p->task.source_rows == 0) p->begun = false; /* other rows may come */
        return FG_OK;
    }
    fgi_cuda_carver c = {0};
    for (int pass = 0; pass < 2; pass++) {
        c.used = 0;
        p->memory.center = fgi_cuda_carve(&c, p->mean_ld, sizeof(float));
        p->memory.ups = diagonal ? fgi_cuda_carve(&c, p->mean_ld, sizeof(float)) : NULL;
        p->memory.stale = fgi_cuda_carve(&c, 1, sizeof *p->memory.stale);
        p->memory.scale = fgi_cuda_carve(&c, 1, sizeof *p->memory.scale);
        if (pass == 0) FG_TRY(fgi_cuda_reserve(&p->remembered, c.used));
        c.data = p->remembered.data;
    }
    p->d = p->task.d;
    p->diagonal = diagonal;
    p->normalize = p->task.normalize;
    p->begun = false;
    return FG_OK;
}

void fgi_cuda_plane_forget(fgi_cuda_plane *p)
{
    fgi_cuda_release(&p->remembered);
    fgi_cuda_release(&p->kept);
    p->kept_rows = p->filled = 0;
    p->begun = false;
}

cudaError_t fgi_cuda_plane_ready(fgi_cuda_plane *p, cudaStream_t stream)
{
    const size_t row_bytes = (size_t)p->mean_ld * sizeof(float);
    const cudaError_t e = cudaMemsetAsync(p->zeros, 0, row_bytes, stream);
    if (e != cudaSuccess || p->begun) return e;
    return cudaMemsetAsync(p->memory.center, 0xff, row_bytes, stream); /* NaN */
}

cudaError_t fgi_cuda_plane_begin(fgi_cuda_plane *p, const float *center, cudaStream_t stream)
{
    p->begun = p->task.source_rows > 0;
    p->center = center;
    return fgi_sparse_recall(&p->memory, center, p->task.d, stream);
}

/* Whether the planes of these rows were kept, by an earlier chunk or pass. */
static bool has_planes(const fgi_cuda_plane *p, const fgi_cuda_chunk *chunk)
{
    return p->kept_rows && chunk->first + chunk->rows <= p->filled;
}

/* Rows as centred f32. */
static cudaError_t load(fgi_cuda_plane *p, const fgi_cuda_chunk *chunk, fgi_sparse_exact *out,
                        cudaStream_t stream)
{
    p->loading.d = p->task.d;
    p->loading.ld = p->mean_ld;
    p->loading.normalize = p->task.normalize;
    p->loading.center = p->center;
    const fgi_cuda_rows rows = {
        .raw = chunk->raw,
        .pitch_bytes = p->pitch_bytes,
        .dtype = (int32_t)p->task.dtype,
        .rows = chunk->rows,
        .x = p->x,
        .norm2 = p->norm2,
        .wanted = !p->exact && has_planes(p, chunk) ? p->memory.stale : NULL,
    };
    *out = (fgi_sparse_exact){
        .data = p->x,
        .pitch = (int64_t)p->mean_ld * (int64_t)sizeof(float),
        .dtype = FG_F32,
        .center = p->zeros,
    };
    return fgi_cuda_load(&p->loading, &rows, stream);
}

cudaError_t fgi_cuda_plane_rows(fgi_cuda_plane *p, const fgi_cuda_chunk *chunk,
                                fgi_sparse_rows *out, cudaStream_t stream)
{
    const int64_t first = p->kept_rows ? chunk->first : 0;
    uint16_t *plane = p->kept_rows ? p->kept_plane : p->plane,
             *low = p->kept_rows ? p->kept_low : p->low_plane;
    *out = (fgi_sparse_rows){
        .exact = {.data = chunk->raw,
                  .pitch = p->pitch_bytes,
                  .dtype = (int32_t)p->task.dtype,
                  .center = p->memory.center},
        .rows = chunk->rows,
        .d = p->task.d,
        .depth = fgi_cuda_is_diagonal(&p->task) ? p->ld : p->task.d,
        .ld = p->ld,
        .plane = plane + first * p->ld,
        .low = low ? low + first * p->low_ld : NULL,
        .low_ld = p->low_ld,
        .norm = (p->kept_rows ? p->kept_norm : p->norm) + first,
        .most_norm = INFINITY,
        .scale = p->memory.scale,
        .ups = p->memory.ups,
    };
    return has_to_load(&p->task) ? load(p, chunk, &out->exact, stream) : cudaSuccess;
}

cudaError_t fgi_cuda_plane_fill(fgi_cuda_plane *p, const fgi_cuda_chunk *chunk,
                                const fgi_sparse_rows *rows, cudaStream_t stream)
{
    const bool there = has_planes(p, chunk);
    if (p->kept_rows && !there) p->filled = chunk->first + chunk->rows;
    return fgi_sparse_plane(rows, there ? p->memory.stale : NULL, stream);
}
