/* SPDX-License-Identifier: Apache-2.0 */
/* soft_terms.cuh - what plans of the soft pass write for its kernels to read. Formulas: soft_plan.cu. */
#ifndef FGI_SOFT_TERMS_CUH
#define FGI_SOFT_TERMS_CUH
#include "reduce.cuh"
#include "soft_layout.cuh"
#include "units.cuh"

#include <math_constants.h> /* CUDART_INF */

namespace soft
{

enum { WARPS = 8 /* a component each */ };

/* Terms are held below this, by a smaller h: not far below, since the values of a component whose h is much smaller than its own
 * are far too high, so that it seems to matter to every row. */
__device__ const double largest_term = 8000.0;

/* A component is tight whose terms are larger than this. In default precision values are else off by no more than sums in f32 of
 * squared differences are bounded by, (d / 16 + 8) 2^-23 of values of typical size; in fast precision by 2^-12 sqrt(8000). */
__device__ __forceinline__ double most_term(const fgi_soft_model &m)
{
    return m.low_weights ? fmin((m.d / 16.0 + 8.0) * (0.7 * m.d + 40.0), largest_term) : largest_term;
}

struct weight {
    __half high, low;
    double value; /* what they add up to */
};

__device__ __forceinline__ weight weight_of(double wanted, bool split)
{
    const __half high = __double2half(wanted), zero = __float2half(0.0f);
    const __half low = split ? __double2half(wanted - (double)__half2float(high)) : zero;
    return {high, low, (double)__half2float(high) + (double)__half2float(low)};
}

/* Stores a weight; gives back what its halves add up to. */
__device__ __forceinline__ double write_weight(const fgi_soft_model &m, int64_t at, double wanted)
{
    const bool split = m.low_weights != nullptr;
    const weight w = weight_of(wanted, split);
    static_cast<__half *>(m.weights)[at] = w.high;
    if (split) static_cast<__half *>(m.low_weights)[at] = w.low;
    return w.value;
}

/* By one thread: what a component has beside its weights. */
__device__ __forceinline__ void write_beside(const fgi_soft_model &m, int32_t j, double slope, double bias)
{
    const three_halves s = split3((float)ldexp(slope, norm_shift(m.d))), b = split3((float)bias);
    const __half zero = __float2half(0.0f), minus = __float2half(-1.0f);
    const __half all[BESIDE] = {s.part[0], s.part[1], s.part[2], s.part[0], s.part[1], s.part[0], b.part[0], b.part[1],
                                b.part[2], zero,      zero,      zero,      minus,     minus,     minus,     zero};
    __half *to = static_cast<__half *>(m.beside) + (int64_t)j * BESIDE;
    for (int i = 0; i < BESIDE; i++) to[i] = all[i];
}

/* By one thread: a component that no row joins. */
__device__ __forceinline__ void write_dead(const fgi_soft_model &m, int32_t j)
{
    write_beside(m, j, 0.0, never);
}

__device__ __forceinline__ void mark_tight(const fgi_soft_model &m, int32_t j)
{
    atomicOr(&m.tight[j / 32], 1u << (j % 32));
}

/* What a component's sums say, in scaled units. */
struct summed {
    const double *columns, *beside;
    double unit; /* of responsibilities */
    double mass;
};

__device__ __forceinline__ summed summed_of(const fgi_soft_finish_args &a, int32_t j)
{
    const int32_t columns = columns_for(a.ld);
    const double *at = a.sums + (int64_t)j * (columns + SUMMED), unit = exp2(-(double)LIFT);
    return {at, at + columns, unit, unit * at[columns + ONE]};
}

} // namespace soft

#endif
