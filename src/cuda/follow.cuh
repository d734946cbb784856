/* SPDX-License-Identifier: Apache-2.0 */
/* follow.cuh - short kernels that follow each other closely: the blocks of the next one may be there before the last one has
 * ended, and wait for its results themselves. Saves most of what lies between two kernels of a few microseconds each.
 * (Programmatic dependent launch: CUDA C++ Programming Guide; devices from compute capability 9.0 on.) */
#ifndef FGI_FOLLOW_CUH
#define FGI_FOLLOW_CUH
#include "ptx.cuh"

/* To be called first by every thread of a kernel that fgi_follow starts: until then it may read nothing but its arguments.
 * Kernels before this one have ended then. */
__device__ __forceinline__ void fgi_follow_wait(void)
{
#if __CUDA_ARCH__ >= 900
    fgi_grid_wait();
#endif
}

/* The same, and the next kernel may come: of those that do not fill the chip. */
__device__ __forceinline__ void fgi_follow_here(void)
{
    fgi_follow_wait();
#if __CUDA_ARCH__ >= 900
    fgi_grid_release();
#endif
}

static inline bool fgi_can_follow(void)
{
    int device = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess && major >= 9;
}

/* Starts kernel<<<blocks, threads, shared_bytes, stream>>>(args). */
template <class... Parameters, class... Args>
cudaError_t fgi_follow(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, size_t shared_bytes, cudaStream_t stream,
                       const Args &...args)
{
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t how = {};
    how.gridDim = blocks;
    how.blockDim = threads;
    how.dynamicSmemBytes = shared_bytes;
    how.stream = stream;
    how.attrs = &early;
    how.numAttrs = fgi_can_follow() ? 1 : 0;
    return cudaLaunchKernelEx(&how, kernel, args...);
}

#endif
