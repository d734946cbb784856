/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - argument checks. Knows no object. */
#include "check.h"

fg_status fgi_check_given(const void *pointer, const char *what)
{
    return pointer ? FG_OK : fgi_fail(FG_ARGUMENT, "%s is NULL", what);
}

fg_status fgi_check_struct_size(size_t given, size_t known, const char *what)
{
    if (given >= known) return FG_OK;
    return fgi_fail(FG_ARGUMENT, "%s: struct_size is %zu; it must be sizeof, at least %zu", what,
                    given, known);
}
