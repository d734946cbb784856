/* SPDX-License-Identifier: Apache-2.0 */
/* kernels_neon.c - the kernels of simd/ in the vocabulary of NEON. Knows both names and no more. */
#include "vec_neon.h"

#include "scores_simd.h"

static const fgi_screen screens[] = {F32_SCREEN};

#define FGI_TABLE        fgi_kernels_neon
#define FGI_ISA          "neon"
#define FGI_SCREENS      screens
#define FGI_SCREEN_COUNT 1
#include "table_simd.h"
