/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_seal.h - makes the checksums of a container right, so that a fuzzer gets behind them. Knows
 * the layout that container.c describes; knows no section. */
#ifndef FUZZ_SEAL_H
#define FUZZ_SEAL_H
#include "fuzz_file.h"

#include "checksum.h"
#include "container.h"

/* Sets the sizes that follow from the file's own and every checksum; leaves bytes that cannot be a
 * container alone. */
static inline void fuzz_seal(uint8_t *data, size_t size)
{
    uint32_t count;
    if (size < 64) return;
    memcpy(&count, data + 24, sizeof count);
    if (count > FGI_MAX_SECTIONS || count * sizeof(fgi_section) > size - 64) return;
    const uint64_t file_bytes = size, table_offset = size - count * sizeof(fgi_section);
    for (uint64_t at = table_offset; at < size; at += sizeof(fgi_section)) {
        fgi_section section;
        memcpy(&section, data + at, sizeof section);
        if (section.offset > size || section.bytes > size - section.offset) continue;
        section.checksum = fgi_checksum_of(data + section.offset, section.bytes);
        memcpy(data + at, &section, sizeof section);
    }
    memcpy(data + 16, &file_bytes, sizeof file_bytes);
    memcpy(data + 32, &table_offset, sizeof table_offset);
    fgi_checksum sum;
    fgi_checksum_begin(&sum);
    fgi_checksum_add(&sum, data, 40);
    fgi_checksum_add(&sum, data + table_offset, size - table_offset);
    const uint64_t checksum = fgi_checksum_end(&sum);
    memcpy(data + 40, &checksum, sizeof checksum);
}

/* Calls open(path) for the bytes as they are, then sealed. */
static inline void fuzz_sealed(const uint8_t *data, size_t size, void (*open)(const char *path))
{
    open(fuzz_file(data, size));
    uint8_t *sealed = malloc(size + 1);
    FUZZ_REQUIRE(sealed);
    if (size > 0) memcpy(sealed, data, size);
    fuzz_seal(sealed, size);
    open(fuzz_file(sealed, size));
    free(sealed);
}

#endif
