/* SPDX-License-Identifier: Apache-2.0 */
/* screen_compute.cuh - the computing warps of screening: products in turns, and what is above the cut to the helper's queue.
 *
 * Sums start at slope |y|^2 + bias - reference, so what comes out of the product is ready to be compared. A thread has 128
 * scores of a tile, two rows of 64, in 16 blocks; a block in which anything is above the cut goes to the thread's places
 * in shared memory without a branch, and when a thread's places may run out, to the warp's queue in global memory.
 *
 * Why f16 sums: they take half the registers of f32, so that three warpgroups compute where there was room for one and a
 * half, and half the instructions. One warp a scheduler needs 4 to 5 cycles an instruction; three hide each other's.
 *
 * Why wide sums: what f16 sums may be off by grows with the depth (sparse_plan.cu). Where too many components come close, f32
 * sums of two warpgroups pay, 3 to 15 % slower, which become f16 when they are done. */
#ifndef FGI_SCREEN_COMPUTE_CUH
#define FGI_SCREEN_COMPUTE_CUH
#include "screen_layout.cuh"

namespace screening
{

/* One thread's view of its two rows, 8 apart, and of its places. */
struct two_rows {
    uint32_t norm[2], minus_reference[2]; /* half2, both halves alike */
    float next_norm[2];                   /* of the next row tile */
    uint32_t limit[2];                    /* what scores have to exceed, both halves alike; FIND: the same for both rows */
    int staged;
    uint32_t place_at;   /* of place 0 */
    uint32_t begin, end; /* of the row tile's blocks in the queue; counted from the start of the pass */
    __half2 top[2];      /* BOUND: largest scores */
    __half2 best;        /* RISE: the largest score of each row, as far as limits know, in one half */
};

__device__ __forceinline__ __half2 as_half2(uint32_t x)
{
    return *reinterpret_cast<const __half2 *>(&x);
}

__device__ __forceinline__ uint32_t as_bits(__half2 x)
{
    return *reinterpret_cast<const uint32_t *>(&x);
}

__device__ __forceinline__ void start_sums(uint32_t (&acc)[64], const uint8_t *terms_at, const two_rows &s)
{
    const uint4 *terms = reinterpret_cast<const uint4 *>(terms_at) + (threadIdx.x & 3);
#pragma unroll
    for (int b = 0; b < 16; b++) {
        const uint4 t = terms[4 * b]; /* slopes, biases of two columns of block 2 b, then of block 2 b + 1 */
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const __half2 norm = as_half2(s.norm[r]), minus = as_half2(s.minus_reference[r]);
            acc[4 * b + r] = as_bits(__hfma2(as_half2(t.x), norm, __hadd2(as_half2(t.y), minus)));
            acc[4 * b + 2 + r] = as_bits(__hfma2(as_half2(t.z), norm, __hadd2(as_half2(t.w), minus)));
        }
    }
}

/* The same for sums in f32. */
__device__ __forceinline__ void start_wide_sums(float (&acc)[128], const uint8_t *terms_at, const two_rows &s)
{
    const uint4 *terms = reinterpret_cast<const uint4 *>(terms_at) + (threadIdx.x & 3);
#pragma unroll
    for (int b = 0; b < 16; b++) {
        const uint4 t = terms[4 * b];
        const float2 slope[2] = {__half22float2(as_half2(t.x)), __half22float2(as_half2(t.z))},
                     bias[2] = {__half22float2(as_half2(t.y)), __half22float2(as_half2(t.w))};
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float norm = __low2float(as_half2(s.norm[r])), minus = __low2float(as_half2(s.minus_reference[r]));
#pragma unroll
            for (int in = 0; in < 2; in++) {
                acc[8 * b + 4 * in + 2 * r] = fmaf(slope[in].x, norm, bias[in].x + minus);
                acc[8 * b + 4 * in + 2 * r + 1] = fmaf(slope[in].y, norm, bias[in].y + minus);
            }
        }
    }
}

/* As f16 sums would lie. */
__device__ __forceinline__ void narrow(const float (&from)[128], uint32_t (&to)[64])
{
#pragma unroll
    for (int i = 0; i < 64; i++) to[i] = as_bits(__floats2half2_rn(from[2 * i], from[2 * i + 1]));
}

__device__ __forceinline__ uint32_t highest(uint32_t a, uint32_t b)
{
    return as_bits(__hmax2(as_half2(a), as_half2(b)));
}

/* ---------------------------------------------------------------------------------------- what was found */

/* Whether a block holds a candidate. */
template <int GOAL> __device__ __forceinline__ bool is_hit(const uint32_t *v, const two_rows &s)
{
    const uint32_t first = highest(v[0], v[2]), second = highest(v[1], v[3]);
    if (GOAL == FIND) return fgi_any_greater(highest(first, second), s.limit[0]);
    return fgi_any_greater(first, s.limit[0]) | fgi_any_greater(second, s.limit[1]);
}

/* Stages blocks FIRST .. LAST - 1 of a tile where they hold a candidate, from place s.staged on, while there are
 * places. Gives the hits as bits. */
template <int GOAL, int FIRST, int LAST, int CHUNKS>
__device__ __forceinline__ uint32_t stage_blocks(const uint32_t (&acc)[64], const two_rows &s)
{
    constexpr int place_bytes = layout_for(CHUNKS).workers * 16;
    const uint32_t last = s.place_at + PLACES * place_bytes;
    uint32_t at = s.place_at + s.staged * place_bytes, hits = 0;
#pragma unroll
    for (int n = FIRST; n < LAST; n++) {
        const uint32_t *v = acc + 4 * n;
        const bool hit = is_hit<GOAL>(v, s);
        fgi_store_16_if(hit & (at < last), at, v[0], v[1], v[2], v[3]);
        fgi_add_if<place_bytes>(hit, at);
        hits |= hit ? 1u << n : 0u;
    }
    return hits;
}

/* Numbers the blocks that were staged. */
template <int CHUNKS>
__device__ __forceinline__ void tag_blocks(uint8_t *smem_at, two_rows &s, uint32_t hits, int component_tile)
{
    constexpr layout L = layout_for(CHUNKS);
    uint16_t *tags = reinterpret_cast<uint16_t *>(smem_at + L.tags) + threadIdx.x;
#pragma unroll 1
    while (__any_sync(~0u, hits != 0)) {
        if (hits) tags[s.staged * L.workers] = (uint16_t)(component_tile * BLOCKS + __ffs(hits) - 1);
        s.staged += hits != 0;
        hits &= hits - 1;
    }
}

/* Staged blocks go to the queue, or, if the row tile has filled it, nowhere. */
template <int CHUNKS> __device__ __forceinline__ void enqueue(const params &p, uint8_t *smem_at, two_rows &s)
{
    constexpr layout L = layout_for(CHUNKS);
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    const uint4 *place = reinterpret_cast<const uint4 *>(smem_at + L.places) + threadIdx.x;
    const uint16_t *tag = reinterpret_cast<const uint16_t *>(smem_at + L.tags) + threadIdx.x;
    volatile const uint32_t *consumed = reinterpret_cast<volatile const uint32_t *>(smem_at + L.consumed) + warp;
    const int64_t queue = (int64_t)(blockIdx.x * L.workers / 32 + warp) * QUEUE;
    const int most = __reduce_max_sync(~0u, s.staged);
#pragma unroll 1
    for (int i = 0; i < most; i++) {
        const bool has = i < s.staged;
        const uint32_t mask = __ballot_sync(~0u, has), count = __popc(mask);
        if ((s.end & ~CROWDED) - s.begin + count > QUEUE) {
            s.end |= CROWDED;
            break;
        }
        while ((s.end & ~CROWDED) + count - *consumed > QUEUE) {
        } /* the helper is behind; earlier row tiles will go */
        const uint32_t to = ((s.end & ~CROWDED) + __popc(mask & ((1u << lane) - 1))) % QUEUE;
        if (has) {
            p.queue[queue + to] = place[i * L.workers];
            p.queue_tag[queue + to] = lane << 16 | tag[i * L.workers];
        }
        s.end += count;
    }
    __syncwarp();
    s.staged = 0;
}

template <int GOAL, int FROM, int CHUNKS>
__device__ __forceinline__ void stage_in_parts(const params &p, uint8_t *smem_at, const uint32_t (&acc)[64], two_rows &s,
                                               int component_tile)
{
    if constexpr (FROM < BLOCKS) {
        constexpr int to = FROM + PLACES < BLOCKS ? FROM + PLACES : BLOCKS;
        tag_blocks<CHUNKS>(smem_at, s, stage_blocks<GOAL, FROM, to, CHUNKS>(acc, s), component_tile);
        enqueue<CHUNKS>(p, smem_at, s);
        stage_in_parts<GOAL, to, CHUNKS>(p, smem_at, acc, s, component_tile);
    }
}

/* Tells whether the warp had anything to stage. */
template <int GOAL, int CHUNKS>
__device__ __forceinline__ bool stage_tile(const params &p, uint8_t *smem_at, uint32_t (&acc)[64], two_rows &s,
                                           int component_tile)
{
    const uint32_t hits = stage_blocks<GOAL, 0, BLOCKS, CHUNKS>(acc, s);
    const int after = s.staged + __popc(hits);
    if (!__any_sync(~0u, after > PLACES)) {
        tag_blocks<CHUNKS>(smem_at, s, hits, component_tile);
        if (__any_sync(~0u, after == PLACES)) enqueue<CHUNKS>(p, smem_at, s);
    } else {                /* again, in parts that cannot run out of places */
        fgi_wgmma_pin(acc); /* else the first attempt would keep its comparisons for this rare one */
        enqueue<CHUNKS>(p, smem_at, s);
        stage_in_parts<GOAL, 0, CHUNKS>(p, smem_at, acc, s, component_tile);
    }
    return __any_sync(~0u, hits != 0);
}

/* References of a thread's first row, and 8 further of its second; limits take their place at the end. */
template <int CHUNKS> __device__ __forceinline__ float *references_at(uint8_t *smem_at, int t)
{
    constexpr layout L = layout_for(CHUNKS);
    const int in_tile = (threadIdx.x >> 5) * 16 + (threadIdx.x & 31) / 4;
    return reinterpret_cast<float *>(smem_at + L.references) + t % RING * L.tile_rows + in_tile;
}

/* Tells the helper where the row tile ends in the queue, and what limits have risen to. */
template <int GOAL, int CHUNKS>
__device__ __forceinline__ void end_row_tile(const params &p, uint8_t *smem_at, barriers bar, two_rows &s, int t)
{
    constexpr layout L = layout_for(CHUNKS);
    const int stream = threadIdx.x >> 6;
    enqueue<CHUNKS>(p, smem_at, s);
    if (GOAL == RISE && (threadIdx.x & 3) == 0) {
        float *limits = references_at<CHUNKS>(smem_at, t);
        limits[0] = __low2float(as_half2(s.limit[0]));
        limits[8] = __low2float(as_half2(s.limit[1]));
    }
    fgi_mbar_wait(bar.drained(t, stream), (t / LAG & 1) ^ 1); /* row tile t - LAG */
    if ((threadIdx.x & 31) == 0)
        reinterpret_cast<volatile uint32_t *>(smem_at + L.ends)[(threadIdx.x / 32) * LAG + t % LAG] = s.end;
    fgi_mbar_arrive(bar.staged(t, stream));
    s.end &= ~CROWDED;
    s.begin = s.end;
}

__device__ __forceinline__ void raise_top(const uint32_t (&acc)[64], two_rows &s)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        uint32_t high = acc[r];
#pragma unroll
        for (int b = 1; b < 32; b++) high = highest(high, acc[2 * b + r]);
        s.top[r] = __hmax2(s.top[r], as_half2(high));
    }
}

/* What the scores of a row have to exceed, whose best one so far is `best`, a value of at least best - (margin + error |best|):
 * another that is as good has a score s >= that - error |s|. Where sums have overflowed all are candidates. */
__device__ __forceinline__ uint32_t limit_below(const params &p, float best, float norm)
{
    const float margin = fmaf(p.a.model.limits->above_slope, norm, p.a.model.limits->above);
    const float below = fmaf(p.error_per_score, fabsf(best), margin);
    const float limit = best - below - 1.1f * p.error_per_score * (fabsf(best) + below) - 0.01f;
    return both_halves(__float2half_rd(best < CUDART_INF_F ? limit : -CUDART_INF_F));
}

__device__ __forceinline__ void raise_limits(const params &p, const uint32_t (&acc)[64], two_rows &s, const float (&norm)[2])
{
    uint32_t high[2] = {acc[0], acc[1]};
#pragma unroll
    for (int b = 2; b < 64; b++) high[b & 1] = highest(high[b & 1], acc[b]);
    const __half2 first = as_half2(high[0]), second = as_half2(high[1]);
    __half2 best = __hmax2(__lows2half2(first, second), __highs2half2(first, second));
    best = __hmax2(best, __shfl_xor_sync(~0u, best, 1));
    best = __hmax2(best, __shfl_xor_sync(~0u, best, 2));
    s.best = __hmax2(s.best, best);
    s.limit[0] = limit_below(p, __low2float(s.best), norm[0]);
    s.limit[1] = limit_below(p, __high2float(s.best), norm[1]);
}

/* Scores were lower bounds but for their own share of the error; the reference was 0. Sums that have overflowed are none. */
__device__ __forceinline__ void tell_bound(const params &p, const two_rows &s, int64_t row)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float top = fmaxf(__low2float(s.top[r]), __high2float(s.top[r]));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
        if ((threadIdx.x & 3) == 0 && row + 8 * r < p.a.rows.rows)
            p.a.bound[row + 8 * r] = top < CUDART_INF_F ? top - fabsf(top) * error_per_score(p.a) : -CUDART_INF_F;
    }
}

/* ---------------------------------------------------------------------------------------- the product */

/* Multiplies one chunk of 64 rows and 256 components, when it is there. */
template <int CHUNKS, class SUMS>
__device__ __forceinline__ void multiply_chunk(SUMS &acc, uint32_t rows, uint32_t means, barriers bar, uint32_t n)
{
    fgi_mbar_wait(bar.full(stage_of<CHUNKS>(n)), phase_of<CHUNKS>(n));
    fgi_wgmma_pin(acc);
    fgi_wgmma_fence();
    const uint64_t a = fgi_wgmma_operand(rows), b = fgi_wgmma_operand(means);
#pragma unroll
    for (int k16 = 0; k16 < CHUNK / 16; k16++) fgi_wgmma_64x256x16(acc, a + 2 * k16, b + 2 * k16);
    fgi_wgmma_commit();
}

/* Chunk n has been read. release_at: the first barrier `empty`, in the block of the cluster that this lane tells. */
template <int CHUNKS> __device__ __forceinline__ void free_chunk(uint32_t release_at, uint32_t n)
{
    if ((threadIdx.x & 31) < 2) fgi_mbar_arrive_cluster(release_at + 8 * stage_of<CHUNKS>(n));
}

/* A tile whose rows stay: when it is this warpgroup's turn, which it then hands on. */
template <int CHUNKS>
__device__ __forceinline__ void multiply(uint32_t (&acc)[64], uint32_t smem, barriers bar, uint32_t release_at,
                                         uint32_t first, bool hands_on)
{
    constexpr layout L = layout_for(CHUNKS);
    const int group = __shfl_sync(~0u, threadIdx.x >> 7, 0); /* uniform: so are operand addresses */
    const uint32_t rows = smem + L.rows + group * CHUNKS * ROW_CHUNK_BYTES;
    fgi_named_sync(1 + group, 256);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        multiply_chunk<CHUNKS>(acc, rows + c * ROW_CHUNK_BYTES, smem + L.means + stage_of<CHUNKS>(first + c) * L.stage_bytes,
                               bar, first + c);
    if (hands_on) fgi_named_arrive(1 + (group + 1 == L.groups ? 0 : group + 1), 256);
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(acc);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) free_chunk<CHUNKS>(release_at, first + c);
}

/* A tile of long rows: chunks of rows come with those of means, and the products last so long that there are no turns. */
template <int CHUNKS, class SUMS>
__device__ __forceinline__ void multiply_deep(SUMS &acc, uint32_t smem, barriers bar, uint32_t release_at, uint32_t first,
                                              int chunks)
{
    constexpr layout L = layout_for(CHUNKS);
    const int group = __shfl_sync(~0u, threadIdx.x >> 7, 0);
#pragma unroll 1
    for (int c = 0; c < chunks; c++) {
        const uint32_t means = smem + L.means + stage_of<CHUNKS>(first + c) * L.stage_bytes;
        multiply_chunk<CHUNKS>(acc, means + MEANS_BYTES + group * ROW_CHUNK_BYTES, means, bar, first + c);
        if (c == 0) continue;
        fgi_wgmma_wait<1>();
        free_chunk<CHUNKS>(release_at, first + c - 1);
    }
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(acc);
    free_chunk<CHUNKS>(release_at, first + chunks - 1);
}

/* Norms of the thread's rows of the next row tile, the first of which is `row`. */
__device__ __forceinline__ void look_ahead(const params &p, two_rows &s, int64_t row)
{
    if (row < p.a.rows.rows) s.next_norm[0] = __ldg(p.a.rows.norm + row);
    if (row + 8 < p.a.rows.rows) s.next_norm[1] = __ldg(p.a.rows.norm + row + 8);
}

template <int CHUNKS> __device__ __forceinline__ void take_references(uint8_t *smem_at, barriers bar, two_rows &s, int t)
{
    fgi_mbar_wait(bar.begun(t, threadIdx.x >> 6), t / RING & 1);
    const float *references = references_at<CHUNKS>(smem_at, t);
    s.minus_reference[0] = both_halves(__float2half_rn(-references[0]));
    s.minus_reference[1] = both_halves(__float2half_rn(-references[8]));
}

template <int GOAL, int CHUNKS>
__device__ __forceinline__ void take_scores(const params &p, uint8_t *smem_at, uint32_t (&acc)[64], two_rows &s,
                                            const float (&norm)[2], int component_tile)
{
    if constexpr (GOAL == BOUND) {
        raise_top(acc, s);
    } else {
        const bool steep = component_tile < STEEP;
        if (GOAL == RISE && steep) raise_limits(p, acc, s, norm);
        const bool found = stage_tile<GOAL, CHUNKS>(p, smem_at, acc, s, component_tile);
        if (GOAL == RISE && !steep && found) raise_limits(p, acc, s, norm); /* else no score was better */
    }
}

template <int GOAL, int CHUNKS> __device__ void compute(const params &p, uint8_t *smem_at, uint32_t smem, barriers bar)
{
    constexpr layout L = layout_for(CHUNKS);
    const int thread = threadIdx.x, lane = thread & 31;
    const int group = thread >> 7, chunks = is_deep(CHUNKS) ? p.chunks : CHUNKS;
    /* lane r tells block r of the cluster */
    const uint32_t release_at = fgi_cluster_address(bar.empty(0), lane & 1);
    const int64_t row = (int64_t)blockIdx.x * L.tile_rows + (thread >> 5) * 16 + (lane >> 2);
    const int64_t step = (int64_t)gridDim.x * L.tile_rows;
    uint32_t turn = 0;
    two_rows s = {};
    uint32_t acc[64];
    s.limit[0] = s.limit[1] = both_halves(__float2half_rd(-p.a.cut));
    s.place_at = smem + L.places + thread * 16;
    look_ahead(p, s, row);
    if (!is_deep(CHUNKS) && group == L.groups - 1) fgi_named_arrive(1, 256); /* the first turn is group 0's */
    for (int t = 0; t < p.tiles_each; t++) {
#pragma unroll
        for (int r = 0; r < 2; r++) s.norm[r] = both_halves(__float2half_rn(s.next_norm[r] * p.norm_scale));
        const float norm[2] = {s.next_norm[0], s.next_norm[1]};
        look_ahead(p, s, row + (t + 1) * step);
        if (GOAL != BOUND) take_references<CHUNKS>(smem_at, bar, s, t);
        s.best = s.top[0] = s.top[1] = __half2half2(__ushort_as_half(0xfc00)); /* -inf */
        for (int ct = 0; ct < p.component_tiles; ct++, turn++) {
            const uint32_t terms = turn % TERMS_STAGES;
            const bool last = ct + 1 == p.component_tiles;
            fgi_mbar_wait(bar.terms_full(terms), turn / TERMS_STAGES & 1);
            const uint8_t *terms_at = smem_at + L.terms + terms * TERMS_BYTES;
            if constexpr (CHUNKS == WIDE) {
                float wide[128];
                start_wide_sums(wide, terms_at, s);
                fgi_wgmma_pin(wide); /* all of the above comes before the product */
                multiply_deep<CHUNKS>(wide, smem, bar, release_at, turn * chunks, chunks);
                narrow(wide, acc);
            } else {
                start_sums(acc, terms_at, s);
                if (!is_deep(CHUNKS) && ct == 0) fgi_mbar_wait(bar.rows_full(group), t & 1);
                fgi_wgmma_pin(acc);
                if constexpr (is_deep(CHUNKS))
                    multiply_deep<CHUNKS>(acc, smem, bar, release_at, turn * chunks, chunks);
                else
                    multiply<CHUNKS>(acc, smem, bar, release_at, turn * chunks,
                                     group + 1 < L.groups || t + 1 < p.tiles_each || !last);
            }
            /* not before: a load that is under way does not hold back an arrive; and all lanes have read */
            __syncwarp();
            if (lane == 0) fgi_mbar_arrive(bar.terms_empty(terms));
            if (!is_deep(CHUNKS) && last && lane == 0) fgi_mbar_arrive(bar.rows_empty(group));
            take_scores<GOAL, CHUNKS>(p, smem_at, acc, s, norm, ct);
        }
        if (GOAL == BOUND)
            tell_bound(p, s, row + t * step);
        else
            end_row_tile<GOAL, CHUNKS>(p, smem_at, bar, s, t);
    }
}

} // namespace screening

#endif
