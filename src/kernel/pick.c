/* SPDX-License-Identifier: Apache-2.0 */
/* pick.c - chooses the CPU kernel table. Knows the order of preference; knows no kernel. */
#include "cpu.h"
#include "kernels.h"

#include <string.h> /* strcmp */

static const struct {
    bool (*usable)(void);
    const fgi_kernels *table;
} best_first[] = {
#ifdef FGI_WITH_X86
    {fgi_cpu_amx, &fgi_kernels_amx},       {fgi_cpu_avx512vnni, &fgi_kernels_avx512vnni},
    {fgi_cpu_avx512, &fgi_kernels_avx512}, {fgi_cpu_avx2, &fgi_kernels_avx2},
#endif
#ifdef FGI_WITH_NEON
    {fgi_cpu_any, &fgi_kernels_neon}, /* every 64-bit ARM has it */
#endif
    {fgi_cpu_any, &fgi_kernels_ref},
};

const fgi_kernels *fgi_kernels_pick(const char *isa)
{
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++)
        if (best_first[i].usable() && (!isa || !strcmp(isa, best_first[i].table->isa)))
            return best_first[i].table;
    return NULL;
}
