/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_sketch.h - rows in 8 bits an element, which tell of most rows that they need not be looked at. Knows rows and
 * kernels; knows no list's order and no file.
 *
 * Let v be a row as it is compared: by cosine, the row times its stored inverse norm. Its sketch is v' = scale * c,
 * c whole numbers in -127 .. 127, kept with |v'| and with an error of at least |v - v'|. A query q has a sketch
 * q' of 15 bits, with the same three numbers. So, by Cauchy and Schwarz, and by the triangle,
 *
 *     <q, v>   <=  <q', v'> + |q| |v - v'| + |q - q'| |v'|
 *     |q - v|  >=  |q' - v'| - |q - q'| - |v - v'|
 *
 * and a row whose bound is worse than the n-th best key so far is left out: it could not become a result, so results
 * are the same bits. The errors are measured, not estimated; so it does not matter how a sketch was rounded, only
 * how well. What f32 does to keys and bounds goes into them as well (ivf_sketch.c). */
#ifndef FGI_IVF_SKETCH_H
#define FGI_IVF_SKETCH_H
#include "flashgmm.h"
#include "kernels.h"

#include <stdbool.h> /* bool */
#include <stdint.h>  /* int64_t */

enum { FGI_SKETCH_BLOCK = 64 /* rows that are screened before they are compared */ };

/* Which rows an index holds. */
typedef struct fgi_sketch_kind {
    fg_metric metric;
    fg_dtype dtype;
    int32_t d;
} fgi_sketch_kind;

/* Bytes of a row's sketch, a multiple of 4; 0: such rows have none. Those of f32 have one if it is half as large as they
 * are: beside rows of 16 bits an element it gained too little (bench/NOTES.md). */
int64_t fgi_sketch_bytes(const fgi_sketch_kind *kind);

/* Makes sketches of rows without gaps, at aligned addresses. inverse_norms: by cosine only. Any bits are rows: those that are not finite,
 * or so long that f32 overflows, get sketches that always pass. */
void fgi_sketch_rows(const fgi_sketch_kind *kind, const void *rows, const float *inverse_norms,
                     int64_t count, unsigned char *sketches);

/* A query's sketch. */
typedef struct fgi_query_sketch {
    const int16_t *numbers; /* NULL: the query does not screen */
    float scale, norm;      /* of the sketch */
    float length, error;    /* at least |q| and |q - q'| */
} fgi_query_sketch;

/* How many numbers it has room for. */
int64_t fgi_query_sketch_room(int32_t d);
void fgi_query_sketch_make(const float *query, int32_t d, int16_t *numbers, fgi_query_sketch *out);

/* Of `count` sketches, FGI_SKETCH_BLOCK at most, leaves the numbers of those in `kept` whose rows may have a key of
 * at most `worst`; returns how many. kept may be sketches->index. */
int32_t fgi_sketch_screen(const fgi_sketch_kind *kind, const fgi_kernels *kernels,
                          const fgi_query_sketch *query, const fgi_sketches *sketches,
                          int32_t count, float worst, int32_t *kept);

#endif
