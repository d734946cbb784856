/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_sums.h - what rows add to statistics. Knows kernels and the plan; knows no screen. */
#ifndef FGI_CPU_SUMS_H
#define FGI_CPU_SUMS_H
#include "cpu_tile.h"

/* Rows' shares of components, those of one row side by side. */
typedef struct fgi_cpu_shares {
    fgi_pairs pairs;
    const float *share, *distance; /* pairs.count */
    const float *x;                /* rows of ldx elements */
    int32_t ldx;
    fgi_cpu_sorted *sorted; /* to sort them in, where that pays; or NULL */
} fgi_cpu_shares;

/* Masses, squares, shifts, and how many shares are not 0. */
void fgi_cpu_add_shares(const fgi_cpu_job *job, const fgi_cpu_shares *shares, fgi_stats *stats);

fg_status fgi_cpu_labels_create(fgi_ledger *ledger, int32_t rows, fgi_cpu_labels *out);
void fgi_cpu_labels_destroy(fgi_cpu_labels *labels);

/* No row has a label. */
void fgi_cpu_labels_clear(fgi_cpu_labels *labels, int32_t rows);

static inline void fgi_cpu_label(fgi_cpu_labels *labels, int32_t row, int32_t component,
                                 float distance, double value)
{
    labels->component[row] = component;
    labels->distance[row] = distance;
    labels->value[row] = value;
    labels->share[row] = 1.0f;
}

/* All that rows 0 .. rows - 1 of x add, one after the other: so the bits of every sum depend on the rows' order alone, not on
 * how they are cut into calls. Rows without a label add nothing. */
void fgi_cpu_add_labels(const fgi_cpu_job *job, const fgi_cpu_labels *labels, int32_t rows,
                        const float *x, int32_t ldx, fgi_stats *stats);

#endif
