/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_transfer.c - packs rows into pinned buffers in turn. Knows the link and threads; knows no pass. */
#include "cuda_transfer.h"

#include "cuda_device.h"
#include "source.h"

#include <string.h> /* memcpy */

enum {
    PINNED_BYTES = 8 << 20, /* of a buffer */
    KEPT_BYTES = 4 << 20,   /* not worth the time to take them anew */
    PACK_BYTES = 1 << 18,   /* that one thread packs at a time */
    LINE_BYTES = 64,
    AHEAD_BYTES = 2048,
    UNIT_BYTES = 16 /* what a device reads at once */
};

int64_t fgi_cuda_pitch_bytes(fg_dtype dtype, int32_t cols)
{
    const int64_t row_bytes = (int64_t)fg_dtype_bytes(dtype) * cols;
    return (row_bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

fg_status fgi_cuda_transfer_open(fgi_pool *pool, fgi_ledger *ledger, fgi_cuda_transfer *out)
{
    *out = (fgi_cuda_transfer){.pool = pool};
    cudaError_t e = cudaStreamCreateWithFlags(&out->stream, cudaStreamNonBlocking);
    for (int i = 0; i < FGI_CUDA_BUFFERS; i++) {
        out->pinned[i] = (fgi_cuda_block){.pinned = true, .ledger = ledger};
        if (e == cudaSuccess) e = cudaEventCreateWithFlags(&out->sent[i], cudaEventDisableTiming);
    }
    return fgi_cuda_status(e, "opening a device");
}

void fgi_cuda_transfer_close(fgi_cuda_transfer *transfer)
{
    for (int i = 0; i < FGI_CUDA_BUFFERS; i++) {
        fgi_cuda_release(&transfer->pinned[i]);
        if (transfer->sent[i]) (void)cudaEventDestroy(transfer->sent[i]);
    }
    if (transfer->stream) (void)cudaStreamDestroy(transfer->stream);
}

/* ---------------------------------------------------------------------------------------- packing */

typedef struct packing {
    const char *from;
    char *to;
    size_t row_bytes, stride_bytes, pitch_bytes;
    int64_t rows, block_rows;
} packing;

/* Rows of whole lines: a call takes as long as two of these, and rows from a file want to be asked for some rows ahead. */
static void copy_lines(const packing *p, const char *from, char *to, int64_t rows)
{
    const size_t stride_bytes = p->stride_bytes, row_bytes = p->row_bytes;
    const size_t ahead = (AHEAD_BYTES / stride_bytes + 1) * stride_bytes;
    for (int64_t r = 0; r < rows; r++, from += stride_bytes, to += row_bytes)
        for (size_t b = 0; b < row_bytes; b += LINE_BYTES) {
            __builtin_prefetch(from + b + ahead);
            memcpy(to + b, from + b, LINE_BYTES);
        }
}

/* Rows of a file stand apart by their prefixes, and are short: a call each that finds where they lie would slow the copy
 * down. */
static void pack_block(void *user, int64_t block, int32_t worker)
{
    (void)worker;
    const packing *p = user;
    const int64_t first = block * p->block_rows;
    const int64_t left = p->rows - first, rows = left < p->block_rows ? left : p->block_rows;
    const char *from = p->from + (size_t)first * p->stride_bytes;
    char *to = p->to + (size_t)first * p->pitch_bytes;
    if (p->stride_bytes == p->row_bytes && p->pitch_bytes == p->row_bytes) {
        memcpy(to, from, (size_t)rows * p->row_bytes);
        return;
    }
    if (p->row_bytes % LINE_BYTES == 0) {
        copy_lines(p, from, to, rows);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + (size_t)r * p->pitch_bytes, from + (size_t)r * p->stride_bytes, p->row_bytes);
}

static void pack_rows(fgi_pool *pool, const fg_view *rows, int64_t pitch_bytes, void *to)
{
    const size_t item_bytes = fg_dtype_bytes((fg_dtype)rows->dtype);
    packing p = {
        .from = rows->data,
        .to = to,
        .row_bytes = (size_t)rows->cols * item_bytes,
        .stride_bytes = (size_t)fgi_stride(rows->row_stride, rows->cols) * item_bytes,
        .pitch_bytes = (size_t)pitch_bytes,
        .rows = rows->rows,
        .block_rows = 1 + PACK_BYTES / pitch_bytes,
    };
    const int64_t blocks = (p.rows + p.block_rows - 1) / p.block_rows;
    if (blocks > 2) {
        fgi_pool_each(pool, blocks, pack_block, &p);
        return;
    }
    for (int64_t i = 0; i < blocks; i++) pack_block(&p, i, 0);
}

/* ---------------------------------------------------------------------------------------- sending */

static fg_status send_piece(fgi_cuda_transfer *t, const fg_view *piece, int64_t pitch_bytes,
                            char *to)
{
    const int at = (int)(t->sends++ % FGI_CUDA_BUFFERS);
    const size_t bytes = (size_t)(piece->rows * pitch_bytes);
    FG_TRY(fgi_cuda_status(cudaEventSynchronize(t->sent[at]), "copying rows"));
    FG_TRY(fgi_cuda_reserve(&t->pinned[at], bytes));
    pack_rows(t->pool, piece, pitch_bytes, t->pinned[at].data);
    cudaError_t e =
        cudaMemcpyAsync(to, t->pinned[at].data, bytes, cudaMemcpyHostToDevice, t->stream);
    if (e == cudaSuccess) e = cudaEventRecord(t->sent[at], t->stream);
    return fgi_cuda_status(e, "copying rows");
}

fg_status fgi_cuda_send(fgi_cuda_transfer *t, const fg_view *rows, void *to)
{
    const int64_t pitch_bytes = fgi_cuda_pitch_bytes((fg_dtype)rows->dtype, rows->cols);
    const int64_t fit = PINNED_BYTES / pitch_bytes, most = fit > 0 ? fit : 1;
    /* of one size: a small one takes as long to share out among threads */
    const int64_t pieces = (rows->rows + most - 1) / most,
                  each = pieces ? (rows->rows + pieces - 1) / pieces : 0;
    for (int64_t done = 0; done < rows->rows; done += each) {
        const int64_t left = rows->rows - done;
        const fg_view piece = fgi_view_rows(rows, done, left < each ? left : each);
        FG_TRY(send_piece(t, &piece, pitch_bytes, (char *)to + done * pitch_bytes));
    }
    return FG_OK;
}

fg_status fgi_cuda_send_end(fgi_cuda_transfer *t)
{
    const fg_status s = fgi_cuda_status(cudaStreamSynchronize(t->stream), "copying rows");
    t->sends = 0; /* few rows find the buffer that is kept */
    for (int i = 0; i < FGI_CUDA_BUFFERS; i++)
        if (t->pinned[i].bytes > KEPT_BYTES) fgi_cuda_release(&t->pinned[i]);
    return s;
}
