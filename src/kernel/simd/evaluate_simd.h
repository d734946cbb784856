/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_simd.h - values of candidates from their distances, over the vocabulary of vec.h.
 *     value[c] = offset[index[c]] - scale[index[c]] * distance[c], in f64 */
#ifndef FGI_EVALUATE_SIMD_H
#define FGI_EVALUATE_SIMD_H

/* Up to half a vector of values; gives the larger of each and `most` back. */
FGI_INLINE vec_f64 evaluate_half(vec_f64 distance, const int32_t *index, int32_t n,
                                 const double *const tables[2], double *value, vec_f64 most)
{
    const vec_f64 offset = wide_gather(tables[0], index, n);
    const vec_f64 scale = wide_gather(tables[1], index, n);
    const vec_f64 values = wide_sub(offset, wide_mul(scale, distance));
    wide_store(value, n, values);
    return wide_max(wide_keep(values, n, -INFINITY), most);
}

static int32_t evaluate(const float *distance, const int32_t *index, int32_t count,
                        const double *offset, const double *scale, double *FGI_RESTRICT value)
{
    const double *const tables[] = {offset, scale};
    vec_f64 most = wide_splat(-INFINITY);
    for (int32_t c = 0; c < count; c += LANES) {
        const int32_t n = count - c < LANES ? count - c : LANES;
        const int32_t low = n < LANES / 2 ? n : LANES / 2;
        const vec_f32 distances = vec_load(distance + c, n, FG_F32);
        most = evaluate_half(wide_low(distances), index + c, low, tables, value + c, most);
        if (low < n)
            most = evaluate_half(wide_high(distances), index + c + low, n - low, tables,
                                 value + c + low, most);
    }
    const double largest = wide_largest(most);
    for (int32_t c = 0; c < count; c++)
        if (value[c] == largest) return c;
    return 0;
}

#endif
