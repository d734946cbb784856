/* SPDX-License-Identifier: Apache-2.0 */
/* soft_normalize.cu - one product and an online log-sum-exp give every row's log2 density.
 *
 * grid     persistent; block: 3 computing warpgroups of 160 registers, or 2 where rows are large, and one of which a thread loads
 * tile     64 rows x 128 components a warpgroup, twice for the same components where rows are small; rows stay in shared memory
 *          for all components, weights stream through in chunks of 64 halves
 * turns    warpgroups give their products to the tensor cores one after the other, so that one's exponentials and additions go
 *          on beside another's products
 * bytes    2 d a row and half from HBM; 2 k d / 256 a row and half from L2
 * bound    tensor cores: 2 k d flops a row and product */
#include "follow.cuh"
#include "reduce.cuh"
#include "soft_rounds.cuh"

#include <math_constants.h> /* CUDART_INF_F */

namespace soft
{

enum { MOST_GROUPS = 3, MOST_STAGES = 6, BESIDE_STAGES = 2, SLICE_BESIDE_BYTES = SLICE / GROUP * BESIDE_BYTES };

/* Shared memory and threads; bytes from an address that is a multiple of 1024. */
template <class F> struct tiling {
    static constexpr int ROW_BYTES = F::ROW_BOXES * BOX_BYTES; /* of GROUP rows */
    static constexpr int GROUPS = F::ROW_BOXES <= 4 ? 3 : 2;   /* computing warpgroups */
    static constexpr int EACH =
        F::PRODUCTS == 1 && F::CHUNKS <= 2 ? 2 : 1; /* products of a warpgroup, one after the other */
    static constexpr int WORKERS = 128 * GROUPS, THREADS = WORKERS + 128, REGISTERS = GROUPS == 3 ? 160 : 232;
    static constexpr int TILE_ROWS = GROUPS * EACH * GROUP;
    static constexpr int GROUP_BYTES = EACH * (ROW_BYTES + BESIDE_BYTES);
    static constexpr int STAGE_BYTES = F::PARTS * SLICE / GROUP * BOX_BYTES;
    static constexpr int FIT =
        (MOST_SHARED - BARRIERS_BYTES - ALIGNMENT - BESIDE_STAGES * SLICE_BESIDE_BYTES - GROUPS * GROUP_BYTES) / STAGE_BYTES;
    static constexpr int STAGES = FIT < MOST_STAGES ? FIT : (int)MOST_STAGES;
    static constexpr int STAGE_AT = GROUPS * GROUP_BYTES;
    static constexpr int BESIDE_AT = STAGE_AT + STAGES * STAGE_BYTES;
    static constexpr int BARRIERS_AT = BESIDE_AT + BESIDE_STAGES * SLICE_BESIDE_BYTES;
    static constexpr int BYTES = BARRIERS_AT + BARRIERS_BYTES + ALIGNMENT;
    static_assert(STAGES >= 2 && BYTES <= MOST_SHARED, "loads have to be ahead");
    static_assert(F::PARTS > 1 || STAGES > F::CHUNKS, "all chunks of a tile have to be there at once");
};

struct normalize_barriers {
    uint32_t base;
    __device__ uint32_t full(int s) const
    {
        return base + 8 * s;
    }
    __device__ uint32_t empty(int s) const
    {
        return base + 8 * (MOST_STAGES + s);
    }
    __device__ uint32_t beside_full(int s) const
    {
        return base + 8 * (2 * MOST_STAGES + s);
    }
    __device__ uint32_t beside_empty(int s) const
    {
        return base + 8 * (2 * MOST_STAGES + BESIDE_STAGES + s);
    }
    __device__ uint32_t rows_full(int group) const
    {
        return base + 8 * (2 * MOST_STAGES + 2 * BESIDE_STAGES + group);
    }
    __device__ uint32_t rows_empty(int group) const
    {
        return base + 8 * (2 * MOST_STAGES + 2 * BESIDE_STAGES + MOST_GROUPS + group);
    }
};

template <class T> __device__ void init(const normalize_barriers &bar)
{
    for (int s = 0; s < T::STAGES; s++) {
        fgi_mbar_init(bar.full(s), 1);
        fgi_mbar_init(bar.empty(s), T::WORKERS);
    }
    for (int s = 0; s < BESIDE_STAGES; s++) {
        fgi_mbar_init(bar.beside_full(s), 1);
        fgi_mbar_init(bar.beside_empty(s), T::WORKERS);
    }
    for (int g = 0; g < T::GROUPS; g++) {
        fgi_mbar_init(bar.rows_full(g), 1);
        fgi_mbar_init(bar.rows_empty(g), 128);
    }
    fgi_mbar_init_fence();
}

__host__ __device__ inline int32_t tiles_of(const fgi_soft_args &a, int tile_rows)
{
    return (a.rows.rows + tile_rows - 1) / tile_rows;
}

template <class F> __device__ void load(const fgi_soft_args &a, const maps &m, uint32_t smem, const normalize_barriers &bar)
{
    using T = tiling<F>;
    const int32_t slices = slices_for(a.model.k);
    uint32_t stage = 0, turn = 0, round = 0;
    for (int32_t t = blockIdx.x; t < tiles_of(a, T::TILE_ROWS); t += gridDim.x, round++) {
        for (int g = 0; g < T::GROUPS; g++) {
            fgi_mbar_wait(bar.rows_empty(g), (round & 1) ^ 1);
            fgi_mbar_expect(bar.rows_full(g), T::GROUP_BYTES);
            const int32_t first = t * T::TILE_ROWS + g * T::EACH * GROUP;
            uint32_t to = smem + g * T::GROUP_BYTES;
            for (int part = 0; part < F::ROW_PARTS; part++)
                for (int each = 0; each < T::EACH; each++)
                    for (int c = first_chunk<F>(part); c < F::CHUNKS; c++, to += BOX_BYTES)
                        fgi_tma_load_2d(to, &m.rows[part], bar.rows_full(g), (c - first_chunk<F>(part)) * CHUNK,
                                        first + each * GROUP);
            for (int each = 0; each < T::EACH; each++, to += BESIDE_BYTES)
                fgi_tma_load_2d(to, &m.rows_beside, bar.rows_full(g), 0, first + each * GROUP);
        }
        for (int32_t s = 0; s < slices; s++, turn++) {
            const int slot = turn % BESIDE_STAGES;
            fgi_mbar_wait(bar.beside_empty(slot), (turn / BESIDE_STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.beside_full(slot), SLICE_BESIDE_BYTES);
            for (int half = 0; half < SLICE / GROUP; half++)
                fgi_tma_load_2d(smem + T::BESIDE_AT + slot * SLICE_BESIDE_BYTES + half * BESIDE_BYTES, &m.weights_beside,
                                bar.beside_full(slot), 0, s * SLICE + half * GROUP);
            for (int c = 0; c < F::CHUNKS; c++, stage++) {
                const int at = stage % T::STAGES;
                uint32_t to = smem + T::STAGE_AT + at * T::STAGE_BYTES;
                fgi_mbar_wait(bar.empty(at), (stage / T::STAGES & 1) ^ 1);
                fgi_mbar_expect(bar.full(at), T::STAGE_BYTES);
                for (int part = 0; part < F::PARTS; part++)
                    for (int half = 0; half < SLICE / GROUP; half++, to += BOX_BYTES)
                        fgi_tma_load_2d(to, &m.weights[part], bar.full(at), c * CHUNK, s * SLICE + half * GROUP);
            }
        }
    }
}

/* A thread's two rows of a product: g and g + 8 of its warp's sixteen. */
struct row_pair {
    float top[2];    /* the largest value so far, of the row */
    float sum[2];    /* of 2^(value - top), of this thread's columns */
    float tight[2];  /* the largest value of a tight component, of this thread's columns */
    int32_t best[2]; /* the component that `top` is of; of equals, the lowest */
};

__device__ __forceinline__ row_pair no_values(void)
{
    return {{-CUDART_INF_F, -CUDART_INF_F}, {0.0f, 0.0f}, {-CUDART_INF_F, -CUDART_INF_F}, {0, 0}};
}

/* Which component the slice's largest values are of, where they exceed all before. first: component of the slice */
__device__ __forceinline__ void note_best(const float (&acc)[64], const float (&top)[2], int32_t first, row_pair &p)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        if (!__any_sync(FGI_ALL_LANES, top[r] > p.top[r])) continue;
        int32_t column = SLICE;
#pragma unroll
        for (int b = SLICE / 8 - 1; b >= 0; b--)
#pragma unroll
            for (int i = 1; i >= 0; i--)
                if (acc[4 * b + 2 * r + i] == top[r]) column = 8 * b + i;
        column = quad_least(column + 2 * (int32_t)(threadIdx.x & 3));
        if (top[r] > p.top[r]) p.best[r] = first + column;
    }
}

/* Adds values to the online log-sum-exp, unless all are beneath notice. */
template <bool TELLS>
__device__ __forceinline__ void add_values(const float (&acc)[64], float cut, int32_t first, row_pair &p)
{
    float top[2] = {acc[0], acc[2]};
#pragma unroll
    for (int b = 0; b < SLICE / 8; b++)
#pragma unroll
        for (int r = 0; r < 2; r++) top[r] = fmaxf(top[r], fmaxf(acc[4 * b + 2 * r], acc[4 * b + 2 * r + 1]));
    top[0] = quad_largest(top[0]);
    top[1] = quad_largest(top[1]);
    if (!__any_sync(FGI_ALL_LANES, top[0] > p.top[0] - cut || top[1] > p.top[1] - cut)) return;
    if (TELLS) note_best(acc, top, first, p);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float now = fmaxf(top[r], p.top[r]);
        float sum = p.sum[r] * fgi_exp2(p.top[r] - now), other = 0.0f;
#pragma unroll
        for (int b = 0; b < SLICE / 8; b++) {
            sum += fgi_exp2(acc[4 * b + 2 * r] - now);
            other += fgi_exp2(acc[4 * b + 2 * r + 1] - now);
        }
        p.sum[r] = sum + other;
        p.top[r] = now;
    }
}

/* mask: tight components of the slice. */
__device__ void note_tight(const float (&acc)[64], uint4 mask, row_pair &p)
{
    const uint32_t words[4] = {mask.x, mask.y, mask.z, mask.w};
    const int first = 2 * (threadIdx.x & 3);
#pragma unroll
    for (int b = 0; b < SLICE / 8; b++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (words[b / 4] >> (8 * (b % 4) + first + i % 2) & 1) p.tight[i / 2] = fmaxf(p.tight[i / 2], acc[4 * b + i]);
}

/* row: of the pair's first. */
template <bool TELLS> __device__ __forceinline__ void tell_rows(const fgi_soft_args &a, const row_pair &p, int32_t row)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float density = p.top[r] + log2f(quad_sum(p.sum[r])), tight = quad_largest(p.tight[r]);
        if ((threadIdx.x & 3) != 0 || row + 8 * r >= a.rows.rows) continue;
        a.normalizer[row + 8 * r] = tight > density - a.cut ? -CUDART_INF_F : density;
        if (!TELLS) continue;
        a.best[row + 8 * r] = p.best[r];
        a.best_value[row + 8 * r] = p.top[r];
    }
}

/* Where a warpgroup's product finds its factors. */
struct factors {
    uint32_t rows, rows_beside;
    uint32_t weights_beside;
    uint32_t stage; /* number of the first chunk's */
};

/* acc (+)= step of product i in chunk c */
template <class F>
__device__ __forceinline__ void multiply_step(float (&acc)[64], uint32_t smem, const factors &f, int i, int c, int step,
                                              bool add)
{
    using T = tiling<F>;
    const uint32_t rows = f.rows + box_of<F>(row_part<F>(i), c) * BOX_BYTES;
    const uint32_t weights =
        smem + T::STAGE_AT + (f.stage + c) % T::STAGES * T::STAGE_BYTES + other_part<F>(i) * (SLICE / GROUP * BOX_BYTES);
    fgi_wgmma_64x128x16(acc, fgi_wgmma_operand(rows + step * 32), fgi_wgmma_operand(weights + step * 32), add);
}

template <class F> __device__ __forceinline__ void await_chunk(const normalize_barriers &bar, uint32_t stage)
{
    using T = tiling<F>;
    fgi_mbar_wait(bar.full(stage % T::STAGES), stage / T::STAGES & 1);
}

/* Chunks `from` to `to` of a tile. */
template <class F>
__device__ __forceinline__ void release_chunks(const normalize_barriers &bar, uint32_t stage, int from, int to)
{
#pragma unroll
    for (int c = from; c < to; c++) fgi_mbar_arrive(bar.empty((stage + c) % tiling<F>::STAGES));
}

__device__ __forceinline__ void multiply_beside(float (&acc)[64], const factors &f, bool add)
{
    fgi_wgmma_64x128x16(acc, fgi_wgmma_narrow_operand(f.rows_beside), fgi_wgmma_narrow_operand(f.weights_beside), add);
}

/* acc = values of 64 rows x the components of a slice, one half a weight, all chunks at once. last: chunks leave, as they are done
 * with. */
template <class F>
__device__ __forceinline__ void multiply_at_once(float (&acc)[64], uint32_t smem, const normalize_barriers &bar,
                                                 const factors &f, int group, bool last)
{
    using T = tiling<F>;
    constexpr int HALF = F::CHUNKS / 2;
#pragma unroll
    for (int c = 0; c < F::CHUNKS; c++) await_chunk<F>(bar, f.stage + c);
    fgi_turn_take(group);
    fgi_wgmma_fence();
#pragma unroll
    for (int c = 0; c < F::CHUNKS; c++) {
        if (c > 0 && c == HALF) fgi_wgmma_commit();
#pragma unroll
        for (int i = first_product<F>(c); i < F::PRODUCTS; i++)
#pragma unroll
            for (int step = 0; step < CHUNK_STEPS; step++)
                multiply_step<F>(acc, smem, f, i, c, step, c > 0 || i > first_product<F>(c) || step > 0);
    }
    multiply_beside(acc, f, true);
    fgi_wgmma_commit();
    fgi_turn_pass(group, T::GROUPS);
    if (last && HALF > 0) {
        fgi_wgmma_wait<1>();
        release_chunks<F>(bar, f.stage, 0, HALF);
    }
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(acc);
    if (last) release_chunks<F>(bar, f.stage, HALF, F::CHUNKS);
}

/* The same of two halves, in rounds. Chunks leave as they are done with. */
template <class F>
__device__ __forceinline__ void multiply_in_rounds(float (&acc)[64], uint32_t smem, const normalize_barriers &bar,
                                                   const factors &f, int group)
{
    using T = tiling<F>;
    float some[64];
    fgi_turn_take(group);
    fgi_wgmma_fence();
    multiply_beside(some, f, false);
    end_first_round(acc, some, group, T::GROUPS);
#pragma unroll
    for (int c = 0; c < F::CHUNKS; c++) {
        await_chunk<F>(bar, f.stage + c);
        add_rounds<F>(acc, some, group, T::GROUPS,
                      [&](float(&to)[64], int i, int step, bool add) { multiply_step<F>(to, smem, f, i, c, step, add); });
        release_chunks<F>(bar, f.stage, c, c + 1);
    }
}

template <class F, bool TELLS> __device__ void compute(const fgi_soft_args &a, uint32_t smem, const normalize_barriers &bar)
{
    using T = tiling<F>;
    const int group = __shfl_sync(FGI_ALL_LANES, threadIdx.x / 128, 0); /* so the compiler knows that warps agree on it */
    const int warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    const int32_t slices = slices_for(a.model.k);
    const uint4 *tight = reinterpret_cast<const uint4 *>(a.model.tight);
    uint32_t stage = 0, turn = 0, round = 0;
    fgi_turn_begin(group, T::GROUPS);
    for (int32_t t = blockIdx.x; t < tiles_of(a, T::TILE_ROWS); t += gridDim.x, round++) {
        row_pair pairs[T::EACH];
#pragma unroll
        for (int e = 0; e < T::EACH; e++) pairs[e] = no_values();
        fgi_mbar_wait(bar.rows_full(group), round & 1);
        for (int32_t s = 0; s < slices; s++, turn++, stage += F::CHUNKS) {
            const int slot = turn % BESIDE_STAGES;
            const uint4 mask = __ldg(tight + s);
            factors f = {smem + group * T::GROUP_BYTES, smem + group * T::GROUP_BYTES + T::EACH * T::ROW_BYTES,
                         smem + T::BESIDE_AT + slot * SLICE_BESIDE_BYTES, stage};
            fgi_mbar_wait(bar.beside_full(slot), turn / BESIDE_STAGES & 1);
#pragma unroll
            for (int e = 0; e < T::EACH; e++) {
                float acc[64];
                if (F::PARTS == 1)
                    multiply_at_once<F>(acc, smem, bar, f, group, e == T::EACH - 1);
                else
                    multiply_in_rounds<F>(acc, smem, bar, f, group);
                f.rows += F::CHUNKS * BOX_BYTES;
                f.rows_beside += BESIDE_BYTES;
                if (e == T::EACH - 1) {
                    fgi_mbar_arrive(bar.beside_empty(slot));
                    if (s + 1 == slices) fgi_mbar_arrive(bar.rows_empty(group));
                }
                if (mask.x | mask.y | mask.z | mask.w) note_tight(acc, mask, pairs[e]);
                add_values<TELLS>(acc, a.cut, s * SLICE, pairs[e]);
            }
        }
        const int32_t row = t * T::TILE_ROWS + group * T::EACH * GROUP + warp * 16 + lane / 4;
#pragma unroll
        for (int e = 0; e < T::EACH; e++) tell_rows<TELLS>(a, pairs[e], row + e * GROUP);
    }
}

/* TELLS: also the best component of each row. */
template <class F, bool TELLS>
__global__ void __launch_bounds__(tiling<F>::THREADS, 1)
    normalize(const __grid_constant__ maps m, const __grid_constant__ fgi_soft_args a)
{
    using T = tiling<F>;
    extern __shared__ uint8_t raw[];
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    const normalize_barriers bar = {smem + T::BARRIERS_AT};
    if (threadIdx.x == 0) init<T>(bar);
    __syncthreads();
    fgi_follow_wait();
    if (threadIdx.x < T::WORKERS) {
        fgi_registers_more<T::REGISTERS>();
        compute<F, TELLS>(a, smem, bar);
    } else {
        fgi_registers_less<24>();
        if (threadIdx.x == T::WORKERS) load<F>(a, m, smem, bar);
    }
}

template <class F, bool TELLS> cudaError_t launch(const fgi_soft_args &a, cudaStream_t stream)
{
    using T = tiling<F>;
    maps m;
    const cudaError_t e = prepare(normalize<F, TELLS>, T::BYTES, a, GROUP, &m);
    if (e != cudaSuccess) return e;
    const int32_t tiles = tiles_of(a, T::TILE_ROWS), grid = tiles < a.multiprocessors ? tiles : a.multiprocessors;
    return fgi_follow(normalize<F, TELLS>, (unsigned)grid, T::THREADS, T::BYTES, stream, m, a);
}

} // namespace soft

using namespace soft;

extern "C" cudaError_t fgi_soft_normalize(const fgi_soft_args *a, cudaStream_t stream)
{
    if (fgi_soft_is_deep(a->rows.depth)) return fgi_soft_normalize_deep(a, stream);
    return with_form(*a, [&](auto f) {
        using F = decltype(f);
        if constexpr (F::PARTS == 2)
            if (a->best) return launch<F, true>(*a, stream);
        return launch<F, false>(*a, stream);
    });
}
