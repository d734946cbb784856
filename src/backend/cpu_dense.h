/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_dense.h - rows to which most components matter: all of them, without screening. Knows kernels and the plan. */
#ifndef FGI_CPU_DENSE_H
#define FGI_CPU_DENSE_H
#include "cpu_tile.h"

/* Rows of a shard that tell how dense it is. */
enum { FGI_CPU_PROBE_ROWS = 32 };

fg_status fgi_cpu_dense_sums_create(fgi_ledger *ledger, const fgi_cpu_plan *plan,
                                    fgi_cpu_dense_sums *out);
void fgi_cpu_dense_sums_destroy(fgi_cpu_dense_sums *sums);

/* Whether so many components matter to screened open rows, by their first thresholds, that taking all is faster. */
bool fgi_cpu_dense_suits(const fgi_cpu_job *job, fgi_cpu_scratch *s);

/* Loaded open rows, which move together: fills the block's most and sum for each, and adds to dense sums. False, with
 * nothing done: a row is so long that distances might overflow. */
bool fgi_cpu_dense_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s);

/* Moves dense sums into statistics. */
void fgi_cpu_dense_flush(const fgi_cpu_job *job, fgi_cpu_scratch *s, fgi_stats *stats);

#endif
