/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_backend.c - the CPU backend: shards of rows over threads, merged in their order. Knows tiles, statistics and threads;
 * knows no ISA and no algorithm.
 *
 * A shard is a fixed number of consecutive rows, chosen by the model's shape alone. A worker takes a shard through all
 * its tiles into statistics of its own, which are merged once every earlier shard has been (cpu_merge.h). So sums
 * have one order, whatever the number of threads and however the rows were cut into chunks. */
#include "context.h"
#include "cpu.h"
#include "cpu_bounded.h"
#include "cpu_merge.h"
#include "source.h"

#include <stdatomic.h> /* atomic_llong */

enum { LEAST_SHARD_ROWS = 1024, MOST_SHARD_ROWS = 8192, LEAST_CHUNK_SHARDS = 8 };

/* Threads meet at the end of a chunk: short rows come in more shards, as long as they are so few bytes as f32. */
enum { MOST_CHUNK_SHARDS = 32, CHUNK_BYTES = 4 << 20 };

/* Centroids from which on Lloyd's passes are faster by bounds: where a product is cheap, more of it must be left out
 * (bench/NOTES.md). */
enum { LEAST_K = 512, LEAST_FAST_K = 4096, FAST = 8 };

/* Counts are written all the time, so that no two workers' may lie in one line of a cache. */
typedef struct worker {
    _Alignas(64) fgi_cpu_scratch scratch;
    fgi_cpu_batch batch; /* of passes by bounds */
} worker;

/* What the size of buffers follows from. */
typedef struct buffer_shape {
    const fgi_screen *screen;
    fgi_kind kind, stats_kind;
    int32_t k, d;
    bool stats, by_bounds;
} buffer_shape;

typedef struct cpu_backend {
    fgi_backend base;
    fgi_ledger *ledger;
    fgi_pool *pool;
    const fgi_kernels *kernels;
    fgi_cpu_bounds bounds; /* of the rows that are held */
    /* of the pass in progress; while rows are held, of the last one too: the next may be of its shape */
    bool holds;
    buffer_shape shape;
    worker *workers;
    fgi_cpu_merge merge;
    /* of the pass in progress */
    fgi_cpu_plan plan;
    fgi_cpu_job job;
    bool by_bounds;
    /* of the chunk in progress */
    fg_view chunk;
    int64_t first, shard_rows, shards;
    atomic_llong next; /* the shard that is taken next */
    fgi_row_results results;
} cpu_backend;

/* Merging costs as much as about 150 rows, whatever the shape, but small models want more shards to share. */
static int64_t shard_rows_for(const fgi_params *params)
{
    const int64_t size = (int64_t)params->k * params->d;
    int64_t rows = LEAST_SHARD_ROWS;
    while (rows < MOST_SHARD_ROWS && rows * 16 < size) rows *= 2;
    return rows;
}

static int64_t cpu_unit_rows(const fgi_backend *backend, const fgi_pass_spec *spec)
{
    const cpu_backend *cpu = (const cpu_backend *)backend;
    const int64_t threads = fgi_pool_threads(cpu->pool), rows = shard_rows_for(spec->params);
    int64_t shards = 4 * threads > LEAST_CHUNK_SHARDS ? 4 * threads : LEAST_CHUNK_SHARDS;
    while (2 * shards <= MOST_CHUNK_SHARDS &&
           2 * shards * rows * spec->params->d * (int64_t)sizeof(float) <= CHUNK_BYTES)
        shards *= 2;
    return rows * shards;
}

static void release_buffers(cpu_backend *cpu)
{
    for (int32_t w = 0; cpu->workers && w < fgi_pool_threads(cpu->pool); w++) {
        fgi_cpu_scratch_destroy(&cpu->workers[w].scratch);
        fgi_cpu_batch_destroy(&cpu->workers[w].batch);
    }
    fgi_free(cpu->workers);
    cpu->workers = NULL;
    fgi_cpu_merge_end(&cpu->merge);
}

static fg_status allocate_buffers(cpu_backend *cpu, const buffer_shape *shape)
{
    const int32_t threads = fgi_pool_threads(cpu->pool);
    FG_TRY(fgi_alloc_zero(cpu->ledger, threads, sizeof *cpu->workers, &cpu->workers));
    if (shape->stats)
        FG_TRY(fgi_cpu_merge_begin(&cpu->merge, cpu->ledger, shape->stats_kind, shape->k, shape->d,
                                   threads));
    for (int32_t w = 0; w < threads; w++) {
        worker *one = &cpu->workers[w];
        FG_TRY(fgi_cpu_scratch_create(cpu->ledger, &cpu->plan, &one->scratch));
        if (shape->by_bounds) FG_TRY(fgi_cpu_batch_create(cpu->ledger, &one->scratch, &one->batch));
    }
    return FG_OK;
}

static bool is_same(const buffer_shape *a, const buffer_shape *b)
{
    return a->screen == b->screen && a->kind == b->kind && a->stats_kind == b->stats_kind &&
           a->k == b->k && a->d == b->d && a->stats == b->stats && a->by_bounds == b->by_bounds;
}

static fg_status prepare_pass(cpu_backend *cpu, const fgi_pass_spec *spec)
{
    const fgi_params *p = spec->params;
    const int32_t *order = cpu->by_bounds && cpu->bounds.grouped ? cpu->bounds.order : NULL;
    FG_TRY(fgi_cpu_plan_create(cpu->ledger, cpu->kernels, p, order, &cpu->plan));
    const buffer_shape shape = {
        .screen = cpu->plan.screen,
        .kind = p->kind,
        .stats_kind = spec->stats_kind,
        .k = p->k,
        .d = p->d,
        .stats = spec->stats,
        .by_bounds = cpu->by_bounds,
    };
    if (!cpu->workers || !is_same(&shape, &cpu->shape)) {
        release_buffers(cpu);
        FG_TRY(allocate_buffers(cpu, &shape));
        cpu->shape = shape;
    }
    if (spec->stats) fgi_stats_clear(&cpu->merge.total);
    return FG_OK;
}

static void end_pass(cpu_backend *cpu)
{
    fgi_cpu_plan_destroy(&cpu->plan);
    if (!cpu->holds) release_buffers(cpu);
}

static fg_status cpu_begin(fgi_backend *backend, const fgi_pass_spec *spec)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    cpu->by_bounds = fgi_cpu_bounds_begin(&cpu->bounds, cpu->ledger, spec);
    const fg_status s = prepare_pass(cpu, spec);
    if (s != FG_OK) {
        fgi_cpu_plan_destroy(&cpu->plan);
        release_buffers(cpu);
        return s;
    }
    cpu->shard_rows = shard_rows_for(spec->params);
    cpu->job = fgi_cpu_job_of(cpu->kernels, &cpu->plan, &spec->rows);
    return FG_OK;
}

static fgi_row_results results_from(const fgi_row_results *all, const fgi_row_request *want,
                                    int64_t row)
{
    return (fgi_row_results){
        .components = all->components ? all->components + row * want->top : NULL,
        .values = all->values ? all->values + row * want->top : NULL,
        .log_density = all->log_density ? all->log_density + row : NULL,
    };
}

/* stats: of the shard, to be summed; NULL where none are wanted. */
static void absorb_shard(cpu_backend *cpu, worker *self, int64_t shard, fgi_stats *stats)
{
    const int64_t begin = shard * cpu->shard_rows;
    const int64_t stride_bytes = fgi_stride(cpu->chunk.row_stride, cpu->chunk.cols) *
                                 (int64_t)fg_dtype_bytes((fg_dtype)cpu->chunk.dtype);
    fg_view rows = cpu->chunk;
    rows.data = (const char *)cpu->chunk.data + begin * stride_bytes;
    rows.rows = rows.rows - begin < cpu->shard_rows ? rows.rows - begin : cpu->shard_rows;
    const fgi_row_results results = results_from(&cpu->results, &cpu->job.rows, begin);
    /* a guess may steer the work, never the result; it starts afresh all the same, so that the work
     * is the same for any number of threads too */
    self->scratch.rank_gap = 0.0;
    if (stats) fgi_stats_clear(stats);
    if (cpu->by_bounds) {
        const fgi_cpu_bounded bounded = {
            .job = &cpu->job,
            .bounds = &cpu->bounds,
            .scratch = &self->scratch,
            .batch = &self->batch,
        };
        fgi_cpu_bounded_absorb(&bounded, &rows, cpu->first + begin, stats);
    } else {
        fgi_cpu_tile_absorb(&cpu->job, &self->scratch, &rows, cpu->first + begin, stats, &results);
    }
}

static void absorb_shards(void *user, int32_t index)
{
    cpu_backend *cpu = user;
    while (atomic_load(&cpu->next) < cpu->shards) {
        fgi_cpu_place *place = cpu->shape.stats ? fgi_cpu_merge_take(&cpu->merge, index) : NULL;
        const int64_t shard = atomic_fetch_add(&cpu->next, 1);
        const bool mine = shard < cpu->shards;
        if (mine)
            absorb_shard(cpu, &cpu->workers[index], shard,
                         place ? fgi_cpu_merge_stats(place) : NULL);
        if (place) fgi_cpu_merge_give(&cpu->merge, place, mine ? shard : -1);
    }
}

static fg_status cpu_absorb(fgi_backend *backend, const fg_view *chunk, int64_t first,
                            const fgi_row_results *results)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    if (chunk->dtype < 1 || chunk->dtype >= FGI_DTYPE_COUNT || !cpu->kernels->load[chunk->dtype])
        return fgi_fail(FG_UNSUPPORTED,
                        "rows of type %s cannot be clustered; use f32, f16, bf16, i8, u8 or f64",
                        fg_dtype_text((fg_dtype)chunk->dtype));
    cpu->chunk = *chunk;
    cpu->first = first;
    cpu->results = results ? *results : (fgi_row_results){0};
    cpu->shards = (chunk->rows + cpu->shard_rows - 1) / cpu->shard_rows;
    fgi_cpu_merge_restart(&cpu->merge);
    atomic_store(&cpu->next, 0);
    if (cpu->shards == 1)
        absorb_shards(cpu, 0); /* waking threads would cost more than it brings */
    else
        fgi_pool_run(cpu->pool, absorb_shards, cpu);
    return FG_OK;
}

static fg_status cpu_end(fgi_backend *backend, fgi_stats *stats, bool *again)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    *again = false;
    if (stats && cpu->shape.stats) fgi_stats_merge(stats, &cpu->merge.total);
    if (cpu->by_bounds) fgi_cpu_bounds_end(&cpu->bounds, &cpu->merge.total);
    end_pass(cpu);
    return FG_OK;
}

static void cpu_hold(fgi_backend *backend, const fgi_hold *rows)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    const bool fast = cpu->kernels->screens[0].speed >= FAST;
    fgi_cpu_bounds_hold(&cpu->bounds, rows, fast ? LEAST_FAST_K : LEAST_K);
    cpu->holds = true;
}

static void cpu_release(fgi_backend *backend)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    fgi_cpu_bounds_release(&cpu->bounds);
    release_buffers(cpu);
    cpu->holds = false;
}

static void cpu_destroy(fgi_backend *backend)
{
    if (!backend) return;
    cpu_backend *cpu = (cpu_backend *)backend;
    fgi_cpu_plan_destroy(&cpu->plan);
    release_buffers(cpu);
    fgi_cpu_bounds_release(&cpu->bounds);
    fgi_cpu_merge_destroy(&cpu->merge);
    fgi_free(cpu);
}

static const fgi_backend_ops cpu_ops = {
    .name = "cpu",
    .unit_rows = cpu_unit_rows,
    .begin = cpu_begin,
    .absorb = cpu_absorb,
    .end = cpu_end,
    .hold = cpu_hold,
    .release = cpu_release,
    .destroy = cpu_destroy,
};

fg_status fgi_backend_cpu(fgi_ledger *ledger, fgi_pool *pool, const fgi_kernels *kernels,
                          fgi_backend **out)
{
    cpu_backend *cpu;
    FG_TRY(fgi_alloc_zero(ledger, 1, sizeof *cpu, &cpu));
    cpu->base.ops = &cpu_ops;
    cpu->ledger = ledger;
    cpu->pool = pool;
    cpu->kernels = kernels;
    fgi_cpu_merge_init(&cpu->merge);
    *out = &cpu->base;
    return FG_OK;
}
