/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_resolve.cu - candidates to survivors and responsibilities.
 *
 * A row with one candidate belongs to it, whatever its value: all others are below the cut for certain. Where there are
 * several, their values come from differences, in f32, of the rows as they are stored:
 *     value_j = constant_j - h_j |x - mean_j|^2        survivors: value_j >= best - cut,  r_j = 2^(value_j - best) / sum
 * So what comes out depends on the row and the model alone: not on how many candidates there were besides, nor on their
 * order, as sums over a row are sums of integers. Survivors of a group lie in the order of its rows.
 *
 * grid     a warp a group of 32 rows, a quad of its lanes a value
 * bytes    a row and a mean from L2 for each candidate of a row that has several; bound: latency and L2 */
#include "follow.cuh"
#include "ordered.cuh"
#include "ptx.cuh"
#include "reduce.cuh"
#include "screen_groups.cuh"

namespace screening
{

__device__ const float sum_parts = 0x1p25f, entropy_parts = 0x1p24f; /* units of sums of integers */

/* Of each row of a group. */
struct mark {
    int candidates;
    uint32_t best; /* ordered bits of the best value */
    uint32_t sum;  /* of 2^(value - best) */
    int column;    /* the best; of equals, the lowest */
    int place;     /* of the next survivor */
};

/* A group at work. */
struct group {
    const fgi_sparse_screen_args &a;
    mark *marks;
    const uint32_t *candidate;
    const uint16_t *score;
    float *value;
    uint2 *survivor;
    int64_t first; /* row of the chunk */
    int count;
};

/* What a group tells; entropy, changed and survivors first of a lane. */
struct told {
    uint64_t entropy;
    uint32_t candidates, changed, survivors, rows, bad_rows;
    int32_t first_bad_row; /* in the chunk */
};

/* ------------------------------------------------------------------------------------------------- values */

/* A centroid's constant is the same for all: none. */
__device__ __forceinline__ float value_of(const fgi_sparse_screen_args &a, uint32_t j, float below)
{
    return (is_hard(a) ? 0.0f : __ldg(a.model.spheres + 2 * j).y) - below;
}

/* ---------------------------------------------------------------------------------------------- survivors */

/* A row's state becomes that of component j: whether this is another one. */
__device__ __forceinline__ bool put_state(const group &g, int64_t row, uint32_t j, uint32_t state)
{
    const bool changed = !knows_states(g.a) || g.a.state[row] >> 16 != j;
    g.a.state[row] = state;
    return changed;
}

/* The state by component j, whose score stands above the row's reference by so much, in f16. */
__device__ __forceinline__ uint32_t state_above(const group &g, int64_t row, uint32_t j, uint16_t score)
{
    return state_of_score(g.a, j, __ldg(g.a.rows.norm + row), __half2float(__ushort_as_half(score)),
                          reference_for(g.a, row));
}

/* Every row has one candidate at most: it says so in its mark. */
__device__ __forceinline__ void end_single(const group &g, told &out)
{
    const int lane = threadIdx.x & 31;
    if (lane < g.count) {
        const uint32_t e = g.candidate[lane];
        g.marks[row_of(e)].best = e;
        g.marks[row_of(e)].sum = g.score[lane];
    }
    __syncwarp();
    const mark m = g.marks[lane];
    const bool has = m.candidates > 0;
    const uint32_t before = __ballot_sync(~0u, has) & ((1u << lane) - 1);
    if (!has) return;
    g.survivor[__popc(before)] = make_uint2(m.best, __float_as_uint(1.0f));
    out.survivors = 1;
    if (!g.a.state) return;
    const int64_t row = g.first + lane;
    const uint32_t j = m.best >> 16;
    out.changed = put_state(g, row, j, state_above(g, row, j, (uint16_t)m.sum));
}

/* Rows with one candidate among others with several: as if its value were the best, which it is. */
__device__ __forceinline__ float value_among(const group &g, int i, uint32_t e, const mark &m)
{
    return m.candidates > 1 ? value_of(g.a, e >> 16, g.value[i]) : 0.0f;
}

__device__ __forceinline__ void find_best(const group &g)
{
    const int lane = threadIdx.x & 31;
    for (int i = lane; i < g.count; i += 32) {
        const uint32_t e = g.candidate[i];
        mark *m = &g.marks[row_of(e)];
        atomicMax(&m->best, fgi_ordered(value_among(g, i, e, *m)));
    }
    __syncwarp();
    for (int i = lane; i < g.count; i += 32) {
        const uint32_t e = g.candidate[i];
        mark *m = &g.marks[row_of(e)];
        const float below = value_among(g, i, e, *m) - fgi_from_ordered(m->best);
        if (below == 0.0f) atomicMin(&m->column, (int)(e >> 16));
        if (below < -g.a.cut) continue;
        atomicAdd(&m->sum, (uint32_t)__float2uint_rn(fgi_exp2(below) * sum_parts));
        atomicAdd(&m->place, 1);
    }
    __syncwarp();
}

/* From counts to places, in the order of rows. */
__device__ __forceinline__ void find_places(const group &g)
{
    mark *own = &g.marks[threadIdx.x & 31];
    own->place = counted_before(is_hard(g.a) ? own->candidates > 0 : own->place);
    __syncwarp();
}

__device__ __forceinline__ bool keep_state(const group &g, int i, uint32_t e, const mark &m)
{
    const int64_t row = g.first + row_of(e);
    const uint32_t j = e >> 16;
    return put_state(g, row, j, m.candidates > 1 ? state_of_value(g.a, j, g.value[i]) : state_above(g, row, j, g.score[i]));
}

/* Softmax, or the best. */
__device__ __forceinline__ void end_several(const group &g, told &out)
{
    for (int i = threadIdx.x & 31; i < g.count; i += 32) {
        const uint32_t e = g.candidate[i];
        mark *at = &g.marks[row_of(e)];
        const mark m = *at;
        const float below = value_among(g, i, e, m) - fgi_from_ordered(m.best), sum = (float)m.sum * (1.0f / sum_parts);
        const bool is_best = (int)(e >> 16) == m.column;
        if (is_best && g.a.state) out.changed += keep_state(g, i, e, m);
        if (is_hard(g.a) ? !is_best : below < -g.a.cut) continue;
        const float weight = is_hard(g.a) ? 1.0f : __fdividef(fgi_exp2(below), sum);
        if (!is_hard(g.a))
            out.entropy += (uint64_t)__float2ull_rn(fmaxf(weight * (log2f(sum) - below), 0.0f) * entropy_parts);
        g.survivor[atomicAdd(&at->place, 1)] = make_uint2(e, __float_as_uint(weight));
        out.survivors++;
    }
}

/* Nothing comes of a flagged group, but what is known of its rows is made as tight as it can be. */
template <class T> __device__ __forceinline__ void end_flagged(const group &g)
{
    const int lane = threadIdx.x & 31;
    if (!g.a.state) return;
    const bool there = g.first + lane < g.a.rows.rows;
    const uint32_t own = there && knows_states(g.a) ? g.a.state[g.first + lane] >> 16 : 0;
    for (int from = 0; from < FGI_SPARSE_GROUP; from += PAIRS) {
        const int in = from + (lane >> 2);
        const uint32_t j = __shfl_sync(~0u, own, in);
        const int64_t row = min(g.first + in, (int64_t)g.a.rows.rows - 1);
        const float below = below_constant<T>(g.a, row, j);
        if ((lane & 3) == 0 && g.first + in < g.a.rows.rows) g.a.state[row] = state_of_value(g.a, j, below);
    }
}

/* ----------------------------------------------------------------------------------------- the whole warp */

/* All rows of a group that was not flagged. */
template <class T> __device__ __forceinline__ void end_group(const group &g, told &out)
{
    const int lane = threadIdx.x & 31;
    g.marks[lane] = {0, 0, 0, INT32_MAX, 0};
    __syncwarp();
    for (int i = lane; i < g.count; i += 32) atomicAdd(&g.marks[row_of(g.candidate[i])].candidates, 1);
    __syncwarp();
    if (__any_sync(~0u, g.marks[lane].candidates > 1)) {
        find_below<T>(g.a, g.first, g.candidate, g.count, g.value,
                      [&](uint32_t e) { return g.marks[row_of(e)].candidates > 1; });
        find_best(g);
        find_places(g);
        end_several(g, out);
    } else {
        end_single(g, out);
    }
}

template <class T> __device__ __forceinline__ void resolve_group(const group &g, fgi_sparse_group *info, told &out)
{
    const int lane = threadIdx.x & 31;
    const bool there = g.first + lane < g.a.rows.rows;
    const float norm = there ? __ldg(g.a.rows.norm + g.first + lane) : 0.0f;
    if (leave_over(g.a, info, g.first, there, norm)) {
        end_flagged<T>(g);
    } else {
        const uint32_t bad = __ballot_sync(~0u, isnan(norm));
        out.bad_rows = __popc(bad);
        out.rows = __popc(__ballot_sync(~0u, there)) - out.bad_rows;
        if (bad) out.first_bad_row = (int32_t)g.first + __ffs(bad) - 1;
        out.candidates = g.count;
        end_group<T>(g, out);
    }
    out.changed = fgi_warp_reduce(out.changed, fgi_add());
    out.survivors = fgi_warp_reduce(out.survivors, fgi_add());
    out.entropy = fgi_warp_reduce(out.entropy, fgi_add());
    if (lane == 0) info->survivors = (uint16_t)out.survivors;
}

__device__ void tell(const fgi_sparse_screen_args &a, const told *tells)
{
    unsigned long long rows = 0, bad_rows = 0, candidates = 0, changed = 0, survivors = 0, entropy = 0;
    int32_t first_bad = INT32_MAX;
    for (int w = 0; w < GROUP_WARPS; w++) {
        rows += tells[w].rows, bad_rows += tells[w].bad_rows;
        candidates += tells[w].candidates, changed += tells[w].changed;
        survivors += tells[w].survivors, entropy += tells[w].entropy;
        first_bad = min(first_bad, tells[w].first_bad_row);
    }
    atomicAdd((unsigned long long *)&a.told->rows, rows);
    atomicAdd((unsigned long long *)&a.told->candidates, candidates);
    if (changed) atomicAdd((unsigned long long *)&a.told->changed, changed);
    atomicAdd((unsigned long long *)&a.told->survivors, survivors);
    if (entropy) atomicAdd((unsigned long long *)&a.told->entropy, entropy);
    if (bad_rows == 0) return;
    atomicAdd((unsigned long long *)&a.told->bad_rows, bad_rows);
    atomicMin((long long *)&a.told->first_bad_row, (long long)(a.first + first_bad));
}

template <class T>
__global__ void __launch_bounds__(32 * GROUP_WARPS, 3) resolve(const __grid_constant__ fgi_sparse_screen_args a)
{
    __shared__ mark marks[GROUP_WARPS][FGI_SPARSE_GROUP];
    __shared__ told tells[GROUP_WARPS];
    fgi_follow_wait();
    const int warp = threadIdx.x / 32;
    const int32_t number = blockIdx.x * GROUP_WARPS + warp; /* of the group, in the order of rows */
    const fgi_sparse_streams &s = a.streams;
    told out = {0, 0, 0, 0, 0, 0, INT32_MAX};
    if (number < (a.rows.rows + FGI_SPARSE_GROUP - 1) / FGI_SPARSE_GROUP) {
        const group_place p = place_of_group(s, number);
        const group g = {a,
                         marks[warp],
                         s.candidate + p.at,
                         s.score + p.at,
                         a.value + p.at,
                         s.survivor + p.at,
                         (int64_t)number * FGI_SPARSE_GROUP,
                         p.info->candidates};
        resolve_group<T>(g, p.info, out);
    }
    if (threadIdx.x % 32 == 0) tells[warp] = out;
    __syncthreads();
    if (threadIdx.x == 0) tell(a, tells);
}

} // namespace screening

extern "C" cudaError_t fgi_sparse_resolve(const fgi_sparse_screen_args *a, cudaStream_t stream)
{
    return fgi_with_element(a->rows.exact.dtype, [&](auto element) {
        return fgi_follow(screening::resolve<decltype(element)>, screening::blocks_for_groups(a->rows.rows),
                          32 * screening::GROUP_WARPS, 0, stream, *a);
    });
}
