/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - which backends this build has. Knows their names; knows none from within. */
#include "registry.h"

#ifdef FGI_WITH_CUDA
#include "cuda_device.h"
#endif

#include <stdio.h>  /* snprintf */
#include <unistd.h> /* sysconf */

#ifndef FGI_WITH_CUDA
static int32_t fgi_cuda_device_count(void)
{
    return 0;
}

static fg_status fgi_cuda_device_get(int32_t index, fg_device *out)
{
    (void)out;
    return fgi_fail(FG_DEVICE, "CUDA device %d: this build has no CUDA backend", index);
}

static fg_status fgi_backend_cuda(fg_context *ctx)
{
    (void)ctx;
    return fgi_fail(FG_DEVICE,
                    "this build has no CUDA backend; use the CPU, or whatever there is (auto)");
}
#endif

int32_t fgi_device_count(void)
{
    return 1 + fgi_cuda_device_count();
}

static void describe_cpu(fg_device *out)
{
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    out->backend = FG_BACKEND_CPU;
    out->index = 0;
    snprintf(out->name, sizeof out->name, "CPU");
    snprintf(out->isa, sizeof out->isa, "%s", fgi_kernels_pick(NULL)->isa);
    out->bytes_total = (uint64_t)sysconf(_SC_PHYS_PAGES) * page_bytes;
    out->bytes_free = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page_bytes;
}

fg_status fgi_device_get(int32_t place, fg_device *out)
{
    const int32_t count = fgi_device_count();
    if (place < 0 || place >= count)
        return fgi_fail(FG_ARGUMENT, "device %d was asked for; there are %d, numbered from 0",
                        place, count);
    if (place > 0) return fgi_cuda_device_get(place - 1, out);
    describe_cpu(out);
    return FG_OK;
}

fg_status fgi_backend_open(fg_context *ctx, fg_backend wanted)
{
    if (wanted == FG_BACKEND_AUTO)
        wanted = ctx->device < fgi_cuda_device_count() ? FG_BACKEND_CUDA : FG_BACKEND_CPU;
    ctx->backend_kind = (int32_t)wanted;
    if (wanted == FG_BACKEND_CUDA) return fgi_backend_cuda(ctx);
    ctx->device = 0;
    return fgi_backend_cpu(&ctx->ledger, ctx->pool, ctx->kernels, &ctx->backend);
}
