/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_case.h - what tests of kernels share. To be included first. Knows kernels.h alone.
 *
 * Inputs end where readable memory ends, so that one byte too many is a crash; outputs have canaries behind
 * them. Results are compared with the formulas of kernels.h in f64.
 *
 * Bounds: u = 2^-24 and gamma(n) = n u / (1 - n u). However n products are added up, fused or not, the error
 * is at most gamma(n) * (sum of |products|); each rounding of a factor before adds one to n (Higham, Accuracy
 * and Stability of Numerical Algorithms, 3.1). The one rounding of a reference kernel is within that too.
 *     scores             what the screen promises (kernels.h)
 *     inner product      gamma(d) * sum |q v|
 *     squared distance   gamma(d + 2) * sum (q - v)^2          the rounded difference counts twice
 *     scaled distance    gamma(d + 3) * sum s (q - v)^2
 *     loaded value       2 u |x|, and 2^-53 (d + 8) where |row| = 1 comes from d squares
 *     square             3 u (x^2 + origin) unit               x^2, the difference, and the product with the unit
 *     moments            2^-50 (|old| + sum |added|)           f64, at most four roundings a row
 * and 2^-126 for what underflows. */
#ifndef KERNEL_CASE_H
#define KERNEL_CASE_H
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "half.h"
#include "kernels.h"
#include "random.h"

#include <math.h>     /* exp2, fabs, isfinite, isnan, nextafterf */
#include <setjmp.h>   /* cmocka needs it */
#include <stdarg.h>   /* cmocka needs it */
#include <stdlib.h>   /* free, malloc */
#include <string.h>   /* memcmp, memcpy */
#include <sys/mman.h> /* mmap, mprotect */
#include <unistd.h>   /* sysconf */

#include <cmocka.h>

enum { REGIONS = 4, REGION_BYTES = 1 << 20, LANES = 16, LONGEST_ROW = 960 };

static const fgi_kernels *table;  /* under test */
static char *region_end[REGIONS]; /* the first byte that must not be touched */

static inline double gamma_bound(int64_t n)
{
    return (double)n * 0x1p-24 / (1 - (double)n * 0x1p-24);
}

/* `bytes` bytes that end `before` bytes before the end of a region. */
static inline void *at_end(int region, int64_t bytes, int64_t before)
{
    assert_true(bytes + before <= REGION_BYTES);
    return region_end[region] - bytes - before;
}

static inline float *floats_at_end(int region, int64_t count)
{
    return at_end(region, count * (int64_t)sizeof(float), 0);
}

static inline float random_float(uint64_t index)
{
    return (float)(2 * fgi_random_uniform(7, 7, index) - 1);
}

static inline float *random_floats_at_end(int region, int64_t count)
{
    float *values = floats_at_end(region, count);
    for (int64_t i = 0; i < count; i++) values[i] = random_float((uint64_t)(i * REGIONS + region));
    return values;
}

static const float canary = 16407130;

static inline void fill_canaries(float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = canary;
}

static inline void assert_canaries(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (values[i] != canary)
            fail_msg("%s wrote %g past its output, place %lld", table->isa, values[i],
                     (long long)i);
}

static inline void assert_near(const char *what, int64_t size, double value, double expected,
                               double bound)
{
    if (!(fabs(value - expected) <= bound + 0x1p-126))
        fail_msg("%s %s, size %lld: %.9g is off %.9g by %g; the bound is %g", table->isa, what,
                 (long long)size, value, expected, fabs(value - expected), bound);
}

static inline void assert_same_bits(const char *what, int64_t size, float a, float b)
{
    if (memcmp(&a, &b, sizeof a) != 0)
        fail_msg("%s %s, size %lld: %.9g and %.9g should be the same", table->isa, what,
                 (long long)size, a, b);
}

/* ---- elements of every type */

static inline int64_t element_bytes(fg_dtype dtype)
{
    static const int64_t bytes[] = {
        [FG_F32] = 4, [FG_F16] = 2, [FG_BF16] = 2, [FG_I8] = 1, [FG_U8] = 1, [FG_F64] = 8};
    return bytes[dtype];
}

/* Writes element i of rows at any address and gives back what the type holds of the value. */
static inline double put(void *rows, int64_t i, fg_dtype dtype, double value)
{
    const float f32 = (float)value;
    const uint16_t half = dtype == FG_F16 ? fgi_f16_of_f32(f32) : fgi_bf16_of_f32(f32);
    const int8_t byte = isfinite(value) ? (int8_t)(value * 127) : 0;
    char *to = (char *)rows + i * element_bytes(dtype);
    switch (dtype) {
    case FG_F32: memcpy(to, &f32, 4); return f32;
    case FG_F64: memcpy(to, &value, 8); return value;
    case FG_F16: memcpy(to, &half, 2); return fgi_f32_of_f16(half);
    case FG_BF16: memcpy(to, &half, 2); return fgi_f32_of_bf16(half);
    default: memcpy(to, &byte, 1); return dtype == FG_I8 ? byte : (uint8_t)byte;
    }
}

static inline void put_row(void *rows, int64_t first, int32_t d, fg_dtype dtype, double *values)
{
    for (int32_t i = 0; i < d; i++)
        values[i] = put(rows, first + i, dtype, random_float((uint64_t)(first + i)));
}

/* Every tail of vectors of 8 and of 16, with and without a whole vector before it, and a few long rows. */
static const int32_t long_rows[] = {64, 100, 127, 128, 129, 300, 768, 960};
enum { SHORT_ROWS = 2 * LANES + 3, ROW_LENGTHS = SHORT_ROWS + 8 };

static inline int32_t row_length(int32_t i)
{
    return i < SHORT_ROWS ? i + 1 : long_rows[i - SHORT_ROWS];
}

static inline void make_regions(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < REGIONS; i++) {
        char *start = mmap(NULL, REGION_BYTES + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(start != MAP_FAILED);
        region_end[i] = start + REGION_BYTES;
        assert_int_equal(mprotect(region_end[i], page, PROT_NONE), 0);
    }
}

/* Goes on to the next table that this CPU can run. */
static inline bool next_table(void)
{
    static const char *const isas[] = {"ref", "neon", "avx2", "avx512", "avx512vnni", "amx"};
    static size_t next;
    for (table = NULL; !table && next < sizeof isas / sizeof *isas; next++)
        table = fgi_kernels_pick(isas[next]);
    return table != NULL;
}

#endif
