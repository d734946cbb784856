/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_ids.h - which rows of an index bear given ids. No table of ids is kept: the few that a call
 * brings are sorted, and the many of the index looked up among them. Knows ids; knows no code. */
#ifndef FGI_IVF_IDS_H
#define FGI_IVF_IDS_H
#include "ivf.h"

/* Ids in ascending order. */
typedef struct fgi_ids {
    int64_t count;
    int64_t *sorted;
} fgi_ids;

/* A sorted copy. */
fg_status fgi_ids_create(fgi_ledger *ledger, const int64_t *ids, int64_t count, fgi_ids *out);
void fgi_ids_destroy(fgi_ids *ids);

void fgi_ids_sort(fgi_ids *ids);

/* The place of an id (of equal ones the first), -1 if it is not there. */
int64_t fgi_ids_find(const fgi_ids *ids, int64_t id);

/* Whether `count` ids may be added: none negative, INT64_MAX, twice among them, or in the index.
 * FG_ARGUMENT names the id. */
fg_status fgi_ids_check_new(fgi_ledger *ledger, const fg_ivf *ivf, const int64_t *ids,
                            int64_t count);

#endif
