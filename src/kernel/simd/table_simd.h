/* SPDX-License-Identifier: Apache-2.0 */
/* table_simd.h - all kernels, over the vocabulary that was included before, as the table FGI_TABLE of
 * the instruction set FGI_ISA with the screens FGI_SCREENS. Knows their names only. */
#ifndef FGI_TABLE_SIMD_H
#define FGI_TABLE_SIMD_H
#include "load_simd.h"
#include "squares_simd.h"
#include "select_simd.h"
#include "rows_simd.h"
#include "sketch_simd.h"
#include "distances_simd.h"
#include "evaluate_simd.h"
#include "shares_simd.h"
#include "moments_simd.h"
#include "blend_simd.h"
#include "dense_simd.h"

const fgi_kernels FGI_TABLE = {
    .isa = FGI_ISA,
    .screens = FGI_SCREENS,
    .screen_count = FGI_SCREEN_COUNT,
    .load = {[FG_F32] = load_f32,
             [FG_F16] = load_f16,
             [FG_BF16] = load_bf16,
             [FG_I8] = load_i8,
             [FG_U8] = load_u8,
             [FG_F64] = load_f64},
    .squares = squares,
    .select = select_scores,
    .select_rows = select_rows,
    .distances = distances,
    .sqdist_scaled = sqdist_scaled,
    .evaluate = evaluate,
    .shares = shares,
    .add_moments = add_moments,
    .blend = blend_table,
    .dense_distances = dense_distances,
    .dense_shares = dense_shares,
    .dense_moments = dense_moments,
    .scan_l2 = {[FG_F32] = scan_l2_f32,
                [FG_F16] = scan_l2_f16,
                [FG_BF16] = scan_l2_bf16,
                [FG_I8] = scan_l2_i8,
                [FG_U8] = scan_l2_u8},
    .scan_ip = {[FG_F32] = scan_ip_f32,
                [FG_F16] = scan_ip_f16,
                [FG_BF16] = scan_ip_bf16,
                [FG_I8] = scan_ip_i8,
                [FG_U8] = scan_ip_u8},
    .sketch_products = sketch_products,
};

#endif
