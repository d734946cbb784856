/* SPDX-License-Identifier: Apache-2.0 */
/* soft_deep_values.cu - one product of deep rows and components, whose values are kept as shares of their tile's largest; and what a
 * tile tells of a row.
 *
 * grid     clusters of 2 blocks, persistent; block: 2 computing warpgroups of 240 registers, and one of which a thread loads
 * tile     128 rows x 256 components, x 128 where numbers are two halves, since rounds take as many registers again; the blocks of
 *          a cluster have the same components. Both factors stream through in chunks of 64 halves, and what stands beside them,
 *          as a chunk of its own: last, when the sum becomes small; or where there are rounds first, so that it only shrinks
 * bytes    d / 128 of a value from L2, where all have two halves 3 d / 128; 2 of a value and half to L2 or HBM
 * bound    tensor cores: 2 k d flops a row and product */
#include "follow.cuh"
#include "soft_deep.cuh"
#include "soft_rounds.cuh"

#include <math_constants.h> /* CUDART_INF_F */

namespace soft
{

/* What a stage holds. */
template <class F> struct values_stage {
    static constexpr int ROWS_PART = DEEP_GROUPS * BOX_BYTES;
    static constexpr int WEIGHTS_AT = F::ROW_PARTS * ROWS_PART;
    static constexpr int BOXES = F::LANES / GROUP; /* of a part of the weights */
    static constexpr int WEIGHTS_PART = BOXES * BOX_BYTES;
    static constexpr int BYTES = WEIGHTS_AT + F::PARTS * WEIGHTS_PART;
    static constexpr int BESIDE = (DEEP_GROUPS + BOXES) * BESIDE_BYTES; /* instead: of rows, then from WEIGHTS_AT on */
    static_assert(BOXES % PAIR == 0, "each block loads half");
};

template <class F> using values_ring = ring<values_stage<F>::BYTES>;

/* What a block makes at a time: neighbours in the grid take the same rows, so that these come from L2. */
struct values_item {
    int32_t row, tile;
};

template <class F> __host__ __device__ inline int32_t values_items(const fgi_soft_args &a)
{
    const int32_t rows = PAIR * DEEP_HEIGHT;
    return (a.rows.rows + rows - 1) / rows * (a.model.lanes / F::LANES);
}

template <class F>
__device__ __forceinline__ values_item values_item_of(const fgi_soft_args &a, int32_t number, uint32_t rank)
{
    const int32_t tiles = a.model.lanes / F::LANES;
    return {(number / tiles * PAIR + (int32_t)rank) * DEEP_HEIGHT, number % tiles};
}

/* ------------------------------------------------------------------------------------------- loading */

template <class F>
__device__ __forceinline__ void load_beside(const maps &m, const values_ring<F> &ring, uint32_t n, const values_item &it,
                                            uint32_t rank)
{
    using S = values_stage<F>;
    ring.claim(n, S::BESIDE);
    for (int g = 0; g < DEEP_GROUPS; g++)
        fgi_tma_load_2d(ring.at(n) + g * BESIDE_BYTES, &m.rows_beside, ring.full(n), 0, it.row + g * GROUP);
    for (int i = 0; i < S::BOXES / PAIR; i++) {
        const int box = (int)rank * (S::BOXES / PAIR) + i;
        fgi_tma_load_2d_multicast(ring.at(n) + S::WEIGHTS_AT + box * BESIDE_BYTES, &m.weights_beside, ring.full(n), 0,
                                  it.tile * F::LANES + box * GROUP, 3);
    }
}

template <class F>
__device__ __forceinline__ void load_chunk(const maps &m, const values_ring<F> &ring, uint32_t n, const values_item &it,
                                           uint32_t rank, int32_t chunk, int32_t first_low)
{
    using S = values_stage<F>;
    const int row_parts = F::ROW_PARTS == 2 && chunk >= first_low ? 2 : 1;
    ring.claim(n, row_parts * S::ROWS_PART + F::PARTS * S::WEIGHTS_PART);
    for (int part = 0; part < row_parts; part++)
        for (int g = 0; g < DEEP_GROUPS; g++)
            fgi_tma_load_2d(ring.at(n) + part * S::ROWS_PART + g * BOX_BYTES, &m.rows[part], ring.full(n),
                            (chunk - (part == 0 ? 0 : first_low)) * CHUNK, it.row + g * GROUP);
    for (int part = 0; part < F::PARTS; part++)
        for (int i = 0; i < S::BOXES / PAIR; i++) {
            const int box = (int)rank * (S::BOXES / PAIR) + i;
            fgi_tma_load_2d_multicast(ring.at(n) + S::WEIGHTS_AT + part * S::WEIGHTS_PART + box * BOX_BYTES,
                                      &m.weights[part], ring.full(n), chunk * CHUNK, it.tile * F::LANES + box * GROUP, 3);
        }
}

template <class F> __device__ void load_values(const fgi_soft_args &a, const maps &m, const values_ring<F> &ring)
{
    constexpr bool beside_first = F::PARTS == 2;
    const uint32_t rank = fgi_cluster_rank();
    const int32_t chunks = chunks_for(a.rows.depth), first_low = first_low_of<F>(a);
    uint32_t n = 0;
    for (int32_t i = cluster_number(); i < values_items<F>(a); i += clusters()) {
        const values_item it = values_item_of<F>(a, i, rank);
        if (beside_first) load_beside<F>(m, ring, n++, it, rank);
        for (int32_t c = 0; c < chunks; c++) load_chunk<F>(m, ring, n++, it, rank, c, first_low);
        if (!beside_first) load_beside<F>(m, ring, n++, it, rank);
    }
}

/* ---------------------------------------------------------------------------------------- the product */

__device__ __forceinline__ void multiply_lanes(float (&acc)[64], uint64_t rows, uint64_t weights, bool add)
{
    fgi_wgmma_64x128x16(acc, rows, weights, add);
}

/* Sums that were set before. */
__device__ __forceinline__ void multiply_lanes(float (&acc)[128], uint64_t rows, uint64_t weights, bool)
{
    fgi_wgmma_64x256x16(acc, rows, weights);
}

/* acc (+)= step of product i in the chunk that is there */
template <class F, int COUNT>
__device__ __forceinline__ void multiply_step(float (&acc)[COUNT], uint32_t stage, int group, int i, int step, bool add)
{
    using S = values_stage<F>;
    const uint32_t rows = stage + row_part<F>(i) * S::ROWS_PART + group * BOX_BYTES;
    const uint32_t weights = stage + S::WEIGHTS_AT + other_part<F>(i) * S::WEIGHTS_PART;
    multiply_lanes(acc, fgi_wgmma_operand(rows + step * 32), fgi_wgmma_operand(weights + step * 32), add);
}

template <class F, int COUNT>
__device__ __forceinline__ void multiply_beside(float (&acc)[COUNT], uint32_t stage, int group, bool add)
{
    multiply_lanes(acc, fgi_wgmma_narrow_operand(stage + group * BESIDE_BYTES),
                   fgi_wgmma_narrow_operand(stage + values_stage<F>::WEIGHTS_AT), add);
}

/* acc = values of 64 rows x a tile of components, one half a weight. A chunk is multiplied while the last one's products end. */
template <class F>
__device__ __forceinline__ void multiply_chunks(const fgi_soft_args &a, float (&acc)[128], const values_ring<F> &ring,
                                                uint32_t first, int group)
{
    const int32_t chunks = chunks_for(a.rows.depth), first_low = first_low_of<F>(a);
#pragma unroll
    for (int i = 0; i < 128; i++) acc[i] = 0.0f;
#pragma unroll 1
    for (int32_t c = 0; c < chunks; c++) {
        const uint32_t n = first + c;
        ring.await(n);
        fgi_wgmma_pin(acc);
        fgi_wgmma_fence();
#pragma unroll
        for (int i = 0; i < F::PRODUCTS; i++) {
            if (row_part<F>(i) == 1 && c < first_low) continue;
#pragma unroll
            for (int step = 0; step < CHUNK_STEPS; step++) multiply_step<F>(acc, ring.at(n), group, i, step, true);
        }
        fgi_wgmma_commit();
        if (c == 0) continue;
        fgi_wgmma_wait<1>();
        ring.release(n - 1);
    }
    ring.await(first + chunks);
    fgi_wgmma_pin(acc);
    fgi_wgmma_fence();
    multiply_beside<F>(acc, ring.at(first + chunks), group, true);
    fgi_wgmma_commit();
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(acc);
    ring.release(first + chunks - 1);
    ring.release(first + chunks);
}

/* The same of two halves, in rounds. */
template <class F>
__device__ __forceinline__ void multiply_chunks(const fgi_soft_args &a, float (&acc)[64], const values_ring<F> &ring,
                                                uint32_t first, int group)
{
    const int32_t chunks = chunks_for(a.rows.depth);
    float some[64];
    ring.await(first);
    fgi_turn_take(group);
    fgi_wgmma_fence();
    multiply_beside<F>(some, ring.at(first), group, false);
    end_first_round(acc, some, group, DEEP_GROUPS);
    ring.release(first);
#pragma unroll 1
    for (int32_t c = 1; c <= chunks; c++) {
        const uint32_t n = first + c;
        ring.await(n);
        add_rounds<F>(acc, some, group, DEEP_GROUPS, [&](float(&to)[64], int i, int step, bool add) {
            multiply_step<F>(to, ring.at(n), group, i, step, add);
        });
        ring.release(n);
    }
}

/* -------------------------------------------------------------------------------------- what tiles tell */

/* Of the thread's columns of row r of its two: the largest; of tight ones, if `tight`. */
template <int LANES> __device__ __forceinline__ float largest(const float (&acc)[LANES / 2], int r, const uint32_t *tight)
{
    float top = -CUDART_INF_F;
    const int first = 2 * (threadIdx.x % 4);
#pragma unroll
    for (int b = 0; b < LANES / 8; b++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            if (!tight || __ldg(tight + b / 4) >> (8 * (b % 4) + first + e) & 1) top = fmaxf(top, acc[4 * b + 2 * r + e]);
    return quad_largest(top);
}

template <int LANES> __device__ __forceinline__ bool any_tight(const uint32_t *tight)
{
    uint32_t any = 0;
#pragma unroll
    for (int i = 0; i < LANES / 32; i++) any |= __ldg(tight + i);
    return any != 0;
}

/* Halves `at` and the next seven. */
__device__ __forceinline__ void store_words(void *halves, int64_t at, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    *reinterpret_cast<uint4 *>(static_cast<__half *>(halves) + at) = make_uint4(a, b, c, d);
}

/* Stores shares of row r of the thread's two; gives back the sum of its own. */
template <class F>
__device__ __forceinline__ float store_shares(const fgi_soft_args &a, const float (&acc)[F::LANES / 2], int r,
                                              float unit_top, int64_t at, bool there)
{
    float sum = 0.0f;
#pragma unroll
    for (int block = 0; block < F::LANES / 32; block++) {
        two_words h[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float *value = acc + 16 * block + 4 * i + 2 * r;
            const float x = fgi_exp2(value[0] - unit_top), y = fgi_exp2(value[1] - unit_top);
            sum += x + y;
            h[i] = halves_of(x, y);
        }
        if (!there) continue;
        store_words(a.kept.shares, at + 32 * block, h[0].high, h[1].high, h[2].high, h[3].high);
        if (F::PARTS == 2) store_words(a.kept.low_shares, at + 32 * block, h[0].low, h[1].low, h[2].low, h[3].low);
    }
    return quad_sum(sum);
}

/* row: this thread's first */
template <class F>
__device__ __forceinline__ void tell_tile(const fgi_soft_args &a, const float (&acc)[F::LANES / 2], int32_t row,
                                          int32_t tile)
{
    const uint32_t *tight = a.model.tight + tile * (F::LANES / 32);
    const bool some_tight = any_tight<F::LANES>(tight);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const bool there = row + 8 * r < a.rows.rows;
        const int64_t at = (int64_t)(row + 8 * r) * a.model.lanes + tile * F::LANES + threadIdx.x % 4 * 8;
        const float top = largest<F::LANES>(acc, r, nullptr), sum = store_shares<F>(a, acc, r, top - LIFT, at, there);
        const float top_tight = some_tight ? largest<F::LANES>(acc, r, tight) : -CUDART_INF_F;
        if (!there || threadIdx.x % 4 != 0) continue;
        const int64_t place = (int64_t)tile * a.kept.rows + row + 8 * r;
        a.kept.top[place] = top;
        a.kept.sum[place] = sum;
        a.kept.tight[place] = top_tight;
    }
}

template <class F> __device__ void compute_values(const fgi_soft_args &a, const values_ring<F> &ring)
{
    const int group = __shfl_sync(~0u, threadIdx.x / 128, 0); /* so the compiler knows that warps agree on it */
    const int32_t own = group * GROUP + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4;
    const uint32_t rank = fgi_cluster_rank(), stages = chunks_for(a.rows.depth) + 1;
    uint32_t n = 0;
    if (F::PARTS == 2) fgi_turn_begin(group, DEEP_GROUPS);
    for (int32_t i = cluster_number(); i < values_items<F>(a); i += clusters(), n += stages) {
        const values_item it = values_item_of<F>(a, i, rank);
        float acc[F::LANES / 2];
        multiply_chunks<F>(a, acc, ring, n, group);
        tell_tile<F>(a, acc, it.row + own, it.tile);
    }
}

template <class F>
__global__ void __cluster_dims__(PAIR, 1, 1) __launch_bounds__(DEEP_THREADS, 1)
    make_values(const __grid_constant__ maps m, const __grid_constant__ fgi_soft_args a)
{
    extern __shared__ uint8_t raw[];
    const values_ring<F> ring = begin_ring<values_ring<F>>(raw);
    fgi_follow_wait();
    if (threadIdx.x < DEEP_WORKERS) {
        fgi_registers_more<DEEP_REGISTERS>();
        compute_values<F>(a, ring);
    } else {
        fgi_registers_less<24>();
        if (threadIdx.x == DEEP_WORKERS) load_values<F>(a, m, ring);
    }
    end_ring();
}

} // namespace soft

using namespace soft;

extern "C" int32_t fgi_soft_tiles(int32_t lanes, int32_t halves)
{
    return lanes / (halves == 1 ? deep_form<1, 1>::LANES : deep_form<2, 2>::LANES);
}

extern "C" cudaError_t fgi_soft_normalize_deep(const fgi_soft_args *a, cudaStream_t stream)
{
    return with_deep_form(*a, [&](auto f) {
        using F = decltype(f);
        maps m;
        const cudaError_t e = prepare(make_values<F>, values_ring<F>::BYTES, *a, GROUP, &m);
        if (e != cudaSuccess) return e;
        return fgi_follow(make_values<F>, (unsigned)deep_grid(*a, values_items<F>(*a)), DEEP_THREADS, values_ring<F>::BYTES,
                          stream, m, *a);
    });
}
