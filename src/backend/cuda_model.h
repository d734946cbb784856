/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_model.h - where the model lies that fgi_cuda_plan fills. */
#ifndef FGI_CUDA_MODEL_H
#define FGI_CUDA_MODEL_H
#include "cuda_strategy.h"

/* Up to a whole number of units. */
int64_t fgi_cuda_padded(int64_t count, int64_t unit);

/* log2 of the largest ratio of responsibilities that still matters: what is left out sums to less than 2^-26 of a row. */
double fgi_cuda_cut(int32_t k);

/* Takes the arrays of the model that values need, one behind the other; the centre is the caller's. Scores have none. */
void fgi_cuda_carve_values(fgi_cuda_carver *carver, const fgi_cuda_task *task,
                           fgi_cuda_model *model);

/* The same, and those that scores need. */
void fgi_cuda_carve_model(fgi_cuda_carver *carver, const fgi_cuda_task *task,
                          fgi_cuda_model *model);

#endif
