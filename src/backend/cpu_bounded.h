/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_bounded.h - takes rows through a pass of Lloyd's that leaves out groups of centroids by bounds. Knows kernels, the plan
 * and bounds; knows no thread and no source. */
#ifndef FGI_CPU_BOUNDED_H
#define FGI_CPU_BOUNDED_H
#include "cpu_bounds.h"
#include "cpu_tile.h"

/* One worker's buffers beside its scratch: nothing here survives a batch. */
typedef struct fgi_cpu_batch {
    int32_t most_rows;
    float *x;              /* most_rows x ldx: centred rows */
    float *norm2;          /* most_rows, like all below */
    fgi_cpu_labels labels; /* as they are now */
    float *own;            /* squared distance to the centroid of the last pass */
    float *reach;          /* the least distance at which another one is not chosen */
    int32_t *open;         /* rows that the group at hand may hold another one for */
} fgi_cpu_batch;

fg_status fgi_cpu_batch_create(fgi_ledger *ledger, const fgi_cpu_scratch *scratch,
                               fgi_cpu_batch *out);
void fgi_cpu_batch_destroy(fgi_cpu_batch *batch);

typedef struct fgi_cpu_bounded {
    const fgi_cpu_job *job;
    fgi_cpu_bounds *bounds;
    fgi_cpu_scratch *scratch;
    fgi_cpu_batch *batch;
} fgi_cpu_bounded;

/* Adds the same to *stats, bit for bit, as fgi_cpu_tile_absorb. first: number of the first row in the source. */
void fgi_cpu_bounded_absorb(const fgi_cpu_bounded *with, const fg_view *rows, int64_t first,
                            fgi_stats *stats);

#endif
