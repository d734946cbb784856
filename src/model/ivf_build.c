/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_build.c - an index from rows: the coarse quantizer, the threshold, the lists. Knows fits and
 * rules; knows no entry. */
#include "centroids.h"
#include "em.h"
#include "ivf_locate.h"
#include "kmeans.h"

#include <math.h> /* exp, fmax, log */

/* Rows with NaN are skipped in training and while solving: storing refuses them by their number in
 * the source, which a sample has lost. */
static fg_status train_kmeans(fg_context *ctx, fg_source *rows, const fg_ivf_options *o,
                              fgi_params *out, fg_fit_report *report)
{
    const fg_kmeans_options options = {.struct_size = sizeof options,
                                       .k = o->lists,
                                       .max_iter = o->kmeans_iter,
                                       .seed = o->seed,
                                       .sample_rows = o->sample_rows,
                                       .bad_rows = FG_BAD_ROWS_SKIP,
                                       .normalize = o->metric == FG_METRIC_COSINE,
                                       .progress = o->progress,
                                       .user = o->user,
                                       .spherical = o->spherical};
    return fgi_kmeans_fit(ctx, rows, &options, out, report);
}

static fg_status copy_params(const fgi_params *from, bool normalize, fgi_params *out)
{
    FG_TRY(fgi_params_create(NULL, from->kind, from->k, from->d, out));
    fgi_params_copy(out, from);
    out->normalize = normalize;
    return FG_OK;
}

static fg_status train_mixture(fg_context *ctx, fg_source *rows, const fg_ivf_options *o,
                               fgi_params *out, fg_fit_report *report)
{
    const fg_gmm_options options = {.struct_size = sizeof options,
                                    .k = o->lists,
                                    .covariance = o->covariance,
                                    .kmeans_iter = o->kmeans_iter,
                                    .max_iter = o->em_iter,
                                    .seed = o->seed,
                                    .sample_rows = o->sample_rows,
                                    .bad_rows = FG_BAD_ROWS_SKIP,
                                    .normalize = o->metric == FG_METRIC_COSINE,
                                    .progress = o->progress,
                                    .user = o->user,
                                    .shared_variance = o->shared_variance};
    fg_gmm *gmm;
    FG_TRY(fgi_gmm_fit(ctx, rows, &options, &gmm, report));
    const fg_status s = copy_params(&gmm->params, gmm->params.normalize, out);
    fg_gmm_destroy(gmm);
    return s;
}

/* softmax(l_j / T) is the responsibility in a mixture of variances T v_j, if its weights undo what that does to
 * the densities: log w'_j = log w_j / T + (1 - 1/T) / 2 sum_i log v_ji, up to a constant. */
static void set_temperature(fgi_params *p, double temperature)
{
    const int32_t cols = fgi_variance_cols(p->kind, p->d);
    double most = -INFINITY, sum = 0;
    for (int32_t j = 0; j < p->k; j++) {
        double log_det = 0;
        for (int32_t i = 0; i < cols; i++) {
            double *variance = &p->variances[(int64_t)j * cols + i];
            log_det += log(*variance) * (cols == 1 ? p->d : 1);
            *variance *= temperature;
        }
        p->log_weights[j] = p->log_weights[j] / temperature + 0.5 * (1 - 1 / temperature) * log_det;
        most = fmax(most, p->log_weights[j]);
    }
    for (int32_t j = 0; j < p->k; j++) sum += exp(p->log_weights[j] - most);
    for (int32_t j = 0; j < p->k; j++) p->log_weights[j] -= most + log(sum);
}

static fg_status make_coarse(fg_context *ctx, fg_source *rows, const fg_ivf_options *o,
                             fgi_params *out, fg_fit_report *report)
{
    const bool cosine = o->metric == FG_METRIC_COSINE;
    if (o->model) return copy_params(&o->model->params, cosine, out);
    if (o->centroids) {
        FG_TRY(fgi_centroids_from(NULL, o->centroids, out));
        out->normalize = cosine;
        return FG_OK;
    }
    FG_TRY((o->coarse == FG_COARSE_GMM ? train_mixture : train_kmeans)(ctx, rows, o, out, report));
    if (report->stop_reason != FG_STOP_CALLBACK) return FG_OK;
    fgi_params_destroy(out);
    return fgi_fail(FG_CANCELLED, "stopped by the progress function while training %d lists",
                    o->lists);
}

static fg_status store_rows(fg_context *ctx, fg_source *rows, const fg_ivf_options *o,
                            const fgi_params *coarse, fg_ivf **out)
{
    fgi_rule rule = {.kind = (fg_assign)o->assign,
                     .max_lists = o->max_lists,
                     .strict = o->strict != 0,
                     .threshold = o->threshold};
    if (o->copies > 0) FG_TRY(fgi_rule_solve(ctx, rows, coarse, o->copies, o->seed, &rule));
    fg_ivf *ivf;
    FG_TRY(fgi_ivf_create(coarse, rows->dtype, (fg_metric)o->metric, &rule, &ivf));
    fgi_listener listener = fgi_listener_begin(o->progress, o->user);
    fg_status s = fgi_locate_near(ctx, ivf);
    if (s == FG_OK) s = fgi_ivf_add(ctx, ivf, rows, o->ids, &listener);
    if (s == FG_OK && o->graph == FG_GRAPH_ALWAYS)
        s = fgi_graph_make(ctx, &ivf->coarse, &ivf->graph);
    if (s == FG_OK && o->graph == FG_GRAPH_ALWAYS)
        s = fgi_graph_measure(ctx, &ivf->coarse, rows, o->seed, &ivf->graph);
    if (s == FG_OK)
        *out = ivf;
    else
        fgi_ivf_destroy(ivf);
    return s;
}

fg_status fgi_ivf_build(fg_context *ctx, fg_source *rows, const fg_ivf_options *opt, fg_ivf **out,
                        fg_fit_report *report)
{
    int64_t count;
    FG_TRY(fgi_source_count(rows, &count));
    if (!ctx->kernels->scan_l2[rows->dtype])
        return fgi_fail(FG_UNSUPPORTED,
                        "%s: rows of type %s cannot be stored; use f32, f16, bf16, "
                        "i8 or u8",
                        rows->name, fg_dtype_text(rows->dtype));
    fg_ivf_options resolved;
    FG_TRY(fgi_ivf_resolve(opt, count, rows->cols, &resolved));
    fg_fit_report told = {.struct_size = sizeof told};
    if (report) told.history = report->history;
    if (report) told.history_capacity = report->history_capacity;
    fgi_params coarse;
    FG_TRY(make_coarse(ctx, rows, &resolved, &coarse, &told));
    if (resolved.temperature != 1) set_temperature(&coarse, resolved.temperature);
    const fg_status s = store_rows(ctx, rows, &resolved, &coarse, out);
    fgi_params_destroy(&coarse);
    if (s == FG_OK && report) *report = told;
    return s;
}
