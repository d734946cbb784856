/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_store.h - where rows lie on a device: those that stay from pass to pass, and a window for those that pass by. Knows
 * sources by their address alone. */
#ifndef FGI_CUDA_STORE_H
#define FGI_CUDA_STORE_H
#include "cuda_strategy.h"
#include "cuda_transfer.h"

typedef struct fgi_cuda_store {
    fgi_cuda_transfer transfer;
    /* the source that passes will come back to, and what is held of it, from its first row on */
    const void *source; /* NULL: none */
    bool has_room;      /* else nothing is held: rows pass by each time */
    fgi_cuda_block block;
    int64_t rows, filled, pitch_bytes;
    fg_dtype dtype;
    /* the i-th view of a pass lies in half i % 2 of the window */
    fgi_cuda_block window;
    int64_t half_bytes, views;
    cudaEvent_t arrived[2], used[2];
} fgi_cuda_store;

fg_status fgi_cuda_store_open(fgi_pool *pool, fgi_ledger *ledger, fgi_cuda_store *out);
void fgi_cuda_store_close(fgi_cuda_store *store); /* also after a failed open */

/* Follows a source: makes room for its rows, if there is as much and something to spare. */
void fgi_cuda_store_hold(fgi_cuda_store *store, const fgi_hold *rows);
void fgi_cuda_store_release(fgi_cuda_store *store);

/* Whether passes will come back to these rows; whether they are held, or will be once a pass has brought them. */
bool fgi_cuda_store_follows(const fgi_cuda_store *store, const void *source, fg_dtype dtype);
bool fgi_cuda_store_holds(const fgi_cuda_store *store, const void *source, fg_dtype dtype);

/* Begins a pass over rows that come in views of so many bytes at most. */
fg_status fgi_cuda_store_begin(fgi_cuda_store *store, bool held, int64_t view_bytes);

/* Brings rows, the first of which has the number `first`: they lie at *raw when the computing stream goes on. The caller
 * may have the view back when this returns. */
fg_status fgi_cuda_store_bring(fgi_cuda_store *store, bool held, const fg_view *rows, int64_t first,
                               cudaStream_t computing, const void **raw);

/* All rows have been brought: room for bringing is given back if they are held. */
fg_status fgi_cuda_store_end(fgi_cuda_store *store, bool held);

/* The computing stream has been given all that reads the rows brought last. */
fg_status fgi_cuda_store_used(fgi_cuda_store *store, cudaStream_t computing);

#endif
