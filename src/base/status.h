/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - how a failure becomes a status and a sentence. Knows nothing else. */
#ifndef FGI_STATUS_H
#define FGI_STATUS_H
#include "flashgmm.h"

#include <stdarg.h> /* va_list */

#if defined(__GNUC__)
#define FGI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FGI_PRINTF(text, first)
#endif

/* For our own mistakes; statuses are for the caller's. The expression is parsed in every build. */
#ifdef FGI_ASSERTS
#include <assert.h> /* assert */
#define FGI_ASSERT(e) assert(e)
#else
#define FGI_ASSERT(e) ((void)sizeof(!(e)))
#endif

/* Remembers the sentence for fg_last_error() on this thread and gives the status back. */
fg_status fgi_fail(fg_status status, const char *format, ...) FGI_PRINTF(2, 3);

/* Puts "context: " in front of this thread's last sentence and gives the status back. */
fg_status fgi_fail_in(fg_status status, const char *format, ...) FGI_PRINTF(2, 3);

/* Only where nothing is held that must be released. */
#define FG_TRY(call)                                                                               \
    do {                                                                                           \
        fg_status fg_try_status_ = (call);                                                         \
        if (fg_try_status_ != FG_OK) return fg_try_status_;                                        \
    } while (0)

#endif
