/* SPDX-License-Identifier: Apache-2.0 */
/* differences.cuh - what those agree on who evaluate components from differences. */
#ifndef FGI_DIFFERENCES_CUH
#define FGI_DIFFERENCES_CUH
#include "cuda_pass.h"

/* Values this far above the reference call for a better one: f32 holds smaller ones with an error of 2^-21 of a responsibility. */
constexpr float fgi_most_difference = 4.0f;

/* What the values of a listed row are told about in the end: the first reference, or the best value about it. */
__device__ __forceinline__ double fgi_crowd_reference(const fgi_cuda_crowd &crowd, int32_t i)
{
    const float best = __uint_as_float(crowd.bests[i]);
    return crowd.references[i] + (best > fgi_most_difference ? (double)best : 0.0);
}

/* The scaled squared distance of a row from a mean, by one thread, where f32 does not hold it. x: centred */
__device__ __noinline__ static double fgi_wide_distance(const fgi_cuda_model &m, const float *x, int32_t j)
{
    double sum = 0.0;
    for (int32_t i = 0; i < m.d; i++) {
        const double difference = (double)x[i] - m.means[(int64_t)j * m.ld + i];
        sum += (m.scale ? m.scale[(int64_t)j * m.ld + i] : 1.0) * difference * difference;
    }
    return sum;
}

#endif
