/* SPDX-License-Identifier: Apache-2.0 */
/* soft_sums.cu - responsibilities of a block of rows for a slice of components, and rows summed by them.
 *
 * grid     persistent; block: 2 computing warpgroups of 240 registers, and one of which a thread loads. They have 64 components
 *          each, of the same rows; or, where weights are large, the same 64, each of a block of rows to itself
 * tile     64 rows, or 32 large ones; its stage serves two products: weights x rows, then responsibilities, which stay in
 *          registers, x rows
 * turns    warpgroups give their products to the tensor cores one after the other, so that one's exponentials go on beside
 *          another's products
 * sums     in registers: a tile's, by the tensor cores, which cut off; a block's, by additions that round
 * bytes    a slice's weights once a block of rows; 2 d a row and half, for each slice, from L2
 * bound    tensor cores: 4 k d flops a row and product */
#include "follow.cuh"
#include "reduce.cuh"
#include "soft_rounds.cuh"

namespace soft
{

enum { GROUPS = 2, WORKERS = 128 * GROUPS, THREADS = WORKERS + 128, MOST_STAGES = 6 };

/* Shared memory; bytes from an address that is a multiple of 1024. */
template <class F> struct layout {
    static constexpr bool APART = F::CHUNKS > 2 && F::PARTS == 2; /* warpgroups share components, not rows */
    static constexpr int BLOCKS = APART ? 2 : 1;                  /* of rows, of an item */
    static constexpr int GROUPS_OF_COMPONENTS = APART ? 1 : 2;
    static constexpr int READERS = WORKERS / BLOCKS;        /* threads, of a stage */
    static constexpr int TILE = F::ROW_BOXES > 6 ? 32 : 64; /* rows */
    static constexpr int AT_ONCE = /* chunks of columns that are summed together: what registers hold */
        F::PARTS == 1 && F::ROW_PARTS == 2        ? F::CHUNKS / 2
        : F::CHUNKS == 1 || (APART && TILE == 64) ? 1
                                                  : 2;
    static constexpr int ROW_BOX_BYTES = TILE * CHUNK * 2;
    static constexpr int PART_BYTES = F::CHUNKS * BOX_BYTES; /* of a group's weights */
    static constexpr int GROUP_BYTES = F::PARTS * PART_BYTES + BESIDE_BYTES;
    static constexpr int WEIGHTS_BYTES = GROUPS_OF_COMPONENTS * GROUP_BYTES;
    static constexpr int PLANES_BYTES = F::ROW_BOXES * ROW_BOX_BYTES;
    static constexpr int STAGE_BYTES = PLANES_BYTES + TILE * BESIDE * 2;
    static constexpr int FIT = (MOST_SHARED - BARRIERS_BYTES - ALIGNMENT - WEIGHTS_BYTES) / STAGE_BYTES;
    static constexpr int STAGES = FIT < MOST_STAGES ? FIT : (int)MOST_STAGES;
    static constexpr int STAGE_AT = WEIGHTS_BYTES;
    static constexpr int BARRIERS_AT = STAGE_AT + STAGES * STAGE_BYTES;
    static constexpr int BYTES = BARRIERS_AT + BARRIERS_BYTES + ALIGNMENT;
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

template <class F> __device__ __forceinline__ void await_stage(const sums_barriers &bar, uint32_t stage)
{
    fgi_mbar_wait(bar.full(stage % layout<F>::STAGES), stage / layout<F>::STAGES & 1);
}

/* What a block of threads does at a time: neighbours in the grid take the same rows, so that these come from L2. */
struct item {
    int32_t component, first, tiles; /* first component, first row; tiles of a block of rows */
};

template <class F> __host__ __device__ inline int32_t items_of(const fgi_soft_args &a)
{
    using L = layout<F>;
    return (blocks_of(a) + L::BLOCKS - 1) / L::BLOCKS * slices_for(a.model.k) * (SLICE / GROUP / L::GROUPS_OF_COMPONENTS);
}

template <class F> __device__ __forceinline__ item item_of(const fgi_soft_args &a, int32_t number)
{
    using L = layout<F>;
    constexpr int32_t COMPONENTS = L::GROUPS_OF_COMPONENTS * GROUP;
    const int32_t parts = slices_for(a.model.k) * (SLICE / COMPONENTS);
    const int32_t first = number / parts * L::BLOCKS * FGI_SOFT_BLOCK_ROWS;
    const int32_t rows = min((int)FGI_SOFT_BLOCK_ROWS, a.rows.rows - first);
    return {number % parts * COMPONENTS, first, (rows + L::TILE - 1) / L::TILE};
}

template <class F>
__device__ __forceinline__ void load_weights(const maps &m, const item &it, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    fgi_mbar_expect(bar.weights_full(), L::WEIGHTS_BYTES);
    for (int g = 0; g < L::GROUPS_OF_COMPONENTS; g++) {
        const int32_t component = it.component + g * GROUP;
        uint32_t to = smem + g * L::GROUP_BYTES;
        for (int part = 0; part < F::PARTS; part++)
            for (int c = 0; c < F::CHUNKS; c++, to += BOX_BYTES)
                fgi_tma_load_2d(to, &m.weights[part], bar.weights_full(), c * CHUNK, component);
        fgi_tma_load_2d(to, &m.weights_beside, bar.weights_full(), 0, component);
    }
}

template <class F> __device__ void load(const fgi_soft_args &a, const maps &m, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    uint32_t stage = 0, round = 0;
    for (int32_t i = blockIdx.x; i < items_of<F>(a); i += gridDim.x, round++) {
        const item it = item_of<F>(a, i);
        fgi_mbar_wait(bar.weights_empty(), (round & 1) ^ 1);
        load_weights<F>(m, it, smem, bar);
        for (int32_t t = 0; t < it.tiles * L::BLOCKS; t++, stage++) {
            const int at = stage % L::STAGES, row = it.first + t % L::BLOCKS * FGI_SOFT_BLOCK_ROWS + t / L::BLOCKS * L::TILE;
            uint32_t to = smem + L::STAGE_AT + at * L::STAGE_BYTES;
            fgi_mbar_wait(bar.empty(at), (stage / L::STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.full(at), L::STAGE_BYTES);
            for (int part = 0; part < F::ROW_PARTS; part++)
                for (int c = first_chunk<F>(part); c < F::CHUNKS; c++, to += L::ROW_BOX_BYTES)
                    fgi_tma_load_2d(to, &m.rows[part], bar.full(at), (c - first_chunk<F>(part)) * CHUNK, row);
            fgi_tma_load_2d(to, &m.rows_beside, bar.full(at), 0, row);
        }
    }
}

/* Four halves as an operand in registers, of 16 rows; so many parts. */
template <class F> struct responsibilities {
    uint32_t r[F::PARTS][layout<F>::TILE / 16][4];
};

/* Sums of a thread's two components, g and g + 8 of its warp's sixteen: of chunks of rows, and of what is beside them. */
template <int CHUNKS> struct sums_of_rows {
    float rows[32 * CHUNKS], beside[4];
};

template <class F> using all_sums = sums_of_rows<F::CHUNKS>;
template <class F> using tile_sums = sums_of_rows<layout<F>::AT_ONCE>;

/* log2 of responsibilities -> these. */
template <class F> __device__ __forceinline__ void respond(const float (&acc)[layout<F>::TILE / 2], responsibilities<F> &to)
{
#pragma unroll
    for (int i = 0; i < layout<F>::TILE / 4; i++) {
        const two_words h = halves_of(fgi_exp2(acc[2 * i]), fgi_exp2(acc[2 * i + 1]));
        to.r[0][i / 4][i % 4] = h.high;
        if (F::PARTS == 2) to.r[F::PARTS - 1][i / 4][i % 4] = h.low;
    }
}

__device__ __forceinline__ void multiply_weights(float (&acc)[16], uint64_t weights, uint64_t rows, bool add)
{
    fgi_wgmma_64x32x16(acc, weights, rows, add);
}

__device__ __forceinline__ void multiply_weights(float (&acc)[32], uint64_t weights, uint64_t rows, bool add)
{
    fgi_wgmma_64x64x16(acc, weights, rows, add);
}

/* acc (+)= step of product i in chunk c */
template <class F>
__device__ __forceinline__ void weigh_step(float (&acc)[layout<F>::TILE / 2], uint32_t weights, uint32_t rows, int i, int c,
                                           int step, bool add)
{
    using L = layout<F>;
    multiply_weights(acc, fgi_wgmma_operand(weights + other_part<F>(i) * L::PART_BYTES + c * BOX_BYTES + step * 32),
                     fgi_wgmma_operand(rows + box_of<F>(row_part<F>(i), c) * L::ROW_BOX_BYTES + step * 32), add);
}

template <class F>
__device__ __forceinline__ void weigh_beside(float (&acc)[layout<F>::TILE / 2], uint32_t weights, uint32_t rows, bool add)
{
    using L = layout<F>;
    multiply_weights(acc, fgi_wgmma_narrow_operand(weights + F::PARTS * L::PART_BYTES),
                     fgi_wgmma_narrow_operand(rows + L::PLANES_BYTES), add);
}

/* acc = log2 of responsibilities of 64 components x a tile of rows, one half a weight. weights: the components' */
template <class F>
__device__ __forceinline__ void weigh_rows(float (&acc)[layout<F>::TILE / 2], uint32_t weights, uint32_t rows)
{
    fgi_wgmma_fence();
#pragma unroll
    for (int c = 0; c < F::CHUNKS; c++)
#pragma unroll
        for (int i = first_product<F>(c); i < F::PRODUCTS; i++)
#pragma unroll
            for (int step = 0; step < CHUNK_STEPS; step++)
                weigh_step<F>(acc, weights, rows, i, c, step, c > 0 || i > first_product<F>(c) || step > 0);
    weigh_beside<F>(acc, weights, rows, true);
    fgi_wgmma_commit();
}

/* The same of two halves, in the rounds that normalisers were made in: the same values. */
template <class F>
__device__ __forceinline__ void weigh_in_rounds(float (&acc)[layout<F>::TILE / 2], uint32_t weights, uint32_t rows,
                                                int group)
{
    float some[layout<F>::TILE / 2];
    fgi_turn_take(group);
    fgi_wgmma_fence();
    weigh_beside<F>(some, weights, rows, false);
    end_first_round(acc, some, group, GROUPS);
#pragma unroll
    for (int c = 0; c < F::CHUNKS; c++)
        add_rounds<F>(acc, some, group, GROUPS, [&](float(&to)[layout<F>::TILE / 2], int i, int step, bool add) {
            weigh_step<F>(to, weights, rows, i, c, step, add);
        });
}

__device__ __forceinline__ void multiply_rows(float (&acc)[32], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x64x16_rows(acc, r, rows, add);
}

__device__ __forceinline__ void multiply_rows(float (&acc)[64], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x128x16_rows(acc, r, rows, add);
}

/* to = responsibilities of 64 components x a tile of rows: those columns from `chunk` on that are summed together, and, with
 * the first, what is beside them. */
template <class F>
__device__ __forceinline__ void sum_rows(tile_sums<F> &to, const responsibilities<F> &r, uint32_t rows, int chunk)
{
    using L = layout<F>;
    fgi_wgmma_fence();
#pragma unroll
    for (int i = first_product<F>(chunk); i < F::PRODUCTS; i++)
#pragma unroll
        for (int step = 0; step < L::TILE / 16; step++) {
            const uint32_t at = rows + box_of<F>(row_part<F>(i), chunk) * L::ROW_BOX_BYTES + step * 2048;
            multiply_rows(to.rows, r.r[other_part<F>(i)][step], fgi_wgmma_rows_operand(at, L::ROW_BOX_BYTES),
                          i - first_product<F>(chunk) + step > 0);
        }
#pragma unroll
    for (int part = F::PARTS - 1; part >= 0 && chunk == 0; part--)
#pragma unroll
        for (int step = 0; step < L::TILE / 16; step++)
            fgi_wgmma_64x8x16_rows(to.beside, r.r[part][step], fgi_wgmma_narrow_operand(rows + L::PLANES_BYTES + step * 512),
                                   step + (F::PARTS - 1 - part) > 0);
    fgi_wgmma_commit();
}

template <int CHUNKS> __device__ __forceinline__ void pin(sums_of_rows<CHUNKS> &s)
{
    fgi_wgmma_pin(s.rows);
    fgi_wgmma_pin(s.beside);
}

template <int COUNT> __device__ __forceinline__ void store_columns(const float (&sums)[COUNT], int which, float *to)
{
#pragma unroll
    for (int b = 0; b < COUNT / 4; b++)
        *reinterpret_cast<float2 *>(to + 8 * b) = make_float2(sums[4 * b + 2 * which], sums[4 * b + 2 * which + 1]);
}

/* component: this thread's first */
template <class F>
__device__ __forceinline__ void store(const fgi_soft_args &a, const all_sums<F> &sums, int32_t block, int32_t component)
{
    constexpr int COLUMNS = F::CHUNKS * CHUNK, WIDTH = COLUMNS + SUMMED;
    const int64_t lanes = slices_for(a.model.k) * SLICE;
    if (block >= blocks_of(a)) return; /* where one is left of two */
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float *to = a.partial + (block * lanes + component + 8 * i) * WIDTH + threadIdx.x % 4 * 2;
        store_columns(sums.rows, i, to);
        store_columns(sums.beside, i, to + COLUMNS);
    }
}

/* A tile's, of the chunks from `chunk` on. */
template <class F> __device__ __forceinline__ void add(const tile_sums<F> &from, int chunk, all_sums<F> &to)
{
#pragma unroll
    for (int i = 0; i < 32 * layout<F>::AT_ONCE; i++) to.rows[32 * chunk + i] += from.rows[i];
#pragma unroll
    for (int i = 0; i < 4 && chunk == 0; i++) to.beside[i] += from.beside[i];
}

/* A computing warpgroup's place. */
struct place {
    int group;
    uint32_t weights, stages; /* in shared memory */
};

template <class F> __device__ __forceinline__ uint32_t rows_of(const place &p, uint32_t stage)
{
    return p.stages + stage % layout<F>::STAGES * layout<F>::STAGE_BYTES;
}

/* acc = log2 of a tile's responsibilities, in turn. */
template <class F> __device__ __forceinline__ void weigh(float (&acc)[layout<F>::TILE / 2], const place &p, uint32_t rows)
{
    if (F::PARTS == 2) {
        weigh_in_rounds<F>(acc, p.weights, rows, p.group);
        return;
    }
    fgi_turn_take(p.group);
    weigh_rows<F>(acc, p.weights, rows);
    fgi_turn_pass(p.group, GROUPS);
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(acc);
}

/* A tile's sums, in turn, some columns after the others; the tile is then done with. */
template <class F>
__device__ __forceinline__ void sum_tile(const responsibilities<F> &r, const place &p, const sums_barriers &bar,
                                         uint32_t stage, all_sums<F> &sums)
{
    using L = layout<F>;
#pragma unroll
    for (int chunk = 0; chunk < F::CHUNKS; chunk += L::AT_ONCE) {
        tile_sums<F> tile;
        fgi_turn_take(p.group);
        sum_rows<F>(tile, r, rows_of<F>(p, stage), chunk);
        fgi_turn_pass(p.group, GROUPS);
        fgi_wgmma_wait<0>();
        pin(tile);
        if (chunk + L::AT_ONCE == F::CHUNKS) fgi_mbar_arrive(bar.empty(stage % L::STAGES));
        add<F>(tile, chunk, sums);
    }
}

/* Sums of an item's rows, one half a weight: sums of a tile beside the weights of the next. */
template <class F>
__device__ __forceinline__ void sum_beside_weights(const item &it, const place &p, const sums_barriers &bar, uint32_t &stage,
                                                   all_sums<F> &sums)
{
    using L = layout<F>;
    float acc[L::TILE / 2];
    tile_sums<F> tile;
    responsibilities<F> r;
    await_stage<F>(bar, stage);
    weigh<F>(acc, p, rows_of<F>(p, stage));
    respond<F>(acc, r);
#pragma unroll 1
    for (int32_t t = 1; t < it.tiles; t++, stage++) {
        await_stage<F>(bar, stage + 1);
        fgi_turn_take(p.group);
        sum_rows<F>(tile, r, rows_of<F>(p, stage), 0);
        weigh_rows<F>(acc, p.weights, rows_of<F>(p, stage + 1));
        fgi_turn_pass(p.group, GROUPS);
        fgi_wgmma_wait<1>();
        pin(tile);
        fgi_mbar_arrive(bar.empty(stage % L::STAGES));
        add<F>(tile, 0, sums);
        fgi_wgmma_wait<0>();
        fgi_wgmma_pin(acc);
        respond<F>(acc, r);
    }
    sum_tile<F>(r, p, bar, stage, sums);
    stage++;
}

/* The same where registers do not hold both: one after the other. */
template <class F>
__device__ __forceinline__ void sum_after_weights(const item &it, const place &p, const sums_barriers &bar, uint32_t &stage,
                                                  all_sums<F> &sums)
{
    using L = layout<F>;
#pragma unroll 1
    for (int32_t t = 0; t < it.tiles; t++, stage += L::BLOCKS) {
        responsibilities<F> r;
        await_stage<F>(bar, stage);
        {
            float acc[L::TILE / 2];
            weigh<F>(acc, p, rows_of<F>(p, stage));
            respond<F>(acc, r);
        }
        sum_tile<F>(r, p, bar, stage, sums);
    }
}

template <class F> __device__ void compute(const fgi_soft_args &a, uint32_t smem, const sums_barriers &bar)
{
    using L = layout<F>;
    const int group = __shfl_sync(FGI_ALL_LANES, threadIdx.x / 128, 0);  /* so the compiler knows that warps agree on it */
    const int part = L::APART ? 0 : group, block = L::APART ? group : 0; /* of an item's components, and of its rows */
    const int32_t own = part * GROUP + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4;
    const place p = {group, smem + part * L::GROUP_BYTES, smem + L::STAGE_AT};
    uint32_t stage = block, round = 0;
    fgi_turn_begin(group, GROUPS);
    for (int32_t i = blockIdx.x; i < items_of<F>(a); i += gridDim.x, round++) {
        const item it = item_of<F>(a, i);
        all_sums<F> sums = {};
        fgi_mbar_wait(bar.weights_full(), round & 1);
        if (F::PARTS == 2 || L::AT_ONCE < F::CHUNKS)
            sum_after_weights<F>(it, p, bar, stage, sums);
        else
            sum_beside_weights<F>(it, p, bar, stage, sums);
        fgi_mbar_arrive(bar.weights_empty());
        store<F>(a, sums, it.first / FGI_SOFT_BLOCK_ROWS + block, it.component + own);
    }
}

template <class F>
__global__ void __launch_bounds__(THREADS, 1) sums(const __grid_constant__ maps m, const __grid_constant__ fgi_soft_args a)
{
    using L = layout<F>;
    extern __shared__ uint8_t raw[];
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    const sums_barriers bar = {smem + L::BARRIERS_AT};
    if (threadIdx.x == 0) {
        for (int s = 0; s < L::STAGES; s++) {
            fgi_mbar_init(bar.full(s), 1);
            fgi_mbar_init(bar.empty(s), L::READERS);
        }
        fgi_mbar_init(bar.weights_full(), 1);
        fgi_mbar_init(bar.weights_empty(), WORKERS);
        fgi_mbar_init_fence();
    }
    __syncthreads();
    fgi_follow_wait();
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
    if (fgi_soft_is_deep(a->rows.depth)) return fgi_soft_sums_deep(a, stream);
    return with_form(*a, [&](auto f) {
        using F = decltype(f);
        using L = layout<F>;
        maps m;
        const cudaError_t e = prepare(sums<F>, L::BYTES, *a, L::TILE, &m);
        if (e != cudaSuccess) return e;
        const int32_t items = items_of<F>(*a), grid = items < a->multiprocessors ? items : a->multiprocessors;
        return fgi_follow(sums<F>, (unsigned)grid, THREADS, L::BYTES, stream, m, *a);
    });
}
