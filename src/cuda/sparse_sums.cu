/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_sums.cu - sums over the survivors of each component, about its old mean, of the rows as they are stored:
 *     mass = sum r, shift = sum r (x - mean), square = sum r |x - mean|^2
 *
 * pieces   every warp sums an equal share of the sorted survivors in f32, whatever components they belong to, and writes
 *          one partial sum for each component it meets: slot = component + share, which is unique, as each step to the
 *          next partial sum raises at least one of the two. A row is read by a power of two of lanes, 16 bytes each;
 *          several rows side by side, whose sums are added in a fixed order
 * ring     rows come through shared memory, DEPTH steps ahead, by asynchronous copies of the lane that reads them
 * merge    partial sums of a component are added in f64, a few slices of them side by side: a component may have most rows
 * bytes    a row a survivor, gathered; bound: memory. 10M rows x 128 halves: 0.8 ms, 3.4 TB/s (bench/NOTES.md) */
#include "cuda_sparse.h"
#include "elements.cuh"
#include "follow.cuh"
#include "ptx.cuh"

namespace
{

enum { WARPS = 8, DEPTH = 8, MOST_SHARE = 1024 /* survivors that are summed in f32 */ };

/* Of a block that merges: columns, and threads for each, which take every so many-th piece. */
enum { MERGE_COLUMNS = 160, MERGE_SLICES = 2 };

/* Blocks that a multiprocessor holds: units of bytes have 16 sums to keep, and diagonal statistics twice as many. */
template <class T, bool DIAGONAL> constexpr int blocks_each = sizeof(T) == 1 ? 2 : DIAGONAL ? 3 : 4;

/* Survivors a share: as few rounds of all `warps` as give shares of at most MOST_SHARE. */
__host__ __device__ __forceinline__ uint32_t share_for(uint32_t survivors, uint32_t warps)
{
    const uint32_t rounds = (survivors + warps * MOST_SHARE - 1) / (warps * MOST_SHARE);
    const uint32_t shares = warps * (rounds ? rounds : 1);
    const uint32_t share = (survivors + shares - 1) / shares;
    return share ? share : 1;
}

/* The component that holds sorted survivor `at`: the last j with start[j] <= at. */
__device__ __forceinline__ uint32_t component_at(const uint32_t *start, uint32_t k, uint32_t at)
{
    uint32_t low = 0, high = k;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (__ldg(start + middle) <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How a row is spread over lanes: `lanes` of them, a power of two, have a unit each; gridDim.y parts make a row. */
struct spread {
    int32_t lanes, parts;
};

template <class T> spread spread_for(int32_t d)
{
    const int32_t units = (d + fgi_unit<T>::elements - 1) / fgi_unit<T>::elements;
    int32_t lanes = 4;
    while (lanes < units && lanes < 32) lanes *= 2;
    return {lanes, (units + lanes - 1) / lanes};
}

/* Floats of a partial sum: shift, diagonal squares, then mass and square of every part. */
__host__ __device__ __forceinline__ int32_t width_for(int32_t d, bool diagonal, int32_t parts)
{
    return (diagonal ? 2 * d : d) + 2 * parts;
}

template <class T, bool DIAGONAL> struct piece {
    static constexpr int EACH = fgi_unit<T>::elements;
    float sum[EACH], mean[EACH], squares[DIAGONAL ? EACH : 1], mass;
    __device__ __forceinline__ void begin(const fgi_sparse_model &m, uint32_t j, int column)
    {
        mass = squares[0] = 0.0f;
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            sum[c] = 0.0f;
            if (DIAGONAL) squares[c] = 0.0f;
            mean[c] = column + c < m.ld ? __ldg(m.means + (int64_t)j * m.ld + column + c) : 0.0f;
        }
    }
    __device__ __forceinline__ void add(const fgi_unit<T> &x, float r)
    {
        mass += r;
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const float a = x.x[c] - mean[c], ra = r * a;
            sum[c] += ra;
            squares[DIAGONAL ? c : 0] = fmaf(ra, a, squares[DIAGONAL ? c : 0]);
        }
    }
    /* Adds up the sides. */
    __device__ __forceinline__ void write(float *to, int column, int d, int lanes)
    {
        const int lane = threadIdx.x % 32;
        for (int step = lanes; step < 32; step *= 2)
#pragma unroll
            for (int c = 0; c < EACH; c++) {
                sum[c] += __shfl_xor_sync(~0u, sum[c], step);
                if (DIAGONAL) squares[c] += __shfl_xor_sync(~0u, squares[c], step);
            }
        if (lane < lanes)
#pragma unroll
            for (int c = 0; c < EACH; c++) {
                if (column + c >= d) break;
                to[column + c] = sum[c];
                if (DIAGONAL) to[d + column + c] = squares[c];
            }
#pragma unroll
        for (int step = 1; step < 32; step *= 2) {
            if (!DIAGONAL) squares[0] += __shfl_xor_sync(~0u, squares[0], step);
            if (step >= lanes) mass += __shfl_xor_sync(~0u, mass, step);
        }
        float *tail = to + (DIAGONAL ? 2 * d : d) + 2 * blockIdx.y;
        if (lane == 0) tail[0] = mass, tail[1] = squares[0];
    }
};

/* Rows of the survivors first .. last - 1, in order, as many side by side as there is room for in a warp. */
template <class T> struct row_ring {
    const fgi_sparse_sums_args &a;
    uint4 (*slots)[32];
    uint32_t first, last;
    int column, lanes;
    uint2 ahead; /* of the next 32 survivors to fetch, one a lane */

    __device__ __forceinline__ void fetch(uint32_t at, int slot) /* survivors at .. */
    {
        const int lane = threadIdx.x % 32, side = lane / lanes;
        if ((at - first) % 32 == 0) ahead = at + lane < last ? __ldg(a.sorted + at + lane) : make_uint2(0, 0);
        const uint32_t row = __shfl_sync(~0u, ahead.x, (at - first) % 32 + side);
        const int bytes = at + side < last ? fgi_unit_bytes<T>(column, a.rows.d) : 0;
        const char *from = static_cast<const char *>(a.rows.exact.data) + row * a.rows.exact.pitch;
        fgi_copy_16(fgi_shared_address(&slots[slot][lane]), bytes ? from + column * (int)sizeof(T) : from, bytes);
        fgi_copy_commit();
    }
};

/* One share, first .. last - 1. */
template <class T, bool DIAGONAL>
__device__ __forceinline__ void sum_share(const fgi_sparse_sums_args &a, row_ring<T> &ring, uint32_t w, const float *center)
{
    const int lane = threadIdx.x % 32, sides = 32 / ring.lanes, side = lane / ring.lanes, d = a.rows.d;
    const uint32_t first = ring.first, last = ring.last;
    const float factor = a.rows.exact.factor ? __ldg(a.rows.exact.factor) : 1.0f;
    uint32_t j = component_at(a.start, a.model.k, first), end = __ldg(a.start + j + 1);
    piece<T, DIAGONAL> s;
    s.begin(a.model, j, ring.column);
#pragma unroll
    for (int i = 0; i < DEPTH - 1; i++) ring.fetch(first + i * sides, i);
    uint2 entries = {0, 0};
    int slot = 0;
    for (uint32_t at = first; at < last; at += sides) {
        ring.fetch(at + (DEPTH - 1) * sides, slot == 0 ? DEPTH - 1 : slot - 1);
        if ((at - first) % 32 == 0) entries = at + lane < last ? __ldg(a.sorted + at + lane) : make_uint2(0, 0);
        const float weight = __uint_as_float(__shfl_sync(~0u, entries.y, (at - first) % 32 + side));
        fgi_copy_wait<DEPTH - 1>();
        fgi_unit<T> x;
        fgi_widen(ring.slots[slot][lane], x);
        if (++slot == DEPTH) slot = 0;
#pragma unroll
        for (int c = 0; c < fgi_unit<T>::elements; c++) x.x[c] = fmaf(x.x[c], factor, -center[c]);
        for (uint32_t done = at;;) { /* once, but where a component ends */
            const uint32_t stop = min(min(at + sides, last), end);
            const bool counts = at + side >= done && at + side < stop;
            s.add(x, counts ? weight : 0.0f);
            if (stop != end && stop != last) break;
            s.write(a.partial + (int64_t)(j + w) * width_for(d, DIAGONAL, gridDim.y), ring.column, d, ring.lanes);
            if (stop == last) break;
            done = stop;
            while (end <= stop) end = __ldg(a.start + ++j + 1);
            s.begin(a.model, j, ring.column);
            if (done == at + sides) break;
        }
    }
    fgi_copy_wait<0>();
}

template <class T, bool DIAGONAL>
__global__ void __launch_bounds__(32 * WARPS, blocks_each<T, DIAGONAL>)
    sum_pieces(const __grid_constant__ fgi_sparse_sums_args a, int32_t lanes)
{
    __shared__ uint4 slots[WARPS][DEPTH][32];
    fgi_follow_wait();
    const int column = (blockIdx.y * lanes + threadIdx.x % lanes) * fgi_unit<T>::elements;
    const uint32_t survivors = __ldg(a.start + a.model.k), warps = gridDim.x * WARPS, share = share_for(survivors, warps);
    float center[fgi_unit<T>::elements];
#pragma unroll
    for (int c = 0; c < fgi_unit<T>::elements; c++)
        center[c] = column + c < a.rows.d ? __ldg(a.rows.exact.center + column + c) : 0.0f;
    for (uint32_t w = blockIdx.x * WARPS + threadIdx.x / 32; (uint64_t)w * share < survivors; w += warps) {
        row_ring<T> ring = {a, slots[threadIdx.x / 32], w * share, min(w * share + share, survivors), column, lanes, {0, 0}};
        sum_share<T, DIAGONAL>(a, ring, w, center);
    }
}

/* What is told of a component: diagonal squares have a column each. */
__host__ __device__ __forceinline__ int32_t columns_for(const fgi_sparse_sums_args &a, int32_t tail)
{
    return tail + (a.diagonal ? 1 : 2);
}

/* A block has some columns of a component. */
__global__ void __launch_bounds__(MERGE_COLUMNS *MERGE_SLICES)
    merge_pieces(const __grid_constant__ fgi_sparse_sums_args a, int32_t parts, uint32_t warps)
{
    __shared__ double sums[MERGE_SLICES][MERGE_COLUMNS];
    fgi_follow_here();
    const int j = blockIdx.x, d = a.rows.d, width = width_for(d, a.diagonal, parts), tail = width - 2 * parts;
    const uint32_t from = a.start[j], to = a.start[j + 1];
    if (from == to) return;
    const int in = threadIdx.x % MERGE_COLUMNS, slice = threadIdx.x / MERGE_COLUMNS, c = blockIdx.y * MERGE_COLUMNS + in;
    const uint32_t share = share_for(a.start[a.model.k], warps), first = from / share, last = (to - 1) / share;
    const float *pieces = a.partial + (int64_t)j * width;
    double sum = 0.0;
    if (c <= tail) { /* place `tail`: the mass, which every part tells alike */
#pragma unroll 8
        for (uint32_t w = first + slice; w <= last; w += MERGE_SLICES) sum += pieces[(int64_t)w * width + c];
    } else if (c == tail + 1) {
        for (uint32_t w = first + slice; w <= last; w += MERGE_SLICES)
            for (int part = 0; part < parts; part++) sum += pieces[(int64_t)w * width + tail + 1 + 2 * part];
    }
    sums[slice][in] = sum;
    __syncthreads();
    if (slice > 0 || c >= columns_for(a, tail)) return;
#pragma unroll
    for (int i = 1; i < MERGE_SLICES; i++) sum += sums[i][in];
    if (c < d)
        a.shift[(int64_t)j * d + c] += sum;
    else if (c < tail)
        a.square[(int64_t)j * d + c - d] += sum;
    else
        (c == tail ? a.mass : a.square)[j] += sum;
}

template <class T, bool DIAGONAL> cudaError_t launch(const fgi_sparse_sums_args *a, cudaStream_t stream)
{
    const spread s = spread_for<T>(a->rows.d);
    const int32_t blocks = a->multiprocessors * blocks_each<T, DIAGONAL>;
    const cudaError_t e = fgi_follow(sum_pieces<T, DIAGONAL>, dim3(blocks, s.parts), 32 * WARPS, 0, stream, *a, s.lanes);
    if (e != cudaSuccess) return e;
    const int32_t columns = columns_for(*a, width_for(a->rows.d, DIAGONAL, 0));
    const dim3 grid((unsigned)a->model.k, (unsigned)((columns + MERGE_COLUMNS - 1) / MERGE_COLUMNS));
    return fgi_follow(merge_pieces, grid, MERGE_COLUMNS * MERGE_SLICES, 0, stream, *a, s.parts, (uint32_t)blocks * WARPS);
}

} // namespace

extern "C" int64_t fgi_sparse_partial_floats(int32_t multiprocessors, int32_t k, int32_t d, int32_t diagonal,
                                             int64_t most_survivors)
{
    /* as many shares as the fewest warps make in whole rounds, or one for each of the most */
    const int64_t least = (int64_t)multiprocessors * 2 * WARPS, most = 2 * least;
    const int64_t rounds = (most_survivors + least * MOST_SHARE - 1) / (least * MOST_SHARE);
    const int64_t shares = (rounds + 1) * least > most ? (rounds + 1) * least : most;
    return (k + shares) * width_for(d, diagonal, spread_for<float>(d).parts);
}

extern "C" cudaError_t fgi_sparse_sums(const fgi_sparse_sums_args *a, cudaStream_t stream)
{
    return fgi_with_element(a->rows.exact.dtype, [&](auto element) {
        using T = decltype(element);
        return a->diagonal ? launch<T, true>(a, stream) : launch<T, false>(a, stream);
    });
}
