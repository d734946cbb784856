/* SPDX-License-Identifier: Apache-2.0 */
/* soft_layout.cuh - what the kernels of the soft pass agree on: shapes, the order of products, where sums lie, and what rows
 * and components have beside their planes and weights.
 *
 * Beside, a row has three halves each of its norm (in units of 2^norm_shift) and of its normaliser, and ones; a component of
 * its slope and of its bias; so that a last step of the product adds slope norm + bias - normaliser:
 *     row        n1  n1  n1  n2  n2  n3  1   1   1   0 0 0  L1  L2  L3  0
 *     component  s1  s2  s3  s1  s2  s1  b1  b2  b3  0 0 0  -1  -1  -1  0
 * and sums of rows by responsibilities give masses and sums of norms as well, in the first SUMMED columns. */
#ifndef FGI_SOFT_LAYOUT_CUH
#define FGI_SOFT_LAYOUT_CUH
#include "cuda_soft.h"
#include "grant.cuh"
#include "tensor_map.cuh"

#include <cuda_fp16.h> /* __half */

namespace soft
{

enum {
    CHUNK = FGI_SOFT_BOX,
    SLICE = FGI_SOFT_SLICE,
    BESIDE = FGI_SOFT_BESIDE,
    GROUP = 64, /* rows of a warpgroup's product, or components */
    BOX_BYTES = GROUP * CHUNK * 2,
    BESIDE_BYTES = GROUP * BESIDE * 2,
    MOST_SHARED = 227 * 1024, /* of a block, at compute capability 9.0 */
    BARRIERS_BYTES = 1024,
    ALIGNMENT = 1024, /* of boxes; shared memory begins at no such address */
    LIFT = 15 /* responsibilities are summed in units of 2^-15: halves then hold them down to 2^-29 with all their bits */
};

static_assert((int)CHUNK == (int)FGI_BOX_HALVES && (int)BESIDE == (int)FGI_NARROW_HALVES, "boxes hold all of it");

/* Columns of what stands beside rows. */
enum { NORM = 0, NORM_2 = 3, NORM_3 = 5, ONE = 6, SUMMED = 8, NORMALIZER = 12 };

/* Norms, biases and normalisers beyond this are not trusted to f16; a component that is dead, or beyond the last, lies that much
 * deeper. */
constexpr float MOST_BESIDE = 50000.0f;
__device__ const float never = -65504.0f;

/* Typical norms are d: between 2 and 4 in these units. Slopes, at most most_term / d (soft_terms.cuh), stay within f16, too. */
__host__ __device__ inline int norm_shift(int32_t d)
{
    int shift = -2;
    for (int32_t rest = d - 1; rest > 0; rest /= 2) shift++;
    return shift;
}

struct three_halves {
    __half part[3];
};

__device__ __forceinline__ three_halves split3(float x)
{
    three_halves h;
    for (int i = 0; i < 3; i++) {
        h.part[i] = __float2half_rn(x);
        x -= __half2float(h.part[i]);
    }
    return h;
}

/* Boxes of a row: 1, 2 or 4 of shallow ones. */
__host__ __device__ inline int32_t chunks_for(int32_t depth)
{
    return depth <= CHUNK ? 1 : depth <= 2 * CHUNK ? 2 : depth <= 4 * CHUNK ? 4 : (depth + CHUNK - 1) / CHUNK;
}

/* Columns of sums, padded. */
__host__ __device__ inline int32_t columns_for(int32_t depth)
{
    return chunks_for(depth) * CHUNK;
}

__host__ __device__ inline int32_t slices_for(int32_t k)
{
    return (k + SLICE - 1) / SLICE;
}

/* Blocks of rows of a chunk. */
__host__ __device__ inline int32_t blocks_of(const fgi_soft_args &a)
{
    return (a.rows.rows + a.block_rows - 1) / a.block_rows;
}

/* A number as the sum of so many halves. CHUNKS: boxes of a row. Where weights are one half and rows two, these are only the
 * squares that diagonal components want: the second half of the boxes. */
template <int CHUNKS_, int ROW_PARTS_, int PARTS_> struct form {
    static constexpr int CHUNKS = CHUNKS_;
    static constexpr int ROW_PARTS = ROW_PARTS_; /* of rows */
    static constexpr int PARTS = PARTS_;         /* of weights and of responsibilities */
    static constexpr int PRODUCTS = ROW_PARTS + PARTS - 1;
    static constexpr int FIRST_LOW = PARTS == 1 ? CHUNKS / 2 : 0; /* chunk: of those of two parts */
    static constexpr int ROW_BOXES = CHUNKS + (ROW_PARTS - 1) * (CHUNKS - FIRST_LOW);
    static_assert(PARTS == 2 || ROW_PARTS == 1 || CHUNKS % 2 == 0, "squares are as deep as what they are squares of");
};

/* The first chunk of rows that has such a part. */
template <class F> __host__ __device__ constexpr int first_chunk(int part)
{
    return part == 0 ? 0 : F::FIRST_LOW;
}

/* Where a chunk of a part is, in boxes of a row. */
template <class F> __host__ __device__ constexpr int box_of(int part, int chunk)
{
    return part * F::CHUNKS + chunk - first_chunk<F>(part);
}

/* Product number i of a form: which part of each factor. The smallest products come first, while sums are small: what the
 * tensor cores cut off goes by the size of the sum. */
template <class F> __host__ __device__ constexpr int row_part(int i)
{
    return F::ROW_PARTS == 2 && i == 0 ? 1 : 0;
}

template <class F> __host__ __device__ constexpr int other_part(int i)
{
    return F::PARTS == 2 && i == F::PRODUCTS - 2 ? 1 : 0;
}

/* The first product that a chunk takes part in. */
template <class F> __host__ __device__ constexpr int first_product(int chunk)
{
    return chunk < first_chunk<F>(row_part<F>(0)) ? 1 : 0;
}

template <int CHUNKS, class Call> cudaError_t with_parts(const fgi_soft_args &a, Call call)
{
    if constexpr (CHUNKS > 1)
        if (!a.model.low_weights && a.rows.low) return call(form<CHUNKS, 2, 1>());
    if (!a.model.low_weights) return call(form<CHUNKS, 1, 1>());
    return a.rows.low ? call(form<CHUNKS, 2, 2>()) : call(form<CHUNKS, 1, 2>());
}

/* Calls it with the form that numbers have. */
template <class Call> cudaError_t with_form(const fgi_soft_args &a, Call call)
{
    switch (chunks_for(a.rows.depth)) {
    case 1: return with_parts<1>(a, call);
    case 2: return with_parts<2>(a, call);
    default: return with_parts<4>(a, call);
    }
}

/* The matrices of a product; those without a second part are described twice. */
struct maps {
    CUtensorMap rows[2], weights[2], rows_beside, weights_beside;
};

/* box_rows: of rows; components come by the GROUP. */
inline cudaError_t make_maps(const fgi_soft_args &a, int32_t box_rows, maps *m)
{
    const void *low_weights = a.model.low_weights ? a.model.low_weights : a.model.weights;
    const int32_t n = a.rows.rows, k = a.model.k, depth = a.rows.depth, ld = a.rows.ld, low_ld = a.rows.low_ld;
    cudaError_t e = fgi_tensor_map(&m->rows[0], a.rows.plane, n, depth, ld, box_rows, CHUNK);
    m->rows[1] = m->rows[0];
    if (e == cudaSuccess && a.rows.low)
        e = fgi_tensor_map(&m->rows[1], a.rows.low, n, depth < low_ld ? depth : low_ld, low_ld, box_rows, CHUNK);
    if (e == cudaSuccess) e = fgi_tensor_map(&m->weights[0], a.model.weights, k, depth, ld, GROUP, CHUNK);
    if (e == cudaSuccess) e = fgi_tensor_map(&m->weights[1], low_weights, k, depth, ld, GROUP, CHUNK);
    if (e == cudaSuccess)
        e = fgi_tensor_map(&m->rows_beside, a.beside, (n + GROUP - 1) / GROUP * GROUP, BESIDE, BESIDE, box_rows, BESIDE);
    if (e == cudaSuccess)
        e = fgi_tensor_map(&m->weights_beside, a.model.beside, a.model.lanes, BESIDE, BESIDE, GROUP, BESIDE);
    return e;
}

/* What a launch needs: its maps, and a block's shared memory granted. */
template <class Kernel>
cudaError_t prepare(Kernel kernel, int shared_bytes, const fgi_soft_args &a, int32_t box_rows, maps *m)
{
    const cudaError_t e = make_maps(a, box_rows, m);
    return e == cudaSuccess ? fgi_grant_shared(kernel, (size_t)shared_bytes) : e;
}

} // namespace soft

#endif
