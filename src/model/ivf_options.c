/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_options.c - defaults and bounds of an index's options. Knows options; knows no pass. */
#include "fit.h"
#include "gmm.h"
#include "ivf.h"

#include <math.h> /* isfinite */

enum { DEFAULT_MAX_LISTS = 8, ROWS_A_LIST = 256 /* of the training sample */ };
enum { LISTS_COMPARED = 16384 /* without a graph, unless asked for */, MOST_GRAPH_LISTS = 1 << 25 };

static fg_status check_model(const fg_ivf_options *o, int32_t cols)
{
    const fgi_params *p = &o->model->params;
    if (p->d != cols)
        return fgi_fail(FG_ARGUMENT, "model has %d dimensions; the rows have %d", p->d, cols);
    if (p->normalize && o->metric != FG_METRIC_COSINE)
        return fgi_fail(FG_ARGUMENT, "metric is %d; a model of normalised rows needs %d (cosine)",
                        o->metric, FG_METRIC_COSINE);
    return FG_OK;
}

static fg_status check_centroids(const fg_view *centroids, int32_t cols)
{
    FG_TRY(fgi_view_check(centroids, "centroids"));
    if (centroids->cols != cols)
        return fgi_fail(FG_ARGUMENT, "centroids have %d columns; the rows have %d", centroids->cols,
                        cols);
    if (centroids->dtype == FG_F32 || centroids->dtype == FG_F64) return FG_OK;
    return fgi_fail(FG_ARGUMENT, "centroids are %s; they must be f32 or f64",
                    fg_dtype_text((fg_dtype)centroids->dtype));
}

/* Where the lists come from, and how many there are. */
static fg_status resolve_lists(fg_ivf_options *o, int64_t rows, int32_t cols)
{
    int64_t given = 0;
    if (o->model && o->centroids)
        return fgi_fail(FG_ARGUMENT, "model and centroids are both given; only one can be used");
    if (o->model) {
        FG_TRY(check_model(o, cols));
        given = o->model->params.k;
        o->coarse = FG_COARSE_GMM;
    } else if (o->centroids) {
        FG_TRY(check_centroids(o->centroids, cols));
        given = o->centroids->rows;
        o->coarse = FG_COARSE_KMEANS;
    }
    if (given) {
        FG_TRY(fgi_check_range("rows of centroids", given, 1, INT32_MAX - 1));
        if (o->lists) FG_TRY(fgi_check_range("lists", o->lists, given, given));
        o->lists = (int32_t)given;
        return FG_OK;
    }
    FG_TRY(fgi_check_range("lists", o->lists, 1, rows));
    if (o->sample_rows) FG_TRY(fgi_check_range("sample_rows", o->sample_rows, o->lists, INT64_MAX));
    if (!o->sample_rows) o->sample_rows = (int64_t)ROWS_A_LIST * o->lists;
    if (o->sample_rows > rows) o->sample_rows = rows;
    return FG_OK;
}

static fg_status resolve_max_lists(fg_ivf_options *o)
{
    FG_TRY(fgi_check_range("max_lists", o->max_lists, 0, FGI_MAX_LISTS));
    const bool pairs = o->assign == FG_ASSIGN_NEAREST || o->assign == FG_ASSIGN_RAIR ||
                       o->assign == FG_ASSIGN_SOAR;
    if (!o->max_lists) o->max_lists = pairs ? 2 : DEFAULT_MAX_LISTS;
    if (o->assign == FG_ASSIGN_HARD) o->max_lists = 1;
    if (o->max_lists > o->lists) o->max_lists = o->lists;
    return FG_OK;
}

static double default_threshold(const fg_ivf_options *o)
{
    switch (o->assign) {
    case FG_ASSIGN_POSTERIOR: return 1.0 / o->lists;
    case FG_ASSIGN_RAIR: return 0.75; /* RAIRS' code */
    case FG_ASSIGN_SOAR: return 1.0;  /* SOAR, section 5; cuVS */
    case FG_ASSIGN_RNG: return 1.0;   /* SPTAG's RNGFactor */
    default: return 0;
    }
}

/* AUTO becomes ALWAYS or NEVER. */
static fg_status resolve_graph(fg_ivf_options *o)
{
    FG_TRY(fgi_check_range("graph", o->graph, FG_GRAPH_AUTO, FG_GRAPH_NEVER));
    if (o->graph == FG_GRAPH_AUTO)
        o->graph = o->lists > LISTS_COMPARED && o->metric != FG_METRIC_IP ? FG_GRAPH_ALWAYS
                                                                          : FG_GRAPH_NEVER;
    if (o->graph == FG_GRAPH_NEVER) return FG_OK;
    if (o->metric == FG_METRIC_IP)
        return fgi_fail(FG_UNSUPPORTED,
                        "graph is %d, but metric %d (inner product): walks are by "
                        "distance",
                        o->graph, o->metric);
    return fgi_check_range("lists of a graph", o->lists, 1, MOST_GRAPH_LISTS);
}

/* What shapes the training of one kind of quantizer. */
static fg_status check_training(const fg_ivf_options *o)
{
    if (o->shared_variance && (o->coarse != FG_COARSE_GMM || o->model))
        return fgi_fail(FG_ARGUMENT,
                        "shared_variance is %d; only a mixture that is trained (coarse "
                        "%d) has variances to share",
                        o->shared_variance, FG_COARSE_GMM);
    if (!o->spherical) return FG_OK;
    if (o->coarse == FG_COARSE_KMEANS && !o->centroids && o->metric == FG_METRIC_COSINE)
        return FG_OK;
    return fgi_fail(FG_ARGUMENT,
                    "spherical is %d; only centroids that are trained (coarse %d) for "
                    "metric %d (cosine) can be",
                    o->spherical, FG_COARSE_KMEANS, FG_METRIC_COSINE);
}

static fg_status resolve_variant(fg_ivf_options *o)
{
    const bool directed = o->assign == FG_ASSIGN_RAIR || o->assign == FG_ASSIGN_SOAR;
    if (o->strict && !directed)
        return fgi_fail(FG_ARGUMENT, "strict is %d; only assign %d (rair) and %d (soar) have it",
                        o->strict, FG_ASSIGN_RAIR, FG_ASSIGN_SOAR);
    if (o->temperature == 0) o->temperature = 1;
    if (!isfinite(o->temperature) || o->temperature < 1e-6 || o->temperature > 1e6)
        return fgi_fail(FG_ARGUMENT, "temperature is %g; it must be in 1e-6..1e6", o->temperature);
    if (o->temperature == 1 || o->coarse == FG_COARSE_GMM) return FG_OK;
    return fgi_fail(FG_ARGUMENT, "temperature is %g; centroids have none, a mixture has",
                    o->temperature);
}

static fg_status resolve_threshold(fg_ivf_options *o)
{
    const bool posterior = o->assign == FG_ASSIGN_POSTERIOR, ratio = o->assign == FG_ASSIGN_RATIO;
    if (posterior && o->coarse != FG_COARSE_GMM)
        return fgi_fail(FG_ARGUMENT,
                        "assign is %d (posterior), which needs a mixture: a model, or "
                        "coarse %d",
                        o->assign, FG_COARSE_GMM);
    if (o->assign <= FG_ASSIGN_NEAREST) {
        if (o->threshold == 0 && o->copies == 0) return FG_OK;
        return fgi_fail(FG_ARGUMENT,
                        "threshold is %g and copies %g; assign %d has no threshold to set",
                        o->threshold, o->copies, o->assign);
    }
    if (o->copies != 0) {
        if (o->strict)
            return fgi_fail(FG_ARGUMENT, "copies is %g, but strict rules store %d always",
                            o->copies, o->max_lists);
        if (o->threshold != 0)
            return fgi_fail(FG_ARGUMENT, "threshold is %g and copies %g; one sets the other",
                            o->threshold, o->copies);
        if (o->copies >= 1 && o->copies <= o->max_lists) return FG_OK;
        return fgi_fail(FG_ARGUMENT, "copies is %g; it must be in 1..%d (max_lists)", o->copies,
                        o->max_lists);
    }
    if (!isfinite(o->threshold) || o->threshold < 0 || (posterior && o->threshold >= 1))
        return fgi_fail(FG_ARGUMENT, "threshold is %g; it must be 0 or above%s", o->threshold,
                        posterior ? " and below 1" : " and finite");
    if (ratio && o->threshold < 1)
        return fgi_fail(FG_ARGUMENT, "threshold is %g; a ratio of distances is 1 or above",
                        o->threshold);
    if (o->threshold == 0) o->threshold = default_threshold(o);
    return FG_OK;
}

fg_status fgi_ivf_resolve(const fg_ivf_options *in, int64_t rows, int32_t cols, fg_ivf_options *out)
{
    fg_ivf_options o = *in;
    FG_TRY(fgi_check_range("coarse", o.coarse, FG_COARSE_KMEANS, FG_COARSE_GMM));
    FG_TRY(fgi_check_range("assign", o.assign, FG_ASSIGN_HARD, FG_ASSIGN_RNG));
    FG_TRY(fgi_check_range("metric", o.metric, FG_METRIC_L2, FG_METRIC_COSINE));
    FG_TRY(fgi_check_range("kmeans_iter", o.kmeans_iter, 0, INT32_MAX));
    FG_TRY(fgi_check_range("em_iter", o.em_iter, 0, INT32_MAX));
    FG_TRY(resolve_lists(&o, rows, cols));
    FG_TRY(check_training(&o));
    FG_TRY(resolve_graph(&o));
    FG_TRY(resolve_max_lists(&o));
    FG_TRY(resolve_variant(&o));
    FG_TRY(resolve_threshold(&o));
    *out = o;
    return FG_OK;
}
