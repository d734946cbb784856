/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_refer.cu - references from what the last pass has left: the value that a row's best component of then has now, where
 * its mean has moved too far for distances to tell, or distances never do (diagonal components).
 *
 * grid     persistent; a warp a group of 32 rows, or of 8 where there are fewer groups than warps; a quad of its lanes a row that
 *          is looked at
 * bytes    4 a row; of those looked at the row from HBM, and a mean from L2
 * bound    HBM */
#include "follow.cuh"
#include "screen_rows.cuh"
#include "screen_values.cuh"

namespace screening
{

enum { REFER_WARPS = 8, REFER_BLOCKS = 8 /* a multiprocessor */ };

template <class T>
__global__ void __launch_bounds__(32 * REFER_WARPS) refer(const __grid_constant__ fgi_sparse_screen_args a)
{
    fgi_follow_here();
    if (course_of(a) != FGI_SPARSE_BY_STATES || isinf(__ldg(&a.model.limits->most_sunk))) return;
    const int lane = threadIdx.x % 32;
    const int64_t warps = (int64_t)gridDim.x * REFER_WARPS, warp = (int64_t)blockIdx.x * REFER_WARPS + threadIdx.x / 32;
    const int each = a.rows.rows < 32 * warps ? 8 : 32;
    for (int64_t from = warp * each; from < a.rows.rows; from += warps * each) {
        const int64_t own = min(from + lane, (int64_t)a.rows.rows - 1);
        const float norm = __ldg(a.rows.norm + own);
        kept state = {0, 0.0f, false};
        if (is_screened(a, norm)) state = read_state(a, a.state[own]); /* of other rows no state was left */
        uint32_t left = __ballot_sync(~0u, state.sunk && lane < each && from + lane < a.rows.rows);
        while (left) { /* eight at a time: quad n takes the n-th that is left */
            const int nth = nth_bit(left, lane >> 2), source = nth < 32 ? nth : __ffs(left) - 1;
            const uint32_t j = __shfl_sync(~0u, state.j, source);
            const float source_norm = __shfl_sync(~0u, norm, source);
            const float below = below_constant<T>(a, from + source, j);
            if ((lane & 3) == 0 && nth < 32) a.bound[from + source] = least_value(a, j, source_norm, below);
            left = without_first(left);
        }
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
