/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - soft probing: which cells of which lists one query looks into. Knows lists and cells; knows
 * no batch of queries.
 *
 * The unit is a cell: the rows of one set, scanned where they are at home (ivf_cells.h). Cells are
 * taken in the order of e = |q - a|^2, a being the cell's place, in two rounds:
 *
 *   1. Of the nearest lists that hold OPEN_ROWS rows for each result wanted, those cells that come first, until
 *      FGI_FIRST_ROWS rows for each result are scanned. Now r is known, the distance of the n-th best
 *      row so far, and e_0, the e of the first cell.
 *   2. Of the cells that are left in all the lists to look at, those with
 *
 *          log(1 + rows / m) + steepness (e - e_0) / r^2  <=  theta(m)
 *
 *      where `rows` is the number of rows in cells before it, and m is n. The left side never falls from cell to
 *      cell: its first term bounds the effort, its second says how far outside of what can still matter a cell
 *      lies. Easy queries stop early, hard ones go on.
 *
 * Under a filter the rows that are scanned are those that may be found. The first round goes on, through lists
 * ever farther away, until there are FGI_FIRST_ROWS of them for each result; where one row in s was one, the query is
 * like one for m = s n results among all rows, and theta is that of such queries (fgi_rules).
 *
 * r shrinks no more in the second round, which costs nothing (bench/NOTES.md), and so all of it is decided at
 * once: cells that are too far are dropped as soon as they are seen. theta sets the recall; infinity scans
 * everything. */
#ifndef FGI_PROBE_H
#define FGI_PROBE_H
#include "ivf_scan.h"
#include "order.h"

enum { FGI_FIRST_ROWS = 5 /* of the first round, a result wanted */ };

typedef struct fgi_probe_rule {
    double steepness, theta;
} fgi_probe_rule;

/* The rule for every m: for some of them, from n on; between these what lies between, beyond them the last,
 * at a cost that grows with the root of m. */
typedef struct fgi_rules {
    double steepness;
    int32_t n, count;
    struct fgi_rule_for {
        double place; /* log_4 (m / n), rising from 0 */
        double theta;
        int32_t lists; /* that a query looks at */
        double cost;   /* in rows scanned (tune.h); 0: not known */
    } at[FGI_SHARES + 1];
} fgi_rules;

struct fgi_rule_for fgi_rules_at(const fgi_rules *rules, double m);

/* The m of queries for n results without a filter: what queries find, on average, under a filter that is like that.
 * For the n that was tuned for, n. */
double fgi_rules_m(const fgi_rules *rules, double n);

/* A cell that the query may look into. */
typedef struct fgi_stop {
    int32_t list, segment;
    int64_t begin, rows; /* entries of the list */
} fgi_stop;

enum { FGI_PROBE_BINS = 128 };

/* How many rows there are in cells about as far as that, and how many may be nearer if the rule is to let such a
 * cell pass. */
typedef struct fgi_probe_bins {
    double width, inverse_width;
    int64_t rows[FGI_PROBE_BINS], limits[FGI_PROBE_BINS];
} fgi_probe_bins;

typedef struct fgi_probe {
    const fgi_kernels *kernels;
    const fg_ivf *ivf;
    int32_t n;            /* results wanted */
    const float *sqdist;  /* from the query to every centroid; lent, as is what follows */
    const fgi_hit *lists; /* that the query looks at, the nearest first */
    int32_t list_count;
    fgi_walk
        *walk; /* to ask for distances to centroids that it has not seen; NULL: all are known */
    fgi_stop *stops; /* as they were added */
    bool *chosen;    /* of those: for the second round */
    int64_t added;
    fgi_order order;      /* e and number of stops, in the order in which they are taken */
    int64_t *before;      /* rows of the stops that are taken before */
    int64_t count;        /* of those two */
    int64_t first;        /* stops of the first round, scanned */
    double m;             /* results among all rows that the query is like */
    int32_t opened;       /* lists whose cells have been added */
    double nearest;       /* e_0 */
    double bound;         /* no cell with e beyond it passes */
    fgi_probe_bins bins;  /* from e_0 to the first bound */
    float *key;           /* of the cells of one list */
    int32_t *row, *index; /* what is selected of them; rows are of no use here */
} fgi_probe;

/* How many cells so many lists have at most. */
int64_t fgi_probe_room(const fg_ivf *ivf, int32_t lists);

/* Room for those. ivf, kernels and n are set; what is lent stays the caller's to set. */
fg_status fgi_probe_create(fgi_ledger *ledger, const fg_ivf *ivf, const fgi_kernels *kernels,
                           int32_t n, int32_t lists, fgi_probe *out);
void fgi_probe_destroy(fgi_probe *probe); /* also of a zeroed one */

/* Opens lists, and scans the first round. False if that would take more rows than so many, because too few may be
 * found: the query had better scan everything, from the beginning. */
bool fgi_probe_begin(fgi_probe *probe, int64_t most_rows, fgi_scan *scan);

/* Adds the cells of the other lists, puts the stops beyond the first round in order. */
void fgi_probe_widen(fgi_probe *probe);

static inline const fgi_stop *fgi_probe_stop(const fgi_probe *probe, int64_t at)
{
    return &probe->stops[fgi_order_number(probe->order.pairs[at])];
}

/* The two terms of the rule for the stop with this place in the order, the second without the steepness. r2:
 * infinity while fewer than n rows are known. */
double fgi_probe_effort(const fgi_probe *probe, int64_t at);
double fgi_probe_margin(const fgi_probe *probe, int64_t at, double r2);

/* r^2 of a scan: what its worst result's key says, as a squared distance. */
double fgi_probe_radius2(const fgi_scan *scan);

/* Decides on the second round after the first; returns the rows of both. The second consists of the stops
 * 0 .. count - 1 then, list by list. */
int64_t fgi_probe_decide(fgi_probe *probe, const fgi_probe_rule *rule, double r2);

/* Scans the second round. */
void fgi_probe_scan_second(const fgi_probe *probe, fgi_scan *scan);

#endif
