/* SPDX-License-Identifier: Apache-2.0 */
/* kernels_avx512vnni.c - the kernels of AVX-512, and before its screen one of bytes and one of words of 16 bits. Knows
 * their names and no more. */
#include "screens_avx512vnni.h"
#include "vec_avx512.h"

#include "scores_simd.h"

static const fgi_screen screens[] = {FGI_BYTES_SCREEN, FGI_WORDS_SCREEN, F32_SCREEN};

#define FGI_TABLE        fgi_kernels_avx512vnni
#define FGI_ISA          "avx512vnni"
#define FGI_SCREENS      screens
#define FGI_SCREEN_COUNT 3
#include "table_simd.h"
