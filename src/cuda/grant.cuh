/* SPDX-License-Identifier: Apache-2.0 */
/* grant.cuh - permission for shared memory beyond the 48 KB that a kernel, with what it declares itself, has without asking. */
#ifndef FGI_GRANT_CUH
#define FGI_GRANT_CUH
#include <cuda_runtime_api.h> /* cudaFuncSetAttribute */

/* most_bytes: the most that any launch asks for, not this one: all threads of a process share the permission, and a smaller one
 * would be taken from a launch that another thread is about to make. */
template <class Kernel> cudaError_t fgi_grant_shared(Kernel kernel, size_t most_bytes)
{
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)most_bytes);
}

#endif
