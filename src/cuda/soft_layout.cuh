/* SPDX-License-Identifier: Apache-2.0 */
/* soft_layout.cuh - what the kernels of the soft pass agree on: shapes, the order of products, where sums lie. */
#ifndef FGI_SOFT_LAYOUT_CUH
#define FGI_SOFT_LAYOUT_CUH
#include "cuda_soft.h"
#include "tensor_map.cuh"

namespace soft
{

enum {
    CHUNK = FGI_BOX_HALVES,
    SLICE = FGI_SOFT_SLICE,
    GROUP_ROWS = 64, /* rows of a warpgroup's product */
    ROW_BOX_BYTES = GROUP_ROWS * CHUNK * 2,
    WEIGHT_BOX_BYTES = SLICE * CHUNK * 2,
    MOST_SHARED = 232448,
    LIFT = 15, /* responsibilities are summed in units of 2^-15: halves then hold them down to 2^-29 with all their bits */
    EXTRAS = 2 /* beside a component's columns: its mass, and the sum of r log2 density */
};

/* Weights are h m, not 2 h m: that keeps them within f16 twice as long. */
__device__ const float product_factor = 2.0f;

/* The bias of a component that is dead or beyond the last: finite, so that 0 times it is 0. */
__device__ const float never = -1e30f;

/* Columns of sums, padded. */
__host__ __device__ inline int32_t columns_for(int32_t depth)
{
    return (depth + CHUNK - 1) / CHUNK * CHUNK;
}

__host__ __device__ inline int32_t slices_for(int32_t k)
{
    return (k + SLICE - 1) / SLICE;
}

/* A number as the sum of so many halves. CHUNKS: boxes of a row. */
template <int CHUNKS_, int ROW_PARTS_, int PARTS_> struct form {
    static constexpr int CHUNKS = CHUNKS_;
    static constexpr int ROW_PARTS = ROW_PARTS_; /* of rows */
    static constexpr int PARTS = PARTS_;         /* of weights and of responsibilities */
    static constexpr int PRODUCTS = ROW_PARTS + PARTS - 1;
};

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

/* Calls f(form()) for rows of that depth. */
template <class Call> cudaError_t with_form(const fgi_soft_args &a, Call call)
{
    const bool rows2 = a.rows.low != nullptr, weights2 = a.model.low_weights != nullptr;
    const bool wide = a.rows.depth > CHUNK;
    if (!weights2) return wide ? call(form<2, 1, 1>()) : call(form<1, 1, 1>());
    if (!rows2) return wide ? call(form<2, 1, 2>()) : call(form<1, 1, 2>());
    return wide ? call(form<2, 2, 2>()) : call(form<1, 2, 2>());
}

/* The four matrices of a product; those without a second part are described twice. */
struct maps {
    CUtensorMap rows[2], weights[2];
};

inline cudaError_t make_maps(const fgi_soft_args &a, maps *m)
{
    const void *rows[2] = {a.rows.plane, a.rows.low ? a.rows.low : a.rows.plane};
    const void *weights[2] = {a.model.weights, a.model.low_weights ? a.model.low_weights : a.model.weights};
    cudaError_t e = cudaSuccess;
    for (int i = 0; i < 2 && e == cudaSuccess; i++) {
        e = fgi_tensor_map(&m->rows[i], rows[i], a.rows.rows, a.rows.depth, a.rows.ld, GROUP_ROWS);
        if (e == cudaSuccess)
            e = fgi_tensor_map(&m->weights[i], weights[i], a.model.k, a.rows.depth, a.rows.ld, SLICE);
    }
    return e;
}

} // namespace soft

#endif
