/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_refer.cu - references from what the last pass has left: the value that a row's best component of then has now, where
 * its mean has moved too far for distances to tell, or distances never do (diagonal components).
 *
 * grid     persistent; a warp a group of 32 rows, a quad of its lanes a row
 * bytes    a row from HBM, and a mean from L2
 * bound    HBM */
#include "follow.cuh"
#include "screen_rows.cuh"
#include "screen_values.cuh"

namespace screening
{

enum { REFER_WARPS = 8, REFER_BLOCKS = 4 /* a multiprocessor */ };

template <class T>
__global__ void __launch_bounds__(32 * REFER_WARPS) refer(const __grid_constant__ fgi_sparse_screen_args a)
{
    fgi_follow_here();
    if (needs_product(a) || rises(a)) return;
    const float most = most_sunk(a);
    const int64_t step = (int64_t)gridDim.x * REFER_WARPS * PAIRS;
    const int quad = threadIdx.x % 32 / 4;
    for (int64_t from = ((int64_t)blockIdx.x * REFER_WARPS + threadIdx.x / 32) * PAIRS; from < a.rows.rows; from += step) {
        const int64_t row = min(from + quad, (int64_t)a.rows.rows - 1);
        const float norm = __ldg(a.rows.norm + row);
        kept own = {0, 0.0f, false};
        if (is_screened(a, norm)) own = read_state(a, a.state[row], most); /* of other rows no state was left */
        if (!__any_sync(~0u, own.sunk)) continue;
        const float below = below_constant<T>(a, row, own.j);
        if (threadIdx.x % 4 == 0 && from + quad < a.rows.rows) a.bound[row] = least_value(a, own.j, norm, below);
    }
}

} // namespace screening

extern "C" cudaError_t fgi_sparse_refer(const fgi_sparse_screen_args *a, cudaStream_t stream)
{
    if (!a->state) return cudaSuccess;
    return fgi_with_element(a->rows.exact.dtype, [&](auto element) {
        return fgi_follow(screening::refer<decltype(element)>, (unsigned)(screening::REFER_BLOCKS * a->grid),
                          32 * screening::REFER_WARPS, 0, stream, *a);
    });
}
