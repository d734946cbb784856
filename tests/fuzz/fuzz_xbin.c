/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_xbin.c - any bytes as a file of the xbin family, with each element type. */
#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"fbin", "u8bin", "i8bin", "ibin"};
    for (int i = 0; i < 4; i++) fuzz_rows(formats[i], data, size);
    return 0;
}
