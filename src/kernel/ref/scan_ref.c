/* SPDX-License-Identifier: Apache-2.0 */
/* scan_ref.c - a query against rows in memory, all of them or some. Knows no instruction set. */
#include "ref.h"

typedef struct scan {
    const float *query;
    const void *rows;
    const int32_t *index; /* NULL: 0, 1, 2, ... */
    int64_t count;
    int32_t d;
} scan;

/* Where the first element of the i-th row stands. */
static int64_t begin_of(const scan *s, int64_t i)
{
    return (s->index ? s->index[i] : i) * s->d;
}

static void scan_l2(const scan *s, fg_dtype dtype, float *out)
{
    for (int64_t r = 0; r < s->count; r++) {
        double sum = 0;
        for (int32_t i = 0; i < s->d; i++) {
            const double value = fgi_element(s->rows, begin_of(s, r) + i, dtype);
            sum += (s->query[i] - value) * (s->query[i] - value);
        }
        out[r] = (float)sum;
    }
}

static void scan_ip(const scan *s, fg_dtype dtype, float *out)
{
    for (int64_t r = 0; r < s->count; r++) {
        double sum = 0;
        for (int32_t i = 0; i < s->d; i++)
            sum += s->query[i] * fgi_element(s->rows, begin_of(s, r) + i, dtype);
        out[r] = (float)sum;
    }
}

#define FGI_X(NAME, name)                                                                          \
    void fgi_scan_l2_##name##_ref(const float *query, const void *rows, const int32_t *index,      \
                                  int64_t count, int32_t d, float *FGI_RESTRICT out)               \
    {                                                                                              \
        scan_l2(&(scan){query, rows, index, count, d}, FG_##NAME, out);                            \
    }                                                                                              \
    void fgi_scan_ip_##name##_ref(const float *query, const void *rows, const int32_t *index,      \
                                  int64_t count, int32_t d, float *FGI_RESTRICT out)               \
    {                                                                                              \
        scan_ip(&(scan){query, rows, index, count, d}, FG_##NAME, out);                            \
    }
FGI_SCAN_DTYPES(FGI_X)
#undef FGI_X
