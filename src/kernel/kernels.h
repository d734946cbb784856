/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the leaf operations of a pass and of a list scan, as a table for each instruction set.
 * Raw pointers and sizes; no threads, no allocation, no failure. Every operation has a twin in ref/, which
 * computes in f64 and is written to be read.
 *
 * A pass screens, then refines. Screening evaluates every component's score as one matrix product in f32:
 *     score[r][j] = bias[j] + sum over p of x[r][p] * weight[p][j]
 * which may lose digits to cancellation; the few components that can matter are then evaluated again from
 * differences, sum (x - mean)^2, which cannot. */
#ifndef FGI_KERNELS_H
#define FGI_KERNELS_H
#include "flashgmm.h"

#include <stdbool.h> /* bool */

#if defined(__GNUC__)
#define FGI_RESTRICT __restrict__
#else
#define FGI_RESTRICT
#endif

enum { FGI_DTYPE_COUNT = 9 /* fg_dtype values are 1 .. 8 */, FGI_SELECT_SLACK = 64 };

/* The element types that rows to scan can have: X(NAME, name). */
#define FGI_SCAN_DTYPES(X) X(F32, f32) X(F16, f16) X(BF16, bf16) X(I8, i8) X(U8, u8)

/* The element types that rows to load can have. */
#define FGI_LOAD_DTYPES(X) FGI_SCAN_DTYPES(X) X(F64, f64)

/* Rows of any type to centred f32. */
typedef struct fgi_load_args {
    const void *rows;
    int64_t stride; /* elements from row to row */
    int32_t count, d;
    const float *center; /* d; subtracted after normalising */
    bool normalize;      /* scale each row to length 1 first; a zero row then becomes NaN */
    float *x;            /* count x ldx: the first d of each row are written */
    int32_t ldx;
    /* count: sum of squares of the written row; not finite if and only if the row holds NaN or infinity
     * or overflows f32 */
    float *norm2;
} fgi_load_args;

/* Scores of a tile of rows against consecutive panels of components.
 * Packed weights: panel after panel; in a panel, `panel` consecutive lanes for each depth:
 *     packed[(j / panel) * depth * panel + p * panel + j % panel] */
typedef struct fgi_scores_args {
    const float *x; /* rows x ldx, the first depth of each are read */
    int32_t ldx, rows, depth;
    const float *packed; /* of the first panel to do; 64-byte aligned */
    const float *bias;   /* panels * panel, -inf where a lane has no component */
    int32_t panels;
    float *scores; /* rows x ld_scores; panels * panel of each row are written; 64-byte aligned */
    int32_t ld_scores; /* a multiple of 16 */
    float *row_max;    /* rows: raised to the row's largest score that is a number */
} fgi_scores_args;

typedef struct fgi_kernels {
    const char *isa;
    int32_t panel;     /* components side by side in a packed panel: a multiple of 16 */
    int32_t row_group; /* rows of the register tile: tiles should be a multiple */

    void (*load[FGI_DTYPE_COUNT])(
        const fgi_load_args *a); /* f32 f16 bf16 i8 u8 f64; NULL: not served */

    void (*scores)(const fgi_scores_args *a);

    /* Appends first + j and scores[j] for each j in 0 .. count - 1 with scores[j] >= threshold, in order.
     * count is a multiple of 16, scores 64-byte aligned. index and value must have FGI_SELECT_SLACK places more
     * than are appended. Returns how many were appended. NaN is never selected. */
    int32_t (*select)(const float *scores, int32_t count, float threshold, int32_t first,
                      int32_t *FGI_RESTRICT index, float *FGI_RESTRICT value);

    /* out[c] = sum over i < d of (x[i] - means[index[c] * ld + i])^2. Same bits as scan_l2[FG_F32] for the same
     * two vectors. */
    void (*sqdist)(const float *x, const float *means, int32_t ld, int32_t d, const int32_t *index,
                   int32_t count, float *FGI_RESTRICT out);

    /* out[c] = sum over i < d of scale[index[c] * ld + i] * (x[i] - means[index[c] * ld + i])^2 */
    void (*sqdist_scaled)(const float *x, const float *means, const float *scale, int32_t ld,
                          int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out);

    /* value[c] = 2^value[c] for values <= 0 (relative error at most 2^-22; below 2^-126: 0); returns
     * the sum. */
    float (*exp2_sum)(float *value, int32_t count);

    /* shift[i] += r * (x[i] - mean[i]), in f64 from the f32 difference */
    void (*add_shift)(double *FGI_RESTRICT shift, const float *x, const float *mean, int32_t d,
                      double r);

    /* the same, and square[i] += r * (x[i] - mean[i])^2 */
    void (*add_moments)(double *FGI_RESTRICT shift, double *FGI_RESTRICT square, const float *x,
                        const float *mean, int32_t d, double r);

    /* A query against consecutive rows of d elements (no gaps): out[i] = |query - row_i|^2, or
     * <query, row_i>. f32 f16 bf16 i8 u8; NULL: not served. */
    void (*scan_l2[FGI_DTYPE_COUNT])(const float *query, const void *rows, int64_t count, int32_t d,
                                     float *FGI_RESTRICT out);
    void (*scan_ip[FGI_DTYPE_COUNT])(const float *query, const void *rows, int64_t count, int32_t d,
                                     float *FGI_RESTRICT out);
} fgi_kernels;

extern const fgi_kernels fgi_kernels_ref;
#ifdef FGI_WITH_X86
extern const fgi_kernels fgi_kernels_avx2, fgi_kernels_avx512;
#endif

/* The table of that name, or the best usable one for NULL. NULL back: unknown, or this CPU cannot run it. */
const fgi_kernels *fgi_kernels_pick(const char *isa);

#endif
