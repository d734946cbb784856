/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_groups.h - puts centroids in an order in which those near each other stand side by side. Knows means; knows no row. */
#ifndef FGI_CPU_GROUPS_H
#define FGI_CPU_GROUPS_H
#include "memory.h"

/* Centroids, k x d. */
typedef struct fgi_cpu_means {
    const float *means;
    int32_t k, d;
} fgi_cpu_means;

/* Halves the centroids across their widest direction, and halves the halves, down to groups of `group` (the last one may be
 * smaller). order: k numbers of centroids, group after group. */
fg_status fgi_cpu_groups(fgi_ledger *ledger, const fgi_cpu_means *of, int32_t group,
                         int32_t *order);

#endif
