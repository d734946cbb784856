/* SPDX-License-Identifier: Apache-2.0 */
/* drawn_cases.c - shapes by lot (drawn_cases.h). */
#include "drawn_cases.h"

#include "random.h"

#include <math.h> /* exp2 */

enum { MOST_COMPONENTS = 12000, MOST_DIMENSIONS = 4096, MOST_ROWS = 40000, LEAST_ROWS = 40 };
static const uint64_t seed = 20261128;

/* Sizes that something ends at, or begins. */
static const int32_t edges[] = {1,    2,    16,   31,   32,   33,   63,   64,   65,   95,   96,
                                97,   127,  128,  129,  191,  192,  193,  255,  256,  257,  383,
                                384,  385,  511,  512,  513,  767,  768,  1023, 1024, 1025, 2048,
                                2049, 4095, 4096, 4097, 5760, 5761, 8192, 8193, 12000};
enum { EDGES = sizeof edges / sizeof *edges };

/* The numbers of a shape, one after the other. */
typedef struct lots {
    uint64_t shape, next;
} lots;

static int64_t below(lots *l, int64_t bound)
{
    return fgi_random_below(seed, l->shape, l->next++, bound);
}

/* One of the edges, or any size, small ones as often as large ones. */
static int32_t size_up_to(lots *l, int64_t most)
{
    int32_t size = edges[EDGES - 1] + 1;
    if (below(l, 2) == 0)
        while (size > most) size = edges[below(l, EDGES)];
    else
        size = (int32_t)exp2(log2((double)most + 0.99) * 0x1p-20 * (double)below(l, 1 << 20));
    return size;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

pass_case draw_case(uint64_t number, int64_t work, fgi_kind *kind)
{
    static const fg_dtype types[] = {FG_F32, FG_F32, FG_F16, FG_BF16, FG_U8, FG_I8, FG_F64};
    static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};
    lots l = {.shape = number};
    pass_case c = {.k = size_up_to(&l, smaller(MOST_COMPONENTS, work / LEAST_ROWS))};
    c.d = size_up_to(&l, smaller(MOST_DIMENSIONS, work / LEAST_ROWS / c.k));
    c.n = 1 + below(&l, smaller(MOST_ROWS, work / ((int64_t)c.k * c.d)));
    c.dtype = types[below(&l, sizeof types / sizeof *types)];
    c.spread = 0.05 * exp2((double)below(&l, 8)); /* from rows of all components to rows of one */
    const bool whole = c.dtype == FG_U8 || c.dtype == FG_I8;
    c.normalize = !whole && below(&l, 6) == 0;
    c.gap = (int32_t)below(&l, 4);
    *kind = kinds[below(&l, 3)];
    return c;
}

void tell_case(uint64_t number, const pass_case *c, fgi_kind kind)
{
    print_message("shape %d: n %lld, k %d, d %d, %s, spread %g%s, gap %d, kind %d\n", (int)number,
                  (long long)c->n, c->k, c->d, fg_dtype_text(c->dtype), c->spread,
                  c->normalize ? ", normalized" : "", c->gap, (int)kind);
}
