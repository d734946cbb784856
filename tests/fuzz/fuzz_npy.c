/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_npy.c - any bytes as an npy file. */
#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_rows("npy", data, size);
    return 0;
}
