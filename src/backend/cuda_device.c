/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_device.c - asks the driver, and says in words what it answers. Knows no kernel. */
#include "cuda_device.h"

#include "fault.h"

#include <stdio.h> /* snprintf */

enum { LEAST_CAPABILITY = 75 /* ten times the major version, and the minor */ };

fg_status fgi_cuda_status(cudaError_t error, const char *doing)
{
    if (error == cudaSuccess && fgi_fault(FGI_FAULT_DEVICE)) error = cudaErrorUnknown;
    if (error == cudaSuccess) return FG_OK;
    (void)cudaGetLastError(); /* told here: not again by the next call */
    return fgi_fail(error == cudaErrorMemoryAllocation ? FG_MEMORY : FG_DEVICE, "CUDA, %s: %s (%s)",
                    doing, cudaGetErrorString(error), cudaGetErrorName(error));
}

static fg_status driver_failure(cudaError_t error)
{
    int driver = 0, needed = 0;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&needed);
    (void)cudaGetLastError();
    if (driver == 0) return fgi_fail(FG_DEVICE, "no CUDA device: no driver is installed");
    if (error == cudaErrorInsufficientDriver)
        return fgi_fail(FG_DEVICE,
                        "no CUDA device: the driver serves CUDA %d.%d; this build needs %d.%d",
                        driver / 1000, driver % 1000 / 10, needed / 1000, needed % 1000 / 10);
    return fgi_fail(FG_DEVICE, "no CUDA device: %s", cudaGetErrorString(error));
}

static cudaError_t capability_of(int32_t index, int32_t *out)
{
    int major = 0, minor = 0;
    cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
    *out = 10 * major + minor;
    return error;
}

fg_status fgi_cuda_device_check(int32_t index)
{
    int count = 0, capability = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) return driver_failure(error);
    if (index < 0 || index >= count)
        return fgi_fail(FG_DEVICE, "CUDA device %d was asked for; this machine has %d, from 0",
                        index, count);
    FG_TRY(fgi_cuda_status(capability_of(index, &capability), "asking for compute capability"));
    if (capability >= LEAST_CAPABILITY) return FG_OK;
    return fgi_fail(FG_DEVICE,
                    "CUDA device %d has compute capability %d.%d; at least %d.%d is needed", index,
                    capability / 10, capability % 10, LEAST_CAPABILITY / 10, LEAST_CAPABILITY % 10);
}

int32_t fgi_cuda_device_count(void)
{
    int count = 0, usable = 0, capability = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    for (; error == cudaSuccess && usable < count; usable++) {
        error = capability_of(usable, &capability);
        if (error != cudaSuccess || capability < LEAST_CAPABILITY) break;
    }
    if (error != cudaSuccess) (void)cudaGetLastError(); /* not usable: not a failure */
    return usable;
}

fg_status fgi_cuda_device_shape(int32_t index, int32_t *capability, int32_t *multiprocessors)
{
    cudaError_t error = capability_of(index, capability);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(multiprocessors, cudaDevAttrMultiProcessorCount, index);
    return fgi_cuda_status(error, "describing a device");
}

fg_status fgi_cuda_device_get(int32_t index, fg_device *out)
{
    struct cudaDeviceProp about;
    size_t free_bytes = 0, total_bytes = 0;
    FG_TRY(fgi_cuda_device_check(index));
    cudaError_t error = cudaGetDeviceProperties(&about, index);
    if (error == cudaSuccess) error = cudaSetDevice(index);
    if (error == cudaSuccess) error = cudaMemGetInfo(&free_bytes, &total_bytes);
    FG_TRY(fgi_cuda_status(error, "describing a device"));
    out->backend = FG_BACKEND_CUDA;
    out->index = index;
    snprintf(out->name, sizeof out->name, "%.63s", about.name);
    snprintf(out->isa, sizeof out->isa, "sm_%d%d", about.major, about.minor);
    out->bytes_total = total_bytes;
    out->bytes_free = free_bytes;
    return FG_OK;
}
