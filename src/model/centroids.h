/* SPDX-License-Identifier: Apache-2.0 */
/* centroids.h - given centroids as the parameters of a pass. Knows no rows. */
#ifndef FGI_CENTROIDS_H
#define FGI_CENTROIDS_H
#include "params.h"

/* FG_NUMERIC for NaN or infinity, or what is so as f32, with the place. what: the view's name in messages. */
fg_status fgi_centroids_check(const fg_view *view, const char *what);

/* Centroids (any real type, already checked as a view) about their own mean, so that a pass works
 * with small numbers. Checks them first. */
fg_status fgi_centroids_from(fgi_ledger *ledger, const fg_view *view, fgi_params *out);

#endif
