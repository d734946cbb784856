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

enum { GROUPS = 2, WORKERS = 128 * GROUPS, THREADS = WORKERS + 128, MOST_STAGES = 6, PAIR_BYTES = GROUP_ROWS * 8 };

/* Shared memory; bytes from an address that is a multiple of 1024. */
template <class F> struct layout {
    static constexpr int WEIGHTS_BYTES = F::PARTS * F::CHUNKS * WEIGHT_BOX_BYTES;
    static constexpr int STAGE_BYTES = F::ROW_PARTS * F::CHUNKS * ROW_BOX_BYTES;
    static constexpr int FIT = (MOST_SHARED - 6144 - WEIGHTS_BYTES) / STAGE_BYTES;
    static constexpr int STAGES = FIT < MOST_STAGES ? FIT : (int)MOST_STAGES;
    static constexpr int STAGE_AT = WEIGHTS_BYTES;
    static constexpr int PAIRS_AT = STAGE_AT + STAGES * STAGE_BYTES;
    static constexpr int BARRIERS_AT = PAIRS_AT + STAGES * PAIR_BYTES;
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
        for (int32_t t = 0; t < it.tiles; t++, stage++) {
            const int at = stage % L::STAGES, row = it.first + t * GROUP_ROWS;
            fgi_mbar_wait(bar.empty(at), (stage / L::STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.full(at), L::STAGE_BYTES + PAIR_BYTES);
            fgi_bulk_load(smem + L::PAIRS_AT + at * PAIR_BYTES, a.counted + row, PAIR_BYTES, bar.full(at));
            for (int part = 0; part < F::ROW_PARTS; part++)
                for (int c = 0; c < F::CHUNKS; c++)
                    fgi_tma_load_2d(smem + L::STAGE_AT + at * L::STAGE_BYTES + (part * F::CHUNKS + c) * ROW_BOX_BYTES,
                                    &m.rows[part], bar.full(at), c * CHUNK, row);
        }
    }
}

/* A thread's two components: g and g + 8 of its warp's sixteen. */
struct component_pair {
    float2 terms[2];
    float mass[2], values[2]; /* sums of r, and of r times log2 density; this thread's rows */
};

/* Four halves as an operand in registers, of 16 rows; so many parts. */
template <class F> struct responsibilities {
    uint32_t r[F::PARTS][GROUP_ROWS / 16][4];
};

__device__ __forceinline__ uint32_t as_word(__half2 h)
{
    return *reinterpret_cast<uint32_t *>(&h);
}

/* Products -> responsibilities. pairs: (norm, normaliser) of this thread's first two rows. */
template <class F>
__device__ __forceinline__ void respond(const float (&acc)[32], const float4 *pairs, component_pair &p,
                                        responsibilities<F> &to)
{
#pragma unroll
    for (int b = 0; b < GROUP_ROWS / 8; b++) {
        const float4 row = pairs[4 * b];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float2 t = p.terms[i];
            const float value0 = fmaf(product_factor, acc[4 * b + 2 * i], fmaf(t.x, row.x, t.y));
            const float value1 = fmaf(product_factor, acc[4 * b + 2 * i + 1], fmaf(t.x, row.z, t.y));
            const float r0 = fgi_exp2(value0 - row.y), r1 = fgi_exp2(value1 - row.w);
            p.mass[i] += r0 + r1;
            p.values[i] = fmaf(r0, value0, fmaf(r1, value1, p.values[i]));
            const __half2 high = __floats2half2_rn(r0, r1);
            to.r[0][b / 2][b % 2 * 2 + i] = as_word(high);
            if (F::PARTS == 1) continue;
            const float2 held = __half22float2(high);
            to.r[F::PARTS - 1][b / 2][b % 2 * 2 + i] = as_word(__floats2half2_rn(r0 - held.x, r1 - held.y));
        }
    }
}

/* acc = weights of 64 components x 64 rows */
template <class F> __device__ __forceinline__ void multiply_weights(float (&acc)[32], uint32_t weights, uint32_t rows)
{
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

/* acc = responsibilities of 64 components x 64 rows */
template <class F>
__device__ __forceinline__ void sum_rows(float (&acc)[32 * F::CHUNKS], const responsibilities<F> &r, uint32_t rows)
{
    fgi_wgmma_fence();
#pragma unroll
    for (int i = 0; i < F::PRODUCTS; i++)
#pragma unroll
        for (int step = 0; step < GROUP_ROWS / 16; step++)
            multiply_rows(acc, r.r[other_part<F>(i)][step],
                          fgi_wgmma_rows_operand(rows + row_part<F>(i) * F::CHUNKS * ROW_BOX_BYTES + step * 2048,
                                                 ROW_BOX_BYTES),
                          i + step > 0);
    fgi_wgmma_commit();
}

template <class F>
__device__ __forceinline__ void store(const fgi_soft_args &a, const float (&sums)[32 * F::CHUNKS], component_pair &p,
                                      const item &it, int32_t in_slice)
{
    constexpr int WIDTH = F::CHUNKS * CHUNK + EXTRAS;
    const int64_t slices = slices_for(a.model.k), quad = threadIdx.x % 4;
    float *block = a.partial + it.first / FGI_SOFT_BLOCK_ROWS * slices * SLICE * WIDTH;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float *to = block + ((int64_t)it.slice * SLICE + in_slice + 8 * i) * WIDTH;
#pragma unroll
        for (int b = 0; b < F::CHUNKS * CHUNK / 8; b++)
            *reinterpret_cast<float2 *>(to + 8 * b + 2 * quad) = make_float2(sums[4 * b + 2 * i], sums[4 * b + 2 * i + 1]);
        float mass = p.mass[i] + __shfl_xor_sync(FGI_ALL_LANES, p.mass[i], 1),
              values = p.values[i] + __shfl_xor_sync(FGI_ALL_LANES, p.values[i], 1);
        mass += __shfl_xor_sync(FGI_ALL_LANES, mass, 2);
        values += __shfl_xor_sync(FGI_ALL_LANES, values, 2);
        if (quad == 0) *reinterpret_cast<float2 *>(to + F::CHUNKS * CHUNK) = make_float2(mass, values);
    }
}

template <int COUNT> __device__ __forceinline__ void add(const float (&from)[COUNT], float (&to)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; i++) to[i] += from[i];
}

template <class F>
__device__ void compute(const fgi_soft_args &a, const uint8_t *smem_at, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    const int group = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    const int32_t in_slice = group * GROUP_ROWS + warp * 16 + lane / 4;
    const uint32_t weights = smem + group * (WEIGHT_BOX_BYTES / 2);
    const float4 *pairs = reinterpret_cast<const float4 *>(smem_at + L::PAIRS_AT) + lane % 4;
    uint32_t stage = 0, round = 0;
    fgi_turn_begin(group, GROUPS);
    for (int32_t i = blockIdx.x; i < blocks_of(a) * slices_for(a.model.k); i += gridDim.x, round++) {
        const item it = item_of(a, i);
        component_pair p = {};
        for (int c = 0; c < 2; c++) p.terms[c] = __ldg(a.model.terms + (int64_t)it.slice * SLICE + in_slice + 8 * c);
        float acc[32], tile[32 * F::CHUNKS], sums[32 * F::CHUNKS];
        responsibilities<F> r;
#pragma unroll
        for (int s = 0; s < 32 * F::CHUNKS; s++) sums[s] = 0.0f;
        fgi_mbar_wait(bar.weights_full(), round & 1);
        fgi_mbar_wait(bar.full(stage % L::STAGES), stage / L::STAGES & 1);
        fgi_turn_take(group);
        multiply_weights<F>(acc, weights, smem + L::STAGE_AT + stage % L::STAGES * L::STAGE_BYTES);
        fgi_turn_pass(group, GROUPS);
        fgi_wgmma_wait<0>();
        fgi_wgmma_pin(acc);
        respond<F>(acc, pairs + stage % L::STAGES * (PAIR_BYTES / 16), p, r);
#pragma unroll 1
        for (int32_t t = 1; t < it.tiles; t++, stage++) { /* sums of a tile beside the weights of the next */
            const int at = stage % L::STAGES, next = (stage + 1) % L::STAGES;
            fgi_mbar_wait(bar.full(next), (stage + 1) / L::STAGES & 1);
            fgi_turn_take(group);
            sum_rows<F>(tile, r, smem + L::STAGE_AT + at * L::STAGE_BYTES);
            multiply_weights<F>(acc, weights, smem + L::STAGE_AT + next * L::STAGE_BYTES);
            fgi_turn_pass(group, GROUPS);
            fgi_wgmma_wait<1>();
            fgi_wgmma_pin(tile);
            fgi_mbar_arrive(bar.empty(at));
            add(tile, sums);
            fgi_wgmma_wait<0>();
            fgi_wgmma_pin(acc);
            respond<F>(acc, pairs + next * (PAIR_BYTES / 16), p, r);
        }
        fgi_turn_take(group);
        sum_rows<F>(tile, r, smem + L::STAGE_AT + stage % L::STAGES * L::STAGE_BYTES);
        fgi_turn_pass(group, GROUPS);
        fgi_wgmma_wait<0>();
        fgi_wgmma_pin(tile);
        fgi_mbar_arrive(bar.empty(stage % L::STAGES));
        fgi_mbar_arrive(bar.weights_empty());
        stage++;
        add(tile, sums);
        store<F>(a, sums, p, it, in_slice);
    }
}

template <class F>
__global__ void __launch_bounds__(THREADS, 1)
    sums(const __grid_constant__ maps m, const __grid_constant__ fgi_soft_args a)
{
    using L = layout<F>;
    extern __shared__ uint8_t raw[];
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    const uint8_t *smem_at = raw + (smem - fgi_shared_address(raw));
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
        compute<F>(a, smem_at, smem, bar);
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
