/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - the argument checks that public functions share. Knows no object. */
#ifndef FGI_CHECK_H
#define FGI_CHECK_H
#include "status.h"

/* FG_ARGUMENT if the pointer is NULL. */
fg_status fgi_check_given(const void *pointer, const char *what);

/* FG_ARGUMENT if a struct was made for less than this library knows, or its size was not set. */
fg_status fgi_check_struct_size(size_t given, size_t known, const char *what);

/* Both, in this order; `what` names the struct. */
#define FGI_CHECK_STRUCT(pointer, what)                                                            \
    do {                                                                                           \
        FG_TRY(fgi_check_given(pointer, what));                                                    \
        FG_TRY(fgi_check_struct_size((pointer)->struct_size, sizeof *(pointer), what));            \
    } while (0)

#endif
