/* SPDX-License-Identifier: Apache-2.0 */
/* seeding.c - k-means++ and random rows, on a sample held in memory. Knows samples and distances; knows no
 * iteration.
 *
 * k-means++ draws each seed by D(x), the squared distance to the nearest seed so far, which takes a look at every row for
 * every seed. Here seeds come in rounds. Within a round rows keep the D of its beginning, and a row x drawn by that is
 * accepted with probability min(D(x), |x - b|^2 for the seeds b of this round) / D(x): what is accepted follows the law of
 * k-means++ (von Neumann's rejection), for distances to the seeds of this round alone. Then one pass lowers D for all of
 * them, as a product. */
#include "seeding.h"

#include "random.h"

#include <math.h>   /* INFINITY, isfinite */
#include <string.h> /* memcpy */

enum { BLOCK_ROWS = 512 };

/* Products that are worth a thread: it takes some microseconds to hear of them, and to be heard of. */
enum { LEAST_THREAD_PRODUCTS = 1 << 15 };

/* A round adds half as many seeds as there are: few rounds, and few draws in vain. */
enum { ROUND_SHARE = 2 };

/* Seeds that are worth a pass of the backend, if there is that much to multiply; fewer are compared with the rows one by
 * one, and drawn one by one as long as a round would not be worth more. */
enum { LEAST_PASS_SEEDS = 16, LEAST_PASS_PRODUCTS = 1 << 24 };

/* Draws in vain, beyond those that were not, that end a round: what D was tells too little by then. */
enum { MOST_VAIN = 8 };

/* The sample as centred f32 rows without bad ones. */
typedef struct sample {
    const fgi_kernels *kernels;
    float *x; /* rows x d */
    int64_t rows;
    int32_t d;
    float *nearest;    /* rows: squared distance to the nearest seed so far */
    double *block_sum; /* of nearest, a block of rows each */
    float *fresh;      /* rows: distances to one seed */
} sample;

/* The seeds of a round, and what it takes to lower the rows' distances by them. */
typedef struct round_seeds {
    sample *s;
    fgi_backend *backend; /* the CPU's on any device: the same seeds everywhere */
    fgi_params params;    /* as parameters of a pass over the sample: their center is 0 */
    float *x;             /* count x d */
    float *apart;         /* distances from a row to them */
    double *negative;     /* rows: minus the squared distance to the nearest of them */
    int32_t count, most;
    int64_t together; /* blocks that a thread lowers at a time */
    bool by_pass;
    uint64_t draws; /* of all rounds */
} round_seeds;

static void sample_free(sample *s)
{
    fgi_free(s->x);
    fgi_free(s->nearest);
    fgi_free(s->block_sum);
    fgi_free(s->fresh);
}

/* Rows on their way into the sample. */
typedef struct loading {
    sample *s;
    const fgi_picked *picked;
    const fgi_params *centroids;
} loading;

/* Behind what is there already; their squared norms for a while where distances will be. */
static void load_block(void *user, int64_t block, int32_t worker)
{
    (void)worker;
    const loading *l = user;
    const sample *s = l->s;
    const int64_t begin = block * BLOCK_ROWS, left = l->picked->count - begin;
    const int64_t end = begin + (left < BLOCK_ROWS ? left : BLOCK_ROWS);
    for (int64_t i = begin; i < end;) {
        const fg_view rows = fgi_picked_rows(l->picked, i, end - i);
        const fgi_load_args load = {
            .rows = rows.data,
            .stride = fgi_stride(rows.row_stride, rows.cols),
            .count = (int32_t)rows.rows,
            .d = s->d,
            .center = l->centroids->center,
            .normalize = l->centroids->normalize,
            .x = s->x + (s->rows + i) * s->d,
            .ldx = s->d,
            .norm2 = s->nearest + s->rows + i,
        };
        s->kernels->load[rows.dtype](&load);
        i += rows.rows;
    }
}

/* Of so many rows that were loaded, those that can be used. */
static void keep_good_rows(sample *s, int64_t loaded)
{
    const int64_t end = s->rows + loaded;
    for (int64_t r = s->rows; r < end; r++) {
        if (!isfinite(s->nearest[r])) continue;
        if (r > s->rows)
            memcpy(s->x + s->rows * s->d, s->x + r * s->d, (size_t)s->d * sizeof *s->x);
        s->rows++;
    }
}

static fg_status load_sample(fg_context *ctx, fgi_picks *picks, const fgi_params *centroids,
                             sample *s)
{
    for (;;) {
        fgi_picked picked;
        FG_TRY(fgi_picks_next(picks, &picked));
        if (picked.count == 0) return FG_OK;
        loading l = {s, &picked, centroids};
        fgi_pool_each(ctx->pool, (picked.count + BLOCK_ROWS - 1) / BLOCK_ROWS, load_block, &l);
        keep_good_rows(s, picked.count);
    }
}

static fg_status take_sample(fg_context *ctx, fg_source *src, const fgi_seeding *how,
                             const fgi_params *centroids, sample *s)
{
    int64_t wanted = (int64_t)FGI_SEEDING_ROWS_PER_CENTROID * centroids->k;
    if (wanted < FGI_SEEDING_LEAST_ROWS) wanted = FGI_SEEDING_LEAST_ROWS;
    fgi_picks picks;
    FG_TRY(fgi_picks_begin(&picks, src, wanted, how->seed, FGI_STREAM_SAMPLE));
    *s = (sample){.kernels = ctx->kernels, .d = centroids->d};
    fg_status status = fgi_alloc(&ctx->ledger, picks.count * s->d, sizeof(float), &s->x);
    if (status == FG_OK) status = fgi_alloc(&ctx->ledger, picks.count, sizeof(float), &s->nearest);
    if (status == FG_OK) status = load_sample(ctx, &picks, centroids, s);
    if (status == FG_OK && s->rows == 0)
        status = fgi_fail(FG_NUMERIC, "all %lld rows sampled for seeding hold NaN or infinity",
                          (long long)picks.count);
    const int64_t blocks = (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
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

/* In lanes: one sum would wait for itself at every row. */
static double sum_of(const float *value, int64_t count)
{
    enum { LANES = 8 };
    double lane[LANES] = {0.0}, sum = 0.0;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int32_t l = 0; l < LANES; l++) lane[l] += value[i + l];
    for (; i < count; i++) lane[0] += value[i];
    for (int32_t l = 0; l < LANES; l++) sum += lane[l];
    return sum;
}

static int64_t blocks_of(const sample *s)
{
    return (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

static void lower_block(const round_seeds *seeds, int64_t block)
{
    const sample *s = seeds->s;
    const int64_t begin = block * BLOCK_ROWS;
    const int64_t count = s->rows - begin < BLOCK_ROWS ? s->rows - begin : BLOCK_ROWS;
    float *nearest = s->nearest + begin, *fresh = s->fresh + begin;
    for (int32_t j = 0; j < (seeds->by_pass ? 1 : seeds->count); j++) {
        if (seeds->by_pass)
            for (int64_t r = 0; r < count; r++) fresh[r] = (float)-seeds->negative[begin + r];
        else
            s->kernels->scan_l2[FG_F32](seeds->x + (int64_t)j * s->d, s->x + begin * s->d, NULL,
                                        count, s->d, fresh);
        for (int64_t r = 0; r < count; r++)
            nearest[r] = fresh[r] < nearest[r] ? fresh[r] : nearest[r];
    }
    s->block_sum[block] = sum_of(nearest, count);
}

static void lower_blocks(void *user, int64_t item, int32_t worker)
{
    (void)worker;
    const round_seeds *seeds = user;
    const int64_t end = (item + 1) * seeds->together, blocks = blocks_of(seeds->s);
    for (int64_t b = item * seeds->together; b < end && b < blocks; b++) lower_block(seeds, b);
}

/* The sample in one chunk through the backend. */
static fg_status measure_by_pass(round_seeds *seeds)
{
    const sample *s = seeds->s;
    const fgi_backend_ops *ops = seeds->backend->ops;
    seeds->params.k = seeds->count;
    for (int64_t i = 0; i < (int64_t)seeds->count * s->d; i++) seeds->params.means[i] = seeds->x[i];
    const fgi_pass_spec spec = {.params = &seeds->params,
                                .rows = {.log_density = true},
                                .stats_kind = FGI_HARD,
                                .dtype = FG_F32};
    const fg_view rows = {.data = s->x, .rows = s->rows, .cols = s->d, .dtype = FG_F32};
    const fgi_row_results results = {.log_density = seeds->negative};
    FG_TRY(ops->begin(seeds->backend, &spec));
    const fg_status status = ops->absorb(seeds->backend, &rows, 0, &results);
    bool again;
    const fg_status ended = ops->end(seeds->backend, NULL, &again);
    return status == FG_OK ? ended : status;
}

/* The sample's distances to the nearest seed, with those of this round; the next one begins. */
static fg_status lower(fg_context *ctx, round_seeds *seeds)
{
    const int64_t products = seeds->s->rows * seeds->s->d * seeds->count;
    seeds->by_pass = seeds->count >= LEAST_PASS_SEEDS && products >= LEAST_PASS_PRODUCTS;
    if (seeds->by_pass) FG_TRY(measure_by_pass(seeds));
    const int64_t block_products = (int64_t)BLOCK_ROWS * seeds->s->d * seeds->count;
    seeds->together = (LEAST_THREAD_PRODUCTS + block_products - 1) / block_products;
    const int64_t items = (blocks_of(seeds->s) + seeds->together - 1) / seeds->together;
    fgi_pool_each(ctx->pool, items, lower_blocks, seeds);
    seeds->count = 0;
    return FG_OK;
}

/* The row at which the running sum of distances passes `share` of the whole. */
static int64_t row_at(const sample *s, double share)
{
    const int64_t blocks = blocks_of(s);
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

static void round_seeds_free(round_seeds *seeds)
{
    fgi_params_destroy(&seeds->params);
    fgi_free(seeds->x);
    fgi_free(seeds->apart);
    fgi_free(seeds->negative);
    if (seeds->backend) seeds->backend->ops->destroy(seeds->backend);
}

static fg_status round_seeds_create(fg_context *ctx, sample *s, int32_t k, round_seeds *out)
{
    fgi_ledger *ledger = &ctx->ledger;
    const int32_t most = k / ROUND_SHARE > 1 ? k / ROUND_SHARE : 1;
    *out = (round_seeds){.s = s, .most = most};
    fg_status status = fgi_alloc(ledger, (int64_t)most * s->d, sizeof(float), &out->x);
    if (status == FG_OK) status = fgi_alloc(ledger, most, sizeof(float), &out->apart);
    if (status == FG_OK && most >= LEAST_PASS_SEEDS) {
        status = fgi_params_create(ledger, FGI_HARD, most, s->d, &out->params);
        if (status == FG_OK) status = fgi_alloc(ledger, s->rows, sizeof(double), &out->negative);
        if (status == FG_OK)
            status = fgi_backend_cpu(ledger, ctx->pool, ctx->kernels, &out->backend);
    }
    if (status != FG_OK) round_seeds_free(out);
    return status;
}

/* Whether a row drawn by its distance from before this round is a seed by its distance now. */
static bool accepts(const round_seeds *seeds, int64_t row, double uniform)
{
    const sample *s = seeds->s;
    if (seeds->count == 0) return true;
    s->kernels->scan_l2[FG_F32](s->x + row * s->d, seeds->x, NULL, seeds->count, s->d,
                                seeds->apart);
    float now = s->nearest[row];
    for (int32_t j = 0; j < seeds->count; j++)
        if (seeds->apart[j] < now) now = seeds->apart[j];
    return uniform * s->nearest[row] < now;
}

/* Draws up to `wanted` seeds, at least one, and makes them centroids from `known` on. */
static void draw_round(round_seeds *seeds, uint64_t seed, int32_t known, int32_t wanted,
                       fgi_params *centroids)
{
    const sample *s = seeds->s;
    for (int32_t vain = 0; seeds->count < wanted && vain < seeds->count + MOST_VAIN;) {
        const uint64_t draw = ++seeds->draws;
        const int64_t row = row_at(s, fgi_random_uniform(seed, FGI_STREAM_SEEDING, draw));
        if (!accepts(seeds, row, fgi_random_uniform(seed, FGI_STREAM_ACCEPT, draw))) {
            vain++;
            continue;
        }
        const float *x = s->x + row * s->d;
        memcpy(seeds->x + (int64_t)seeds->count * s->d, x, (size_t)s->d * sizeof *x);
        set_centroid(centroids, known + seeds->count++, x);
    }
}

static fg_status draw_rounds(fg_context *ctx, round_seeds *seeds, uint64_t seed,
                             fgi_listener *listener, fgi_params *centroids)
{
    sample *s = seeds->s;
    for (int64_t r = 0; r < s->rows; r++) s->nearest[r] = INFINITY;
    const int64_t row = fgi_random_below(seed, FGI_STREAM_SEEDING, 0, s->rows);
    memcpy(seeds->x, s->x + row * s->d, (size_t)s->d * sizeof *seeds->x);
    set_centroid(centroids, 0, seeds->x);
    seeds->count = 1;
    for (int32_t known = 1; known < centroids->k;) {
        FG_TRY(lower(ctx, seeds));
        FG_TRY(fgi_listener_step(listener, known, centroids->k));
        int32_t wanted = known / ROUND_SHARE < LEAST_PASS_SEEDS ? 1 : known / ROUND_SHARE;
        if (wanted > centroids->k - known) wanted = centroids->k - known;
        draw_round(seeds, seed, known, wanted, centroids);
        known += seeds->count;
    }
    return FG_OK;
}

static fg_status seed_plusplus(fg_context *ctx, sample *s, uint64_t seed, fgi_listener *listener,
                               fgi_params *centroids)
{
    round_seeds seeds;
    FG_TRY(round_seeds_create(ctx, s, centroids->k, &seeds));
    const fg_status status = draw_rounds(ctx, &seeds, seed, listener, centroids);
    round_seeds_free(&seeds);
    return status;
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
