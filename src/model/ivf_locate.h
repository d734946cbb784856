/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_locate.h - finds where the rows of sets lie. Knows drafts and cells; knows no pass. */
#ifndef FGI_IVF_LOCATE_H
#define FGI_IVF_LOCATE_H
#include "ivf_draft.h"

/* The lists around every list (ivf->near). */
fg_status fgi_locate_near(fg_context *ctx, fg_ivf *ivf);

/* Cells of the sets whose rows the draft changes, its entries being filled: cells[set] of those. */
fg_status fgi_locate_sets(fg_context *ctx, const fg_ivf *ivf, const fgi_draft *draft,
                          fgi_cell *cells);

#endif
