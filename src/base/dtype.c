/* SPDX-License-Identifier: Apache-2.0 */
/* dtype.c - the sizes and names of element types. Knows the public list; knows no data. */
#include "flashgmm.h"

size_t fg_dtype_bytes(fg_dtype dtype)
{
    switch (dtype) {
#define FG_X(name, value, bytes, text)                                                             \
    case FG_##name: return bytes;
        FG_DTYPE_MAP(FG_X)
#undef FG_X
    default: return 0;
    }
}

const char *fg_dtype_text(fg_dtype dtype)
{
    switch (dtype) {
#define FG_X(name, value, bytes, text)                                                             \
    case FG_##name: return text;
        FG_DTYPE_MAP(FG_X)
#undef FG_X
    default: return "?";
    }
}
