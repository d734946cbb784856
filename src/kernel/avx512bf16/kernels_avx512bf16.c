/* SPDX-License-Identifier: Apache-2.0 */
/* kernels_avx512bf16.c - the kernels of AVX-512, and before its screen one of bytes and one of pairs of bf16. Knows their
 * names and no more. */
#include "screens_avx512bf16.h"
#include "vec_avx512.h"

#include "scores_simd.h"

static const fgi_screen screens[] = {FGI_BYTES_SCREEN, FGI_PAIRS_SCREEN, F32_SCREEN};

#define FGI_TABLE        fgi_kernels_avx512bf16
#define FGI_ISA          "avx512bf16"
#define FGI_SCREENS      screens
#define FGI_SCREEN_COUNT 3
#include "table_simd.h"
