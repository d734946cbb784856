/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - lets a test make the n-th allocation, read, write or step on a device fail. Compiled away unless FGI_FAULTS. */
#ifndef FGI_FAULT_H
#define FGI_FAULT_H
#include <stdbool.h> /* bool */
#include <stdint.h>  /* int64_t */

typedef enum fgi_fault_kind {
    FGI_FAULT_ALLOC = 1,
    FGI_FAULT_READ = 2,
    FGI_FAULT_WRITE = 4,
    FGI_FAULT_THREAD = 8,
    FGI_FAULT_DEVICE = 16,       /* a call to a device's driver */
    FGI_FAULT_DEVICE_MEMORY = 32 /* memory of a device, or pinned memory */
} fgi_fault_kind;

#ifdef FGI_FAULTS
/* The n-th event from now (n from 1) of any of these kinds fails, once. n = 0: none. */
void fgi_fault_arm(unsigned kinds, int64_t n);
/* Whether the armed fault has happened. */
bool fgi_fault_happened(void);
bool fgi_fault(fgi_fault_kind kind);
#else
static inline bool fgi_fault(fgi_fault_kind kind)
{
    (void)kind;
    return false;
}
#endif

#endif
