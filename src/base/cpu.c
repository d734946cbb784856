/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c - asks the compiler's run-time library, which also checks that the operating system saves the registers.
 * Knows no kernel. */
#include "cpu.h"

bool fgi_cpu_any(void)
{
    return true;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h> /* __get_cpuid, bit_F16C */

/* the compiler's library does not know F16C by name everywhere */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

bool fgi_cpu_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool fgi_cpu_avx512(void)
{
    return fgi_cpu_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#else
bool fgi_cpu_avx2(void)
{
    return false;
}

bool fgi_cpu_avx512(void)
{
    return false;
}
#endif
