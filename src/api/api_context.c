/* SPDX-License-Identifier: Apache-2.0 */
/* api_context.c - the public functions on contexts. Checks arguments; knows how the parts of a context fit
 * together. */
#include "check.h"
#include "registry.h"

#include <stdlib.h> /* getenv */

enum { MOST_THREADS = 1024 };

static fg_status check_options(const fg_context_options *o)
{
    FG_TRY(fgi_check_struct_size(o->struct_size, sizeof *o, "context options"));
    if (o->threads < 0 || o->threads > MOST_THREADS)
        return fgi_fail(FG_ARGUMENT, "threads is %d; it must be in 0..%d", o->threads,
                        MOST_THREADS);
    if (o->backend < FG_BACKEND_AUTO || o->backend > FG_BACKEND_CUDA)
        return fgi_fail(FG_ARGUMENT, "backend is %d; it must be in 0..2 (fg_backend)", o->backend);
    if (o->device < 0)
        return fgi_fail(FG_ARGUMENT, "device is %d; devices are numbered from 0", o->device);
    if (o->precision < FG_PRECISION_DEFAULT || o->precision > FG_PRECISION_FAST)
        return fgi_fail(FG_ARGUMENT, "precision is %d; it must be in 0..1 (fg_precision)",
                        o->precision);
    return FG_OK;
}

/* NULL: nobody asked for one. */
static const char *isa_asked_for(const char *option)
{
    const char *isa = option ? option : getenv("FG_ISA");
    return isa && *isa ? isa : NULL;
}

static fg_status pick_kernels(const char *isa, const fgi_kernels **out)
{
    const fgi_kernels *kernels = fgi_kernels_pick(isa);
    if (!kernels)
        return fgi_fail(FG_ARGUMENT,
                        "isa \"%s\" is unknown, or this CPU cannot run it; the best here is \"%s\"",
                        isa, fgi_kernels_pick(NULL)->isa);
    *out = kernels;
    return FG_OK;
}

fg_status fg_context_create(const fg_context_options *opt, fg_context **out)
{
    FG_TRY(fgi_check_given(out, "out"));
    fg_context_options o = {.struct_size = sizeof o};
    if (opt) {
        FG_TRY(check_options(opt));
        o = *opt;
    }
    const char *isa = isa_asked_for(o.isa);
    if (isa && o.backend == FG_BACKEND_AUTO) o.backend = FG_BACKEND_CPU;
    const fgi_kernels *kernels = NULL;
    FG_TRY(pick_kernels(isa, &kernels));
    fg_context *ctx;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *ctx, &ctx));
    ctx->kernels = kernels;
    ctx->device = o.device;
    ctx->precision = o.precision;
    int32_t threads = o.threads ? o.threads : fgi_usable_cores();
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    fg_status s = fgi_pool_create(&ctx->ledger, threads, &ctx->pool);
    if (s == FG_OK) s = fgi_backend_open(ctx, (fg_backend)o.backend);
    if (s == FG_OK)
        *out = ctx;
    else
        fg_context_destroy(ctx);
    return s;
}

void fg_context_destroy(fg_context *ctx)
{
    if (!ctx) return;
    if (ctx->backend) ctx->backend->ops->destroy(ctx->backend);
    fgi_pool_destroy(ctx->pool);
    fgi_free(ctx);
}

fg_status fg_context_get_info(const fg_context *ctx, fg_context_info *info)
{
    FG_TRY(fgi_check_given(ctx, "ctx"));
    FGI_CHECK_STRUCT(info, "context info");
    info->backend = ctx->backend_kind;
    info->device = ctx->device;
    info->precision = ctx->precision;
    info->threads = fgi_pool_threads(ctx->pool);
    info->isa = ctx->kernels->isa;
    return FG_OK;
}
