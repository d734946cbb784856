/* SPDX-License-Identifier: Apache-2.0 */
/* context.h - what a caller's context holds: threads, kernels, a backend, the ledger of memory. */
#ifndef FGI_CONTEXT_H
#define FGI_CONTEXT_H
#include "backend.h"
#include "kernels.h"
#include "pool.h"

struct fg_context {
    fgi_ledger ledger;
    fgi_pool *pool;
    const fgi_kernels *kernels;
    fgi_backend *backend;
    int32_t backend_kind; /* fg_backend, resolved */
    int32_t device;
    int32_t precision; /* fg_precision */
};

/* The CPU backend over a pool and a table of kernels, both of which must outlive it. */
fg_status fgi_backend_cpu(fgi_ledger *ledger, fgi_pool *pool, const fgi_kernels *kernels,
                          fgi_backend **out);

#endif
