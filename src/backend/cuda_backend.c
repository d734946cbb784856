/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_backend.c - the CUDA backend: chunks travel to the device while it works on earlier ones; statistics stay there
 * until the end of the pass. Knows launchers, streams and memory; knows no kernel and no algorithm.
 *
 * A chunk is one piece of the kernels (cuda_pass.h), whose size follows from the model's shape alone: so sums have one
 * order. Two chunks are on their way at a time: chunk i uses buffers i % 2. */
#include "cuda_device.h"
#include "cuda_memory.h"
#include "cuda_pass.h"
#include "source.h"

#include <math.h>   /* log2 */
#include <string.h> /* memcpy */

enum {
    SCORES_BYTES = 16 << 20, /* of a piece: they stay in the L2 cache of large chips */
    ROWS_BYTES = 8 << 20,    /* of its rows in f32 */
    MOST_ROWS = 65536,
    MOST_ITEM_BYTES = 8,
    PACK_BYTES = 1 << 18 /* of rows that one thread packs at a time */
};

/* What the device holds of a source, from its first row on. */
typedef struct held_rows {
    const void *source; /* NULL: nothing is held */
    fgi_cuda_block block;
    int64_t rows, filled;
    size_t row_bytes;
    int32_t dtype;
} held_rows;

/* Where everything of a pass lies in the workspace. */
typedef struct layout {
    void *raw[2];
    fgi_cuda_params params;
    fgi_cuda_model model;
    float *x, *norm2, *scores;
    fgi_cuda_row_told *told;
    fgi_cuda_sums sums;
    double *merged;
    fgi_cuda_totals *totals;
    int32_t *components;
    float *values;
} layout;

typedef struct cuda_backend {
    fgi_backend base;
    fgi_pool *pool;
    int32_t device;
    cudaStream_t copying, computing;
    cudaEvent_t copied[2], loaded[2]; /* of the chunks that use these buffers */
    fgi_cuda_block workspace, staging[2];
    held_rows held;
    /* of the pass in progress */
    fgi_pass_spec spec;
    layout at;
    int32_t piece_rows;
    int64_t chunks;
} cuda_backend;

/* ---------------------------------------------------------------------------------------- layout */

static int64_t padded(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

static int32_t piece_rows_for(const fgi_params *p)
{
    const int64_t lanes = padded(p->k, FGI_CUDA_TILE), ld = padded(p->d, FGI_CUDA_DEPTH);
    const int64_t item = (int64_t)sizeof(float);
    int64_t rows = MOST_ROWS;
    if (rows * lanes * item > SCORES_BYTES) rows = SCORES_BYTES / (lanes * item);
    if (rows * ld * item > ROWS_BYTES) rows = ROWS_BYTES / (ld * item);
    return rows < FGI_CUDA_TILE ? FGI_CUDA_TILE : (int32_t)(rows / FGI_CUDA_TILE * FGI_CUDA_TILE);
}

static int64_t cuda_unit_rows(const fgi_backend *backend, const fgi_params *params)
{
    (void)backend;
    return piece_rows_for(params);
}

static void carve_model(fgi_cuda_carver *c, const fgi_params *p, fgi_cuda_model *m)
{
    const bool diagonal = p->kind == FGI_DIAGONAL;
    m->kind = (int32_t)p->kind;
    m->k = p->k;
    m->d = p->d;
    m->ld = (int32_t)padded(p->d, FGI_CUDA_DEPTH);
    m->lanes = (int32_t)padded(p->k, FGI_CUDA_TILE);
    m->normalize = p->normalize;
    const int64_t matrix = (int64_t)m->k * m->ld, product = (int64_t)m->lanes * m->ld;
    m->center = fgi_cuda_carve(c, m->d, sizeof(float));
    m->weights = fgi_cuda_carve(c, product, sizeof(float));
    m->squares = diagonal ? fgi_cuda_carve(c, product, sizeof(float)) : NULL;
    m->bias = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->slope = fgi_cuda_carve(c, m->lanes, sizeof(float));
    m->means = fgi_cuda_carve(c, matrix, sizeof(float));
    m->scale = diagonal ? fgi_cuda_carve(c, matrix, sizeof(float)) : NULL;
    m->offset = fgi_cuda_carve(c, m->k, sizeof(double));
    m->h = fgi_cuda_carve(c, m->k, sizeof(double));
    m->largest_h = fgi_cuda_carve(c, 1, sizeof(float));
}

/* First what must be 0 when a pass begins; *zeroed: its bytes. */
static void carve_all(const fgi_pass_spec *spec, int32_t piece_rows, fgi_cuda_carver *c, layout *at,
                      size_t *zeroed)
{
    const fgi_params *p = spec->params;
    const int64_t rows = piece_rows, k = p->k, d = p->d;
    at->totals = fgi_cuda_carve(c, 1, sizeof *at->totals);
    carve_model(c, p, &at->model);
    at->sums = (fgi_cuda_sums){0};
    if (spec->stats) {
        at->sums = fgi_cuda_sums_shape((int32_t)spec->stats_kind, p->k, p->d, piece_rows);
        at->sums.parts =
            fgi_cuda_carve(c, at->sums.segments * at->sums.part_doubles, sizeof(double));
    }
    *zeroed = c->used;
    at->merged = spec->stats ? fgi_cuda_carve(c, at->sums.part_doubles, sizeof(double)) : NULL;
    at->params.log_weights = fgi_cuda_carve(c, k, sizeof(double));
    at->params.means = fgi_cuda_carve(c, k * d, sizeof(double));
    at->params.variances = fgi_cuda_carve(c, k * fgi_variance_cols(p->kind, p->d), sizeof(double));
    for (int i = 0; i < 2; i++) at->raw[i] = fgi_cuda_carve(c, rows * d, MOST_ITEM_BYTES);
    at->x = fgi_cuda_carve(c, rows * at->model.ld, sizeof(float));
    at->norm2 = fgi_cuda_carve(c, rows, sizeof(float));
    at->scores = fgi_cuda_carve(c, rows * at->model.lanes, sizeof(float));
    at->told = fgi_cuda_carve(c, rows, sizeof *at->told);
    at->components = fgi_cuda_carve(c, rows * spec->rows.top, sizeof(int32_t));
    at->values = fgi_cuda_carve(c, rows * spec->rows.top, sizeof(float));
}

/* ----------------------------------------------------------------------------------------- begin */

static cudaError_t copy_in(void *to, const void *from, int64_t count, size_t item_bytes,
                           cudaStream_t stream)
{
    return cudaMemcpyAsync(to, from, (size_t)count * item_bytes, cudaMemcpyHostToDevice, stream);
}

static cudaError_t send_params(const fgi_params *p, const layout *at, cudaStream_t stream)
{
    const int64_t k = p->k, cols = fgi_variance_cols(p->kind, p->d);
    cudaError_t e = copy_in(at->params.log_weights, p->log_weights, k, sizeof(double), stream);
    if (e == cudaSuccess) e = copy_in(at->params.means, p->means, k * p->d, sizeof(double), stream);
    if (e == cudaSuccess)
        e = copy_in(at->params.variances, p->variances, k * cols, sizeof(double), stream);
    if (e == cudaSuccess) e = copy_in(at->model.center, p->center, p->d, sizeof(float), stream);
    if (e == cudaSuccess) e = fgi_cuda_plan(&at->params, &at->model, stream);
    return e;
}

static fg_status cuda_begin(fgi_backend *backend, const fgi_pass_spec *spec)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    FG_TRY(fgi_cuda_status(cudaSetDevice(cuda->device), "choosing the device"));
    cuda->spec = *spec;
    cuda->piece_rows = piece_rows_for(spec->params);
    cuda->chunks = 0;
    fgi_cuda_carver count = {0};
    size_t zeroed;
    carve_all(spec, cuda->piece_rows, &count, &cuda->at, &zeroed);
    FG_TRY(fgi_cuda_reserve(&cuda->workspace, count.used));
    const size_t staged = (size_t)cuda->piece_rows * (size_t)spec->params->d * MOST_ITEM_BYTES;
    for (int i = 0; i < 2; i++) FG_TRY(fgi_cuda_reserve(&cuda->staging[i], staged));
    fgi_cuda_carver carver = {.data = cuda->workspace.data};
    carve_all(spec, cuda->piece_rows, &carver, &cuda->at, &zeroed);

    cudaError_t e = cudaMemsetAsync(cuda->workspace.data, 0, zeroed, cuda->computing);
    if (e == cudaSuccess) /* none: -1 */
        e = cudaMemsetAsync(&cuda->at.totals->first_bad_row, 0xff, sizeof(int64_t),
                            cuda->computing);
    if (e == cudaSuccess) e = send_params(spec->params, &cuda->at, cuda->computing);
    return fgi_cuda_status(e, "preparing a pass");
}

/* ---------------------------------------------------------------------------------------- absorb */

typedef struct packing {
    const fg_view *rows;
    char *to;
    size_t row_bytes;
    int64_t block_rows;
} packing;

static void pack_block(void *user, int64_t block, int32_t worker)
{
    (void)worker;
    const packing *p = user;
    const int64_t first = block * p->block_rows;
    const int64_t left = p->rows->rows - first, rows = left < p->block_rows ? left : p->block_rows;
    const fg_view piece = fgi_view_rows(p->rows, first, rows);
    char *to = p->to + (size_t)first * p->row_bytes;
    if (fgi_stride(piece.row_stride, piece.cols) == piece.cols) {
        memcpy(to, piece.data, (size_t)rows * p->row_bytes);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + (size_t)r * p->row_bytes, fgi_view_rows(&piece, r, 1).data, p->row_bytes);
}

/* Rows behind each other in pinned memory. */
static void pack_rows(fgi_pool *pool, const fg_view *rows, size_t row_bytes, void *to)
{
    packing p = {.rows = rows, .to = to, .row_bytes = row_bytes};
    p.block_rows = 1 + PACK_BYTES / (int64_t)row_bytes;
    const int64_t blocks = (rows->rows + p.block_rows - 1) / p.block_rows;
    if (blocks > 2) {
        fgi_pool_each(pool, blocks, pack_block, &p);
        return;
    }
    for (int64_t i = 0; i < blocks; i++) pack_block(&p, i, 0);
}

/* Where the device holds these rows, or may come to hold them next; NULL: nowhere. */
static void *place_held(const cuda_backend *cuda, const fg_view *chunk, int64_t first)
{
    const held_rows *h = &cuda->held;
    if (!h->source || h->source != cuda->spec.source || h->dtype != chunk->dtype) return NULL;
    if (first > h->filled || first + chunk->rows > h->rows) return NULL;
    return (char *)h->block.data + (size_t)first * h->row_bytes;
}

/* Brings a chunk to the device. *raw: where its rows will lie when the computing stream goes on. */
static cudaError_t bring(cuda_backend *cuda, const fg_view *chunk, int64_t first, const void **raw)
{
    const int at = (int)(cuda->chunks % 2);
    const size_t row_bytes = (size_t)chunk->cols * fg_dtype_bytes((fg_dtype)chunk->dtype);
    void *held = place_held(cuda, chunk, first), *to = held ? held : cuda->at.raw[at];
    *raw = to;
    if (held && first + chunk->rows <= cuda->held.filled) return cudaSuccess;
    cudaError_t e = cudaEventSynchronize(cuda->copied[at]); /* its pinned rows have left */
    if (e != cudaSuccess) return e;
    pack_rows(cuda->pool, chunk, row_bytes, cuda->staging[at].data);
    e = cudaStreamWaitEvent(cuda->copying, cuda->loaded[at], 0);
    if (e == cudaSuccess)
        e = copy_in(to, cuda->staging[at].data, chunk->rows, row_bytes, cuda->copying);
    if (e == cudaSuccess) e = cudaEventRecord(cuda->copied[at], cuda->copying);
    if (e == cudaSuccess) e = cudaStreamWaitEvent(cuda->computing, cuda->copied[at], 0);
    if (e == cudaSuccess && held) cuda->held.filled = first + chunk->rows;
    return e;
}

static cudaError_t compute(cuda_backend *cuda, const fgi_cuda_rows *rows, int64_t first)
{
    const layout *at = &cuda->at;
    const fgi_row_request *want = &cuda->spec.rows;
    const fgi_cuda_refine_args refine = {
        .model = at->model,
        .rows = *rows,
        .scores = at->scores,
        .cut = 26.0 + log2((double)at->model.k),
        .keep = cuda->spec.stats,
        .top = want->top,
        .exact_rank = want->exact_rank,
        .tau = want->tau,
        .components = at->components,
        .values = at->values,
        .told = at->told,
    };
    const cudaStream_t s = cuda->computing;
    cudaError_t e = fgi_cuda_load(&at->model, rows, s);
    if (e == cudaSuccess) e = cudaEventRecord(cuda->loaded[cuda->chunks % 2], s);
    if (e == cudaSuccess) e = fgi_cuda_scores(&at->model, rows, at->scores, s);
    if (e == cudaSuccess) e = fgi_cuda_refine(&refine, s);
    if (e != cudaSuccess || !cuda->spec.stats) return e;
    e = fgi_cuda_gather(&at->model, rows, at->scores, &at->sums, s);
    if (e == cudaSuccess) e = fgi_cuda_tally(at->told, rows->rows, first, at->totals, s);
    return e;
}

/* Copies what single rows have to tell, and waits for it: the caller wants it now. */
static cudaError_t tell(cuda_backend *cuda, int64_t rows, const fgi_row_results *results)
{
    const layout *at = &cuda->at;
    const cudaStream_t s = cuda->computing;
    const size_t count = (size_t)(rows * cuda->spec.rows.top);
    cudaError_t e = cudaSuccess;
    if (count && results->components)
        e = cudaMemcpyAsync(results->components, at->components, count * sizeof(int32_t),
                            cudaMemcpyDeviceToHost, s);
    if (count && results->values && e == cudaSuccess)
        e = cudaMemcpyAsync(results->values, at->values, count * sizeof(float),
                            cudaMemcpyDeviceToHost, s);
    if (cuda->spec.rows.log_density && e == cudaSuccess)
        e = cudaMemcpy2DAsync(results->log_density, sizeof(double), &at->told->density,
                              sizeof *at->told, sizeof(double), (size_t)rows,
                              cudaMemcpyDeviceToHost, s);
    return e == cudaSuccess ? cudaStreamSynchronize(s) : e;
}

static bool is_served(int32_t dtype)
{
    return dtype == FG_F32 || dtype == FG_F16 || dtype == FG_BF16 || dtype == FG_I8 ||
           dtype == FG_U8 || dtype == FG_F64;
}

static fg_status cuda_absorb(fgi_backend *backend, const fg_view *chunk, int64_t first,
                             const fgi_row_results *results)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    if (!is_served(chunk->dtype))
        return fgi_fail(FG_UNSUPPORTED,
                        "rows of type %s cannot be clustered; use f32, f16, bf16, i8, u8 or f64",
                        fg_dtype_text((fg_dtype)chunk->dtype));
    fgi_cuda_rows rows = {
        .dtype = chunk->dtype,
        .rows = (int32_t)chunk->rows,
        .x = cuda->at.x,
        .norm2 = cuda->at.norm2,
    };
    FG_TRY(fgi_cuda_status(bring(cuda, chunk, first, &rows.raw), "copying rows"));
    FG_TRY(fgi_cuda_status(compute(cuda, &rows, first), "starting kernels"));
    cuda->chunks++;
    const fgi_row_request *want = &cuda->spec.rows;
    if (!results || (!want->top && !want->log_density)) return FG_OK;
    return fgi_cuda_status(tell(cuda, chunk->rows, results), "computing rows");
}

/* ------------------------------------------------------------------------------------------- end */

static fg_status add_stats(cuda_backend *cuda, fgi_stats *stats)
{
    const layout *at = &cuda->at;
    fgi_stats found;
    fgi_cuda_totals totals;
    FG_TRY(fgi_stats_create(cuda->workspace.ledger, stats->kind, stats->k, stats->d, &found));
    const size_t square =
        stats->kind == FGI_DIAGONAL ? (size_t)stats->k * (size_t)stats->d : (size_t)stats->k;
    const size_t doubles = (size_t)stats->k * (1 + (size_t)stats->d) + square;
    cudaError_t e = fgi_cuda_merge(&at->sums, at->merged, cuda->computing);
    if (e == cudaSuccess)
        e = cudaMemcpyAsync(found.mass, at->merged, doubles * sizeof(double),
                            cudaMemcpyDeviceToHost, cuda->computing);
    if (e == cudaSuccess)
        e = cudaMemcpyAsync(&totals, at->totals, sizeof totals, cudaMemcpyDeviceToHost,
                            cuda->computing);
    if (e == cudaSuccess) e = cudaStreamSynchronize(cuda->computing);
    if (e == cudaSuccess) {
        const bool hard = cuda->spec.params->kind == FGI_HARD;
        found.objective = hard ? -totals.objective : totals.objective;
        found.dropped = totals.dropped;
        found.rows = totals.rows;
        found.rows_skipped = totals.rows_skipped;
        found.survivors = totals.survivors;
        found.first_bad_row = totals.first_bad_row;
        fgi_stats_merge(stats, &found);
    }
    fgi_stats_destroy(&found);
    return fgi_cuda_status(e, "finishing a pass");
}

static fg_status cuda_end(fgi_backend *backend, fgi_stats *stats)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    const fg_status s = stats && cuda->spec.stats ? add_stats(cuda, stats) : FG_OK;
    /* the caller's rows and parameters are his again, also after a failure */
    const cudaError_t copied = cudaStreamSynchronize(cuda->copying);
    const cudaError_t computed = cudaStreamSynchronize(cuda->computing);
    if (s != FG_OK) return s;
    return fgi_cuda_status(copied != cudaSuccess ? copied : computed, "finishing a pass");
}

/* ------------------------------------------------------------------------------------------ hold */

static void cuda_release(fgi_backend *backend)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    (void)cudaSetDevice(cuda->device);
    fgi_cuda_release(&cuda->held.block);
    cuda->held.source = NULL;
    cuda->held.filled = 0;
}

static void cuda_hold(fgi_backend *backend, const fgi_hold *rows)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    cuda_release(backend);
    const size_t row_bytes = (size_t)rows->cols * fg_dtype_bytes(rows->dtype);
    const size_t free_bytes = fgi_cuda_free_bytes();
    if (row_bytes == 0 || (uint64_t)rows->rows > free_bytes / row_bytes * 7 / 8)
        return; /* they stream: a pass needs room too */
    if (fgi_cuda_reserve(&cuda->held.block, (size_t)rows->rows * row_bytes) != FG_OK) return;
    cuda->held.source = rows->source;
    cuda->held.rows = rows->rows;
    cuda->held.row_bytes = row_bytes;
    cuda->held.dtype = (int32_t)rows->dtype;
}

/* ----------------------------------------------------------------------------------------- whole */

static void cuda_destroy(fgi_backend *backend)
{
    if (!backend) return;
    cuda_backend *cuda = (cuda_backend *)backend;
    (void)cudaSetDevice(cuda->device);
    cuda_release(backend);
    fgi_cuda_release(&cuda->workspace);
    for (int i = 0; i < 2; i++) {
        fgi_cuda_release(&cuda->staging[i]);
        if (cuda->copied[i]) (void)cudaEventDestroy(cuda->copied[i]);
        if (cuda->loaded[i]) (void)cudaEventDestroy(cuda->loaded[i]);
    }
    if (cuda->copying) (void)cudaStreamDestroy(cuda->copying);
    if (cuda->computing) (void)cudaStreamDestroy(cuda->computing);
    (void)cudaGetLastError(); /* of a lost device, say: nothing is left to tell */
    fgi_free(cuda);
}

static const fgi_backend_ops cuda_ops = {
    .name = "cuda",
    .unit_rows = cuda_unit_rows,
    .begin = cuda_begin,
    .absorb = cuda_absorb,
    .end = cuda_end,
    .hold = cuda_hold,
    .release = cuda_release,
    .destroy = cuda_destroy,
};

static cudaError_t make_streams(cuda_backend *cuda)
{
    cudaError_t e = cudaSetDevice(cuda->device);
    if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&cuda->copying, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&cuda->computing, cudaStreamNonBlocking);
    for (int i = 0; i < 2 && e == cudaSuccess; i++) {
        e = cudaEventCreateWithFlags(&cuda->copied[i], cudaEventDisableTiming);
        if (e == cudaSuccess)
            e = cudaEventCreateWithFlags(&cuda->loaded[i], cudaEventDisableTiming);
    }
    return e;
}

fg_status fgi_backend_cuda(fg_context *ctx)
{
    FG_TRY(fgi_cuda_device_check(ctx->device));
    cuda_backend *cuda;
    FG_TRY(fgi_alloc_zero(&ctx->ledger, 1, sizeof *cuda, &cuda));
    cuda->base.ops = &cuda_ops;
    cuda->pool = ctx->pool;
    cuda->device = ctx->device;
    cuda->workspace.ledger = &ctx->ledger; /* held rows are rows, not workspace */
    for (int i = 0; i < 2; i++)
        cuda->staging[i] = (fgi_cuda_block){.pinned = true, .ledger = &ctx->ledger};
    const fg_status s = fgi_cuda_status(make_streams(cuda), "opening a device");
    if (s == FG_OK)
        ctx->backend = &cuda->base;
    else
        cuda_destroy(&cuda->base);
    return s;
}
