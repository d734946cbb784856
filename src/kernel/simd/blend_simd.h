/* SPDX-License-Identifier: Apache-2.0 */
/* blend_simd.h - sums of a few entries of a small table, over the vocabulary of vec.h: the table stays in
 * registers where there are enough of them. */
#ifndef FGI_BLEND_SIMD_H
#define FGI_BLEND_SIMD_H

static void blend_table(const float *table, const fgi_blend *blend, int32_t count,
                        float *FGI_RESTRICT out)
{
    const vec_table entries = vec_table_load(table);
    for (int32_t c = 0; c < count; c += LANES) {
        vec_f32 sum = vec_load(blend->bias + c, LANES, FG_F32);
        FGI_UNROLL
        for (int t = 0; t < FGI_BLEND_TERMS; t++) {
            const int64_t at = t * blend->stride + c;
            const vec_f32 weight = vec_load(blend->weight + at, LANES, FG_F16);
            sum = vec_fma(weight, vec_lookup(&entries, blend->index + at), sum);
        }
        vec_store(out + c, LANES, sum);
    }
}

#endif
