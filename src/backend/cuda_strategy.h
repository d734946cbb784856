/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_strategy.h - a strategy is one way in which a device takes rows through a pass. All read the same parameters and add
 * to the same statistics, so whoever drives a pass need not know which it is. Knows no kernel. */
#ifndef FGI_CUDA_STRATEGY_H
#define FGI_CUDA_STRATEGY_H
#include "backend.h"
#include "cuda_memory.h"
#include "cuda_pass.h"

/* What a pass is to do, and with what: all that a strategy is chosen by. */
typedef struct fgi_cuda_task {
    fgi_kind kind, stats_kind;
    int32_t k, d;
    bool normalize, stats;
    fgi_row_request rows;
    fg_dtype dtype;
    int32_t precision;  /* fg_precision */
    int32_t capability; /* of the device: ten times the major version, and the minor */
    int32_t multiprocessors;
    /* 0; one more for each time that a pass found rows crowded, of late; of rows that are asked, each time that the first of this pass
     * found no room */
    int32_t crowding;
    int32_t left_one_in; /* so many rows for each that is left to the dense strategy, or more */
    /* all rows of the source, if passes will come back to them, and learn of them; else 0: rows that are asked teach nothing */
    int64_t source_rows;
    int64_t held_rows; /* the same, if they stay on the device until then */
} fgi_cuda_task;

/* The capability that kernels of sm_90a need: later chips do not run them either. */
enum { FGI_CUDA_HOPPER = 90 };

/* Whether a pass is about single rows alone. */
static inline bool fgi_cuda_asks_rows(const fgi_cuda_task *task)
{
    return !task->stats;
}

static inline bool fgi_cuda_is_diagonal(const fgi_cuda_task *task)
{
    return task->kind == FGI_DIAGONAL;
}

/* Consecutive rows of a source, on the device, at fgi_cuda_pitch_bytes. */
typedef struct fgi_cuda_chunk {
    const void *raw;
    int64_t first; /* number of the first one */
    int32_t rows;
    const int32_t *count;   /* on the device: so many of them there are; NULL: all */
    const int64_t *numbers; /* theirs, on the device, where they are not consecutive; or NULL */
} fgi_cuda_chunk;

/* What a pass reads and leaves, on the device. */
typedef struct fgi_cuda_slot {
    fgi_cuda_params params;
    double *stats; /* the block of fgi_stats; NULL: not wanted */
    fgi_cuda_totals *totals;
    int32_t *states; /* k: fg_component_state, of params made here */
} fgi_cuda_slot;

typedef struct fgi_cuda_worker fgi_cuda_worker;

/* Room for the answers of so many rows. */
void fgi_cuda_carve_answers(fgi_cuda_carver *carver, const fgi_row_request *want, int64_t rows,
                            fgi_cuda_answers *out);

typedef struct fgi_cuda_strategy {
    const char *name;
    bool sets; /* finish writes statistics and totals; else it and absorb add what they find */
    bool (*serves)(const fgi_cuda_task *task);
    /* Rows of a chunk, all but the last one. The bits of every sum follow from the task, source_rows and held_rows apart: so
     * does this, unless sums do not depend on it. */
    int64_t (*chunk_rows)(const fgi_cuda_task *task);
    /* A worker serves all passes of a backend; it begins with host memory alone. */
    fg_status (*create)(fgi_ledger *ledger, fgi_cuda_worker **out);
    void (*destroy)(fgi_cuda_worker *worker);
    /* Takes up a task, and lays out its workspace, which is lost when the next is taken up. With carver->data NULL it only
     * counts. */
    void (*carve)(fgi_cuda_worker *worker, const fgi_cuda_task *task, fgi_cuda_carver *carver);
    /* The same of what means nothing from chunk to chunk: it may lie where others have such. NULL: there is nothing. */
    void (*carve_chunk)(fgi_cuda_worker *worker, fgi_cuda_carver *carver);
    /* Makes device memory that outlives the task: what is known of held rows. NULL: there is none. */
    fg_status (*prepare)(fgi_cuda_worker *worker);
    /* The held rows are gone, and what is known of them. NULL: nothing is. */
    void (*forget)(fgi_cuda_worker *worker);
    /* These only give work to the stream: no wait, no allocation. A pass is begin, absorb for each chunk, finish; then
     * another may begin, with other parameters. The slot's statistics and totals were cleared before, unless the strategy
     * sets them. */
    cudaError_t (*begin)(fgi_cuda_worker *worker, const fgi_cuda_slot *slot, cudaStream_t stream);
    cudaError_t (*absorb)(fgi_cuda_worker *worker, const fgi_cuda_chunk *chunk,
                          cudaStream_t stream);
    /* Brings into the slot's statistics what is not in them yet. */
    cudaError_t (*finish)(fgi_cuda_worker *worker, cudaStream_t stream);
    /* The model that the update after this pass is to plan: the next begin, of the parameters which that makes, will not. NULL,
     * or gives NULL: begin does. */
    const fgi_cuda_model *(*leave_plan)(fgi_cuda_worker *worker);
    /* Where, on the device, the answers of the last chunk's rows lie. NULL: serves statistics alone. */
    fgi_cuda_answers (*answers)(const fgi_cuda_worker *worker);
    /* Where the device counts the rows of a pass that found no room, so that their answers are none. NULL: all find it. */
    const uint64_t *(*unanswered)(const fgi_cuda_worker *worker);
    /* A worker that has begun the same pass, and has room for all rows. NULL, as unanswered is. */
    fgi_cuda_worker *(*substitute)(const fgi_cuda_worker *worker);
    /* For tests and measurements: log2 densities of the rows of the last chunk, as statistics were made with, on the device;
     * -inf: left to others. NULL: there are none. */
    const float *(*densities)(const fgi_cuda_worker *worker);
} fgi_cuda_strategy;

/* Strategies put this first. */
struct fgi_cuda_worker {
    const fgi_cuda_strategy *strategy;
};

extern const fgi_cuda_strategy fgi_cuda_one_component, fgi_cuda_small_models, fgi_cuda_soft,
    fgi_cuda_sparse, fgi_cuda_dense;

/* Rows that the dense strategy takes at once. */
int32_t fgi_cuda_dense_piece(const fgi_cuda_task *task);

/* Whether the sparse strategy answers the first crowding of such rows by wider sums. */
bool fgi_cuda_sparse_widens(const fgi_cuda_task *task);

/* All there are, the best first; the last one serves every task. */
enum { FGI_CUDA_STRATEGIES = 5 };
extern const fgi_cuda_strategy *const fgi_cuda_strategies[FGI_CUDA_STRATEGIES];

#endif
