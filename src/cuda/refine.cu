/* SPDX-License-Identifier: Apache-2.0 */
/* refine.cu - the few components of a row that can matter, from differences; responsibilities; what a row has to tell.
 *
 *     reference    the value, from differences, of the component with the largest score
 *     candidates   every j with score_j >= t; t = reference - cut <= largest value - cut, so that whatever is left
 *                  out has a value below t: enough, for every row
 *     in place     score_j becomes value_j - reference, -inf if left out, then r_j: the first has few digits to lose,
 *                  since where the difference is large the responsibility is small
 *
 * A row with a crowd of candidates is listed, and taken up again when all its components have been evaluated, together with those
 * of others (evaluate.cu).
 *
 * Where scores may mislead, because f32 does not hold their terms, no component is left out. Where the m best are wanted,
 * however small, t also stays below the m-th best: below the least value among the components with the m largest scores.
 *
 * grid     a block a row: 32 threads, or 256 for many components; four neighbouring components are a thread's
 * bytes    4 k a row from L2, and to it; 4 d a candidate from L2
 * bound    L2 */
#include "cuda_pass.h"
#include "differences.cuh"
#include "follow.cuh"
#include "grant.cuh"
#include "ordered.cuh"
#include "reduce.cuh"
#include "rows.cuh"
#include "units.cuh"

#include <float.h>          /* FLT_MAX */
#include <math_constants.h> /* CUDART_INF_F */

namespace
{

enum {
    MANY_COMPONENTS = 4096,
    QUADS = 8, /* of a warp */
    LIST = 256,
    MOST_CLOSE = 8192, /* scores in shared memory */
    LEAST_CROWD = 32,
    CROWDED_SHARE = 32, /* candidates beyond so many, and beyond one component in so many, are a crowd */
    LISTED_BLOCKS = 4096
};

/* Scores of rows longer than this, in units of the largest h, could overflow. */
__device__ const float most_term = 1e37f;

/* Values this far above the reference call for a better one: f32 holds smaller ones with an error of 2^-21 of a responsibility. */
__device__ const float most_difference = 4.0f;

/* Rows shorter than this underflow in the product. */
__device__ const float least_norm2 = 1e-30f;

struct place {
    float value;
    int32_t j;
    __device__ bool operator<(const place &o) const /* worse: a lower value; of equals, the higher number */
    {
        return value < o.value || (value == o.value && j > o.j);
    }
};

__device__ __forceinline__ place __shfl_xor_sync(unsigned mask, place p, int step)
{
    return {::__shfl_xor_sync(mask, p.value, step), ::__shfl_xor_sync(mask, p.j, step)};
}

__device__ __forceinline__ place nowhere()
{
    return {-CUDART_INF_F, INT32_MAX};
}

/* Whether several components are wanted, however small. */
__device__ __forceinline__ bool wants_all(const fgi_cuda_refine_args &a)
{
    return a.exact_rank && a.top > 1;
}

/* How far below the best a component still matters. */
__device__ __forceinline__ double cut_of(const fgi_cuda_refine_args &a)
{
    return a.model.kind == FGI_CUDA_HARD ? 0.0 : a.cut;
}

/* A row at work. */
struct job {
    const fgi_cuda_refine_args *a;
    const float *x;
    float *scores;   /* in shared memory, where they fit; */
    float *kept;     /* where responsibilities go */
    float threshold; /* candidates: score >= threshold, */
    bool everything; /* or all that live */
    double reference;
};

/* ---- values */

__device__ __forceinline__ void add_squares(const float4 &x, const float4 &mean, const float4 &scale, float4 &sum)
{
    const float a = x.x - mean.x, b = x.y - mean.y, c = x.z - mean.z, d = x.w - mean.w;
    sum.x = fmaf(scale.x * a, a, sum.x);
    sum.y = fmaf(scale.y * b, b, sum.y);
    sum.z = fmaf(scale.z * c, c, sum.z);
    sum.w = fmaf(scale.w * d, d, sum.w);
}

/* Of one component a quad of threads: all four pass the same j and get the same sum. */
__device__ __forceinline__ float squares(const job &w, int32_t j)
{
    const fgi_cuda_model &m = w.a->model;
    const int32_t ld = m.ld / 4;
    const float4 *x = reinterpret_cast<const float4 *>(w.x);
    const float4 *mean = reinterpret_cast<const float4 *>(m.means) + (int64_t)j * ld;
    const float4 *scale = m.scale ? reinterpret_cast<const float4 *>(m.scale) + (int64_t)j * ld : nullptr;
    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 2
    for (int32_t i = threadIdx.x % 4; i < ld; i += 4)
        add_squares(x[i], mean[i], scale ? scale[i] : make_float4(1.0f, 1.0f, 1.0f, 1.0f), sum);
    float all = (sum.x + sum.y) + (sum.z + sum.w);
    __syncwarp();
    all += ::__shfl_xor_sync(FGI_ALL_LANES, all, 1);
    return all + ::__shfl_xor_sync(FGI_ALL_LANES, all, 2);
}

/* By a whole warp; the same j in all threads of a quad. */
__device__ __forceinline__ double value_of(const job &w, int32_t j)
{
    const float sum = squares(w, j);
    const double distance = isfinite(sum) ? (double)sum : fgi_wide_distance(w.a->model, w.x, j);
    return w.a->model.offset[j] - w.a->model.h[j] * distance;
}

/* Four neighbouring components are one thread's: rows of scores are read and written 16 bytes at a time. Lanes are padded
 * to whole tiles, so that there is no tail. */
template <int THREADS, class F> __device__ __forceinline__ void each_four(const job &w, F take)
{
#pragma unroll 2
    for (int32_t j = 4 * threadIdx.x; j < w.a->model.lanes; j += 4 * THREADS)
        take(j, *reinterpret_cast<float4 *>(w.scores + j));
}

__device__ __forceinline__ float4 all_out()
{
    return make_float4(-CUDART_INF_F, -CUDART_INF_F, -CUDART_INF_F, -CUDART_INF_F);
}

__device__ __forceinline__ bool is_candidate(const job &w, int32_t j, float score)
{
    if (w.everything) return j < w.a->model.k && w.a->model.offset[j] > -CUDART_INF;
    return score >= w.threshold;
}

/* Evaluates the listed candidates, eight at a time, and calls take(j, value) in one thread of each quad. */
template <bool put, class F>
__device__ __forceinline__ void evaluate(const job &w, const int32_t *list, int32_t count, F take)
{
    __syncwarp();
#pragma unroll 1
    for (int32_t first = 0; first < count; first += QUADS) {
        const int32_t at = first + threadIdx.x % 32 / 4, j = list[min(at, count - 1)];
        const double value = value_of(w, j);
        if (at >= count || threadIdx.x % 4 != 0) continue;
        const float given = take(j, value);
        if (put) w.scores[j] = given;
    }
    __syncwarp();
}

/* Calls take(j, value) in some thread for every candidate, and puts what it gives into the score's place if `put`; -inf into
 * those of the others. A warp lists candidates before it looks at them: most groups of components have none, few many. */
template <int THREADS, bool put, class F> __device__ __forceinline__ void each_value(const job &w, F take)
{
    __shared__ int32_t lists[THREADS / 32][LIST];
    int32_t *list = lists[threadIdx.x / 32], count = 0;
    const unsigned before = (1u << threadIdx.x % 32) - 1;
    const int32_t lanes = w.a->model.lanes;
#pragma unroll 1
    for (int32_t own = 4 * threadIdx.x; own - 4 * (int32_t)(threadIdx.x % 32) < lanes; own += 4 * THREADS) {
        float4 *place = reinterpret_cast<float4 *>(w.scores + own);
        const float4 v = *place;
        const float score[4] = {v.x, v.y, v.z, v.w};
        if (put) *place = all_out();
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const unsigned found = __ballot_sync(FGI_ALL_LANES, is_candidate(w, own + e, score[e]));
            if (found >> threadIdx.x % 32 & 1) list[count + __popc(found & before)] = own + e;
            count += __popc(found);
        }
        if (count <= LIST - 4 * 32) continue;
        evaluate<put>(w, list, count, take);
        count = 0;
    }
    evaluate<put>(w, list, count, take);
}

/* ---- thresholds */

/* The largest threshold that `rank` scores reach; -inf if fewer are above that. */
template <int THREADS> __device__ float score_of_rank(const job &w, int32_t rank)
{
    uint32_t key = 0;
    for (int bit = 31; bit >= 0; bit--) {
        const uint32_t higher = key | 1u << bit;
        int32_t count = 0;
        for (int32_t j = threadIdx.x; j < w.a->model.k; j += THREADS) count += fgi_ordered(w.scores[j]) >= higher;
        if (fgi_block_reduce<THREADS>(count, fgi_add()) >= rank) key = higher;
    }
    return fgi_from_ordered(key);
}

template <int THREADS> __device__ double least_value(const job &w)
{
    double least = CUDART_INF;
    each_value<THREADS, false>(w, [&](int32_t, double value) {
        if (value < least) least = value;
        return 0.0f;
    });
    return fgi_block_reduce<THREADS>(least, fgi_least());
}

template <int THREADS> __device__ double largest_value(const job &w)
{
    double largest = -CUDART_INF;
    each_value<THREADS, false>(w, [&](int32_t, double value) {
        if (value > largest) largest = value;
        return 0.0f;
    });
    return fgi_block_reduce<THREADS>(largest, fgi_largest());
}

/* Sets reference and threshold. Tells the value below which everything left out lies. */
template <int THREADS> __device__ double find_threshold(job &w, float norm2)
{
    const fgi_cuda_refine_args &a = *w.a;
    place best = nowhere();
    bool sound = norm2 > least_norm2 && norm2 * *a.model.largest_h < most_term;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        /* neither infinite nor NaN */
        sound = sound && v.x < CUDART_INF_F && v.y < CUDART_INF_F && v.z < CUDART_INF_F && v.w < CUDART_INF_F;
        const float high = fgi_largest_of(v);
        if (high > best.value) best = {high, j + (v.x == high ? 0 : v.y == high ? 1 : v.z == high ? 2 : 3)};
    });
    best = fgi_block_reduce<THREADS>(best, fgi_largest());
    sound = fgi_block_reduce<THREADS>((int)sound, fgi_least()) && best.value > -CUDART_INF_F;
    w.everything = !sound;
    w.threshold = -CUDART_INF_F;
    if (!sound) {
        w.reference = largest_value<THREADS>(w);
        return -CUDART_INF;
    }
    w.reference = value_of(w, best.j);
    double t = w.reference - cut_of(a);
    if (wants_all(a)) {
        w.threshold = score_of_rank<THREADS>(w, a.top);
        w.everything = !(w.threshold > -CUDART_INF_F);
        if (w.everything) return -CUDART_INF;
        t = fmin(t, least_value<THREADS>(w));
    }
    w.threshold = __double2float_rd(t);
    return (double)w.threshold;
}

/* ---- results */

/* The best of the candidates that come after `last`. */
template <int THREADS> __device__ place next_best(const job &w, place last)
{
    place best = nowhere();
    for (int32_t j = threadIdx.x; j < w.a->model.k; j += THREADS) {
        const place here = {w.scores[j], j};
        if (here.value > -CUDART_INF_F && here < last && best < here) best = here;
    }
    return fgi_block_reduce<THREADS>(best, fgi_largest());
}

/* best: the first place; sum: of 2^(difference - best's) */
template <int THREADS>
__device__ void tell_components(const job &w, place best, float sum, int32_t *components, float *values)
{
    const fgi_cuda_refine_args &a = *w.a;
    const bool hard = a.model.kind == FGI_CUDA_HARD;
    int32_t told = 0;
    for (place at = best; told < a.top && at.j < a.model.k; told++) {
        float value = exp2f(at.value - best.value) / sum;
        if (hard)
            value = (float)-value_of(w, at.j);
        else if (told > 0 && !(value >= a.tau))
            break;
        if (threadIdx.x == 0) {
            components[told] = at.j;
            values[told] = value;
        }
        if (told + 1 < a.top) at = next_best<THREADS>(w, at);
    }
    for (int32_t i = told + threadIdx.x; i < a.top; i += THREADS) {
        components[i] = -1;
        values[i] = 0.0f;
    }
}

/* By one thread. */
__device__ __forceinline__ void tell(const fgi_cuda_refine_args &a, int32_t r, const fgi_cuda_row_told &told)
{
    a.told[r] = told;
    if (a.densities) a.densities[r] = told.density;
}

template <int THREADS> __device__ void pass_over(const fgi_cuda_refine_args &a, int32_t r)
{
    for (int32_t i = threadIdx.x; i < a.top; i += THREADS) {
        a.components[(int64_t)r * a.top + i] = -1;
        a.values[(int64_t)r * a.top + i] = 0.0f;
    }
    float *scores = a.scores + (int64_t)r * a.model.lanes;
    for (int32_t j = threadIdx.x; j < a.model.lanes && a.keep; j += THREADS) scores[j] = 0.0f;
    if (threadIdx.x == 0) tell(a, r, {CUDART_NAN, 0.0, 0});
}

/* Differences about the reference into the scores' place; tells the best, and counts candidates. */
template <int THREADS> __device__ place take_differences(const job &w, int32_t *count)
{
    place best = nowhere();
    int32_t here = 0;
    each_value<THREADS, true>(w, [&](int32_t j, double value) {
        const place found = {(float)(value - w.reference), j};
        here++;
        if (best < found) best = found;
        return found.value;
    });
    __syncthreads();
    *count = fgi_block_reduce<THREADS>(here, fgi_add());
    return fgi_block_reduce<THREADS>(best, fgi_largest());
}

/* Responsibilities into the differences' place. Tells how many are not 0. */
template <int THREADS> __device__ int32_t keep_responsibilities(const job &w, place best, float sum)
{
    const bool hard = w.a->model.kind == FGI_CUDA_HARD;
    const float inverse = 1.0f / sum;
    int32_t survivors = 0;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        float r[4] = {};
        if (fgi_largest_of(v) > -CUDART_INF_F) {
            const float difference[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                r[e] = hard ? (j + e == best.j ? 1.0f : 0.0f) : exp2f(difference[e] - best.value) * inverse;
                survivors += r[e] != 0.0f;
            }
        }
        *reinterpret_cast<float4 *>(w.kept + j) = make_float4(r[0], r[1], r[2], r[3]);
    });
    return fgi_block_reduce<THREADS>(survivors, fgi_add());
}

/* A row's scores to shared memory, if they fit: they are read several times. */
template <int THREADS> __device__ float *bring(float *scores, int32_t lanes)
{
    extern __shared__ __align__(16) float close[];
    if (lanes > MOST_CLOSE) return scores;
#pragma unroll 8
    for (int32_t j = 4 * threadIdx.x; j < lanes; j += 4 * THREADS)
        *reinterpret_cast<float4 *>(close + j) = *reinterpret_cast<const float4 *>(scores + j);
    __syncthreads();
    return close;
}

__host__ __device__ bool can_be_crowded(const fgi_cuda_model &m)
{
    return m.k > LEAST_CROWD;
}

template <int THREADS> __device__ bool is_crowded(const job &w)
{
    const int32_t many = max((int)LEAST_CROWD, w.a->model.k / CROWDED_SHARE);
    if (!can_be_crowded(w.a->model)) return false;
    int32_t candidates = 0;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        candidates += is_candidate(w, j, v.x) + is_candidate(w, j + 1, v.y) + is_candidate(w, j + 2, v.z) +
                      is_candidate(w, j + 3, v.w);
    });
    return fgi_block_reduce<THREADS>(candidates, fgi_add()) > many;
}

__device__ void list_row(const job &w, int32_t r)
{
    const fgi_cuda_crowd &to = w.a->crowd;
    const int32_t at = atomicAdd(to.count, 1);
    to.rows[at] = r;
    to.references[at] = w.reference;
}

/* Where scores have misled about the reference: differences about the best, of what can matter beside it; below grows with what
 * no longer does. Those at hand may have been rounded more coarsely. */
template <int THREADS> __device__ place take_closer(job &w, place best, int32_t *count, double *below)
{
    const fgi_cuda_refine_args &a = *w.a;
    const double first = w.reference, rounding = 1.0 + 0x1p-18 * (fabs(first) + fabsf(best.value));
    w.everything = false;
    w.threshold = -FLT_MAX;
    if (!wants_all(a)) {
        w.threshold = __double2float_rd(best.value - cut_of(a) - rounding);
        *below = fmax(*below, first + w.threshold);
    }
    w.reference = value_of(w, best.j);
    return take_differences<THREADS>(w, count);
}

/* From differences in the scores' place. best, count: of these; below: no value left out lies higher */
template <int THREADS> __device__ void finish_row(job &w, int32_t r, place best, int32_t count, double below)
{
    const fgi_cuda_refine_args &a = *w.a;
    const bool hard = a.model.kind == FGI_CUDA_HARD;
    while (best.value > most_difference)
        best = take_closer<THREADS>(w, best, &count, &below); /* once; twice if the best was another */
    double sum = 0.0;
    each_four<THREADS>(w, [&](int32_t, const float4 &v) {
        if (hard || !(fgi_largest_of(v) > -CUDART_INF_F)) return;
        sum += (double)exp2f(v.x - best.value) + exp2f(v.y - best.value);
        sum += (double)exp2f(v.z - best.value) + exp2f(v.w - best.value);
    });
    sum = hard ? 1.0 : fgi_block_reduce<THREADS>(sum, fgi_add());
    const double lse = w.reference + best.value + log2(sum);
    if (a.top)
        tell_components<THREADS>(w, best, (float)sum, a.components + (int64_t)r * a.top, a.values + (int64_t)r * a.top);
    __syncthreads();
    const int32_t survivors = a.keep ? keep_responsibilities<THREADS>(w, best, (float)sum) : 0;
    if (threadIdx.x == 0)
        tell(a, r, {hard ? lse : fgi_ln_2 * lse, hard ? 0.0 : (a.model.k - count) * exp2(below - lse), survivors});
}

template <int THREADS> __device__ __forceinline__ job job_of(const fgi_cuda_refine_args &a, int32_t r)
{
    float *scores = a.scores + (int64_t)r * a.model.lanes;
    return {&a, a.rows.x + (int64_t)r * a.model.ld, bring<THREADS>(scores, a.model.lanes), scores};
}

/* A block a row. */
template <int THREADS> __global__ void __launch_bounds__(THREADS) refine(const __grid_constant__ fgi_cuda_refine_args a)
{
    const int32_t r = blockIdx.x;
    fgi_follow_here();
    if (r >= fgi_rows_there(a.rows)) return;
    const float norm2 = a.rows.norm2[r];
    if (!isfinite(norm2)) {
        pass_over<THREADS>(a, r);
        return;
    }
    job w = job_of<THREADS>(a, r);
    const double below = find_threshold<THREADS>(w, norm2);
    if (is_crowded<THREADS>(w)) {
        if (threadIdx.x == 0) list_row(w, r);
        return;
    }
    __syncthreads(); /* scores were read by all; now each thread overwrites its own */
    int32_t count;
    const place best = take_differences<THREADS>(w, &count);
    finish_row<THREADS>(w, r, best, count, below);
}

/* Differences below `least` become -inf. Tells how many are not. */
template <int THREADS> __device__ int32_t leave_out(const job &w, float least)
{
    int32_t count = 0;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        float kept[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (kept[e] >= least)
                count++;
            else
                kept[e] = -CUDART_INF_F;
        }
        *reinterpret_cast<float4 *>(w.scores + j) = make_float4(kept[0], kept[1], kept[2], kept[3]);
    });
    return fgi_block_reduce<THREADS>(count, fgi_add());
}

/* Listed rows, whose components have all been evaluated. */
template <int THREADS>
__global__ void __launch_bounds__(THREADS) refine_listed(const __grid_constant__ fgi_cuda_refine_args a)
{
    fgi_follow_here();
    for (int32_t i = blockIdx.x; i < *a.crowd.count; i += gridDim.x) {
        const int32_t r = a.crowd.rows[i];
        job w = job_of<THREADS>(a, r);
        w.reference = a.crowd.references[i];
        place best = nowhere();
        each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
            const float difference[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const place here = {difference[e], j + e};
                if (best < here) best = here;
            }
        });
        best = fgi_block_reduce<THREADS>(best, fgi_largest());
        const bool cuts = !wants_all(a) && !(best.value > most_difference); /* else there will be closer differences */
        const float least = cuts ? __double2float_rd(best.value - cut_of(a)) : -FLT_MAX;
        const int32_t count = leave_out<THREADS>(w, least);
        finish_row<THREADS>(w, r, best, count, w.reference + least);
        __syncthreads(); /* shared scores were read */
    }
}

template <int THREADS> cudaError_t refine_rows(const fgi_cuda_refine_args &a, cudaStream_t stream)
{
    const size_t bytes = a.model.lanes <= MOST_CLOSE ? a.model.lanes * sizeof(float) : 0;
    const bool crowds = can_be_crowded(a.model);
    cudaError_t e = crowds ? cudaMemsetAsync(a.crowd.count, 0, sizeof *a.crowd.count, stream) : cudaSuccess;
    if (e == cudaSuccess) e = fgi_grant_shared(refine<THREADS>, MOST_CLOSE * sizeof(float));
    if (e == cudaSuccess && crowds) e = fgi_grant_shared(refine_listed<THREADS>, MOST_CLOSE * sizeof(float));
    if (e != cudaSuccess) return e;
    e = fgi_follow(refine<THREADS>, (unsigned)a.rows.rows, THREADS, bytes, stream, a);
    if (e == cudaSuccess && crowds) e = fgi_cuda_evaluate(&a, stream);
    if (e != cudaSuccess || !crowds) return e;
    return fgi_follow(refine_listed<THREADS>, (unsigned)min(a.rows.rows, (int)LISTED_BLOCKS), THREADS, bytes, stream, a);
}

} // namespace

extern "C" cudaError_t fgi_cuda_refine(const fgi_cuda_refine_args *a, cudaStream_t stream)
{
    return a->model.k > MANY_COMPONENTS ? refine_rows<256>(*a, stream) : refine_rows<32>(*a, stream);
}
