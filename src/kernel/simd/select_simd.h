/* SPDX-License-Identifier: Apache-2.0 */
/* select_simd.h - which scores reach a threshold, over the vocabulary of vec.h. */
#ifndef FGI_SELECT_SIMD_H
#define FGI_SELECT_SIMD_H

static int32_t select_scores(const float *scores, int32_t count, float threshold, int32_t first,
                             int32_t *FGI_RESTRICT index, float *FGI_RESTRICT value)
{
    const vec_f32 bound = vec_splat(threshold);
    int32_t selected = 0;
    for (int32_t j = 0; j < count; j += LANES) {
        const vec_f32 lanes = vec_load(scores + j, LANES, FG_F32);
        const uint32_t reached = vec_at_least(lanes, bound);
        if (!reached) continue;
        vec_write_lanes(lanes, reached, first + j, index + selected, value + selected);
        selected += __builtin_popcount(reached);
    }
    return selected;
}

#endif
