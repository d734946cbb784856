/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - the countdown behind fault.h. Knows only how many events are left. */
#include "fault.h"

#ifdef FGI_FAULTS
#include <errno.h>     /* EIO, as if the system had failed */
#include <stdatomic.h> /* atomic_llong */

static atomic_uint armed_kinds;
static atomic_llong events_left;

void fgi_fault_arm(unsigned kinds, int64_t n)
{
    atomic_store(&armed_kinds, kinds);
    atomic_store(&events_left, n);
}

bool fgi_fault_happened(void)
{
    return atomic_load(&events_left) <= 0;
}

bool fgi_fault(fgi_fault_kind kind)
{
    if (!(atomic_load(&armed_kinds) & (unsigned)kind)) return false;
    if (atomic_fetch_sub(&events_left, 1) != 1) return false;
    errno = EIO;
    return true;
}
#endif

/* a translation unit must not be empty */
typedef int fgi_fault_unit;
