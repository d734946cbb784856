/* SPDX-License-Identifier: Apache-2.0 */
/* checksum.h - XXH64 (the published algorithm), in one piece or in many: finds damage, not malice. */
#ifndef FGI_CHECKSUM_H
#define FGI_CHECKSUM_H
#include <stddef.h> /* size_t */
#include <stdint.h> /* uint64_t */

typedef struct fgi_checksum {
    uint64_t lane[4], total_bytes;
    unsigned char waiting[32];
    uint32_t waiting_bytes;
} fgi_checksum;

void fgi_checksum_begin(fgi_checksum *sum);
void fgi_checksum_add(fgi_checksum *sum, const void *data, size_t bytes);
uint64_t fgi_checksum_end(const fgi_checksum *sum);
uint64_t fgi_checksum_of(const void *data, size_t bytes);

#endif
