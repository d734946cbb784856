/* SPDX-License-Identifier: Apache-2.0 */
/* container.h - our files: a header, a table of named sections, and their bytes, each with a
 * checksum (container.c describes the layout byte by byte). Knows neither mixtures nor indexes. */
#ifndef FGI_CONTAINER_H
#define FGI_CONTAINER_H
#include "file.h"

#include <stdbool.h> /* bool */

enum { FGI_MAX_SECTIONS = 16, FGI_SECTION_ALIGNMENT = 64 };

/* ---- writing: sections in any order, begun, written in pieces, ended by the next or by commit */
typedef struct fgi_container_writer fgi_container_writer;

/* magic: 8 bytes. */
fg_status fgi_container_create(const char *path, const char magic[8], uint32_t version,
                               fgi_container_writer **out);
fg_status fgi_container_begin(fgi_container_writer *writer, const char tag[4]);
fg_status fgi_container_write(fgi_container_writer *writer, const void *data, int64_t bytes);
fg_status fgi_container_commit(fgi_container_writer *writer);
void fgi_container_abandon(fgi_container_writer *writer); /* also after commit; NULL is allowed */

/* ---- reading: the header and the table are checked at open; sections when asked for */
typedef struct fgi_section { /* as it stands in the file */
    char tag[4];
    uint32_t reserved; /* 0 */
    uint64_t offset, bytes, checksum;
} fgi_section;

typedef struct fgi_container {
    fgi_map map;
    const char *path; /* the caller's, for messages: must outlive the container's use */
    uint32_t version;
    int32_t count;
    fgi_section sections[FGI_MAX_SECTIONS];
} fgi_container;

/* FG_FORMAT names offset, value and bound; FG_VERSION for a version above newest. */
fg_status fgi_container_open(const char *path, const char magic[8], uint32_t newest,
                             fgi_container *out);
void fgi_container_close(fgi_container *container);

/* The bytes of a section that must hold exactly `bytes` (or, for bytes < 0, any number); *data is
 * 64-byte aligned in the mapping. verify: check the checksum, which reads it all. found (may be
 * NULL) receives the size. FG_FORMAT if it is missing or of another size. */
fg_status fgi_container_get(const fgi_container *container, const char tag[4], int64_t bytes,
                            bool verify, const void **data, int64_t *found);
bool fgi_container_has(const fgi_container *container, const char tag[4]);

#endif
