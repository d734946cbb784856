/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_plan_diagonal.cu - parameters of diagonal components as screening wants them. Knows no row. Letters and roundings:
 * sparse_plan.cu.
 *
 * Every dimension has a scale of its own, and the plane holds y and q = f16(y^2):
 *     score_j(y) = fl(bias_j - r) + products of f16(2 h_ji m_ji) and y_i, and of f16(-h_ji + e_ji) and q_i
 *                  bias = constant - sum of h m^2
 * Of a bound a sum over i of e_ji y_i^2 + a constant, the first part goes into the weights of q. With 2 |y| <= 1 + y^2 and the
 * sum of absolute products P <= sum of h (|m| (1 + y^2) + y^2):
 *     roundings of sums      (M + 3) u (|s| + P)
 *     weights                |f16(2 h m) - 2 h m| |y|; those of q are rounded upward
 *     q                      u h y^2, and 2^-25 h
 *     |x - y| <= u |y|       2 h u (y^2 + |m| |y|)
 * Upper bounds are screened with h at most most_term_diagonal / (d (1 + m^2)), which only raises them; lower ones as it is, unless f16
 * does not hold it: then the component takes no part in them. Large sums overflow to infinity, never below: the partial
 * sums of the first half lie above the score less |weights| |y|, and what is above everything is a candidate, and no
 * bound.
 *
 * grid: a warp a lane */
#include "cuda_sparse.h"
#include "follow.cuh"
#include "reduce.cuh"
#include "screen_terms.cuh"

namespace screening
{

/* Of drift: no distance tells how far a component has gone. */
__device__ const uint32_t always_far = 1000u << 16;

__device__ const double most_term_diagonal = 2000.0, most_low_h = 4000.0;

/* What a dimension adds, in scaled units, screened with h. */
struct dimension {
    __half weight;
    double e, at, bias; /* e: of y^2; at: of the bound's constant */
};

__device__ __forceinline__ dimension dimension_of(double h, double m, double rounded)
{
    const __half weight = __double2half(2.0 * h * m);
    const double off = fabs((double)__half2float(weight) - 2.0 * h * m), length = fabs(m);
    return {weight, rounded * h * (length + 1.0) + 0.5 * off + unit * h * (3.0 + length),
            rounded * h * length + 0.5 * off + unit * h * length + 0x1p-24 * h, h * m * m};
}

struct sums {
    double at, bias, weight2, low_at, low_bias, log2_volume, log2_up;
    bool low;
};

/* Weights, means and scales of a component; what its dimensions add up to. */
__device__ sums write_rows(const fgi_cuda_params &p, const fgi_sparse_model &m, int32_t j, bool alive)
{
    const int32_t half = padded(m.d);
    __half *high = static_cast<__half *>(m.weights) + (int64_t)j * 2 * half;
    __half *low = static_cast<__half *>(m.low_weights) + (int64_t)j * 2 * half;
    const double rounded = roundings(m, 2 * half);
    sums s = {};
    s.low = true;
    for (int32_t c = threadIdx.x % 32; c < m.ld; c += 32) {
        const bool there = c < m.d;
        const int64_t at = (int64_t)j * m.d + c;
        const float mean = there ? (float)p.means[at] : 0.0f;
        const double up = there ? m.ups[c] : 1.0, variance = there && alive ? p.variances[at] : 1.0;
        const double wide = there && alive ? 0.5 * fgi_log2_e / (variance * up * up) : 0.0, my = up * mean;
        const double h = fmin(wide, most_term_diagonal / (m.d * (1.0 + my * my)));
        const dimension u = dimension_of(h, my, rounded), l = dimension_of(fmin(wide, most_low_h), my, rounded);
        m.means[(int64_t)j * m.ld + c] = mean;
        m.scales[(int64_t)j * m.ld + c] = (float)(wide * up * up);
        if (c < half) {
            high[c] = u.weight;
            high[half + c] = __float2half_ru((float)(u.e - h));
            low[c] = l.weight;
            low[half + c] = __float2half_rd((float)(-wide - l.e));
        }
        const double w = (double)__half2float(u.weight);
        s.weight2 += w * w;
        s.at += u.at, s.bias += u.bias, s.low_at += l.at, s.low_bias += l.bias;
        s.log2_volume += there ? log2(fgi_two_pi * variance * up * up) : 0.0;
        s.log2_up += log2(up);
        s.low = s.low && wide <= most_low_h && isfinite(__half2float(l.weight));
    }
    s.at = fgi_warp_reduce(s.at, fgi_add());
    s.bias = fgi_warp_reduce(s.bias, fgi_add());
    s.low_at = fgi_warp_reduce(s.low_at, fgi_add());
    s.low_bias = fgi_warp_reduce(s.low_bias, fgi_add());
    s.weight2 = fgi_warp_reduce(s.weight2, fgi_add());
    s.log2_volume = fgi_warp_reduce(s.log2_volume, fgi_add());
    s.log2_up = fgi_warp_reduce(s.log2_up, fgi_add());
    s.low = __all_sync(FGI_ALL_LANES, s.low);
    return s;
}

__global__ void __launch_bounds__(32 * PLAN_WARPS)
    plan_diagonal(fgi_cuda_params p, const __grid_constant__ fgi_sparse_model m, bool states, const int32_t *stale,
                  int32_t lanes)
{
    fgi_follow_here();
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        m.limits->drift = states && !*stale ? always_far : FGI_SPARSE_NO_STATES;
        m.limits->fall = CUDART_INF_F;
    }
    const int32_t j = blockIdx.x * PLAN_WARPS + threadIdx.x / 32;
    if (j >= lanes) return;
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    sums s = {};
    if (j < m.k) s = write_rows(p, m, j, alive);
    if (threadIdx.x % 32 != 0) return;
    if (!alive) {
        write_dead(m, j);
        return;
    }
    const double constant = fgi_log2_e * p.log_weights[j] - 0.5 * s.log2_volume;
    const double cut = roundings(m, 2 * padded(m.d)) * FGI_SPARSE_MOST_CUT + 0.01;
    const __half zero = __float2half(0.0f);
    write_terms(m.high, j, zero, __float2half_ru((float)(constant - s.bias + s.at + cut)));
    write_terms(m.low, j, zero,
                s.low ? __float2half_rd((float)(constant - s.low_bias - s.low_at - 0.01)) : __float2half(-CUDART_INF_F));
    if (m.constants) m.constants[j] = constant + s.log2_up;
    m.spheres[2 * j] = make_float4(1.0f, (float)constant, 0.0f, 1.0f);
    m.spheres[2 * j + 1] = make_float4(0.0f, 0.0f, 1.0f, 0.0f);
    shorten_rows(m, sqrt(s.weight2));
}

} // namespace screening

extern "C" cudaError_t fgi_sparse_plan_diagonal(const fgi_cuda_params *params, const fgi_sparse_model *model, bool states,
                                                const int32_t *stale, cudaStream_t stream)
{
    const int32_t lanes = (model->k + FGI_SPARSE_LANES - 1) / FGI_SPARSE_LANES * FGI_SPARSE_LANES;
    const int32_t blocks = (lanes + screening::PLAN_WARPS - 1) / screening::PLAN_WARPS;
    const cudaError_t error = screening::reset_limits(model, stream);
    if (error != cudaSuccess) return error;
    return fgi_follow(screening::plan_diagonal, (unsigned)blocks, 32 * screening::PLAN_WARPS, 0, stream, *params, *model,
                      states, stale, lanes);
}
