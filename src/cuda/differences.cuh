/* SPDX-License-Identifier: Apache-2.0 */
/* differences.cuh - what those share who evaluate components from differences. */
#ifndef FGI_DIFFERENCES_CUH
#define FGI_DIFFERENCES_CUH
#include "cuda_pass.h"

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
