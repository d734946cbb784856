/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_simd.h - values of candidates from their distances, over the vocabulary of vec.h.
 *     value[c] = offset[index[c]] - scale[index[c]] * distance[c], in f64 */
#ifndef FGI_EVALUATE_SIMD_H
#define FGI_EVALUATE_SIMD_H

/* Up to half a vector of values. */
FGI_INLINE void evaluate_half(vec_f64 distance, const int32_t *index, int32_t n,
                              const double *const tables[2], double *value)
{
    const vec_f64 offset = wide_gather(tables[0], index, n);
    const vec_f64 scale = wide_gather(tables[1], index, n);
    wide_store(value, n, wide_sub(offset, wide_mul(scale, distance)));
}

static void evaluate(const float *distance, const int32_t *index, int32_t count,
                     const double *offset, const double *scale, double *FGI_RESTRICT value)
{
    const double *const tables[] = {offset, scale};
    const int32_t whole = count / LANES * LANES, half = LANES / 2;
    for (int32_t c = 0; c < whole; c += LANES) {
        const vec_f32 distances = vec_load(distance + c, LANES, FG_F32);
        evaluate_half(wide_low(distances), index + c, half, tables, value + c);
        evaluate_half(wide_high(distances), index + c + half, half, tables, value + c + half);
    }
    if (whole == count) return;
    const int32_t left = count - whole, low = left < half ? left : half;
    const vec_f32 distances = vec_load(distance + whole, left, FG_F32);
    evaluate_half(wide_low(distances), index + whole, low, tables, value + whole);
    if (low < left)
        evaluate_half(wide_high(distances), index + whole + low, left - low, tables,
                      value + whole + low);
}

#endif
