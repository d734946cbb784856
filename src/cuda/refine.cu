/* SPDX-License-Identifier: Apache-2.0 */
/* refine.cu - the few components of a row that can matter, from differences; responsibilities; what a row has to tell.
 *
 *     reference    the value, from differences, of the component with the largest score
 *     candidates   every j with score_j >= t; t = reference - cut <= largest value - cut, so that whatever is left
 *                  out has a value below t: enough, for every row
 *     in place     score_j becomes value_j - reference, -inf if left out, then r_j: the first has few digits to lose,
 *                  since where the difference is large the responsibility is small
 *
 * Where scores may mislead, because f32 does not hold their terms, no component is left out. Where the m best are wanted,
 * however small, t also stays below the m-th best: below the least value among the components with the m largest scores.
 *
 * grid     a block a row: 32 threads, or 256 for many components; four neighbouring components are a thread's
 * bytes    4 k a row from L2, four times; 4 d a candidate from L2
 * bound    L2 */
#include "cuda_pass.h"
#include "reduce.cuh"

#include <float.h>          /* FLT_MAX */
#include <math_constants.h> /* CUDART_INF_F */

namespace {

enum { MANY_COMPONENTS = 4096, SHORT_ROW = 16 /* up to here a thread refines alone, not a warp */ };

/* Scores of rows longer than this, in units of the largest h, could overflow. */
__device__ const float most_term = 1e37f;

/* Differences beyond this call for a better reference: f32 holds them with an error of 2^-21 of a responsibility. */
__device__ const float most_difference = 4.0f;

__device__ const double ln_2 = 0.6931471805599453;

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

/* A row at work. */
struct job {
    const fgi_cuda_refine_args *a;
    const float *x;
    float *scores;
    float threshold; /* candidates: score >= threshold, */
    bool everything; /* or all that live */
    double reference;
};

/* ---- values */

__device__ __forceinline__ float squares(const job &w, int32_t j, int32_t first, int32_t step)
{
    const fgi_cuda_model &m = w.a->model;
    const float *mean = m.means + (int64_t)j * m.ld;
    float sum = 0.0f;
    if (m.scale) {
        const float *scale = m.scale + (int64_t)j * m.ld;
        for (int32_t i = first; i < m.d; i += step) {
            const float difference = w.x[i] - mean[i];
            sum = fmaf(scale[i] * difference, difference, sum);
        }
    } else {
        for (int32_t i = first; i < m.d; i += step) {
            const float difference = w.x[i] - mean[i];
            sum = fmaf(difference, difference, sum);
        }
    }
    return sum;
}

/* For rows so far away that f32 overflows. */
__device__ __noinline__ double wide_distance(const job &w, int32_t j)
{
    const fgi_cuda_model &m = w.a->model;
    double sum = 0.0;
    for (int32_t i = 0; i < m.d; i++) {
        const double difference = (double)w.x[i] - m.means[(int64_t)j * m.ld + i];
        sum += (m.scale ? m.scale[(int64_t)j * m.ld + i] : 1.0) * difference * difference;
    }
    return sum;
}

__device__ __forceinline__ double value_of(const job &w, int32_t j, float sum)
{
    const double distance = isfinite(sum) ? (double)sum : wide_distance(w, j);
    return w.a->model.offset[j] - w.a->model.h[j] * distance;
}

/* By a whole warp, the same j in all lanes; the same bits as a thread alone would get where rows are short. */
__device__ __forceinline__ float warp_squares(const job &w, int32_t j)
{
    if (w.a->model.d <= SHORT_ROW) return squares(w, j, 0, 1);
    return fgi_warp_reduce(squares(w, j, threadIdx.x % 32, 32), fgi_add());
}

__device__ __forceinline__ double warp_value(const job &w, int32_t j)
{
    return value_of(w, j, warp_squares(w, j));
}

/* Four neighbouring components are one thread's: rows of scores are read and written 16 bytes at a time. Lanes are padded
 * to whole tiles, so that there is no tail. */
template <int THREADS, class F> __device__ __forceinline__ void each_four(const job &w, F take)
{
#pragma unroll 2
    for (int32_t j = 4 * threadIdx.x; j < w.a->model.lanes; j += 4 * THREADS)
        take(j, *reinterpret_cast<float4 *>(w.scores + j));
}

__device__ __forceinline__ float largest_of(const float4 &v)
{
    return fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w));
}

__device__ __forceinline__ bool is_candidate(const job &w, int32_t j, float score)
{
    if (w.everything) return j < w.a->model.k && w.a->model.offset[j] > -CUDART_INF;
    return score >= w.threshold;
}

/* Calls take(j, value) in the thread of every candidate, and puts what it gives into the score's place if `put`; -inf into
 * those of the others. */
template <int THREADS, bool put, class F> __device__ __forceinline__ void each_value(const job &w, F take)
{
    const int lane = threadIdx.x % 32;
    for (int32_t first = 4 * (threadIdx.x - lane); first < w.a->model.lanes; first += 4 * THREADS) {
        const int32_t own = first + 4 * lane;
        const float4 scores = *reinterpret_cast<const float4 *>(w.scores + own);
        const float score[4] = {scores.x, scores.y, scores.z, scores.w};
        float given[4] = {-CUDART_INF_F, -CUDART_INF_F, -CUDART_INF_F, -CUDART_INF_F};
        const bool any = w.everything || largest_of(scores) >= w.threshold;
        if (__any_sync(FGI_ALL_LANES, any)) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const bool candidate = is_candidate(w, own + e, score[e]);
                double value = 0.0;
                if (w.a->model.d <= SHORT_ROW) {
                    if (candidate) value = value_of(w, own + e, squares(w, own + e, 0, 1));
                } else {
                    for (unsigned left = __ballot_sync(FGI_ALL_LANES, candidate); left; left &= left - 1) {
                        const int at = __ffs(left) - 1;
                        const double found = warp_value(w, first + 4 * at + e);
                        if (lane == at) value = found;
                    }
                }
                if (candidate) given[e] = take(own + e, value);
            }
        }
        if (put)
            *reinterpret_cast<float4 *>(w.scores + own) = make_float4(given[0], given[1], given[2], given[3]);
    }
}

/* ---- thresholds */

/* Bits whose order as numbers is the order of the values. */
__device__ __forceinline__ uint32_t ordered(float v)
{
    const uint32_t bits = __float_as_uint(v);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float from_ordered(uint32_t key)
{
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

/* The largest threshold that `rank` scores reach; -inf if fewer are above that. */
template <int THREADS> __device__ float score_of_rank(const job &w, int32_t rank)
{
    uint32_t key = 0;
    for (int bit = 31; bit >= 0; bit--) {
        const uint32_t higher = key | 1u << bit;
        int32_t count = 0;
        for (int32_t j = threadIdx.x; j < w.a->model.k; j += THREADS) count += ordered(w.scores[j]) >= higher;
        if (fgi_block_reduce<THREADS>(count, fgi_add()) >= rank) key = higher;
    }
    return from_ordered(key);
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
    bool sound = norm2 * *a.model.largest_h < most_term;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        /* neither infinite nor NaN */
        sound = sound && v.x < CUDART_INF_F && v.y < CUDART_INF_F && v.z < CUDART_INF_F && v.w < CUDART_INF_F;
        const float high = largest_of(v);
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
    w.reference = warp_value(w, best.j);
    double t = w.reference - (a.model.kind == FGI_CUDA_HARD ? 0.0 : a.cut);
    if (a.exact_rank && a.top > 1) {
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
            value = (float)-warp_value(w, at.j);
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

template <int THREADS> __device__ void pass_over(const fgi_cuda_refine_args &a, int32_t r)
{
    for (int32_t i = threadIdx.x; i < a.top; i += THREADS) {
        a.components[(int64_t)r * a.top + i] = -1;
        a.values[(int64_t)r * a.top + i] = 0.0f;
    }
    float *scores = a.scores + (int64_t)r * a.model.lanes;
    for (int32_t j = threadIdx.x; j < a.model.lanes && a.keep; j += THREADS) scores[j] = 0.0f;
    if (threadIdx.x == 0) a.told[r] = {CUDART_NAN, 0.0, 0};
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
    int32_t survivors = 0;
    each_four<THREADS>(w, [&](int32_t j, const float4 &v) {
        float r[4] = {};
        if (largest_of(v) > -CUDART_INF_F) {
            const float difference[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                r[e] = hard ? (j + e == best.j ? 1.0f : 0.0f) : exp2f(difference[e] - best.value) / sum;
                survivors += r[e] != 0.0f;
            }
        }
        *reinterpret_cast<float4 *>(w.scores + j) = make_float4(r[0], r[1], r[2], r[3]);
    });
    return fgi_block_reduce<THREADS>(survivors, fgi_add());
}

template <int THREADS> __global__ void __launch_bounds__(THREADS) refine(const __grid_constant__ fgi_cuda_refine_args a)
{
    const int32_t r = blockIdx.x;
    const float norm2 = a.rows.norm2[r];
    if (!isfinite(norm2)) {
        pass_over<THREADS>(a, r);
        return;
    }
    job w = {&a, a.rows.x + (int64_t)r * a.model.ld, a.scores + (int64_t)r * a.model.lanes};
    const bool hard = a.model.kind == FGI_CUDA_HARD;
    const double below = find_threshold<THREADS>(w, norm2);
    __syncthreads(); /* scores were read by all; now each thread overwrites its own */
    int32_t count;
    place best = take_differences<THREADS>(w, &count);
    if (best.value > most_difference) { /* screening was far off: the same candidates about the best */
        w.reference = warp_value(w, best.j);
        w.everything = false;
        w.threshold = -FLT_MAX;
        best = take_differences<THREADS>(w, &count);
    }
    double sum = 0.0;
    each_four<THREADS>(w, [&](int32_t, const float4 &v) {
        if (hard || !(largest_of(v) > -CUDART_INF_F)) return;
        sum += (double)exp2f(v.x - best.value) + exp2f(v.y - best.value);
        sum += (double)exp2f(v.z - best.value) + exp2f(v.w - best.value);
    });
    sum = hard ? 1.0 : fgi_block_reduce<THREADS>(sum, fgi_add());
    const double lse = w.reference + best.value + log2(sum);
    if (a.top)
        tell_components<THREADS>(w, best, (float)sum, a.components + (int64_t)r * a.top,
                                 a.values + (int64_t)r * a.top);
    __syncthreads();
    const int32_t survivors = a.keep ? keep_responsibilities<THREADS>(w, best, (float)sum) : 0;
    if (threadIdx.x == 0)
        a.told[r] = {hard ? lse : ln_2 * lse, hard ? 0.0 : (a.model.k - count) * exp2(below - lse), survivors};
}

} // namespace

extern "C" cudaError_t fgi_cuda_refine(const fgi_cuda_refine_args *a, cudaStream_t stream)
{
    if (a->model.k > MANY_COMPONENTS)
        refine<256><<<a->rows.rows, 256, 0, stream>>>(*a);
    else
        refine<32><<<a->rows.rows, 32, 0, stream>>>(*a);
    return cudaGetLastError();
}
