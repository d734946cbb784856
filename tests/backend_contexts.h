/* SPDX-License-Identifier: Apache-2.0 */
/* backend_contexts.h - the contexts of a program that compares backends, as a group's fixture. Knows the public interface. */
#ifndef BACKEND_CONTEXTS_H
#define BACKEND_CONTEXTS_H
#include "scratch.h"

/* The device, and the same with FG_PRECISION_FAST: NULL where there is none. */
static fg_context *cpu, *gpu, *fast;

/* 1: under a checker of memory, 2: under a checker of order, which are slow; 0: not quick. */
static inline int quickness(void)
{
    const char *quick = getenv("FLASHGMM_TEST_QUICK");
    return quick ? atoi(quick) : 0;
}

static inline int open_contexts(void **state)
{
    (void)state;
    const fg_context_options on_cpu = {.struct_size = sizeof on_cpu, .backend = FG_BACKEND_CPU};
    const fg_context_options on_gpu = {.struct_size = sizeof on_gpu, .backend = FG_BACKEND_CUDA};
    const fg_context_options fast_gpu = {
        .struct_size = sizeof fast_gpu, .backend = FG_BACKEND_CUDA, .precision = FG_PRECISION_FAST};
    expect_ok(fg_context_create(&on_cpu, &cpu));
    if (fg_device_count() > 1) {
        expect_ok(fg_context_create(&on_gpu, &gpu));
        expect_ok(fg_context_create(&fast_gpu, &fast));
    } else {
        printf("no CUDA device: GPU tests skipped\n");
    }
    return 0;
}

static inline int close_contexts(void **state)
{
    (void)state;
    fg_context_destroy(cpu);
    fg_context_destroy(gpu);
    fg_context_destroy(fast);
    return 0;
}

/* What a program exits with whose tests need a device: skipped, where there is none, */
static inline int exit_of_group(int failed)
{
    return failed || fg_device_count() > 1 ? failed : SKIPPED;
}

/* or no backend for one. */
static inline int exit_without_cuda(void)
{
    printf("built without CUDA: GPU tests skipped\n");
    return SKIPPED;
}

#endif
