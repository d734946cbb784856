/* SPDX-License-Identifier: Apache-2.0 */
/* kernels_avx512.c - the kernels of simd/ in the vocabulary of AVX-512. Knows both names and no more. */
#include "vec_avx512.h"

#include "scores_simd.h"

static const fgi_screen screens[] = {F32_SCREEN};

#define FGI_TABLE        fgi_kernels_avx512
#define FGI_ISA          "avx512"
#define FGI_SCREENS      screens
#define FGI_SCREEN_COUNT 1
#include "table_simd.h"
