/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_sorted.h - a block's pairs of rows and components, component by component. Knows no kernel. */
#ifndef FGI_CPU_SORTED_H
#define FGI_CPU_SORTED_H
#include "kernels.h"
#include "memory.h"

typedef struct fgi_cpu_sorted {
    int32_t k, capacity;
    int32_t least;            /* pairs that pay */
    int32_t *place;           /* k */
    int32_t *row, *component; /* capacity, like share */
    float *share;
} fgi_cpu_sorted;

fg_status fgi_cpu_sorted_create(fgi_ledger *ledger, int32_t k, int32_t d, int32_t capacity,
                                fgi_cpu_sorted *out);
void fgi_cpu_sorted_destroy(fgi_cpu_sorted *sorted);

/* Whether so many pairs meet at components often enough for their order to pay. */
bool fgi_cpu_sorted_pays(const fgi_cpu_sorted *sorted, int32_t pairs);

/* The pairs whose share is not 0, in their order for each component: so every sum keeps its bits. */
fgi_pairs fgi_cpu_sort(fgi_cpu_sorted *sorted, const fgi_pairs *pairs, const float *share);

#endif
