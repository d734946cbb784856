/* SPDX-License-Identifier: Apache-2.0 */
/* faiss.c - vectors in index files of FAISS: those of an IndexFlat, or the centroids of an inverted
 * file over one (docs/format.md has the layout). Knows the layout; knows no mapping.
 *
 * All numbers are little-endian and stand without gaps, so that vectors are seldom aligned. */
#include "format.h"

#include <string.h> /* memcpy, memcmp */

enum { FLAGS_BYTES = 16 /* two numbers in every head that FAISS itself ignores */ };

typedef struct reader {
    const char *path;
    const fgi_map *map;
    int64_t at;
} reader;

static fg_status take(reader *r, int64_t bytes, const char *what, void *out)
{
    if (bytes > r->map->bytes - r->at)
        return fgi_fail(FG_FORMAT, "%s: offset %lld: the file ends before the end of %s", r->path,
                        (long long)r->at, what);
    memcpy(out, r->map->data + r->at, (size_t)bytes);
    r->at += bytes;
    return FG_OK;
}

/* A number of so many bytes, which must be in a range. */
static fg_status take_number(reader *r, int64_t bytes, const char *what, const int64_t range[2],
                             int64_t *out)
{
    int64_t value = 0;
    const int64_t offset = r->at;
    FG_TRY(take(r, bytes, what, &value));
    if (bytes == 4) value = (int32_t)value;
    if (value < range[0] || value > range[1])
        return fgi_fail(FG_FORMAT, "%s: offset %lld: %s is %lld; it must be in %lld..%lld", r->path,
                        (long long)offset, what, (long long)value, (long long)range[0],
                        (long long)range[1]);
    *out = value;
    return FG_OK;
}

/* What every index begins with, after its name of four letters. */
typedef struct index_head {
    int64_t d, count;
} index_head;

static fg_status take_head(reader *r, index_head *out)
{
    enum { L2 = 1 };
    char ignored[FLAGS_BYTES];
    int64_t trained, metric;
    FG_TRY(take_number(r, 4, "the dimension", (int64_t[]){1, FGI_MAX_COLS}, &out->d));
    FG_TRY(take_number(r, 8, "the number of vectors", (int64_t[]){0, INT64_MAX}, &out->count));
    FG_TRY(take(r, FLAGS_BYTES, "the head of an index", ignored));
    FG_TRY(take_number(r, 1, "whether it is trained", (int64_t[]){0, 1}, &trained));
    FG_TRY(take_number(r, 4, "the metric", (int64_t[]){0, INT32_MAX}, &metric));
    return metric > L2 ? take(r, 4, "the metric's argument", ignored) : FG_OK;
}

/* Whether the name at hand is one of these; if so, steps over it. */
static bool take_name(reader *r, const char *const names[], int count)
{
    char name[4];
    const int64_t at = r->at;
    if (take(r, sizeof name, "a name", name) == FG_OK)
        for (int i = 0; i < count; i++)
            if (memcmp(name, names[i], sizeof name) == 0) return true;
    r->at = at;
    return false;
}

/* Those whose vectors stand as they are. The metric is in the name. */
static fg_status take_flat(reader *r, fgi_layout *out)
{
    static const char *const names[] = {"IxF2", "IxFI", "IxFl"};
    const int64_t begin = r->at;
    index_head head;
    int64_t floats;
    if (!take_name(r, names, 3))
        return fgi_fail(FG_UNSUPPORTED, "%s: offset %lld: no IndexFlat begins here (IxF2, IxFI)",
                        r->path, (long long)begin);
    FG_TRY(take_head(r, &head));
    const int64_t most = (r->map->bytes - r->at) / (head.d * (int64_t)sizeof(float));
    if (head.count < 1 || head.count > most)
        return fgi_fail(FG_FORMAT,
                        "%s: offset %lld: the number of vectors is %lld; the file has room for "
                        "1..%lld",
                        r->path, (long long)begin + 8, (long long)head.count, (long long)most);
    const int64_t all = head.count * head.d;
    FG_TRY(take_number(r, 8, "the number of floats", (int64_t[]){all, all}, &floats));
    if (floats * (int64_t)sizeof(float) > r->map->bytes - r->at)
        return fgi_fail(FG_FORMAT, "%s: offset %lld: the file ends before the end of %lld floats",
                        r->path, (long long)r->at, (long long)floats);
    *out = (fgi_layout){.offset = r->at,
                        .rows = head.count,
                        .stride = head.d,
                        .cols = (int32_t)head.d,
                        .dtype = FG_F32};
    return FG_OK;
}

/* Inverted files of all kinds begin alike; what they store in their lists is not read. */
static fg_status take_inverted(reader *r, fgi_layout *out)
{
    index_head head;
    int64_t lists, probes;
    FG_TRY(take_head(r, &head));
    FG_TRY(take_number(r, 8, "the number of lists", (int64_t[]){1, INT32_MAX}, &lists));
    FG_TRY(take_number(r, 8, "the number of probes", (int64_t[]){0, INT64_MAX}, &probes));
    FG_TRY(take_flat(r, out));
    if (out->rows == lists && out->cols == head.d) return FG_OK;
    return fgi_fail(FG_FORMAT,
                    "%s: the centroids are %lld x %d; they must be %lld x %lld, the index's lists "
                    "and dimension",
                    r->path, (long long)out->rows, out->cols, (long long)lists, (long long)head.d);
}

static fg_status faiss_parse(const char *path, const fgi_map *map, fg_dtype dtype, fgi_layout *out)
{
    static const char *const inverted[] = {"IwFl", "IwPQ", "IwSq"};
    (void)dtype; /* always f32 */
    reader r = {.path = path, .map = map};
    return take_name(&r, inverted, 3) ? take_inverted(&r, out) : take_flat(&r, out);
}

static fg_status faiss_open(const char *path, fg_dtype dtype, fg_source **out)
{
    return fgi_source_parsed(path, dtype, faiss_parse, out);
}

const fgi_family fgi_faiss = {.open = faiss_open};
