/* SPDX-License-Identifier: Apache-2.0 */
/* half.h - f16 and bf16 to f32 and back, one value at a time, rounding to nearest even. */
#ifndef FGI_HALF_H
#define FGI_HALF_H
#include <stdint.h> /* uint16_t */
#include <string.h> /* memcpy */

static inline uint32_t fgi_bits_of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float fgi_f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float fgi_f32_of_bf16(uint16_t half)
{
    return fgi_f32_of_bits((uint32_t)half << 16);
}

static inline uint16_t fgi_bf16_of_f32(float value)
{
    const uint32_t bits = fgi_bits_of_f32(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float fgi_f32_of_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0x1fu) return fgi_f32_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { /* zero and denormals: fraction * 2^-24, exact */
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return fgi_f32_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static inline uint16_t fgi_f16_of_f32(float value)
{
    const uint32_t bits = fgi_bits_of_f32(value), magnitude = bits & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);  /* NaN */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds to infinity */
    if (magnitude < 0x38800000u) { /* below 2^-14: the addition rounds to a multiple of 2^-24 */
        const float shifted = fgi_f32_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (fgi_bits_of_f32(shifted) - 0x3f000000u));
    }
    const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

#endif
