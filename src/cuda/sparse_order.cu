/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_order.cu - sorts the survivors of a chunk by component; within a component by stream, then by place in the stream. A
 * stable sort: no order depends on timing.
 *
 * count    a stream's histogram, by integer atomics in shared memory
 * scan     histogram -> entries of the component in earlier streams; component totals
 * starts   totals -> first entry of each component
 * place    sorts the stream by component in shared memory, DIGIT bits a pass, lowest first, and writes runs of equal
 *          component: a scattered 8-byte write costs as much as a 32-byte one, and L2 takes only so many
 * bound    L2 transactions: 46 us for 2.5M entries, K = 1024 (bench/NOTES.md) */
#include "cuda_sparse.h"
#include "follow.cuh"
#include "grant.cuh"

namespace
{

enum {
    ENTRY_BYTES = 14,        /* two keys, weight, row in the stream */
    MOST_BYTES = 206 * 1024, /* of a stream, without the table */
    COUNT_THREADS = 512,
    TABLE = 4096, /* components whose places fit in shared memory beside the block */
    SCAN_COMPONENTS = 16,
    SCAN_SEGMENTS = 64,
    DIGIT = 5,
    BINS = 1 << DIGIT,
};

/* Groups of each stream that the chunk has. */
__device__ __forceinline__ int32_t groups_used(const fgi_sparse_order_args &a)
{
    const int32_t wave = a.in.streams * FGI_SPARSE_GROUP;
    return (a.rows + wave - 1) / wave;
}

/* Dynamic shared memory: k counters of 16 bits. */
__global__ void __launch_bounds__(COUNT_THREADS) count_entries(const __grid_constant__ fgi_sparse_order_args a)
{
    extern __shared__ uint32_t pairs[];
    fgi_follow_here();
    for (int j = threadIdx.x; j < (a.k + 1) / 2; j += COUNT_THREADS) pairs[j] = 0;
    __syncthreads();
    const uint2 *survivor = a.in.survivor + (int64_t)blockIdx.x * a.in.capacity;
    const fgi_sparse_group *group = a.in.group + (int64_t)blockIdx.x * a.in.groups;
    for (int32_t t = threadIdx.x / 32; t < groups_used(a); t += COUNT_THREADS / 32)
        for (int32_t i = threadIdx.x % 32; i < group[t].survivors; i += 32) {
            const uint32_t j = survivor[group[t].begin + i].x >> 16;
            atomicAdd(&pairs[j / 2], j % 2 ? 0x10000u : 1u);
        }
    __syncthreads();
    uint32_t *to = a.before + (int64_t)blockIdx.x * a.k;
    for (int j = threadIdx.x; j < a.k; j += COUNT_THREADS) to[j] = j % 2 ? pairs[j / 2] >> 16 : pairs[j / 2] & 0xffff;
}

__global__ void scan_blocks(int k, int blocks, uint32_t *histogram, uint32_t *total)
{
    __shared__ uint32_t part[SCAN_SEGMENTS][SCAN_COMPONENTS + 1];
    fgi_follow_here();
    const int j = blockIdx.x * SCAN_COMPONENTS + threadIdx.x, segment = threadIdx.y;
    const int each = (blocks + SCAN_SEGMENTS - 1) / SCAN_SEGMENTS;
    const int first = segment * each, last = min(blocks, first + each);
    uint32_t sum = 0;
    if (j < k)
#pragma unroll 8
        for (int b = first; b < last; b++) sum += histogram[(int64_t)b * k + j];
    part[segment][threadIdx.x] = sum;
    __syncthreads();
    uint32_t before = 0;
    for (int s = 0; s < segment; s++) before += part[s][threadIdx.x];
    if (j >= k) return;
#pragma unroll 8
    for (int b = first; b < last; b++) {
        const uint32_t n = histogram[(int64_t)b * k + j];
        histogram[(int64_t)b * k + j] = before;
        before += n;
    }
    if (segment == SCAN_SEGMENTS - 1) total[j] = before;
}

/* Exclusive scan over the block; the total to *all. */
__device__ uint32_t scan_block(uint32_t v, uint32_t *scratch, uint32_t *all)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t inclusive = v;
    for (int step = 1; step < 32; step *= 2) {
        const uint32_t a = __shfl_up_sync(~0u, inclusive, step);
        if (lane >= step) inclusive += a;
    }
    if (lane == 31) scratch[warp] = inclusive;
    __syncthreads();
    uint32_t before = 0, sum = 0;
    for (int w = 0; w < (int)blockDim.x / 32; w++) {
        if (w == warp) before = sum;
        sum += scratch[w];
    }
    __syncthreads();
    *all = sum;
    return before + inclusive - v;
}

/* start holds the totals on entry. One block. */
__global__ void find_starts(int k, uint32_t *start)
{
    __shared__ uint32_t scratch[32];
    fgi_follow_here();
    uint32_t base = 0, all;
    for (int from = 0; from < k; from += blockDim.x) {
        const int j = from + threadIdx.x;
        const uint32_t at = scan_block(j < k ? start[j] : 0, scratch, &all);
        if (j < k) start[j] = base + at;
        base += all;
    }
    if (threadIdx.x == 0) start[k] = base;
}

/* One pass of the sort: keys from -> to, stable, by DIGIT bits from `shift` on. Warp w holds keys w * each .. of them. */
template <int PLACE_WARPS>
__device__ void sort_pass(const uint32_t *from, uint32_t *to, uint32_t size, uint32_t each, int shift,
                          uint32_t (*counter)[BINS], uint32_t *scratch)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const uint32_t first = warp * each, last = min(first + each, size);
    uint32_t *mine = counter[warp];
    mine[lane] = 0;
    __syncwarp();
    for (uint32_t i = first + lane; i < last; i += 32) atomicAdd(&mine[from[i] >> shift & (BINS - 1)], 1u);
    __syncthreads();
    /* by bin, then by warp: thread t = bin * PLACE_WARPS + warp */
    uint32_t all, base_of = 0;
#pragma unroll
    for (int part = 0; part < BINS * PLACE_WARPS; part += PLACE_WARPS * 32) {
        const int t = part + threadIdx.x;
        uint32_t *place = &counter[t % PLACE_WARPS][t / PLACE_WARPS];
        *place = base_of + scan_block(*place, scratch, &all);
        base_of += all;
    }
    __syncthreads();
    for (uint32_t i = first + lane; i - lane < last; i += 32) {
        const bool has = i < last;
        const uint32_t key = has ? from[i] : 0, bin = key >> shift & (BINS - 1);
        uint32_t peers = __ballot_sync(~0u, has);
#pragma unroll
        for (int b = 0; b < DIGIT; b++) {
            const uint32_t ones = __ballot_sync(~0u, bin >> b & 1);
            peers &= bin >> b & 1 ? ones : ~ones;
        }
        const uint32_t earlier = __popc(peers & ((1u << lane) - 1));
        const uint32_t base = has ? mine[bin] : 0;
        __syncwarp();
        if (has) to[base + earlier] = key;
        if (has && earlier == 0) mine[bin] = base + __popc(peers);
        __syncwarp();
    }
    __syncthreads();
}

/* Survivors of a stream, one group behind the other, to shared memory. Tells how many. */
template <int PLACE_WARPS>
__device__ uint32_t gather(const fgi_sparse_order_args &a, uint32_t *keys, float *weights, uint16_t *locals)
{
    __shared__ uint32_t before[FGI_SPARSE_MOST_GROUPS + 1];
    const int lane = threadIdx.x % 32, used = groups_used(a);
    const uint2 *survivor = a.in.survivor + (int64_t)blockIdx.x * a.in.capacity;
    const fgi_sparse_group *group = a.in.group + (int64_t)blockIdx.x * a.in.groups;
    if (threadIdx.x < 32) {
        uint32_t upto = lane < used ? group[lane].survivors : 0;
        for (int step = 1; step < 32; step *= 2) {
            const uint32_t earlier = __shfl_up_sync(~0u, upto, step);
            if (lane >= step) upto += earlier;
        }
        before[lane + 1] = upto;
        if (lane == 0) before[0] = 0;
    }
    __syncthreads();
    for (int t = threadIdx.x / 32; t < used; t += PLACE_WARPS)
        for (uint32_t i = lane; i < before[t + 1] - before[t]; i += 32) {
            const uint2 e = survivor[group[t].begin + i];
            const uint32_t at = before[t] + i;
            keys[at] = (e.x & 0xffff0000u) | at;
            weights[at] = __uint_as_float(e.y);
            locals[at] = (uint16_t)e.x;
        }
    __syncthreads();
    return before[FGI_SPARSE_MOST_GROUPS];
}

/* Dynamic shared memory: two arrays of `most` keys, component << 16 | place in the stream; weights; rows in the stream; then,
 * for few components, next places. One block a stream. */
template <int PLACE_WARPS>
__global__ void __launch_bounds__(32 * PLACE_WARPS)
    place_entries(const __grid_constant__ fgi_sparse_order_args a, uint32_t most)
{
    extern __shared__ uint32_t keys[];
    __shared__ uint32_t counter[PLACE_WARPS][BINS], scratch[32];
    fgi_follow_wait();
    const int k = a.k;
    uint32_t *from = keys, *to = keys + most;
    float *weights = reinterpret_cast<float *>(keys + 2 * most);
    uint16_t *locals = reinterpret_cast<uint16_t *>(keys + 3 * most);
    const uint32_t size = gather<PLACE_WARPS>(a, from, weights, locals);
    const uint32_t each = ((size + PLACE_WARPS - 1) / PLACE_WARPS + 31) & ~31u;
    for (int bits = 0; k - 1 >> bits; bits += DIGIT) {
        sort_pass<PLACE_WARPS>(from, to, size, each, 16 + bits, counter, scratch);
        uint32_t *other = from;
        from = to, to = other;
    }
    /* runs of equal component: where each began, and where it goes */
    const uint32_t step = a.in.streams * FGI_SPARSE_GROUP, lane = threadIdx.x % 32, begin = threadIdx.x / 32 * each;
    const uint32_t last = min(begin + each, size);
    uint32_t run = 0; /* the first key of the run that a window begins with */
    if (begin < last) {
        const uint32_t j = from[begin] >> 16;
        uint32_t high = begin;
        while (run < high) {
            const uint32_t middle = (run + high) / 2;
            if (from[middle] >> 16 < j)
                run = middle + 1;
            else
                high = middle;
        }
    }
    const uint32_t *own = a.before + (int64_t)blockIdx.x * k, *start = a.start;
    uint32_t *table = reinterpret_cast<uint32_t *>(locals + most);
    if (k <= TABLE) {
        for (int j = threadIdx.x; j < k; j += blockDim.x) table[j] = start[j] + own[j];
        __syncthreads();
    }
    for (uint32_t i = begin + lane; i - lane < last; i += 32) {
        const bool has = i < last;
        const uint32_t key = has ? from[i] : ~0u, j = key >> 16, place = key & 0xffff;
        const bool head = has && (i == 0 || from[i - 1] >> 16 != j);
        const uint32_t heads = __ballot_sync(~0u, head), upto = heads & (0xffffffffu >> (31 - lane));
        const uint32_t start_at = upto ? i - lane + 31 - __clz(upto) : run;
        if (heads) run = i - lane + 31 - __clz(heads);
        if (!has) continue;
        const uint32_t local = locals[place];
        const uint32_t row = blockIdx.x * FGI_SPARSE_GROUP + local / FGI_SPARSE_GROUP * step + local % FGI_SPARSE_GROUP;
        a.sorted[(k <= TABLE ? table[j] : __ldg(start + j) + __ldg(own + j)) + (i - start_at)] =
            make_uint2(row, __float_as_uint(weights[place]));
    }
}

template <int PLACE_WARPS> cudaError_t place(const fgi_sparse_order_args *a, uint32_t most, cudaStream_t stream)
{
    const int bytes = (int)most * ENTRY_BYTES + (a->k <= TABLE ? a->k * 4 : 0);
    const cudaError_t e = fgi_grant_shared(place_entries<PLACE_WARPS>, MOST_BYTES + TABLE * 4);
    if (e != cudaSuccess) return e;
    return fgi_follow(place_entries<PLACE_WARPS>, (unsigned)a->in.streams, 32 * PLACE_WARPS, (size_t)bytes, stream, *a,
                      most);
}

} // namespace

extern "C" int32_t fgi_sparse_most_capacity(void)
{
    return MOST_BYTES / ENTRY_BYTES;
}

extern "C" cudaError_t fgi_sparse_order(const fgi_sparse_order_args *a, cudaStream_t stream)
{
    const uint32_t most = (a->in.capacity + 1) & ~1;
    const int count_bytes = (a->k + 1) / 2 * 4;
    if (a->in.capacity > fgi_sparse_most_capacity()) return cudaErrorInvalidValue;
    cudaError_t e = fgi_grant_shared(count_entries, FGI_SPARSE_MOST_COMPONENTS * 2);
    if (e == cudaSuccess)
        e = fgi_follow(count_entries, (unsigned)a->in.streams, COUNT_THREADS, (size_t)count_bytes, stream, *a);
    if (e == cudaSuccess)
        e = fgi_follow(scan_blocks, (unsigned)((a->k + SCAN_COMPONENTS - 1) / SCAN_COMPONENTS),
                       dim3(SCAN_COMPONENTS, SCAN_SEGMENTS), 0, stream, a->k, a->in.streams, a->before, a->start);
    if (e == cudaSuccess) e = fgi_follow(find_starts, 1, 1024, 0, stream, a->k, a->start);
    if (e != cudaSuccess) return e;
    /* three blocks a multiprocessor where they fit: their phases overlap */
    return most * ENTRY_BYTES * 3 <= MOST_BYTES ? place<16>(a, most, stream) : place<32>(a, most, stream);
}
