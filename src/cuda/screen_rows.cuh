/* SPDX-License-Identifier: Apache-2.0 */
/* screen_rows.cuh - what screening knows of a row: its reference, a value that its best component reaches for certain, and
 * its state, which is what the next pass knows of it.
 *
 * The state is a component and a bound on the distance from its mean, so that
 *     |x - mean_new| <= |x - mean_old| + |mean_new - mean_old|
 * bounds the value that this component has now, without a product. Any component is right, the best is the most useful.
 * Where means have moved far, or no pass has left a state, the reference comes from screening with lower bounds. */
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

/* Whether states are of no use: for so many bits more there are more candidates than other references cost. Where rows had
 * hardly a second one in the last pass, there may be more. */
__device__ __forceinline__ bool is_loose(const fgi_sparse_screen_args &a)
{
    const float usual = is_hard(a) ? 4.0f : 2.0f, most = 32.0f, alone = 1.05f;
    if (!a.state) return true;
    const float bits = (float)__ldg(a.model.drift) * 0x1p-16f;
    return bits > most || (bits > usual && __ldg(a.candidates_each) > alone);
}

/* Whether screening can say anything about a row of this norm. */
__device__ __forceinline__ bool is_screened(const fgi_sparse_screen_args &a, float norm)
{
    const float longest = __uint_as_float(__ldg(a.model.drift + 1));
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

/* For one row, rounded down to f16: so nothing is lost when sums start from it. */
__device__ __forceinline__ float reference_for(const fgi_sparse_screen_args &a, int64_t row)
{
    if (row >= a.rows.rows) return CUDART_INF_F; /* no candidates */
    const float norm = __ldg(a.rows.norm + row);
    if (!is_screened(a, norm)) return CUDART_INF_F;
    float value;
    if (is_loose(a)) {
        value = a.bound[row];
    } else {
        const uint32_t state = a.state[row], j = state >> 16;
        const float moved = __ldg(a.model.spheres + 2 * j).z, h = __ldg(a.model.spheres + 2 * j + 1).z;
        const float distance = __half2float(__ushort_as_half((unsigned short)state)) + moved;
        const float below = h * distance * distance;
        /* the plane's row may be longer than the row by 2^-11 of its length */
        const float constant = constant_of(a, j, norm) * (is_hard(a) ? 1.0f - 0x1.1p-10f : 1.0f);
        value = constant - below - 1e-6f * (fabsf(constant) + below);
    }
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
    const float excess = fmaf(errors.y, norm, errors.x) + error_per_score(a) * fmaxf(score, 0.0f);
    const float rounding = 1e-6f * (fabsf(constant) + fabsf(reference) + fabsf(score));
    return state_of(j, sqrtf((fmaxf(constant - reference - score + excess, 0.0f) + rounding) / screened));
}

} // namespace screening

#endif
