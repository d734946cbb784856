/* SPDX-License-Identifier: Apache-2.0 */
/* soft_deep_sums.cu - deep rows summed by responsibilities, which are what was kept of values, times what its tile's share of the
 * row's density is.
 *
 * grid     clusters of 2 blocks, persistent; block: 2 computing warpgroups of 240 registers, and one of which a thread loads
 * tile     128 components x 256 or 192 columns, x 128 where numbers are two halves; the blocks of a cluster have the same columns.
 *          Rows stream through by 64. Responsibilities become operands in registers
 * turns    one warpgroup makes operands while the other's are multiplied
 * sums     in registers: of two halves a stage's by the tensor cores, which cut off, and a block's by additions that round. Of one
 *          half all by the tensor cores: a block of 16,384 rows, 1,024 steps, falls short by some 2^-15 of itself (docs/math.md)
 * bytes    1 / 128 of a product of a row, a component and a column from L2, where all have two halves 3 / 256
 * bound    tensor cores: 2 k d flops a row and product */
#include "follow.cuh"
#include "soft_deep.cuh"
#include "soft_rounds.cuh"

namespace soft
{

/* A form, and how many columns a tile has: as many as registers hold, or of two halves half as many, beside a stage's own. */
template <class F, int COLUMNS_> struct sums_form : F {
    static constexpr int COLUMNS = COLUMNS_;
};

/* Those that leave the fewest empty. widest: halves of the widest numbers. */
inline int32_t tile_columns(int32_t depth, int32_t widest)
{
    const int32_t columns = columns_for(depth), wide = (columns + 255) / 256 * 256, narrow = (columns + 191) / 192 * 192;
    return widest > 1 ? 128 : narrow < wide ? 192 : 256;
}

/* Calls it with the form that numbers have. */
template <class Call> cudaError_t with_sums_form(const fgi_soft_args &a, Call call)
{
    return with_deep_form(a, [&](auto f) {
        using F = decltype(f);
        if constexpr (F::PRODUCTS > 1)
            return call(sums_form<F, 128>());
        else
            return tile_columns(a.rows.depth, 1) == 192 ? call(sums_form<F, 192>()) : call(sums_form<F, 256>());
    });
}

/* What a stage holds: shares, rows, and what stands beside these, of 64 rows. */
template <class F> struct sums_stage {
    static constexpr int SHARES_PART = DEEP_GROUPS * BOX_BYTES;
    static constexpr int BOXES = F::COLUMNS / CHUNK; /* of a part of the rows */
    static constexpr int ROWS_PART = BOXES * BOX_BYTES;
    static constexpr int ROWS_AT = F::PARTS * SHARES_PART;
    static constexpr int BESIDE_AT = ROWS_AT + F::ROW_PARTS * ROWS_PART;
    static constexpr int BYTES = BESIDE_AT + BESIDE_BYTES;
    static constexpr int HALF = GROUP / PAIR; /* rows that each block loads of those of both */
};

template <class F> using sums_ring = ring<sums_stage<F>::BYTES>;

/* What a block sums at a time: neighbours in the grid take the same rows, so that these come from L2. */
struct sums_item {
    int32_t lane, chunk; /* first component, as shares lie; first chunk of columns */
    int32_t block;
    int32_t first, stages; /* first row; of 64 rows */
    bool low;              /* some columns have a second part */
};

template <class F> __host__ __device__ inline int32_t column_tiles(const fgi_soft_args &a)
{
    return (chunks_for(a.rows.depth) + sums_stage<F>::BOXES - 1) / sums_stage<F>::BOXES;
}

__host__ __device__ inline int32_t lane_pairs(const fgi_soft_args &a)
{
    return a.model.lanes / (PAIR * DEEP_HEIGHT);
}

template <class F> __host__ __device__ inline int32_t sums_items(const fgi_soft_args &a)
{
    return blocks_of(a) * column_tiles<F>(a) * lane_pairs(a);
}

template <class F> __device__ __forceinline__ sums_item sums_item_of(const fgi_soft_args &a, int32_t number, uint32_t rank)
{
    const int32_t pairs = lane_pairs(a), columns = column_tiles<F>(a), rest = number / pairs, block = rest / columns;
    const int32_t chunk = rest % columns * sums_stage<F>::BOXES, first = block * a.block_rows;
    const int32_t rows = min(a.block_rows, a.rows.rows - first);
    return {(number % pairs * PAIR + (int32_t)rank) * DEEP_HEIGHT,
            chunk,
            block,
            first,
            (rows + GROUP - 1) / GROUP,
            F::ROW_PARTS == 2 && chunk + sums_stage<F>::BOXES > first_low_of<F>(a)};
}

/* ------------------------------------------------------------------------------------------- loading */

struct sums_maps {
    maps m;
    CUtensorMap shares[2];
};

template <class F>
__device__ __forceinline__ void load_stage(const fgi_soft_args &a, const sums_maps &m, const sums_ring<F> &ring, uint32_t n,
                                           const sums_item &it, int32_t row, uint32_t rank)
{
    using S = sums_stage<F>;
    const int row_parts = it.low ? 2 : 1;
    const int32_t first_low = first_low_of<F>(a);
    const uint32_t at = ring.at(n), full = ring.full(n);
    ring.claim(n, F::PARTS * S::SHARES_PART + row_parts * S::ROWS_PART + BESIDE_BYTES);
    for (int part = 0; part < F::PARTS; part++)
        for (int g = 0; g < DEEP_GROUPS; g++)
            fgi_tma_load_2d(at + part * S::SHARES_PART + g * BOX_BYTES, &m.shares[part], full, it.lane + g * GROUP, row);
    const int32_t half = row + (int32_t)rank * S::HALF;
    for (int part = 0; part < row_parts; part++)
        for (int box = 0; box < S::BOXES; box++) /* of a column before the first second part: zeros */
            fgi_tma_load_2d_multicast(at + S::ROWS_AT + part * S::ROWS_PART + box * BOX_BYTES + rank * (BOX_BYTES / PAIR),
                                      &m.m.rows[part], full, (it.chunk + box - (part == 0 ? 0 : first_low)) * CHUNK, half,
                                      3);
    fgi_tma_load_2d_multicast(at + S::BESIDE_AT + rank * (BESIDE_BYTES / PAIR), &m.m.rows_beside, full, 0, half, 3);
}

template <class F> __device__ void load_sums(const fgi_soft_args &a, const sums_maps &m, const sums_ring<F> &ring)
{
    const uint32_t rank = fgi_cluster_rank();
    uint32_t n = 0;
    for (int32_t i = cluster_number(); i < sums_items<F>(a); i += clusters()) {
        const sums_item it = sums_item_of<F>(a, i, rank);
        for (int32_t t = 0; t < it.stages; t++) load_stage<F>(a, m, ring, n++, it, it.first + t * GROUP, rank);
    }
}

/* ---------------------------------------------------------------------------------------- the product */

enum { STAGE_STEPS = GROUP / 16 };

/* Of a stage's rows, those that a thread has in its operands: what their shares are to be multiplied by. */
struct row_factors {
    float2 of[STAGE_STEPS][2];
};

template <class F>
__device__ __forceinline__ row_factors load_factors(const fgi_soft_args &a, const sums_item &it, int32_t stage)
{
    row_factors f;
    const float *from =
        a.kept.top + (int64_t)(it.lane / F::LANES) * a.kept.rows + it.first + stage * GROUP + threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2 * STAGE_STEPS; i++) f.of[i / 2][i % 2] = __ldg(reinterpret_cast<const float2 *>(from + 8 * i));
    return f;
}

/* Responsibilities of a stage as operands: of 64 components x 16 rows a step. */
template <class F> struct operands {
    uint32_t r[F::PARTS][STAGE_STEPS][4];
};

/* at: this warpgroup's shares */
template <class F> __device__ __forceinline__ void respond(uint32_t at, const row_factors &f, operands<F> &to)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
    const int row = lane % 8 + lane / 16 * 8, unit = 2 * warp + lane / 8 % 2; /* that this lane tells the address of */
#pragma unroll
    for (int step = 0; step < STAGE_STEPS; step++) {
        uint32_t words[F::PARTS][4];
#pragma unroll
        for (int part = 0; part < F::PARTS; part++)
            fgi_load_turned_squares(words[part], at + part * sums_stage<F>::SHARES_PART + (16 * step + row) * CHUNK * 2 +
                                                     (unit ^ row % 8) * 16);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float2 factor = f.of[step][i / 2];
            float2 r = floats_of(words[0][i]);
            if (F::PARTS == 2) {
                const float2 low = floats_of(words[F::PARTS - 1][i]);
                r.x += low.x;
                r.y += low.y;
            }
            const two_words h = halves_of(r.x * factor.x, r.y * factor.y);
            to.r[0][step][i] = h.high;
            if (F::PARTS == 2) to.r[F::PARTS - 1][step][i] = h.low;
        }
    }
}

__device__ __forceinline__ void multiply_columns(float (&acc)[64], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x128x16_rows(acc, r, rows, add);
}

__device__ __forceinline__ void multiply_columns(float (&acc)[96], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x192x16_rows(acc, r, rows, add);
}

__device__ __forceinline__ void multiply_columns(float (&acc)[128], const uint32_t (&r)[4], uint64_t rows, bool add)
{
    fgi_wgmma_64x256x16_rows(acc, r, rows, add);
}

/* Sums of a thread's two components, g and g + 8 of its warp's sixteen. */
template <class F> struct deep_sums {
    float rows[F::COLUMNS / 2], beside[4];
};

template <class F> __device__ __forceinline__ void pin(deep_sums<F> &s)
{
    fgi_wgmma_pin(s.rows);
    fgi_wgmma_pin(s.beside);
}

/* to (+)= rows of a stage by responsibilities; with the first columns, what stands beside them. */
template <class F>
__device__ __forceinline__ void sum_stage(deep_sums<F> &to, const operands<F> &r, uint32_t stage, const sums_item &it,
                                          bool add)
{
    using S = sums_stage<F>;
    fgi_wgmma_fence();
#pragma unroll
    for (int i = 0; i < F::PRODUCTS; i++) {
        const bool first = i == 0 || (i == 1 && F::PARTS == 1 && !it.low);
        if (row_part<F>(i) == 1 && !it.low) continue;
#pragma unroll
        for (int step = 0; step < STAGE_STEPS; step++)
            multiply_columns(
                to.rows, r.r[other_part<F>(i)][step],
                fgi_wgmma_rows_operand(stage + S::ROWS_AT + row_part<F>(i) * S::ROWS_PART + step * 2048, BOX_BYTES),
                add || !first || step > 0);
    }
    if (it.chunk == 0)
#pragma unroll
        for (int part = F::PARTS - 1; part >= 0; part--)
#pragma unroll
            for (int step = 0; step < STAGE_STEPS; step++)
                fgi_wgmma_64x8x16_rows(to.beside, r.r[part][step],
                                       fgi_wgmma_narrow_operand(stage + S::BESIDE_AT + step * 512),
                                       add || part < F::PARTS - 1 || step > 0);
    fgi_wgmma_commit();
}

/* A stage's sums, in turn; the stage is then done with. */
template <class F>
__device__ __forceinline__ void sum_in_turn(deep_sums<F> &to, const operands<F> &r, const sums_ring<F> &ring, uint32_t n,
                                            const sums_item &it, int group, bool add)
{
    fgi_turn_take(group);
    pin(to); /* sums that are not defined here make the compiler wait after each product */
    sum_stage<F>(to, r, ring.at(n), it, add);
    fgi_turn_pass(group, DEEP_GROUPS);
    fgi_wgmma_wait<0>();
    pin(to);
    ring.release(n);
}

template <class F>
__device__ __forceinline__ void add_stage(deep_sums<F> &sums, const operands<F> &r, const sums_ring<F> &ring, uint32_t n,
                                          const sums_item &it, int group)
{
    if constexpr (F::PRODUCTS == 1) { /* registers do not hold two */
        sum_in_turn<F>(sums, r, ring, n, it, group, true);
    } else {
        deep_sums<F> stage = {};
        sum_in_turn<F>(stage, r, ring, n, it, group, false);
#pragma unroll
        for (int i = 0; i < F::COLUMNS / 2; i++) sums.rows[i] += stage.rows[i];
#pragma unroll
        for (int i = 0; i < 4; i++) sums.beside[i] += stage.beside[i];
    }
}

/* lane: of this thread's first component, as shares lie */
template <class F>
__device__ __forceinline__ void store(const fgi_soft_args &a, const deep_sums<F> &sums, const sums_item &it, int32_t lane)
{
    const int32_t columns = columns_for(a.rows.depth), first = it.chunk * CHUNK + threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float *to = a.partial + ((int64_t)it.block * a.model.lanes + component_at(lane + 8 * i)) * (columns + SUMMED);
#pragma unroll
        for (int b = 0; b < F::COLUMNS / 8; b++)
            if (first + 8 * b < columns)
                *reinterpret_cast<float2 *>(to + first + 8 * b) =
                    make_float2(sums.rows[4 * b + 2 * i], sums.rows[4 * b + 2 * i + 1]);
        if (it.chunk == 0)
            *reinterpret_cast<float2 *>(to + columns + first) = make_float2(sums.beside[2 * i], sums.beside[2 * i + 1]);
    }
}

template <class F> __device__ void compute_sums(const fgi_soft_args &a, const sums_ring<F> &ring)
{
    const int group = __shfl_sync(~0u, threadIdx.x / 128, 0); /* so the compiler knows that warps agree on it */
    const int32_t own = group * GROUP + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4;
    const uint32_t rank = fgi_cluster_rank();
    uint32_t n = 0;
    fgi_turn_begin(group, DEEP_GROUPS);
    for (int32_t i = cluster_number(); i < sums_items<F>(a); i += clusters()) {
        const sums_item it = sums_item_of<F>(a, i, rank);
        deep_sums<F> sums = {};
        row_factors next = load_factors<F>(a, it, 0);
#pragma unroll 1
        for (int32_t t = 0; t < it.stages; t++, n++) {
            operands<F> r;
            const row_factors f = next;
            if (t + 1 < it.stages) next = load_factors<F>(a, it, t + 1);
            ring.await(n);
            respond<F>(ring.at(n) + group * BOX_BYTES, f, r);
            add_stage<F>(sums, r, ring, n, it, group);
        }
        store<F>(a, sums, it, it.lane + own);
    }
}

template <class F>
__global__ void __cluster_dims__(PAIR, 1, 1) __launch_bounds__(DEEP_THREADS, 1)
    sum_deep(const __grid_constant__ sums_maps m, const __grid_constant__ fgi_soft_args a)
{
    extern __shared__ uint8_t raw[];
    const sums_ring<F> ring = begin_ring<sums_ring<F>>(raw);
    fgi_follow_wait();
    if (threadIdx.x < DEEP_WORKERS) {
        fgi_registers_more<DEEP_REGISTERS>();
        compute_sums<F>(a, ring);
    } else {
        fgi_registers_less<24>();
        if (threadIdx.x == DEEP_WORKERS) load_sums<F>(a, m, ring);
    }
    end_ring();
}

inline cudaError_t map_shares(const fgi_soft_args &a, sums_maps *m)
{
    const int32_t lanes = a.model.lanes;
    cudaError_t e = fgi_tensor_map(&m->shares[0], a.kept.shares, a.rows.rows, lanes, lanes, GROUP, CHUNK);
    m->shares[1] = m->shares[0];
    if (e == cudaSuccess && a.kept.low_shares)
        e = fgi_tensor_map(&m->shares[1], a.kept.low_shares, a.rows.rows, lanes, lanes, GROUP, CHUNK);
    return e;
}

} // namespace soft

using namespace soft;

extern "C" int32_t fgi_soft_deep_items(int32_t lanes, int32_t depth, int32_t widest)
{
    const int32_t columns = tile_columns(depth, widest);
    return lanes / (PAIR * DEEP_HEIGHT) * ((columns_for(depth) + columns - 1) / columns);
}

extern "C" cudaError_t fgi_soft_sums_deep(const fgi_soft_args *a, cudaStream_t stream)
{
    return with_sums_form(*a, [&](auto f) {
        using F = decltype(f);
        sums_maps m;
        cudaError_t e = prepare(sum_deep<F>, sums_ring<F>::BYTES, *a, sums_stage<F>::HALF, &m.m);
        if (e == cudaSuccess) e = map_shares(*a, &m);
        if (e != cudaSuccess) return e;
        return fgi_follow(sum_deep<F>, (unsigned)deep_grid(*a, sums_items<F>(*a)), DEEP_THREADS, sums_ring<F>::BYTES, stream,
                          m, *a);
    });
}
