/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_screen.cu - one product gives every component's score for every row; what can matter is kept.
 *
 * grid     clusters of 2 blocks, persistent; block: 3 computing warpgroups, a loading warp and a helping warp for every two
 *          computing warps. 640 threads, 96 registers: 104 computing, 80 others
 * tile     64 rows a computing warpgroup x 256 components; rows stay in shared memory for all components, means stream
 *          through, each block of a cluster loading half of every tile for both
 * turns    the computing warpgroups take turns at the tensor cores
 * stages   4 of 32 KB for the means, 1 for the rows, which come from L2: prefetched a row tile ahead
 * deep     beyond 128 halves chunks of rows stream through 3 stages of 56 KB beside those of means, again for every 256
 *          components, and nobody takes turns
 * rising   centroids without references: what scores have to exceed rises with the best one so far; a computing warp raises it
 *          tile by tile, a helping one drops what no longer exceeds it at the end
 * wide     the same with f32 sums: two computing warpgroups of 208 registers, two helping warps, 4 stages of 48 KB
 * bytes    2 d a row from HBM; k d / 192 a row from L2, deep ones k d / 128 more
 * bound    tensor cores: 2 k d flops a row. 10M x 1024 x 128: 3.9 ms, 670 TFLOP/s; of depth 768: 774 TFLOP/s (bench/NOTES.md) */
#include "screen_compute.cuh"
#include "screen_help.cuh"
#include "grant.cuh"
#include "tensor_map.cuh"

#include <math.h> /* ceil, log2 */

namespace screening
{

/* Rows of row tile t, that stay for all components. */
template <int CHUNKS>
__device__ __forceinline__ void load_rows(const params &p, const CUtensorMap *map, uint32_t smem, barriers bar, int t)
{
    constexpr layout L = layout_for(CHUNKS);
    const int32_t row = (int32_t)((blockIdx.x + (int64_t)t * gridDim.x) * L.tile_rows);
    for (int group = 0; group < L.groups; group++) {
        fgi_mbar_wait(bar.rows_empty(group), (t & 1) ^ 1);
        fgi_mbar_expect(bar.rows_full(group), CHUNKS * ROW_CHUNK_BYTES);
        for (int c = 0; c < CHUNKS; c++)
            fgi_tma_load_2d(smem + L.rows + (group * CHUNKS + c) * ROW_CHUNK_BYTES, map, bar.rows_full(group), c * CHUNK,
                            row + group * GROUP_ROWS);
    }
    if (t + 1 == p.tiles_each) return;
    for (int group = 0; group < L.groups; group++)
        for (int c = 0; c < CHUNKS; c++)
            fgi_tma_prefetch_2d(map, c * CHUNK, row + (int32_t)gridDim.x * L.tile_rows + group * GROUP_ROWS);
}

template <int CHUNKS>
__device__ void load(const params &p, const CUtensorMap *rows_map, const CUtensorMap *means_map, uint32_t smem, barriers bar,
                     uint32_t rank)
{
    constexpr layout L = layout_for(CHUNKS);
    const int chunks = is_deep(CHUNKS) ? p.chunks : CHUNKS;
    uint32_t turn = 0;
    for (int t = 0; t < p.tiles_each; t++)
        for (int ct = 0; ct < p.component_tiles; ct++, turn++) {
            const uint32_t slot = turn % TERMS_STAGES;
            const int32_t row = (int32_t)((blockIdx.x + (int64_t)t * gridDim.x) * L.tile_rows);
            fgi_mbar_wait(bar.terms_empty(slot), (turn / TERMS_STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.terms_full(slot), TERMS_BYTES);
            fgi_bulk_load(smem + L.terms + slot * TERMS_BYTES, p.terms + (int64_t)ct * TERMS_BYTES, TERMS_BYTES,
                          bar.terms_full(slot));
            for (int c = 0; c < chunks; c++) {
                const uint32_t n = turn * chunks + c, full = bar.full(stage_of<CHUNKS>(n));
                const uint32_t at = smem + L.means + stage_of<CHUNKS>(n) * L.stage_bytes;
                fgi_mbar_wait(bar.empty(stage_of<CHUNKS>(n)), phase_of<CHUNKS>(n) ^ 1);
                fgi_mbar_expect(full, L.stage_bytes);
                fgi_tma_load_2d_multicast(at + rank * (MEANS_BYTES / 2), means_map, full, c * CHUNK,
                                          ct * TILE + (int)rank * (TILE / 2), 3);
                for (int group = 0; is_deep(CHUNKS) && group < L.groups; group++)
                    fgi_tma_load_2d(at + MEANS_BYTES + group * ROW_CHUNK_BYTES, rows_map, full, c * CHUNK,
                                    row + group * GROUP_ROWS);
            }
            if constexpr (!is_deep(CHUNKS))
                if (ct == 0) load_rows<CHUNKS>(p, rows_map, smem, bar, t);
        }
}

template <int GOAL, int CHUNKS>
__global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(layout_for(CHUNKS).threads, 1)
    screen(const __grid_constant__ CUtensorMap rows_map, const __grid_constant__ CUtensorMap means_map,
           const __grid_constant__ params p)
{
    extern __shared__ uint8_t raw[];
    constexpr layout L = layout_for(CHUNKS);
    const int32_t course = course_of(p.a);
    if (GOAL == BOUND && course != FGI_SPARSE_BY_PRODUCT) return;
    if (GOAL != BOUND && (GOAL == RISE) != (course == FGI_SPARSE_RISING)) return;
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    uint8_t *smem_at = raw + (smem - fgi_shared_address(raw));
    const barriers bar = {smem + L.barriers};
    if (threadIdx.x == 0) {
        init_barriers<CHUNKS>(bar);
        fgi_tma_prefetch_map(&rows_map);
        fgi_tma_prefetch_map(&means_map);
        for (int warp = 0; warp < L.workers / 32; warp++) reinterpret_cast<uint32_t *>(smem_at + L.consumed)[warp] = 0;
    }
    __syncthreads();
    fgi_cluster_arrive();
    fgi_cluster_wait();
    if (threadIdx.x < L.workers) {
        fgi_registers_more<L.worker_registers>();
        compute<GOAL, CHUNKS>(p, smem_at, smem, bar);
    } else {
        fgi_registers_less<L.other_registers>();
        const int warp = (int)(threadIdx.x - L.workers) / 32;
        if (threadIdx.x == L.workers) load<CHUNKS>(p, &rows_map, &means_map, smem, bar, fgi_cluster_rank());
        const int helper = __shfl_sync(~0u, warp - 1, 0);
        if (GOAL != BOUND && helper >= 0 && helper < L.helpers) help<GOAL, CHUNKS>(p, smem_at, bar, helper);
        __syncwarp();
    }
    /* neither block may leave while the other still writes to it */
    fgi_cluster_arrive();
    fgi_cluster_wait();
}

/* -------------------------------------------------------------------------------------------------- launching */

template <int GOAL, int CHUNKS> cudaError_t launch(const params &p, const CUtensorMap &rows_map, cudaStream_t stream)
{
    constexpr layout L = layout_for(CHUNKS);
    const fgi_sparse_model &m = p.a.model;
    params of_goal = p;
    of_goal.terms = static_cast<const uint8_t *>(GOAL == BOUND ? m.low : m.high);
    CUtensorMap means_map;
    cudaError_t e = fgi_tensor_map(&means_map, GOAL == BOUND ? m.low_weights : m.weights, m.k, p.a.rows.depth, p.a.rows.ld,
                                   TILE / 2, CHUNK);
    if (e == cudaSuccess) e = fgi_grant_shared(screen<GOAL, CHUNKS>, (size_t)L.total);
    if (e != cudaSuccess) return e;
    screen<GOAL, CHUNKS><<<p.a.grid, L.threads, L.total, stream>>>(rows_map, means_map, of_goal);
    return cudaGetLastError();
}

template <int CHUNKS> cudaError_t launch_both(const params &p, const CUtensorMap &rows_map, cudaStream_t stream)
{
    const bool can_rise = CHUNKS != DEEP && p.a.model.kind == FGI_CUDA_HARD;
    const cudaError_t e = can_rise ? launch<RISE, CHUNKS>(p, rows_map, stream) : launch<BOUND, CHUNKS>(p, rows_map, stream);
    return e == cudaSuccess ? launch<FIND, CHUNKS>(p, rows_map, stream) : e;
}

/* The template's CHUNKS. */
int chunks_of(const fgi_sparse_screen_args &a)
{
    const int chunks = (a.rows.depth + CHUNK - 1) / CHUNK;
    return a.model.wide ? (int)WIDE : chunks > 2 ? (int)DEEP : chunks;
}

layout layout_of(int32_t wide)
{
    return layout_for(wide ? WIDE : DEEP);
}

/* Of a block of the grid. */
int64_t queued_blocks(int32_t wide)
{
    return layout_of(wide).workers / 32 * QUEUE;
}

} // namespace screening

using namespace screening;

extern "C" int32_t fgi_sparse_grid(int32_t multiprocessors)
{
    return multiprocessors & ~1;
}

extern "C" int32_t fgi_sparse_wave_rows(int32_t grid, int32_t wide)
{
    return grid * layout_of(wide).tile_rows;
}

extern "C" int32_t fgi_sparse_streams_for(int32_t grid, int32_t wide)
{
    return grid * layout_of(wide).streams;
}

extern "C" int64_t fgi_sparse_scratch_bytes(int32_t grid, int32_t wide)
{
    return grid * queued_blocks(wide) * (int64_t)(sizeof(uint4) + sizeof(uint32_t));
}

extern "C" cudaError_t fgi_sparse_screen(const fgi_sparse_screen_args *a, cudaStream_t stream)
{
    const fgi_sparse_model *m = &a->model;
    CUtensorMap rows_map;
    const cudaError_t e =
        fgi_tensor_map(&rows_map, a->rows.plane, a->rows.rows, a->rows.depth, a->rows.ld, GROUP_ROWS, CHUNK);
    if (e != cudaSuccess) return e;
    const int32_t wave = fgi_sparse_wave_rows(a->grid, m->wide);
    params p = {};
    p.a = *a;
    p.queue = static_cast<uint4 *>(a->scratch);
    p.queue_tag = reinterpret_cast<uint32_t *>(p.queue + a->grid * queued_blocks(m->wide));
    p.tiles_each = (a->rows.rows + wave - 1) / wave;
    p.component_tiles = (m->k + TILE - 1) / TILE;
    p.chunks = (a->rows.depth + CHUNK - 1) / CHUNK;
    p.error_per_score = (float)roundings(*m, a->rows.depth);
    p.norm_scale = (float)exp2(4.0 - ceil(log2((double)m->d)));
    switch (chunks_of(*a)) {
    case WIDE: return launch_both<WIDE>(p, rows_map, stream);
    case 1: return launch_both<1>(p, rows_map, stream);
    case 2: return launch_both<2>(p, rows_map, stream);
    default: return launch_both<DEEP>(p, rows_map, stream);
    }
}
