/* SPDX-License-Identifier: Apache-2.0 */
/* told.cuh - what the chunks of a pass have told, added to its totals. */
#ifndef FGI_TOLD_CUH
#define FGI_TOLD_CUH
#include "cuda_sparse.h"

/* By one thread. dropped: of a row. Rows left over may have been tallied before: the first bad row may be among them. */
__device__ __forceinline__ void fgi_add_told(const fgi_sparse_told *told, double objective, double dropped,
                                             int64_t survivors, fgi_cuda_totals *to)
{
    to->objective += objective;
    to->dropped += dropped * (double)told->rows;
    to->rows += (int64_t)told->rows;
    to->rows_skipped += (int64_t)told->bad_rows;
    to->survivors += survivors;
    to->left += (int64_t)told->left;
    to->lost += (int64_t)told->lost;
    if (told->bad_rows && (to->first_bad_row < 0 || told->first_bad_row < to->first_bad_row))
        to->first_bad_row = told->first_bad_row;
}

#endif
