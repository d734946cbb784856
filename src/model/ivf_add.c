/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_add.c - stores rows. Knows passes, rules and drafts; knows no file.
 *
 * Two passes over the source: the first finds the set of lists of every row, one number each; then
 * all sizes are known, and the second copies rows to where they belong. So memory beyond the index
 * is 4 bytes a row and the lists that are replaced, and nothing changes before nothing can fail any
 * more. */
#include "ivf_draft.h"
#include "ivf_ids.h"
#include "ivf_locate.h"

#include <math.h>   /* sqrt, isfinite */
#include <string.h> /* memcpy */

enum { PLACE_ROWS = 8192 /* rows a chunk of the second pass */, FACED_CANDIDATES = 10 };

typedef struct adding {
    fg_context *ctx;
    fg_ivf *ivf;
    fg_source *source;
    const int64_t *ids; /* NULL: first_id, first_id + 1, ... */
    int64_t rows, first_id;
    fgi_listener *listener;
    int32_t top;      /* candidates a row */
    bool by_distance; /* they come with squared distances */
    int32_t *set_of;  /* of every row */
    fgi_draft draft;
    int64_t *next; /* parallel to sets.members: the entry of that list for the set's next row */
    float *row, *zeros; /* one row as f32; the centre that a load subtracts */
    fgi_cell *fresh;    /* cells of the sets that change */
} adding;

/* ------------------------------------------------------------------------- first pass: the sets */

/* Rows of one list face the list in which SOAR would store them too: so they are told apart by the
 * direction in which they lie. Those of several lists are told apart by these already, and face
 * none. A mixture's candidates come with responsibilities, not with distances: the next best. */
static int32_t faced(const adding *a, const fgi_candidates *c, int32_t own)
{
    static const fgi_rule soar = {
        .kind = FG_ASSIGN_SOAR, .max_lists = 2, .strict = true, .threshold = 1};
    int32_t pair[FGI_MAX_LISTS];
    if (c->count < 2) return -1;
    if (a->by_distance) { /* one alone where the others' distances overflow */
        const int32_t count = fgi_rule_choose(&soar, &a->ivf->coarse.params, c, pair);
        return count == 2 ? pair[pair[0] == own] : -1;
    }
    return c->lists[c->lists[0] == own];
}

static fg_status choose_sets(void *user, int64_t first, int64_t rows,
                             const fgi_row_results *results)
{
    adding *a = user;
    const fgi_params *coarse = &a->ivf->coarse.params;
    const int32_t most = fgi_rule_candidates(&a->ivf->rule, coarse->k);
    for (int64_t r = 0; r < rows; r++) {
        const fgi_candidates all = fgi_candidates_of(results, r, a->top);
        if (all.count == 0)
            return fgi_fail(FG_NUMERIC,
                            "%s: row %lld holds NaN, infinity%s or a value too large for f32",
                            a->source->name, (long long)(first + r),
                            a->ivf->metric == FG_METRIC_COSINE ? ", only zeros" : "");
        int32_t chosen[FGI_MAX_LISTS];
        fgi_candidates c = all;
        if (c.count > most) c.count = most;
        const int32_t count = fgi_rule_choose(&a->ivf->rule, coarse, &c, chosen);
        const int32_t facing = count == 1 ? faced(a, &all, chosen[0]) : -1;
        FG_TRY(fgi_sets_intern(&a->ivf->sets, chosen, count, facing, &a->set_of[first + r]));
    }
    return FG_OK;
}

/* As many candidates as the rule looks at, and as a row needs to face something. */
static fg_status assign(adding *a)
{
    const fgi_params *coarse = &a->ivf->coarse.params;
    const fgi_params params = fgi_rule_params(&a->ivf->rule, coarse);
    a->by_distance = params.kind == FGI_HARD;
    a->top = fgi_rule_candidates(&a->ivf->rule, coarse->k);
    if (a->top < FACED_CANDIDATES) a->top = FACED_CANDIDATES;
    if (a->top > coarse->k) a->top = coarse->k;
    const fgi_pass pass = {.params = &params,
                           .rows = {.top = a->top, .exact_rank = true},
                           .consume = choose_sets,
                           .user = a,
                           .listener = a->listener};
    if (a->listener) a->listener->now.phase = "assign";
    return fgi_pass_run(a->ctx, a->source, &pass, true);
}

/* ------------------------------------------------------------------------ the lists that change */

/* Moves the entries that stay to their new places. Old segments are some of the new ones, in the
 * same order. */
static void keep_entries(const fg_ivf *ivf, const fgi_list *old, const fgi_list *list)
{
    const fgi_entries entries = fgi_list_entries(ivf, list);
    const fgi_segment *to = list->segments;
    for (int32_t i = 0; i < old->segment_count; i++) {
        const fgi_segment *from = &old->segments[i];
        while (to->set != from->set) to++;
        fgi_entries_copy(ivf, &entries, to->begin, old, from->begin, from[1].begin - from->begin);
    }
}

/* The new rows of a set come after those it had, at the same place of the segment in each of its
 * lists. */
static void start_segments(adding *a, int32_t l)
{
    const fgi_sets *sets = &a->ivf->sets;
    const fgi_list *list = &a->draft.lists[l];
    for (int32_t i = 0; i < list->segment_count; i++) {
        const fgi_segment *segment = &list->segments[i];
        int32_t m = sets->begin[segment->set];
        while (sets->members[m] != l) m++;
        a->next[m] = segment->begin + sets->rows[segment->set];
    }
}

static fg_status lay_out(adding *a)
{
    const fgi_sets *sets = &a->ivf->sets;
    FG_TRY(fgi_draft_begin(a->ivf, &a->draft));
    for (int64_t r = 0; r < a->rows; r++) a->draft.rows[a->set_of[r]]++;
    FG_TRY(fgi_draft_lay_out(a->ivf, true, &a->draft));
    FG_TRY(fgi_alloc(&a->ctx->ledger, sets->begin[sets->count], sizeof *a->next, &a->next));
    for (int32_t l = 0; l < fgi_ivf_lists(a->ivf); l++) {
        if (!a->draft.touched[l]) continue;
        keep_entries(a->ivf, &a->ivf->lists[l], &a->draft.lists[l]);
        start_segments(a, l);
    }
    return FG_OK;
}

/* ------------------------------------------------------------------------ second pass: the rows */

/* 1 / |row|, in f64 until the last step. */
static fg_status inverse_norm(adding *a, const void *codes, int64_t row, float *out)
{
    const int32_t d = fgi_ivf_dims(a->ivf);
    float norm2;
    const fgi_load_args load = {.rows = codes,
                                .stride = d,
                                .count = 1,
                                .d = d,
                                .center = a->zeros,
                                .x = a->row,
                                .ldx = d,
                                .norm2 = &norm2};
    a->ctx->kernels->load[a->ivf->dtype](&load);
    double sum = 0;
    for (int32_t i = 0; i < d; i++) sum += (double)a->row[i] * a->row[i];
    *out = (float)(1 / sqrt(sum));
    if (isfinite(*out)) return FG_OK;
    return fgi_fail(FG_NUMERIC, "%s: row %lld has length %g, too short to have a direction",
                    a->source->name, (long long)row, sqrt(sum));
}

static fg_status place_row(adding *a, const void *codes, int64_t row)
{
    const fgi_sets *sets = &a->ivf->sets;
    const int64_t row_bytes = fgi_ivf_row_bytes(a->ivf);
    const int32_t set = a->set_of[row];
    const fgi_sketch_kind kind = fgi_ivf_sketch_kind(a->ivf);
    const unsigned char *sketch = NULL; /* one for all lists */
    float norm = 0;
    if (a->ivf->metric == FG_METRIC_COSINE) FG_TRY(inverse_norm(a, codes, row, &norm));
    for (int32_t m = sets->begin[set]; m < sets->begin[set + 1]; m++) {
        const fgi_entries to = fgi_list_entries(a->ivf, &a->draft.lists[sets->members[m]]);
        const int64_t at = a->next[m]++;
        memcpy(to.codes + at * row_bytes, codes, (size_t)row_bytes);
        to.ids[at] = a->ids ? a->ids[row] : a->first_id + row;
        if (to.inverse_norms) to.inverse_norms[at] = norm;
        if (to.sketches) {
            unsigned char *here = to.sketches + at * a->ivf->sketch_bytes;
            if (sketch)
                memcpy(here, sketch, (size_t)a->ivf->sketch_bytes);
            else
                fgi_sketch_rows(&kind, codes, &norm, 1, here);
            sketch = here;
        }
    }
    return FG_OK;
}

static fg_status tell(adding *a, int64_t done)
{
    if (!a->listener) return FG_OK;
    a->listener->now.rows = done;
    a->listener->now.rows_total = a->rows;
    if (fgi_listener_step(a->listener, 0, 0) == FG_OK) return FG_OK;
    return fgi_fail(FG_CANCELLED, "stopped by the progress function after storing row %lld of %lld",
                    (long long)done, (long long)a->rows);
}

static fg_status place_all(adding *a, fgi_chunks *chunks)
{
    for (;;) {
        fg_view chunk;
        int64_t first;
        FG_TRY(fgi_chunks_next(chunks, &chunk, &first));
        if (chunk.rows == 0) return FG_OK;
        const int64_t stride_bytes = fgi_stride(chunk.row_stride, chunk.cols) *
                                     (int64_t)fg_dtype_bytes((fg_dtype)chunk.dtype);
        for (int64_t r = 0; r < chunk.rows; r++)
            FG_TRY(place_row(a, (const char *)chunk.data + r * stride_bytes, first + r));
        FG_TRY(tell(a, first + chunk.rows));
    }
}

static fg_status place(adding *a)
{
    const int32_t d = fgi_ivf_dims(a->ivf);
    fgi_ledger *ledger = &a->ctx->ledger;
    FG_TRY(fgi_alloc(ledger, d, sizeof *a->row, &a->row));
    FG_TRY(fgi_alloc_zero(ledger, d, sizeof *a->zeros, &a->zeros));
    if (a->listener) a->listener->now.phase = "add";
    fgi_chunks chunks;
    fg_status s = fgi_chunks_begin(&chunks, ledger, a->source, PLACE_ROWS);
    if (s == FG_OK) s = place_all(a, &chunks);
    fgi_chunks_end(&chunks);
    return s;
}

/* ------------------------------------------------------------------------------------ the cells */

static fg_status locate(adding *a)
{
    const int32_t sets = a->ivf->sets.count;
    FG_TRY(fgi_grow(NULL, sets, sizeof *a->ivf->cells, &a->ivf->cells));
    FG_TRY(fgi_alloc(&a->ctx->ledger, sets, sizeof *a->fresh, &a->fresh));
    return fgi_locate_sets(a->ctx, a->ivf, &a->draft, a->fresh);
}

/* Cannot fail: goes with the commit, before it forgets the old numbers of rows. */
static void take_cells(adding *a)
{
    const fgi_sets *sets = &a->ivf->sets;
    for (int32_t set = 0; set < sets->count; set++)
        if (a->draft.rows[set] != sets->rows[set]) a->ivf->cells[set] = a->fresh[set];
}

/* ------------------------------------------------------------------------------------------ all */

static fg_status check(fg_context *ctx, const fg_ivf *ivf, fg_source *rows, const int64_t *ids,
                       int64_t count)
{
    if (rows->cols != fgi_ivf_dims(ivf))
        return fgi_fail(FG_ARGUMENT, "%s: the rows have %d columns; those of the index have %d",
                        rows->name, rows->cols, fgi_ivf_dims(ivf));
    if (rows->dtype != ivf->dtype)
        return fgi_fail(FG_ARGUMENT, "%s: the rows are %s; those of the index are %s", rows->name,
                        fg_dtype_text(rows->dtype), fg_dtype_text(ivf->dtype));
    if (ids) return fgi_ids_check_new(&ctx->ledger, ivf, ids, count);
    if (count > INT64_MAX - ivf->next_id)
        return fgi_fail(FG_ARGUMENT, "%lld rows cannot be numbered from %lld on", (long long)count,
                        (long long)ivf->next_id);
    return FG_OK;
}

static void advance_next_id(adding *a)
{
    fg_ivf *ivf = a->ivf;
    if (!a->ids) ivf->next_id += a->rows;
    for (int64_t r = 0; a->ids && r < a->rows; r++)
        if (a->ids[r] >= ivf->next_id) ivf->next_id = a->ids[r] + 1;
}

fg_status fgi_ivf_add(fg_context *ctx, fg_ivf *ivf, fg_source *rows, const int64_t *ids,
                      fgi_listener *listener)
{
    adding a = {.ctx = ctx,
                .ivf = ivf,
                .source = rows,
                .ids = ids,
                .first_id = ivf->next_id,
                .listener = listener};
    FG_TRY(fgi_source_count(rows, &a.rows));
    FG_TRY(check(ctx, ivf, rows, ids, a.rows));
    const int32_t sets_before = ivf->sets.count;
    fg_status s = fgi_alloc(&ctx->ledger, a.rows, sizeof *a.set_of, &a.set_of);
    if (s == FG_OK) s = assign(&a);
    if (s == FG_OK) s = lay_out(&a);
    if (s == FG_OK) s = place(&a);
    if (s == FG_OK) s = locate(&a);
    if (s == FG_OK) {
        take_cells(&a);
        fgi_draft_commit(ivf, &a.draft);
        advance_next_id(&a);
    } else {
        fgi_draft_destroy(ivf, &a.draft);
        fgi_sets_truncate(&ivf->sets, sets_before);
    }
    fgi_free(a.set_of);
    fgi_free(a.next);
    fgi_free(a.row);
    fgi_free(a.zeros);
    fgi_free(a.fresh);
    return s;
}
