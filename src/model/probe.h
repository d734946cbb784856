/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - soft probing: which cells of which lists one query looks into, and when it stops. Knows
 * lists and cells; knows no batch of queries.
 *
 * The unit is a cell: the rows of one list that share a set of lists (ivf_sets.h). A query takes the
 * cells of its nearest lists in the order of e = |q - a|^2, a being the cell's place (ivf_cells.h), and
 * stops before the first one with
 *
 *     log(1 + rows / n) + steepness (e - e_0) / r^2  >  theta
 *
 * where `rows` have been scanned so far, e_0 is the first cell's e, and r the distance of the n-th best row so
 * far. The left side never falls from cell to cell. Its first term bounds the effort, its second
 * says how far outside of what can still matter a cell lies: easy queries stop early, hard ones go
 * on. theta sets the recall; infinity scans everything. */
#ifndef FGI_PROBE_H
#define FGI_PROBE_H
#include "ivf_scan.h"

typedef struct fgi_probe_rule {
    double steepness, theta;
} fgi_probe_rule;

/* A cell that is due. */
typedef struct fgi_stop {
    float sqdist; /* e */
    int32_t list, segment;
} fgi_stop;

typedef struct fgi_probe {
    const fg_ivf *ivf;
    const float *sqdist;  /* from the query to every centroid */
    const fgi_hit *lists; /* that it looks at, the nearest first */
    int32_t list_count;
    uint64_t *queue; /* a heap, the nearest on top: the bits of e above the cell's number; room for
                        every segment of the index */
    int32_t *first;  /* list_count + 1: number of each list's first cell */
    int32_t count;
    float nearest; /* e_0 */
} fgi_probe;

/* How many places a queue may need. */
int64_t fgi_probe_room(const fg_ivf *ivf);

/* Queues the cells of the lists; everything above `count` has been set. A cell that several of them
 * hold is queued once, in the nearest. visited (of every list) is false before and after. */
void fgi_probe_begin(fgi_probe *probe, bool *visited);

/* The next cell; false: there is none. */
bool fgi_probe_next(fgi_probe *probe, fgi_stop *out);

/* The rule's two terms for a cell, the second without the steepness. r2: infinity while fewer than n
 * rows are known. */
double fgi_probe_effort(int64_t rows, int32_t n);
double fgi_probe_margin(const fgi_probe *probe, const fgi_stop *stop, double r2);

/* r^2 of a scan: what its worst result's key says, as a squared distance. */
double fgi_probe_radius2(const fgi_scan *scan);

/* Walks until the rule says stop; returns the entries scanned. */
int64_t fgi_probe_walk(fgi_probe *probe, const fgi_probe_rule *rule, fgi_scan *scan);

#endif
