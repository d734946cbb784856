/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - which backends this build has, and the places to compute that this machine has. */
#ifndef FGI_REGISTRY_H
#define FGI_REGISTRY_H
#include "context.h"

/* The CPU is place 0, then come the CUDA devices. */
int32_t fgi_device_count(void);
/* FG_ARGUMENT: no such place. out->struct_size is kept. */
fg_status fgi_device_get(int32_t place, fg_device *out);

/* Makes ctx->backend, and notes its kind, of the one asked for (ctx->device, ctx->precision are set): an fg_backend, where
 * AUTO is CUDA if the device can be used, else the CPU. */
fg_status fgi_backend_open(fg_context *ctx, fg_backend wanted);

#endif
