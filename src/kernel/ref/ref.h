/* SPDX-License-Identifier: Apache-2.0 */
/* ref.h - the scalar twins, and how they read an element of any type. Knows no instruction set. */
#ifndef FGI_REF_H
#define FGI_REF_H
#include "half.h"
#include "kernels.h"

#include <math.h>   /* NAN, INFINITY, exp2, fmax, sqrt */
#include <string.h> /* memcpy */

enum { FGI_REF_PANEL = 16 };

/* Element i of rows of any alignment: they may lie anywhere in a mapped file. */
static inline double fgi_element(const void *rows, int64_t i, fg_dtype dtype)
{
    const unsigned char *bytes = rows;
    uint16_t half;
    float f32;
    double f64;
    switch (dtype) {
    case FG_F32: memcpy(&f32, bytes + i * 4, sizeof f32); return f32;
    case FG_F16: memcpy(&half, bytes + i * 2, sizeof half); return fgi_f32_of_f16(half);
    case FG_BF16: memcpy(&half, bytes + i * 2, sizeof half); return fgi_f32_of_bf16(half);
    case FG_I8: return (int8_t)bytes[i];
    case FG_U8: return bytes[i];
    case FG_F64: memcpy(&f64, bytes + i * 8, sizeof f64); return f64;
    default: return NAN;
    }
}

#define FGI_X(NAME, name) void fgi_load_##name##_ref(const fgi_load_args *a);
FGI_LOAD_DTYPES(FGI_X)
#undef FGI_X

#define FGI_X(NAME, name)                                                                          \
    void fgi_scan_l2_##name##_ref(const float *query, const void *rows, const int32_t *index,      \
                                  int64_t count, int32_t d, float *FGI_RESTRICT out);              \
    void fgi_scan_ip_##name##_ref(const float *query, const void *rows, const int32_t *index,      \
                                  int64_t count, int32_t d, float *FGI_RESTRICT out);
FGI_SCAN_DTYPES(FGI_X)
#undef FGI_X

void fgi_sketch_products_ref(const int16_t *query, const fgi_sketches *sketches, int64_t count,
                             int32_t d, float *FGI_RESTRICT out);

extern const fgi_screen fgi_screen_ref;
void fgi_squares_ref(const fgi_squares_args *a);
int32_t fgi_select_ref(const float *scores, int32_t count, float threshold, int32_t row,
                       int32_t *FGI_RESTRICT rows, int32_t *FGI_RESTRICT components);
int32_t fgi_select_rows_ref(const fgi_select_rows_args *a);
void fgi_distances_ref(const fgi_distances_args *a);
void fgi_sqdist_scaled_ref(const float *x, const float *means, const float *scale, int32_t ld,
                           int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out);
void fgi_evaluate_ref(const float *distance, const int32_t *index, int32_t count,
                      const double *offset, const double *scale, double *FGI_RESTRICT value);
void fgi_shares_ref(const fgi_shares_args *a);
void fgi_add_moments_ref(const fgi_moments_args *a);
void fgi_blend_ref(const float *table, const fgi_blend *blend, int32_t count,
                   float *FGI_RESTRICT out);
void fgi_dense_distances_ref(const fgi_dense_args *a);
void fgi_dense_shares_ref(const fgi_dense_shares_args *a);
void fgi_dense_moments_ref(const fgi_dense_args *a, double *shift, double *square);

#endif
