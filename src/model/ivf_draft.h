/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_draft.h - a change of an index: the lists it touches are laid out anew beside the old ones,
 * and take their place at the end, which cannot fail. Knows lists and sets; knows no row's place in
 * a pass.
 *
 * begin -> set `rows` -> lay_out -> fill the entries -> commit; or destroy at any point. */
#ifndef FGI_IVF_DRAFT_H
#define FGI_IVF_DRAFT_H
#include "ivf.h"

typedef struct fgi_draft {
    int64_t *rows;   /* of each set, after the change */
    bool *touched;   /* of each list: whether it is laid out anew */
    fgi_list *lists; /* the new ones of those */
    void *block;     /* of their entries, if no other list has any; NULL: each has its own */
} fgi_draft;

/* Everything as it is: the rows of every set as they are now, no list touched. */
fg_status fgi_draft_begin(const fg_ivf *ivf, fgi_draft *out);

/* Touches all lists of the sets whose rows change. Makes count and segments of every touched list,
 * and a place for its entries if asked for: its content is the caller's to write before commit. */
fg_status fgi_draft_lay_out(const fg_ivf *ivf, bool with_entries, fgi_draft *draft);

/* Puts the touched lists, with the cells of their sets, and the rows of the sets into the index, and
 * ends the draft. */
void fgi_draft_commit(fg_ivf *ivf, fgi_draft *draft);
void fgi_draft_destroy(const fg_ivf *ivf, fgi_draft *draft);

/* The entries of a list that was laid out with a block, to be written. */
typedef struct fgi_entries {
    unsigned char *codes;
    int64_t *ids;
    float *inverse_norms;    /* NULL unless cosine */
    unsigned char *sketches; /* NULL where rows have none */
} fgi_entries;

/* A block of its own for the entries of a list, `count` is set. */
fg_status fgi_list_alloc(fgi_ledger *ledger, const fg_ivf *ivf, fgi_list *list);

fgi_entries fgi_list_entries(const fg_ivf *ivf, const fgi_list *list);

/* Copies `count` entries of a list into a block, and makes their sketches where that list has none. */
void fgi_entries_copy(const fg_ivf *ivf, const fgi_entries *to, int64_t at, const fgi_list *from,
                      int64_t begin, int64_t count);

#endif
