/* SPDX-License-Identifier: Apache-2.0 */
/* eval_truth.c - the truth from an exhaustive search, or from given ids with the scores that a
 * search would give them. Knows searches and ids; knows no measure. */
#include "eval_truth.h"

#include "ivf_ids.h"
#include "ivf_search.h"

#include <math.h> /* NAN */

static fgi_ids ids_of(const fgi_truth *truth, int64_t query)
{
    return (fgi_ids){.count = truth->n, .sorted = truth->ids + query * truth->n};
}

/* --------------------------------------------------------------------------------- by searching */

static fg_status search_all(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                            fgi_truth *truth, float *scores)
{
    const fg_search_options every = {.n = truth->n, .probes = fgi_ivf_lists(ivf)};
    const fg_out ids = {
        .data = truth->ids, .rows = queries->rows, .cols = truth->n, .dtype = FG_I64};
    const fg_out values = {
        .data = scores, .rows = queries->rows, .cols = truth->n, .dtype = FG_F32};
    FG_TRY(fgi_ivf_search(ctx, ivf, queries, &every, &ids, &values, NULL));
    for (int64_t q = 0; q < queries->rows; q++) {
        const int64_t at = q * truth->n, count = fgi_truth_count(truth, q);
        truth->last[q] = count > 0 ? scores[at + count - 1] : NAN;
    }
    return FG_OK;
}

/* ---------------------------------------------------------------------------------- from a view */

typedef struct place {
    const fgi_list *list; /* NULL: not met yet */
    int64_t entry;
} place;

typedef struct locating {
    fgi_ids ids;   /* all true ids of all queries */
    place *places; /* of each, where it is the first of its equals */
} locating;

static void locate(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    (void)set;
    locating *l = user;
    for (int64_t i = begin; i < begin + count; i++) {
        const int64_t found = fgi_ids_find(&l->ids, list->ids[i]);
        if (found >= 0) l->places[found] = (place){.list = list, .entry = i};
    }
}

static fg_status check_located(const locating *l)
{
    for (int64_t i = 0; i < l->ids.count; i++)
        if (!l->places[i].list && (i == 0 || l->ids.sorted[i - 1] != l->ids.sorted[i]))
            return fgi_fail(FG_ARGUMENT, "truth has id %lld, which is not in the index",
                            (long long)l->ids.sorted[i]);
    return FG_OK;
}

static fg_status score_last(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                            const locating *l, fgi_truth *truth)
{
    float *query, *zeros = NULL;
    fg_status s = fgi_alloc(&ctx->ledger, fgi_ivf_dims(ivf), sizeof *query, &query);
    if (s == FG_OK) s = fgi_alloc_zero(&ctx->ledger, fgi_ivf_dims(ivf), sizeof *zeros, &zeros);
    for (int64_t q = 0; s == FG_OK && q < queries->rows; q++) {
        const int64_t id = truth->ids[(q + 1) * truth->n - 1];
        const place *at = &l->places[fgi_ids_find(&l->ids, id)];
        const fgi_span span = {.list = at->list, .begin = at->entry, .count = 1};
        fgi_query_load(ivf, ctx->kernels, queries, q, zeros, query);
        fgi_span_keys(ivf, ctx->kernels, query, &span, &truth->last[q]);
        truth->last[q] = fgi_score_of_key(ivf, truth->last[q]);
    }
    fgi_free(query);
    fgi_free(zeros);
    return s;
}

static int64_t given_id(const fg_view *given, int64_t row, int32_t col)
{
    const int64_t at = row * fgi_stride(given->row_stride, given->cols) + col;
    return given->dtype == FG_I32 ? ((const int32_t *)given->data)[at]
                                  : ((const int64_t *)given->data)[at];
}

static fg_status take_given(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                            const fg_view *given, fgi_truth *truth)
{
    for (int64_t q = 0; q < queries->rows; q++)
        for (int32_t i = 0; i < truth->n; i++) truth->ids[q * truth->n + i] = given_id(given, q, i);
    const int64_t count = queries->rows * truth->n;
    locating l = {0};
    fg_status s = fgi_ids_create(&ctx->ledger, truth->ids, count, &l.ids);
    if (s == FG_OK) s = fgi_alloc_zero(&ctx->ledger, count, sizeof *l.places, &l.places);
    if (s == FG_OK) {
        fgi_ivf_each_row(ivf, locate, &l);
        s = check_located(&l);
    }
    if (s == FG_OK) s = score_last(ctx, ivf, queries, &l, truth);
    fgi_ids_destroy(&l.ids);
    fgi_free(l.places);
    return s;
}

/* ------------------------------------------------------------------------------------------ all */

fg_status fgi_truth_create(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                           const fg_view *given, int32_t n, fgi_truth *out)
{
    fgi_ledger *ledger = &ctx->ledger;
    fgi_truth truth = {.n = n};
    float *scores = NULL;
    fg_status s = fgi_alloc(ledger, queries->rows, (size_t)n * sizeof *truth.ids, &truth.ids);
    if (s == FG_OK) s = fgi_alloc(ledger, queries->rows, sizeof *truth.last, &truth.last);
    if (s == FG_OK && !given)
        s = fgi_alloc(ledger, queries->rows, (size_t)n * sizeof *scores, &scores);
    if (s == FG_OK)
        s = given ? take_given(ctx, ivf, queries, given, &truth)
                  : search_all(ctx, ivf, queries, &truth, scores);
    fgi_free(scores);
    if (s != FG_OK) {
        fgi_truth_destroy(&truth);
        return s;
    }
    for (int64_t q = 0; q < queries->rows; q++) {
        fgi_ids ids = ids_of(&truth, q);
        fgi_ids_sort(&ids);
    }
    *out = truth;
    return FG_OK;
}

void fgi_truth_destroy(fgi_truth *truth)
{
    fgi_free(truth->ids);
    fgi_free(truth->last);
    *truth = (fgi_truth){0};
}

int32_t fgi_truth_count(const fgi_truth *truth, int64_t query)
{
    int32_t count = 0;
    for (int32_t i = 0; i < truth->n; i++) count += truth->ids[query * truth->n + i] >= 0;
    return count;
}

int32_t fgi_truth_found(const fgi_truth *truth, int64_t query, const int64_t *ids,
                        const float *scores)
{
    const fgi_ids all = ids_of(truth, query);
    int32_t found = 0;
    for (int32_t i = 0; i < truth->n; i++)
        found +=
            ids[i] >= 0 && (scores[i] == truth->last[query] || fgi_ids_find(&all, ids[i]) >= 0);
    return found;
}
