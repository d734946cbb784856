/* SPDX-License-Identifier: Apache-2.0 */
/* screen_rows.cuh - what screening knows of a row: its reference, a value that its best component reaches for certain, and
 * its state, which is what the next pass knows of it.
 *
 * The state is a component and a bound on the distance from its mean, so that
 *     |x - mean_new| <= |x - mean_old| + |mean_new - mean_old|
 * bounds the value that this component has now, without a look at the row. Any component is right, the best is the most useful.
 * Where its mean has moved far, or components are diagonal, whose values no distance bounds, the component's value is computed anew
 * (sparse_refer.cu). Where no pass has left a state, or the last one left many rows over, of which it learned nothing, references
 * come from screening with lower bounds; centroids do without (fgi_sparse_course, chosen in sparse_plan.cu). */
#ifndef FGI_SCREEN_ROWS_CUH
#define FGI_SCREEN_ROWS_CUH
#include "cuda_sparse.h"
#include "screen_terms.cuh"

#include <cuda_fp16.h>      /* __half */
#include <math_constants.h> /* CUDART_INF_F */

namespace screening
{

__device__ __forceinline__ bool is_hard(const fgi_sparse_screen_args &a)
{
    return a.model.kind == FGI_CUDA_HARD;
}

/* Whether the last pass has left states. */
__device__ __forceinline__ bool knows_states(const fgi_sparse_screen_args &a)
{
    return __ldg(&a.model.limits->drift) != FGI_SPARSE_NO_STATES;
}

__device__ __forceinline__ int32_t course_of(const fgi_sparse_screen_args &a)
{
    return __ldg(&a.model.limits->course);
}

/* Whether screening can say anything about a row of this norm. */
__device__ __forceinline__ bool is_screened(const fgi_sparse_screen_args &a, float norm)
{
    const float longest = __ldg(&a.model.limits->longest);
    return norm <= longest * longest;
}

/* What a score is off by for each of its units. */
__device__ __forceinline__ float error_per_score(const fgi_sparse_screen_args &a)
{
    return (float)roundings(a.model, a.rows.depth);
}

__device__ __forceinline__ float constant_of(const fgi_sparse_screen_args &a, uint32_t j, float norm)
{
    return is_hard(a) ? 0.5f * norm : __ldg(a.model.spheres + 2 * j).y;
}

/* What a component's value is at least, if it is that far below its constant. The plane's row may be longer than the row by 2^-11
 * of its length. */
__device__ __forceinline__ float least_value(const fgi_sparse_screen_args &a, uint32_t j, float norm, float below)
{
    const float constant = constant_of(a, j, norm) * (is_hard(a) ? 1.0f - 0x1.1p-10f : 1.0f);
    return constant - below - 1e-6f * (fabsf(constant) + below);
}

/* Of a state: its component, how far the row is from it now at most, and whether that tells too little: by so much less than
 * in the last pass that there are more candidates than a new look at the component costs; of diagonal ones, nothing. */
struct kept {
    uint32_t j;
    float distance;
    bool sunk;
};

__device__ __forceinline__ kept read_state(const fgi_sparse_screen_args &a, uint32_t state)
{
    const uint32_t j = state >> 16;
    const float moved = __ldg(a.model.spheres + 2 * j).z, h = __ldg(a.model.spheres + 2 * j + 1).z;
    const float before = __half2float(__ushort_as_half((unsigned short)state));
    const float most = __ldg(&a.model.limits->most_sunk);
    const bool sunk =
        a.model.kind == FGI_CUDA_DIAGONAL || (most < CUDART_INF_F && !(h * moved * (2.0f * before + moved) <= most));
    return {j, before + moved, sunk};
}

/* For one row, rounded down to f16: so nothing is lost when sums start from it. */
__device__ __forceinline__ float reference_for(const fgi_sparse_screen_args &a, int64_t row)
{
    if (row >= a.rows.rows) return CUDART_INF_F; /* no candidates */
    const float norm = __ldg(a.rows.norm + row);
    if (!is_screened(a, norm)) return CUDART_INF_F;
    const int32_t course = course_of(a);
    if (course == FGI_SPARSE_RISING) return 0.0f;
    kept own = {0, 0.0f, true};
    if (course == FGI_SPARSE_BY_STATES) own = read_state(a, a.state[row]);
    const float h = __ldg(a.model.spheres + 2 * own.j + 1).z;
    const float value = own.sunk ? a.bound[row] : least_value(a, own.j, norm, h * own.distance * own.distance);
    return __half2float(__float2half_rd(value - 0.01f));
}

__device__ __forceinline__ uint32_t state_of(uint32_t j, float distance)
{
    return j << 16 | __half_as_ushort(__float2half_ru(distance * 1.00001f));
}

/* From what a value falls short of its constant. */
__device__ __forceinline__ uint32_t state_of_value(const fgi_sparse_screen_args &a, uint32_t j, float below)
{
    const float h = __ldg(a.model.spheres + 2 * j + 1).z;
    return state_of(j, sqrtf(below * 1.00001f / h));
}

/* From a score above the reference, and all that it may be above the value. */
__device__ __forceinline__ uint32_t state_of_score(const fgi_sparse_screen_args &a, uint32_t j, float norm, float score,
                                                   float reference)
{
    const float4 errors = __ldg(a.model.spheres + 2 * j + 1);
    const float screened = __ldg(a.model.spheres + 2 * j).w, constant = constant_of(a, j, norm);
    const float excess = fmaf(errors.y, norm, errors.x) + error_per_score(a) * fmaxf(score, is_hard(a) ? -score : 0.0f);
    const float rounding = 1e-6f * (fabsf(constant) + fabsf(reference) + fabsf(score));
    return state_of(j, sqrtf((fmaxf(constant - reference - score + excess, 0.0f) + rounding) / screened));
}

} // namespace screening

#endif
