/* SPDX-License-Identifier: Apache-2.0 */
/* soft_deep.cuh - what the kernels of deep rows agree on: the shapes of tiles, how shares lie in memory, and the ring of stages
 * that two blocks of a cluster fill for each other.
 *
 * Both products are those of large matrices: blocks have different rows, or components, to the left, and the same factor to the
 * right, of which each loads half, for both. */
#ifndef FGI_SOFT_DEEP_CUH
#define FGI_SOFT_DEEP_CUH
#include "ptx.cuh"
#include "soft_layout.cuh"

namespace soft
{

enum {
    PAIR = 2,        /* blocks of a cluster */
    DEEP_GROUPS = 2, /* computing warpgroups of a block */
    DEEP_WORKERS = 128 * DEEP_GROUPS,
    DEEP_THREADS = DEEP_WORKERS + 128, /* one of the others loads */
    DEEP_HEIGHT = DEEP_GROUPS * GROUP, /* of a block's tile: rows, or components */
    DEEP_REGISTERS = 240,
    DEEP_MOST_STAGES = 4
};

/* A number as the sum of so many halves; as `form`, for any number of chunks. */
template <int ROW_PARTS_, int PARTS_> struct deep_form {
    static constexpr int ROW_PARTS = ROW_PARTS_;
    static constexpr int PARTS = PARTS_;
    static constexpr int PRODUCTS = ROW_PARTS + PARTS - 1;
    static constexpr int LANES =
        PARTS == 1 ? 256 : 128; /* components of a tile of values: what registers hold beside a round's */
};

/* Calls it with the form that numbers have. */
template <class Call> cudaError_t with_deep_form(const fgi_soft_args &a, Call call)
{
    if (a.model.low_weights) return a.rows.low ? call(deep_form<2, 2>()) : call(deep_form<1, 2>());
    return a.rows.low ? call(deep_form<2, 1>()) : call(deep_form<1, 1>());
}

/* The first chunk of rows whose second part is there: where weights are one half, only squares have one. */
template <class F> __device__ __forceinline__ int32_t first_low_of(const fgi_soft_args &a)
{
    return F::PARTS == 1 ? chunks_for(a.rows.depth) / 2 : 0;
}

/* The component whose share is number p of a row: of each 32, in the order in which threads hold a product's columns, so that
 * each stores 16 bytes. */
__device__ __forceinline__ int32_t component_at(int32_t p)
{
    return p / 32 * 32 + p / 2 % 4 * 8 + p / 8 % 4 * 2 + p % 2;
}

/* Stages of so many bytes that travel together, and a barrier each way. n: number of a stage since the kernel began. */
template <int STAGE_BYTES_> struct ring {
    static constexpr int STAGE_BYTES = STAGE_BYTES_;
    static constexpr int FIT = (MOST_SHARED - BARRIERS_BYTES - ALIGNMENT) / STAGE_BYTES;
    static constexpr int STAGES = FIT < DEEP_MOST_STAGES ? FIT : (int)DEEP_MOST_STAGES;
    static constexpr int BYTES = STAGES * STAGE_BYTES + BARRIERS_BYTES + ALIGNMENT;
    static_assert(STAGE_BYTES % ALIGNMENT == 0 && STAGES >= 3, "loads have to be ahead");

    uint32_t base;  /* of shared memory, aligned */
    uint32_t there; /* the first barrier `empty` of the other block */

    __device__ uint32_t at(uint32_t n) const
    {
        return base + n % STAGES * STAGE_BYTES;
    }
    __device__ uint32_t full(uint32_t n) const
    {
        return base + STAGES * STAGE_BYTES + 8 * (n % STAGES);
    }
    __device__ uint32_t empty(uint32_t n) const
    {
        return full(n) + 8 * STAGES;
    }
    __device__ void await(uint32_t n) const
    {
        fgi_mbar_wait(full(n), n / STAGES & 1);
    }
    /* By the loading thread: both blocks are done with what was there; `bytes` will come, from both. */
    __device__ void claim(uint32_t n, uint32_t bytes) const
    {
        fgi_mbar_wait(empty(n), (n / STAGES & 1) ^ 1);
        fgi_mbar_expect(full(n), bytes);
    }
    /* By a warp, of which all lanes have read what they read themselves. */
    __device__ void release(uint32_t n) const
    {
        __syncwarp();
        if (threadIdx.x % 32 == 0) fgi_mbar_arrive(empty(n));
        if (threadIdx.x % 32 == 1) fgi_mbar_arrive_cluster(there + 8 * (n % STAGES));
    }
};

/* All threads of both blocks; before it, and after the last use of the ring. */
template <class Ring> __device__ __forceinline__ Ring begin_ring(const uint8_t *raw)
{
    Ring r = {(fgi_shared_address(raw) + ALIGNMENT - 1) & ~(uint32_t)(ALIGNMENT - 1), 0};
    r.there = fgi_cluster_address(r.empty(0), fgi_cluster_rank() ^ 1);
    if (threadIdx.x == 0) {
        for (int s = 0; s < Ring::STAGES; s++) {
            fgi_mbar_init(r.full(s), 1);
            fgi_mbar_init(r.empty(s), PAIR * DEEP_WORKERS / 32);
        }
        fgi_mbar_init_fence();
    }
    fgi_cluster_arrive();
    fgi_cluster_wait();
    return r;
}

/* Neither block may leave while the other still writes to it. */
__device__ __forceinline__ void end_ring(void)
{
    __syncwarp();
    fgi_cluster_arrive();
    fgi_cluster_wait();
}

__device__ __forceinline__ int32_t cluster_number(void)
{
    return (int32_t)(blockIdx.x / PAIR);
}

__device__ __forceinline__ int32_t clusters(void)
{
    return (int32_t)(gridDim.x / PAIR);
}

/* Blocks for so many items of a cluster each. */
inline int32_t deep_grid(const fgi_soft_args &a, int64_t items)
{
    const int32_t most = a.multiprocessors / PAIR;
    return PAIR * (items < most ? (int32_t)items : most);
}

} // namespace soft

#endif
