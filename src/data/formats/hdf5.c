/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5.c - datasets of HDF5 files, as ann-benchmarks lays them out: one or two dimensions, "train"
 * unless named. Knows libhdf5, which a build may lack; a dataset that lies in one piece in our own
 * types is mapped, any other is read in blocks of rows. Knows no use of rows. */
#include "format.h"

#ifndef FGI_WITH_HDF5

static fg_status hdf5_open(const char *path, fg_dtype dtype, fg_source **out)
{
    (void)dtype, (void)out;
    return fgi_fail(FG_UNSUPPORTED, "%s: this build was made without libhdf5", path);
}

#else

#include <hdf5.h>    /* H5Fopen, H5Dread, ... */
#include <pthread.h> /* pthread_mutex_t */
#include <stdio.h>   /* snprintf */
#include <string.h>  /* memcpy, strlen */

enum { BLOCK_BYTES = 1 << 20 };

/* Mutable state of the file's scope, because libhdf5 has it: unless built so, it is not
 * thread-safe. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

/* The program's way of printing libhdf5's errors, put aside while we are inside. */
typedef struct printing {
    H5E_auto2_t print;
    void *user;
} printing;

static printing enter_library(void)
{
    printing before = {0};
    pthread_mutex_lock(&library_lock);
    H5Eget_auto2(H5E_DEFAULT, &before.print, &before.user);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return before;
}

static void leave_library(const printing *before)
{
    H5Eset_auto2(H5E_DEFAULT, before->print, before->user);
    pthread_mutex_unlock(&library_lock);
}

static herr_t keep_first(unsigned depth, const H5E_error2_t *error, void *reason)
{
    const char **first = reason;
    if (depth == 0 && error->desc) *first = error->desc;
    return 0;
}

static fg_status library_error(const char *path, const char *what)
{
    const char *reason = "libhdf5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    const fg_status s = fgi_fail(FG_FORMAT, "%s: %s: %s", path, what, reason);
    H5Eclear2(H5E_DEFAULT);
    return s;
}

typedef struct dataset {
    hid_t file, set;
    hid_t type; /* of elements in memory: one of libhdf5's own, never closed */
    bool exact; /* the file's elements are of that type, byte by byte */
    fg_dtype dtype;
    int64_t rows, chunk_rows; /* chunk_rows: rows that libhdf5 can only decode together */
    int32_t cols, rank;
    int64_t offset; /* in the file; -1: not in one piece */
} dataset;

static void close_dataset(const dataset *d)
{
    if (d->set >= 0) H5Dclose(d->set);
    if (d->file >= 0) H5Fclose(d->file);
}

static fg_status examine_type(const char *path, dataset *d)
{
    const struct {
        hid_t file, memory;
        fg_dtype dtype;
    } exact[] = {
        {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, FG_F32}, {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, FG_F64},
        {H5T_STD_U8LE, H5T_NATIVE_UINT8, FG_U8},    {H5T_STD_I8LE, H5T_NATIVE_INT8, FG_I8},
        {H5T_STD_I32LE, H5T_NATIVE_INT32, FG_I32},  {H5T_STD_I64LE, H5T_NATIVE_INT64, FG_I64},
    };
    const hid_t type = H5Dget_type(d->set);
    if (type < 0) return library_error(path, "the element type cannot be read");
    for (size_t i = 0; i < sizeof exact / sizeof *exact && !d->exact; i++) {
        if (H5Tequal(type, exact[i].file) <= 0) continue;
        d->exact = true;
        d->type = exact[i].memory;
        d->dtype = exact[i].dtype;
    }
    const bool real = H5Tget_class(type) == H5T_FLOAT;
    H5Tclose(type);
    if (d->exact) return FG_OK;
    if (!real)
        return fgi_fail(
            FG_UNSUPPORTED,
            "%s: the elements are neither real numbers nor integers of type i8, u8, i32 "
            "or i64",
            path);
    d->type = H5T_NATIVE_FLOAT; /* libhdf5 converts */
    d->dtype = FG_F32;
    return FG_OK;
}

static fg_status examine_shape(const char *path, dataset *d)
{
    hsize_t size[2] = {0, 1}; /* one dimension: a single column */
    const hid_t space = H5Dget_space(d->set);
    if (space < 0) return library_error(path, "the shape cannot be read");
    d->rank = H5Sget_simple_extent_ndims(space);
    if (d->rank == 1 || d->rank == 2) H5Sget_simple_extent_dims(space, size, NULL);
    H5Sclose(space);
    if (d->rank != 1 && d->rank != 2)
        return fgi_fail(FG_UNSUPPORTED, "%s: the dataset has %d dimensions; it must have 1 or 2",
                        path, d->rank);
    const hsize_t most_rows = INT64_MAX / FGI_MAX_COLS / sizeof(double);
    if (size[0] < 1 || size[0] > most_rows || size[1] < 1 || size[1] > FGI_MAX_COLS)
        return fgi_fail(FG_FORMAT,
                        "%s: the shape is %llu x %llu; rows must be in 1..%llu, columns in 1..%d",
                        path, (unsigned long long)size[0], (unsigned long long)size[1],
                        (unsigned long long)most_rows, FGI_MAX_COLS);
    d->rows = (int64_t)size[0];
    d->cols = (int32_t)size[1];
    return FG_OK;
}

static fg_status examine_storage(const char *path, dataset *d)
{
    const hid_t list = H5Dget_create_plist(d->set);
    if (list < 0) return library_error(path, "the storage layout cannot be read");
    const H5D_layout_t layout = H5Pget_layout(list);
    const bool elsewhere = layout == H5D_VIRTUAL || H5Pget_external_count(list) > 0;
    hsize_t chunk[2] = {1, 1};
    if (layout == H5D_CHUNKED) H5Pget_chunk(list, d->rank, chunk);
    H5Pclose(list);
    if (elsewhere) /* a file from elsewhere must not make us read others */
        return fgi_fail(FG_UNSUPPORTED, "%s: the dataset's rows are in other files", path);
    const haddr_t offset = layout == H5D_CONTIGUOUS ? H5Dget_offset(d->set) : HADDR_UNDEF;
    d->chunk_rows = chunk[0] < (hsize_t)d->rows ? (int64_t)chunk[0] : d->rows;
    d->offset = offset == HADDR_UNDEF ? -1 : (int64_t)offset;
    return FG_OK;
}

static fg_status open_dataset(const char *path, const char *file, const char *name, dataset *out)
{
    dataset d = {.set = -1, .file = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT)};
    if (d.file < 0) return library_error(path, "cannot be read as HDF5");
    fg_status s = FG_OK;
    d.set = H5Dopen2(d.file, name, H5P_DEFAULT);
    if (d.set < 0) s = library_error(path, "has no dataset of that name that can be opened");
    if (s == FG_OK) s = examine_type(path, &d);
    if (s == FG_OK) s = examine_shape(path, &d);
    if (s == FG_OK) s = examine_storage(path, &d);
    if (s == FG_OK)
        *out = d;
    else
        close_dataset(&d);
    return s;
}

/* ---- datasets that only libhdf5 can read: a block of rows at a time */

typedef struct block_rows {
    dataset set;
    void *block;
    int64_t block_rows, first, count; /* rows of a full block; of the one that is held */
} block_rows;

static fg_status read_block(fg_source *src, int64_t first, int64_t count)
{
    block_rows *self = src->self;
    const hsize_t start[2] = {(hsize_t)first, 0}, size[2] = {(hsize_t)count, (hsize_t)src->cols};
    const printing before = enter_library();
    const hid_t space = H5Dget_space(self->set.set);
    const hid_t memory = H5Screate_simple(self->set.rank, size, NULL);
    fg_status s = FG_OK;
    self->count = 0;
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
        H5Dread(self->set.set, self->set.type, memory, space, H5P_DEFAULT, self->block) < 0) {
        char what[80];
        snprintf(what, sizeof what, "rows %lld..%lld cannot be read", (long long)first,
                 (long long)(first + count - 1));
        s = library_error(src->name, what);
    }
    if (memory >= 0) H5Sclose(memory);
    if (space >= 0) H5Sclose(space);
    leave_library(&before);
    FG_TRY(s);
    self->first = first;
    self->count = count;
    return FG_OK;
}

static fg_status block_at(fg_source *src, int64_t first, int64_t want, fg_view *chunk)
{
    block_rows *self = src->self;
    if (first < self->first || first >= self->first + self->count) {
        const int64_t begin = first / self->block_rows * self->block_rows;
        const int64_t left = src->rows - begin;
        FG_TRY(read_block(src, begin, self->block_rows < left ? self->block_rows : left));
    }
    const fg_view held = {
        .data = self->block, .rows = self->count, .cols = src->cols, .dtype = (int16_t)src->dtype};
    const int64_t left = self->first + self->count - first;
    *chunk = fgi_view_rows(&held, first - self->first, want < left ? want : left);
    return FG_OK;
}

static void block_close(fg_source *src)
{
    const block_rows *self = src->self;
    const printing before = enter_library();
    close_dataset(&self->set);
    leave_library(&before);
    fgi_free(self->block);
}

static const fgi_source_ops block_ops = {.at = block_at, .close = block_close};

/* Takes the dataset over, unless it fails. */
static fg_status block_source(const char *path, const dataset *d, fg_source **out)
{
    fg_source *src;
    FG_TRY(fgi_source_new(path, sizeof(block_rows), &src));
    block_rows *self = src->self;
    const int64_t row_bytes = d->cols * (int64_t)fg_dtype_bytes(d->dtype);
    const int64_t chunks = BLOCK_BYTES / row_bytes / d->chunk_rows;
    const int64_t rows = d->chunk_rows * (chunks > 0 ? chunks : 1);
    self->block_rows = rows < d->rows ? rows : d->rows;
    const fg_status s = fgi_alloc(NULL, self->block_rows, (size_t)row_bytes, &self->block);
    if (s != FG_OK) {
        fgi_source_close(src);
        return s;
    }
    self->set = *d;
    src->rows = d->rows;
    src->cols = d->cols;
    src->dtype = d->dtype;
    src->ops = &block_ops;
    *out = src;
    return FG_OK;
}

/* ---- opening */

static bool can_be_mapped(const dataset *d)
{
    return d->exact && d->offset >= 0 && d->offset % (int64_t)fg_dtype_bytes(d->dtype) == 0;
}

/* Takes the map over. */
static fg_status mapped_source(const char *path, const dataset *d, fgi_map *map, fg_source **out)
{
    const fgi_layout layout = {.offset = d->offset,
                               .rows = d->rows,
                               .stride = d->cols,
                               .cols = d->cols,
                               .dtype = d->dtype};
    const int64_t bytes = d->rows * d->cols * (int64_t)fg_dtype_bytes(d->dtype);
    if (d->offset <= map->bytes && bytes <= map->bytes - d->offset)
        return fgi_source_mapped(path, map, &layout, out);
    const fg_status s =
        fgi_fail(FG_FORMAT, "%s: the dataset has %lld bytes at offset %lld; the file ends at %lld",
                 path, (long long)bytes, (long long)d->offset, (long long)map->bytes);
    fgi_map_close(map);
    return s;
}

static fg_status open_file(const char *path, const char *file, const char *name, fg_source **out)
{
    /* mapped first: its errors say plainly what is missing, unreadable or a folder */
    fgi_map map;
    dataset d;
    FG_TRY(fgi_map_open(file, &map));
    const printing before = enter_library();
    fg_status s = open_dataset(path, file, name, &d);
    const bool mapped = s == FG_OK && can_be_mapped(&d);
    if (mapped) close_dataset(&d);
    leave_library(&before);
    if (mapped) return mapped_source(path, &d, &map, out);
    fgi_map_close(&map);
    if (s != FG_OK) return s;
    s = block_source(path, &d, out);
    if (s != FG_OK) {
        const printing again = enter_library();
        close_dataset(&d);
        leave_library(&again);
    }
    return s;
}

static fg_status hdf5_open(const char *path, fg_dtype dtype, fg_source **out)
{
    (void)dtype; /* stands in the file */
    const char *colon = fgi_format_dataset(path);
    const size_t length = colon ? (size_t)(colon - path) : strlen(path);
    char *file;
    FG_TRY(fgi_alloc_zero(NULL, (int64_t)length + 1, 1, &file));
    memcpy(file, path, length);
    const fg_status s = open_file(path, file, colon ? colon + 1 : "train", out);
    fgi_free(file);
    return s;
}

#endif

const fgi_family fgi_hdf5 = {.open = hdf5_open};
