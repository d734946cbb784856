/* SPDX-License-Identifier: Apache-2.0 */
/* bench_gpu_rows.c - the log-densities that EM on a GPU makes its statistics with where rows are crowded, row by row: for
 * errors.py, which knows what they should be. Reaches into the backend, since these never leave the device otherwise.
 *
 *     bench_gpu_rows MODEL.fgm ROWS OUT [fast]      OUT: an f64 a row, nats; -inf where a row is left to other kernels
 *
 * At most as many rows as a chunk has: some 7,000 of 4,096 components, mostly 32,768 and more. */
#include "flashgmm.h"

#ifdef FGI_WITH_CUDA
#include "cuda_backend.h"
#include "gmm.h"
#include "pass.h"

#include <cuda_runtime_api.h> /* cudaMemcpy */
#include <stdio.h>            /* fwrite */
#include <stdlib.h>           /* malloc */
#include <string.h>           /* strcmp */

static void expect_ok(fg_status s)
{
    if (s == FG_OK) return;
    fprintf(stderr, "bench_gpu_rows: %s\n", fg_last_error());
    exit(1);
}

/* A pass as if so many before had found too many candidates. */
static void run(fg_context *ctx, const fg_gmm *gmm, fg_source *rows, int32_t times)
{
    fgi_cuda_backend *cuda = (fgi_cuda_backend *)ctx->backend;
    fgi_stats stats;
    expect_ok(fgi_stats_create(NULL, gmm->params.kind, gmm->params.k, gmm->params.d, &stats));
    const fgi_pass pass = {.params = &gmm->params, .stats = &stats};
    cuda->crowding = times;
    cuda->passes_crowded = 1;
    expect_ok(fgi_pass_run(ctx, rows, &pass, false));
    fgi_stats_destroy(&stats);
}

static const fgi_cuda_worker *worker_of(const fg_context *ctx)
{
    return ((const fgi_cuda_backend *)ctx->backend)->worker;
}

static int write_densities(const fg_context *ctx, int64_t count, const char *path)
{
    const fgi_cuda_worker *worker = worker_of(ctx);
    float *log2_density = malloc((size_t)count * sizeof *log2_density);
    FILE *out = fopen(path, "wb");
    const fgi_cuda_task *task = &((const fgi_cuda_backend *)ctx->backend)->task;
    bool done =
        worker->strategy->densities && log2_density && out &&
        worker->strategy->chunk_rows(task) >= count &&
        cudaMemcpy(log2_density, worker->strategy->densities(worker),
                   (size_t)count * sizeof *log2_density, cudaMemcpyDeviceToHost) == cudaSuccess;
    for (int64_t r = 0; r < count && done; r++) {
        const double nats = 0.6931471805599453 * (double)log2_density[r];
        done = fwrite(&nats, sizeof nats, 1, out) == 1;
    }
    if (out) done = fclose(out) == 0 && done;
    free(log2_density);
    if (!done)
        fprintf(stderr,
                "bench_gpu_rows: the pass went by \"%s\", or in several chunks, or %s was not "
                "written\n",
                worker->strategy->name, path);
    return done ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 4 || fg_device_count() < 2) { /* alone it measures nothing */
        printf("bench_gpu_rows: skipped: usage: bench_gpu_rows MODEL.fgm ROWS OUT [fast], on a "
               "CUDA device\n");
        return argc == 1 ? 0 : 2;
    }
    const bool fast = argc > 4 && !strcmp(argv[4], "fast");
    const fg_context_options o = {.struct_size = sizeof o,
                                  .backend = FG_BACKEND_CUDA,
                                  .precision = fast ? FG_PRECISION_FAST : FG_PRECISION_DEFAULT};
    fg_context *ctx;
    fg_gmm *gmm;
    fg_source *rows;
    expect_ok(fg_context_create(&o, &ctx));
    expect_ok(fg_gmm_load(argv[1], 0, &gmm));
    expect_ok(fg_source_file(argv[2], NULL, &rows));
    run(ctx, gmm, rows, 1);
    if (!worker_of(ctx)->strategy->densities)
        run(ctx, gmm, rows, 2); /* deep rows have wider sums first */
    const int status = write_densities(ctx, rows->rows, argv[3]);
    fg_source_destroy(rows);
    fg_gmm_destroy(gmm);
    fg_context_destroy(ctx);
    return status;
}

#else

int main(void)
{
    return 0; /* built without CUDA */
}

#endif
