/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - the file formats of rows: the one list of them, and what each can do. A new format is
 * a line in the list and a file beside this one. Knows layouts of files; knows no use of rows. */
#ifndef FGI_FORMAT_H
#define FGI_FORMAT_H
#include "file.h"
#include "source.h"

/* X(name, suffix, element type or 0 where the file tells it, family). A name may have several
 * suffixes. */
#define FGI_FORMAT_MAP(X)                                                                          \
    X("fvecs", ".fvecs", FG_F32, fgi_vecs)                                                         \
    X("bvecs", ".bvecs", FG_U8, fgi_vecs)                                                          \
    X("ivecs", ".ivecs", FG_I32, fgi_vecs)                                                         \
    X("npy", ".npy", 0, fgi_npy)                                                                   \
    X("fbin", ".fbin", FG_F32, fgi_xbin)                                                           \
    X("u8bin", ".u8bin", FG_U8, fgi_xbin)                                                          \
    X("i8bin", ".i8bin", FG_I8, fgi_xbin)                                                          \
    X("ibin", ".ibin", FG_I32, fgi_xbin)                                                           \
    X("hdf5", ".hdf5", 0, fgi_hdf5)                                                                \
    X("hdf5", ".h5", 0, fgi_hdf5)                                                                  \
    X("faiss", ".faiss", FG_F32, fgi_faiss)

enum { FGI_MAX_COLS = 1 << 20, FGI_MAX_HEAD_BYTES = 128 };

/* The bytes of a file before its first row. */
typedef struct fgi_head {
    unsigned char bytes[FGI_MAX_HEAD_BYTES];
    int32_t count;
} fgi_head;

/* Formats that differ in the element type alone. */
typedef struct fgi_family {
    fg_status (*open)(const char *path, fg_dtype dtype, fg_source **out);
    /* The head of a file of that shape; its size does not depend on rows. NULL: the format is not
     * written. */
    fg_status (*head)(int64_t rows, int32_t cols, fg_dtype dtype, fgi_head *head);
    int64_t most_rows;
    bool prefixed; /* each row stands behind its dimension, an i32 */
} fgi_family;

typedef struct fgi_format {
    const char *name, *suffix;
    fg_dtype dtype;
    const fgi_family *family;
} fgi_format;

extern const fgi_family fgi_vecs, fgi_npy, fgi_xbin, fgi_hdf5, fgi_faiss;

/* By name, or for NULL by the path's suffix. FG_ARGUMENT: no such name; FG_FORMAT: suffix. */
fg_status fgi_format_find(const char *path, const char *name, const fgi_format **out);

/* The ':' before the dataset's name in "file.hdf5:name"; NULL: the path is a file's name alone. */
const char *fgi_format_dataset(const char *path);

/* Where in a mapped file the rows lie. */
typedef struct fgi_layout {
    int64_t offset; /* of the first row's first element */
    int64_t rows, stride;
    int32_t cols;
    fg_dtype dtype;
    bool prefixed;
} fgi_layout;

/* Finds the rows in a file and checks every length that leads to them, but reads no row. */
typedef fg_status (*fgi_parse)(const char *path, const fgi_map *map, fg_dtype dtype,
                               fgi_layout *out);

/* A source over a mapped file, rows passed through where they lie, or copied a few at a time where
 * their elements are not aligned. Takes the map over, also on failure. The dimension before each
 * prefixed row is checked when the row is first handed out: a file opens at once, however long. */
fg_status fgi_source_mapped(const char *path, fgi_map *map, const fgi_layout *layout,
                            fg_source **out);
/* Maps the file, and parses it. */
fg_status fgi_source_parsed(const char *path, fg_dtype dtype, fgi_parse parse, fg_source **out);

/* A matrix without gaps from `offset` to the end of the file, which must have exactly that size.
 * shape_offset: where the file says rows and cols, for messages. */
fg_status fgi_layout_dense(const char *path, const fgi_map *map, int64_t shape_offset,
                           int64_t offset, fgi_layout *layout_with_shape);

#endif
