/* SPDX-License-Identifier: Apache-2.0 */
/* screen_groups.cuh - what screening leaves of 32 rows: their candidates, that a warp takes up, or a flag. */
#ifndef FGI_SCREEN_GROUPS_CUH
#define FGI_SCREEN_GROUPS_CUH
#include "screen_rows.cuh"
#include "screen_values.cuh"

namespace screening
{

enum { GROUP_WARPS = 8 /* of a block */ };

/* A group by its number in the order of rows: what is known of it, and where its candidates begin. */
struct group_place {
    fgi_sparse_group *info;
    int64_t at;
};

__device__ __forceinline__ group_place place_of_group(const fgi_sparse_streams &s, int32_t number)
{
    const int32_t stream = number % s.streams, t = number / s.streams;
    fgi_sparse_group *info = s.group + (int64_t)stream * s.groups + t;
    return {info, (int64_t)stream * s.capacity + info->begin};
}

__device__ __forceinline__ uint32_t row_of(uint32_t candidate)
{
    return candidate % FGI_SPARSE_GROUP;
}

/* Whether a group is left over; notes down which rows that are. norm: of the lane's row, 0 where there is none. */
__device__ __forceinline__ bool leave_over(const fgi_sparse_screen_args &a, const fgi_sparse_group *info, int64_t first,
                                           bool there, float norm)
{
    const bool flagged = __any_sync(~0u, info->flagged || (!isnan(norm) && !is_screened(a, norm)));
    const uint32_t left = __ballot_sync(~0u, there && flagged);
    if (threadIdx.x % 32 == 0) a.left[first / FGI_SPARSE_GROUP] = left;
    return flagged;
}

/* What the values of candidates are below their constants, into `below`: of those that `wanted` says. first: row of the chunk */
template <class T, class F>
__device__ __forceinline__ void find_below(const fgi_sparse_screen_args &a, int64_t first, const uint32_t *candidate,
                                           int count, float *below, F wanted)
{
    const int lane = threadIdx.x & 31;
#pragma unroll 1
    for (int from = 0; from < count; from += 32) {
        const uint32_t e = from + lane < count ? candidate[from + lane] : 0;
        uint32_t left = __ballot_sync(~0u, from + lane < count && wanted(e));
#pragma unroll 1
        while (left) { /* eight at a time: quad n takes the n-th that is left */
            const int nth = nth_bit(left, lane >> 2), source = nth < 32 ? nth : __ffs(left) - 1;
            const uint32_t pair = __shfl_sync(~0u, e, source);
            const float found = below_constant<T>(a, first + row_of(pair), pair >> 16);
            if ((lane & 3) == 0 && nth < 32) below[from + source] = found;
            left = without_first(left);
        }
    }
    __syncwarp();
}

/* The lane's count, and those of lanes before it, added up. */
__device__ __forceinline__ int counted_before(int own)
{
    const int lane = threadIdx.x & 31;
    int upto = own;
    for (int step = 1; step < 32; step *= 2) {
        const int earlier = __shfl_up_sync(~0u, upto, step);
        if (lane >= step) upto += earlier;
    }
    return upto - own;
}

/* A warp for each group of a chunk. */
static inline unsigned blocks_for_groups(int32_t rows)
{
    const int32_t groups = (rows + FGI_SPARSE_GROUP - 1) / FGI_SPARSE_GROUP;
    return (unsigned)((groups + GROUP_WARPS - 1) / GROUP_WARPS);
}

} // namespace screening

#endif
