/* SPDX-License-Identifier: Apache-2.0 */
/* soft_plan_diagonal.cu - diagonal components as the soft pass wants them, and statistics of its sums. Knows no row. Letters:
 * soft_plan.cu.
 *
 * Every dimension has a scale of its own, and the plane holds y and q = y^2, each as its halves add up to:
 *     value_j(y) = bias_j + sum over i of w_ji y_i - g_ji q_i
 *     g = h as its halves add up to, w = 2 g m likewise, bias = constant - sum of w^2 / 4 g
 * which is the density of a component with means w / 2 g and variances log2(e) / 2 g, if the constant goes with these.
 * In fast precision w, g and y are one half each, but q is two: they then hold every bit of y^2, and all is as if rows and
 * components lay 2^-12 away. With q in one, values would be off by about the root of the sum of (g q 2^-12)^2, which is most of
 * 1 on SIFT, and variances, which are small beside squares of means there, by as much of themselves.
 *
 * Where y is near m, what matters is small beside terms of the size h m^2: a component is tight if their sum is beyond
 * most_term, or if f16 does not hold an h; it takes part with all h smaller where these are far too large. To keep that rare, the origin of each
 * dimension is the mean of the means, weighted by weight / variance: where many components hold a dimension nearly fixed, it
 * is there. Variance in units of the component's mean variance: one that holds all of them fixed, as one of a single row, has no
 * use for an origin nearer by.
 *
 * With N, S_i, Q_i a component's sums of r, r y_i and r q_i:     sum of r (y_i - m_i)^2 = Q_i - 2 m_i S_i + N m_i^2
 *
 * grid: a warp a component; for origins a block a dimension */
#include "follow.cuh"
#include "soft_terms.cuh"

namespace soft
{

enum { ORIGIN_THREADS = 256 };

/* An origin stays until the mean square of terms about it is this many times that about the best one, so that planes need not be
 * made anew in every pass. */
__device__ const double bearable = 1.5;

/* Weights are then within f16. */
__device__ const double most_weight = 60000.0;

/* What a dimension of a component is, in scaled units. */
struct dimension {
    double mean, h, variance; /* variance: as given */
};

/* About the origin. */
__device__ __forceinline__ double mean_of(const fgi_cuda_params &p, const fgi_soft_model &m, int32_t j, int32_t c)
{
    return (double)(float)p.means[(int64_t)j * m.d + c] - ((double)m.origin[c] - (double)p.center[c]);
}

__device__ __forceinline__ dimension dimension_of(const fgi_cuda_params &p, const fgi_soft_model &m, int32_t j, int32_t c)
{
    const double up = m.ups[c], variance = p.variances[(int64_t)j * m.d + c];
    return {up * mean_of(p, m, j, c), 0.5 * fgi_log2_e / (variance * up * up), variance};
}

/* Of means about a point: sum over components of weight (m - point)^2 / variance, as far as a component is not tight by that
 * alone. NaN if the point is. */
__device__ double spread_about(const fgi_soft_origin_args &a, int32_t c, double point)
{
    double sum = 0.0;
    for (int32_t j = threadIdx.x; j < a.k; j += ORIGIN_THREADS) {
        const int64_t at = (int64_t)j * a.d + c;
        const double off = (float)a.params.means[at] - point;
        const double term = off * off / a.params.variances[at];
        sum += exp(a.params.log_weights[j]) * (term > largest_term ? largest_term : term);
    }
    return fgi_block_reduce<ORIGIN_THREADS>(sum, fgi_add());
}

/* A warp a component: weight x mean variance. */
__global__ void __launch_bounds__(32 * WARPS) measure_influence(const __grid_constant__ fgi_soft_origin_args a)
{
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= a.k) return;
    double sum = 0.0;
    for (int32_t c = lane; c < a.d; c += 32) sum += a.params.variances[(int64_t)j * a.d + c];
    sum = fgi_warp_reduce(sum, fgi_add());
    if (lane == 0) a.influence[j] = exp(a.params.log_weights[j]) * sum / a.d;
}

/* A block a dimension: the best origin, what means spread about it, and about the last; the scale that leaves weights some
 * room within f16. */
__global__ void __launch_bounds__(ORIGIN_THREADS) find_origin(const __grid_constant__ fgi_soft_origin_args a)
{
    const int32_t c = blockIdx.x;
    double weight = 0.0, moment = 0.0, most = 0.0;
    for (int32_t j = threadIdx.x; j < a.k; j += ORIGIN_THREADS) {
        const int64_t at = (int64_t)j * a.d + c;
        const double share = exp(a.params.log_weights[j]), w = a.influence[j] / a.params.variances[at];
        weight += w;
        moment += w * (float)a.params.means[at];
        if (share > 0.0) most = fmax(most, 0.5 * fgi_log2_e / a.params.variances[at]);
    }
    weight = fgi_block_reduce<ORIGIN_THREADS>(weight, fgi_add());
    moment = fgi_block_reduce<ORIGIN_THREADS>(moment, fgi_add());
    most = fgi_block_reduce<ORIGIN_THREADS>(most, fgi_largest());
    const double center = a.params.center[c], mean = center + (weight > 0.0 ? moment / weight : 0.0);
    const double best = (a.whole ? rint(mean) : mean) - center;
    const double least = spread_about(a, c, best), now = spread_about(a, c, a.last[c] - center);
    if (threadIdx.x != 0) return;
    a.origin[c] = (float)(center + best);
    a.least_ups[c] = (float)exp2(ceil(0.5 * log2(4.0 * most / most_weight)));
    a.spread[c] = least;
    const bool fits = isnan(now) || most <= most_weight * a.ups[c] * a.ups[c]; /* NaN: there are no scales yet */
    a.spread[a.d + c] = fits ? now : CUDART_INF;
}

/* One block: planes are made anew only where weights are beyond f16, or terms become much smaller. */
__global__ void __launch_bounds__(32 * WARPS) keep_origin(const __grid_constant__ fgi_soft_origin_args a)
{
    double least = 0.0, now = 0.0;
    for (int32_t c = threadIdx.x; c < a.d; c += 32 * WARPS) least += a.spread[c], now += a.spread[a.d + c];
    least = fgi_block_reduce<32 * WARPS>(least, fgi_add());
    now = fgi_block_reduce<32 * WARPS>(now, fgi_add());
    if (!(now <= bearable * (least + a.d))) {           /* NaN: there was none */
        if (threadIdx.x == 0) a.last[0] = CUDART_NAN_F; /* also if the origin happens to stay */
        return;
    }
    for (int32_t c = threadIdx.x; c < a.d; c += 32 * WARPS) a.origin[c] = a.last[c];
}

__global__ void __launch_bounds__(32 * WARPS)
    plan_diagonal(fgi_cuda_params p, const __grid_constant__ fgi_soft_model m, int32_t ld)
{
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, half = ld / 2;
    if (j >= m.lanes) return;
    const bool alive = j < m.k && p.log_weights[j] > -CUDART_INF;
    double terms = 0.0, most = 0.0;
    for (int32_t c = lane; c < m.d && alive; c += 32) {
        const dimension i = dimension_of(p, m, j, c);
        terms += i.h * i.mean * i.mean;
        most = fmax(most, i.h);
    }
    terms = fgi_warp_reduce(terms, fgi_add());
    most = fgi_warp_reduce(most, fgi_largest()) / most_weight;
    const double beyond = fmax(terms / largest_term, most), smaller = beyond > 1.0 ? 1.0 / beyond : 1.0;
    const bool tight = terms > most_term(m) || most > 1.0;
    double volume = 0.0, peak = 0.0; /* log2 of its square; the value at y = 0 below the largest */
    for (int32_t c = lane; c < half && j < m.k; c += 32) {
        const bool there = alive && c < m.d;
        const dimension i = there ? dimension_of(p, m, j, c) : dimension{0.0, 0.0, 1.0};
        const int64_t at = (int64_t)j * ld + c;
        const double g = -write_weight(m, at + half, -smaller * i.h);
        const double w = write_weight(m, at, 2.0 * g * i.mean);
        if (!there) continue;
        const bool same = smaller == 1.0 && g > 0.0;
        volume += log2(fgi_two_pi * i.variance * (same ? i.h / g : 1.0));
        if (g > 0.0) peak += 0.25 * w * w / g;
    }
    volume = fgi_warp_reduce(volume, fgi_add());
    peak = fgi_warp_reduce(peak, fgi_add());
    if (lane != 0) return;
    if (alive)
        write_beside(m, j, 0.0, fgi_log2_e * p.log_weights[j] - 0.5 * volume - peak);
    else
        write_dead(m, j);
    if (tight) mark_tight(m, j);
}

__global__ void __launch_bounds__(32 * WARPS) finish_diagonal(const __grid_constant__ fgi_soft_finish_args a)
{
    fgi_follow_here();
    const fgi_soft_model &m = a.model;
    const int32_t j = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (j >= m.k) return;
    const summed s = summed_of(a, j);
    for (int32_t c = lane; c < m.d; c += 32) {
        const int64_t at = (int64_t)j * m.d + c;
        const double up = m.ups[c], down = 1.0 / up, mean = mean_of(a.params, m, j, c), scaled = up * mean;
        const double sum = s.unit * s.columns[c], squares = s.unit * s.columns[a.ld / 2 + c];
        a.shift[at] += down * sum - s.mass * mean;
        a.square[at] += down * down * fmax(squares + scaled * (s.mass * scaled - 2.0 * sum), 0.0);
    }
    if (lane == 0) a.mass[j] += s.mass;
}

} // namespace soft

using namespace soft;

extern "C" cudaError_t fgi_soft_origin(const fgi_soft_origin_args *a, cudaStream_t stream)
{
    measure_influence<<<(a->k + WARPS - 1) / WARPS, 32 * WARPS, 0, stream>>>(*a);
    find_origin<<<a->d, ORIGIN_THREADS, 0, stream>>>(*a);
    keep_origin<<<1, 32 * WARPS, 0, stream>>>(*a);
    return cudaGetLastError();
}

extern "C" cudaError_t fgi_soft_plan_diagonal(const fgi_cuda_params *params, const fgi_soft_model *model, int32_t ld,
                                              cudaStream_t stream)
{
    plan_diagonal<<<(model->lanes + WARPS - 1) / WARPS, 32 * WARPS, 0, stream>>>(*params, *model, ld);
    return cudaGetLastError();
}

extern "C" cudaError_t fgi_soft_finish_diagonal(const fgi_soft_finish_args *a, cudaStream_t stream)
{
    return fgi_follow(finish_diagonal, (unsigned)((a->model.k + WARPS - 1) / WARPS), 32 * WARPS, 0, stream, *a);
}
