/* SPDX-License-Identifier: Apache-2.0 */
/* turns.h - the turns of an iteration: a pass that evaluates parameters, then an update that makes new ones of its
 * statistics. On the host one by one, or by a backend that is ahead of what is decided here. Knows passes and updates;
 * knows no convergence. */
#ifndef FGI_TURNS_H
#define FGI_TURNS_H
#include "moments.h"
#include "mstep.h"

typedef struct fgi_turns_plan {
    const double *floor;    /* mixtures: of variances */
    bool shared_variance;   /* mixtures */
    fgi_centroid_rule rule; /* centroids */
    uint64_t seed;          /* of revivals */
    fg_bad_rows bad_rows;
    fgi_listener *listener; /* may be NULL */
} fgi_turns_plan;

typedef struct fgi_turns {
    fg_context *ctx;
    fg_source *src;
    fgi_turns_plan plan;
    fgi_params *params; /* lent, like states and stats */
    int32_t *states;    /* mixtures: k; else NULL */
    fgi_stats *stats;
    bool ahead; /* the backend takes the turns */
    int64_t count;
    fgi_turn now; /* of the turn told last */
} fgi_turns;

/* Begins with the parameters as they are. params, states and stats belong to the turns until their end. */
fg_status fgi_turns_begin(fgi_turns *turns);

/* Evaluates the parameters at hand: turns->now tells. most: turns that may still be wanted, this one included. FG_NUMERIC
 * for bad rows, unless they are to be skipped. */
fg_status fgi_turns_next(fgi_turns *turns, int64_t most);

/* Goes on to the next parameters. Where components came out empty and may be revived, *revived tells how many were. */
fg_status fgi_turns_update(fgi_turns *turns, bool may_revive, int32_t *revived);

/* params and states: those of the turn told last; stats: its statistics. */
fg_status fgi_turns_settle(fgi_turns *turns);

/* Also after a failure. */
void fgi_turns_end(fgi_turns *turns);

#endif
