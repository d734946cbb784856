/* SPDX-License-Identifier: Apache-2.0 */
/* sums.cu - sums over the survivors of each component, about its old mean:
 *     mass = sum r, shift = sum r (x - mean), square = sum r |x - mean|^2
 *
 * pieces   every warp sums an equal share of the sorted survivors in f32, whatever components they belong to, and writes
 *          one partial sum for each component it meets: slot = component + share, which is unique, as each step to the
 *          next partial sum raises at least one of the two. A row is read by LANES lanes, 16 bytes each; SIDE rows side
 *          by side, whose sums are added in a fixed order
 * ring     rows come through shared memory, DEPTH steps ahead, by asynchronous copies of the lane that reads them
 * merge    partial sums of a component are added in order, in f64
 * bytes    2 d a survivor, gathered; bound: memory */
#include "cuda_pass.h"
#include "ptx.cuh"

#include <cuda_fp16.h>

namespace {

enum { WARPS = 8, DEPTH = 8, MOST_SHARE = FGI_CUDA_MOST_SHARE, CTAS_PER_SM = 4 };

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
        if (__ldg(start + middle) <= at) low = middle;
        else high = middle;
    }
    return low;
}

struct piece_sums {
    float sum[8], mass, square;
};

/* Adds up the sides and writes columns `column` .. + 7 of a partial sum; the first call of a segment also mass. */
template <int LANES>
__device__ __forceinline__ void write_partial(piece_sums &s, float *to, int column, int d, int lane)
{
#pragma unroll
    for (int step = LANES; step < 32; step *= 2)
#pragma unroll
        for (int c = 0; c < 8; c++) s.sum[c] += __shfl_xor_sync(~0u, s.sum[c], step);
    if (lane < LANES)
#pragma unroll
        for (int c = 0; c < 8; c++)
            if (column + c < d) to[column + c] = s.sum[c];
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        s.square += __shfl_xor_sync(~0u, s.square, step);
        if (step >= LANES) s.mass += __shfl_xor_sync(~0u, s.mass, step);
    }
}

/* block 256 threads, WARPS * DEPTH * 512 bytes of shared memory. blockIdx.y: which LANES * 8 columns. */
template <int LANES>
__global__ void __launch_bounds__(32 * WARPS, CTAS_PER_SM)
    sum_pieces(fgi_cuda_model model, fgi_cuda_rows rows, const uint2 *__restrict__ sorted,
               const uint32_t *__restrict__ start, float *__restrict__ partial)
{
    constexpr int SIDE = 32 / LANES;
    __shared__ uint4 ring[WARPS][DEPTH][32];
    const int lane = threadIdx.x % 32, side = lane / LANES, d = model.d, width = d + 2 * gridDim.y;
    const int column = (blockIdx.y * LANES + lane % LANES) * 8;
    const uint32_t survivors = start[model.k], warps = gridDim.x * WARPS, share = share_for(survivors, warps);
    uint4(*const mine)[32] = ring[threadIdx.x / 32];
    const bool inside = column < rows.ld;
    const char *x = static_cast<const char *>(rows.high) + (inside ? column * 2 : 0);
    const int64_t pitch = (int64_t)rows.ld * 2;
    for (uint32_t w = blockIdx.x * WARPS + threadIdx.x / 32; (uint64_t)w * share < survivors; w += warps) {
        const uint32_t first = w * share, last = min(first + share, survivors);
        uint32_t j = component_at(start, model.k, first), end = start[j + 1];
        float mean[8];
        piece_sums s = {};
#pragma unroll
        for (int c = 0; c < 8; c++) mean[c] = column + c < d ? __ldg(model.means + (int64_t)j * d + column + c) : 0.0f;
        uint2 ahead = {0, 0}; /* entries of the next 32 survivors to fetch, one a lane */
        auto fetch = [&](uint32_t at, int slot) { /* survivors at .. at + SIDE - 1 */
            if ((at - first) % 32 == 0) ahead = at + lane < last ? __ldg(sorted + at + lane) : make_uint2(0, 0);
            const uint32_t row = __shfl_sync(~0u, ahead.x, (at - first) % 32 + side);
            fgi_copy_16(fgi_shared_address(&mine[slot][lane]), x + row * pitch, inside && at + side < last ? 16 : 0);
            fgi_copy_commit();
        };
#pragma unroll
        for (int i = 0; i < DEPTH - 1; i++) fetch(first + i * SIDE, i);
        uint2 entries = {0, 0};
        int slot = 0;
        for (uint32_t at = first; at < last; at += SIDE) {
            fetch(at + (DEPTH - 1) * SIDE, slot == 0 ? DEPTH - 1 : slot - 1);
            if ((at - first) % 32 == 0) entries = at + lane < last ? __ldg(sorted + at + lane) : make_uint2(0, 0);
            const float weight = __uint_as_float(__shfl_sync(~0u, entries.y, (at - first) % 32 + side));
            fgi_copy_wait<DEPTH - 1>();
            const uint4 raw = mine[slot][lane];
            if (++slot == DEPTH) slot = 0;
            const __half2 *h = reinterpret_cast<const __half2 *>(&raw);
            for (uint32_t done = at;;) { /* once, but where a component ends */
                const uint32_t stop = min(min(at + SIDE, last), end);
                const bool counts = at + side >= done && at + side < stop;
                const float r = counts ? weight : 0.0f;
                s.mass += r;
#pragma unroll
                for (int c = 0; c < 8; c += 2) {
                    const float2 v = __half22float2(h[c / 2]);
                    const float a = v.x - mean[c], b = v.y - mean[c + 1], ra = r * a, rb = r * b;
                    s.sum[c] += ra;
                    s.sum[c + 1] += rb;
                    s.square = fmaf(ra, a, s.square);
                    s.square = fmaf(rb, b, s.square);
                }
                if (stop != end && stop != last) break;
                float *to = partial + (int64_t)(j + w) * width;
                write_partial<LANES>(s, to, column, d, lane);
                if (lane == 0) {
                    to[d + 2 * blockIdx.y] = s.mass;
                    to[d + 2 * blockIdx.y + 1] = s.square;
                }
                if (stop == last) break;
                s = piece_sums();
                done = stop;
                while (end <= stop) end = __ldg(start + ++j + 1);
#pragma unroll
                for (int c = 0; c < 8; c++)
                    mean[c] = column + c < d ? __ldg(model.means + (int64_t)j * d + column + c) : 0.0f;
                if (done == at + SIDE) break;
            }
        }
        fgi_copy_wait<0>();
    }
}

/* One block a component. */
__global__ void merge_pieces(int d, int parts, uint32_t warps, const uint32_t *__restrict__ start, int k,
                             const float *__restrict__ partial, double *mass, double *shift, double *square)
{
    const int j = blockIdx.x, width = d + 2 * parts;
    const uint32_t from = start[j], to = start[j + 1];
    if (from == to) return;
    const uint32_t share = share_for(start[k], warps), first = from / share, last = (to - 1) / share;
    for (int c = threadIdx.x; c < d + 2; c += blockDim.x) {
        double sum = 0.0;
        for (uint32_t w = first; w <= last; w++) {
            const float *p = partial + (int64_t)(j + w) * width;
            if (c < d + 1)
                sum += p[c]; /* place d: the mass, which every part tells alike */
            else
                for (int part = 0; part < parts; part++) sum += p[d + 1 + 2 * part];
        }
        *(c < d ? shift + (int64_t)j * d + c : c == d ? mass + j : square + j) += sum;
    }
}

template <int LANES> cudaError_t launch(const fgi_cuda_sums_args *a, cudaStream_t s)
{
    const int parts = (a->model.d + LANES * 8 - 1) / (LANES * 8);
    const uint32_t warps = (uint32_t)(a->sms * CTAS_PER_SM * WARPS);
    sum_pieces<LANES><<<dim3(a->sms * CTAS_PER_SM, parts), 32 * WARPS, 0, s>>>(a->model, a->rows, a->sorted, a->start,
                                                                              a->partial);
    merge_pieces<<<a->model.k, 160, 0, s>>>(a->model.d, parts, warps, a->start, a->model.k, a->partial, a->mass,
                                            a->shift, a->square);
    return cudaGetLastError();
}

} // namespace

extern "C" int64_t fgi_cuda_sums_partial_floats(int32_t sms, int32_t k, int32_t d, int64_t most_survivors)
{
    const int64_t warps = (int64_t)sms * CTAS_PER_SM * WARPS;
    const int64_t rounds = (most_survivors + warps * MOST_SHARE - 1) / (warps * MOST_SHARE);
    const int parts = (d + 255) / 256;
    return (k + warps * (rounds ? rounds : 1)) * (d + 2 * (int64_t)parts);
}

extern "C" fg_status fgi_cuda_sums(const fgi_cuda_sums_args *a, cudaStream_t s)
{
    if (a->model.d <= 64) return launch<8>(a, s);
    if (a->model.d <= 128) return launch<16>(a, s);
    return launch<32>(a, s);
}
