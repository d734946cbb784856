/* SPDX-License-Identifier: Apache-2.0 */
/* soft_rounds.cuh - what threads do to numbers of a product, before it and after. Products of two halves are summed a few steps at a
 * time: what the tensor cores cut off goes by the size of their sums, so sums of rounds are put together by additions that round. */
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

/* Over the four lanes that have a row of a product, or a column of an operand. */
__device__ __forceinline__ float quad_largest(float x)
{
    x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
    return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ int32_t quad_least(int32_t x)
{
    x = min(x, __shfl_xor_sync(~0u, x, 1));
    return min(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ float quad_sum(float x)
{
    x += __shfl_xor_sync(~0u, x, 1);
    return x + __shfl_xor_sync(~0u, x, 2);
}

/* Two numbers in one half each, and what is left of them in another. */
struct two_words {
    uint32_t high, low;
};

__device__ __forceinline__ two_words halves_of(float x, float y)
{
    const __half2 high = __floats2half2_rn(x, y);
    const float2 held = __half22float2(high);
    const __half2 low = __floats2half2_rn(x - held.x, y - held.y);
    return {*reinterpret_cast<const uint32_t *>(&high), *reinterpret_cast<const uint32_t *>(&low)};
}

__device__ __forceinline__ float2 floats_of(uint32_t word)
{
    return __half22float2(*reinterpret_cast<const __half2 *>(&word));
}

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

/* acc += products of a chunk, whose steps multiply(some, i, step, add) gives to the tensor cores: of product i, as F has them. */
template <class F, int COUNT, class Multiply>
__device__ __forceinline__ void add_rounds(float (&acc)[COUNT], float (&some)[COUNT], int group, int groups,
                                           Multiply multiply)
{
#pragma unroll
    for (int first = 0; first < CHUNK_STEPS; first += ROUND_STEPS) {
        fgi_turn_take(group);
        fgi_wgmma_fence();
#pragma unroll
        for (int i = 0; i < F::PRODUCTS; i++)
#pragma unroll
            for (int step = 0; step < ROUND_STEPS; step++) multiply(some, i, first + step, i + step > 0);
        end_round(acc, some, group, groups);
    }
}

} // namespace soft

#endif
