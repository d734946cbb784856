/* SPDX-License-Identifier: Apache-2.0 */
/* order.cu - sorts the survivors of a chunk by component; within a component by stream, then by place in the stream. A
 * stable sort: no order depends on timing.
 *
 * A block is a few consecutive streams.
 * count    a block's histogram, by integer atomics in shared memory
 * scan     histogram -> entries of the component in earlier blocks; component totals
 * starts   totals -> first entry of each component
 * place    sorts the block by component in shared memory, DIGIT bits a pass, lowest first, and writes runs of equal
 *          component: a scattered 8-byte write costs as much as a 32-byte one, and L2 takes only so many */
#include "cuda_pass.h"

namespace {

enum {
    STREAMS_EACH = 3, /* of a block, where they fit; else 1 */
    MOST_BYTES = 222 * 1024,
    COUNT_THREADS = 1024,
    SCAN_COMPONENTS = 32,
    SCAN_SEGMENTS = 32,
    PLACE_THREADS = 1024,
    PLACE_WARPS = PLACE_THREADS / 32,
    DIGIT = 5,
    BINS = 1 << DIGIT,
};

__device__ __forceinline__ uint32_t stream_size(const fgi_cuda_streams &in, int stream)
{
    return stream < in.streams ? min(in.count[stream], (uint32_t)in.capacity) : 0;
}

/* Dynamic shared memory: k counters of 16 bits. */
template <int EACH>
__global__ void __launch_bounds__(COUNT_THREADS) count_entries(fgi_cuda_streams in, int k, uint32_t *histogram)
{
    extern __shared__ uint32_t pairs[];
    for (int j = threadIdx.x; j < (k + 1) / 2; j += COUNT_THREADS) pairs[j] = 0;
    __syncthreads();
    for (int s = blockIdx.x * EACH; s < (int)(blockIdx.x + 1) * EACH; s++) {
        const uint32_t size = stream_size(in, s);
        const uint32_t *entry = in.entry + (int64_t)s * in.capacity;
        for (uint32_t i = threadIdx.x; i < size; i += COUNT_THREADS) {
            const uint32_t j = entry[i] >> 16;
            atomicAdd(&pairs[j / 2], j % 2 ? 0x10000u : 1u);
        }
    }
    __syncthreads();
    uint32_t *to = histogram + (int64_t)blockIdx.x * k;
    for (int j = threadIdx.x; j < k; j += COUNT_THREADS) to[j] = j % 2 ? pairs[j / 2] >> 16 : pairs[j / 2] & 0xffff;
}

__global__ void scan_blocks(int k, int blocks, uint32_t *histogram, uint32_t *total)
{
    __shared__ uint32_t part[SCAN_SEGMENTS][SCAN_COMPONENTS + 1];
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
    uint32_t all, *place = &counter[threadIdx.x % PLACE_WARPS][threadIdx.x / PLACE_WARPS];
    const uint32_t before = scan_block(*place, scratch, &all);
    *place = before;
    __syncthreads();
    for (uint32_t i = first + lane; i - lane < last; i += 32) {
        const bool has = i < last;
        const uint32_t key = has ? from[i] : 0, bin = key >> shift & (BINS - 1);
        const uint32_t peers = __match_any_sync(~0u, has ? bin : ~0u), earlier = __popc(peers & ((1u << lane) - 1));
        const uint32_t base = has ? mine[bin] : 0;
        __syncwarp();
        if (has) to[base + earlier] = key;
        if (has && earlier == 0) mine[bin] = base + __popc(peers);
        __syncwarp();
    }
    __syncthreads();
}

/* Dynamic shared memory: two arrays of `most` keys, component << 16 | place in the block; weights; rows in the stream. */
template <int EACH>
__global__ void __launch_bounds__(PLACE_THREADS)
    place_entries(fgi_cuda_streams in, int k, uint32_t most, const uint32_t *__restrict__ before,
                  const uint32_t *__restrict__ start, uint2 *__restrict__ sorted)
{
    static_assert(PLACE_THREADS == PLACE_WARPS * BINS, "");
    extern __shared__ uint32_t keys[];
    __shared__ uint32_t counter[PLACE_WARPS][BINS], scratch[32];
    uint32_t *from = keys, *to = keys + most, first[EACH + 1] = {};
    float *weights = reinterpret_cast<float *>(keys + 2 * most);
    uint16_t *locals = reinterpret_cast<uint16_t *>(keys + 3 * most);
#pragma unroll
    for (int s = 0; s < EACH; s++) {
        const int stream = blockIdx.x * EACH + s;
        const uint32_t size = stream_size(in, stream);
        const uint32_t *entry = in.entry + (int64_t)stream * in.capacity;
        const float *weight = in.weight + (int64_t)stream * in.capacity;
#pragma unroll 4
        for (uint32_t i = threadIdx.x; i < size; i += PLACE_THREADS) {
            const uint32_t e = entry[i], at = first[s] + i;
            from[at] = (e & 0xffff0000u) | at;
            weights[at] = weight[i];
            locals[at] = (uint16_t)e;
        }
        first[s + 1] = first[s] + size;
    }
    __syncthreads();
    const uint32_t size = first[EACH], each = ((size + PLACE_WARPS - 1) / PLACE_WARPS + 31) & ~31u;
    for (int bits = 0; k - 1 >> bits; bits += DIGIT) {
        sort_pass(from, to, size, each, 16 + bits, counter, scratch);
        uint32_t *other = from;
        from = to, to = other;
    }
    /* runs of equal component: where each began, and where it goes */
    const uint32_t step = in.streams * FGI_CUDA_STREAM_ROWS, lane = threadIdx.x % 32, begin = threadIdx.x / 32 * each;
    const uint32_t last = min(begin + each, size);
    uint32_t run = 0; /* the first key of the run that a window begins with */
    if (begin < last) {
        const uint32_t j = from[begin] >> 16;
        uint32_t high = begin;
        while (run < high) {
            const uint32_t middle = (run + high) / 2;
            if (from[middle] >> 16 < j) run = middle + 1;
            else high = middle;
        }
    }
    const uint32_t *own = before + (int64_t)blockIdx.x * k;
    for (uint32_t i = begin + lane; i - lane < last; i += 32) {
        const bool has = i < last;
        const uint32_t key = has ? from[i] : ~0u, j = key >> 16, place = key & 0xffff;
        const bool head = has && (i == 0 || from[i - 1] >> 16 != j);
        const uint32_t heads = __ballot_sync(~0u, head), upto = heads & (0xffffffffu >> (31 - lane));
        const uint32_t start_at = upto ? i - lane + 31 - __clz(upto) : run;
        if (heads) run = i - lane + 31 - __clz(heads);
        int s = 0;
#pragma unroll
        for (int n = 1; n < EACH; n++)
            if (place >= first[n]) s = n;
        if (!has) continue;
        const uint32_t local = locals[place];
        const uint32_t row = (blockIdx.x * EACH + s) * FGI_CUDA_STREAM_ROWS + local / FGI_CUDA_STREAM_ROWS * step +
                             local % FGI_CUDA_STREAM_ROWS;
        sorted[__ldg(start + j) + __ldg(own + j) + (i - start_at)] = make_uint2(row, __float_as_uint(weights[place]));
    }
}

template <int EACH> cudaError_t launch(const fgi_cuda_order_args *a, cudaStream_t s)
{
    const int blocks = (a->in.streams + EACH - 1) / EACH, most = (a->in.capacity * EACH + 1) & ~1;
    const int count_bytes = (a->k + 1) / 2 * 4, place_bytes = most * 14;
    if (place_bytes > MOST_BYTES) return cudaErrorInvalidValue;
    cudaError_t e = cudaFuncSetAttribute(count_entries<EACH>, cudaFuncAttributeMaxDynamicSharedMemorySize, count_bytes);
    if (e == cudaSuccess)
        e = cudaFuncSetAttribute(place_entries<EACH>, cudaFuncAttributeMaxDynamicSharedMemorySize, place_bytes);
    if (e != cudaSuccess) return e;
    count_entries<EACH><<<blocks, COUNT_THREADS, count_bytes, s>>>(a->in, a->k, a->before);
    scan_blocks<<<(a->k + SCAN_COMPONENTS - 1) / SCAN_COMPONENTS, dim3(SCAN_COMPONENTS, SCAN_SEGMENTS), 0, s>>>(
        a->k, blocks, a->before, a->start);
    find_starts<<<1, 1024, 0, s>>>(a->k, a->start);
    place_entries<EACH><<<blocks, PLACE_THREADS, place_bytes, s>>>(a->in, a->k, most, a->before, a->start, a->sorted);
    return cudaGetLastError();
}

} // namespace

extern "C" int32_t fgi_cuda_order_blocks(int32_t streams, int32_t capacity)
{
    return capacity * STREAMS_EACH * 14 <= MOST_BYTES ? (streams + STREAMS_EACH - 1) / STREAMS_EACH : streams;
}

extern "C" int32_t fgi_cuda_order_most_capacity(void)
{
    return MOST_BYTES / 14;
}

extern "C" fg_status fgi_cuda_order(const fgi_cuda_order_args *a, cudaStream_t s)
{
    return a->in.capacity * STREAMS_EACH * 14 <= MOST_BYTES ? launch<STREAMS_EACH>(a, s) : launch<1>(a, s);
}
