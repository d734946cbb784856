/* SPDX-License-Identifier: Apache-2.0 */
/* soft_rounds.cuh - products of two halves, summed a few steps at a time: what the tensor cores cut off goes by the size of their
 * sums, so sums of rounds are put together by additions that round. */
#ifndef FGI_SOFT_ROUNDS_CUH
#define FGI_SOFT_ROUNDS_CUH
#include "ptx.cuh"
#include "soft_layout.cuh"

namespace soft
{

enum {
    CHUNK_STEPS = CHUNK / 16, /* of the depth, that one instruction multiplies */
    ROUND_STEPS = 2
};

/* After a round's instructions, in turn: waits for them. */
template <int COUNT> __device__ __forceinline__ void await_round(float (&some)[COUNT], int group, int groups)
{
    fgi_wgmma_commit();
    fgi_turn_pass(group, groups);
    fgi_wgmma_wait<0>();
    fgi_wgmma_pin(some);
}

/* acc = some */
template <int COUNT>
__device__ __forceinline__ void end_first_round(float (&acc)[COUNT], float (&some)[COUNT], int group, int groups)
{
    await_round(some, group, groups);
#pragma unroll
    for (int i = 0; i < COUNT; i++) acc[i] = some[i];
    fgi_wgmma_pin(acc); /* else copies of it are made, and spilled */
}

/* acc += some */
template <int COUNT>
__device__ __forceinline__ void end_round(float (&acc)[COUNT], float (&some)[COUNT], int group, int groups)
{
    await_round(some, group, groups);
#pragma unroll
    for (int i = 0; i < COUNT; i++) acc[i] += some[i];
}

} // namespace soft

#endif
