/* SPDX-License-Identifier: Apache-2.0 */
/* container.c - the layout that our model and index files share. Knows sections; knows not what is
 * in them.
 *
 * All numbers are little-endian and unsigned; checksums are XXH64 with seed 0.
 *
 *     header, 64 bytes at offset 0
 *          0  8 bytes  magic
 *          8  u32      version of the content
 *         12  u32      bytes of this header: 64
 *         16  u64      bytes of the file
 *         24  u32      number of sections, n: at most 16
 *         28  u32      0
 *         32  u64      offset of the table
 *         40  u64      checksum of the 40 bytes before it and of the table
 *         48  16 bytes 0
 *     sections: the first at offset 64, each next at the next multiple of 64; between them zeros
 *     table: at the next multiple of 64 after the last section, 32 bytes each, in their order
 *          0  4 bytes  tag, no two alike
 *          4  u32      0
 *          8  u64      offset
 *         16  u64      bytes
 *         24  u64      checksum of the section's bytes
 *     the file ends with the table
 *
 * So every byte of a file is fixed by a rule or covered by a checksum. A section's place follows
 * from the sizes before it; the offsets that are stored must say the same. */
#include "container.h"

#include "checksum.h"

#include <stddef.h> /* offsetof */
#include <string.h> /* memcpy, memcmp */

/* The one guard for all of src/data: files are little-endian and used where they are mapped. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files would need their bytes swapped");

typedef struct header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t file_bytes;
    uint32_t section_count, zero;
    uint64_t table_offset, checksum;
    unsigned char zeros[16];
} header;

_Static_assert(sizeof(header) == 64 && offsetof(header, checksum) == 40, "as described above");
_Static_assert(sizeof(fgi_section) == 32, "as described above");

static uint64_t align(uint64_t offset)
{
    return (offset + FGI_SECTION_ALIGNMENT - 1) / FGI_SECTION_ALIGNMENT * FGI_SECTION_ALIGNMENT;
}

static uint64_t head_checksum(const header *head, const fgi_section *table)
{
    fgi_checksum sum;
    fgi_checksum_begin(&sum);
    fgi_checksum_add(&sum, head, offsetof(header, checksum));
    fgi_checksum_add(&sum, table, head->section_count * sizeof *table);
    return fgi_checksum_end(&sum);
}

struct fgi_container_writer {
    fgi_writer *file;
    fgi_checksum sum; /* of the section being written */
    header head;
    fgi_section table[FGI_MAX_SECTIONS];
};

fg_status fgi_container_create(const char *path, const char magic[8], uint32_t version,
                               fgi_container_writer **out)
{
    fgi_container_writer *w;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *w, &w));
    w->head.version = version;
    w->head.header_bytes = sizeof w->head;
    memcpy(w->head.magic, magic, sizeof w->head.magic);
    fg_status s = fgi_writer_open(path, &w->file);
    if (s == FG_OK) s = fgi_writer_write(w->file, &w->head, sizeof w->head);
    if (s != FG_OK) {
        fgi_container_abandon(w);
        return s;
    }
    *out = w;
    return FG_OK;
}

/* Completes the section being written, if there is one, and pads to where the next thing begins. */
static fg_status end_section(fgi_container_writer *w)
{
    static const unsigned char zeros[FGI_SECTION_ALIGNMENT];
    const uint64_t offset = (uint64_t)fgi_writer_offset(w->file);
    if (w->head.section_count > 0) {
        fgi_section *section = &w->table[w->head.section_count - 1];
        section->bytes = offset - section->offset;
        section->checksum = fgi_checksum_end(&w->sum);
    }
    return fgi_writer_write(w->file, zeros, (int64_t)(align(offset) - offset));
}

fg_status fgi_container_begin(fgi_container_writer *w, const char tag[4])
{
    FGI_ASSERT(w->head.section_count < FGI_MAX_SECTIONS);
    FG_TRY(end_section(w));
    fgi_section *section = &w->table[w->head.section_count++];
    memcpy(section->tag, tag, sizeof section->tag);
    section->offset = (uint64_t)fgi_writer_offset(w->file);
    fgi_checksum_begin(&w->sum);
    return FG_OK;
}

fg_status fgi_container_write(fgi_container_writer *w, const void *data, int64_t bytes)
{
    FGI_ASSERT(w->head.section_count > 0);
    fgi_checksum_add(&w->sum, data, (size_t)bytes);
    return fgi_writer_write(w->file, data, bytes);
}

fg_status fgi_container_commit(fgi_container_writer *w)
{
    FG_TRY(end_section(w));
    const size_t table_bytes = w->head.section_count * sizeof *w->table;
    w->head.table_offset = (uint64_t)fgi_writer_offset(w->file);
    w->head.file_bytes = w->head.table_offset + table_bytes;
    w->head.checksum = head_checksum(&w->head, w->table);
    FG_TRY(fgi_writer_write(w->file, w->table, (int64_t)table_bytes));
    FG_TRY(fgi_writer_patch(w->file, 0, &w->head, sizeof w->head));
    return fgi_writer_commit(w->file);
}

void fgi_container_abandon(fgi_container_writer *w)
{
    if (!w) return;
    fgi_writer_close(w->file);
    fgi_free(w);
}

/* A number in the file that breaks the rule `bound`. */
static fg_status damaged(const char *path, uint64_t offset, const char *what, uint64_t value,
                         const char *rule, uint64_t bound)
{
    return fgi_fail(FG_FORMAT, "%s: offset %llu: %s is %llu; it must be %s %llu", path,
                    (unsigned long long)offset, what, (unsigned long long)value, rule,
                    (unsigned long long)bound);
}

static fg_status check_header(const fgi_container *c, const char magic[8], uint32_t newest,
                              header *head)
{
    if ((uint64_t)c->map.bytes < sizeof *head)
        return damaged(c->path, 0, "the file's size", (uint64_t)c->map.bytes, "at least",
                       sizeof *head);
    memcpy(head, c->map.data, sizeof *head);
    if (memcmp(head->magic, magic, sizeof head->magic) != 0)
        return fgi_fail(FG_FORMAT, "%s: offset 0: does not begin with \"%.8s\"", c->path, magic);
    if (head->version > newest)
        return fgi_fail(FG_VERSION, "%s: offset 8: version is %u; this library reads up to %u",
                        c->path, head->version, newest);
    if (head->header_bytes != sizeof *head)
        return damaged(c->path, 12, "the header's size", head->header_bytes, "", sizeof *head);
    if (head->file_bytes != (uint64_t)c->map.bytes)
        return damaged(c->path, 16, "the file's size as stored", head->file_bytes,
                       "what it is, which is", (uint64_t)c->map.bytes);
    if (head->section_count > FGI_MAX_SECTIONS)
        return damaged(c->path, 24, "the number of sections", head->section_count, "at most",
                       FGI_MAX_SECTIONS);
    const uint64_t table_bytes = head->section_count * sizeof(fgi_section);
    if (table_bytes > head->file_bytes - sizeof *head ||
        head->table_offset != head->file_bytes - table_bytes)
        return damaged(c->path, 32, "the offset of the table", head->table_offset,
                       "its size before the end, which is at", head->file_bytes);
    return FG_OK;
}

static fg_status check_zeros(const fgi_container *c, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++)
        if (c->map.data[at] != 0)
            return damaged(c->path, at, "a byte between sections", c->map.data[at], "", 0);
    return FG_OK;
}

/* Each section begins where the one before it ends, rounded up, and the table where the last one
 * does. */
static fg_status check_places(const fgi_container *c, uint64_t table_offset)
{
    uint64_t end = sizeof(header);
    for (int32_t i = 0; i < c->count; i++) {
        const fgi_section *section = &c->sections[i];
        const uint64_t entry = table_offset + (uint64_t)i * sizeof *section, start = align(end);
        if (start > table_offset || section->offset != start)
            return damaged(c->path, entry + 8, "a section's offset", section->offset,
                           "right after the one before, at", start);
        if (section->bytes > table_offset - start)
            return damaged(c->path, entry + 16, "a section's size", section->bytes, "at most",
                           table_offset - start);
        if (section->reserved != 0)
            return damaged(c->path, entry + 4, "a reserved number", section->reserved, "", 0);
        for (int32_t j = 0; j < i; j++)
            if (memcmp(c->sections[j].tag, section->tag, sizeof section->tag) == 0)
                return fgi_fail(FG_FORMAT, "%s: offset %llu: the tag of section %d is that of %d",
                                c->path, (unsigned long long)entry, i, j);
        FG_TRY(check_zeros(c, end, start));
        end = start + section->bytes;
    }
    if (align(end) != table_offset)
        return damaged(c->path, 32, "the offset of the table", table_offset,
                       "right after the last section, at", align(end));
    return check_zeros(c, end, table_offset);
}

static fg_status check_map(fgi_container *c, const char magic[8], uint32_t newest)
{
    header head;
    FG_TRY(check_header(c, magic, newest, &head));
    c->version = head.version;
    c->count = (int32_t)head.section_count;
    memcpy(c->sections, c->map.data + head.table_offset, head.section_count * sizeof *c->sections);
    if (head_checksum(&head, c->sections) != head.checksum)
        return fgi_fail(FG_FORMAT,
                        "%s: offset 40: the checksum of header and table is %016llx; "
                        "their bytes give %016llx",
                        c->path, (unsigned long long)head.checksum,
                        (unsigned long long)head_checksum(&head, c->sections));
    FG_TRY(check_zeros(c, offsetof(header, zeros), sizeof head));
    return check_places(c, head.table_offset);
}

fg_status fgi_container_open(const char *path, const char magic[8], uint32_t newest,
                             fgi_container *out)
{
    fgi_container c = {.path = path};
    FG_TRY(fgi_map_open(path, &c.map));
    const fg_status s = check_map(&c, magic, newest);
    if (s == FG_OK)
        *out = c;
    else
        fgi_map_close(&c.map);
    return s;
}

void fgi_container_close(fgi_container *container)
{
    fgi_map_close(&container->map);
    *container = (fgi_container){0};
}

static const fgi_section *find(const fgi_container *c, const char tag[4])
{
    for (int32_t i = 0; i < c->count; i++)
        if (memcmp(c->sections[i].tag, tag, sizeof c->sections[i].tag) == 0) return &c->sections[i];
    return NULL;
}

bool fgi_container_has(const fgi_container *container, const char tag[4])
{
    return find(container, tag) != NULL;
}

fg_status fgi_container_get(const fgi_container *c, const char tag[4], int64_t bytes, bool verify,
                            const void **data, int64_t *found)
{
    const fgi_section *section = find(c, tag);
    if (!section) return fgi_fail(FG_FORMAT, "%s: section %.4s is missing", c->path, tag);
    if (bytes >= 0 && section->bytes != (uint64_t)bytes)
        return fgi_fail(FG_FORMAT,
                        "%s: section %.4s at offset %llu has %llu bytes; it must have %lld",
                        c->path, tag, (unsigned long long)section->offset,
                        (unsigned long long)section->bytes, (long long)bytes);
    const unsigned char *begin = c->map.data + section->offset;
    if (verify && fgi_checksum_of(begin, section->bytes) != section->checksum)
        return fgi_fail(FG_FORMAT,
                        "%s: section %.4s at offset %llu: its %llu bytes do not give the checksum "
                        "%016llx that is stored",
                        c->path, tag, (unsigned long long)section->offset,
                        (unsigned long long)section->bytes, (unsigned long long)section->checksum);
    *data = begin;
    if (found) *found = (int64_t)section->bytes;
    return FG_OK;
}
