/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the leaf operations of a pass and of a list scan, as a table for each instruction set.
 * Raw pointers and sizes; no threads, no allocation, no failure. Every operation has a twin in ref/, which
 * computes in f64 and is written to be read.
 *
 * A pass screens, then refines. Screening evaluates every component's score as one matrix product, in whatever
 * precision is fast; the few components that can matter are then evaluated again from differences,
 * sum (x - mean)^2. So a product may lose digits, as long as it is known how many. */
#ifndef FGI_KERNELS_H
#define FGI_KERNELS_H
#include "flashgmm.h"

#include <stdbool.h> /* bool */

#if defined(__GNUC__)
#define FGI_RESTRICT __restrict__
#else
#define FGI_RESTRICT
#endif

enum {
    FGI_DTYPE_COUNT = 9 /* fg_dtype values are 1 .. 8 */,
    FGI_SELECT_SLACK = 64,
    FGI_MOST_TILE_ROWS = 256,
    FGI_DENSE_PANEL = 16,
    FGI_DENSE_RUN = 32, /* rows whose moments dense_moments sums in f32 */
    FGI_DENSE_LEAST =
        -64 /* log2 of powers that dense_shares takes for 0: their moments might be denormal, and slow */
};

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

/* What stands for the squares of elements in the product of diagonal components, behind each row's elements, and what all
 * components have in common:
 *     x[r][d + i] = (x[r][i]^2 - origin[i]) * unit[i]      level[r] = sum over i < d of scale[i] * x[r][i]^2 */
typedef struct fgi_squares_args {
    float *x; /* rows of ldx elements */
    int32_t ldx, rows, d;
    const float *origin, *unit, *scale; /* d; scale >= 0 */
    float *level;                       /* rows */
} fgi_squares_args;

/* Scores of a tile of rows against consecutive panels of components:
 *     score[r][j] = bias[j] + slope[j] * norm2[r] + sum over p < depth of x[r][p] * weight[j][p] */
typedef struct fgi_scores_args {
    const void
        *x; /* prepared rows; where nothing is to prepare: f32, ldx elements from row to row */
    int32_t ldx, rows, depth; /* at most FGI_MOST_TILE_ROWS rows */
    const float *norm2;       /* rows */
    const void *packed;       /* of the first panel to do; 64-byte aligned */
    const float *bias;        /* panels * panel; -inf where a lane has no component */
    const float *slope;       /* panels * panel */
    int32_t panels;
    float *scores; /* rows x ld_scores; panels * panel of each row are written; 64-byte aligned */
    int32_t ld_scores; /* a multiple of 16 */
    float *row_max;    /* rows: raised to the row's largest score that is a number */
} fgi_scores_args;

/* The components of rows whose scores reach thresholds. */
typedef struct fgi_select_rows_args {
    const float *scores;      /* rows of ld_scores elements; 64-byte aligned */
    int32_t ld_scores, count; /* multiples of 16; count: scores of a row */
    const int32_t *row;       /* rows: their places in scores */
    const float *threshold;   /* rows */
    int32_t rows, places;
    int32_t *begin; /* rows + 1: row i goes to begin[i] .. begin[i + 1] - 1; begin[0] is given */
    int32_t *FGI_RESTRICT chosen; /* places + FGI_SELECT_SLACK, like component */
    int32_t *FGI_RESTRICT component;
} fgi_select_rows_args;

/* Pairs of a row and a component, those of one row side by side. */
typedef struct fgi_pairs {
    int32_t count;
    const int32_t *row, *component; /* count */
} fgi_pairs;

/* Squared distances of pairs, from differences:
 *     out[c] = sum over i < d of scale[component[c]][i] * (x[row[c]][i] - means[component[c]][i])^2 */
typedef struct fgi_distances_args {
    fgi_pairs pairs;
    const float *x;     /* rows of ldx elements */
    const float *means; /* rows of ld elements */
    const float *scale; /* the same, or NULL: 1 */
    int32_t ldx, ld, d;
    float *out; /* count */
} fgi_distances_args;

/* Their relative error at most, where nothing underflows: a difference is rounded once and counts twice, a term with its
 * scale once, sums of 8 lanes or 16 once for each d / lanes and for each halving of the lanes; and one for what roundings
 * of roundings add. */
static inline double fgi_distance_error(int32_t d)
{
    return (d / 8 + 9) * 0x1p-24;
}

/* Rows' shares, from their candidates' values: with most[r] the largest of row r's, which are those from begin[r] to
 * begin[r + 1] - 1, and p = 2^e, e = f32(value - most[r]) <= 0 (relative error at most 2^-22; below 2^-126: 0),
 *     sum[r] = sum of p        share = p / sum[r] */
typedef struct fgi_shares_args {
    const double *value;
    const int32_t *begin; /* rows + 1; rows without candidates get most -inf, sum 0 */
    int32_t rows;
    float *share;
    double *most; /* rows */
    float *sum;   /* rows */
} fgi_shares_args;

/* Adds pairs' shares to the moments of their components, in f64 from differences in f32, pair after pair:
 *     shift[component[c]][i]  += share[c] * (x[row[c]][i] - means[component[c]][i])
 *     square[component[c]][i] += share[c] * (x[row[c]][i] - means[component[c]][i])^2
 * A share of 0 adds nothing, whatever the row. Consecutive pairs of one component cost less. */
typedef struct fgi_moments_args {
    fgi_pairs pairs;
    const float *share; /* count */
    const float *x;     /* rows of ldx elements */
    const float *means; /* rows of ld elements */
    int32_t ldx, ld, d;
    double *shift;  /* components x d */
    double *square; /* components x d, or NULL */
} fgi_moments_args;

/* Every component for every row of a tile. Packed: panel after panel, in a panel FGI_DENSE_PANEL components side by side
 * for each dimension. r has a column for each component. */
typedef struct fgi_dense_args {
    const float *x; /* rows of ldx elements */
    int32_t ldx, rows, d, panels;
    const float *means; /* packed */
    const float *scale; /* packed, or NULL: 1 */
    float *r;           /* rows of ld elements */
    int32_t ld;
} fgi_dense_args;

/* Turns rows of distances into rows of shares, as fgi_shares_args has them, but for a larger least power and an error of
 * 2^-24 more; adds those to
 *     mass[j] += share        square[j] += share * distance     (unless NULL) */
typedef struct fgi_dense_shares_args {
    float *r; /* rows of ld elements: distances before, shares after */
    int32_t ld, rows;
    int32_t count; /* components: a multiple of FGI_DENSE_PANEL */
    const double *offset,
        *scale;    /* count: value = offset - scale * distance; offset -inf where there is none */
    double *value; /* count: work space */
    double *mass, *square; /* count */
    double *most;          /* rows */
    float *sum;            /* rows */
} fgi_dense_shares_args;

/* One way to multiply rows with weights: layouts of its own for both, and a bound on its error,
 *     product_error(depth) * sum of |x w|  +  (depth + 4) 2^-24 (|bias| + |slope| norm2)
 * where products do not underflow. One that raises its scores adds to them what was rounded off its factors, in the
 * terms of lengths |x| and |w|: they are then not below what they should be by more than said, but may be far above. A
 * row's scores do not depend on the rows beside it. */
typedef struct fgi_screen {
    const char *name;
    int32_t panel;      /* components side by side in a packed panel: a multiple of 16 */
    int32_t row_group;  /* rows of the register tile: tiles should be a multiple */
    int32_t most_rows;  /* of a tile: more would not make reading a panel any cheaper */
    int32_t speed;      /* products in the time of one of f32, about */
    double factor_loss; /* relative error of one product by what was rounded off its factors */
    double raise; /* not 0: see above; about how much of |x| |w| is added for one of the two */

    size_t (*panel_bytes)(int32_t depth); /* of a packed panel: a multiple of 64 */

    /* Puts one component's weights into its lane of a panel that was zeroed before. */
    void (*pack)(const float *weight, int32_t depth, int32_t lane, void *panel);

    /* Rows as `scores` wants them, in whole groups of so many bytes, a multiple of 64. NULL: as they are. */
    size_t (*group_bytes)(int32_t depth);
    void (*prepare)(const float *x, int32_t ldx, int32_t rows, int32_t depth, void *prepared);

    void (*scores)(const fgi_scores_args *a);
} fgi_screen;

static inline double fgi_product_error(const fgi_screen *screen, int32_t depth)
{
    return screen->factor_loss + (depth + 4) * 0x1p-24;
}

enum { FGI_BLEND_TERMS = 6, FGI_BLEND_TABLE = 64 };

/* Sums of entries of a table of FGI_BLEND_TABLE: term t of sum c stands at [t * stride + c]. */
typedef struct fgi_blend {
    const float *bias;
    const uint16_t *weight; /* f16 */
    const uint8_t *index;   /* below FGI_BLEND_TABLE */
    int64_t stride;
} fgi_blend;

/* Rows of whole numbers of 8 bits, `stride` bytes from one to the next; readable, whatever stands there, up to a
 * multiple of FGI_SKETCH_READ numbers. */
typedef struct fgi_sketches {
    const char *rows;
    int64_t stride;
    const int32_t *index; /* numbers of rows; NULL: 0, 1, 2, ... */
} fgi_sketches;

enum { FGI_SKETCH_GROUP = 32, FGI_SKETCH_READ = 16 };

typedef struct fgi_kernels {
    const char *isa;
    const fgi_screen *screens; /* the fastest first, the most exact last */
    int32_t screen_count;

    void (*load[FGI_DTYPE_COUNT])(
        const fgi_load_args *a); /* f32 f16 bf16 i8 u8 f64; NULL: not served */

    void (*squares)(const fgi_squares_args *a);

    /* Appends each j in 0 .. count - 1 with scores[j] >= threshold, in order, to components, and the row for each to
     * rows. count is a multiple of 16, scores 64-byte aligned. Both must have FGI_SELECT_SLACK places more than are
     * appended. Returns how many were appended. NaN is never selected. */
    int32_t (*select)(const float *scores, int32_t count, float threshold, int32_t row,
                      int32_t *FGI_RESTRICT rows, int32_t *FGI_RESTRICT components);

    /* The same for rows one after the other, to component and chosen. Ends before a row that has none, whose threshold is
     * -inf, or that finds less than count places; returns how many rows came before. */
    int32_t (*select_rows)(const fgi_select_rows_args *a);

    /* Without scale, the same bits as scan_l2[FG_F32] for the same two vectors. */
    void (*distances)(const fgi_distances_args *a);

    /* out[c] = sum over i < d of scale[index[c] * ld + i] * (x[i] - means[index[c] * ld + i])^2 */
    void (*sqdist_scaled)(const float *x, const float *means, const float *scale, int32_t ld,
                          int32_t d, const int32_t *index, int32_t count, float *FGI_RESTRICT out);

    /* value[c] = offset[index[c]] - scale[index[c]] * distance[c] */
    void (*evaluate)(const float *distance, const int32_t *index, int32_t count,
                     const double *offset, const double *scale, double *FGI_RESTRICT value);

    void (*shares)(const fgi_shares_args *a);

    void (*add_moments)(const fgi_moments_args *a);

    /* out[c] = bias[c] + sum over t < FGI_BLEND_TERMS of weight[t][c] * table[index[t][c]]. count is a multiple
     * of 16. */
    void (*blend)(const float *table, const fgi_blend *blend, int32_t count,
                  float *FGI_RESTRICT out);

    /* r[row][j] = sum over i < d of scale[j][i] * (x[row][i] - means[j][i])^2: eight terms at a time, then their sums. */
    void (*dense_distances)(const fgi_dense_args *a);
    void (*dense_shares)(const fgi_dense_shares_args *a);

    /* shift += r * (x - means)    square += r * (x - means)^2   (unless NULL), both packed, in f32 for each
     * FGI_DENSE_RUN rows. */
    void (*dense_moments)(const fgi_dense_args *a, double *shift, double *square);

    /* A query against rows of d elements without gaps: out[i] = |query - row|^2, or <query, row>, for the row
     * with number i, or index[i] unless index is NULL. f32 f16 bf16 i8 u8; NULL: not served. Exact where all
     * numbers are whole and all sums are below 2^24. */
    void (*scan_l2[FGI_DTYPE_COUNT])(const float *query, const void *rows, const int32_t *index,
                                     int64_t count, int32_t d, float *FGI_RESTRICT out);
    void (*scan_ip[FGI_DTYPE_COUNT])(const float *query, const void *rows, const int32_t *index,
                                     int64_t count, int32_t d, float *FGI_RESTRICT out);

    /* out[i] = <query, row> in integers, rounded once to f32. The query has zeros behind its d numbers up to a
     * multiple of FGI_SKETCH_GROUP; sums of |products| must stay below 2^31. */
    void (*sketch_products)(const int16_t *query, const fgi_sketches *sketches, int64_t count,
                            int32_t d, float *FGI_RESTRICT out);
} fgi_kernels;

extern const fgi_kernels fgi_kernels_ref;
#ifdef FGI_WITH_X86
extern const fgi_kernels fgi_kernels_avx2, fgi_kernels_avx512, fgi_kernels_avx512vnni,
    fgi_kernels_amx;
#endif
#ifdef FGI_WITH_NEON
extern const fgi_kernels fgi_kernels_neon;
#endif

/* The table of that name, or the best usable one for NULL. NULL back: unknown, or this CPU cannot run it. */
const fgi_kernels *fgi_kernels_pick(const char *isa);

#endif
