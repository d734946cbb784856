/* SPDX-License-Identifier: Apache-2.0 */
/* screen_layout.cuh - what the warps of the screening kernel share: its parameters, shared memory, barriers. */
#ifndef FGI_SCREEN_LAYOUT_CUH
#define FGI_SCREEN_LAYOUT_CUH
#include "cuda_sparse.h"
#include "ptx.cuh"
#include "screen_rows.cuh"

#include <cuda_fp16.h> /* __half2 */

namespace screening
{

enum {
    TILE = FGI_SPARSE_LANES, /* components of a tile */
    GROUP_ROWS = 64,         /* of a computing warpgroup */
    CHUNK = 64,              /* halves in one row of a swizzled box: 128 bytes */
    MOST_STAGES = 4,
    MEANS_BYTES = TILE * CHUNK * 2, /* of a stage */
    /* in place of the chunks of a row: any number of them; rows come through the stages too */
    DEEP = 0,
    WIDE = -1, /* the same with f32 sums */
    ROW_CHUNK_BYTES = GROUP_ROWS * CHUNK * 2,
    TERMS_STAGES = 4,
    TERMS_BYTES = TILE * 4,
    HELPED = FGI_SPARSE_GROUP, /* rows of a stream in a row tile: of two computing warps */
    BLOCKS = 16,               /* of 16 columns of a tile: 4 of each of a thread's two rows, tested and staged together */
    PLACES = 4,                /* staged blocks of a thread */
    QUEUE = 384,               /* blocks of a computing warp in global memory, on their way to a helper */
    LAG = 4,                   /* row tiles that a helper may be behind */
    AHEAD = 6,                 /* row tiles that references are ahead of what is drained: LAG, and two for good measure */
    RING = 8,                  /* of references */
    STEEP =
        4, /* component tiles whose scores raise limits before they are compared: later ones seldom do, and when they have been */
    MOST_GROUPS = 3,
    MOST_STREAMS = 2 * MOST_GROUPS
};

enum goal {
    FIND,  /* candidates: components whose score exceeds the reference less the cut */
    BOUND, /* a lower bound of each row's best value */
    RISE   /* candidates of centroids: the reference is 0, and what scores have to exceed rises as better ones are found */
};

/* Beside the end of a row tile in the queue: blocks found no room. */
static const uint32_t CROWDED = 0x80000000u;

struct params {
    fgi_sparse_screen_args a;
    const uint8_t *terms; /* the goal's */
    uint4 *queue;         /* warps x QUEUE */
    uint32_t *queue_tag;  /* warps x QUEUE: lane << 16 | tag */
    int32_t tiles_each, component_tiles, chunks;
    float norm_scale, error_per_score;
};

/* Who works in a block, with how many registers; and shared memory: bytes from an address that is a multiple of 1024. */
struct layout {
    int groups;  /* computing warpgroups */
    int workers; /* their threads */
    int streams; /* of two computing warps each */
    int helpers; /* warps: each has as many streams */
    int threads, tile_rows;
    int worker_registers, other_registers;
    int stages, stage_bytes;
    int rows, means, terms, places, tags, ends, consumed, references, barriers, total;
};

/* chunks: of a row, of CHUNK halves. */
__host__ __device__ constexpr bool is_deep(int chunks)
{
    return chunks <= DEEP;
}

__host__ __device__ constexpr layout layout_for(int chunks)
{
    layout l = {};
    const bool deep = is_deep(chunks), wide = chunks == WIDE;
    l.groups = wide ? 2 : MOST_GROUPS;
    l.workers = 128 * l.groups;
    l.streams = 2 * l.groups;
    l.helpers = wide ? l.streams / 2 : l.streams;
    l.threads = l.workers + (32 + 32 * l.helpers + 127) / 128 * 128; /* whole warpgroups, for setmaxnreg */
    l.tile_rows = GROUP_ROWS * l.groups;
    l.worker_registers = wide ? 208 : 104;
    l.other_registers = wide ? 88 : 80;
    l.stages = chunks == DEEP ? 3 : MOST_STAGES;
    l.stage_bytes = MEANS_BYTES + (deep ? l.groups * ROW_CHUNK_BYTES : 0);
    l.rows = 0; /* that stay for all components */
    l.means = deep ? 0 : l.groups * chunks * ROW_CHUNK_BYTES;
    l.terms = l.means + l.stages * l.stage_bytes;
    l.places = l.terms + TERMS_STAGES * TERMS_BYTES;
    l.tags = l.places + PLACES * l.workers * 16;
    l.ends = l.tags + PLACES * l.workers * 2;
    l.consumed = l.ends + LAG * l.workers / 32 * 4;
    l.references = l.consumed + l.workers / 32 * 4;
    l.barriers = l.references + RING * l.tile_rows * 4;
    l.total = l.barriers + 1024 + 1024; /* the second: to align the first address */
    return l;
}

static_assert(layout_for(1).total <= 232448 && layout_for(2).total <= 232448 && layout_for(DEEP).total <= 232448 &&
                  layout_for(WIDE).total <= 232448,
              "a block has 227 KB");

__device__ __forceinline__ uint32_t both_halves(__half x)
{
    return __half_as_ushort(x) * 0x10001u;
}

/* Barriers, 8 bytes each. */
struct barriers {
    uint32_t base;
    __device__ uint32_t full(int s) const
    {
        return base + 8 * s;
    }
    __device__ uint32_t empty(int s) const
    {
        return base + 8 * (MOST_STAGES + s);
    }
    __device__ uint32_t terms_full(int s) const
    {
        return base + 8 * (2 * MOST_STAGES + s);
    }
    __device__ uint32_t terms_empty(int s) const
    {
        return base + 8 * (2 * MOST_STAGES + TERMS_STAGES + s);
    }
    __device__ uint32_t rows_full(int group) const
    {
        return base + 8 * (2 * MOST_STAGES + 2 * TERMS_STAGES + group);
    }
    __device__ uint32_t rows_empty(int group) const
    {
        return rows_full(group) + 8 * MOST_GROUPS;
    }
    /* of a stream's row tile t: references are there; blocks are queued; they were drained */
    __device__ uint32_t begun(int t, int stream) const
    {
        return rows_full(2 * MOST_GROUPS) + 8 * (RING * stream + t % RING);
    }
    __device__ uint32_t staged(int t, int stream) const
    {
        return rows_full(2 * MOST_GROUPS + MOST_STREAMS * RING) + 8 * (LAG * stream + t % LAG);
    }
    __device__ uint32_t drained(int t, int stream) const
    {
        return staged(t, stream) + 8 * MOST_STREAMS * LAG;
    }
};

/* By one thread. */
template <int CHUNKS> __device__ void init_barriers(barriers bar)
{
    constexpr layout L = layout_for(CHUNKS);
    for (int s = 0; s < L.stages; s++) {
        fgi_mbar_init(bar.full(s), 1);
        fgi_mbar_init(bar.empty(s), 2 * L.workers / 32);
    }
    for (int s = 0; s < TERMS_STAGES; s++) {
        fgi_mbar_init(bar.terms_full(s), 1);
        fgi_mbar_init(bar.terms_empty(s), L.workers / 32);
    }
    for (int group = 0; group < L.groups; group++) {
        fgi_mbar_init(bar.rows_full(group), 1);
        fgi_mbar_init(bar.rows_empty(group), 4);
    }
    for (int stream = 0; stream < L.streams; stream++) {
        for (int t = 0; t < RING; t++) fgi_mbar_init(bar.begun(t, stream), 32);
        for (int t = 0; t < LAG; t++) {
            fgi_mbar_init(bar.staged(t, stream), 64);
            fgi_mbar_init(bar.drained(t, stream), 32);
        }
    }
    fgi_mbar_init_fence();
}

/* Chunk n of the means goes to this stage; full and empty are in this phase then. */
template <int CHUNKS> __device__ __forceinline__ uint32_t stage_of(uint32_t n)
{
    return n % layout_for(CHUNKS).stages;
}

template <int CHUNKS> __device__ __forceinline__ uint32_t phase_of(uint32_t n)
{
    return n / layout_for(CHUNKS).stages & 1;
}

} // namespace screening

#endif
