/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_refine.h - the components that matter to the rows of a screened tile, and their shares. Knows kernels and the
 * plan; knows no statistics. */
#ifndef FGI_CPU_REFINE_H
#define FGI_CPU_REFINE_H
#include "cpu_tile.h"

/* How deep to look first for the open rows of a screened tile. */
void fgi_cpu_first_thresholds(const fgi_cpu_job *job, fgi_cpu_scratch *s);

/* Fills the block with candidates of open rows from `at` on, as many as it has room for, at least one. */
void fgi_cpu_gather(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at);

/* The same, and their values, most, and shares; for centroids the nearest, and no shares. */
void fgi_cpu_refine(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at);

/* Whether row i of a block that begins at open row `at` has all candidates that matter. If not, its threshold is lowered
 * to what the refined values call for. */
bool fgi_cpu_is_complete(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at, int32_t i);

#endif
