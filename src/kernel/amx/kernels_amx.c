/* SPDX-License-Identifier: Apache-2.0 */
/* kernels_amx.c - screens of AMX, and the kernels of simd/ in the vocabulary of AVX-512 for all else. Knows
 * both names and no more. */
#include "screens_amx.h"
#include "vec_avx512.h"

#define FGI_TABLE        fgi_kernels_amx
#define FGI_ISA          "amx"
#define FGI_SCREENS      fgi_screens_amx
#define FGI_SCREEN_COUNT FGI_AMX_SCREENS
#include "table_simd.h"
