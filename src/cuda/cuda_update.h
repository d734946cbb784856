/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_update.h - launchers of what lies between two passes on a device: statistics cleared, statistics into parameters, and
 * what the host has to hear of it. Plain C; knows no row. */
#ifndef FGI_CUDA_UPDATE_H
#define FGI_CUDA_UPDATE_H
#include "cuda_pass.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a pass and the update after it. */
typedef struct fgi_cuda_report {
    fgi_cuda_totals totals;
    int32_t empty;   /* components with less than least_mass */
    int32_t moved;   /* centroids that moved by more than rounding */
    int32_t revived; /* centroids */
} fgi_cuda_report;

/* Statistics to 0, totals to those of no row. stats may be NULL. */
cudaError_t fgi_cuda_clear(double *stats, int64_t doubles, fgi_cuda_totals *totals, cudaStream_t stream);

/* Of a mixture with no more components, every block knows all masses. */
enum { FGI_CUDA_FEW = 256 };

typedef struct fgi_cuda_update_args {
    int32_t kind, stats_kind, k, d;
    int32_t to_sphere;        /* centroids of length 1 */
    double least_mass;        /* a component with less is empty: it keeps its place, and gets weight 0 if of a mixture */
    const double *floor;      /* mixtures: 1, or d if diagonal */
    uint64_t seed, draw;      /* centroids: lots of revival */
    double *masses, *errors;  /* centroids: k each, scratch */
    fgi_cuda_params from, to; /* what the statistics are about; the new ones */
    const double *stats;
    const fgi_cuda_totals *totals;
    int32_t *states;         /* k. Mixtures: fg_component_state; centroids: whether it moved */
    fgi_cuda_report *report; /* may be the host's, pinned */
    int32_t plans;           /* the new values of `model`, of a mixture of few: else unused */
    fgi_cuda_model model;
} fgi_cuda_update_args;

cudaError_t fgi_cuda_update(const fgi_cuda_update_args *a, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
