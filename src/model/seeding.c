/* SPDX-License-Identifier: Apache-2.0 */
/* seeding.c - k-means++ and random rows, on a sample held in memory. Knows samples and distances; knows no
 * iteration. */
#include "seeding.h"

#include "random.h"

#include <math.h> /* INFINITY, isfinite */

enum { BLOCK_ROWS = 512 };

/* The sample as centred f32 rows without bad ones. */
typedef struct sample {
    const fgi_kernels *kernels;
    float *x; /* rows x d */
    int64_t rows;
    int32_t d;
    float *nearest;    /* rows: squared distance to the nearest seed so far */
    double *block_sum; /* of nearest, a block of rows each */
    const float *seed; /* the newest */
    float *fresh;      /* rows: distances to the newest */
} sample;

static void sample_free(sample *s)
{
    fgi_free(s->x);
    fgi_free(s->nearest);
    fgi_free(s->block_sum);
    fgi_free(s->fresh);
}

static void load_row(const fg_view *chunk, int64_t row, const fgi_params *centroids, sample *s)
{
    const int64_t stride_bytes = fgi_stride(chunk->row_stride, chunk->cols) *
                                 (int64_t)fg_dtype_bytes((fg_dtype)chunk->dtype);
    float norm2;
    const fgi_load_args load = {
        .rows = (const char *)chunk->data + row * stride_bytes,
        .count = 1,
        .d = s->d,
        .center = centroids->center,
        .normalize = centroids->normalize,
        .x = s->x + s->rows * s->d,
        .ldx = s->d,
        .norm2 = &norm2,
    };
    s->kernels->load[chunk->dtype](&load);
    if (isfinite(norm2)) s->rows++; /* else the next row takes its place */
}

static fg_status load_sample(fg_source *rows, const fgi_params *centroids, sample *s)
{
    fgi_chunks chunks;
    FG_TRY(fgi_chunks_begin(&chunks, NULL, rows, rows->rows));
    for (;;) {
        fg_view chunk;
        int64_t first;
        const fg_status status = fgi_chunks_next(&chunks, &chunk, &first);
        if (status != FG_OK || chunk.rows == 0) {
            fgi_chunks_end(&chunks);
            return status;
        }
        for (int64_t r = 0; r < chunk.rows; r++) load_row(&chunk, r, centroids, s);
    }
}

static fg_status take_sample(fg_context *ctx, fg_source *src, const fgi_seeding *how,
                             const fgi_params *centroids, sample *s)
{
    int64_t wanted = (int64_t)FGI_SEEDING_ROWS_PER_CENTROID * centroids->k;
    if (wanted < FGI_SEEDING_LEAST_ROWS) wanted = FGI_SEEDING_LEAST_ROWS;
    fg_source *rows;
    FG_TRY(fgi_source_sample(src, &ctx->ledger, wanted, how->seed, FGI_STREAM_SAMPLE, &rows));
    *s = (sample){.kernels = ctx->kernels, .d = centroids->d};
    fg_status status = fgi_alloc(&ctx->ledger, rows->rows * s->d, sizeof(float), &s->x);
    if (status == FG_OK) status = load_sample(rows, centroids, s);
    fg_source_destroy(rows);
    if (status == FG_OK && s->rows == 0)
        status = fgi_fail(FG_NUMERIC, "all %lld rows sampled for seeding hold NaN or infinity",
                          (long long)wanted);
    const int64_t blocks = (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (status == FG_OK) status = fgi_alloc(&ctx->ledger, s->rows, sizeof(float), &s->nearest);
    if (status == FG_OK) status = fgi_alloc(&ctx->ledger, s->rows, sizeof(float), &s->fresh);
    if (status == FG_OK) status = fgi_alloc(&ctx->ledger, blocks, sizeof(double), &s->block_sum);
    if (status != FG_OK) sample_free(s);
    return status;
}

static void set_centroid(fgi_params *centroids, int32_t j, const float *x)
{
    double *mean = centroids->means + (int64_t)j * centroids->d;
    for (int32_t i = 0; i < centroids->d; i++) mean[i] = x[i];
    centroids->log_weights[j] = 0.0;
}

static void lower_block(void *user, int64_t block, int32_t worker)
{
    (void)worker;
    sample *s = user;
    const int64_t begin = block * BLOCK_ROWS;
    const int64_t count = s->rows - begin < BLOCK_ROWS ? s->rows - begin : BLOCK_ROWS;
    float *nearest = s->nearest + begin, *fresh = s->fresh + begin;
    s->kernels->scan_l2[FG_F32](s->seed, s->x + begin * s->d, NULL, count, s->d, fresh);
    double sum = 0.0;
    for (int64_t r = 0; r < count; r++) {
        if (fresh[r] < nearest[r]) nearest[r] = fresh[r];
        sum += nearest[r];
    }
    s->block_sum[block] = sum;
}

/* The row at which the running sum of distances passes `share` of the whole. */
static int64_t row_at(const sample *s, double share)
{
    const int64_t blocks = (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    double total = 0.0;
    for (int64_t b = 0; b < blocks; b++) total += s->block_sum[b];
    if (!(total > 0.0)) return (int64_t)(share * (double)s->rows); /* all rows are seeds already */
    double left = share * total;
    int64_t block = 0;
    while (block < blocks - 1 && left >= s->block_sum[block]) left -= s->block_sum[block++];
    int64_t row = block * BLOCK_ROWS;
    const int64_t last = row + BLOCK_ROWS < s->rows ? row + BLOCK_ROWS - 1 : s->rows - 1;
    while (row < last && (left >= s->nearest[row] || s->nearest[row] == 0.0f))
        left -= s->nearest[row++];
    return row;
}

static fg_status seed_plusplus(fg_context *ctx, sample *s, uint64_t seed, fgi_listener *listener,
                               fgi_params *centroids)
{
    const int64_t blocks = (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    for (int64_t r = 0; r < s->rows; r++) s->nearest[r] = INFINITY;
    int64_t row = fgi_random_below(seed, FGI_STREAM_SEEDING, 0, s->rows);
    for (int32_t j = 0;; j++) {
        s->seed = s->x + row * s->d;
        set_centroid(centroids, j, s->seed);
        if (j == centroids->k - 1) return FG_OK;
        fgi_pool_each(ctx->pool, blocks, lower_block, s);
        FG_TRY(fgi_listener_step(listener, j + 1, centroids->k));
        row = row_at(s, fgi_random_uniform(seed, FGI_STREAM_SEEDING, (uint64_t)j + 1));
    }
}

/* A random order of the sample's rows, as far as needed (Fisher, Yates); repeats only if there are too
 * few. */
static fg_status seed_random(fg_context *ctx, const sample *s, uint64_t seed, fgi_params *centroids)
{
    int64_t *order;
    FG_TRY(fgi_alloc(&ctx->ledger, s->rows, sizeof *order, &order));
    for (int64_t r = 0; r < s->rows; r++) order[r] = r;
    for (int32_t j = 0; j < centroids->k; j++) {
        const int64_t place = j % s->rows;
        const int64_t other =
            place + fgi_random_below(seed, FGI_STREAM_ROWS, (uint64_t)j, s->rows - place);
        const int64_t row = order[other];
        order[other] = order[place];
        order[place] = row;
        set_centroid(centroids, j, s->x + row * s->d);
    }
    fgi_free(order);
    return FG_OK;
}

fg_status fgi_seed(fg_context *ctx, fg_source *src, const fgi_seeding *how, fgi_listener *listener,
                   fgi_params *centroids)
{
    fgi_listener_phase(listener, "seeding", centroids->k);
    sample s;
    FG_TRY(take_sample(ctx, src, how, centroids, &s));
    const fg_status status = how->method == FG_INIT_RANDOM
                                 ? seed_random(ctx, &s, how->seed, centroids)
                                 : seed_plusplus(ctx, &s, how->seed, listener, centroids);
    sample_free(&s);
    return status;
}
