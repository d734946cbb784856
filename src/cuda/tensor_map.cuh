/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_map.cuh - describes matrices of halves to the copy engine. Host code; knows no kernel. */
#ifndef FGI_TENSOR_MAP_CUH
#define FGI_TENSOR_MAP_CUH
#include "cuda_sparse.h"

#include <cuda.h> /* CUtensorMap */

enum {
    FGI_BOX_HALVES = 64,   /* in one row of a swizzled box: 128 bytes */
    FGI_NARROW_HALVES = 16 /* of a narrow one */
};

/* rows x depth halves, ld from row to row, read in swizzled boxes of box_rows x box_halves; what lies outside reads as 0. */
inline cudaError_t fgi_tensor_map(CUtensorMap *map, const void *base, int64_t rows, int32_t depth, int32_t ld,
                                  int32_t box_rows, int32_t box_halves)
{
    typedef CUresult (*encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *,
                                  const cuuint64_t *, const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave,
                                  CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
    void *f = nullptr;
    cudaDriverEntryPointQueryResult found;
    cudaError_t e = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &found);
    if (e != cudaSuccess) return e;
    if (found != cudaDriverEntryPointSuccess) return cudaErrorSymbolNotFound;
    const cuuint64_t size[2] = {(cuuint64_t)depth, (cuuint64_t)rows}, stride[1] = {(cuuint64_t)ld * 2};
    const bool narrow = box_halves == FGI_NARROW_HALVES;
    const cuuint32_t box[2] = {(cuuint32_t)box_halves, (cuuint32_t)box_rows}, step[2] = {1, 1};
    const CUresult r =
        ((encode_fn)f)(map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<void *>(base), size, stride, box, step,
                       CU_TENSOR_MAP_INTERLEAVE_NONE, narrow ? CU_TENSOR_MAP_SWIZZLE_32B : CU_TENSOR_MAP_SWIZZLE_128B,
                       CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

#endif
