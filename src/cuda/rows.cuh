/* SPDX-License-Identifier: Apache-2.0 */
/* rows.cuh - how many rows of a piece there are. */
#ifndef FGI_ROWS_CUH
#define FGI_ROWS_CUH
#include "cuda_pass.h"

__device__ __forceinline__ int32_t fgi_rows_there(const fgi_cuda_rows &rows)
{
    return rows.count ? max(0, min(rows.rows, *rows.count - rows.at)) : rows.rows;
}

#endif
