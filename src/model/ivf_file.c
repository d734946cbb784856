/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_file.c - an index as a file. Knows sections and every number in them; knows no pass.
 *
 * A container (container.h) with magic "FGMINDEX", version 1, and these sections:
 *     META  struct meta
 *     PSHP  shape k x d and PARM, numbers of the coarse quantizer (params_file.h); k lists
 *     SETS  i64[sets] rows of each set, i32[sets] sizes, i32[sets] lists faced (-1: none),
 *           i32[members] list numbers of set after set
 *     GRPH  the graph of the centroids (ivf_graph.h), if there is one: fgi_graph_effort[FGI_GRAPH_EFFORTS], i32[k] how
 *           many edges each has, i32[edges] where they lead
 *     NEAR  i32[k x FGI_NEAR]: the lists around each list (ivf_cells.h)
 *     CELL  fgi_cell[sets]: where the rows of each set lie (ivf_cells.h)
 *     TUNE  fgi_calibration; only if the index is tuned
 *     SHAR  fgi_share[]: the same under filters; only if it is tuned, and has rows enough
 *     IDS_  i64[entries]    list after list; in a list by rising set; copies of a segment agree
 *     INVN  f32[entries]    1 / |row|, only for cosine
 *     CODE  entries x d elements
 * The length of every list follows from SETS, which is why it is stored nowhere. */
#include "ivf_draft.h"
#include "params_file.h"

#include <math.h>   /* isfinite */
#include <string.h> /* memcpy, memcmp */

static const char magic[8] = {'F', 'G', 'M', 'I', 'N', 'D', 'E', 'X'};
enum { VERSION = 1 };

typedef struct meta {
    int32_t dtype, metric, assign, max_lists;
    int64_t sets, members, rows, entries, next_id;
    double threshold;
    int32_t strict, reserved;
} meta;

_Static_assert(sizeof(meta) == 72, "part of the format");
_Static_assert(sizeof(fgi_cell) == 40 && FGI_NEAR == 64, "part of the format");
_Static_assert(sizeof(fgi_graph_effort) == 8 && FGI_GRAPH_EFFORTS == 12, "part of the format");
_Static_assert(sizeof(fgi_calibration) == 24 + 24 * FGI_CALIBRATION_POINTS, "part of the format");
_Static_assert(sizeof(fgi_share) == 8 + 24 * FGI_CALIBRATION_POINTS, "part of the format");

/* ----------------------------------------------------------------------------------------- save */

/* Sets that have lost all their rows are left out, which keeps the order of the others. */
static fg_status write_sets(fgi_container_writer *w, const fgi_sets *sets)
{
    FG_TRY(fgi_container_begin(w, "SETS"));
    for (int32_t set = 0; set < sets->count; set++)
        if (sets->rows[set] > 0)
            FG_TRY(fgi_container_write(w, &sets->rows[set], sizeof *sets->rows));
    for (int32_t set = 0; set < sets->count; set++) {
        const int32_t size = fgi_set_size(sets, set);
        if (sets->rows[set] > 0) FG_TRY(fgi_container_write(w, &size, sizeof size));
    }
    for (int32_t set = 0; set < sets->count; set++)
        if (sets->rows[set] > 0)
            FG_TRY(fgi_container_write(w, &sets->facing[set], sizeof *sets->facing));
    for (int32_t set = 0; set < sets->count; set++)
        if (sets->rows[set] > 0)
            FG_TRY(fgi_container_write(w, sets->members + sets->begin[set],
                                       fgi_set_size(sets, set) * (int64_t)sizeof *sets->members));
    return FG_OK;
}

static fg_status write_graph(fgi_container_writer *w, const fgi_graph *graph)
{
    if (graph->k == 0) return FG_OK;
    FG_TRY(fgi_container_begin(w, "GRPH"));
    FG_TRY(fgi_container_write(w, graph->efforts, sizeof graph->efforts));
    for (int32_t j = 0; j < graph->k; j++) {
        const int32_t degree = graph->begin[j + 1] - graph->begin[j];
        FG_TRY(fgi_container_write(w, &degree, sizeof degree));
    }
    return fgi_container_write(w, graph->edges,
                               graph->begin[graph->k] * (int64_t)sizeof *graph->edges);
}

static fg_status write_probing(fgi_container_writer *w, const fg_ivf *ivf)
{
    FG_TRY(fgi_container_begin(w, "NEAR"));
    FG_TRY(fgi_container_write(w, ivf->near,
                               fgi_ivf_lists(ivf) * (int64_t)sizeof *ivf->near * FGI_NEAR));
    FG_TRY(fgi_container_begin(w, "CELL"));
    for (int32_t set = 0; set < ivf->sets.count; set++)
        if (ivf->sets.rows[set] > 0)
            FG_TRY(fgi_container_write(w, &ivf->cells[set], sizeof *ivf->cells));
    if (ivf->calibration.n == 0) return FG_OK;
    FG_TRY(fgi_container_begin(w, "TUNE"));
    FG_TRY(fgi_container_write(w, &ivf->calibration, sizeof ivf->calibration));
    if (ivf->share_count == 0) return FG_OK;
    FG_TRY(fgi_container_begin(w, "SHAR"));
    return fgi_container_write(w, ivf->shares, ivf->share_count * (int64_t)sizeof *ivf->shares);
}

static fg_status write_entries(fgi_container_writer *w, const fg_ivf *ivf)
{
    const int32_t lists = fgi_ivf_lists(ivf);
    const int64_t row_bytes = fgi_ivf_row_bytes(ivf);
    FG_TRY(fgi_container_begin(w, "IDS_"));
    for (int32_t l = 0; l < lists; l++)
        FG_TRY(fgi_container_write(w, ivf->lists[l].ids,
                                   ivf->lists[l].count * (int64_t)sizeof(int64_t)));
    if (ivf->metric == FG_METRIC_COSINE) {
        FG_TRY(fgi_container_begin(w, "INVN"));
        for (int32_t l = 0; l < lists; l++)
            FG_TRY(fgi_container_write(w, ivf->lists[l].inverse_norms,
                                       ivf->lists[l].count * (int64_t)sizeof(float)));
    }
    FG_TRY(fgi_container_begin(w, "CODE"));
    for (int32_t l = 0; l < lists; l++)
        FG_TRY(fgi_container_write(w, ivf->lists[l].codes, ivf->lists[l].count * row_bytes));
    return FG_OK;
}

static fg_status write_all(fgi_container_writer *w, const fg_ivf *ivf)
{
    meta m = {.dtype = ivf->dtype,
              .metric = ivf->metric,
              .assign = ivf->rule.kind,
              .max_lists = ivf->rule.max_lists,
              .rows = ivf->rows,
              .entries = ivf->entries,
              .next_id = ivf->next_id,
              .threshold = ivf->rule.threshold,
              .strict = ivf->rule.strict};
    for (int32_t set = 0; set < ivf->sets.count; set++) {
        m.sets += ivf->sets.rows[set] > 0;
        m.members += ivf->sets.rows[set] > 0 ? fgi_set_size(&ivf->sets, set) : 0;
    }
    FG_TRY(fgi_container_begin(w, "META"));
    FG_TRY(fgi_container_write(w, &m, sizeof m));
    FG_TRY(fgi_params_write(w, &ivf->coarse.params));
    FG_TRY(write_graph(w, &ivf->graph));
    FG_TRY(write_sets(w, &ivf->sets));
    FG_TRY(write_probing(w, ivf));
    return write_entries(w, ivf);
}

fg_status fgi_ivf_save(const fg_ivf *ivf, const char *path)
{
    fgi_container_writer *w;
    FG_TRY(fgi_container_create(path, magic, VERSION, &w));
    fg_status s = write_all(w, ivf);
    if (s == FG_OK) s = fgi_container_commit(w);
    fgi_container_abandon(w);
    return s;
}

/* ----------------------------------------------------------------------------------------- load */

typedef struct loading {
    fgi_container file;
    meta meta;
    bool mapped;
    const int64_t *ids;
    const float *inverse_norms; /* NULL unless cosine */
    const unsigned char *codes;
} loading;

static fg_status check(const loading *f, const char *what, int64_t value, int64_t low, int64_t high)
{
    if (value >= low && value <= high) return FG_OK;
    return fgi_fail(FG_FORMAT, "%s: section %s is %lld; it must be in %lld..%lld", f->file.path,
                    what, (long long)value, (long long)low, (long long)high);
}

/* Sizes are checked against the bytes of the file first, so that no product overflows. */
static fg_status read_meta(loading *f)
{
    const void *data;
    FG_TRY(fgi_container_get(&f->file, "META", sizeof f->meta, true, &data, NULL));
    memcpy(&f->meta, data, sizeof f->meta);
    const meta *m = &f->meta;
    const int64_t most = f->file.map.bytes / (int64_t)sizeof(int64_t); /* ids */
    FG_TRY(check(f, "META: dtype", m->dtype, FG_F32, FG_U8));
    FG_TRY(check(f, "META: metric", m->metric, FG_METRIC_L2, FG_METRIC_COSINE));
    FG_TRY(check(f, "META: assign", m->assign, FG_ASSIGN_HARD, FG_ASSIGN_RNG));
    FG_TRY(check(f, "META: max_lists", m->max_lists, 1, FGI_MAX_LISTS));
    FG_TRY(check(f, "META: strict", m->strict, 0, 1));
    FG_TRY(check(f, "META: reserved", m->reserved, 0, 0));
    FG_TRY(check(f, "META: rows", m->rows, 0, most));
    FG_TRY(check(f, "META: entries", m->entries, m->rows, most));
    FG_TRY(check(f, "META: sets", m->sets, 0, m->rows));
    FG_TRY(check(f, "META: members", m->members, m->sets, INT32_MAX));
    FG_TRY(check(f, "META: next_id", m->next_id, m->rows, INT64_MAX));
    if (isfinite(m->threshold) && m->threshold >= 0) return FG_OK;
    return fgi_fail(FG_FORMAT,
                    "%s: section META: threshold is %g; it must be finite and 0 or above",
                    f->file.path, m->threshold);
}

static fg_status check_params(const loading *f, const fgi_params *params)
{
    const bool posterior = f->meta.assign == FG_ASSIGN_POSTERIOR;
    FG_TRY(
        check(f, "PSHP: kind", params->kind, posterior ? FGI_SPHERICAL : FGI_HARD, FGI_DIAGONAL));
    const bool cosine = f->meta.metric == FG_METRIC_COSINE;
    return check(f, "PSHP: normalize", params->normalize, cosine, cosine);
}

/* One set: distinct lists that exist, in ascending order, and another one or none that it faces, as no
 * set before it. */
typedef struct set_in_file {
    const int32_t *lists;
    int32_t size, facing;
} set_in_file;

static fg_status read_set(const loading *f, int32_t set, const set_in_file *in, fg_ivf *ivf)
{
    const int32_t *lists = in->lists, size = in->size;
    for (int32_t m = 0; m < size; m++)
        FG_TRY(check(f, "SETS: a list", lists[m], m > 0 ? (int64_t)lists[m - 1] + 1 : 0,
                     fgi_ivf_lists(ivf) - 1));
    int32_t number;
    FG_TRY(check(f, "SETS: a list faced", in->facing, -1, fgi_ivf_lists(ivf) - 1));
    for (int32_t m = 0; m < size; m++)
        if (lists[m] == in->facing)
            return fgi_fail(FG_FORMAT, "%s: section SETS: set %d faces list %d, which is its own",
                            f->file.path, set, in->facing);
    FG_TRY(fgi_sets_intern(&ivf->sets, lists, size, in->facing, &number));
    return check(f, "SETS: the first of equal sets", number, set, set);
}

static fg_status read_sets(const loading *f, fg_ivf *ivf)
{
    const meta *m = &f->meta;
    const int64_t bytes =
        m->sets * (int64_t)sizeof(int64_t) + (2 * m->sets + m->members) * (int64_t)sizeof(int32_t);
    const void *data;
    FG_TRY(fgi_container_get(&f->file, "SETS", bytes, true, &data, NULL));
    const int64_t *rows = data;
    const int32_t *sizes = (const int32_t *)(rows + m->sets);
    const int32_t *facing = sizes + m->sets, *members = facing + m->sets;
    int64_t member_sum = 0, row_sum = 0, entry_sum = 0;
    for (int32_t set = 0; set < m->sets; set++) {
        const int64_t size = sizes[set], room = m->members - member_sum;
        FG_TRY(check(f, "SETS: the size of a set", size, 1,
                     m->max_lists < room ? m->max_lists : room));
        FG_TRY(check(f, "SETS: the rows of a set", rows[set], 1, (m->entries - entry_sum) / size));
        const set_in_file in = {members + member_sum, (int32_t)size, facing[set]};
        FG_TRY(read_set(f, set, &in, ivf));
        ivf->sets.rows[set] = rows[set];
        member_sum += size;
        row_sum += rows[set];
        entry_sum += rows[set] * size;
    }
    FG_TRY(check(f, "SETS: the sum of sizes", member_sum, m->members, m->members));
    FG_TRY(check(f, "SETS: the sum of rows", row_sum, m->rows, m->rows));
    return check(f, "SETS: the sum of entries", entry_sum, m->entries, m->entries);
}

static fg_status read_efforts(const loading *f, int32_t k, fgi_graph *graph)
{
    int32_t width = 1;
    bool ended = false;
    for (int32_t i = 0; i < FGI_GRAPH_EFFORTS; i++) {
        const fgi_graph_effort *e = &graph->efforts[i];
        ended = ended || e->width == 0;
        if (!ended) {
            const int32_t wanted = 1 << i;
            FG_TRY(check(f, "GRPH: a width", e->width, width > wanted ? width : wanted, k));
        }
        FG_TRY(check(f, "GRPH: a width beyond the last", ended ? e->width : 0, 0, 0));
        FG_TRY(check(f, "GRPH: a cost", e->cost, 0, k));
        width = ended ? width : e->width;
    }
    return FG_OK;
}

static fg_status read_graph(const loading *f, fg_ivf *ivf)
{
    if (!fgi_container_has(&f->file, "GRPH")) return FG_OK;
    fgi_graph *g = &ivf->graph;
    const int32_t k = fgi_ivf_lists(ivf);
    const int64_t head = (int64_t)sizeof g->efforts + k * (int64_t)sizeof *g->begin;
    const void *data;
    int64_t bytes;
    FG_TRY(fgi_container_get(&f->file, "GRPH", -1, true, &data, &bytes));
    FG_TRY(check(f, "GRPH: bytes", bytes, head, INT32_MAX));
    memcpy(g->efforts, data, sizeof g->efforts);
    FG_TRY(read_efforts(f, k, g));
    const int64_t edges = (bytes - head) / (int64_t)sizeof *g->edges;
    const int32_t *degrees = (const int32_t *)((const char *)data + sizeof g->efforts);
    FG_TRY(fgi_alloc(NULL, k + (int64_t)1, sizeof *g->begin, &g->begin));
    FG_TRY(fgi_alloc(NULL, edges, sizeof *g->edges, &g->edges));
    g->begin[0] = 0;
    for (int32_t j = 0; j < k; j++) {
        FG_TRY(check(f, "GRPH: the edges of a centroid", degrees[j], 0, edges - g->begin[j]));
        g->begin[j + 1] = g->begin[j] + degrees[j];
    }
    FG_TRY(check(f, "GRPH: bytes", bytes, head + g->begin[k] * (int64_t)sizeof *g->edges,
                 head + g->begin[k] * (int64_t)sizeof *g->edges));
    memcpy(g->edges, degrees + k, (size_t)edges * sizeof *g->edges);
    for (int64_t e = 0; e < edges; e++)
        FG_TRY(check(f, "GRPH: where an edge leads", g->edges[e], 0, k - 1));
    g->stride = fgi_graph_stride(k);
    g->k = k;
    return FG_OK;
}

static fg_status read_near(const loading *f, fg_ivf *ivf)
{
    const int64_t count = fgi_ivf_lists(ivf) * (int64_t)FGI_NEAR;
    const void *data;
    FG_TRY(
        fgi_container_get(&f->file, "NEAR", count * (int64_t)sizeof *ivf->near, true, &data, NULL));
    memcpy(ivf->near, data, (size_t)count * sizeof *ivf->near);
    for (int64_t i = 0; i < count; i++)
        FG_TRY(check(f, "NEAR: a list", ivf->near[i], 0, fgi_ivf_lists(ivf) - 1));
    return FG_OK;
}

static fg_status check_cell(const loading *f, const fg_ivf *ivf, int32_t set)
{
    const fgi_sets *sets = &ivf->sets;
    const fgi_cell *cell = &ivf->cells[set];
    bool finite = isfinite(cell->offset), member = false;
    for (int32_t m = sets->begin[set]; m < sets->begin[set + 1]; m++)
        member = member || sets->members[m] == cell->home;
    if (!member)
        return fgi_fail(FG_FORMAT,
                        "%s: section CELL: cell %d is at home in list %d, not in its set",
                        f->file.path, set, cell->home);
    for (size_t t = 0; t < sizeof cell->near; t++)
        FG_TRY(check(f, "CELL: a list near home", cell->near[t], 0,
                     t < FGI_BLEND_TERMS ? FGI_NEAR - 1 : 0));
    for (int32_t t = 0; t < FGI_BLEND_TERMS; t++) finite = finite && isfinite(cell->weights[t]);
    if (finite) return FG_OK;
    return fgi_fail(FG_FORMAT, "%s: section CELL: cell %d has a number that is not finite",
                    f->file.path, set);
}

static fg_status read_cells(const loading *f, fg_ivf *ivf)
{
    const int64_t bytes = f->meta.sets * (int64_t)sizeof(fgi_cell);
    const void *data;
    FG_TRY(fgi_container_get(&f->file, "CELL", bytes, true, &data, NULL));
    FG_TRY(fgi_alloc(NULL, f->meta.sets, sizeof *ivf->cells, &ivf->cells));
    memcpy(ivf->cells, data, (size_t)bytes);
    for (int32_t set = 0; set < f->meta.sets; set++) FG_TRY(check_cell(f, ivf, set));
    return FG_OK;
}

/* Of TUNE, or of a share. */
static fg_status check_points(const loading *f, const fg_ivf *ivf,
                              const fgi_calibration_point *points, int32_t most_cost)
{
    fgi_calibration_point before = {.lists = 1};
    bool sound = true;
    for (int32_t i = 0; i < FGI_CALIBRATION_POINTS; i++) {
        const fgi_calibration_point p = points[i];
        FG_TRY(check(f, "TUNE, SHAR: lists", p.lists, before.lists, fgi_ivf_lists(ivf)));
        FG_TRY(check(f, "TUNE, SHAR: a cost", p.cost, 0, most_cost));
        sound = sound && p.recall >= before.recall && p.recall <= 1 && p.theta >= before.theta &&
                isfinite(p.theta);
        before = p;
    }
    if (sound) return FG_OK;
    return fgi_fail(FG_FORMAT, "%s: recalls and thetas of TUNE and SHAR must be finite and rise",
                    f->file.path);
}

static fg_status read_calibration(const loading *f, fg_ivf *ivf)
{
    if (!fgi_container_has(&f->file, "TUNE")) return FG_OK;
    fgi_calibration *c = &ivf->calibration;
    const void *data;
    FG_TRY(fgi_container_get(&f->file, "TUNE", sizeof *c, true, &data, NULL));
    memcpy(c, data, sizeof *c);
    FG_TRY(check(f, "TUNE: n", c->n, 1, INT32_MAX));
    FG_TRY(check(f, "TUNE: reserved", c->reserved, 0, 0));
    FG_TRY(check(f, "TUNE: queries", c->queries, 1, INT64_MAX));
    if (!(isfinite(c->steepness) && c->steepness >= 0))
        return fgi_fail(FG_FORMAT,
                        "%s: section TUNE: steepness is %g; it must be finite and 0 or above",
                        f->file.path, c->steepness);
    return check_points(f, ivf, c->points, 0);
}

static fg_status read_shares(const loading *f, fg_ivf *ivf)
{
    if (!fgi_container_has(&f->file, "SHAR")) return FG_OK;
    const int64_t share = sizeof *ivf->shares;
    const void *data;
    int64_t bytes;
    FG_TRY(check(f, "TUNE, which SHAR needs: n", ivf->calibration.n, 1, INT32_MAX));
    FG_TRY(fgi_container_get(&f->file, "SHAR", -1, true, &data, &bytes));
    const int64_t count = bytes / share;
    FG_TRY(check(f, "SHAR: shares", count, 1, FGI_SHARES));
    FG_TRY(check(f, "SHAR: bytes", bytes, count * share, count * share));
    memcpy(ivf->shares, data, (size_t)bytes);
    double place = 0;
    for (int32_t i = 0; i < count; i++) {
        const fgi_share *s = &ivf->shares[i];
        if (!(s->place > place && isfinite(s->place)))
            return fgi_fail(FG_FORMAT,
                            "%s: section SHAR: place %d is %g; it must be finite and above %g",
                            f->file.path, i, s->place, place);
        place = s->place;
        FG_TRY(check_points(f, ivf, s->points, INT32_MAX));
    }
    ivf->share_count = (int32_t)count;
    return FG_OK;
}

/* The sections that a mapped index leaves in the file, unread. */
static fg_status find_entries(loading *f, int64_t row_bytes)
{
    const meta *m = &f->meta;
    const void *ids, *norms = NULL, *codes;
    FG_TRY(check(f, "META: entries", m->entries, 0, f->file.map.bytes / row_bytes));
    FG_TRY(fgi_container_get(&f->file, "IDS_", m->entries * (int64_t)sizeof(int64_t), !f->mapped,
                             &ids, NULL));
    if (m->metric == FG_METRIC_COSINE)
        FG_TRY(fgi_container_get(&f->file, "INVN", m->entries * (int64_t)sizeof(float), !f->mapped,
                                 &norms, NULL));
    FG_TRY(fgi_container_get(&f->file, "CODE", m->entries * row_bytes, !f->mapped, &codes, NULL));
    f->ids = ids;
    f->inverse_norms = norms;
    f->codes = codes;
    return FG_OK;
}

/* Points every list at its entries in the file, or copies them from there. */
static void fill_lists(const loading *f, const fg_ivf *ivf, fgi_draft *draft)
{
    int64_t first = 0;
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) {
        fgi_list *list = &draft->lists[l];
        fgi_list in_file = {.codes = f->codes + first * fgi_ivf_row_bytes(ivf),
                            .ids = f->ids + first,
                            .inverse_norms = f->inverse_norms ? f->inverse_norms + first : NULL};
        first += list->count;
        if (!f->mapped) {
            const fgi_entries entries = fgi_list_entries(ivf, list);
            fgi_entries_copy(ivf, &entries, 0, &in_file, 0, list->count);
        } else {
            list->codes = in_file.codes;
            list->ids = in_file.ids;
            list->inverse_norms = in_file.inverse_norms;
        }
    }
}

/* Ids in range, and the same in all copies of a segment. */
static fg_status check_ids(const loading *f, const fg_ivf *ivf, const fgi_draft *draft)
{
    const fgi_sets *sets = &ivf->sets;
    int64_t *done; /* entries of each list */
    FG_TRY(fgi_alloc_zero(NULL, fgi_ivf_lists(ivf), sizeof *done, &done));
    fg_status s = FG_OK;
    for (int32_t set = 0; s == FG_OK && set < sets->count; set++) {
        const int32_t *members = sets->members + sets->begin[set];
        const int64_t *ids = draft->lists[members[0]].ids + done[members[0]];
        for (int64_t i = 0; s == FG_OK && i < sets->rows[set]; i++)
            s = check(f, "IDS_: an id", ids[i], 0, f->meta.next_id - 1);
        for (int32_t m = 0; s == FG_OK && m < fgi_set_size(sets, set); m++) {
            const int64_t *copies = draft->lists[members[m]].ids + done[members[m]];
            if (memcmp(copies, ids, (size_t)sets->rows[set] * sizeof *ids) != 0)
                s = fgi_fail(FG_FORMAT,
                             "%s: section IDS_: the copies of rows in lists %d and %d differ",
                             f->file.path, members[0], members[m]);
            done[members[m]] += sets->rows[set];
        }
    }
    fgi_free(done);
    return s;
}

static fg_status read_lists(loading *f, fg_ivf *ivf)
{
    fgi_draft draft;
    FG_TRY(read_graph(f, ivf));
    FG_TRY(read_sets(f, ivf));
    FG_TRY(read_near(f, ivf));
    FG_TRY(read_cells(f, ivf));
    FG_TRY(read_calibration(f, ivf));
    FG_TRY(read_shares(f, ivf));
    FG_TRY(find_entries(f, fgi_ivf_row_bytes(ivf)));
    FG_TRY(fgi_draft_begin(ivf, &draft));
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) draft.touched[l] = true;
    fg_status s = fgi_draft_lay_out(ivf, !f->mapped, &draft);
    if (s == FG_OK) fill_lists(f, ivf, &draft);
    if (s == FG_OK && !f->mapped) s = check_ids(f, ivf, &draft);
    if (s == FG_OK)
        fgi_draft_commit(ivf, &draft);
    else
        fgi_draft_destroy(ivf, &draft);
    return s;
}

static fg_status read_all(loading *f, fg_ivf **out)
{
    FG_TRY(read_meta(f));
    const fgi_rule rule = {.kind = (fg_assign)f->meta.assign,
                           .max_lists = f->meta.max_lists,
                           .strict = f->meta.strict != 0,
                           .threshold = f->meta.threshold};
    fgi_params params; /* in the mapping: the index makes a copy */
    FG_TRY(fgi_params_read(&f->file, true, &params));
    FG_TRY(check_params(f, &params));
    fg_ivf *ivf;
    FG_TRY(
        fgi_ivf_create(&params, (fg_dtype)f->meta.dtype, (fg_metric)f->meta.metric, &rule, &ivf));
    const fg_status s = read_lists(f, ivf);
    if (s != FG_OK) {
        fgi_ivf_destroy(ivf);
        return s;
    }
    ivf->next_id = f->meta.next_id;
    *out = ivf;
    return FG_OK;
}

fg_status fgi_ivf_load(const char *path, bool mapped, fg_ivf **out)
{
    loading f = {.mapped = mapped};
    FG_TRY(fgi_container_open(path, magic, VERSION, &f.file));
    const fg_status s = read_all(&f, out);
    if (s == FG_OK && mapped) {
        f.file.path = NULL; /* the caller's, who may release it now */
        (*out)->container = f.file;
    } else {
        fgi_container_close(&f.file);
    }
    return s;
}
