/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c - passes without statistics, whose row results go to the caller. Knows passes; knows no fit. */
#include "infer.h"

#include <math.h>   /* isnan */
#include <string.h> /* memset */

/* A row with NaN or infinity has no answer. */
static fg_status refuse_row(int64_t row)
{
    return fgi_fail(
        FG_NUMERIC,
        "row %lld holds NaN, infinity or a value too large for f32, or has no direction",
        (long long)row);
}

static void *out_row(const fg_out *out, int64_t row)
{
    const int64_t item = (int64_t)fg_dtype_bytes((fg_dtype)out->dtype);
    return (char *)out->data + row * fgi_stride(out->row_stride, out->cols) * item;
}

/* Cells of the output's type, a row after the other, to its rows from `first` on. */
static void put_rows(const fg_out *out, int64_t first, int64_t rows, const void *cells)
{
    const size_t row_bytes = (size_t)out->cols * fg_dtype_bytes((fg_dtype)out->dtype);
    if (fgi_stride(out->row_stride, out->cols) == out->cols) {
        memcpy(out_row(out, first), cells, (size_t)rows * row_bytes);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(out_row(out, first + r), (const char *)cells + (size_t)r * row_bytes, row_bytes);
}

/* ---- rows that are handed over by all threads */

enum { BLOCK_BYTES = 1 << 16 /* of results, that one thread hands over at a time */ };

/* A chunk's rows on their way to the caller. */
typedef struct delivery {
    const void *job;
    int64_t first, rows, block_rows;
    const fgi_row_results *results;
    void (*deliver)(const struct delivery *d, int64_t begin, int64_t rows); /* of the chunk */
} delivery;

static void deliver_block(void *user, int64_t block, int32_t worker)
{
    (void)worker;
    const delivery *d = user;
    const int64_t begin = block * d->block_rows, left = d->rows - begin;
    d->deliver(d, begin, left < d->block_rows ? left : d->block_rows);
}

static void deliver_rows(fgi_pool *pool, delivery *d, int64_t row_bytes)
{
    d->block_rows = 1 + BLOCK_BYTES / row_bytes;
    fgi_pool_each(pool, (d->rows + d->block_rows - 1) / d->block_rows, deliver_block, d);
}

/* ---- the best few */

typedef struct top_job {
    const fgi_top_outputs *out;
    fgi_pool *pool;
    int32_t top;
} top_job;

static void deliver_top(const delivery *d, int64_t begin, int64_t rows)
{
    const top_job *job = d->job;
    const int64_t at = begin * job->top, first = d->first + begin;
    const fg_out *components = job->out->components, *values = job->out->values;
    if (components) put_rows(components, first, rows, d->results->components + at);
    if (values) put_rows(values, first, rows, d->results->values + at);
}

static fg_status take_top(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    const top_job *job = user;
    for (int64_t r = 0; r < rows; r++)
        if (results->components[r * job->top] < 0) return refuse_row(first + r);
    delivery d = {
        .job = job, .first = first, .rows = rows, .results = results, .deliver = deliver_top};
    deliver_rows(job->pool, &d, job->top * (int64_t)(sizeof(int32_t) + sizeof(float)));
    return FG_OK;
}

fg_status fgi_infer_top(fg_context *ctx, const fgi_params *params, fg_source *rows,
                        const fgi_top_outputs *out)
{
    top_job job = {.out = out,
                   .pool = ctx->pool,
                   .top = (out->components ? out->components : out->values)->cols};
    const fgi_pass pass = {
        .params = params,
        .rows = {.top = job.top, .exact_rank = out->all_ranks},
        .consume = take_top,
        .user = &job,
    };
    return fgi_pass_run(ctx, rows, &pass, true);
}

/* ---- log-densities */

enum { LANES = 8 };

typedef struct score_job {
    const fg_out *out;
    fgi_pool *pool;
    /* row r is added to sum[r % LANES], however rows come: an addition need not wait for the last one */
    double sum[LANES];
    int64_t rows;
} score_job;

static void deliver_scores(const delivery *d, int64_t begin, int64_t rows)
{
    const fg_out *out = ((const score_job *)d->job)->out;
    const double *from = d->results->log_density + begin;
    const int64_t first = d->first + begin;
    if (out->dtype == FG_F64) {
        put_rows(out, first, rows, from);
        return;
    }
    float *to = out_row(out, first);
    const int64_t stride = fgi_stride(out->row_stride, out->cols);
    for (int64_t r = 0; r < rows; r++) to[r * stride] = (float)from[r];
}

static double total_of(const score_job *job)
{
    double total = 0.0;
    for (int i = 0; i < LANES; i++) total += job->sum[i];
    return total;
}

static fg_status take_scores(void *user, int64_t first, int64_t rows,
                             const fgi_row_results *results)
{
    score_job *job = user;
    const double *density = results->log_density;
    for (int64_t r = 0; r < rows; r++) job->sum[(first + r) % LANES] += density[r];
    if (isnan(total_of(job)))
        for (int64_t r = 0; r < rows; r++)
            if (isnan(density[r])) return refuse_row(first + r);
    job->rows += rows;
    delivery d = {
        .job = job, .first = first, .rows = rows, .results = results, .deliver = deliver_scores};
    if (job->out) deliver_rows(job->pool, &d, sizeof *density);
    return FG_OK;
}

fg_status fgi_infer_score(fg_context *ctx, const fgi_params *params, fg_source *rows,
                          const fg_out *log_density, double *mean)
{
    score_job job = {.out = log_density, .pool = ctx->pool};
    const fgi_pass pass = {
        .params = params,
        .rows = {.log_density = true},
        .consume = take_scores,
        .user = &job,
    };
    FG_TRY(fgi_pass_run(ctx, rows, &pass, true));
    if (job.rows == 0) return fgi_fail(FG_ARGUMENT, "the source has no rows, so no mean");
    if (mean) *mean = total_of(&job) / (double)job.rows;
    return FG_OK;
}

/* ---- all above a threshold */

typedef struct above_job {
    fg_csr *csr;
    int32_t top;
    int64_t row_capacity, capacity;
} above_job;

static fg_status make_room(above_job *job, int64_t rows)
{
    fg_csr *csr = job->csr;
    if (csr->rows + rows + 1 > job->row_capacity) {
        const int64_t more = 2 * (csr->rows + rows + 1);
        FG_TRY(fgi_grow(NULL, more, sizeof *csr->offsets, &csr->offsets));
        job->row_capacity = more;
    }
    const int64_t needed = csr->offsets[csr->rows] + rows * job->top;
    if (needed > job->capacity) {
        const int64_t more = needed + job->capacity / 2;
        FG_TRY(fgi_grow(NULL, more, sizeof *csr->components, &csr->components));
        FG_TRY(fgi_grow(NULL, more, sizeof *csr->responsibilities, &csr->responsibilities));
        job->capacity = more;
    }
    return FG_OK;
}

static fg_status take_above(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    above_job *job = user;
    fg_csr *csr = job->csr;
    FG_TRY(make_room(job, rows));
    for (int64_t r = 0; r < rows; r++) {
        const int32_t *components = results->components + r * job->top;
        if (components[0] < 0) return refuse_row(first + r);
        int64_t at = csr->offsets[csr->rows];
        for (int32_t i = 0; i < job->top && components[i] >= 0; i++, at++) {
            csr->components[at] = components[i];
            csr->responsibilities[at] = results->values[r * job->top + i];
        }
        csr->offsets[++csr->rows] = at;
    }
    return FG_OK;
}

fg_status fgi_infer_above(fg_context *ctx, const fgi_params *params, fg_source *rows, double tau,
                          fg_csr **out)
{
    above_job job = {.top = params->k};
    if (job.top * tau > 1.0) job.top = (int32_t)(1.0 / tau) + 1; /* responsibilities sum to 1 */
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *job.csr, &job.csr));
    fg_status s = fgi_alloc_zero(NULL, 1, sizeof(int64_t), &job.csr->offsets);
    job.row_capacity = 1;
    const fgi_pass pass = {
        .params = params,
        .rows = {.top = job.top, .tau = (float)tau},
        .consume = take_above,
        .user = &job,
    };
    if (s == FG_OK) s = fgi_pass_run(ctx, rows, &pass, true);
    if (s == FG_OK)
        *out = job.csr;
    else
        fg_csr_destroy(job.csr);
    return s;
}

void fg_csr_destroy(fg_csr *csr)
{
    if (!csr) return;
    fgi_free(csr->offsets);
    fgi_free(csr->components);
    fgi_free(csr->responsibilities);
    fgi_free(csr);
}

/* ---- the dense matrix */

static fg_status take_dense(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    const fg_out *out = user;
    const int32_t k = out->cols;
    for (int64_t r = 0; r < rows; r++) {
        float *row = out_row(out, first + r);
        const int32_t *components = results->components + r * k;
        if (components[0] < 0) return refuse_row(first + r);
        memset(row, 0, (size_t)k * sizeof *row);
        for (int32_t i = 0; i < k && components[i] >= 0; i++)
            row[components[i]] = results->values[r * k + i];
    }
    return FG_OK;
}

fg_status fgi_infer_dense(fg_context *ctx, const fgi_params *params, fg_source *rows,
                          const fg_out *responsibilities)
{
    fg_out out = *responsibilities;
    const fgi_pass pass = {
        .params = params,
        .rows = {.top = params->k},
        .consume = take_dense,
        .user = &out,
    };
    return fgi_pass_run(ctx, rows, &pass, true);
}
