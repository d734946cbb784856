/* SPDX-License-Identifier: Apache-2.0 */
/* screen_help.cuh - the helping warps of screening: references before the product, candidates to the stream after it.
 *
 * A helper has a group of 32 rows of every row tile, one row a lane while references are made. What its two computing warps
 * queued are blocks in which something exceeds the cut; it picks the candidates out of them. */
#ifndef FGI_SCREEN_HELP_CUH
#define FGI_SCREEN_HELP_CUH
#include "screen_layout.cuh"

namespace screening
{

/* A stream being written; `used` may exceed the capacity, past which nothing is written. */
struct stream {
    uint32_t *candidate;
    uint16_t *score;
    uint32_t used, capacity;
};

/* A block of the queue. */
struct queued {
    uint32_t pair[4]; /* scores: 2 columns each; blocks of 8 columns 0 and 1 of the first row, then of the second */
    uint32_t first_row, first_column; /* the rows are 8 apart, in the computing warp's 16 */
};

__device__ __forceinline__ queued take_block(const params &p, int64_t at, bool has)
{
    const uint4 e = has ? __ldcg(p.queue + at) : make_uint4(0, 0, 0, 0);
    const uint32_t tag = has ? __ldcg(p.queue_tag + at) : 0, owner = tag >> 16;
    return {{e.x, e.z, e.y, e.w}, owner >> 2, (tag & 0xffff) * 16 + 2 * (owner & 3)};
}

/* Bits 4 r + 2 block + column of what exceeds the limits, of which each row has one. */
__device__ __forceinline__ uint32_t exceeding(const queued &q, const uint32_t (&limits)[2])
{
    uint32_t bits = 0;
#pragma unroll
    for (int h = 0; h < 4; h++) {
        const uint32_t above =
            __hgt2_mask(*reinterpret_cast<const __half2 *>(&q.pair[h]), *reinterpret_cast<const __half2 *>(&limits[h / 2]));
        bits |= above & (1u << (2 * h) | 1u << (16 + 2 * h + 1));
    }
    return (bits | bits >> 16) & 0xff;
}

/* What a computing warp queued, entries from .. end - 1, to the stream; local: its first row in the stream; limits: RISE, of its
 * rows. */
template <int GOAL>
__device__ __forceinline__ void drain(const params &p, int64_t queue, uint32_t from, uint32_t end, uint32_t local,
                                      const volatile float *limits, stream &out)
{
    const int lane = threadIdx.x & 31;
    const uint32_t cut = both_halves(__float2half_rd(-p.a.cut));
#pragma unroll 1
    for (uint32_t at = from + lane; at - lane < end; at += 32) {
        const queued q = take_block(p, queue + at % QUEUE, at < end);
        const uint32_t limit[2] = {GOAL == RISE ? both_halves(__float2half_rd(limits[q.first_row])) : cut,
                                   GOAL == RISE ? both_halves(__float2half_rd(limits[q.first_row + 8])) : cut};
        uint32_t bits = at < end ? exceeding(q, limit) : 0;
#pragma unroll 1
        while (__any_sync(~0u, bits != 0)) {
            const bool one = bits != 0;
            const int b = (__ffs(bits) - 1) & 7;
            const uint32_t pair = b & 4 ? (b & 2 ? q.pair[3] : q.pair[2]) : (b & 2 ? q.pair[1] : q.pair[0]);
            const uint32_t row = local + q.first_row + (b & 4 ? 8 : 0);
            const uint32_t column = q.first_column + (b & 2 ? 8 : 0) + (b & 1);
            const uint32_t mask = __ballot_sync(~0u, one), to = out.used + __popc(mask & ((1u << lane) - 1));
            if (one && to < out.capacity) {
                out.candidate[to] = column << 16 | row;
                out.score[to] = (uint16_t)(b & 1 ? pair >> 16 : pair);
            }
            out.used += __popc(mask);
            bits &= bits - 1;
        }
    }
}

/* What a helper does for a stream. */
template <int GOAL, int CHUNKS> struct helped {
    const params &p;
    barriers bar;
    stream out;
    int number;    /* of the stream in the block */
    int64_t group; /* its first group, among those of all streams */
    int64_t row;   /* its first row; */
    int64_t step;  /* rows from row tile to row tile */
    int64_t queue; /* where its first warp's begins */
    float *references;
    volatile uint32_t *ends, *consumed;
    uint32_t from[2];

    __device__ __forceinline__ helped(const params &all, uint8_t *smem_at, barriers b, int own) : p(all), bar(b), number(own)
    {
        constexpr layout L = layout_for(CHUNKS);
        const uint32_t of_all = blockIdx.x * L.streams + own;
        const int64_t room = (int64_t)of_all * p.a.streams.capacity;
        out = {p.a.streams.candidate + room, p.a.streams.score + room, 0, (uint32_t)p.a.streams.capacity};
        group = (int64_t)of_all * p.a.streams.groups;
        row = (int64_t)blockIdx.x * L.tile_rows + own * HELPED;
        step = (int64_t)gridDim.x * L.tile_rows;
        queue = (int64_t)(blockIdx.x * L.workers / 32 + 2 * own) * QUEUE;
        references = reinterpret_cast<float *>(smem_at + L.references) + own * HELPED;
        ends = reinterpret_cast<volatile uint32_t *>(smem_at + L.ends) + 2 * own * LAG;
        consumed = reinterpret_cast<volatile uint32_t *>(smem_at + L.consumed) + 2 * own;
        from[0] = from[1] = 0;
    }

    __device__ __forceinline__ void begin(int t)
    {
        const int lane = threadIdx.x & 31;
        if (t >= p.tiles_each) return;
        references[t % RING * layout_for(CHUNKS).tile_rows + lane] = reference_for(p.a, row + t * step + lane);
        fgi_mbar_arrive(bar.begun(t, number));
    }

    __device__ __forceinline__ void end(int t)
    {
        const int lane = threadIdx.x & 31;
        const uint32_t first = out.used;
        uint32_t crowded = 0;
        fgi_mbar_wait(bar.staged(t, number), t / LAG & 1);
#pragma unroll
        for (int w = 0; w < 2; w++) {
            const uint32_t end = ends[w * LAG + t % LAG];
            drain<GOAL>(p, queue + w * QUEUE, from[w], end & ~CROWDED, t * HELPED + 16 * w,
                        references + t % RING * layout_for(CHUNKS).tile_rows + 16 * w, out);
            crowded |= end & CROWDED;
            from[w] = end & ~CROWDED;
            __syncwarp();
            if (lane == 0) consumed[w] = from[w];
        }
        fgi_mbar_arrive(bar.drained(t, number));
        const bool flagged = crowded || out.used > out.capacity;
        const uint32_t candidates = flagged ? 0 : out.used - first;
        out.used = first + candidates;
        if (lane == 0) p.a.streams.group[group + t] = {(uint16_t)first, (uint16_t)candidates, 0, flagged};
    }
};

/* A helper of two streams goes from one to the other: deep rows keep their products busy for long. */
template <int GOAL, int CHUNKS> __device__ void help(const params &p, uint8_t *smem_at, barriers bar, int helper)
{
    constexpr layout L = layout_for(CHUNKS);
    helped<GOAL, CHUNKS> first(p, smem_at, bar, helper);
    if constexpr (L.helpers == L.streams) {
        for (int t = 0; t < AHEAD; t++) first.begin(t);
        for (int t = 0; t < p.tiles_each; t++) {
            first.begin(t + AHEAD);
            first.end(t);
        }
    } else {
        static_assert(2 * L.helpers == L.streams);
        helped<GOAL, CHUNKS> second(p, smem_at, bar, helper + L.helpers);
        for (int t = 0; t < AHEAD; t++) first.begin(t), second.begin(t);
        for (int t = 0; t < p.tiles_each; t++) {
            first.begin(t + AHEAD), second.begin(t + AHEAD);
            first.end(t), second.end(t);
        }
    }
}

} // namespace screening

#endif
