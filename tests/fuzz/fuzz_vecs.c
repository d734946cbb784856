/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_vecs.c - any bytes as a file of the vecs family, with each element type. */
#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"fvecs", "bvecs", "ivecs"};
    for (int i = 0; i < 3; i++) fuzz_rows(formats[i], data, size);
    return 0;
}
