/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_groups.c - groups of centroids by halving. Knows means; knows no row.
 *
 * The widest direction v is that of the largest eigenvalue of sum (m - c)(m - c)', found by powers of it from the centroid
 * furthest from the middle c. Some steps are enough: groups may be any, they only should be small. */
#include "cpu_groups.h"

#include "cpu_rank.h"

#include <math.h>   /* sqrt */
#include <string.h> /* memcpy, memset */

enum { POWERS = 6 };

typedef struct halving {
    const fgi_cpu_means *of;
    int32_t group;
    int32_t *number;                   /* k: of centroids, to break ties by */
    double *middle, *direction, *next; /* d */
    double *along;                     /* k: how far each lies in the direction */
} halving;

static double product(const halving *h, int32_t j, const double *v)
{
    const float *mean = h->of->means + (int64_t)j * h->of->d;
    double sum = 0.0;
    for (int32_t i = 0; i < h->of->d; i++) sum += (mean[i] - h->middle[i]) * v[i];
    return sum;
}

static void add_difference(const halving *h, int32_t j, double factor, double *to)
{
    const float *mean = h->of->means + (int64_t)j * h->of->d;
    for (int32_t i = 0; i < h->of->d; i++) to[i] += factor * (mean[i] - h->middle[i]);
}

static void find_middle(const halving *h, const int32_t *order, int32_t count)
{
    const int32_t d = h->of->d;
    memset(h->middle, 0, (size_t)d * sizeof *h->middle);
    for (int32_t i = 0; i < d; i++) {
        double sum = 0.0;
        for (int32_t c = 0; c < count; c++) sum += h->of->means[(int64_t)order[c] * d + i];
        h->middle[i] = sum / count;
    }
}

/* The difference of the centroid furthest from the middle. */
static void start_direction(const halving *h, const int32_t *order, int32_t count)
{
    double most = -1.0;
    int32_t furthest = order[0];
    for (int32_t c = 0; c < count; c++) {
        memset(h->next, 0, (size_t)h->of->d * sizeof *h->next);
        add_difference(h, order[c], 1.0, h->next);
        const double length2 = product(h, order[c], h->next);
        if (!(length2 > most)) continue;
        most = length2;
        furthest = order[c];
    }
    memset(h->direction, 0, (size_t)h->of->d * sizeof *h->direction);
    add_difference(h, furthest, 1.0, h->direction);
}

static void find_direction(const halving *h, const int32_t *order, int32_t count)
{
    const int32_t d = h->of->d;
    start_direction(h, order, count);
    for (int32_t step = 0; step < POWERS; step++) {
        double length2 = 0.0;
        memset(h->next, 0, (size_t)d * sizeof *h->next);
        for (int32_t c = 0; c < count; c++)
            add_difference(h, order[c], product(h, order[c], h->direction), h->next);
        for (int32_t i = 0; i < d; i++) length2 += h->next[i] * h->next[i];
        if (!(length2 > 0.0)) return; /* all are equal */
        for (int32_t i = 0; i < d; i++) h->direction[i] = h->next[i] / sqrt(length2);
    }
}

static void halve(const halving *h, int32_t *order, int32_t count)
{
    while (count > h->group) {
        const int32_t groups = (count + h->group - 1) / h->group, first = groups / 2 * h->group;
        find_middle(h, order, count);
        find_direction(h, order, count);
        for (int32_t c = 0; c < count; c++) h->along[order[c]] = product(h, order[c], h->direction);
        fgi_cpu_rank(order, count, first, h->along, h->number);
        halve(h, order, first);
        order += first;
        count -= first;
    }
}

fg_status fgi_cpu_groups(fgi_ledger *ledger, const fgi_cpu_means *of, int32_t group, int32_t *order)
{
    halving h = {.of = of, .group = group};
    fg_status s = fgi_alloc(ledger, of->k, sizeof *h.number, &h.number);
    if (s == FG_OK) s = fgi_alloc(ledger, 3 * (int64_t)of->d, sizeof *h.middle, &h.middle);
    if (s == FG_OK) s = fgi_alloc(ledger, of->k, sizeof *h.along, &h.along);
    if (s == FG_OK) {
        h.direction = h.middle + of->d;
        h.next = h.direction + of->d;
        for (int32_t j = 0; j < of->k; j++) order[j] = h.number[j] = j;
        halve(&h, order, of->k);
    }
    fgi_free(h.number);
    fgi_free(h.middle);
    fgi_free(h.along);
    return s;
}
