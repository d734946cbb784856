/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_device.h - CUDA devices that can be used, and how their failures are told. Knows no kernel. */
#ifndef FGI_CUDA_DEVICE_H
#define FGI_CUDA_DEVICE_H
#include "context.h"

#include <cuda_runtime_api.h> /* cudaError_t */

/* Devices this build can use; 0 where there is no driver, or too old a one. They have the driver's numbers, and end before
 * the first device that is too old. */
int32_t fgi_cuda_device_count(void);

/* FG_DEVICE with the reason why the device cannot be used. */
fg_status fgi_cuda_device_check(int32_t index);

/* Ten times the major version of its compute capability, and the minor; its multiprocessors. */
fg_status fgi_cuda_device_shape(int32_t index, int32_t *capability, int32_t *multiprocessors);

/* Leaves struct_size as it is. */
fg_status fgi_cuda_device_get(int32_t index, fg_device *out);

/* FG_OK for cudaSuccess; else FG_DEVICE, or FG_MEMORY, with a sentence about what was being done. */
fg_status fgi_cuda_status(cudaError_t error, const char *doing);

/* The CUDA backend on ctx->device, into ctx->backend. */
fg_status fgi_backend_cuda(fg_context *ctx);

#endif
