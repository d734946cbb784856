/* SPDX-License-Identifier: Apache-2.0 */
/* tune.h - finds which theta gives which recall. Knows probes; knows no file.
 *
 * For sample queries the true results are found, and all cells put in order, once. What a rule of any
 * steepness and theta would find and scan follows from that order, so all rules are tried at the
 * cost of little more than one exhaustive search. */
#ifndef FGI_TUNE_H
#define FGI_TUNE_H
#include "ivf.h"

/* As fg_ivf_tune, whose arguments have been checked. queries NULL: rows of the index, which then do not find
 * themselves. */
fg_status fgi_ivf_tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries,
                       const fg_tune_options *opt, fg_tune_report *report);

#endif
