/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_sketch.c - makes sketches and compares them. Knows rows and kernels.
 *
 * Rounding. u = 2^-24, g = 1.01 (d + 8) u.
 *
 * A key that the exact kernel finds is off by at most g |q| |v| (by inner product or cosine) or g |q - v|^2, and by
 * some d 2^-149, times the inverse norm, where products underflow. No sum overflows, since sketches of longer
 * vectors than LONGEST do not leave anything out. The first part, g |v|, and 2^-140 d times the inverse norm are added to a
 * row's error; by distance, the bound on |q - v| is set against sqrt((worst + 2^-140 d) / (1 - g)).
 *
 * The bounds are computed in f32. By product, that loses at most 8 u (|q'| |v'| + |q| e_v + e_q |v'|): SLACK, 16 u of
 * these, is added. By distance, |q'|^2 + |v'|^2 - 2 <q', v'> is off by at most 12 u (|q'|^2 + |v'|^2), and SLACK of that is taken
 * off. What underflows there is below 2^-145 and covered by the 2^-140. */
#include "ivf_sketch.h"

#include "half.h"

#include <math.h>   /* INFINITY, sqrt */
#include <string.h> /* memcpy, memset */

enum {
    MOST_DIMS = 1 << 16, /* so that a query has 8 bits at least */
    MOST_CODE = 127,
    MOST_NUMBER = 32767,
    PART = 256 /* elements at a time */
};

static const double LONGEST = 0x1p62, SLACK = 0x1p-20, TINY = 0x1p-140;
static const float LEAST_SCALE = 0x1p-60F; /* products of two do not underflow */

/* Behind the codes of a row, which may be read up to a multiple of FGI_SKETCH_READ with it. error: infinite if the row must always be looked at. */
typedef struct sketch_end {
    float scale, norm, error;
} sketch_end;

_Static_assert(sizeof(sketch_end) + 4 >= FGI_SKETCH_READ, "codes are read beyond their end");

static double key_error(int32_t d)
{
    return 1.01 * (d + 8) * 0x1p-24;
}

static int64_t code_bytes(int32_t d)
{
    return ((int64_t)d + 3) / 4 * 4;
}

int64_t fgi_sketch_bytes(const fgi_sketch_kind *kind)
{
    const int64_t row_bytes = kind->d * (int64_t)sizeof(float);
    const int64_t bytes = code_bytes(kind->d) + (int64_t)sizeof(sketch_end);
    const bool smaller = kind->dtype == FG_F32 && 2 * bytes <= row_bytes;
    return smaller && kind->d <= MOST_DIMS ? bytes : 0;
}

/* ------------------------------------------------------------------------------------------- making */

/* To the nearest whole number, of less than 2^51. */
static double nearest(double value)
{
    const double shift = 0x1.8p52; /* whole numbers added to it stand in the last bits */
    return value + shift - shift;
}

enum {
    LANES =
        4 /* sums side by side: additions wait for each other, and compilers may not reorder them */
};

/* What is summed over the elements of a vector v and its sketch v'. */
typedef struct sums {
    double squares[LANES], of_sketch[LANES], of_rest[LANES]; /* of v, v', v - v' */
} sums;

static double total(const double sum[LANES])
{
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* Copies the elements from `begin` on, as many as fit, with zeros behind them; returns how many. */
static int32_t take_part(const float *vector, int32_t begin, int32_t d, float part[PART])
{
    const int32_t count = d - begin < PART ? d - begin : PART;
    memcpy(part, vector + begin, (size_t)count * sizeof *part);
    for (int32_t i = count; i % LANES != 0; i++) part[i] = 0;
    return count;
}

/* Up to PART elements; in whole lanes, so those behind them must be 0. */
static void sketch_part(const float *part, int32_t count, double factor, double scale,
                        int32_t *codes, sums *sum)
{
    const double inverse = scale > 0 ? 1 / scale : 0;
    sums s = *sum;
    for (int32_t i = 0; i < count; i += LANES) {
        for (int32_t l = 0; l < LANES; l++) {
            const double value = part[i + l] * factor, code = nearest(value * inverse);
            const double sketch = code * scale, rest = value - sketch;
            codes[i + l] = (int32_t)code;
            s.squares[l] += value * value;
            s.of_sketch[l] += sketch * sketch;
            s.of_rest[l] += rest * rest;
        }
    }
    *sum = s;
}

/* The largest magnitude; NaN if there is one: its bits are above infinity's. */
static double largest(const float *vector, int32_t d)
{
    int32_t most = 0;
    for (int32_t i = 0; i < d; i++) {
        const int32_t bits = (int32_t)(fgi_bits_of_f32(vector[i]) & 0x7fffffff);
        most = bits > most ? bits : most;
    }
    return fgi_f32_of_bits((uint32_t)most);
}

/* The least f32 that holds it, or one a little above. */
static float rounded_up(double value)
{
    return (float)(value * (1 + 0x1p-22) + 0x1p-149);
}

static void sketch_row(const float *row, int32_t d, double factor, unsigned char *sketch)
{
    const double most = largest(row, d);
    const bool sound = most <= LONGEST && most * factor <= LONGEST && factor >= 0;
    sketch_end end = {.scale = sound ? (float)(most * factor / MOST_CODE) : 0};
    float part[PART];
    int32_t codes[PART];
    sums sum = {0};
    memset(sketch, 0, (size_t)code_bytes(d));
    if (end.scale < LEAST_SCALE) end.scale = 0;
    for (int32_t begin = 0, count; sound && begin < d; begin += count) {
        count = take_part(row, begin, d, part);
        sketch_part(part, count, factor, end.scale, codes, &sum);
        for (int32_t i = 0; i < count; i++) sketch[begin + i] = (unsigned char)codes[i];
    }
    const double length = sqrt(total(sum.squares));
    const bool fits = sound && length <= LONGEST * factor && length <= LONGEST;
    end.norm = fits ? (float)sqrt(total(sum.of_sketch)) : 0;
    end.error =
        fits ? rounded_up(sqrt(total(sum.of_rest)) + key_error(d) * length + TINY * d * factor)
             : INFINITY;
    memcpy(sketch + code_bytes(d), &end, sizeof end);
}

void fgi_sketch_rows(const fgi_sketch_kind *kind, const void *rows, const float *inverse_norms,
                     int64_t count, unsigned char *sketches)
{
    const int64_t bytes = fgi_sketch_bytes(kind);
    for (int64_t r = 0; r < count; r++) {
        const double factor = kind->metric == FG_METRIC_COSINE ? inverse_norms[r] : 1;
        sketch_row((const float *)rows + r * kind->d, kind->d, factor, sketches + r * bytes);
    }
}

int64_t fgi_query_sketch_room(int32_t d)
{
    return ((int64_t)d + FGI_SKETCH_GROUP - 1) / FGI_SKETCH_GROUP * FGI_SKETCH_GROUP;
}

void fgi_query_sketch_make(const float *query, int32_t d, int16_t *numbers, fgi_query_sketch *out)
{
    const int64_t fit = INT32_MAX / ((int64_t)MOST_CODE * d);
    const double limit = fit < MOST_NUMBER ? (double)fit : MOST_NUMBER;
    const double most = largest(query, d);
    float part[PART];
    int32_t codes[PART];
    sums sum = {0};
    *out = (fgi_query_sketch){.scale = (float)(most / limit)};
    if (!(most <= LONGEST) || out->scale < LEAST_SCALE) return;
    for (int32_t begin = 0, count; begin < d; begin += count) {
        count = take_part(query, begin, d, part);
        sketch_part(part, count, 1, out->scale, codes, &sum);
        for (int32_t i = 0; i < count; i++) numbers[begin + i] = (int16_t)codes[i];
    }
    for (int64_t i = d; i < fgi_query_sketch_room(d); i++) numbers[i] = 0;
    if (!(total(sum.squares) <= LONGEST * LONGEST)) return;
    out->numbers = numbers;
    out->norm = (float)sqrt(total(sum.of_sketch));
    out->length = rounded_up(sqrt(total(sum.squares)));
    out->error = rounded_up(sqrt(total(sum.of_rest)));
}

/* -------------------------------------------------------------------------------------- comparing */

static sketch_end end_of(const fgi_sketches *sketches, int64_t number, int32_t d)
{
    sketch_end end;
    memcpy(&end, sketches->rows + number * sketches->stride + code_bytes(d), sizeof end);
    return end;
}

/* kept: those whose product, as the exact kernel would find it, may reach `least`. */
static int32_t screen_products(const fgi_query_sketch *query, const fgi_sketches *sketches,
                               int32_t count, int32_t d, float least, const float *products,
                               int32_t *kept)
{
    const float of_error = rounded_up(query->length * (1 + SLACK));
    const float of_norm = rounded_up(query->error + SLACK * (query->length + query->error));
    const float bottom = rounded_up(TINY * d);
    int32_t found = 0;
    for (int32_t i = 0; i < count; i++) {
        const int32_t number = sketches->index ? sketches->index[i] : i;
        const sketch_end end = end_of(sketches, number, d);
        const float most = products[i] * (query->scale * end.scale) +
                           (of_error * end.error + of_norm * end.norm + bottom);
        kept[found] = number; /* overwritten by the next one unless it stays */
        found += !(most < least);
    }
    return found;
}

/* kept: those whose squared distance, as the exact kernel would find it, may be `most` or less. */
static int32_t screen_distances(const fgi_query_sketch *query, const fgi_sketches *sketches,
                                int32_t count, int32_t d, float most, const float *products,
                                int32_t *kept)
{
    const float radius = rounded_up(sqrt((most + TINY * d) / (1 - key_error(d))));
    const float reach = rounded_up((double)radius + query->error);
    const float norm2 = query->norm * query->norm, less = (float)(1 - SLACK);
    const float twice = 2 * query->scale;
    int32_t found = 0;
    for (int32_t i = 0; i < count; i++) {
        const int32_t number = sketches->index ? sketches->index[i] : i;
        const sketch_end end = end_of(sketches, number, d);
        const float apart =
            (norm2 + end.norm * end.norm) * less - products[i] * (twice * end.scale);
        const float within = reach + end.error;
        kept[found] = number; /* overwritten by the next one unless it stays */
        found += !(apart > within * within);
    }
    return found;
}

int32_t fgi_sketch_screen(const fgi_sketch_kind *kind, const fgi_kernels *kernels,
                          const fgi_query_sketch *query, const fgi_sketches *sketches,
                          int32_t count, float worst, int32_t *kept)
{
    float products[FGI_SKETCH_BLOCK];
    kernels->sketch_products(query->numbers, sketches, count, kind->d, products);
    if (kind->metric == FG_METRIC_L2)
        return screen_distances(query, sketches, count, kind->d, worst, products, kept);
    return screen_products(query, sketches, count, kind->d, -worst, products, kept);
}
