/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_plane.cu - rows of any type to the plane that screening reads: x = element * factor - center in f32, then
 * f16(scale x), what that leaves where it is wanted, and the sum of their squares.
 *
 * scale    a power of two, so that scaling rounds nothing: the root mean square of a sample becomes 0.7 to 1.4, far from both
 *          ends of f16. Integers up to 2048 keep every bit. Diagonal: one for each dimension, and f16(y^2) behind the row
 * grid     a warp a row, 16 bytes a lane at a time; bound: memory */
#include "cuda_sparse.h"
#include "elements.cuh"
#include "follow.cuh"
#include "reduce.cuh"

#include <math_constants.h> /* CUDART_INF */

namespace
{

enum {
    WARPS = 8,
    BLOCKS = 2048 /* of rows, each a part: a chip is full, and idle ones soon gone */,
    SAMPLE = 1024,   /* rows that are looked at, */
    SAMPLED = 32768, /* of the first so many */
    RECALL_THREADS = 1024,
    MOST_UP = 60, /* log2 */
    FAR = 256,
    MUCH = 1 << 14 /* of mean squares */
};

/* 16 bytes of a row, as they count. */
template <class T>
__device__ __forceinline__ fgi_unit<T> centred_unit(const fgi_sparse_exact &e, int64_t row, int first, int d)
{
    const char *from = static_cast<const char *>(e.data) + row * e.pitch + first * (int)sizeof(T);
    const int bytes = fgi_unit_bytes<T>(first, d);
    uint4 raw = make_uint4(0, 0, 0, 0);
    if (bytes > 0) raw = fgi_keep_bytes(__ldg(reinterpret_cast<const uint4 *>(from)), bytes);
    fgi_unit<T> u;
    fgi_widen(raw, u);
    const float factor = e.factor ? __ldg(e.factor) : 1.0f;
#pragma unroll
    for (int c = 0; c < u.elements; c++) u.x[c] = first + c < d ? fmaf(u.x[c], factor, -__ldg(e.center + first + c)) : 0.0f;
    return u;
}

/* Two halves, and what they leave of what they stand for. */
struct parts {
    __half2 high, low;
};

__device__ __forceinline__ parts split(float x, float y)
{
    const __half2 high = __floats2half2_rn(x, y);
    const float2 v = __half22float2(high);
    return {high, __floats2half2_rn(x - v.x, y - v.y)};
}

/* Two scaled elements from `column` on, and, for a diagonal plane, their squares. Gives back what the planes hold. */
__device__ __forceinline__ float2 put(const fgi_sparse_rows &a, int64_t row, int column, float x, float y)
{
    const int half = a.ups ? a.ld / 2 : a.ld;
    const bool low_rows = a.low && a.low_ld == a.ld, low_squares = a.low && a.ups;
    const parts p = split(x, y);
    float2 v = __half22float2(p.high);
    if (column >= half) return v;
    if (low_rows) {
        const float2 left = __half22float2(p.low);
        v.x += left.x, v.y += left.y;
    }
    const parts squares = split(v.x * v.x, v.y * v.y);
    const int64_t at = (row * a.ld + column) / 2, low_at = (row * a.low_ld + column) / 2;
    __half2 *high = static_cast<__half2 *>(a.plane), *low = static_cast<__half2 *>(a.low);
    high[at] = p.high;
    if (a.ups) high[at + half / 2] = squares.high;
    if (low_rows) low[low_at] = p.low;
    if (low_squares) low[low_at + (a.low_ld - half) / 2] = squares.low;
    return v;
}

/* By a warp. */
__device__ __forceinline__ void clear(void *plane, int64_t row, int32_t ld)
{
    const __half2 zero = __half2half2(__ushort_as_half(0));
    for (int i = threadIdx.x % 32; i < ld / 2; i += 32) static_cast<__half2 *>(plane)[row * ld / 2 + i] = zero;
}

template <class T> __device__ __forceinline__ void fill_row(const fgi_sparse_rows &a, int64_t row)
{
    constexpr int EACH = fgi_unit<T>::elements;
    const int lane = threadIdx.x % 32;
    const float up = __ldg(&a.scale->up), most = a.ups ? 255.0f : 65504.0f;
    float norm = 0.0f, norm2 = 0.0f;
    bool holds = true;
    for (int first = lane * EACH; first < a.ld; first += 32 * EACH) {
        const fgi_unit<T> u = centred_unit<T>(a.exact, row, first, a.d);
#pragma unroll
        for (int c = 0; c < EACH; c += 2) {
            const float up0 = a.ups && first + c < a.d ? __ldg(a.ups + first + c) : up;
            const float up1 = a.ups && first + c + 1 < a.d ? __ldg(a.ups + first + c + 1) : up;
            const float2 v = put(a, row, first + c, u.x[c] * up0, u.x[c + 1] * up1);
            norm = fmaf(v.x, v.x, fmaf(v.y, v.y, norm));
            norm2 = fmaf(u.x[c], u.x[c], fmaf(u.x[c + 1], u.x[c + 1], norm2));
            holds = holds && fabsf(v.x) <= most && fabsf(v.y) <= most;
        }
    }
    norm = fgi_warp_reduce(norm, fgi_add());
    norm2 = fgi_warp_reduce(norm2, fgi_add());
    const bool bad = !isfinite(norm2);
    holds = __all_sync(FGI_ALL_LANES, holds) && isfinite(norm) && norm <= a.most_norm;
    if (bad || !holds) {
        __syncwarp(); /* after what other lanes have stored */
        clear(a.plane, row, a.ld);
        if (a.low) clear(a.low, row, a.low_ld);
    }
    if (lane == 0) a.norm[row] = bad ? CUDART_NAN_F : holds ? norm : CUDART_INF_F;
}

template <class T>
__global__ void __launch_bounds__(32 * WARPS) fill(const __grid_constant__ fgi_sparse_rows a, const int32_t *only_if)
{
    fgi_follow_here();
    if (only_if && *only_if == 0) return;
    for (int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * WARPS)
        fill_row<T>(a, row);
}

/* The power of two that brings a mean square to between 1/2 and 2. */
__device__ __forceinline__ int exponent_for(double square)
{
    return square > 0.0 ? max(-MOST_UP, min((int)MOST_UP, (int)-rint(0.5 * log2(square)))) : 0;
}

/* Row number i of a sample that is spread over the first rows: rows that follow each other are often alike. */
__device__ __forceinline__ int64_t sampled_row(const fgi_sparse_rows &a, int i)
{
    return (int64_t)i * max(min(a.rows, (int)SAMPLED) / SAMPLE, 1);
}

/* Mean of a value a thread, which counts if it is finite. A few that are so large that they alone would be the mean, and the
 * others nothing beside it, do not count: they are for other kernels. */
__device__ double mean_of(float value)
{
    double mean = CUDART_INF;
    for (int round = 0; round < 3; round++) {
        const bool counts = isfinite(value) && value <= FAR * mean;
        const int count = __syncthreads_count(counts);
        const double now = fgi_block_reduce<SAMPLE>(counts ? (double)value : 0.0, fgi_add()) / max(count, 1);
        if (round > 0 && !(now > 0.0 && now * MUCH < mean)) break;
        mean = now;
    }
    return mean;
}

/* All dimensions alike. One block, a warp a row at a time. */
template <class T>
__global__ void __launch_bounds__(SAMPLE) measure(const __grid_constant__ fgi_sparse_rows a, fgi_sparse_memory memory)
{
    __shared__ float squares[SAMPLE];
    fgi_follow_here();
    if (*memory.stale == 0) return;
    const int lane = threadIdx.x % 32;
    squares[threadIdx.x] = CUDART_NAN_F;
    __syncthreads();
    for (int row = threadIdx.x / 32; row < min(a.rows, (int)SAMPLE); row += SAMPLE / 32) {
        float norm2 = 0.0f;
        for (int first = lane * fgi_unit<T>::elements; first < a.d; first += 32 * fgi_unit<T>::elements) {
            const fgi_unit<T> u = centred_unit<T>(a.exact, sampled_row(a, row), first, a.d);
#pragma unroll
            for (int c = 0; c < u.elements; c++) norm2 = fmaf(u.x[c], u.x[c], norm2);
        }
        norm2 = fgi_warp_reduce(norm2, fgi_add());
        if (lane == 0) squares[row] = norm2 / a.d;
    }
    __syncthreads();
    const int by = exponent_for(mean_of(squares[threadIdx.x]));
    if (threadIdx.x == 0) *memory.scale = {ldexpf(1.0f, by), ldexpf(1.0f, -by)};
}

/* Each dimension by itself. A block a dimension, a thread a row. */
template <class T>
__global__ void __launch_bounds__(SAMPLE) measure_each(const __grid_constant__ fgi_sparse_rows a, fgi_sparse_memory memory)
{
    constexpr int EACH = fgi_unit<T>::elements;
    const int c = blockIdx.x;
    fgi_follow_here();
    if (*memory.stale == 0) return;
    float x = CUDART_NAN_F;
    if (threadIdx.x < a.rows) {
        const fgi_unit<T> u = centred_unit<T>(a.exact, sampled_row(a, threadIdx.x), c / EACH * EACH, a.d);
#pragma unroll
        for (int i = 0; i < EACH; i++) x = i == c % EACH ? u.x[i] : x;
    }
    const double square = mean_of(x * x);
    /* where nothing varies, a variance stands at its floor: its weight is to vanish, and a row that is different to stand out */
    const float up = ldexpf(1.0f, square > 0.0 ? exponent_for(square) : (int)MOST_UP);
    if (threadIdx.x == 0) memory.ups[c] = memory.least_ups ? fmaxf(up, memory.least_ups[c]) : up;
}

__global__ void __launch_bounds__(RECALL_THREADS) recall(fgi_sparse_memory memory, const float *center, int32_t d)
{
    fgi_follow_here();
    bool differs = false;
    for (int32_t c = threadIdx.x; c < (d + FGI_SPARSE_PAD - 1) / FGI_SPARSE_PAD * FGI_SPARSE_PAD; c += RECALL_THREADS) {
        const float now = c < d ? center[c] : 0.0f;
        differs = differs || memory.center[c] != now;
        memory.center[c] = now;
    }
    differs = __syncthreads_or(differs);
    if (threadIdx.x == 0) *memory.stale = differs;
}

} // namespace

extern "C" cudaError_t fgi_sparse_recall(const fgi_sparse_memory *memory, const float *center, int32_t d,
                                         cudaStream_t stream)
{
    return fgi_follow(recall, 1, RECALL_THREADS, 0, stream, *memory, center, d);
}

extern "C" cudaError_t fgi_sparse_measure(const fgi_sparse_rows *rows, const fgi_sparse_memory *memory, cudaStream_t stream)
{
    return fgi_with_element(rows->exact.dtype, [&](auto element) {
        using T = decltype(element);
        const cudaError_t e = fgi_follow(measure<T>, 1, SAMPLE, 0, stream, *rows, *memory);
        if (e != cudaSuccess || !memory->ups) return e;
        return fgi_follow(measure_each<T>, (unsigned)rows->d, SAMPLE, 0, stream, *rows, *memory);
    });
}

extern "C" cudaError_t fgi_sparse_plane(const fgi_sparse_rows *rows, const int32_t *only_if, cudaStream_t stream)
{
    return fgi_with_element(rows->exact.dtype, [&](auto element) {
        return fgi_follow(fill<decltype(element)>, (unsigned)min((rows->rows + WARPS - 1) / WARPS, (int)BLOCKS), 32 * WARPS,
                          0, stream, *rows, only_if);
    });
}
