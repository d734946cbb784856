/* SPDX-License-Identifier: Apache-2.0 */
/* gmm_file.c - a mixture is its parameters (params_file.h), the states of its components, and how it was fitted.
 * Knows the container; knows no pass. */
#include "gmm_file.h"

#include "params_file.h"

#include <string.h> /* memcpy */

static const char magic[8] = "FGMMODEL";
enum { VERSION = 1 };

/* Section GMET. */
typedef struct meta {
    int32_t iterations, stop_reason;
    int64_t rows;
    double log_likelihood;
} meta;

static fg_status write_sections(fgi_container_writer *writer, const fg_gmm *gmm)
{
    const meta m = {
        .iterations = gmm->iterations,
        .stop_reason = gmm->stop_reason,
        .rows = gmm->rows,
        .log_likelihood = gmm->log_likelihood,
    };
    FG_TRY(fgi_container_begin(writer, "GMET"));
    FG_TRY(fgi_container_write(writer, &m, sizeof m));
    FG_TRY(fgi_container_begin(writer, "STAT"));
    FG_TRY(fgi_container_write(writer, gmm->states, gmm->params.k * (int64_t)sizeof(int32_t)));
    FG_TRY(fgi_params_write(writer, &gmm->params));
    return fgi_container_commit(writer);
}

fg_status fgi_gmm_save(const fg_gmm *gmm, const char *path)
{
    fgi_container_writer *writer;
    FG_TRY(fgi_container_create(path, magic, VERSION, &writer));
    const fg_status s = write_sections(writer, gmm);
    fgi_container_abandon(writer);
    return s;
}

static fg_status read_meta(fg_gmm *gmm)
{
    const void *data;
    meta m;
    FG_TRY(fgi_container_get(&gmm->file, "GMET", sizeof m, true, &data, NULL));
    memcpy(&m, data, sizeof m);
    if (m.iterations < 0 || m.rows < 0)
        return fgi_fail(FG_FORMAT,
                        "%s: section GMET: %d iterations over %lld rows; neither may be negative",
                        gmm->file.path, m.iterations, (long long)m.rows);
    if (m.stop_reason < FG_STOP_MAX_ITER || m.stop_reason > FG_STOP_STEADY)
        return fgi_fail(FG_FORMAT, "%s: section GMET: stop_reason is %d; it must be in 0..%d",
                        gmm->file.path, m.stop_reason, FG_STOP_STEADY);
    gmm->iterations = m.iterations;
    gmm->stop_reason = m.stop_reason;
    gmm->rows = m.rows;
    gmm->log_likelihood = m.log_likelihood;
    return FG_OK;
}

static fg_status read_states(fg_gmm *gmm)
{
    const int32_t k = gmm->params.k;
    const void *data;
    FG_TRY(fgi_container_get(&gmm->file, "STAT", k * (int64_t)sizeof(int32_t), true, &data, NULL));
    FG_TRY(fgi_alloc(NULL, k, sizeof *gmm->states, &gmm->states));
    memcpy(gmm->states, data, (size_t)k * sizeof *gmm->states);
    for (int32_t j = 0; j < k; j++)
        if (gmm->states[j] < FG_COMPONENT_OK || gmm->states[j] > FG_COMPONENT_DEAD)
            return fgi_fail(FG_FORMAT,
                            "%s: section STAT: state of component %d is %d; it must be in 0..%d",
                            gmm->file.path, j, gmm->states[j], FG_COMPONENT_DEAD);
    return FG_OK;
}

static fg_status read_sections(bool mapped, fg_gmm *gmm)
{
    FG_TRY(fgi_params_read(&gmm->file, mapped, &gmm->params));
    if (gmm->params.kind == FGI_HARD)
        return fgi_fail(FG_FORMAT, "%s: section PSHP: kind is 0, centroids; a mixture's is 1 or 2",
                        gmm->file.path);
    FG_TRY(read_meta(gmm));
    return read_states(gmm);
}

fg_status fgi_gmm_load(const char *path, bool mapped, fg_gmm **out)
{
    fg_gmm *gmm;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *gmm, &gmm));
    gmm->mapped = mapped;
    fg_status s = fgi_container_open(path, magic, VERSION, &gmm->file);
    if (s == FG_OK) s = read_sections(mapped, gmm);
    if (s != FG_OK) {
        fg_gmm_destroy(gmm);
        return s;
    }
    if (!mapped) fgi_container_close(&gmm->file);
    gmm->file.path = NULL; /* the caller's; only messages of this call needed it */
    *out = gmm;
    return FG_OK;
}
