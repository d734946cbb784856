/* SPDX-License-Identifier: Apache-2.0 */
/* scan_ref.c - a query against consecutive rows. Knows no instruction set. */
#include "ref.h"

static void scan_l2(const float *query, const void *rows, int64_t count, int32_t d, fg_dtype dtype,
                    float *out)
{
    for (int64_t r = 0; r < count; r++) {
        double sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const double difference = query[i] - fgi_element(rows, r * d + i, dtype);
            sum += difference * difference;
        }
        out[r] = (float)sum;
    }
}

static void scan_ip(const float *query, const void *rows, int64_t count, int32_t d, fg_dtype dtype,
                    float *out)
{
    for (int64_t r = 0; r < count; r++) {
        double sum = 0;
        for (int32_t i = 0; i < d; i++) sum += query[i] * fgi_element(rows, r * d + i, dtype);
        out[r] = (float)sum;
    }
}

#define FGI_X(NAME, name)                                                                          \
    void fgi_scan_l2_##name##_ref(const float *query, const void *rows, int64_t count, int32_t d,  \
                                  float *FGI_RESTRICT out)                                         \
    {                                                                                              \
        scan_l2(query, rows, count, d, FG_##NAME, out);                                            \
    }                                                                                              \
    void fgi_scan_ip_##name##_ref(const float *query, const void *rows, int64_t count, int32_t d,  \
                                  float *FGI_RESTRICT out)                                         \
    {                                                                                              \
        scan_ip(query, rows, count, d, FG_##NAME, out);                                            \
    }
FGI_SCAN_DTYPES(FGI_X)
#undef FGI_X
