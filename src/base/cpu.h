/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - what this CPU and operating system can run. Knows no kernel. */
#ifndef FGI_CPU_H
#define FGI_CPU_H
#include <stdbool.h> /* bool */

bool fgi_cpu_any(void);        /* always true                       */
bool fgi_cpu_avx2(void);       /* AVX2, FMA and F16C                */
bool fgi_cpu_avx512(void);     /* AVX-512 F, BW, DQ, VL             */
bool fgi_cpu_avx512vnni(void); /* AVX-512 as above and VNNI      */
bool fgi_cpu_amx(void); /* AVX-512 as above and BF16, AMX tiles of bf16, which the system allows */

/* Tells the core that this thread only waits. */
static inline void fgi_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* lasts about as long as a pause there; `yield` does nothing */
#endif
}

#endif
