/* SPDX-License-Identifier: Apache-2.0 */
/* bench_gpu.c - what an iteration, a first pass and a whole fit take on this machine's GPU, by the public interface alone.
 *
 *     bench_gpu [OPTION ...] [N K D]     one line of JSON: an iteration's ms, as the median of runs, and more
 *     bench_gpu --check                  the log-likelihoods of two iterations on the GPU beside the CPU's
 *
 *     --covariance hard|spherical|diagonal   (spherical)      --precision default|fast   (default)
 *     --dtype f32|f16|u8                     (f32)            --runs R       fits of 12 iterations that are timed (7)
 *     --fit I         times whole fits with 10 iterations of k-means and I of EM, seeding and all
 *     --ask WHAT      times what rows are asked, which travel for it: label (the best component and its responsibility, or the nearest
 *                     centroid and its distance), density, top (the 8 best)
 *     --spread S      means have variance S^2: components overlap, the more the smaller it is (1)
 *     --rows FILE     a mixture of K components of the rows of a file, in place of N K D: 40 iterations from one after 10 of
 *                     k-means
 *     --normalize     rows of the file are scaled to length 1
 *     --stream        the device is filled up first, so that rows pass by in every pass
 *     --cpu           on the CPU instead; to be given first
 *
 * Rows lie near K means of variance 1, noise 0.7; iterations start a little off the means. */
#include "clock.h"
#include "flashgmm.h"
#include "half.h"

#ifdef FGI_WITH_CUDA
#include <cuda_runtime_api.h> /* cudaMalloc: to leave no room */
#endif

#include <math.h>    /* fabs, log */
#include <pthread.h> /* rows are made by all cores */
#include <stdbool.h> /* bool */
#include <stdio.h>   /* printf */
#include <stdlib.h>  /* malloc, qsort, strtoll */
#include <string.h>  /* strcmp */
#include <unistd.h>  /* sysconf */

enum {
    HARD = -1,
    MOST_RUNS = 1000,
    WARM = 2,
    ITERATIONS = 12,
    TOP = 8,
    FILE_ITERATIONS = 40,
    MOST_THREADS = 64
};

typedef enum question { NONE, LABEL, DENSITY, TOP_COMPONENTS } question;

typedef struct workload {
    int64_t n;
    int32_t k, d, covariance; /* fg_covariance, or HARD */
    fg_precision precision;
    fg_dtype dtype;
    int32_t runs, fit_iterations; /* 0: iterations are timed */
    question ask;
    double spread;
    const char *file; /* NULL: rows are made */
    bool stream, on_cpu, normalize;
} workload;

static void fail(const char *why)
{
    fprintf(stderr, "bench_gpu: %s\n", why);
    exit(1);
}

static void expect_ok(fg_status s)
{
    if (s != FG_OK) fail(fg_last_error());
}

static void *take(size_t bytes)
{
    void *block = malloc(bytes);
    if (!block) fail("out of memory");
    return block;
}

/* ------------------------------------------------------------------------------------------ rows */

static uint64_t mixed(uint64_t i)
{
    i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
    i = (i ^ i >> 27) * 0x94d049bb133111ebu;
    return i ^ i >> 31;
}

/* Nearly normal, of variance 1: the sum of four uniform numbers. */
static float normal(uint64_t i)
{
    const uint64_t bits = mixed(i * 0x9e3779b97f4a7c15u + 1);
    const uint64_t sum =
        (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    return ((float)sum - 131070.0f) * (1.7320508f / 65536.0f);
}

static float mean_of(const workload *job, int64_t j, int32_t i)
{
    return (float)job->spread * normal((uint64_t)(j * job->d + i));
}

static void put(void *to, int64_t at, fg_dtype dtype, float value)
{
    if (dtype == FG_F32)
        ((float *)to)[at] = value;
    else if (dtype == FG_F16)
        ((uint16_t *)to)[at] = fgi_f16_of_f32(value);
    else
        ((uint8_t *)to)[at] = (uint8_t)fminf(255.0f, fmaxf(0.0f, 128.0f + 25.0f * value));
}

typedef struct part {
    const workload *job;
    void *rows;
    int64_t begin, end;
} part;

static void *make_part(void *user)
{
    const part *p = user;
    const int32_t d = p->job->d;
    for (int64_t r = p->begin; r < p->end; r++) {
        const int64_t j = (int64_t)(mixed((uint64_t)r + 77) % (uint64_t)p->job->k);
        const uint64_t noise = (uint64_t)(r * d) + (1ull << 48);
        for (int32_t i = 0; i < d; i++)
            put(p->rows, r * d + i, p->job->dtype,
                mean_of(p->job, j, i) + 0.7f * normal(noise + (uint64_t)i));
    }
    return NULL;
}

static void *make_rows(const workload *job)
{
    void *rows = take((size_t)(job->n * job->d) * fg_dtype_bytes(job->dtype));
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int threads = cores < MOST_THREADS ? (int)cores : MOST_THREADS;
    pthread_t ids[MOST_THREADS];
    part parts[MOST_THREADS];
    for (int t = 0; t < threads; t++) {
        parts[t] = (part){job, rows, job->n * t / threads, job->n * (t + 1) / threads};
        if (pthread_create(&ids[t], NULL, make_part, &parts[t])) fail("no thread");
    }
    for (int t = 0; t < threads; t++) pthread_join(ids[t], NULL);
    return rows;
}

/* Means as the rows have them, a little off. */
static double *make_start(const workload *job)
{
    const double scale = job->dtype == FG_U8 ? 25.0 : 1.0,
                 origin = job->dtype == FG_U8 ? 128.0 : 0.0;
    double *means = take((size_t)job->k * (size_t)job->d * sizeof *means);
    for (int64_t j = 0; j < job->k; j++)
        for (int32_t i = 0; i < job->d; i++) {
            const float off = 0.1f * normal((uint64_t)(j * job->d + i) + (1ull << 40));
            means[j * job->d + i] = origin + scale * (mean_of(job, j, i) + off);
        }
    return means;
}

static fg_gmm *make_mixture(const workload *job, const double *means)
{
    const bool diagonal = job->covariance == FG_COV_DIAG;
    const double variance = 0.5 * (job->dtype == FG_U8 ? 625.0 : 1.0);
    const int32_t cols = diagonal ? job->d : 1;
    const size_t k = (size_t)job->k, count = k * (size_t)cols;
    double *weights = take(k * sizeof *weights), *variances = take(count * sizeof *variances);
    for (size_t j = 0; j < k; j++) weights[j] = 1.0;
    for (size_t i = 0; i < count; i++) variances[i] = variance;
    const fg_view w = {.data = weights, .rows = job->k, .cols = 1, .dtype = FG_F64};
    const fg_view m = {.data = means, .rows = job->k, .cols = job->d, .dtype = FG_F64};
    const fg_view v = {.data = variances, .rows = job->k, .cols = cols, .dtype = FG_F64};
    fg_gmm *gmm;
    expect_ok(fg_gmm_from(&w, &m, &v, job->covariance, &gmm));
    free(weights);
    free(variances);
    return gmm;
}

/* --------------------------------------------------------------------------------------- one fit */

enum { MOST_PHASES = 8 };

/* When each pass, and each phase, came to its end. */
typedef struct passes {
    const char *phase[MOST_PHASES];
    double phase_end[MOST_PHASES];
    int32_t phases, count;
    double first_end, end[MOST_RUNS + 1]; /* of the moments; of iterations */
} passes;

static int note_time(void *user, const fg_progress *now)
{
    passes *p = user;
    const bool same = p->phases && !strcmp(p->phase[p->phases - 1], now->phase);
    if (!same && p->phases < MOST_PHASES) p->phase[p->phases++] = now->phase;
    p->phase_end[p->phases - 1] = now->seconds;
    if (now->rows != now->rows_total || now->rows == 0) return 0;
    if (now->step == 0)
        p->first_end = now->seconds;
    else
        p->end[p->count++] = now->seconds;
    return 0;
}

typedef struct fitted {
    passes passes;
    fg_fit_report report;
    double history[MOST_RUNS + 1];
} fitted;

/* Where iterations begin: mixtures at `mixture`, centroids at `means`. */
typedef struct starting {
    double *means;
    fg_gmm *mixture;
} starting;

static void fit_centroids(fg_context *ctx, const workload *job, fg_source *rows,
                          const starting *start, int32_t iterations, fitted *out)
{
    float *centroids = take((size_t)job->k * (size_t)job->d * sizeof *centroids);
    const fg_out to = {.data = centroids, .rows = job->k, .cols = job->d, .dtype = (int16_t)FG_F32};
    const fg_view from = {.data = start->means, .rows = job->k, .cols = job->d, .dtype = FG_F64};
    const fg_kmeans_options o = {.struct_size = sizeof o,
                                 .k = job->k,
                                 .init = job->fit_iterations ? FG_INIT_PLUSPLUS : FG_INIT_GIVEN,
                                 .max_iter = iterations,
                                 .tol = -1,
                                 .start = &from,
                                 .progress = note_time,
                                 .user = &out->passes};
    expect_ok(fg_kmeans_fit(ctx, rows, &o, &to, &out->report));
    free(centroids);
}

/* out: may be NULL */
static fg_gmm *fit_mixture(fg_context *ctx, const workload *job, fg_source *rows,
                           const fg_gmm *start, int32_t iterations, fitted *out)
{
    fg_gmm *gmm;
    const fg_gmm_options o = {.struct_size = sizeof o,
                              .k = job->k,
                              .covariance = job->covariance,
                              .init = start ? FG_INIT_GIVEN : FG_INIT_KMEANS,
                              .max_iter = iterations,
                              .tol = -1,
                              .tol_relative = -1,
                              .start = start,
                              .normalize = job->normalize,
                              .progress = out ? note_time : NULL,
                              .user = out ? &out->passes : NULL};
    expect_ok(fg_gmm_fit(ctx, rows, &o, &gmm, out ? &out->report : NULL));
    return gmm;
}

static void fit(fg_context *ctx, const workload *job, fg_source *rows, const starting *start,
                fitted *out)
{
    const int32_t iterations = job->fit_iterations ? job->fit_iterations
                               : job->file         ? FILE_ITERATIONS
                                                   : ITERATIONS;
    *out = (fitted){.report = {.struct_size = sizeof out->report}};
    out->report.history = out->history;
    out->report.history_capacity = MOST_RUNS + 1;
    if (job->covariance == HARD)
        fit_centroids(ctx, job, rows, start, iterations, out);
    else
        fg_gmm_destroy(fit_mixture(ctx, job, rows, job->fit_iterations ? NULL : start->mixture,
                                   iterations, out));
}

static starting make_starting(fg_context *ctx, const workload *job, fg_source *rows)
{
    starting start = {0};
    if (!job->file) start.means = make_start(job);
    if (job->covariance == HARD || job->fit_iterations) return start;
    start.mixture =
        job->file ? fit_mixture(ctx, job, rows, NULL, 1, NULL) : make_mixture(job, start.means);
    return start;
}

static void free_starting(starting *start)
{
    free(start->means);
    fg_gmm_destroy(start->mixture);
}

/* ---------------------------------------------------------------------------------------- results */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *ms, int32_t count)
{
    qsort(ms, (size_t)count, sizeof *ms, by_size);
    printf("\"%s\": %.4f, \"%s_least\": %.4f, \"%s_most\": %.4f, ", name, ms[count / 2], name,
           ms[0], name, ms[count - 1]);
}

static void print_job(const workload *job, const fg_context *ctx)
{
    fg_context_info info = {.struct_size = sizeof info};
    expect_ok(fg_context_get_info(ctx, &info));
    printf("\"backend\": \"%s\", \"dtype\": \"%s\", \"streamed\": %s, \"runs\": %d}\n",
           info.backend == FG_BACKEND_CUDA ? "cuda" : "cpu", fg_dtype_text(job->dtype),
           job->stream ? "true" : "false", job->runs);
}

static void measure(fg_context *ctx, const workload *job, fg_source *rows, const starting *start)
{
    static fitted f;
    double ms[MOST_RUNS];
    printf("{");
    if (job->fit_iterations) {
        fit(ctx, job, rows, start, &f); /* brings what a context makes but once */
        for (int32_t r = 0; r < job->runs; r++) {
            const double begin = fgi_seconds();
            fit(ctx, job, rows, start, &f);
            ms[r] = 1e3 * (fgi_seconds() - begin);
        }
        print_times("fit_ms", ms, job->runs);
        for (int32_t i = 0; i < f.passes.phases; i++)
            printf("\"%s_ms\": %.4f, ", f.passes.phase[i],
                   1e3 * (f.passes.phase_end[i] - (i ? f.passes.phase_end[i - 1] : 0.0)));
    } else {
        for (int32_t r = 0; r < job->runs; r++) {
            fit(ctx, job, rows, start, &f);
            const int32_t last = f.passes.count - 1; /* centroids may come to rest early */
            const int32_t warm = last > WARM ? WARM : 0;
            if (last <= warm) fail("too few iterations");
            ms[r] = 1e3 * (f.passes.end[last] - f.passes.end[warm]) / (last - warm);
        }
        print_times("ms", ms, job->runs);
        printf("\"moments_ms\": %.3f, \"first_ms\": %.3f, ", 1e3 * f.passes.first_end,
               1e3 * (f.passes.end[0] - f.passes.first_end));
    }
    printf("\"workspace_mb\": %.1f, \"objective\": %.9g, ",
           (double)f.report.peak_workspace_bytes * 1e-6, f.report.objective);
    print_job(job, ctx);
}

static void ask(fg_context *ctx, const workload *job, fg_source *rows, const starting *start,
                const fg_out *numbers, const fg_out *values)
{
    if (job->covariance == HARD) {
        const fg_view centroids = {
            .data = start->means, .rows = job->k, .cols = job->d, .dtype = FG_F64};
        expect_ok(fg_kmeans_assign(ctx, &centroids, rows, numbers, values));
    } else if (job->ask == LABEL) {
        expect_ok(fg_gmm_predict(ctx, start->mixture, rows, numbers, values));
    } else if (job->ask == DENSITY) {
        expect_ok(fg_gmm_score(ctx, start->mixture, rows, values, NULL));
    } else {
        expect_ok(fg_gmm_top(ctx, start->mixture, rows, numbers, values));
    }
}

static void measure_answers(fg_context *ctx, const workload *job, fg_source *rows,
                            const starting *start)
{
    const int32_t each = job->ask == TOP_COMPONENTS ? TOP : 1;
    const size_t count = (size_t)job->n * (size_t)each;
    int32_t *components = take(count * sizeof *components);
    float *told = take(count * sizeof *told);
    const fg_out numbers = {.data = components, .rows = job->n, .cols = each, .dtype = FG_I32},
                 values = {.data = told, .rows = job->n, .cols = each, .dtype = FG_F32};
    double ms[MOST_RUNS];
    ask(ctx, job, rows, start, &numbers, &values);
    for (int32_t r = 0; r < job->runs; r++) {
        const double begin = fgi_seconds();
        ask(ctx, job, rows, start, &numbers, &values);
        ms[r] = 1e3 * (fgi_seconds() - begin);
    }
    printf("{");
    print_times("ms", ms, job->runs);
    print_job(job, ctx);
    free(components);
    free(told);
}

static void fill_device(void)
{
#ifdef FGI_WITH_CUDA
    size_t free_bytes = 0, all_bytes = 0;
    void *block;
    const size_t left = (size_t)3 << 30;
    if (cudaMemGetInfo(&free_bytes, &all_bytes) == cudaSuccess && free_bytes > left &&
        cudaMalloc(&block, free_bytes - left) == cudaSuccess)
        return;
#endif
    fail("the device's memory could not be filled");
}

static fg_context *open_context(bool on_cpu, fg_precision precision)
{
    const fg_context_options o = {.struct_size = sizeof o,
                                  .backend = on_cpu ? FG_BACKEND_CPU : FG_BACKEND_CUDA,
                                  .precision = (int32_t)precision};
    fg_context *ctx;
    expect_ok(fg_context_create(&o, &ctx));
    return ctx;
}

/* Of a file: also tells how many there are, and of what kind. */
static fg_source *open_file(workload *job)
{
    fg_source *src;
    fg_source_info info = {.struct_size = sizeof info};
    expect_ok(fg_source_file(job->file, NULL, &src));
    expect_ok(fg_source_get_info(src, &info));
    job->n = info.rows;
    job->d = info.cols;
    job->dtype = (fg_dtype)info.dtype;
    return src;
}

static fg_source *open_rows(const workload *job, const void *rows)
{
    const fg_view view = {
        .data = rows, .rows = job->n, .cols = job->d, .dtype = (int16_t)job->dtype};
    fg_source *src;
    expect_ok(fg_source_memory(&view, &src));
    return src;
}

/* Both backends see the same rows: log-likelihoods agree to the rounding of f32, or of f16 if fast. */
static int check(void)
{
    workload job = {.n = 20000, .k = 200, .d = 64, .spread = 1.0, .dtype = FG_F32, .runs = 2};
    void *block = make_rows(&job);
    double worst[2] = {0.0, 0.0};
    fg_source *rows = open_rows(&job, block);
    for (int covariance = FG_COV_DIAG; covariance <= FG_COV_SPHERICAL; covariance++) {
        static fitted on_cpu, on_gpu;
        job.covariance = covariance;
        fg_context *ctx = open_context(true, FG_PRECISION_DEFAULT);
        starting start = make_starting(ctx, &job, rows);
        fit(ctx, &job, rows, &start, &on_cpu);
        fg_context_destroy(ctx);
        for (int fast = 0; fast < 2; fast++) {
            ctx = open_context(false, (fg_precision)fast);
            fit(ctx, &job, rows, &start, &on_gpu);
            fg_context_destroy(ctx);
            for (int i = 0; i < 3; i++)
                worst[fast] = fmax(worst[fast], fabs(on_cpu.history[i] - on_gpu.history[i]));
        }
        free_starting(&start);
    }
    const bool right = worst[0] < 1e-4 && worst[1] < 6e-3;
    printf("{\"check\": \"log-likelihood, GPU less CPU, nats\", \"default\": %.3g, \"fast\": %.3g, "
           "\"right\": %s}\n",
           worst[0], worst[1], right ? "true" : "false");
    fg_source_destroy(rows);
    free(block);
    return right ? 0 : 1;
}

/* --------------------------------------------------------------------------------------- arguments */

static int usage(void)
{
    fprintf(stderr, "usage: bench_gpu [--covariance hard|spherical|diagonal] [--precision "
                    "default|fast] [--dtype f32|f16|u8]\n"
                    "                 [--runs R] [--fit I] [--ask label|density|top] [--spread S] "
                    "[--stream] [N K D | --rows "
                    "FILE [--normalize] K]\n"
                    "       bench_gpu --check\n       bench_gpu --cpu ...\n");
    return 2;
}

static bool parse_word(const char *word, const char *const *words, const int *values, int *out)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(word, words[i])) {
            *out = values[i];
            return true;
        }
    return false;
}

/* An option with a value. */
static bool parse_pair(const char *name, const char *value, workload *job)
{
    static const char *const covariances[] = {"hard", "spherical", "diagonal", NULL};
    static const int covariance_values[] = {HARD, FG_COV_SPHERICAL, FG_COV_DIAG};
    static const char *const precisions[] = {"default", "fast", NULL};
    static const int precision_values[] = {FG_PRECISION_DEFAULT, FG_PRECISION_FAST};
    static const char *const dtypes[] = {"f32", "f16", "u8", NULL};
    static const int dtype_values[] = {FG_F32, FG_F16, FG_U8};
    static const char *const questions[] = {"label", "density", "top", NULL};
    static const int question_values[] = {LABEL, DENSITY, TOP_COMPONENTS};
    int found = 0;
    if (!strcmp(name, "--covariance") &&
        parse_word(value, covariances, covariance_values, &found)) {
        job->covariance = found;
    } else if (!strcmp(name, "--precision") &&
               parse_word(value, precisions, precision_values, &found)) {
        job->precision = (fg_precision)found;
    } else if (!strcmp(name, "--dtype") && parse_word(value, dtypes, dtype_values, &found)) {
        job->dtype = (fg_dtype)found;
    } else if (!strcmp(name, "--ask") && parse_word(value, questions, question_values, &found)) {
        job->ask = (question)found;
    } else if (!strcmp(name, "--runs")) {
        job->runs = atoi(value);
        return job->runs >= 1 && job->runs <= MOST_RUNS;
    } else if (!strcmp(name, "--spread")) {
        job->spread = atof(value);
        return job->spread >= 0.0;
    } else if (!strcmp(name, "--rows")) {
        job->file = value;
    } else if (!strcmp(name, "--fit")) {
        job->fit_iterations = atoi(value);
        return job->fit_iterations >= 1 && job->fit_iterations <= MOST_RUNS;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    workload job = {.n = 1000000,
                    .k = 1024,
                    .d = 128,
                    .covariance = FG_COV_SPHERICAL,
                    .dtype = FG_F32,
                    .spread = 1.0,
                    .runs = 7};
    int at = 1;
    const bool asks_cpu = argc > 1 && !strcmp(argv[1], "--cpu");
    if (!asks_cpu && fg_device_count() < 2) {
        printf("bench_gpu: skipped: there is no CUDA device\n");
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "--check")) return check();
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--stream"))
            job.stream = true;
        else if (!strcmp(argv[at], "--normalize"))
            job.normalize = true;
        else if (at == 1 && asks_cpu)
            job.on_cpu = true;
        else if (at + 1 >= argc || !parse_pair(argv[at], argv[at + 1], &job))
            return usage();
        else
            at++;
    }
    const int shape = job.file ? 1 : 3;
    if (argc != at && argc - at != shape) return usage();
    if (argc - at == shape) job.k = atoi(argv[at + (job.file ? 0 : 1)]);
    if (argc - at == 3) {
        job.n = strtoll(argv[at], NULL, 10);
        job.d = atoi(argv[at + 2]);
    }
    if (job.n < 1 || job.k < 1 || job.d < 1) return usage();
    if (job.file ? job.covariance == HARD : job.normalize) return usage();
    fg_context *ctx = open_context(job.on_cpu, job.precision);
    void *block = job.file ? NULL : make_rows(&job);
    fg_source *rows = job.file ? open_file(&job) : open_rows(&job, block);
    starting start = make_starting(ctx, &job, rows);
    if (job.stream) fill_device();
    if (job.ask)
        measure_answers(ctx, &job, rows, &start);
    else
        measure(ctx, &job, rows, &start);
    free_starting(&start);
    fg_source_destroy(rows);
    fg_context_destroy(ctx);
    free(block);
    return 0;
}
