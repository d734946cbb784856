/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.h - launchers that bring rows and models into the form that screening reads, and the M-step. */
#ifndef FGI_CUDA_PREPARE_H
#define FGI_CUDA_PREPARE_H
#include "cuda_pass.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fgi_cuda_params {
    double *means, *variance, *log_weight; /* k x d, k, k; on the device */
} fgi_cuda_params;

fg_status fgi_cuda_pack_rows(const float *x, int64_t rows, int32_t d, const float *center, int32_t ld, void *high,
                             float *norm, cudaStream_t s);
/* Fills the model's arrays. last: the model of the last pass, or NULL. */
fg_status fgi_cuda_pack_model(const fgi_cuda_model *m, const fgi_cuda_params *p, const fgi_cuda_model *last,
                              cudaStream_t s);
fg_status fgi_cuda_update(int32_t k, int32_t d, double rows, const double *mass, const double *shift,
                          const double *square, const fgi_cuda_params *from, fgi_cuda_params *to, cudaStream_t s);

#ifdef __cplusplus
}
#endif
#endif
