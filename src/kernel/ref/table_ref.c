/* SPDX-License-Identifier: Apache-2.0 */
/* table_ref.c - the reference kernels as a table. Knows their names only. */
#include "ref.h"

#define LOAD(NAME, name)    [FG_##NAME] = fgi_load_##name##_ref,
#define SCAN_L2(NAME, name) [FG_##NAME] = fgi_scan_l2_##name##_ref,
#define SCAN_IP(NAME, name) [FG_##NAME] = fgi_scan_ip_##name##_ref,

const fgi_kernels fgi_kernels_ref = {
    .isa = "ref",
    .screens = &fgi_screen_ref,
    .screen_count = 1,
    .load = {FGI_LOAD_DTYPES(LOAD)},
    .squares = fgi_squares_ref,
    .select = fgi_select_ref,
    .select_rows = fgi_select_rows_ref,
    .distances = fgi_distances_ref,
    .sqdist_scaled = fgi_sqdist_scaled_ref,
    .evaluate = fgi_evaluate_ref,
    .shares = fgi_shares_ref,
    .add_moments = fgi_add_moments_ref,
    .blend = fgi_blend_ref,
    .dense_distances = fgi_dense_distances_ref,
    .dense_shares = fgi_dense_shares_ref,
    .dense_moments = fgi_dense_moments_ref,
    .scan_l2 = {FGI_SCAN_DTYPES(SCAN_L2)},
    .scan_ip = {FGI_SCAN_DTYPES(SCAN_IP)},
    .sketch_products = fgi_sketch_products_ref,
};
