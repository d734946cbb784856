/* SPDX-License-Identifier: Apache-2.0 */
/* ptx.cuh - every inline PTX wrapper. One instruction a wrapper; "memory" wherever it orders memory. Written
 * from the PTX ISA manual; knows no kernel. Shared addresses are 32-bit shared-window addresses. */
#ifndef FGI_PTX_CUH
#define FGI_PTX_CUH
#include <cuda.h>   /* CUtensorMap */
#include <stdint.h> /* uint32_t */

__device__ __forceinline__ uint32_t fgi_shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* ---------------------------------------------------------------------------------------- barriers in memory */

__device__ __forceinline__ void fgi_mbar_init(uint32_t bar, uint32_t count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory");
}

/* Makes initialised barriers visible to the copy engine and to the other CTAs of the cluster. */
__device__ __forceinline__ void fgi_mbar_init_fence(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void fgi_mbar_arrive(uint32_t bar)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}

/* Arrives once and adds `bytes` to what the phase waits for. */
__device__ __forceinline__ void fgi_mbar_expect(uint32_t bar, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}

/* The address of `bar`, an address of this CTA, in CTA `rank` of the cluster. */
__device__ __forceinline__ uint32_t fgi_cluster_address(uint32_t bar, uint32_t rank)
{
    uint32_t out;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(out) : "r"(bar), "r"(rank));
    return out;
}

/* bar: a cluster address. Without .release.cluster, which costs a fence of all memory: for "the tensor cores have read
 * this", known from wgmma.wait_group, none is needed. */
__device__ __forceinline__ void fgi_mbar_arrive_cluster(uint32_t bar)
{
    asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(bar) : "memory");
}

/* Waits until the barrier leaves `phase`. "memory": no read of the tile may move above the wait. */
__device__ __forceinline__ void fgi_mbar_wait(uint32_t bar, uint32_t phase)
{
    uint32_t done = 0;
    while (!done)
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                     : "=r"(done)
                     : "r"(bar), "r"(phase)
                     : "memory");
}

/* ---------------------------------------------------------------------------------------- barriers of threads */

__device__ __forceinline__ void fgi_named_sync(uint32_t id, uint32_t threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void fgi_named_arrive(uint32_t id, uint32_t threads)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/* Warpgroups of a block take turns, in a circle: with barriers 1 to `groups`. Each passes its turn on as often as it takes one. */
__device__ __forceinline__ void fgi_turn_begin(uint32_t group, uint32_t groups)
{
    if (group == groups - 1) fgi_named_arrive(1, 256);
}

__device__ __forceinline__ void fgi_turn_take(uint32_t group)
{
    fgi_named_sync(1 + group, 256);
}

__device__ __forceinline__ void fgi_turn_pass(uint32_t group, uint32_t groups)
{
    fgi_named_arrive(1 + (group + 1) % groups, 256);
}

__device__ __forceinline__ uint32_t fgi_cluster_rank(void)
{
    uint32_t rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

__device__ __forceinline__ void fgi_cluster_arrive(void)
{
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

__device__ __forceinline__ void fgi_cluster_wait(void)
{
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/* ---------------------------------------------------------------------------------------- bulk copies */

/* A box of a two-dimensional tensor to this CTA's shared memory; completes on `bar`. */
__device__ __forceinline__ void fgi_tma_load_2d(uint32_t to, const CUtensorMap *map, uint32_t bar, int32_t column,
                                                int32_t row)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
            to),
        "l"(map), "r"(bar), "r"(column), "r"(row)
        : "memory");
}

/* The same, to the same place in every CTA of the cluster whose bit is set; completes on each one's `bar`. */
__device__ __forceinline__ void fgi_tma_load_2d_multicast(uint32_t to, const CUtensorMap *map, uint32_t bar, int32_t column,
                                                          int32_t row, uint16_t ctas)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
                 "[%1, {%3, %4}], [%2], %5;" ::"r"(to),
                 "l"(map), "r"(bar), "r"(column), "r"(row), "h"(ctas)
                 : "memory");
}

/* Brings a box to L2 only. */
__device__ __forceinline__ void fgi_tma_prefetch_2d(const CUtensorMap *map, int32_t column, int32_t row)
{
    asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%0, {%1, %2}];" ::"l"(map), "r"(column), "r"(row)
                 : "memory");
}

/* `bytes` consecutive bytes (a multiple of 16, both ends aligned to 16). */
__device__ __forceinline__ void fgi_bulk_load(uint32_t to, const void *from, uint32_t bytes, uint32_t bar)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
                 "l"(from), "r"(bytes), "r"(bar)
                 : "memory");
}

/* 16 bytes, asynchronously, past L1; both addresses aligned to 16. bytes = 0: writes zeros, reads nothing. */
__device__ __forceinline__ void fgi_copy_16(uint32_t to, const void *from, uint32_t bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ __forceinline__ void fgi_copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most PENDING committed groups of this thread are unfinished. */
template <int PENDING> __device__ __forceinline__ void fgi_copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

__device__ __forceinline__ void fgi_tma_prefetch_map(const CUtensorMap *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/* ---------------------------------------------------------------------------------------- predicated, where C++ would
 * branch or select */

/* 16 bytes to shared memory if `yes`. */
__device__ __forceinline__ void fgi_store_16_if(bool yes, uint32_t to, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %0, 0; @p st.shared.v4.b32 [%1], {%2, %3, %4, %5}; }" ::"r"((uint32_t)yes),
                 "r"(to), "r"(a), "r"(b), "r"(c), "r"(d)
                 : "memory");
}

/* Whether either half of a is larger than that of b. */
__device__ __forceinline__ bool fgi_any_greater(uint32_t a, uint32_t b)
{
    uint32_t yes;
    asm("{ .reg .pred p, q; setp.gt.f16x2 p|q, %1, %2; or.pred p, p, q; selp.u32 %0, 1, 0, p; }"
        : "=r"(yes)
        : "r"(a), "r"(b));
    return yes != 0;
}

/* x += BY if `yes`. */
template <int BY> __device__ __forceinline__ void fgi_add_if(bool yes, uint32_t &x)
{
    asm("{ .reg .pred p; setp.ne.u32 p, %1, 0; @p add.u32 %0, %0, %2; }" : "+r"(x) : "r"((uint32_t)yes), "n"(BY));
}

/* ---------------------------------------------------------------------------------------- registers, programs */

template <int REGISTERS> __device__ __forceinline__ void fgi_registers_less(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS> __device__ __forceinline__ void fgi_registers_more(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

/* 2^x, relative error 2^-22; denormal results flush to 0. */
__device__ __forceinline__ float fgi_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Four squares of 8 x 8 halves, each turned over: lane l gives the address of row l % 8 of square l / 8, and gets elements
 * (2 (l % 4), l / 4) and (2 (l % 4) + 1, l / 4) of each. */
__device__ __forceinline__ void fgi_load_turned_squares(uint32_t (&to)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}

/* ---------------------------------------------------------------------------------------- warpgroup products */

__device__ __forceinline__ void fgi_wgmma_fence(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void fgi_wgmma_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most PENDING committed groups are unfinished. */
template <int PENDING> __device__ __forceinline__ void fgi_wgmma_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

/* A use of the accumulators that the compiler cannot see through: no read of them moves above the wait before it. */
template <int COUNT> __device__ __forceinline__ void fgi_wgmma_pin(uint32_t (&c)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; i++) asm volatile("" : "+r"(c[i])::"memory");
}

template <int COUNT> __device__ __forceinline__ void fgi_wgmma_pin(float (&c)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(c[i])::"memory");
}

/* Describes a K-major operand in shared memory with the 128-byte swizzle: rows of 128 bytes (64 halves), 8 rows an
 * atom of 1024 bytes, atoms one after the other. `address` is aligned to 1024, plus 32 for each step of 16 in K. */
__device__ __forceinline__ uint64_t fgi_wgmma_operand(uint32_t address)
{
    const uint64_t stride = 1024 >> 4, swizzle_128 = 1;
    return (uint64_t)((address & 0x3ffff) >> 4) | 1ull << 16 | stride << 32 | swizzle_128 << 62;
}

/* The same for rows of 32 bytes (16 halves) with the 32-byte swizzle: 8 rows an atom of 256 bytes. It also describes 16 such rows
 * as an operand whose K runs over them. */
__device__ __forceinline__ uint64_t fgi_wgmma_narrow_operand(uint32_t address)
{
    const uint64_t stride = 256 >> 4, swizzle_32 = 3;
    return (uint64_t)((address & 0x3ffff) >> 4) | 1ull << 16 | stride << 32 | swizzle_32 << 62;
}

/* Describes the same memory as the first as an operand whose K runs over its rows: 16 rows of 128 bytes at `address`, aligned to 1024; the
 * next 64 columns lie `chunk_bytes` further on. */
__device__ __forceinline__ uint64_t fgi_wgmma_rows_operand(uint32_t address, uint32_t chunk_bytes)
{
    const uint64_t stride = 1024 >> 4, swizzle_128 = 1;
    return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)(chunk_bytes >> 4) << 16 | stride << 32 | swizzle_128 << 62;
}

/* clang-format off */
/* The sums c of a product as operands, as many as the names say; and what its text calls them. */
#define FGI_SUMS_4(how, i)   how (c[i]), how (c[i + 1]), how (c[i + 2]), how (c[i + 3])
#define FGI_SUMS_16(how, i)  FGI_SUMS_4(how, i), FGI_SUMS_4(how, i + 4), FGI_SUMS_4(how, i + 8), FGI_SUMS_4(how, i + 12)
#define FGI_SUMS_32(how, i)  FGI_SUMS_16(how, i), FGI_SUMS_16(how, i + 16)
#define FGI_SUMS_64(how, i)  FGI_SUMS_32(how, i), FGI_SUMS_32(how, i + 32)
#define FGI_SUMS_96(how, i)  FGI_SUMS_64(how, i), FGI_SUMS_32(how, i + 64)
#define FGI_SUMS_128(how, i) FGI_SUMS_64(how, i), FGI_SUMS_64(how, i + 64)
#define FGI_NAMES_4   "%0, %1, %2, %3"
#define FGI_NAMES_16  FGI_NAMES_4 ", %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define FGI_NAMES_32  FGI_NAMES_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define FGI_NAMES_64  FGI_NAMES_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
                      ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define FGI_NAMES_96  FGI_NAMES_64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79" \
                      ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define FGI_NAMES_128 FGI_NAMES_96 ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
                      ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

/* acc[64 x 256] += A[64 x 16] B[256 x 16]^T, f16 operands, f16 sums: acc[2 b + r] holds columns 8 b + 2 q and the next of
 * row g + 8 r, for lane 4 g + q. */
__device__ __forceinline__ void fgi_wgmma_64x256x16(uint32_t (&c)[64], uint64_t a, uint64_t b)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0; "
                 "wgmma.mma_async.sync.aligned.m64n256k16.f16.f16.f16 {" FGI_NAMES_64
                 "}, %64, %65, p, 1, 1, 0, 0; }"
                 : FGI_SUMS_64("+r", 0)
                 : "l"(a), "l"(b));
}

/* The same with f32 sums: acc[4 b + 2 r + e] holds column 8 b + 2 q + e of row g + 8 r. */
__device__ __forceinline__ void fgi_wgmma_64x256x16(float (&c)[128], uint64_t a, uint64_t b)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0; "
                 "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {" FGI_NAMES_128
                 "}, %128, %129, p, 1, 1, 0, 0; }"
                 : FGI_SUMS_128("+f", 0)
                 : "l"(a), "l"(b));
}

/* acc[64 x N] = (add ? acc : 0) + A[64 x 16] B[N x 16]^T, f16 operands, f32 sums, both K-major: acc[4 b + 2 r + e] holds column
 * 8 b + 2 q + e of row g + 8 r, for lane 4 g + q. */
__device__ __forceinline__ void fgi_wgmma_64x32x16(float (&c)[16], uint64_t a, uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %18, 0; "
                 "wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16 {" FGI_NAMES_16
                 "}, %16, %17, p, 1, 1, 0, 0; }"
                 : FGI_SUMS_16("+f", 0)
                 : "l"(a), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x64x16(float (&c)[32], uint64_t a, uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; "
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" FGI_NAMES_32
                 "}, %32, %33, p, 1, 1, 0, 0; }"
                 : FGI_SUMS_32("+f", 0)
                 : "l"(a), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x128x16(float (&c)[64], uint64_t a, uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0; "
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" FGI_NAMES_64
                 "}, %64, %65, p, 1, 1, 0, 0; }"
                 : FGI_SUMS_64("+f", 0)
                 : "l"(a), "l"(b), "r"((uint32_t)add));
}

/* acc[64 x N] = (add ? acc : 0) + A[64 x 16] B[16 x N]: A in registers, four pairs of halves as accumulators of 64 x 16 have them,
 * B as fgi_wgmma_rows_operand() describes it. */
__device__ __forceinline__ void fgi_wgmma_64x64x16_rows(float (&c)[32], const uint32_t (&a)[4], uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %37, 0; "
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" FGI_NAMES_32
                 "}, {%32, %33, %34, %35}, %36, p, 1, 1, 1; }"
                 : FGI_SUMS_32("+f", 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x8x16_rows(float (&c)[4], const uint32_t (&a)[4], uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %9, 0; "
                 "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {" FGI_NAMES_4
                 "}, {%4, %5, %6, %7}, %8, p, 1, 1, 1; }"
                 : FGI_SUMS_4("+f", 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x128x16_rows(float (&c)[64], const uint32_t (&a)[4], uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %69, 0; "
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" FGI_NAMES_64
                 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 1; }"
                 : FGI_SUMS_64("+f", 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x192x16_rows(float (&c)[96], const uint32_t (&a)[4], uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %101, 0; "
                 "wgmma.mma_async.sync.aligned.m64n192k16.f32.f16.f16 {" FGI_NAMES_96
                 "}, {%96, %97, %98, %99}, %100, p, 1, 1, 1; }"
                 : FGI_SUMS_96("+f", 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((uint32_t)add));
}

__device__ __forceinline__ void fgi_wgmma_64x256x16_rows(float (&c)[128], const uint32_t (&a)[4], uint64_t b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %133, 0; "
                 "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {" FGI_NAMES_128
                 "}, {%128, %129, %130, %131}, %132, p, 1, 1, 1; }"
                 : FGI_SUMS_128("+f", 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((uint32_t)add));
}

#undef FGI_SUMS_4
#undef FGI_NAMES_4
#undef FGI_SUMS_16
#undef FGI_NAMES_16
#undef FGI_SUMS_32
#undef FGI_NAMES_32
#undef FGI_SUMS_64
#undef FGI_NAMES_64
#undef FGI_SUMS_96
#undef FGI_NAMES_96
#undef FGI_SUMS_128
#undef FGI_NAMES_128
/* clang-format on */

/* ---------------------------------------------------------------------------------------- kernels in a row */

/* Until all kernels that this one depends on have ended, and their writes are seen. */
__device__ __forceinline__ void fgi_grid_wait(void)
{
    asm volatile("griddepcontrol.wait;" ::: "memory");
}

/* The kernel that depends on this one may be started. */
__device__ __forceinline__ void fgi_grid_release(void)
{
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

#endif
