/* SPDX-License-Identifier: Apache-2.0 */
/* ivf.h - the index: a coarse quantizer, a rule, and lists of rows. Knows passes; knows no search.
 *
 * A row that is stored in several lists has a copy in each, so that a list is scanned as one piece
 * of memory. The owner rule keeps a search from meeting a row twice: of the lists that hold a row,
 * the one that the query visits first owns it. To decide this for many rows at once, the entries of
 * a list are grouped into segments: the rows that share one set of lists (ivf_sets.h) lie together,
 * and the whole segment is passed over if the query has visited any other list of the set. So every
 * row is scored exactly once, without a look at any id and without a memory of what was seen.
 *
 * One order: in a list, segments stand by rising number of their set; in a segment, rows stand as
 * they were added, and so all copies of a segment are equal, row for row. Changes keep it: they lay
 * out the lists they touch afresh (ivf_draft.h), which costs the length of those lists. */
#ifndef FGI_IVF_H
#define FGI_IVF_H
#include "assign.h"
#include "container.h"
#include "ivf_cells.h"
#include "ivf_graph.h"
#include "ivf_nearest.h"
#include "ivf_sets.h"
#include "ivf_sketch.h"

typedef struct fgi_segment {
    int64_t begin;  /* its first entry in the list; it ends where the next begins */
    int32_t set;    /* its set of lists */
    int32_t others; /* where the set's other lists begin in `others` of the list */
} fgi_segment;

typedef struct fgi_list {
    int64_t count;              /* entries */
    const unsigned char *codes; /* count x row_bytes: the rows in their own type */
    const int64_t *ids;         /* count */
    const float *inverse_norms; /* count: 1 / |row|, or NULL unless the metric is cosine */
    const unsigned char
        *sketches; /* count, or NULL: of types that have none, and in the mapped file */
    void *entries; /* where those four begin; NULL: in the mapped file */
    bool shared;   /* entries lie in the index's block; otherwise in one of the list's own */
    fgi_segment *segments; /* segment_count + 1: the last one only marks the end; NULL: no rows */
    int32_t *others;
    int32_t segment_count;
    fgi_places places; /* of the cells at home here */
} fgi_list;

enum { FGI_CALIBRATION_POINTS = 24, FGI_SHARES = 8 };

/* Which theta gives which recall (probe.h), measured on sample queries (tune.h). */
typedef struct fgi_calibration_point {
    double recall, theta; /* both rise from point to point */
    int32_t lists;        /* how many of its nearest lists a query looks at */
    int32_t cost;         /* of a share: what a query takes, in rows scanned (tune.h); else 0 */
} fgi_calibration_point;

typedef struct fgi_calibration {
    int32_t n; /* results a query that it holds for; 0: the index is not tuned */
    int32_t reserved;
    int64_t queries;
    double steepness;
    fgi_calibration_point points[FGI_CALIBRATION_POINTS];
} fgi_calibration;

/* The same where a filter leaves one row in some. */
typedef struct fgi_share {
    double place; /* above 0: log_4 of the m over n that queries find (probe.h), on average */
    fgi_calibration_point points[FGI_CALIBRATION_POINTS];
} fgi_share;

struct fg_ivf {
    fgi_coarse coarse;
    fgi_packed packed; /* its centroids, or zeroed */
    fgi_graph graph;   /* of its centroids, or zeroed */
    fg_metric metric;
    fg_dtype dtype;
    int64_t sketch_bytes; /* of a row's sketch; 0: rows have none */
    fgi_rule rule;
    fgi_sets sets;
    int32_t *near;       /* lists x FGI_NEAR: the lists around each */
    int32_t most_places; /* of a list, in whole groups (fgi_places.stride) */
    fgi_cell *cells;     /* sets.count; lists have copies of those at home, side by side */
    fgi_list *lists;     /* coarse.params.k */
    void *block; /* entries of those lists that have not changed since all did; may be NULL */
    int64_t rows, entries; /* distinct rows; with copies */
    int64_t next_id;       /* above every id so far */
    fgi_calibration calibration;
    int32_t share_count; /* of one row in 4, in 16, in 64, ... */
    fgi_share shares[FGI_SHARES];
    fgi_container container; /* the mapped file, or zeroed */
};

/* An index without rows. The parameters are copied. */
fg_status fgi_ivf_create(const fgi_params *coarse, fg_dtype dtype, fg_metric metric,
                         const fgi_rule *rule, fg_ivf **out);
void fgi_ivf_destroy(fg_ivf *ivf); /* NULL is allowed */

void fgi_list_destroy(fgi_list *list);

static inline int32_t fgi_ivf_lists(const fg_ivf *ivf)
{
    return ivf->coarse.params.k;
}

static inline int32_t fgi_ivf_dims(const fg_ivf *ivf)
{
    return ivf->coarse.params.d;
}

static inline int64_t fgi_ivf_row_bytes(const fg_ivf *ivf)
{
    return fgi_ivf_dims(ivf) * (int64_t)fg_dtype_bytes(ivf->dtype);
}

static inline fgi_sketch_kind fgi_ivf_sketch_kind(const fg_ivf *ivf)
{
    return (fgi_sketch_kind){ivf->metric, ivf->dtype, fgi_ivf_dims(ivf)};
}

/* Bytes of codes, sketches, ids and tables. */
uint64_t fgi_ivf_bytes(const fg_ivf *ivf);

/* Calls visit for the entries of every row once, copies left out: `count` rows stored under `set`,
 * at entries begin .. of `list`. */
typedef void (*fgi_visit)(void *user, const fgi_list *list, int64_t begin, int64_t count,
                          int32_t set);
void fgi_ivf_each_row(const fg_ivf *ivf, fgi_visit visit, void *user);

/* ---- making and changing: ivf_build.c, ivf_add.c, ivf_remove.c, ivf_file.c */

/* Fills in the defaults of `in` and checks it against the shape of the data. */
fg_status fgi_ivf_resolve(const fg_ivf_options *in, int64_t rows, int32_t cols,
                          fg_ivf_options *out);

/* opt: resolved or not; report may be NULL, its struct_size needs no check here. */
fg_status fgi_ivf_build(fg_context *ctx, fg_source *rows, const fg_ivf_options *opt, fg_ivf **out,
                        fg_fit_report *report);

/* ids may be NULL, listener too. */
fg_status fgi_ivf_add(fg_context *ctx, fg_ivf *ivf, fg_source *rows, const int64_t *ids,
                      fgi_listener *listener);

fg_status fgi_ivf_remove(fg_ivf *ivf, const int64_t *ids, int64_t count, int64_t *removed);

fg_status fgi_ivf_save(const fg_ivf *ivf, const char *path);
fg_status fgi_ivf_load(const char *path, bool mapped, fg_ivf **out);

#endif
