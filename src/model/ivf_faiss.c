/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_faiss.c - writes an index as FAISS writes an IndexIVFFlat, byte for byte (docs/format.md has the
 * layout). Knows lists; knows no search.
 *
 * FAISS takes the number of its entries for the number of its vectors, copies included; so do we.
 * Under cosine the quantizer keeps the distance, by which we rank lists too, and the index above it
 * compares by inner product. */
#include "ivf_faiss.h"

#include "source.h"

#include <math.h> /* sqrt */

enum { METRIC_IP = 0, METRIC_L2 = 1 }; /* FAISS's own numbers */

typedef struct exporting {
    const fg_ivf *ivf;
    fgi_writer *file;
    float *row; /* d */
} exporting;

/* ---------------------------------------------------------------------------------------- numbers */

static fg_status put_i32(fgi_writer *file, int32_t value)
{
    return fgi_writer_write(file, &value, sizeof value);
}

static fg_status put_i64(fgi_writer *file, int64_t value)
{
    return fgi_writer_write(file, &value, sizeof value);
}

static fg_status put_byte(fgi_writer *file, unsigned char value)
{
    return fgi_writer_write(file, &value, sizeof value);
}

static fg_status put_name(fgi_writer *file, const char name[4])
{
    return fgi_writer_write(file, name, 4);
}

/* ------------------------------------------------------------------------------------------ heads */

static fg_status put_head(const exporting *e, const char name[4], int64_t count, int32_t metric)
{
    enum { IGNORED = 1 << 20, TRAINED = 1 };
    FG_TRY(put_name(e->file, name));
    FG_TRY(put_i32(e->file, fgi_ivf_dims(e->ivf)));
    FG_TRY(put_i64(e->file, count));
    FG_TRY(put_i64(e->file, IGNORED));
    FG_TRY(put_i64(e->file, IGNORED));
    FG_TRY(put_byte(e->file, TRAINED));
    return put_i32(e->file, metric);
}

static fg_status put_quantizer(const exporting *e)
{
    const int64_t lists = fgi_ivf_lists(e->ivf), floats = lists * fgi_ivf_dims(e->ivf);
    const bool inner = e->ivf->metric == FG_METRIC_IP;
    FG_TRY(put_head(e, inner ? "IxFI" : "IxF2", lists, inner ? METRIC_IP : METRIC_L2));
    FG_TRY(put_i64(e->file, floats));
    return fgi_writer_write(e->file, e->ivf->coarse.centroids, floats * (int64_t)sizeof(float));
}

/* All sizes, or those of the lists with rows alone: whichever is less. */
static fg_status put_sizes(const exporting *e)
{
    const int32_t lists = fgi_ivf_lists(e->ivf);
    int32_t filled = 0;
    for (int32_t l = 0; l < lists; l++) filled += e->ivf->lists[l].count > 0;
    const bool full = filled > lists / 2;
    FG_TRY(put_name(e->file, full ? "full" : "sprs"));
    FG_TRY(put_i64(e->file, full ? lists : 2 * (int64_t)filled));
    for (int32_t l = 0; l < lists; l++) {
        const int64_t count = e->ivf->lists[l].count;
        if (!full && count > 0) FG_TRY(put_i64(e->file, l));
        if (full || count > 0) FG_TRY(put_i64(e->file, count));
    }
    return FG_OK;
}

static fg_status put_heads(const exporting *e, int32_t probes)
{
    enum { NO_DIRECT_MAP = 0 };
    const fg_ivf *ivf = e->ivf;
    FG_TRY(put_head(e, "IwFl", ivf->entries, ivf->metric == FG_METRIC_L2 ? METRIC_L2 : METRIC_IP));
    FG_TRY(put_i64(e->file, fgi_ivf_lists(ivf)));
    FG_TRY(put_i64(e->file, probes));
    FG_TRY(put_quantizer(e));
    FG_TRY(put_byte(e->file, NO_DIRECT_MAP));
    FG_TRY(put_i64(e->file, 0)); /* the map's length */
    FG_TRY(put_name(e->file, "ilar"));
    FG_TRY(put_i64(e->file, fgi_ivf_lists(ivf)));
    FG_TRY(put_i64(e->file, fgi_ivf_dims(ivf) * (int64_t)sizeof(float)));
    return put_sizes(e);
}

/* ---------------------------------------------------------------------------------------- entries */

/* One row as f32, of length 1 under cosine. */
static fg_status put_row(const exporting *e, const fg_view *codes, int64_t number)
{
    double norm2 = 0;
    for (int32_t i = 0; i < codes->cols; i++) {
        const double value = fgi_view_get(codes, number, i);
        e->row[i] = (float)value;
        norm2 += value * value;
    }
    if (e->ivf->metric == FG_METRIC_COSINE) {
        const double scale = 1 / sqrt(norm2);
        for (int32_t i = 0; i < codes->cols; i++) e->row[i] = (float)(e->row[i] * scale);
    }
    return fgi_writer_write(e->file, e->row, codes->cols * (int64_t)sizeof *e->row);
}

static fg_status put_list(const exporting *e, const fgi_list *list)
{
    const fg_ivf *ivf = e->ivf;
    const fg_view codes = {.data = list->codes,
                           .rows = list->count,
                           .cols = fgi_ivf_dims(ivf),
                           .dtype = (int16_t)ivf->dtype};
    if (ivf->dtype == FG_F32 && ivf->metric != FG_METRIC_COSINE)
        FG_TRY(fgi_writer_write(e->file, list->codes, list->count * fgi_ivf_row_bytes(ivf)));
    else
        for (int64_t r = 0; r < list->count; r++) FG_TRY(put_row(e, &codes, r));
    return fgi_writer_write(e->file, list->ids, list->count * (int64_t)sizeof *list->ids);
}

/* -------------------------------------------------------------------------------------------- all */

static fg_status put_all(const exporting *e, int32_t probes)
{
    FG_TRY(put_heads(e, probes));
    for (int32_t l = 0; l < fgi_ivf_lists(e->ivf); l++) FG_TRY(put_list(e, &e->ivf->lists[l]));
    return fgi_writer_commit(e->file);
}

fg_status fgi_ivf_export_faiss(const fg_ivf *ivf, const char *path, int32_t probes)
{
    exporting e = {.ivf = ivf};
    FG_TRY(fgi_alloc(NULL, fgi_ivf_dims(ivf), sizeof *e.row, &e.row));
    fg_status s = fgi_writer_open(path, &e.file);
    if (s == FG_OK) s = put_all(&e, probes);
    fgi_writer_close(e.file);
    fgi_free(e.row);
    return s;
}
