/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_container.c - any bytes as a container: every section it tells of must lie in the file. */
#include "fuzz_seal.h"

static void open_container(const char *path)
{
    fgi_container c;
    if (fgi_container_open(path, "FGMMODEL", 1, &c) != FG_OK) {
        FUZZ_REQUIRE(fg_last_error()[0]);
        return;
    }
    for (int32_t i = 0; i < c.count; i++) {
        const void *data;
        int64_t bytes;
        if (fgi_container_get(&c, c.sections[i].tag, -1, true, &data, &bytes) != FG_OK) continue;
        const uint64_t offset = (uint64_t)((const unsigned char *)data - c.map.data);
        FUZZ_REQUIRE(offset % FGI_SECTION_ALIGNMENT == 0 && offset <= (uint64_t)c.map.bytes);
        FUZZ_REQUIRE(bytes >= 0 && (uint64_t)bytes <= (uint64_t)c.map.bytes - offset);
    }
    fgi_container_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_sealed(data, size, open_container);
    return 0;
}
