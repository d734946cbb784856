/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_remove.c - takes rows out, every copy of them. Knows ids and drafts; knows no pass.
 *
 * Which rows go is read off one copy of each and kept by place in their set: the other copies of a
 * segment have the same rows at the same places. */
#include "ivf_draft.h"
#include "ivf_ids.h"

typedef struct removal {
    fgi_ids ids;
    int64_t *first_row; /* of each set: rows are numbered set after set */
    bool *goes;         /* of each row */
    fgi_draft draft;
} removal;

static void mark(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    removal *r = user;
    for (int64_t i = 0; i < count; i++) {
        if (fgi_ids_find(&r->ids, list->ids[begin + i]) < 0) continue;
        r->goes[r->first_row[set] + i] = true;
        r->draft.rows[set]--;
    }
}

static void keep_rest(const fg_ivf *ivf, const removal *r, int32_t l)
{
    const fgi_list *old = &ivf->lists[l];
    const fgi_entries to = fgi_list_entries(ivf, &r->draft.lists[l]);
    int64_t at = 0;
    for (int32_t i = 0; i < old->segment_count; i++) {
        const fgi_segment *segment = &old->segments[i];
        const bool *goes = r->goes + r->first_row[segment->set];
        for (int64_t entry = segment->begin; entry < segment[1].begin; entry++)
            if (!goes[entry - segment->begin]) fgi_entries_copy(ivf, &to, at++, old, entry, 1);
    }
}

static fg_status prepare(const fg_ivf *ivf, removal *r)
{
    FG_TRY(fgi_alloc(NULL, ivf->sets.count, sizeof *r->first_row, &r->first_row));
    FG_TRY(fgi_alloc_zero(NULL, ivf->rows, sizeof *r->goes, &r->goes));
    FG_TRY(fgi_draft_begin(ivf, &r->draft));
    int64_t row = 0;
    for (int32_t set = 0; set < ivf->sets.count; set++) {
        r->first_row[set] = row;
        row += ivf->sets.rows[set];
    }
    fgi_ivf_each_row(ivf, mark, r);
    FG_TRY(fgi_draft_lay_out(ivf, true, &r->draft));
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++)
        if (r->draft.touched[l]) keep_rest(ivf, r, l);
    return FG_OK;
}

fg_status fgi_ivf_remove(fg_ivf *ivf, const int64_t *ids, int64_t count, int64_t *removed)
{
    const int64_t rows_before = ivf->rows;
    removal r = {0};
    FG_TRY(fgi_ids_create(NULL, ids, count, &r.ids));
    const fg_status s = prepare(ivf, &r);
    if (s == FG_OK)
        fgi_draft_commit(ivf, &r.draft);
    else
        fgi_draft_destroy(ivf, &r.draft);
    fgi_ids_destroy(&r.ids);
    fgi_free(r.first_row);
    fgi_free(r.goes);
    if (s == FG_OK && removed) *removed = rows_before - ivf->rows;
    return s;
}
