/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_draft.c - lays out lists from the sizes of their sets. Knows lists and sets; knows no pass
 * and no file. */
#include "ivf_draft.h"

#include <string.h> /* memcpy */

fg_status fgi_draft_begin(const fg_ivf *ivf, fgi_draft *out)
{
    const int32_t lists = fgi_ivf_lists(ivf), sets = ivf->sets.count;
    fgi_draft draft = {0};
    fg_status s = fgi_alloc(NULL, sets, sizeof *draft.rows, &draft.rows);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, lists, sizeof *draft.touched, &draft.touched);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, lists, sizeof *draft.lists, &draft.lists);
    if (s != FG_OK) {
        fgi_draft_destroy(ivf, &draft);
        return s;
    }
    memcpy(draft.rows, ivf->sets.rows, (size_t)sets * sizeof *draft.rows);
    *out = draft;
    return FG_OK;
}

/* Codes first, for their alignment; then ids, norms, sketches: see fgi_list_entries. */
static int64_t ids_offset(const fg_ivf *ivf, int64_t count)
{
    const int64_t item = (int64_t)sizeof(int64_t);
    return (count * fgi_ivf_row_bytes(ivf) + item - 1) / item * item;
}

/* Whole lines of memory, so that lists side by side share none. */
static int64_t entry_bytes(const fg_ivf *ivf, const fgi_list *list)
{
    enum { LINE = 64 };
    const int64_t norms = ivf->metric == FG_METRIC_COSINE ? list->count : 0;
    const int64_t bytes = ids_offset(ivf, list->count) + list->count * (int64_t)sizeof(int64_t) +
                          norms * (int64_t)sizeof(float) + list->count * ivf->sketch_bytes;
    return (bytes + LINE - 1) / LINE * LINE;
}

/* Whether no list with entries stays as it is. */
static bool replaces_all(const fg_ivf *ivf, const fgi_draft *draft)
{
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++)
        if (!draft->touched[l] && ivf->lists[l].count > 0) return false;
    return true;
}

static void point_at_entries(const fg_ivf *ivf, fgi_list *list)
{
    const fgi_entries entries = fgi_list_entries(ivf, list);
    list->codes = entries.codes;
    list->ids = entries.ids;
    list->inverse_norms = entries.inverse_norms;
    list->sketches = entries.sketches;
}

fg_status fgi_list_alloc(fgi_ledger *ledger, const fg_ivf *ivf, fgi_list *list)
{
    FG_TRY(fgi_alloc(ledger, entry_bytes(ivf, list), 1, &list->entries));
    point_at_entries(ivf, list);
    return FG_OK;
}

/* One block for all if they are all that there is: a large block is read faster (memory.c). Lists that
 * change later get blocks of their own, so that at most one block ever holds entries that are gone. */
static fg_status alloc_entries(const fg_ivf *ivf, fgi_draft *draft)
{
    int64_t bytes = 0;
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++)
        if (draft->touched[l]) bytes += entry_bytes(ivf, &draft->lists[l]);
    if (replaces_all(ivf, draft)) FG_TRY(fgi_alloc(NULL, bytes, 1, &draft->block));
    char *next = draft->block;
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) {
        fgi_list *list = &draft->lists[l];
        if (!draft->touched[l]) continue;
        if (next) {
            list->entries = next;
            list->shared = true;
            point_at_entries(ivf, list);
            next += entry_bytes(ivf, list);
        } else {
            FG_TRY(fgi_list_alloc(NULL, ivf, list));
        }
    }
    return FG_OK;
}

/* Calls `each` for every set with rows and every touched list that is its member. */
typedef void (*member_fn)(const fgi_sets *sets, int32_t set, int32_t member, int64_t rows,
                          fgi_list *list);

static void each_member(const fgi_sets *sets, fgi_draft *draft, member_fn each)
{
    for (int32_t set = 0; set < sets->count; set++)
        for (int32_t m = sets->begin[set]; draft->rows[set] > 0 && m < sets->begin[set + 1]; m++)
            if (draft->touched[sets->members[m]])
                each(sets, set, m, draft->rows[set], &draft->lists[sets->members[m]]);
}

/* Moves the end mark alone over a segment: in the end it tells the size of everything. */
static void count_segment(const fgi_sets *sets, int32_t set, int32_t member, int64_t rows,
                          fgi_list *list)
{
    (void)member;
    list->segment_count++;
    list->segments->begin += rows;
    list->segments->others += fgi_set_size(sets, set) - 1;
}

/* Turns the end mark into a segment and puts a new one behind it. */
static void append_segment(const fgi_sets *sets, int32_t set, int32_t member, int64_t rows,
                           fgi_list *list)
{
    fgi_segment *segment = &list->segments[list->segment_count++];
    int32_t others = segment->others;
    for (int32_t m = sets->begin[set]; m < sets->begin[set + 1]; m++)
        if (m != member) list->others[others++] = sets->members[m];
    segment->set = set;
    segment[1] = (fgi_segment){.begin = segment->begin + rows, .others = others};
}

static fg_status alloc_list(fgi_list *list)
{
    const fgi_segment end = list->segments[0];
    list->count = end.begin;
    list->segments[0] = (fgi_segment){0};
    FG_TRY(fgi_alloc(NULL, end.others, sizeof *list->others, &list->others));
    FG_TRY(
        fgi_grow(NULL, list->segment_count + (int64_t)1, sizeof *list->segments, &list->segments));
    FG_TRY(fgi_places_create(list->segment_count, &list->places));
    list->segment_count = 0;
    return FG_OK;
}

static void touch_changed(const fgi_sets *sets, fgi_draft *draft)
{
    for (int32_t set = 0; set < sets->count; set++)
        for (int32_t m = sets->begin[set]; m < sets->begin[set + 1]; m++)
            if (draft->rows[set] != sets->rows[set]) draft->touched[sets->members[m]] = true;
}

fg_status fgi_draft_lay_out(const fg_ivf *ivf, bool with_entries, fgi_draft *draft)
{
    const int32_t lists = fgi_ivf_lists(ivf);
    touch_changed(&ivf->sets, draft);
    for (int32_t l = 0; l < lists; l++)
        if (draft->touched[l])
            FG_TRY(fgi_alloc_zero(NULL, 1, sizeof(fgi_segment), &draft->lists[l].segments));
    each_member(&ivf->sets, draft, count_segment);
    for (int32_t l = 0; l < lists; l++)
        if (draft->touched[l]) FG_TRY(alloc_list(&draft->lists[l]));
    each_member(&ivf->sets, draft, append_segment);
    return with_entries ? alloc_entries(ivf, draft) : FG_OK;
}

void fgi_draft_commit(fg_ivf *ivf, fgi_draft *draft)
{
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) {
        if (!draft->touched[l]) continue;
        fgi_list *list = &draft->lists[l];
        for (int32_t i = 0; i < list->segment_count; i++) {
            const fgi_cell *cell = &ivf->cells[list->segments[i].set];
            if (cell->home == l) fgi_places_add(&list->places, cell, i);
        }
        fgi_list_destroy(&ivf->lists[l]);
        ivf->lists[l] = *list;
        draft->lists[l] = (fgi_list){0};
        if (ivf->lists[l].places.stride > ivf->most_places)
            ivf->most_places = ivf->lists[l].places.stride;
    }
    if (draft->block) {
        fgi_free(ivf->block);
        ivf->block = draft->block;
        draft->block = NULL;
    }
    ivf->rows = ivf->entries = 0;
    for (int32_t set = 0; set < ivf->sets.count; set++) {
        ivf->sets.rows[set] = draft->rows[set];
        ivf->rows += draft->rows[set];
        ivf->entries += draft->rows[set] * fgi_set_size(&ivf->sets, set);
    }
    fgi_draft_destroy(ivf, draft);
}

void fgi_draft_destroy(const fg_ivf *ivf, fgi_draft *draft)
{
    for (int32_t l = 0; draft->lists && l < fgi_ivf_lists(ivf); l++)
        fgi_list_destroy(&draft->lists[l]);
    fgi_free(draft->block);
    fgi_free(draft->rows);
    fgi_free(draft->touched);
    fgi_free(draft->lists);
    *draft = (fgi_draft){0};
}

fgi_entries fgi_list_entries(const fg_ivf *ivf, const fgi_list *list)
{
    unsigned char *block = list->entries;
    fgi_entries e = {.codes = block};
    e.ids = (int64_t *)(void *)(block + ids_offset(ivf, list->count));
    unsigned char *next = (unsigned char *)(e.ids + list->count);
    if (ivf->metric == FG_METRIC_COSINE) {
        e.inverse_norms = (float *)(void *)next;
        next += (size_t)list->count * sizeof *e.inverse_norms;
    }
    if (ivf->sketch_bytes > 0) e.sketches = next;
    return e;
}

void fgi_entries_copy(const fg_ivf *ivf, const fgi_entries *to, int64_t at, const fgi_list *from,
                      int64_t begin, int64_t count)
{
    const int64_t row_bytes = fgi_ivf_row_bytes(ivf);
    memcpy(to->codes + at * row_bytes, from->codes + begin * row_bytes,
           (size_t)(count * row_bytes));
    memcpy(to->ids + at, from->ids + begin, (size_t)count * sizeof *to->ids);
    if (to->inverse_norms)
        memcpy(to->inverse_norms + at, from->inverse_norms + begin,
               (size_t)count * sizeof *to->inverse_norms);
    if (!to->sketches) return;
    const fgi_sketch_kind kind = fgi_ivf_sketch_kind(ivf);
    const int64_t bytes = ivf->sketch_bytes;
    if (from->sketches)
        memcpy(to->sketches + at * bytes, from->sketches + begin * bytes, (size_t)(count * bytes));
    else
        fgi_sketch_rows(&kind, to->codes + at * row_bytes,
                        to->inverse_norms ? to->inverse_norms + at : NULL, count,
                        to->sketches + at * bytes);
}
