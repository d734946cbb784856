/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_plan.cu - parameters as screening wants them, with its error in them. Knows no row.
 *
 * In scaled units and log2, with h = log2(e) / (2 variance) and the row y of the plane:
 *     value_j(x) = constant_j - h_j |x - m_j|^2             centroids: h = 1/2, constant = |x|^2 / 2
 *     score_j(y) = fl(slope_j |y|^2 + fl(bias_j - r)) + products of weights_j = f16(2 h_j m_j) and y, in steps of 16
 *                  slope = -h (centroids: 0), bias = constant - h |m|^2, r the row's reference
 * A tight component is screened with a smaller h, which only raises its scores: h (d + |m|^2) is at most
 * most_term.
 *
 * Let u = 2^-11, which rounds to f16 once, M the number of steps, P = 2 h |y| |m| >= the sum of absolute products, and s the
 * score. A partial sum is s less the products still to come, so at most |s| + P: M roundings of partial sums, and that of the
 * start, are off by (M + 1) u (|s| + P); in f32 by (M / 256 + 1) u. Rounding bias - r = start - slope |y|^2 adds u (|s| + P + h |y|^2), rounding |y|^2
 * another u h |y|^2; slope and bias are rounded upward. The weights are off by what they are: |weights - 2 h m| |y|. And
 * |x - y| <= e = u |y| + 2^-25 sqrt(d) moves a value by at most 2 h e (|y| + |m|) = u (2 h |y|^2 + P) and a little. In all
 *     E_j = u ((M + 3) (|s| + P) + 4 h |y|^2) + |weights - 2 h m| |y|
 * where what no term covers (u^2, sums inside a step, which the tensor cores truncate 2^-20 below the largest term) is in
 * u, taken 1/16 larger. |y| |m| <= |m| (X + |y|^2 / X) / 2 with X = sqrt(d), the typical |y|, makes E_j a bias and a slope.
 * Where a score of at most -cut hides less than E with |s| = cut, it hides less than cut - |s| more with a larger |s|: so
 * |s| = cut is enough in an upper bound. In a lower bound the share of |s| is taken off when |s| is known.
 *
 * grid: a warp a lane */
#include "cuda_sparse.h"
#include "follow.cuh"
#include "reduce.cuh"
#include "screen_terms.cuh"

namespace screening
{

__device__ const double most_drift = 1000.0;

enum { MOST_RISING = 128 /* halves of a row */ };

/* Of h (d + |m|^2). */
__device__ __forceinline__ double most_term(int32_t d)
{
    return 2000.0 + 4.0 * d;
}

/* Norms are halved so often that a typical one is 16 in f16: the scale of slopes. */
__device__ __forceinline__ double norm_scale(int32_t d)
{
    return exp2(4.0 - ceil(log2((double)d)));
}

/* A component in scaled units. */
struct sphere {
    double h, screened, constant; /* screened: h as it is screened with */
    double mean2, off, moved;     /* |m|^2, |weights - 2 h m|, |m - last m| */
};

/* What a score is off by: at + slope |y|^2. */
struct error {
    double at, slope;
};

__device__ __forceinline__ error error_of(const fgi_sparse_model &m, const sphere &s, double cut)
{
    const double rounded = roundings(m, m.d), x = sqrt((double)m.d);
    const double per_length = rounded * 2.0 * s.screened * sqrt(s.mean2) + s.off;
    const double own = m.kind == FGI_CUDA_HARD ? 0.0 : 4.0 * s.screened;
    return {rounded * cut + 0.5 * per_length * x + 0.01, 0.5 * per_length / x + unit * own};
}

__device__ sphere shape_of(const fgi_cuda_params &p, const fgi_sparse_model &m, int32_t j, double up)
{
    const int lane = threadIdx.x % 32;
    sphere s = {};
    for (int32_t c = lane; c < m.d; c += 32) {
        const double mean = up * (float)p.means[(int64_t)j * m.d + c];
        s.mean2 += mean * mean;
    }
    s.mean2 = fgi_warp_reduce(s.mean2, fgi_add());
    s.h = s.screened = 0.5;
    if (m.kind == FGI_CUDA_HARD) return s;
    const double variance = p.variances[j] * up * up;
    s.h = 0.5 * fgi_log2_e / variance;
    s.screened = fmin(s.h, most_term(m.d) / (m.d + s.mean2));
    s.constant = fgi_log2_e * p.log_weights[j] - 0.5 * m.d * log2(fgi_two_pi * variance);
    return s;
}

/* Weights and means of a component; completes its shape. */
__device__ void write_rows(const fgi_cuda_params &p, const fgi_sparse_model &m, const float *last, int32_t j, sphere &s)
{
    const double up = m.scale->up;
    const int32_t pitch = padded(m.d);
    for (int32_t c = threadIdx.x % 32; c < m.ld; c += 32) {
        const float mean = c < m.d ? (float)p.means[(int64_t)j * m.d + c] : 0.0f;
        const double wanted = 2.0 * s.screened * up * mean;
        const __half weight = __double2half(wanted);
        const double off = (double)__half2float(weight) - wanted;
        const double moved = last ? up * ((double)mean - last[(int64_t)j * m.ld + c]) : 0.0;
        m.means[(int64_t)j * m.ld + c] = mean;
        if (c < pitch) static_cast<__half *>(m.weights)[(int64_t)j * pitch + c] = weight;
        s.off += off * off;
        s.moved += moved * moved;
    }
    s.off = sqrt(fgi_warp_reduce(s.off, fgi_add()));
    s.moved = sqrt(fgi_warp_reduce(s.moved, fgi_add()));
}

/* By how much the value of a typical row may have fallen because this mean moved, weighted: in units of 2^-16. */
__device__ uint32_t drift_of(const fgi_cuda_params &p, const fgi_sparse_model &m, int32_t j, const sphere &s)
{
    const bool hard = m.kind == FGI_CUDA_HARD;
    const double up = m.scale->up, variance = hard ? 1.0 : p.variances[j] * up * up;
    const double share = hard ? 1.0 / m.k : fmin(exp(p.log_weights[j]), 1.0);
    const double drift = s.h * s.moved * (2.0 * sqrt(m.d * variance) + s.moved);
    return (uint32_t)(share * fmin(drift, most_drift) * 65536.0);
}

__global__ void __launch_bounds__(32 * PLAN_WARPS) plan(fgi_cuda_params p, const __grid_constant__ fgi_sparse_model m,
                                                        const float *last, const int32_t *stale, int32_t lanes)
{
    fgi_follow_here();
    if (*stale) last = nullptr;
    const int32_t j = blockIdx.x * PLAN_WARPS + threadIdx.x / 32;
    if (j >= lanes) return;
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    sphere s = {};
    if (alive) s = shape_of(p, m, j, m.scale->up);
    if (j < m.k) write_rows(p, m, last, j, s);
    if (threadIdx.x % 32 != 0) return;
    if (!alive) {
        write_dead(m, j);
        return;
    }
    const double up = m.scale->up, norms = norm_scale(m.d);
    const double bias = s.constant - s.screened * s.mean2, slope = m.kind == FGI_CUDA_HARD ? 0.0 : -s.screened;
    const error low = error_of(m, s, 0.0);
    const error high = error_of(m, s, m.kind == FGI_CUDA_HARD ? 0.0 : FGI_SPARSE_MOST_CUT);
    const __half high_bias = __float2half_ru((float)(bias + high.at));
    write_terms(m.high, j, __float2half_ru((float)((slope + high.slope) / norms)), high_bias);
    write_terms(m.low, j, __float2half_rd((float)((slope - low.slope) / norms)),
                s.h > s.screened ? __float2half(-CUDART_INF_F) : __float2half_rd((float)(bias - low.at)));
    /* how far a score may lie above the value: both errors, and slope and bias as they were rounded */
    const double above = 2.0 * (high.at + unit * (fabs(bias) + high.at)),
                 above_slope = 2.0 * (high.slope + unit * s.screened);
    if (m.constants) m.constants[j] = s.constant + m.d * log2(up);
    m.spheres[2 * j] = make_float4((float)(s.h * up * up), (float)s.constant, (float)(s.moved * 1.00001), (float)s.screened);
    m.spheres[2 * j + 1] = make_float4((float)above, (float)above_slope, (float)s.h, 0.0f);
    /* a bias that f16 cannot hold is rounded by more */
    allow_scores(m, above + __half2float(high_bias) - (bias + high.at), above_slope);
    if (last) {
        atomicAdd(&m.limits->drift, drift_of(p, m, j, s)); /* integers: in any order */
        const double furthest = most_length * sqrt((double)m.d) + sqrt(s.mean2);
        raise(&m.limits->fall, s.h * s.moved * (2.0 * furthest + s.moved));
    } else {
        m.limits->drift = FGI_SPARSE_NO_STATES;
    }
    shorten_rows(m, 2.0 * s.screened * sqrt(s.mean2));
}

/* Of the pass to come, by one thread. */
__global__ void choose_course(const __grid_constant__ fgi_sparse_model m, const fgi_sparse_found *found)
{
    const float usual = 1.0f, most = 32.0f, alone = 1.05f, few_changed = 1.0f / 4096, none_known = 1.0f;
    const float most_changed = 1.0f / 16, most_left = 1.0f / 1024;
    fgi_follow_here();
    fgi_sparse_limits *to = m.limits;
    const bool known = to->drift != FGI_SPARSE_NO_STATES;
    /* rows of clusters well apart get no more candidates for some bits less */
    const bool apart =
        known && found->candidates <= alone && (found->changed <= few_changed || found->changed == none_known);
    const float may = apart ? most : usual;
    to->most_sunk = to->fall <= may ? CUDART_INF_F : may;
    /* of many rows states tell too little; their components are of no use either where many have changed or are not known */
    const bool loose = !known || (float)to->drift * 0x1p-16f > to->most_sunk;
    const bool unknown = !known || found->changed > most_changed || found->left > most_left;
    /* f16 sums of long rows are off by so much that too many scores come close before the best one is met */
    const bool can_rise = m.kind == FGI_CUDA_HARD && (m.wide || padded(m.d) <= MOST_RISING);
    to->course = loose && can_rise ? FGI_SPARSE_RISING : loose && unknown ? FGI_SPARSE_BY_PRODUCT : FGI_SPARSE_BY_STATES;
}

} // namespace screening

static cudaError_t plan_spheres(const fgi_cuda_params *params, const fgi_sparse_model *model, const float *last_means,
                                const int32_t *stale, cudaStream_t stream)
{
    const int32_t lanes = (model->k + FGI_SPARSE_LANES - 1) / FGI_SPARSE_LANES * FGI_SPARSE_LANES;
    const cudaError_t error = screening::reset_limits(model, stream);
    if (error != cudaSuccess) return error;
    const int32_t blocks = (lanes + screening::PLAN_WARPS - 1) / screening::PLAN_WARPS;
    return fgi_follow(screening::plan, (unsigned)blocks, 32 * screening::PLAN_WARPS, 0, stream, *params, *model, last_means,
                      stale, lanes);
}

extern "C" cudaError_t fgi_sparse_plan(const fgi_cuda_params *params, const fgi_sparse_model *model, const float *last_means,
                                       const fgi_sparse_found *found, const int32_t *stale, cudaStream_t stream)
{
    const cudaError_t e = model->kind == FGI_CUDA_DIAGONAL
                              ? fgi_sparse_plan_diagonal(params, model, last_means != NULL, stale, stream)
                              : plan_spheres(params, model, last_means, stale, stream);
    return e == cudaSuccess ? fgi_follow(screening::choose_course, 1, 1, 0, stream, *model, found) : e;
}
