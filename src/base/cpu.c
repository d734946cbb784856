/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c - asks the compiler's run-time library, which also checks that the operating system saves the registers.
 * Knows no kernel. */
#define _GNU_SOURCE /* syscall */
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

bool fgi_cpu_avx512vnni(void)
{
    const unsigned vnni_bit = 1u << 11; /* of leaf 7, ECX */
    unsigned a, b, c, d;
    return fgi_cpu_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & vnni_bit);
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

bool fgi_cpu_avx512vnni(void)
{
    return false;
}
#endif

#if defined(__x86_64__) && defined(__linux__)
#include <pthread.h>     /* pthread_once */
#include <sys/syscall.h> /* SYS_arch_prctl */
#include <unistd.h>      /* syscall */

static bool amx_allowed;

/* Linux saves a thread's tile registers only if the process has asked for it. */
static bool may_use_tiles(void)
{
#ifdef FGI_TILES_IN_MEMORY
    return true; /* there are none: tests/tiles/tiles_in_memory.h */
#else
    enum { REQUEST = 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA = 18 };
    const unsigned tile_bits = 1u << 22 | 1u << 24; /* of leaf 7, EDX: AMX-BF16, AMX-TILE */
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & tile_bits) != tile_bits) return false;
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#endif
}

static void ask_for_amx(void)
{
    const unsigned bf16_bit = 1u << 5; /* of leaf 7.1, EAX */
    unsigned a, b, c, d;
    if (!fgi_cpu_avx512()) return;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & bf16_bit)) return;
    amx_allowed = may_use_tiles();
}

bool fgi_cpu_amx(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_for_amx);
    return amx_allowed;
}
#else
bool fgi_cpu_amx(void)
{
    return false;
}
#endif
