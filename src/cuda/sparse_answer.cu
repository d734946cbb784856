/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_answer.cu - candidates to what single rows have to tell: their best components, and their densities.
 *
 * Of all candidates the values are found from differences, in f32, of the rows as they are stored, and compared in f64:
 *     value_j = constant_j - h_j |x - mean_j|^2        density = log of the sum over j of 2^value_j        r_j = 2^value_j / sum
 * The best is not looked at where it is alone and nobody asks for more than its name: its responsibility is 1. Sums over a row are
 * sums of integers, so that no order of candidates is another one.
 *
 * grid     a warp a group of 32 rows, a quad of its lanes a value
 * bytes    a row and a mean from L2 for each candidate; bound: latency and L2 */
#include "follow.cuh"
#include "ordered.cuh"
#include "screen_groups.cuh"

namespace screening
{

__device__ const double shares_one = 0x1p40; /* units of sums of integers */

/* Of each row of a group. */
struct best {
    int candidates;
    int column;                /* the best; of equals, the lowest */
    unsigned long long value;  /* its, as ordered bits */
    unsigned long long shares; /* sum of 2^(value - best) */
    int end;                   /* of those that may be told, among the group's */
    int told;                  /* how many these are */
};

/* A group at work. */
struct asked_group {
    const fgi_sparse_answer_args &a;
    best *rows;
    const uint32_t *candidate;
    float *below;   /* what values are below their constants */
    uint2 *telling; /* those that may be told: candidate, bits of value - best */
    int64_t first;  /* row of the chunk */
    int count;
};

/* Whether a row with one candidate needs its value. */
__device__ __forceinline__ bool asks_values(const fgi_sparse_answer_args &a)
{
    return a.to.densities || is_hard(a.screen);
}

/* Of centroids the squared distance with a minus, as rows are stored: they are screened with h = 1/2, in scaled units. */
__device__ __forceinline__ double value_at(const asked_group &g, int i, const best &row)
{
    const fgi_sparse_model &m = g.a.screen.model;
    if (row.candidates == 1 && !asks_values(g.a)) return 0.0;
    const double below = g.below[i], down = __ldg(&m.scale->down);
    return is_hard(g.a.screen) ? -below * (2.0 * down * down) : __ldg(m.constants + (g.candidate[i] >> 16)) - below;
}

/* Its value less the row's best. */
__device__ __forceinline__ float over_best(const asked_group &g, int i, const best &row)
{
    return (float)(value_at(g, i, row) - fgi_from_ordered(row.value));
}

__device__ __forceinline__ float share_of(float over, const best &row)
{
    return exp2f(over) / (float)((double)row.shares / shares_one);
}

/* Whether a component may be told beside the best one. */
__device__ __forceinline__ bool matters(const asked_group &g, float over, const best &row)
{
    return over >= -g.a.screen.cut && share_of(over, row) >= g.a.tau;
}

__device__ __forceinline__ void find_bests(const asked_group &g)
{
    const int lane = threadIdx.x & 31;
    for (int i = lane; i < g.count; i += 32) {
        best *row = &g.rows[row_of(g.candidate[i])];
        atomicMax(&row->value, fgi_ordered(value_at(g, i, *row)));
    }
    __syncwarp();
    for (int i = lane; i < g.count; i += 32) {
        const uint32_t e = g.candidate[i];
        best *row = &g.rows[row_of(e)];
        const float over = over_best(g, i, *row);
        if (over == 0.0f) atomicMin(&row->column, (int)(e >> 16));
        if (over >= -g.a.screen.cut)
            atomicAdd(&row->shares, (unsigned long long)__double2ll_rn((double)exp2f(over) * shares_one));
    }
    __syncwarp();
}

/* A lane a row. */
__device__ __forceinline__ void tell_best(const asked_group &g, int64_t row, const best &b)
{
    const fgi_cuda_answers &to = g.a.to;
    const bool there = b.candidates > 0, hard = is_hard(g.a.screen); /* a bad row has none */
    const double value = fgi_from_ordered(b.value), shares = (double)b.shares / shares_one;
    if (to.densities) to.densities[row] = !there ? CUDART_NAN : hard ? value : fgi_ln_2 * (value + log2(shares));
    if (to.top != 1) return;
    to.components[row] = there ? b.column : -1;
    to.values[row] = !there ? 0.0f : hard ? (float)-value : share_of(0.0f, b);
}

/* Those that may be told, each row's together, in any order. */
__device__ __forceinline__ int gather_telling(const asked_group &g)
{
    const int lane = threadIdx.x & 31;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = lane; i < g.count; i += 32) {
            const uint32_t e = g.candidate[i];
            best *row = &g.rows[row_of(e)];
            const float over = over_best(g, i, *row);
            if ((int)(e >> 16) != row->column && !matters(g, over, *row)) continue;
            if (pass == 0)
                atomicAdd(&row->told, 1);
            else
                g.telling[atomicAdd(&row->end, 1)] = make_uint2(e, __float_as_uint(over));
        }
        __syncwarp();
        if (pass == 0) g.rows[lane].end = counted_before(g.rows[lane].told);
        __syncwarp();
    }
    return __shfl_sync(~0u, g.rows[lane].end, 31);
}

/* Each goes where its rank says; places beyond the last one say so. */
__device__ __forceinline__ void tell_ranked(const asked_group &g, int count)
{
    const int lane = threadIdx.x & 31;
    const fgi_cuda_answers &to = g.a.to;
    for (int i = lane; i < count; i += 32) {
        const uint2 own = g.telling[i];
        const best row = g.rows[row_of(own.x)];
        const float over = __uint_as_float(own.y);
        int rank = 0;
        for (int other = row.end - row.told; other < row.end; other++) {
            const uint2 o = g.telling[other];
            rank += __uint_as_float(o.y) > over || (__uint_as_float(o.y) == over && o.x < own.x);
        }
        if (rank >= to.top) continue;
        const int64_t at = (g.first + row_of(own.x)) * to.top + rank;
        to.components[at] = (int32_t)(own.x >> 16);
        to.values[at] = share_of(over, row);
    }
    const int64_t rows = min((int64_t)FGI_SPARSE_GROUP, g.a.screen.rows.rows - g.first);
    for (int64_t i = lane; i < rows * to.top; i += 32) {
        if (i % to.top < g.rows[i / to.top].told) continue;
        to.components[g.first * to.top + i] = -1;
        to.values[g.first * to.top + i] = 0.0f;
    }
}

template <class T> __device__ __forceinline__ void answer_group(const asked_group &g, const fgi_sparse_group *info)
{
    const int lane = threadIdx.x & 31;
    const fgi_sparse_screen_args &s = g.a.screen;
    const bool there = g.first + lane < s.rows.rows;
    if (leave_over(s, info, g.first, there, there ? __ldg(s.rows.norm + g.first + lane) : 0.0f)) return;
    g.rows[lane] = {0, INT32_MAX, 0, 0, 0, 0};
    __syncwarp();
    for (int i = lane; i < g.count; i += 32) atomicAdd(&g.rows[row_of(g.candidate[i])].candidates, 1);
    __syncwarp();
    find_below<T>(s, g.first, g.candidate, g.count, g.below,
                  [&](uint32_t e) { return asks_values(g.a) || g.rows[row_of(e)].candidates > 1; });
    find_bests(g);
    if (there) tell_best(g, g.first + lane, g.rows[lane]);
    if (g.a.to.top > 1) tell_ranked(g, gather_telling(g));
}

template <class T>
__global__ void __launch_bounds__(32 * GROUP_WARPS, 3) answer(const __grid_constant__ fgi_sparse_answer_args a)
{
    __shared__ best rows[GROUP_WARPS][FGI_SPARSE_GROUP];
    fgi_follow_wait();
    const int warp = threadIdx.x / 32;
    const int32_t number = blockIdx.x * GROUP_WARPS + warp; /* of the group, in the order of rows */
    const fgi_sparse_screen_args &s = a.screen;
    if ((int64_t)number * FGI_SPARSE_GROUP >= s.rows.rows) return;
    const group_place p = place_of_group(s.streams, number);
    const asked_group g = {a,
                           rows[warp],
                           s.streams.candidate + p.at,
                           s.value + p.at,
                           s.streams.survivor + p.at,
                           (int64_t)number * FGI_SPARSE_GROUP,
                           p.info->candidates};
    answer_group<T>(g, p.info);
}

/* ---------------------------------------------------------------------------------------- of rows left over */

enum { REJOIN_BLOCKS = 64, REJOIN_WARPS = 8 };

/* A warp a row. */
__global__ void __launch_bounds__(32 * REJOIN_WARPS)
    rejoin(fgi_sparse_spill spill, fgi_cuda_answers from, fgi_cuda_answers to)
{
    fgi_follow_here();
    const int lane = threadIdx.x % 32;
    for (int32_t i = blockIdx.x * REJOIN_WARPS + threadIdx.x / 32; i < *spill.count; i += gridDim.x * REJOIN_WARPS) {
        const int64_t row = spill.from[i];
        for (int32_t c = lane; c < to.top; c += 32) {
            to.components[row * to.top + c] = from.components[(int64_t)i * to.top + c];
            to.values[row * to.top + c] = from.values[(int64_t)i * to.top + c];
        }
        if (lane == 0 && to.densities) to.densities[row] = from.densities[i];
    }
}

} // namespace screening

extern "C" cudaError_t fgi_sparse_answer(const fgi_sparse_answer_args *a, cudaStream_t stream)
{
    return fgi_with_element(a->screen.rows.exact.dtype, [&](auto element) {
        return fgi_follow(screening::answer<decltype(element)>, screening::blocks_for_groups(a->screen.rows.rows),
                          32 * screening::GROUP_WARPS, 0, stream, *a);
    });
}

extern "C" cudaError_t fgi_sparse_rejoin(const fgi_sparse_spill *spill, const fgi_cuda_answers *from,
                                         const fgi_cuda_answers *to, cudaStream_t stream)
{
    return fgi_follow(screening::rejoin, screening::REJOIN_BLOCKS, 32 * screening::REJOIN_WARPS, 0, stream, *spill, *from,
                      *to);
}
