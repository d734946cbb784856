/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_case.h - what tests of indexes share: rows of any type, an index of them, a search, the truth
 * in f64. To be included first. Knows the public interface alone. */
#ifndef IVF_CASE_H
#define IVF_CASE_H
#include "scratch.h"

#include "half.h"
#include "random.h"

#include <math.h> /* sqrt, INFINITY */

/* Rows of small integers in clusters: exact in every type, and with many equal distances. */
enum { CASE_ROWS = 600, CASE_QUERIES = 25, CASE_DIMS = 12, CASE_LISTS = 12, CASE_SPREAD = 6 };

static inline double case_value(uint64_t stream, int64_t row, int32_t col)
{
    const uint64_t cluster = fgi_random_u64(1, 0, (uint64_t)row) % 16;
    const uint64_t center = fgi_random_u64(2, cluster, (uint64_t)col) % 8;
    const uint64_t noise = fgi_random_u64(3 + stream, (uint64_t)row, (uint64_t)col) % CASE_SPREAD;
    return (double)(center + noise);
}

typedef struct case_data {
    int64_t rows;
    int32_t d;
    fg_dtype dtype;
    double *values; /* rows x d: what the type holds */
    void *data;     /* rows x d */
    fg_view view;
} case_data;

static inline void case_store(void *data, int64_t at, fg_dtype dtype, double value)
{
    switch (dtype) {
    case FG_F16: ((uint16_t *)data)[at] = fgi_f16_of_f32((float)value); break;
    case FG_BF16: ((uint16_t *)data)[at] = fgi_bf16_of_f32((float)value); break;
    case FG_I8: ((int8_t *)data)[at] = (int8_t)value; break;
    case FG_U8: ((uint8_t *)data)[at] = (uint8_t)value; break;
    default: ((float *)data)[at] = (float)value;
    }
}

static inline case_data case_make(int64_t rows, fg_dtype dtype, uint64_t stream)
{
    case_data c = {.rows = rows, .d = CASE_DIMS, .dtype = dtype};
    const int64_t cells = rows * c.d;
    c.values = malloc((size_t)cells * sizeof *c.values);
    c.data = malloc((size_t)cells * fg_dtype_bytes(dtype));
    for (int64_t i = 0; i < cells; i++) {
        c.values[i] = case_value(stream, i / c.d, (int32_t)(i % c.d));
        case_store(c.data, i, dtype, c.values[i]);
    }
    c.view = (fg_view){.data = c.data, .rows = rows, .cols = c.d, .dtype = (int16_t)dtype};
    return c;
}

static inline void case_free(case_data *c)
{
    free(c->values);
    free(c->data);
}

static inline fg_context *case_context(int32_t threads)
{
    const fg_context_options options = {.struct_size = sizeof options, .threads = threads};
    fg_context *ctx;
    expect_ok(fg_context_create(&options, &ctx));
    return ctx;
}

/* Options of an index with CASE_LISTS lists; a mixture where the rule needs one. */
static inline fg_ivf_options case_options(fg_metric metric, fg_assign assign)
{
    return (fg_ivf_options){.struct_size = sizeof(fg_ivf_options),
                            .lists = CASE_LISTS,
                            .coarse =
                                assign == FG_ASSIGN_POSTERIOR ? FG_COARSE_GMM : FG_COARSE_KMEANS,
                            .assign = assign,
                            .threshold = assign == FG_ASSIGN_MARGIN  ? 6.0
                                         : assign == FG_ASSIGN_RATIO ? 1.2
                                                                     : 0.0,
                            .metric = metric,
                            .covariance = FG_COV_SPHERICAL,
                            .kmeans_iter = 5,
                            .em_iter = 5,
                            .seed = 7};
}

static inline fg_status case_try_build(fg_context *ctx, const fg_view *rows,
                                       const fg_ivf_options *options, fg_ivf **out)
{
    fg_source *source;
    const fg_status opened = fg_source_memory(rows, &source);
    if (opened != FG_OK) return opened;
    const fg_status s = fg_ivf_build(ctx, source, options, out, NULL);
    fg_source_destroy(source);
    return s;
}

static inline fg_ivf *case_build(fg_context *ctx, const fg_view *rows,
                                 const fg_ivf_options *options)
{
    fg_ivf *ivf = NULL;
    expect_ok(case_try_build(ctx, rows, options, &ivf));
    return ivf;
}

static inline fg_status case_add(fg_context *ctx, fg_ivf *ivf, const fg_view *rows,
                                 const int64_t *ids)
{
    fg_source *source;
    const fg_status opened = fg_source_memory(rows, &source);
    if (opened != FG_OK) return opened;
    const fg_status s = fg_ivf_add(ctx, ivf, source, ids);
    fg_source_destroy(source);
    return s;
}

/* Results of a search: queries x n. */
typedef struct case_found {
    int64_t queries;
    int32_t n;
    int64_t *ids;
    float *scores;
    fg_search_stats stats;
} case_found;

static inline case_found case_found_new(int64_t queries, int32_t n)
{
    const size_t places = (size_t)queries * (size_t)n;
    return (case_found){.queries = queries,
                        .n = n,
                        .ids = malloc(places * sizeof(int64_t)),
                        .scores = malloc(places * sizeof(float)),
                        .stats = {.struct_size = sizeof(fg_search_stats)}};
}

static inline void case_found_free(case_found *f)
{
    free(f->ids);
    free(f->scores);
}

static inline fg_status case_try_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                                        const fg_search_options *options, case_found *f)
{
    const fg_out ids = {.data = f->ids, .rows = f->queries, .cols = f->n, .dtype = FG_I64};
    const fg_out scores = {.data = f->scores, .rows = f->queries, .cols = f->n, .dtype = FG_F32};
    return fg_ivf_search(ctx, ivf, queries, options, &ids, &scores, &f->stats);
}

static inline case_found case_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                                     int32_t n, int32_t probes)
{
    const fg_search_options options = {.struct_size = sizeof options, .n = n, .probes = probes};
    case_found f = case_found_new(queries->rows, n);
    expect_ok(case_try_search(ctx, ivf, queries, &options, &f));
    return f;
}

/* The same ids and the same bits of scores. */
static inline void expect_same(const case_found *a, const case_found *b)
{
    const size_t places = (size_t)a->queries * (size_t)a->n;
    assert_int_equal(a->queries, b->queries);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, places * sizeof *a->ids);
    assert_memory_equal(a->scores, b->scores, places * sizeof *a->scores);
}

/* Two indexes answer alike at every number of probes. */
static inline void expect_alike(fg_context *ctx, const fg_ivf *a, const fg_ivf *b,
                                const fg_view *queries)
{
    for (int32_t probes = 1; probes <= CASE_LISTS; probes++) {
        case_found of_a = case_search(ctx, a, queries, 15, probes);
        case_found of_b = case_search(ctx, b, queries, 15, probes);
        expect_same(&of_a, &of_b);
        assert_int_equal(of_a.stats.entries, of_b.stats.entries);
        assert_int_equal(of_a.stats.distances, of_b.stats.distances);
        case_found_free(&of_a);
        case_found_free(&of_b);
    }
}

static inline fg_ivf_info case_info(const fg_ivf *ivf)
{
    fg_ivf_info info = {.struct_size = sizeof info};
    expect_ok(fg_ivf_get_info(ivf, &info));
    return info;
}

#endif
