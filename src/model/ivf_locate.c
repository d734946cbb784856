/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_locate.c - means of sets, list by list and in parallel. Knows drafts and cells; knows no pass.
 *
 * Every list computes the means of all its sets, and fits those that are at home in it: a mean is computed
 * once for every copy of its rows, and nothing is shared but what never changes. */
#include "ivf_locate.h"

#include "context.h"

typedef struct worker {
    fgi_around around;
    double *sum;                /* d */
    float *row, *mean, *sqdist; /* d, d; of all lists */
} worker;

typedef struct locating {
    fg_context *ctx;
    const fg_ivf *ivf;
    const fgi_draft *draft;
    float *zeros; /* d */
    fgi_cell *cells;
    int32_t *near;
    worker *workers;
} locating;

static void mean_of(const locating *l, worker *w, const fgi_list *list, int64_t begin, int64_t rows)
{
    const int32_t d = fgi_ivf_dims(l->ivf);
    const int64_t row_bytes = fgi_ivf_row_bytes(l->ivf);
    float norm2;
    fgi_load_args load = {.stride = d,
                          .count = 1,
                          .d = d,
                          .center = l->zeros,
                          .normalize = l->ivf->metric == FG_METRIC_COSINE,
                          .x = w->row,
                          .ldx = d,
                          .norm2 = &norm2};
    for (int32_t i = 0; i < d; i++) w->sum[i] = 0;
    for (int64_t r = 0; r < rows; r++) {
        load.rows = list->codes + (begin + r) * row_bytes;
        l->ctx->kernels->load[l->ivf->dtype](&load);
        for (int32_t i = 0; i < d; i++) w->sum[i] += w->row[i];
    }
    for (int32_t i = 0; i < d; i++) w->mean[i] = (float)(w->sum[i] / (double)rows);
}

/* The member whose centroid is nearest to the mean; of equals the first. */
static int32_t home_of(const locating *l, const worker *w, int32_t set)
{
    const fgi_sets *sets = &l->ivf->sets;
    const int32_t *members = sets->members + sets->begin[set];
    const int32_t size = fgi_set_size(sets, set), d = fgi_ivf_dims(l->ivf);
    float sqdist[FGI_MAX_LISTS];
    l->ctx->kernels->scan_l2[FG_F32](w->mean, l->ivf->coarse.centroids, members, size, d, sqdist);
    int32_t best = 0;
    for (int32_t m = 1; m < size; m++)
        if (sqdist[m] < sqdist[best]) best = m;
    return members[best];
}

static void locate_list(void *user, int64_t number, int32_t index)
{
    const locating *l = user;
    const fgi_draft *draft = l->draft;
    worker *w = &l->workers[index];
    if (!draft->touched[number]) return;
    const fgi_list *list = &draft->lists[number];
    for (int32_t i = 0; i < list->segment_count; i++) {
        const fgi_segment *segment = &list->segments[i];
        const int32_t set = segment->set;
        if (draft->rows[set] == l->ivf->sets.rows[set]) continue;
        mean_of(l, w, list, segment->begin, draft->rows[set]);
        if (home_of(l, w, set) != number) continue;
        if (w->around.home != number)
            fgi_around_set(&w->around, &l->ivf->coarse, l->ctx->kernels, (int32_t)number,
                           l->ivf->near + number * FGI_NEAR);
        l->cells[set] = fgi_cell_fit(&w->around, &l->ivf->coarse, l->ctx->kernels, w->mean);
    }
}

static void find_near(void *user, int64_t number, int32_t index)
{
    const locating *l = user;
    fgi_near_find(&l->ivf->coarse, l->ctx->kernels, (int32_t)number, l->workers[index].sqdist,
                  l->near + number * FGI_NEAR);
}

static fg_status create_worker(const locating *l, worker *w)
{
    fgi_ledger *ledger = &l->ctx->ledger;
    const int32_t d = fgi_ivf_dims(l->ivf);
    FG_TRY(fgi_around_create(ledger, d, &w->around));
    FG_TRY(fgi_alloc(ledger, d, sizeof *w->sum, &w->sum));
    FG_TRY(fgi_alloc(ledger, d, sizeof *w->row, &w->row));
    FG_TRY(fgi_alloc(ledger, d, sizeof *w->mean, &w->mean));
    return fgi_alloc(ledger, fgi_ivf_lists(l->ivf), sizeof *w->sqdist, &w->sqdist);
}

static void destroy(locating *l, int32_t workers)
{
    for (int32_t i = 0; l->workers && i < workers; i++) {
        fgi_around_destroy(&l->workers[i].around);
        fgi_free(l->workers[i].sum);
        fgi_free(l->workers[i].row);
        fgi_free(l->workers[i].mean);
        fgi_free(l->workers[i].sqdist);
    }
    fgi_free(l->workers);
    fgi_free(l->zeros);
}

static fg_status each_list(locating *l, fgi_body work)
{
    const int32_t workers = fgi_pool_threads(l->ctx->pool);
    fgi_ledger *ledger = &l->ctx->ledger;
    fg_status s = fgi_alloc_zero(ledger, fgi_ivf_dims(l->ivf), sizeof *l->zeros, &l->zeros);
    if (s == FG_OK) s = fgi_alloc_zero(ledger, workers, sizeof *l->workers, &l->workers);
    for (int32_t i = 0; s == FG_OK && i < workers; i++) s = create_worker(l, &l->workers[i]);
    if (s == FG_OK) fgi_pool_each(l->ctx->pool, fgi_ivf_lists(l->ivf), work, l);
    destroy(l, workers);
    return s;
}

fg_status fgi_locate_near(fg_context *ctx, fg_ivf *ivf)
{
    locating l = {.ctx = ctx, .ivf = ivf, .near = ivf->near};
    return each_list(&l, find_near);
}

fg_status fgi_locate_sets(fg_context *ctx, const fg_ivf *ivf, const fgi_draft *draft,
                          fgi_cell *cells)
{
    locating l = {.ctx = ctx, .ivf = ivf, .draft = draft, .cells = cells};
    return each_list(&l, locate_list);
}
