/* SPDX-License-Identifier: Apache-2.0 */
/* params_file.c - parameters in files. The block PARM is laid out as in memory: k log-weights, k * d means, the
 * variances (f64), then the centre (d f32). Knows the container; knows no object. */
#include "params_file.h"

#include <math.h>   /* fabs, INFINITY */
#include <string.h> /* memcpy */

typedef struct shape {
    uint32_t kind, k, d, normalize;
} shape;

static int64_t block_bytes(fgi_kind kind, int64_t k, int64_t d)
{
    return k * (1 + d + fgi_variance_cols(kind, (int32_t)d)) * (int64_t)sizeof(double) +
           d * (int64_t)sizeof(float);
}

fg_status fgi_params_write(fgi_container_writer *writer, const fgi_params *p)
{
    const shape s = {
        .kind = (uint32_t)p->kind,
        .k = (uint32_t)p->k,
        .d = (uint32_t)p->d,
        .normalize = p->normalize,
    };
    const int64_t k = p->k, variances = k * fgi_variance_cols(p->kind, p->d);
    FG_TRY(fgi_container_begin(writer, "PSHP"));
    FG_TRY(fgi_container_write(writer, &s, sizeof s));
    FG_TRY(fgi_container_begin(writer, "PARM"));
    FG_TRY(fgi_container_write(writer, p->log_weights, k * (int64_t)sizeof(double)));
    FG_TRY(fgi_container_write(writer, p->means, k * p->d * (int64_t)sizeof(double)));
    FG_TRY(fgi_container_write(writer, p->variances, variances * (int64_t)sizeof(double)));
    return fgi_container_write(writer, p->center, p->d * (int64_t)sizeof(float));
}

static fg_status read_shape(const fgi_container *file, shape *out)
{
    const void *data;
    FG_TRY(fgi_container_get(file, "PSHP", sizeof *out, true, &data, NULL));
    memcpy(out, data, sizeof *out);
    if (out->kind > FGI_DIAGONAL)
        return fgi_fail(FG_FORMAT, "%s: section PSHP: kind is %u; it must be in 0..2", file->path,
                        out->kind);
    if (out->k < 1 || out->k > INT32_MAX)
        return fgi_fail(FG_FORMAT, "%s: section PSHP: k is %u; it must be in 1..%d", file->path,
                        out->k, INT32_MAX);
    if (out->d < 1 || out->d > 1 << 20)
        return fgi_fail(FG_FORMAT, "%s: section PSHP: d is %u; it must be in 1..%d", file->path,
                        out->d, 1 << 20);
    if (out->normalize > 1)
        return fgi_fail(FG_FORMAT, "%s: section PSHP: normalize is %u; it must be 0 or 1",
                        file->path, out->normalize);
    return FG_OK;
}

static fg_status bad_value(const fgi_container *file, const char *what, int64_t place, double value)
{
    return fgi_fail(FG_FORMAT, "%s: section PARM: %s %lld is %g", file->path, what,
                    (long long)place, value);
}

static fg_status check_values(const fgi_container *file, const fgi_params *p)
{
    const int64_t means = (int64_t)p->k * p->d;
    const int64_t variances = (int64_t)p->k * fgi_variance_cols(p->kind, p->d);
    bool living = false;
    for (int32_t j = 0; j < p->k; j++) {
        const double w = p->log_weights[j];
        if (w == -INFINITY) continue; /* dead */
        if (!(w <= 0.0 && w >= FGI_LEAST_LOG_WEIGHT)) return bad_value(file, "log-weight", j, w);
        living = true;
    }
    if (!living)
        return fgi_fail(FG_FORMAT, "%s: section PARM: all %d weights are 0", file->path, p->k);
    for (int64_t i = 0; i < means; i++)
        if (!(fabs(p->means[i]) <= 2.0 * FGI_MOST_MEAN)) /* as it is about the centre */
            return bad_value(file, "mean", i, p->means[i]);
    for (int64_t i = 0; i < variances; i++)
        if (!(p->variances[i] >= FGI_LEAST_VARIANCE && p->variances[i] <= FGI_MOST_VARIANCE))
            return bad_value(file, "variance", i, p->variances[i]);
    for (int32_t i = 0; i < p->d; i++)
        if (!(fabsf(p->center[i]) <= FGI_MOST_MEAN))
            return bad_value(file, "centre", i, p->center[i]);
    return FG_OK;
}

/* Parameters that lie in the mapping; nothing writes through them. */
static fgi_params placed_at(const void *data, const shape *s)
{
    double *block = (double *)(uintptr_t)data;
    const fgi_kind kind = (fgi_kind)s->kind;
    const int32_t k = (int32_t)s->k, d = (int32_t)s->d;
    double *variances = block + k + (int64_t)k * d;
    return (fgi_params){
        .kind = kind,
        .k = k,
        .d = d,
        .normalize = s->normalize != 0,
        .log_weights = block,
        .means = block + k,
        .variances = variances,
        .center = (float *)(void *)(variances + (int64_t)k * fgi_variance_cols(kind, d)),
    };
}

fg_status fgi_params_read(const fgi_container *file, bool mapped, fgi_params *out)
{
    shape s;
    const void *data;
    FG_TRY(read_shape(file, &s));
    FG_TRY(fgi_container_get(file, "PARM", block_bytes((fgi_kind)s.kind, s.k, s.d), true, &data,
                             NULL));
    const fgi_params there = placed_at(data, &s);
    FG_TRY(check_values(file, &there));
    if (mapped) {
        *out = there;
        return FG_OK;
    }
    FG_TRY(fgi_params_create(NULL, there.kind, there.k, there.d, out));
    fgi_params_copy(out, &there);
    return FG_OK;
}
