/* SPDX-License-Identifier: Apache-2.0 */
/* infer.h - what fitted parameters say about rows: labels, scores, responsibilities. Knows passes; knows no
 * fit. */
#ifndef FGI_INFER_H
#define FGI_INFER_H
#include "pass.h"

/* The best components of every row, as many as the outputs have columns: components (i32), and their responsibilities or
 * squared distances (f32). Either may be NULL. all_ranks: also negligible ones. Outputs are checked already. */
typedef struct fgi_top_outputs {
    const fg_out *components, *values;
    bool all_ranks;
} fgi_top_outputs;
fg_status fgi_infer_top(fg_context *ctx, const fgi_params *params, fg_source *rows,
                        const fgi_top_outputs *out);

/* log_density (f64 or f32) may be NULL, mean too. */
fg_status fgi_infer_score(fg_context *ctx, const fgi_params *params, fg_source *rows,
                          const fg_out *log_density, double *mean);

fg_status fgi_infer_above(fg_context *ctx, const fgi_params *params, fg_source *rows, double tau,
                          fg_csr **out);

/* The dense matrix, f32. */
fg_status fgi_infer_dense(fg_context *ctx, const fgi_params *params, fg_source *rows,
                          const fg_out *responsibilities);

#endif
