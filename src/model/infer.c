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

/* ---- the best few */

typedef struct top_job {
    const fgi_top_outputs *out;
    int32_t top;
} top_job;

static fg_status take_top(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    const top_job *job = user;
    for (int64_t r = 0; r < rows; r++)
        if (results->components[r * job->top] < 0) return refuse_row(first + r);
    if (job->out->components) put_rows(job->out->components, first, rows, results->components);
    if (job->out->values) put_rows(job->out->values, first, rows, results->values);
    return FG_OK;
}

fg_status fgi_infer_top(fg_context *ctx, const fgi_params *params, fg_source *rows,
                        const fgi_top_outputs *out)
{
    top_job job = {.out = out, .top = (out->components ? out->components : out->values)->cols};
    const fgi_pass pass = {
        .params = params,
        .rows = {.top = job.top, .exact_rank = out->all_ranks},
        .consume = take_top,
        .user = &job,
    };
    return fgi_pass_run(ctx, rows, &pass, true);
}

/* ---- log-densities */

typedef struct score_job {
    const fg_out *out;
    double sum;
    int64_t rows;
} score_job;

static fg_status take_scores(void *user, int64_t first, int64_t rows,
                             const fgi_row_results *results)
{
    score_job *job = user;
    for (int64_t r = 0; r < rows; r++) {
        if (isnan(results->log_density[r])) return refuse_row(first + r);
        job->sum += results->log_density[r];
    }
    job->rows += rows;
    if (job->out && job->out->dtype == FG_F64)
        put_rows(job->out, first, rows, results->log_density);
    for (int64_t r = 0; r < rows && job->out && job->out->dtype != FG_F64; r++)
        fgi_out_set(job->out, first + r, 0, results->log_density[r]);
    return FG_OK;
}

fg_status fgi_infer_score(fg_context *ctx, const fgi_params *params, fg_source *rows,
                          const fg_out *log_density, double *mean)
{
    score_job job = {.out = log_density};
    const fgi_pass pass = {
        .params = params,
        .rows = {.log_density = true},
        .consume = take_scores,
        .user = &job,
    };
    FG_TRY(fgi_pass_run(ctx, rows, &pass, true));
    if (job.rows == 0) return fgi_fail(FG_ARGUMENT, "the source has no rows, so no mean");
    if (mean) *mean = job.sum / (double)job.rows;
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
