/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_gather.h - the few rows that a filter leaves, brought together once for many queries. Knows lists and
 * filters; knows no query. */
#ifndef FGI_IVF_GATHER_H
#define FGI_IVF_GATHER_H
#include "ivf_scan.h"

/* How many rows may be found, at most: ids without a row count, too. */
int64_t fgi_allow_count(const fg_ivf *ivf, const fgi_allow *allow);

/* One list of all rows that may be found, `most` or fewer. Its entries are one block, the caller's to free. */
fg_status fgi_gather(fgi_ledger *ledger, const fg_ivf *ivf, const fgi_allow *allow, int64_t most,
                     fgi_list *out);

#endif
