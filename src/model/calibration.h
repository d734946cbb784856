/* SPDX-License-Identifier: Apache-2.0 */
/* calibration.h - what a tuned index knows, as rules for a search. Knows what a tuned index keeps; knows no sample and
 * no query. */
#ifndef FGI_CALIBRATION_H
#define FGI_CALIBRATION_H
#include "probe.h"

/* The rules for a recall. FG_ARGUMENT: not tuned, or above what the sample reached. */
fg_status fgi_calibration_find(const fg_ivf *ivf, double recall, fgi_rules *out);

#endif
