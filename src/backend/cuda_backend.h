/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_backend.h - what the parts of the CUDA backend share: one device, its streams, its memory, the pass at work. */
#ifndef FGI_CUDA_BACKEND_H
#define FGI_CUDA_BACKEND_H
#include "cuda_asking.h"
#include "cuda_store.h"
#include "cuda_strategy.h"
#include "cuda_update.h"

/* Sets of parameters and statistics that turns use in a circle. */
enum { FGI_CUDA_MOST_SLOTS = 6 };

/* Turns in progress: number t reads and fills slot t % slots, and makes the parameters of the next. */
typedef struct fgi_cuda_turns {
    fgi_update update;
    double *floor, *masses; /* on the device; 2 k: what the update needs for revival */
    fgi_cuda_block reports; /* pinned: one a slot, written by the device */
    cudaEvent_t reported[FGI_CUDA_MOST_SLOTS];
    int64_t begun, told; /* turns */
    int64_t most;        /* turns before the caller has to begin anew */
    int64_t current;     /* the turn whose parameters fetch gives */
} fgi_cuda_turns;

typedef struct fgi_cuda_backend {
    fgi_backend base;
    fgi_ledger *ledger;
    int32_t device, precision, capability, multiprocessors;
    cudaStream_t computing;
    fgi_cuda_store store;
    fgi_cuda_asking asking;
    fgi_cuda_block workspace;
    fgi_cuda_worker *workers[FGI_CUDA_STRATEGIES];
    int32_t crowding;       /* of tasks: see there */
    int32_t passes_crowded; /* before it is one less */
    int32_t patience;       /* so many there are */
    bool tried_again;       /* it has become less, and no pass found rows crowded since */
    int32_t left_halvings;  /* of tasks' left_one_in */
    int32_t asks_crowded;   /* of the pass at work, if it asks rows */
    /* of the pass or the turns in progress */
    fgi_pass_spec spec;
    int64_t view_rows; /* as the caller was told */
    fgi_cuda_task task;
    fgi_cuda_worker *worker;
    fgi_cuda_slot slots[FGI_CUDA_MOST_SLOTS];
    int32_t slot_count;
    bool held;
    fgi_cuda_turns turns;
} fgi_cuda_backend;

/* Chooses the strategy for a pass or turns, makes room for so many slots and for views of so many rows (0: as it chooses), and sends
 * the parameters to the first. */
fg_status fgi_cuda_prepare(fgi_cuda_backend *cuda, const fgi_pass_spec *spec, int32_t slots,
                           int64_t view_rows);

/* Clears a slot and begins a pass with its parameters. */
cudaError_t fgi_cuda_begin_slot(fgi_cuda_backend *cuda, const fgi_cuda_slot *slot);

/* Takes rows on the device through the pass, a chunk at a time. first: number of the first one. */
fg_status fgi_cuda_absorb_rows(fgi_cuda_backend *cuda, const void *raw, int64_t first,
                               int64_t rows);

/* A pass has been completed. Gives back whether it had better be another strategy's, or has lost rows: tasks are other ones from
 * now on. */
bool fgi_cuda_pass_over(fgi_cuda_backend *cuda, const fgi_cuda_totals *totals);

/* The functions of fgi_backend_ops: cuda_absorb.c and cuda_turns.c. */
int64_t fgi_cuda_unit_rows(const fgi_backend *backend, const fgi_pass_spec *spec);
fg_status fgi_cuda_begin(fgi_backend *backend, const fgi_pass_spec *spec);
fg_status fgi_cuda_absorb(fgi_backend *backend, const fg_view *chunk, int64_t first,
                          const fgi_row_results *results);
fg_status fgi_cuda_await(fgi_backend *backend, fgi_row_results *out);
fg_status fgi_cuda_end(fgi_backend *backend, fgi_stats *stats, bool *again);
fg_status fgi_cuda_turns_begin(fgi_backend *backend, const fgi_pass_spec *spec,
                               const fgi_update *update, bool *taken);
fg_status fgi_cuda_turns_next(fgi_backend *backend, int64_t most, fgi_turn *out);
fg_status fgi_cuda_turns_fetch(fgi_backend *backend, fgi_params *params, int32_t *states,
                               fgi_stats *stats);
void fgi_cuda_turns_end(fgi_backend *backend);

#endif
