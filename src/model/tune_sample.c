/* SPDX-License-Identifier: Apache-2.0 */
/* tune_sample.c - rows that stand in for queries; an exhaustive search, and the sets of what it
 * found. Knows searches; knows no probe. */
#include "tune_sample.h"

#include "ivf_ids.h"
#include "ivf_search.h"
#include "random.h"

#include <string.h> /* memcpy */

enum { BLOCK_QUERIES = 512 /* between two reports */ };

/* ------------------------------------------------------------------------------- rows as queries */

typedef struct taking {
    const fg_ivf *ivf;
    fgi_sample *to;
    uint64_t seed;
    int64_t count, taken, passed; /* rows wanted, taken, gone by */
} taking;

static int64_t next_taken(const taking *t)
{
    const double place =
        (double)t->taken + fgi_random_uniform(t->seed, FGI_STREAM_TUNE, (uint64_t)t->taken);
    return (int64_t)(place / (double)t->count * (double)t->ivf->rows);
}

static void take(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    (void)set;
    taking *t = user;
    const int64_t row_bytes = fgi_ivf_row_bytes(t->ivf);
    while (t->taken < t->count && next_taken(t) < t->passed + count) {
        const int64_t at = begin + next_taken(t) - t->passed;
        memcpy(t->to->rows + t->taken * row_bytes, list->codes + at * row_bytes, (size_t)row_bytes);
        t->to->own[t->taken++] = list->ids[at];
    }
    t->passed += count;
}

fg_status fgi_sample_create(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                            const fg_tune_options *opt, fgi_sample *out)
{
    fgi_sample s = {0};
    if (queries) {
        s.queries = *queries;
        *out = s;
        return FG_OK;
    }
    taking t = {.ivf = ivf,
                .to = &s,
                .seed = opt->seed,
                .count = opt->sample_rows < ivf->rows ? opt->sample_rows : ivf->rows};
    fg_status status = fgi_alloc(&ctx->ledger, t.count, (size_t)fgi_ivf_row_bytes(ivf), &s.rows);
    if (status == FG_OK) status = fgi_alloc(&ctx->ledger, t.count, sizeof *s.own, &s.own);
    if (status != FG_OK) {
        fgi_sample_destroy(&s);
        return status;
    }
    fgi_ivf_each_row(ivf, take, &t);
    s.queries = (fg_view){
        .data = s.rows, .rows = t.count, .cols = fgi_ivf_dims(ivf), .dtype = (int16_t)ivf->dtype};
    *out = s;
    return FG_OK;
}

void fgi_sample_destroy(fgi_sample *sample)
{
    fgi_free(sample->own);
    fgi_free(sample->own_sets);
    fgi_free(sample->sets);
    fgi_free(sample->rows);
    *sample = (fgi_sample){0};
}

/* ------------------------------------------------------------------------------------ true results */

typedef struct looking {
    fgi_ids ids;
    int32_t *sets; /* parallel to ids; of equal ones the first */
} looking;

static void look_up(void *user, const fgi_list *list, int64_t begin, int64_t count, int32_t set)
{
    looking *l = user;
    for (int64_t i = begin; i < begin + count; i++) {
        const int64_t found = fgi_ids_find(&l->ids, list->ids[i]);
        if (found >= 0) l->sets[found] = set;
    }
}

/* The n best that are not the query itself, of `got` that were found for each. */
static void drop_own(const fgi_sample *s, int64_t *ids, int32_t got, int32_t n)
{
    for (int64_t q = 0; q < s->queries.rows; q++) {
        int32_t kept = 0;
        for (int32_t i = 0; i < got && kept < n; i++)
            if (!s->own || ids[q * got + i] != s->own[q]) ids[q * n + kept++] = ids[q * got + i];
    }
}

static fg_status find_sets(fg_context *ctx, const fg_ivf *ivf, const int64_t *ids, int64_t count,
                           int32_t *sets)
{
    looking l = {0};
    fg_status s = fgi_ids_create(&ctx->ledger, ids, count, &l.ids);
    if (s == FG_OK) s = fgi_alloc_zero(&ctx->ledger, count, sizeof *l.sets, &l.sets);
    if (s == FG_OK) fgi_ivf_each_row(ivf, look_up, &l);
    for (int64_t i = 0; s == FG_OK && i < count; i++)
        sets[i] = l.sets[fgi_ids_find(&l.ids, ids[i])];
    fgi_ids_destroy(&l.ids);
    fgi_free(l.sets);
    return s;
}

static fg_status search_blocks(fg_context *ctx, const fg_ivf *ivf, fgi_sample *sample,
                               const fg_search_options *every, fgi_listener *listener, int64_t *ids)
{
    const int32_t n = every->n;
    const int64_t rows = sample->queries.rows;
    for (int64_t first = 0; first < rows; first += BLOCK_QUERIES) {
        const int64_t left = rows - first, count = left < BLOCK_QUERIES ? left : BLOCK_QUERIES;
        const fg_view queries = fgi_view_rows(&sample->queries, first, count);
        const fg_out out = {.data = ids + first * n, .rows = count, .cols = n, .dtype = FG_I64};
        FG_TRY(fgi_listener_step(listener, sample->searched + first, sample->to_search));
        FG_TRY(fgi_ivf_search(ctx, ivf, &queries, every, &out, NULL, NULL));
    }
    sample->searched += rows;
    return fgi_listener_step(listener, sample->searched, sample->to_search);
}

fg_status fgi_sample_search(fg_context *ctx, const fg_ivf *ivf, int32_t n, const fgi_allow *allow,
                            fgi_listener *listener, fgi_sample *sample)
{
    const int64_t rows = sample->queries.rows;
    const int32_t got = n + (sample->own != NULL);
    const fg_search_options every = {
        .n = got, .probes = fgi_ivf_lists(ivf), .allow = allow->bits, .allow_bits = allow->count};
    int64_t *ids;
    FG_TRY(fgi_alloc(&ctx->ledger, rows, (size_t)got * sizeof *ids, &ids));
    fg_status s = search_blocks(ctx, ivf, sample, &every, listener, ids);
    if (s == FG_OK && !sample->sets)
        s = fgi_alloc(&ctx->ledger, rows, (size_t)n * sizeof *sample->sets, &sample->sets);
    if (s == FG_OK) {
        drop_own(sample, ids, got, n);
        s = find_sets(ctx, ivf, ids, rows * n, sample->sets);
    }
    const bool own = sample->own && !sample->own_sets;
    if (s == FG_OK && own)
        s = fgi_alloc(&ctx->ledger, rows, sizeof *sample->own_sets, &sample->own_sets);
    if (s == FG_OK && own) s = find_sets(ctx, ivf, sample->own, rows, sample->own_sets);
    fgi_free(ids);
    return s;
}
