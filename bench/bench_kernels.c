/* SPDX-License-Identifier: Apache-2.0 */
/* bench_kernels.c - the speed of every kernel on one core, beside the most multiply-adds that core can do.
 * Knows the kernel table; knows no pass.
 *
 *     bench_kernels [--json] [ISA ...]      (default: every instruction set this CPU has)
 *     bench_kernels --peak [THREADS]        GFLOP/s of multiply-adds of one core, or of so many at once, at most
 *
 * A case's value is compared with the reference kernel's before it is timed. Times are medians of RUNS. */
#include "clock.h"
#include "half.h"
#include "kernels.h"
#include "pool.h"
#include "random.h"

#include <inttypes.h> /* PRId32 */
#include <math.h>     /* fabs */
#include <stdio.h>    /* printf, fprintf */
#include <stdlib.h>   /* aligned_alloc, abort, atoi, free, qsort */
#include <string.h>   /* memcpy, memset, strcmp */

enum {
    RUNS = 9,
    ROWS = 192,
    K = 1024,
    LD_SCORES = K + 16, /* as in a pass: powers of two meet in few sets of a cache */
    MAX_DEPTH = 768,
    SCAN_ROWS = 4096,
    SCAN_D = 128,
    CHOSEN = 64,
    ADDED = 16,
    FEW = 8
};

/* All that the cases read and write. */
typedef struct arena {
    float *x;        /* ROWS x MAX_DEPTH */
    float *weights;  /* K x MAX_DEPTH: weights, or means */
    void *packed[2]; /* the weights as the first and the last screen want them */
    float *bias;     /* K, negative */
    float *scores;   /* ROWS x K */
    void *rows;      /* SCAN_ROWS x SCAN_D elements of the case's type */
    int32_t *index;  /* K + slack */
    float *out;      /* SCAN_ROWS + slack */
    double *shift, *square;
} arena;

typedef struct bench_case {
    const char *name;
    int32_t d;
    fg_dtype dtype;
    double flops, bytes; /* of one run: arithmetic, and operands read */
    /* gives one of the results back */
    double (*run)(const struct bench_case *c, const fgi_kernels *kernels, const arena *a);
} bench_case;

/* --------------------------------------------------------------------------- the core's own limit */

#ifdef FGI_WITH_X86
#include <immintrin.h> /* _mm512_fmadd_ps, _mm256_fmadd_ps */

/* independent multiply-adds: more than units times latency, few enough for 16 registers */
enum { CHAINS = 12 };

#define FMA_LOOP(name, isa, vec, op)                                                               \
    __attribute__((target(isa))) static double name(int64_t steps)                                 \
    {                                                                                              \
        const vec factor = op##_set1_ps(0.5f), term = op##_set1_ps(1);                             \
        vec sum[CHAINS];                                                                           \
        for (int c = 0; c < CHAINS; c++) sum[c] = op##_set1_ps((float)c);                          \
        for (int64_t i = 0; i < steps; i++)                                                        \
            for (int c = 0; c < CHAINS; c++) sum[c] = op##_fmadd_ps(sum[c], factor, term);         \
        for (int c = 1; c < CHAINS; c++) sum[0] = op##_add_ps(sum[0], sum[c]);                     \
        float lanes[sizeof(vec) / sizeof(float)];                                                  \
        op##_storeu_ps(lanes, sum[0]);                                                             \
        return lanes[0];                                                                           \
    }
FMA_LOOP(fma_avx512, "avx512f", __m512, _mm512)
FMA_LOOP(fma_avx2, "avx2,fma", __m256, _mm256)
#undef FMA_LOOP

typedef struct peak_task {
    double (*loop)(int64_t steps);
    int64_t steps;
} peak_task;

static void run_peak(void *user, int32_t worker)
{
    const peak_task *task = user;
    volatile double used = task->loop(task->steps); /* else the loop would be left out */
    (void)used;
    (void)worker;
}
#endif

/* The most flops a second of multiply-adds that touch no memory, all threads together; 0 where that is not known. */
static double fma_peak(const char *isa, int32_t threads)
{
    double best = 0;
#ifdef FGI_WITH_X86
    static const struct {
        const char *isa;
        double (*loop)(int64_t steps);
        double lanes;
    } loops[] = {{"amx", fma_avx512, 16},
                 {"avx512vnni", fma_avx512, 16},
                 {"avx512", fma_avx512, 16},
                 {"avx2", fma_avx2, 8}};
    fgi_pool *pool;
    if (fgi_pool_create(NULL, threads, &pool) != FG_OK) return 0;
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        if (strcmp(isa, loops[i].isa) != 0) continue;
        /* long enough for the system to give every thread a core of its own */
        peak_task task = {.loop = loops[i].loop, .steps = 1 << 22};
        const double flops = 2 * CHAINS * loops[i].lanes * (double)task.steps * threads;
        for (int run = 0; run < 4 * RUNS; run++) {
            const double start = fgi_seconds();
            fgi_pool_run(pool, run_peak, &task);
            best = fmax(best, flops / (fgi_seconds() - start));
        }
    }
    fgi_pool_destroy(pool);
#endif
    (void)isa;
    (void)threads;
    return best;
}

/* ------------------------------------------------------------------------------------------- cases */

/* By tiles as a pass takes them (cpu_tile.c). */
static double run_screen(const bench_case *c, const fgi_screen *screen, const void *packed,
                         const arena *a)
{
    const int32_t ldx = (c->d + 15) / 16 * 16;
    int32_t rows = 0;
    for (int32_t first = 0; first < ROWS; first += rows) {
        rows = ROWS - first < screen->most_rows ? ROWS - first : screen->most_rows;
        const float *x = a->x + (int64_t)first * ldx;
        float row_max[ROWS];
        for (int32_t r = 0; r < rows; r++) row_max[r] = -INFINITY;
        if (screen->prepare) screen->prepare(x, ldx, rows, c->d, a->rows);
        screen->scores(&(fgi_scores_args){.x = screen->prepare ? a->rows : x,
                                          .ldx = ldx,
                                          .rows = rows,
                                          .depth = c->d,
                                          .norm2 = x,
                                          .packed = packed,
                                          .bias = a->bias,
                                          .slope = a->bias,
                                          .panels = K / screen->panel,
                                          .scores = a->scores,
                                          .ld_scores = LD_SCORES,
                                          .row_max = row_max});
    }
    return a->scores[(int64_t)(rows - 1) * LD_SCORES];
}

static double run_scores(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return run_screen(c, &kernels->screens[0], a->packed[0], a);
}

static double run_scores_exact(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return run_screen(c, &kernels->screens[kernels->screen_count - 1], a->packed[1], a);
}

static double run_load(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    kernels->load[c->dtype](&(fgi_load_args){.rows = a->rows,
                                             .stride = c->d,
                                             .count = ROWS,
                                             .d = c->d,
                                             .center = a->bias,
                                             .x = a->scores,
                                             .ldx = c->d,
                                             .norm2 = a->out});
    return a->out[ROWS - 1];
}

static double run_select(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    (void)c;
    return kernels->select(a->bias, K, -0.02f, 0, a->rows, a->index);
}

static double find_distances(const bench_case *c, const fgi_kernels *kernels, const arena *a,
                             const float *scale)
{
    kernels->distances(&(fgi_distances_args){
        .pairs = {.count = CHOSEN, .row = a->index, .component = a->index},
        .x = a->x,
        .means = a->weights,
        .scale = scale,
        .ldx = c->d,
        .ld = c->d,
        .d = c->d,
        .out = a->out,
    });
    return a->out[CHOSEN - 1];
}

static double run_distances(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return find_distances(c, kernels, a, NULL);
}

static double run_distances_scaled(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return find_distances(c, kernels, a, a->scores);
}

static double run_evaluate(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    (void)c;
    kernels->evaluate(a->x, a->index, CHOSEN, a->square, a->square, a->shift);
    return a->shift[CHOSEN - 1];
}

/* Rows of FEW candidates each. */
static double run_shares(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    int32_t begin[MAX_DEPTH / FEW + 1];
    for (int32_t r = 0; r <= c->d / FEW; r++) begin[r] = r * FEW;
    kernels->shares(&(fgi_shares_args){
        .value = a->square,
        .begin = begin,
        .rows = c->d / FEW,
        .share = a->out,
        .most = a->shift,
        .sum = a->scores,
    });
    return a->scores[0];
}

static double add_rows(const bench_case *c, const fgi_kernels *kernels, const arena *a,
                       double *square)
{
    int32_t same[ADDED] = {0};
    kernels->add_moments(&(fgi_moments_args){
        .pairs = {.count = ADDED, .row = a->index, .component = same},
        .share = a->scores,
        .x = a->x,
        .means = a->bias,
        .ldx = c->d,
        .ld = c->d,
        .d = c->d,
        .shift = a->shift,
        .square = square,
    });
    return a->shift[c->d - 1];
}

static double run_add_shift(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return add_rows(c, kernels, a, NULL);
}

static double run_add_moments(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    return add_rows(c, kernels, a, a->square);
}

static double run_scan_l2(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    kernels->scan_l2[c->dtype](a->x, a->rows, NULL, SCAN_ROWS, c->d, a->out);
    return a->out[SCAN_ROWS - 1];
}

static double run_scan_ip(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    kernels->scan_ip[c->dtype](a->x, a->rows, NULL, SCAN_ROWS, c->d, a->out);
    return a->out[SCAN_ROWS - 1];
}

#define SCORES(d)                                                                                  \
    {"scores", d, FG_F32, 2.0 * ROWS * K * d, 4.0 * (ROWS + K) * d, run_scores},                   \
    {                                                                                              \
        "scores_exact", d, FG_F32, 2.0 * ROWS *K *d, 4.0 * (ROWS + K) * d, run_scores_exact        \
    }
#define LOAD(dtype, bytes)                                                                         \
    {                                                                                              \
        "load", SCAN_D, dtype, 3.0 * ROWS *SCAN_D, (double)bytes *ROWS *SCAN_D, run_load           \
    }
#define SCAN(dtype, bytes)                                                                         \
    {"scan_l2",  SCAN_D, dtype, 3.0 * SCAN_ROWS * SCAN_D, (double)bytes * SCAN_ROWS * SCAN_D,      \
     run_scan_l2},                                                                                 \
    {                                                                                              \
        "scan_ip", SCAN_D, dtype, 2.0 * SCAN_ROWS *SCAN_D, (double)bytes *SCAN_ROWS *SCAN_D,       \
            run_scan_ip                                                                            \
    }

static const bench_case cases[] = {
    SCORES(128),
    SCORES(129),
    SCORES(768),
    LOAD(FG_F32, 4),
    LOAD(FG_F16, 2),
    LOAD(FG_BF16, 2),
    LOAD(FG_I8, 1),
    LOAD(FG_U8, 1),
    LOAD(FG_F64, 8),
    {"select", K, FG_F32, K, 4.0 * K, run_select},
    {"distances", 128, FG_F32, 3.0 * CHOSEN * 128, 8.0 * CHOSEN * 128, run_distances},
    {"distances_s", 128, FG_F32, 4.0 * CHOSEN * 128, 12.0 * CHOSEN * 128, run_distances_scaled},
    {"evaluate", CHOSEN, FG_F64, 2.0 * CHOSEN, 24.0 * CHOSEN, run_evaluate},
    {"shares", MAX_DEPTH, FG_F64, 18.0 * MAX_DEPTH, 8.0 * MAX_DEPTH, run_shares},
    {"add_shift", 128, FG_F64, 3.0 * ADDED * 128, 4.0 * ADDED * 128, run_add_shift},
    {"add_moments", 128, FG_F64, 5.0 * ADDED * 128, 4.0 * ADDED * 128, run_add_moments},
    SCAN(FG_F32, 4),
    SCAN(FG_F16, 2),
    SCAN(FG_BF16, 2),
    SCAN(FG_I8, 1),
    SCAN(FG_U8, 1),
};

/* -------------------------------------------------------------------------------------------- data */

static void *allocate(size_t count, size_t item_bytes)
{
    void *block = aligned_alloc(64, (count * item_bytes + 63) / 64 * 64);
    if (!block) abort();
    return memset(block, 0, count * item_bytes);
}

static float random_value(uint64_t index)
{
    return (float)(2 * fgi_random_uniform(0, 0, index) - 1);
}

static float *random_floats(size_t count)
{
    float *values = allocate(count, sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = random_value(i);
    return values;
}

static arena create_arena(void)
{
    arena a = {
        .x = random_floats(ROWS * MAX_DEPTH),
        .weights = random_floats(K * MAX_DEPTH),
        .bias = random_floats(K > MAX_DEPTH ? K : MAX_DEPTH),
        .scores = random_floats(ROWS * LD_SCORES),
        .rows = allocate(SCAN_ROWS * SCAN_D, sizeof(double)),
        .index = allocate(K + FGI_SELECT_SLACK, sizeof(int32_t)),
        .out = allocate(SCAN_ROWS + FGI_SELECT_SLACK, sizeof(float)),
        .shift = allocate(K, sizeof(double)),
        .square = allocate(K, sizeof(double)),
    };
    for (int i = 0; i < 2; i++) a.packed[i] = allocate(K * MAX_DEPTH, sizeof(float));
    for (int32_t j = 0; j < K; j++) a.bias[j] = -fabsf(a.bias[j]);
    return a;
}

static void destroy_arena(arena *a)
{
    free(a->x);
    free(a->weights);
    free(a->packed[0]);
    free(a->packed[1]);
    free(a->bias);
    free(a->scores);
    free(a->rows);
    free(a->index);
    free(a->out);
    free(a->shift);
    free(a->square);
}

static void pack(const fgi_screen *screen, const float *weights, int32_t depth, void *packed)
{
    memset(packed, 0, K / (size_t)screen->panel * screen->panel_bytes(depth));
    for (int32_t j = 0; j < K; j++)
        screen->pack(weights + (int64_t)j * depth, depth, j % screen->panel,
                     (char *)packed + j / screen->panel * screen->panel_bytes(depth));
}

/* Puts everything that runs change back, and rows of the case's type in place. */
static void prepare(const bench_case *c, const fgi_kernels *kernels, const arena *a)
{
    const fgi_screen *exact = &kernels->screens[kernels->screen_count - 1];
    if (c->run == run_scores) pack(kernels->screens, a->weights, c->d, a->packed[0]);
    if (c->run == run_scores_exact) pack(exact, a->weights, c->d, a->packed[1]);
    for (size_t i = 0; i < SCAN_ROWS * SCAN_D; i++) {
        const float value = random_value(i);
        switch (c->dtype) {
        case FG_F32: ((float *)a->rows)[i] = value; break;
        case FG_F64: ((double *)a->rows)[i] = value; break;
        case FG_F16: ((uint16_t *)a->rows)[i] = fgi_f16_of_f32(value); break;
        case FG_BF16: ((uint16_t *)a->rows)[i] = fgi_bf16_of_f32(value); break;
        default: ((int8_t *)a->rows)[i] = (int8_t)(value * 127); break;
        }
    }
    for (int32_t j = 0; j < CHOSEN; j++)
        a->index[j] = (int32_t)fgi_random_below(0, 1, (uint64_t)j, ROWS);
    for (int32_t i = 0; i < ROWS * LD_SCORES; i++) a->scores[i] = random_value((uint64_t)i);
    memset(a->shift, 0, MAX_DEPTH * sizeof *a->shift);
    memset(a->square, 0, MAX_DEPTH * sizeof *a->square);
}

/* ---------------------------------------------------------------------------------------- measuring */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one run: RUNS values in ascending order. */
static void time_case(const bench_case *c, const fgi_kernels *kernels, const arena *a,
                      double seconds[RUNS])
{
    const double least = 0.01; /* seconds a sample: far above what the clock can tell apart */
    int64_t repeats = 1;
    for (int32_t run = 0; run < RUNS;) {
        const double start = fgi_seconds();
        for (int64_t i = 0; i < repeats; i++) c->run(c, kernels, a);
        const double spent = fgi_seconds() - start;
        if (spent >= least)
            seconds[run++] = spent / (double)repeats;
        else
            repeats *= 2;
    }
    qsort(seconds, RUNS, sizeof *seconds, by_value);
}

static void print_result(const bench_case *c, const char *isa, const double seconds[RUNS],
                         double peak, bool json)
{
    const double median = seconds[RUNS / 2];
    const double spread = (seconds[RUNS - 1] - seconds[0]) / median;
    const double gflops = 1e-9 * c->flops / median, gbytes = 1e-9 * c->bytes / median;
    const double share = peak > 0 ? 1e9 * gflops / peak : 0;
    const char *line =
        json ? "{\"isa\": \"%s\", \"kernel\": \"%s\", \"type\": \"%s\", \"d\": %" PRId32
               ", \"us\": %.3f, \"spread\": %.3f, \"gflops\": %.1f, \"gbytes\": %.1f, "
               "\"share_of_fma_peak\": %.3f}\n"
             : "%-7s %-14s %-5s %5" PRId32 " %10.3f %7.3f %9.1f %9.1f %7.3f\n";
    printf(line, isa, c->name, fg_dtype_text(c->dtype), c->d, 1e6 * median, spread, gflops, gbytes,
           share);
}

/* Returns whether every case agreed with the reference. */
static bool bench_table(const fgi_kernels *kernels, const arena *a, bool json)
{
    const double peak = fma_peak(kernels->isa, 1);
    bool right = true;
    if (json)
        printf("{\"isa\": \"%s\", \"kernel\": \"fma_peak\", \"gflops\": %.1f}\n", kernels->isa,
               1e-9 * peak);
    else
        printf("\n%-7s fma peak %.1f GFLOP/s\n%-7s %-14s %-5s %5s %10s %7s %9s %9s %7s\n",
               kernels->isa, 1e-9 * peak, "isa", "kernel", "type", "d", "us", "spread", "GFLOP/s",
               "GB/s", "share");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bench_case *c = &cases[i];
        prepare(c, &fgi_kernels_ref, a);
        const double expected = c->run(c, &fgi_kernels_ref, a);
        prepare(c, kernels, a);
        const double value = c->run(c, kernels, a);
        const fgi_screen *screen = kernels->screens;
        /* of |x| |w|, about d / 3: values are spread evenly from -1 to 1 */
        const double loss =
            c->run == run_scores ? (screen->factor_loss + 2 * screen->raise) * c->d / 3 : 0;
        if (fabs(value - expected) > 1e-4 * fabs(expected) + loss) {
            fprintf(stderr, "%s %s %s d=%" PRId32 ": %.9g where the reference has %.9g\n",
                    kernels->isa, c->name, fg_dtype_text(c->dtype), c->d, value, expected);
            right = false;
        }
        double seconds[RUNS];
        time_case(c, kernels, a, seconds);
        print_result(c, kernels->isa, seconds, peak, json);
    }
    return right;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"amx", "avx512vnni", "avx512", "avx2", "neon", "ref"};
    bool json = false, named = false, right = true;
    if (argc > 1 && !strcmp(argv[1], "--peak")) {
        const int32_t threads = argc > 2 ? atoi(argv[2]) : 1;
        printf("%.1f\n", 1e-9 * fma_peak(fgi_kernels_pick(NULL)->isa, threads));
        return 0;
    }
    arena a = create_arena();
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) json = true;
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) continue;
        const fgi_kernels *kernels = fgi_kernels_pick(argv[i]);
        if (!kernels) {
            fprintf(stderr, "bench_kernels: no kernels \"%s\" on this CPU\n", argv[i]);
            right = false;
            continue;
        }
        named = true;
        right &= bench_table(kernels, &a, json);
    }
    for (size_t i = 0; !named && right && i < sizeof all / sizeof *all; i++) {
        const fgi_kernels *kernels = fgi_kernels_pick(all[i]);
        if (kernels) right &= bench_table(kernels, &a, json);
    }
    destroy_arena(&a);
    return right ? 0 : 1;
}
