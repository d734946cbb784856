/* SPDX-License-Identifier: Apache-2.0 */
/* draw.h - random rows of a mixture. Knows parameters and random numbers; knows no pass. */
#ifndef FGI_DRAW_H
#define FGI_DRAW_H
#include "gmm.h"

/* Rows first .. first + out->rows - 1 of the sequence that seed names; labels may be NULL. */
fg_status fgi_gmm_draw(const fg_gmm *gmm, uint64_t seed, int64_t first, const fg_out *out,
                       const fg_out *labels);

#endif
