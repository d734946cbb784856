/* SPDX-License-Identifier: Apache-2.0 */
/* plan.cu - parameters as the kernels want them (formulas: cuda_pass.h). Knows no row.
 *
 * A score's terms: with s = sum of h m^2 and b = offset - s,
 *     A = |b| + s + 2 sum of h x^2      is at least the sum of their absolute values, by 2 h m x <= h m^2 + h x^2
 * What the computed score can be off by, with the factors of its p products rounded to f16 (half.cuh):
 *     gamma A             gamma = (2 p + 8) 2^-24: bias, slope, norm and what is added up outside the products
 *     e (s + sum h x^2)   e = 2^-10 + 2^-20 + (d + 32) 2^-22: two factors rounded to 11 bits, and sums of tensor cores, whose
 *                         additions may drop all below 2^-22 of the largest term
 *     f sum h x^2         f = 2^-9 + e - 2^-10, of diagonal components: x rounded, squared, rounded; h rounded
 *     t (s + H |x|^2)     t = 2^-23: factors that underflowed, with H the largest h, as d <= 4096
 * So gamma |b| + (gamma + e + t) s is added to the bias, and the rest to the weights of x^2 and |x|^2.
 *
 * grid: a block of 128 threads a lane */
#include "cuda_pass.h"
#include "follow.cuh"
#include "half.cuh"
#include "plan.cuh"

namespace
{

enum { THREADS = 128 };

/* Terms beyond this are not trusted to f32: such a component's score is infinite, and its rows are not screened. */
__device__ const double most_term = 1e37;

/* See above: gamma, e, f, t. */
struct errors {
    double sums, factors, squares, underflow;
};

__device__ errors errors_of(const fgi_cuda_model &m)
{
    const double factors = 0x1p-10 + 0x1p-20 + (m.d + 32.0) * 0x1p-22;
    return {((m.squares ? 4.0 : 2.0) * m.d + 8.0) * 0x1p-24, factors, 0x1p-9 + factors - 0x1p-10, 0x1p-23};
}

/* Writes the factors of component j, rounded, and their units. */
__device__ void write_factors(const fgi_cuda_params &p, const fgi_cuda_model &m, int32_t j, double largest_weight,
                              double largest_h)
{
    const errors e = errors_of(m);
    const double keep = 1.0 - 2.0 * e.sums - e.factors - e.squares;
    const float unit = fgi_unit_for((float)largest_weight), square_unit = fgi_unit_for((float)largest_h);
    if (threadIdx.x == 0) {
        m.weight_unit[j] = unit;
        m.square_unit[j] = square_unit;
    }
    for (int32_t i = threadIdx.x; i < m.d; i += THREADS) {
        const int64_t at = (int64_t)j * m.ld + i;
        const double h = fgi_inverse_scale(p, m, j, i), weight = 2.0 * h * m.means[at];
        static_cast<__half *>(m.weights)[at] = __float2half_rn((float)(weight / unit));
        if (m.squares) static_cast<__half *>(m.squares)[at] = __float2half_rn((float)(-h * keep / square_unit));
    }
}

/* A lane without a component, or with a dead one: its factors stay 0. */
__device__ void write_none(const fgi_cuda_model &m, int32_t j)
{
    m.weight_unit[j] = m.square_unit[j] = 1.0f;
    m.bias[j] = -CUDART_INF_F;
    m.slope[j] = 0.0f;
    if (j >= m.k) return;
    m.offset[j] = -CUDART_INF;
    m.h[j] = 1.0;
}

/* What a score adds to the products of component j: offset, its value for a row at the mean; s and H, the sum of h m^2 and the largest h. */
__device__ void write_score(const fgi_cuda_model &m, int32_t j, double offset, double s, double largest)
{
    const errors e = errors_of(m);
    const double b = offset - s, off = e.sums * fabs(b) + (e.sums + e.factors + e.underflow) * s;
    m.bias[j] = s < most_term && fabs(b) < most_term ? (float)(b + off + 1e-30) : CUDART_INF_F;
    m.slope[j] = (float)(largest * (m.squares ? e.underflow : -(1.0 - 2.0 * e.sums - e.factors - e.underflow)));
    /* of floats that are not negative, the order of the bits is the order of the values */
    atomicMax(reinterpret_cast<unsigned *>(m.largest_h), __float_as_uint((float)largest));
}

struct planning {
    fgi_cuda_params p;
    fgi_cuda_model m;
};

__global__ void __launch_bounds__(THREADS) plan(const __grid_constant__ planning a)
{
    fgi_follow_here();
    const fgi_cuda_params &p = a.p;
    const fgi_cuda_model &m = a.m;
    const int32_t j = blockIdx.x;
    if (!m.weights) { /* values alone are wanted */
        if (j < m.k) fgi_plan_values<THREADS>(p, m, j);
        return;
    }
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    double s = 0.0, largest = 0.0, largest_weight = 0.0;
    for (int32_t i = threadIdx.x; i < m.d && j < m.k; i += THREADS) {
        const int64_t at = (int64_t)j * m.ld + i;
        const float mean = (float)p.means[(int64_t)j * m.d + i];
        const double h = fgi_inverse_scale(p, m, j, i);
        m.means[at] = mean;
        if (m.scale) m.scale[at] = (float)h;
        s += h * mean * mean;
        largest = fmax(largest, h);
        largest_weight = fmax(largest_weight, fabs(2.0 * h * mean));
    }
    s = fgi_block_reduce<THREADS>(s, fgi_add());
    largest = fgi_block_reduce<THREADS>(largest, fgi_largest());
    largest_weight = fgi_block_reduce<THREADS>(largest_weight, fgi_largest());
    const double volume = j < m.k ? fgi_half_log2_volume<THREADS>(p, m, j) : 0.0;
    if (alive) write_factors(p, m, j, largest_weight, largest);
    if (threadIdx.x != 0) return;
    if (!alive) {
        write_none(m, j);
        return;
    }
    const double offset = fgi_offset(p, m, j, volume);
    m.offset[j] = offset;
    m.h[j] = m.scale ? 1.0 : largest;
    write_score(m, j, offset, s, largest);
}

} // namespace

extern "C" cudaError_t fgi_cuda_plan(const fgi_cuda_params *params, const fgi_cuda_model *model, cudaStream_t stream)
{
    const cudaError_t error = model->largest_h ? cudaMemsetAsync(model->largest_h, 0, sizeof(float), stream) : cudaSuccess;
    return error == cudaSuccess ? fgi_follow(plan, (unsigned)model->lanes, THREADS, 0, stream, planning{*params, *model})
                                : error;
}
