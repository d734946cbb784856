/* SPDX-License-Identifier: Apache-2.0 */
/* soft_sums.cu - responsibilities of a block of rows for a slice of components, and rows summed by them.
 *
 * grid     persistent; block: 2 computing warpgroups of 240 registers, 64 components each, and one of which a thread loads
 * tile     64 rows, for both; its stage serves two products: weights x rows, then responsibilities, which stay in registers,
 *          x rows
 * turns    warpgroups give their products to the tensor cores one after the other, so that one's exponentials go on beside
 *          another's products
 * sums     in registers: a tile's, by the tensor cores, which cut off; a block's, by additions that round
 * bytes    a slice's weights once a block of rows; 2 d a row and half, for each slice, from L2
 * bound    tensor cores: 4 k d flops a row and product */
#include "ptx.cuh"
#include "reduce.cuh"
#include "soft_layout.cuh"

#include <cuda_fp16.h> /* __half2 */

namespace soft
{

enum { GROUPS = 2, WORKERS = 128 * GROUPS, THREADS = WORKERS + 128, MOST_STAGES = 6 };

/* Shared memory; bytes from an address that is a multiple of 1024. */
template <class F> struct layout {
    static constexpr int WEIGHT_PLANES_BYTES = F::PARTS * F::CHUNKS * WEIGHT_BOX_BYTES;
    static constexpr int WEIGHTS_BYTES = WEIGHT_PLANES_BYTES + WEIGHT_BESIDE_BYTES;
    static constexpr int PLANES_BYTES = F::ROW_PARTS * F::CHUNKS * ROW_BOX_BYTES;
    static constexpr int STAGE_BYTES = PLANES_BYTES + ROW_BESIDE_BYTES;
    static constexpr int FIT = (MOST_SHARED - 2048 - WEIGHTS_BYTES) / STAGE_BYTES;
    static constexpr int STAGES = FIT < MOST_STAGES ? FIT : (int)MOST_STAGES;
    static constexpr int STAGE_AT = WEIGHTS_BYTES;
    static constexpr int BARRIERS_AT = STAGE_AT + STAGES * STAGE_BYTES;
    static constexpr int BYTES = BARRIERS_AT + 1024 + 1024; /* the second: to align the first address */
    static_assert(STAGES >= 3 && BYTES <= MOST_SHARED, "loads have to be ahead");
};

struct sums_barriers {
    uint32_t base;
    __device__ uint32_t full(int s) const
    {
        return base + 8 * s;
    }
    __device__ uint32_t empty(int s) const
    {
        return base + 8 * (MOST_STAGES + s);
    }
    __device__ uint32_t weights_full() const
    {
        return base + 8 * (2 * MOST_STAGES);
    }
    __device__ uint32_t weights_empty() const
    {
        return base + 8 * (2 * MOST_STAGES + 1);
    }
};

/* What a block of threads does at a time: neighbours in the grid take the same rows, so that these come from L2. */
struct item {
    int32_t slice, first, tiles; /* first row */
};

__device__ __forceinline__ int32_t blocks_of(const fgi_soft_args &a)
{
    return (a.rows.rows + FGI_SOFT_BLOCK_ROWS - 1) / FGI_SOFT_BLOCK_ROWS;
}

__device__ __forceinline__ item item_of(const fgi_soft_args &a, int32_t number)
{
    const int32_t slices = slices_for(a.model.k), first = number / slices * FGI_SOFT_BLOCK_ROWS;
    const int32_t rows = min((int)FGI_SOFT_BLOCK_ROWS, a.rows.rows - first);
    return {number % slices, first, (rows + GROUP_ROWS - 1) / GROUP_ROWS};
}

template <class F>
__device__ void load(const fgi_soft_args &a, const maps &m, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    uint32_t stage = 0, round = 0;
    for (int32_t i = blockIdx.x; i < blocks_of(a) * slices_for(a.model.k); i += gridDim.x, round++) {
        const item it = item_of(a, i);
        fgi_mbar_wait(bar.weights_empty(), (round & 1) ^ 1);
        fgi_mbar_expect(bar.weights_full(), L::WEIGHTS_BYTES);
        for (int part = 0; part < F::PARTS; part++)
            for (int c = 0; c < F::CHUNKS; c++)
                fgi_tma_load_2d(smem + (part * F::CHUNKS + c) * WEIGHT_BOX_BYTES, &m.weights[part], bar.weights_full(),
                                c * CHUNK, it.slice * SLICE);
        fgi_tma_load_2d(smem + L::WEIGHT_PLANES_BYTES, &m.weights_beside, bar.weights_full(), 0, it.slice * SLICE);
        for (int32_t t = 0; t < it.tiles; t++, stage++) {
            const int at = stage % L::STAGES, row = it.first + t * GROUP_ROWS;
            const uint32_t to = smem + L::STAGE_AT + at * L::STAGE_BYTES;
            fgi_mbar_wait(bar.empty(at), (stage / L::STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.full(at), L::STAGE_BYTES);
            for (int part = 0; part < F::ROW_PARTS; part++)
                for (int c = 0; c < F::CHUNKS; c++)
                    fgi_tma_load_2d(to + (part * F::CHUNKS + c) * ROW_BOX_BYTES, &m.rows[part], bar.full(at), c * CHUNK, row);
            fgi_tma_load_2d(to + L::PLANES_BYTES, &m.rows_beside, bar.full(at), 0, row);
        }
    }
}

/* Four halves as an operand in registers, of 16 rows; so many parts. */
template <class F> struct responsibilities {
    uint32_t r[F::PARTS][GROUP_ROWS / 16][4];
};

/* Sums of a thread's two components, g and g + 8 of its warp's sixteen: of rows, and of what is beside them. */
template <class F> struct sums_of_rows {
    float rows[32 * F::CHUNKS], beside[8];
};

__device__ __forceinline__ uint32_t as_word(__half2 h)
{
    return *reinterpret_cast<uint32_t *>(&h);
}

/* log2 of responsibilities -> these. */
template <class F> __device__ __forceinline__ void respond(const float (&acc)[32], responsibilities<F> &to)
{
#pragma unroll
    for (int i = 0; i < 16; i++) {
        const float r0 = fgi_exp2(acc[2 * i]), r1 = fgi_exp2(acc[2 * i + 1]);
        const __half2 high = __floats2half2_rn(r0, r1);
        to.r[0][i / 4][i % 4] = as_word(high);
        if (F::PARTS == 1) continue;
        const float2 held = __half22float2(high);
        to.r[F::PARTS - 1][i / 4][i % 4] = as_word(__floats2half2_rn(r0 - held.x, r1 - held.y));
    }
}

/* acc = log2 of responsibilities of 64 components x 64 rows */
template <class F>
__device__ __forceinline__ void multiply_weights(float (&acc)[32], uint32_t smem, uint32_t group, uint32_t stage)
{
    using L = layout<F>;
    const uint32_t weights = smem + group * (WEIGHT_BOX_BYTES / 2), rows = smem + L::STAGE_AT + stage * L::STAGE_BYTES;
    const uint32_t beside = smem + L::WEIGHT_PLANES_BYTES + group * (WEIGHT_BESIDE_BYTES / 2);
    fgi_wgmma_fence();
#pragma unroll
    for (int i = 0; i < F::PRODUCTS; i++)
#pragma unroll
        for (int c = 0; c < F::CHUNKS; c++)
#pragma unroll
            for (int step = 0; step < CHUNK / 16; step++)
                fgi_wgmma_64x64x16(
                    acc, fgi_wgmma_operand(weights + (other_part<F>(i) * F::CHUNKS + c) * WEIGHT_BOX_BYTES + step * 32),
                    fgi_wgmma_operand(rows + (row_part<F>(i) * F::CHUNKS + c) * ROW_BOX_BYTES + step * 32), i + c + step > 0);
    fgi_wgmma_64x64x16(acc, fgi_wgmma_narrow_operand(beside), fgi_wgmma_narrow_operand(rows + L::PLANES_BYTES), true);
    fgi_wgmma_commit();
}

__device__ __forceinline__ void multiply_rows(float (&acc)[32], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x64x16_rows(acc, r, rows, add);
}

__device__ __forceinline__ void multiply_rows(float (&acc)[64], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x128x16_rows(acc, r, rows, add);
}

/* to = responsibilities of 64 components x 64 rows */
template <class F>
__device__ __forceinline__ void sum_rows(sums_of_rows<F> &to, const responsibilities<F> &r, uint32_t smem, uint32_t stage)
{
    using L = layout<F>;
    const uint32_t rows = smem + L::STAGE_AT + stage * L::STAGE_BYTES;
    fgi_wgmma_fence();
#pragma unroll
    for (int i = 0; i < F::PRODUCTS; i++)
#pragma unroll
        for (int step = 0; step < GROUP_ROWS / 16; step++) {
            const uint32_t at = rows + row_part<F>(i) * F::CHUNKS * ROW_BOX_BYTES + step * 2048;
            multiply_rows(to.rows, r.r[other_part<F>(i)][step], fgi_wgmma_rows_operand(at, ROW_BOX_BYTES), i + step > 0);
        }
#pragma unroll
    for (int part = F::PARTS - 1; part >= 0; part--)
#pragma unroll
        for (int step = 0; step < GROUP_ROWS / 16; step++)
            fgi_wgmma_64x16x16_rows(to.beside, r.r[part][step], fgi_wgmma_narrow_operand(rows + L::PLANES_BYTES + step * 512),
                                    step + (F::PARTS - 1 - part) > 0);
    fgi_wgmma_commit();
}

template <class F> __device__ __forceinline__ void pin(sums_of_rows<F> &s)
{
    fgi_wgmma_pin(s.rows);
    fgi_wgmma_pin(s.beside);
}

template <int COUNT>
__device__ __forceinline__ void store_columns(const float (&sums)[COUNT], int which, float *to)
{
#pragma unroll
    for (int b = 0; b < COUNT / 4; b++)
        *reinterpret_cast<float2 *>(to + 8 * b) = make_float2(sums[4 * b + 2 * which], sums[4 * b + 2 * which + 1]);
}

template <class F>
__device__ __forceinline__ void store(const fgi_soft_args &a, const sums_of_rows<F> &sums, const item &it, int32_t in_slice)
{
    constexpr int COLUMNS = F::CHUNKS * CHUNK, WIDTH = COLUMNS + BESIDE;
    const int64_t lanes = slices_for(a.model.k) * SLICE, block = it.first / FGI_SOFT_BLOCK_ROWS;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float *to = a.partial + (block * lanes + it.slice * SLICE + in_slice + 8 * i) * WIDTH + threadIdx.x % 4 * 2;
        store_columns(sums.rows, i, to);
        store_columns(sums.beside, i, to + COLUMNS);
    }
}

template <int COUNT> __device__ __forceinline__ void add(const float (&from)[COUNT], float (&to)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; i++) to[i] += from[i];
}

template <class F> __device__ __forceinline__ void add(const sums_of_rows<F> &from, sums_of_rows<F> &to)
{
    add(from.rows, to.rows);
    add(from.beside, to.beside);
}

template <class F> __device__ void compute(const fgi_soft_args &a, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    const int group = __shfl_sync(FGI_ALL_LANES, threadIdx.x / 128, 0); /* so the compiler knows that warps agree on it */
    const int32_t in_slice = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
    uint32_t stage = 0, round = 0;
    fgi_turn_begin(group, GROUPS);
    for (int32_t i = blockIdx.x; i < blocks_of(a) * slices_for(a.model.k); i += gridDim.x, round++) {
        const item it = item_of(a, i);
        float acc[32];
        sums_of_rows<F> tile, sums = {};
        responsibilities<F> r;
        fgi_mbar_wait(bar.weights_full(), round & 1);
        fgi_mbar_wait(bar.full(stage % L::STAGES), stage / L::STAGES & 1);
        fgi_turn_take(group);
        multiply_weights<F>(acc, smem, group, stage % L::STAGES);
        fgi_turn_pass(group, GROUPS);
        fgi_wgmma_wait<0>();
        fgi_wgmma_pin(acc);
        respond<F>(acc, r);
#pragma unroll 1
        for (int32_t t = 1; t < it.tiles; t++, stage++) { /* sums of a tile beside the weights of the next */
            const int at = stage % L::STAGES, next = (stage + 1) % L::STAGES;
            fgi_mbar_wait(bar.full(next), (stage + 1) / L::STAGES & 1);
            fgi_turn_take(group);
            sum_rows<F>(tile, r, smem, at);
            multiply_weights<F>(acc, smem, group, next);
            fgi_turn_pass(group, GROUPS);
            fgi_wgmma_wait<1>();
            pin<F>(tile);
            fgi_mbar_arrive(bar.empty(at));
            add<F>(tile, sums);
            fgi_wgmma_wait<0>();
            fgi_wgmma_pin(acc);
            respond<F>(acc, r);
        }
        fgi_turn_take(group);
        sum_rows<F>(tile, r, smem, stage % L::STAGES);
        fgi_turn_pass(group, GROUPS);
        fgi_wgmma_wait<0>();
        pin<F>(tile);
        fgi_mbar_arrive(bar.empty(stage % L::STAGES));
        fgi_mbar_arrive(bar.weights_empty());
        stage++;
        add<F>(tile, sums);
        store<F>(a, sums, it, in_slice);
    }
}

template <class F>
__global__ void __launch_bounds__(THREADS, 1)
    sums(const __grid_constant__ maps m, const __grid_constant__ fgi_soft_args a)
{
    using L = layout<F>;
    extern __shared__ uint8_t raw[];
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    const sums_barriers bar = {smem + L::BARRIERS_AT};
    if (threadIdx.x == 0) {
        for (int s = 0; s < L::STAGES; s++) {
            fgi_mbar_init(bar.full(s), 1);
            fgi_mbar_init(bar.empty(s), WORKERS);
        }
        fgi_mbar_init(bar.weights_full(), 1);
        fgi_mbar_init(bar.weights_empty(), WORKERS);
        fgi_mbar_init_fence();
    }
    __syncthreads();
    if (threadIdx.x < WORKERS) {
        fgi_registers_more<240>();
        compute<F>(a, smem, bar);
    } else {
        fgi_registers_less<24>();
        if (threadIdx.x == WORKERS) load<F>(a, m, smem, bar);
    }
}

} // namespace soft

using namespace soft;

extern "C" cudaError_t fgi_soft_sums(const fgi_soft_args *a, cudaStream_t stream)
{
    return with_form(*a, [&](auto f) {
        using F = decltype(f);
        maps m;
        cudaError_t e = make_maps(*a, &m);
        if (e == cudaSuccess)
            e = cudaFuncSetAttribute(sums<F>, cudaFuncAttributeMaxDynamicSharedMemorySize, layout<F>::BYTES);
        if (e != cudaSuccess) return e;
        const int32_t blocks = (a->rows.rows + FGI_SOFT_BLOCK_ROWS - 1) / FGI_SOFT_BLOCK_ROWS;
        const int32_t items = blocks * slices_for(a->model.k);
        const int32_t grid = items < a->multiprocessors ? items : a->multiprocessors;
        sums<F><<<grid, THREADS, layout<F>::BYTES, stream>>>(m, *a);
        return cudaGetLastError();
    });
}
