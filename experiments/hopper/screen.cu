/* SPDX-License-Identifier: Apache-2.0 */
/* screen.cu - one product gives every component's score for every row; what can matter is kept. Hopper only.
 *
 *     score_ij = <x_i, means_j> + slope_j |x_i|^2 + bias_j
 * The product screens, in f16, scores less a reference r_i, which is a score of the row less the margin by which
 * screening can be off. Whatever comes out above -cut is a candidate: no component within `cut` of the best is
 * missed. Helpers make survivors of candidates. A row with one candidate belongs to it; where several lie within `near` of
 * the best, these are scored again with f32 sums.
 *
 * r_i comes from the row's state, its best component and its distance from that mean in the last pass, rounded up:
 *     |x - mean_new| <= |x - mean_old| + |mean_new - mean_old|
 * bounds the score that this component has now, without a product. A first pass takes r_i from a BOUND pass.
 *
 * Why f16 sums: they take half the registers, so three warpgroups compute where f32 sums leave room for one and a half,
 * and half the instructions. One warp a scheduler needs 4 to 5 cycles an instruction; three hide each other's.
 *
 * grid     clusters of 2 CTAs, persistent; block: 3 computing warpgroups up to d = 128, else 2; then a loading warp and a
 *          helping warp for every two computing warps. 640 threads, 96 registers: 104 computing, 80 others
 * tile     64 rows a computing warpgroup x 256 components; rows stay in shared memory for all components, means stream
 *          through, each CTA of a cluster loading half of every tile for both
 * turns    the computing warpgroups take turns at the tensor cores
 * stages   4 of 32 KB for the means, 1 for the rows, which come from L2: prefetched a row tile ahead
 * bytes    2 d a row from HBM; k * d * 2 / (64 or 96 * 2) a row from L2
 * bound    tensor cores: 2 k d flops a row */
#include "cuda_pass.h"
#include "ptx.cuh"

#include <cuda_fp16.h>
#include <math.h> /* INFINITY */
#include <math_constants.h>

namespace {

enum {
    TILE_COMPONENTS = FGI_CUDA_TILE_COMPONENTS,
    GROUP_ROWS = FGI_CUDA_GROUP_ROWS,
    CHUNK = 64, /* halves in one row of a swizzled box: 128 bytes */
    STAGES = 4,
    STAGE_BYTES = TILE_COMPONENTS * CHUNK * 2,
    ROW_CHUNK_BYTES = GROUP_ROWS * CHUNK * 2,
    TERMS_STAGES = 4,
    TERMS_BYTES = TILE_COMPONENTS * 4,
    HELPED_ROWS = FGI_CUDA_STREAM_ROWS, /* of a helper: two computing warps */
    BLOCKS = 16,  /* of 16 columns of a tile: 4 of each of a thread's two rows, tested and staged together */
    PLACES = 4,   /* staged blocks of a thread */
    QUEUE = 768,  /* blocks of a warp in global memory on their way to its helper */
    LAG = 4,      /* row tiles that a helper may be behind */
    AHEAD = 6,    /* row tiles that references are ahead of what is drained: LAG and two for good measure */
    RING = 8,     /* of references */
    LIST = 96,   /* candidates of a helper's rows in shared memory, */
    MORE = 2048, /* and in global memory */
    PAIRS = 8,    /* scored at once by a warp */
};

struct layout {
    int groups, helpers, workers, threads, tile_rows;
    int rows, means, terms, places, tags, ends, consumed, references, marks, lists, barriers, total;
};

__host__ __device__ constexpr layout layout_for(int chunks)
{
    layout l = {};
    l.groups = chunks > 2 ? 2 : 3;
    l.workers = 128 * l.groups;
    l.helpers = 2 * l.groups;
    l.threads = l.workers + (32 + 32 * l.helpers + 127) / 128 * 128; /* whole warpgroups, for setmaxnreg */
    l.tile_rows = GROUP_ROWS * l.groups;
    l.rows = 0;
    l.means = l.groups * chunks * ROW_CHUNK_BYTES;
    l.terms = l.means + STAGES * STAGE_BYTES;
    l.places = l.terms + TERMS_STAGES * TERMS_BYTES;
    l.tags = l.places + PLACES * l.workers * 16;
    l.ends = l.tags + PLACES * l.workers * 2;
    l.consumed = l.ends + LAG * l.workers / 32 * 4;
    l.references = l.consumed + l.workers / 32 * 4;
    l.marks = l.references + RING * l.tile_rows * 4;
    l.lists = l.marks + l.tile_rows * 16;
    l.barriers = l.lists + l.helpers * LIST * 8;
    l.total = l.barriers + 1024 + 1024; /* the base is aligned to 1024 by hand */
    return l;
}

static const uint32_t CROWDED = 0x80000000u; /* beside the end of a row tile in the queue: blocks were dropped */

static_assert(layout_for(1).total <= 232448 && layout_for(2).total <= 232448 && layout_for(4).total <= 232448, "");

struct params {
    const uint8_t *terms16;
    const float2 *terms;
    const float *norm;
    const __half *means, *high;
    const float4 *spheres; /* components: h, constant, how far the mean has moved */
    uint32_t *state;
    const float *reference;
    float *bound;
    uint32_t *entry;
    float *weight;
    uint32_t *count;
    double *entropy;
    unsigned long long *lost;
    float *value;
    int32_t *best;
    uint4 *queue;        /* warps x QUEUE */
    uint2 *more;         /* helpers x MORE */
    uint32_t *queue_tag; /* warps x QUEUE: lane << 16 | tag */
    int64_t rows;
    int32_t tiles_each, component_tiles, capacity, ld; /* ld: of rows and of means */
    float cut, near, unit, norm_scale, steps; /* cut, near: in units */
    const float *largest;
    bool hard;
};

/* Barriers, 8 bytes each. */
struct barriers {
    uint32_t base;
    __device__ uint32_t full(int s) const { return base + 8 * s; }
    __device__ uint32_t empty(int s) const { return base + 8 * (STAGES + s); }
    __device__ uint32_t terms_full(int s) const { return base + 8 * (2 * STAGES + s); }
    __device__ uint32_t terms_empty(int s) const { return base + 8 * (2 * STAGES + TERMS_STAGES + s); }
    __device__ uint32_t rows_full(int group) const { return base + 8 * (2 * STAGES + 2 * TERMS_STAGES + group); }
    __device__ uint32_t rows_empty(int group) const { return rows_full(group) + 8 * 3; }
    __device__ uint32_t begun(int t, int helper) const { return rows_full(6) + 8 * (RING * helper + t % RING); }
    __device__ uint32_t staged(int t, int helper) const { return rows_full(6 + 6 * RING) + 8 * (LAG * helper + t % LAG); }
    __device__ uint32_t drained(int t, int helper) const { return staged(t, helper) + 8 * 6 * LAG; }
};

/* Chunk n of the means goes to this stage; full and empty are in this phase then. */
__device__ __forceinline__ uint32_t stage_of(uint32_t n)
{
    return n % STAGES;
}

__device__ __forceinline__ uint32_t phase_of(uint32_t n)
{
    return n / STAGES & 1;
}

/* ------------------------------------------------------------------------------------------------- loading */

template <int CHUNKS>
__device__ void load(const params &p, const CUtensorMap *rows_map, const CUtensorMap *means_map, uint32_t smem,
                     barriers bar, uint32_t rank)
{
    constexpr layout L = layout_for(CHUNKS);
    uint32_t turn = 0;
    for (int t = 0; t < p.tiles_each; t++)
        for (int ct = 0; ct < p.component_tiles; ct++, turn++) {
            const uint32_t slot = turn % TERMS_STAGES;
            fgi_mbar_wait(bar.terms_empty(slot), (turn / TERMS_STAGES & 1) ^ 1);
            fgi_mbar_expect(bar.terms_full(slot), TERMS_BYTES);
            fgi_bulk_load(smem + L.terms + slot * TERMS_BYTES, p.terms16 + (int64_t)ct * TERMS_BYTES, TERMS_BYTES,
                          bar.terms_full(slot));
            for (int c = 0; c < CHUNKS; c++) {
                const uint32_t stage = stage_of(turn * CHUNKS + c);
                fgi_mbar_wait(bar.empty(stage), phase_of(turn * CHUNKS + c) ^ 1);
                fgi_mbar_expect(bar.full(stage), STAGE_BYTES);
                fgi_tma_load_2d_multicast(smem + L.means + stage * STAGE_BYTES + rank * (STAGE_BYTES / 2), means_map,
                                          bar.full(stage), c * CHUNK,
                                          ct * TILE_COMPONENTS + (int)rank * (TILE_COMPONENTS / 2), 3);
            }
            if (ct != 0) continue;
            const int32_t row = (int32_t)((blockIdx.x + (int64_t)t * gridDim.x) * L.tile_rows);
            for (int group = 0; group < L.groups; group++) {
                fgi_mbar_wait(bar.rows_empty(group), (t & 1) ^ 1);
                fgi_mbar_expect(bar.rows_full(group), CHUNKS * ROW_CHUNK_BYTES);
                for (int c = 0; c < CHUNKS; c++)
                    fgi_tma_load_2d(smem + L.rows + (group * CHUNKS + c) * ROW_CHUNK_BYTES, rows_map,
                                    bar.rows_full(group), c * CHUNK, row + group * GROUP_ROWS);
            }
            if (t + 1 < p.tiles_each)
                for (int group = 0; group < L.groups; group++)
                    for (int c = 0; c < CHUNKS; c++)
                        fgi_tma_prefetch_2d(rows_map, c * CHUNK,
                                            row + (int32_t)gridDim.x * L.tile_rows + group * GROUP_ROWS);
        }
}

/* ------------------------------------------------------------------------------------------------- helping */

/* Scores of eight pairs of a row and a component, one for each quad of the warp. All threads of a quad pass the same pair
 * and get its score. */
template <int CHUNKS> __device__ __forceinline__ float pair_score(const params &p, int64_t row, int j)
{
    const int q = threadIdx.x & 3, units = p.ld / 8;
    const uint4 *x = reinterpret_cast<const uint4 *>(p.high + row * p.ld);
    const uint4 *m = reinterpret_cast<const uint4 *>(p.means + (int64_t)j * p.ld);
    const float2 term = __ldg(p.terms + j);
    float sum = 0.0f;
#pragma unroll
    for (int from = 0; from < 2 * CHUNKS; from += 4) {
        uint4 a[4], b[4];
#pragma unroll
        for (int u = 0; u < 4; u++) {
            const bool has = (from + u) * 4 + q < units;
            a[u] = has ? __ldg(x + (from + u) * 4 + q) : make_uint4(0, 0, 0, 0);
            b[u] = has ? __ldg(m + (from + u) * 4 + q) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int u = 0; u < 4; u++) {
            const __half2 *ah = reinterpret_cast<const __half2 *>(&a[u]), *bh = reinterpret_cast<const __half2 *>(&b[u]);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                const float2 v = __half22float2(ah[c]), w = __half22float2(bh[c]);
                sum = fmaf(v.x, w.x, fmaf(v.y, w.y, sum));
            }
        }
    }
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    return sum + fmaf(term.x, __ldg(p.norm + row), term.y);
}

/* How far off a screened score of this row can be: d / 16 roundings to f16 of partial sums of up to |x||mean|, roundings of
 * slope, norm, bias, reference and their sums. largest: |mean|, |slope|, |bias|. */
__device__ __forceinline__ float margin_for(const params &p, float norm)
{
    const float half_ulp = 1.0f / 4096.0f;
    return 0.05f + half_ulp * (3.0f * __ldg(p.largest + 2) + p.steps * norm * rsqrtf(norm + 1e-30f) * __ldg(p.largest) +
                               4.0f * norm * __ldg(p.largest + 1));
}

/* score = constant - h |x - mean|^2; hard: constant = |x|^2 / 2, h = 1 / 2. */
__device__ __forceinline__ float2 sphere_of(const params &p, const float4 &sphere, float norm)
{
    return p.hard ? make_float2(0.5f, 0.5f * norm) : make_float2(sphere.x, sphere.y);
}

/* References of a helper's next rows, one a thread. */
__device__ __forceinline__ float reference_for(const params &p, int64_t row)
{
    if (row >= p.rows) return CUDART_INF_F; /* a row that is none has no candidates */
    const float norm = __ldg(p.norm + row), margin = margin_for(p, norm);
    if (p.reference) return __ldg(p.reference + row) - margin;
    const uint32_t state = p.state[row];
    const float4 sphere = __ldg(p.spheres + (state >> 16));
    const float2 s = sphere_of(p, sphere, norm);
    const float distance = __half2float(__ushort_as_half((unsigned short)state)) + sphere.z;
    return s.y - s.x * distance * distance * 1.000001f - margin;
}

/* What the next pass needs to know of a row. */
__device__ __forceinline__ void keep_state(const params &p, int64_t row, uint32_t j, float score)
{
    const float norm = __ldg(p.norm + row);
    const float2 s = sphere_of(p, __ldg(p.spheres + j), norm);
    const float square = fmaxf(s.y - score + margin_for(p, norm), 0.0f) / s.x;
    p.state[row] = j << 16 | __half_as_ushort(__float2half_ru(square * rsqrtf(square + 1e-30f) * 1.000001f));
}

/* Of each row of a helper, while its candidates are looked into. */
struct mark {
    int candidates;
    uint32_t best; /* ordered bits of the best score */
    uint32_t sum;  /* of 2^(score - best), in units of 2^-25: integers, so that their order does not matter */
    int column;    /* hard: the best, the lowest of equals */
};

__device__ __forceinline__ uint32_t ordered(float x)
{
    const uint32_t u = __float_as_uint(x);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

__device__ __forceinline__ float from_ordered(uint32_t u)
{
    return __uint_as_float(u & 0x80000000u ? u & 0x7fffffffu : ~u);
}

/* Candidates of a helper's rows: (component << 16 | row, score bits). */
struct candidates {
    uint2 *list, *more;
    int count;
    __device__ __forceinline__ uint2 *at(int i) const { return i < LIST ? list + i : more + (i - LIST); }
    __device__ __forceinline__ int size() const { return min(count, LIST + MORE); }
};

/* What a computing warp w of 2 queued, entries from .. end - 1, is added to the list, in their order. */
__device__ __forceinline__ void drain(const params &p, int64_t queue, uint32_t from, uint32_t end, int w,
                                      const float *references, mark *marks, candidates &found)
{
    const int lane = threadIdx.x & 31;
    const uint32_t limit = __half_as_ushort(__float2half_rn(-p.cut)) * 0x10001u;
#pragma unroll 1
    for (uint32_t at = from + lane; at - lane < end; at += 32) {
        const bool has = at < end;
        const uint4 e = has ? __ldcg(p.queue + queue + at % QUEUE) : make_uint4(0, 0, 0, 0);
        const uint32_t tag = has ? __ldcg(p.queue_tag + queue + at % QUEUE) : 0, owner = tag >> 16;
        const uint32_t v[4] = {e.x, e.z, e.y, e.w}; /* blocks of 8 columns 0 and 1 of r = 0, then of r = 1 */
        uint32_t bits = 0;                          /* 4 r + 2 block + which of two columns */
#pragma unroll
        for (int h = 0; h < 4; h++) {
            const uint32_t above =
                __hgt2_mask(*reinterpret_cast<const __half2 *>(&v[h]), *reinterpret_cast<const __half2 *>(&limit));
            bits |= above & (1u << (2 * h) | 1u << (16 + 2 * h + 1));
        }
        bits = has ? (bits | bits >> 16) & 0xff : 0;
#pragma unroll 1
        while (__any_sync(~0u, bits != 0)) {
            const bool one = bits != 0;
            const int b = (__ffs(bits) - 1) & 7;
            const uint32_t pair = b & 4 ? (b & 2 ? v[3] : v[2]) : (b & 2 ? v[1] : v[0]);
            const float score = __half2float(__ushort_as_half((unsigned short)(b & 1 ? pair >> 16 : pair)));
            const uint32_t row = w * 16 + (owner >> 2) + (b & 4 ? 8 : 0);
            const uint32_t column = (tag & 0xffff) * 16 + 2 * (owner & 3) + (b & 2 ? 8 : 0) + (b & 1);
            const uint32_t mask = __ballot_sync(~0u, one);
            const int to = found.count + __popc(mask & ((1u << lane) - 1));
            if (one && to < LIST + MORE) {
                *found.at(to) = make_uint2(column << 16 | row, __float_as_uint(score + references[row]));
                atomicAdd(&marks[row].candidates, 1);
            }
            found.count += __popc(mask);
            bits &= bits - 1;
        }
    }
    __syncwarp();
}

__device__ __forceinline__ void find_best(const candidates &found, mark *marks, int lane)
{
    for (int i = lane; i < found.size(); i += 32) {
        const uint2 e = *found.at(i);
        atomicMax(&marks[e.x & 0xffff].best, ordered(__uint_as_float(e.y)));
    }
    __syncwarp();
}

/* Position of the n-th set bit, n = 0 .. 7, in all threads; 32 where there are fewer. */
__device__ __forceinline__ int nth_bit(uint32_t bits, int n)
{
    int at = 32;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        if (i == n && bits) at = __ffs(bits) - 1;
        bits &= bits - 1;
    }
    return at;
}

/* Scores of candidates again, with f32 sums: of all if scores are wanted, else where several are near the best. */
template <int CHUNKS>
__device__ __forceinline__ void score_again(const params &p, const candidates &found, mark *marks, int64_t first, int lane)
{
    const int size = found.size();
    for (int i = lane; i < size; i += 32) {
        const uint2 e = *found.at(i);
        mark *m = &marks[e.x & 0xffff];
        if (__uint_as_float(e.y) >= from_ordered(m->best) - p.near) atomicAdd(&m->sum, 1u);
    }
    __syncwarp();
#pragma unroll 1
    for (int from = 0; from < size; from += 32) {
        const int mine = from + lane;
        const uint2 e = mine < size ? *found.at(mine) : make_uint2(0, 0);
        const mark m = marks[e.x & 0xffff];
        const bool wants =
            mine < size && (p.value || (m.sum > 1 && __uint_as_float(e.y) >= from_ordered(m.best) - p.near));
        uint32_t left = __ballot_sync(~0u, wants);
#pragma unroll 1
        while (left) { /* eight at a time: quad g takes the g-th that is left */
            const int nth = nth_bit(left, lane >> 2), source = nth < 32 ? nth : __ffs(left) - 1;
            const uint32_t k = __shfl_sync(~0u, e.x, source);
            const float score = pair_score<CHUNKS>(p, first + (k & 0xffff), (int)(k >> 16));
            if ((lane & 3) == 0 && nth < 32) found.at(from + source)->y = __float_as_uint(score);
            for (int i = 0; i < PAIRS && left; i++) left &= left - 1;
        }
    }
    __syncwarp();
    marks[lane].best = 0;
    marks[lane].sum = 0;
    __syncwarp();
}

/* Writes survivors to the helper's stream. */
struct emitter {
    uint32_t *entry;
    float *weight;
    uint32_t count, capacity;
    __device__ __forceinline__ void emit(bool has, uint32_t e, float w)
    {
        const uint32_t mask = __ballot_sync(~0u, has);
        const uint32_t place = count + __popc(mask & ((1u << (threadIdx.x & 31)) - 1));
        if (has && place < capacity) {
            entry[place] = e;
            weight[place] = w;
        }
        count += __popc(mask);
    }
};

/* Every row has one candidate, and belongs to it. */
__device__ __forceinline__ void end_single(const params &p, const candidates &found, int64_t first, uint32_t local,
                                           emitter &out)
{
    const int lane = threadIdx.x & 31;
    const uint2 e = lane < found.count ? found.list[lane] : make_uint2(0, 0);
    const uint32_t row = e.x & 0xffff;
    if (lane < found.count) {
        keep_state(p, first + row, e.x >> 16, __uint_as_float(e.y));
        if (p.best) p.best[first + row] = (int32_t)(e.x >> 16);
        if (p.value) p.value[first + row] = __uint_as_float(e.y) * p.unit;
    }
    out.emit(lane < found.count, (e.x & 0xffff0000u) | (local + row), 1.0f);
}

/* Softmax, or the best. */
__device__ __forceinline__ void end_several(const params &p, const candidates &found, mark *marks, int64_t first,
                                            uint32_t local, emitter &out, double &entropy)
{
    const int lane = threadIdx.x & 31, size = found.size();
    const float parts = 0x1p25f;
    for (int i = lane; i < size; i += 32) {
        const uint2 e = *found.at(i);
        mark *m = &marks[e.x & 0xffff];
        const float below = __uint_as_float(e.y) - from_ordered(m->best);
        if (below == 0.0f) atomicMin(&m->column, (int)(e.x >> 16));
        if (below >= -p.cut) atomicAdd(&m->sum, (uint32_t)__float2uint_rn(fgi_exp2(below * p.unit) * parts));
    }
    __syncwarp();
    float bits = 0.0f;
    for (int i = lane; i - lane < size; i += 32) {
        const uint2 e = i < size ? *found.at(i) : make_uint2(0, 0);
        const uint32_t row = e.x & 0xffff, j = e.x >> 16;
        const mark m = marks[row];
        const float best = from_ordered(m.best), below = __uint_as_float(e.y) - best, sum = (float)m.sum * (1.0f / parts);
        const bool is_best = i < size && (int)j == m.column;
        if (is_best) keep_state(p, first + row, j, best);
        if (is_best && p.best) p.best[first + row] = (int32_t)j;
        if (is_best && p.value) p.value[first + row] = best * p.unit + (p.hard ? 0.0f : log2f(sum));
        const float weight = p.hard ? 1.0f : __fdividef(fgi_exp2(below * p.unit), sum);
        const bool survives = p.hard ? is_best : i < size && below >= -p.cut;
        if (survives && !p.hard) bits += weight * (log2f(sum) - below * p.unit);
        out.emit(survives, (e.x & 0xffff0000u) | (local + row), weight);
    }
    entropy += bits;
}

template <int CHUNKS> __device__ void help(const params &p, uint8_t *smem_at, barriers bar)
{
    constexpr layout L = layout_for(CHUNKS);
    const int helper = __shfl_sync(~0u, (int)threadIdx.x / 32, 0) - L.workers / 32 - 1, lane = threadIdx.x & 31;
    const uint32_t stream = blockIdx.x * L.helpers + helper;
    const int64_t base = (int64_t)blockIdx.x * L.tile_rows + helper * HELPED_ROWS, step = (int64_t)gridDim.x * L.tile_rows;
    emitter out = {p.entry + (int64_t)stream * p.capacity, p.weight + (int64_t)stream * p.capacity, 0,
                   (uint32_t)p.capacity};
    candidates found = {reinterpret_cast<uint2 *>(smem_at + L.lists) + helper * LIST, p.more + (int64_t)stream * MORE, 0};
    mark *marks = reinterpret_cast<mark *>(smem_at + L.marks) + helper * HELPED_ROWS;
    float *references = reinterpret_cast<float *>(smem_at + L.references) + helper * HELPED_ROWS;
    double entropy = 0.0;
    unsigned long long lost = 0;
    const int64_t queue = (int64_t)(blockIdx.x * L.workers / 32 + 2 * helper) * QUEUE;
    volatile uint32_t *ends = reinterpret_cast<volatile uint32_t *>(smem_at + L.ends) + 2 * helper * LAG;
    volatile uint32_t *consumed = reinterpret_cast<volatile uint32_t *>(smem_at + L.consumed) + 2 * helper;
    uint32_t from[2] = {0, 0};
    auto begin = [&](int t) {
        if (t >= p.tiles_each) return;
        references[t % RING * L.tile_rows + lane] = reference_for(p, base + t * step + lane);
        fgi_mbar_arrive(bar.begun(t, helper));
    };
    for (int t = 0; t < AHEAD; t++) begin(t);
    for (int t = 0; t < p.tiles_each; t++) {
        marks[lane] = {0, 0, 0, INT32_MAX};
        found.count = 0;
        __syncwarp();
        begin(t + AHEAD);
        fgi_mbar_wait(bar.staged(t, helper), t / LAG & 1);
#pragma unroll
        for (int w = 0; w < 2; w++) {
            const uint32_t end = ends[w * LAG + t % LAG];
            drain(p, queue + w * QUEUE, from[w], end & ~CROWDED, w, references + t % RING * L.tile_rows, marks, found);
            lost += end >> 31;
            from[w] = end & ~CROWDED;
            if (lane == 0) consumed[w] = from[w];
        }
        fgi_mbar_arrive(bar.drained(t, helper));
        const int64_t first = base + t * step;
        const bool several = __any_sync(~0u, marks[lane].candidates > 1);
        if (several) find_best(found, marks, lane);
        if (several || p.value) score_again<CHUNKS>(p, found, marks, first, lane);
        if (several) {
            find_best(found, marks, lane);
            end_several(p, found, marks, first, t * HELPED_ROWS, out, entropy);
        } else {
            end_single(p, found, first, t * HELPED_ROWS, out);
        }
        lost += found.count > LIST + MORE;
        __syncwarp();
    }
    for (int i = 1; i < 32; i *= 2) entropy += __shfl_xor_sync(~0u, entropy, i);
    if (lane == 0) {
        p.count[stream] = out.count;
        p.entropy[stream] = entropy;
        if (lost) atomicAdd(p.lost, lost);
    }
}

/* ------------------------------------------------------------------------------------------------- computing */

/* One thread's view of its two rows, 8 apart, and of its places. */
struct two_rows {
    uint32_t norm[2], minus_reference[2]; /* half2, both halves alike */
    uint32_t limit;                       /* half2 of -cut */
    int staged;
    uint32_t place_at;   /* of place 0 */
    uint32_t begin, end; /* of the row tile's blocks in the queue; counted from the start of the pass */
    __half2 top[2];      /* BOUND: largest scores */
};

__device__ __forceinline__ uint32_t both_halves(float x)
{
    return __half_as_ushort(__float2half_rn(x)) * 0x10001u;
}

__device__ __forceinline__ __half2 as_half2(uint32_t x)
{
    return *reinterpret_cast<const __half2 *>(&x);
}

__device__ __forceinline__ uint32_t as_bits(__half2 x)
{
    return *reinterpret_cast<const uint32_t *>(&x);
}

/* The sums start at slope |x|^2 + bias - reference, so that what comes out of the product is ready to be compared. */
__device__ __forceinline__ void start_sums(uint32_t (&acc)[64], const uint8_t *terms_at, const two_rows &s)
{
    const uint4 *terms = reinterpret_cast<const uint4 *>(terms_at) + (threadIdx.x & 3);
#pragma unroll
    for (int b = 0; b < 16; b++) {
        const uint4 t = terms[4 * b]; /* slopes, biases of two columns of block 2 b, then of block 2 b + 1 */
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const __half2 norm = as_half2(s.norm[r]), minus = as_half2(s.minus_reference[r]);
            acc[4 * b + r] = as_bits(__hfma2(as_half2(t.x), norm, __hadd2(as_half2(t.y), minus)));
            acc[4 * b + 2 + r] = as_bits(__hfma2(as_half2(t.z), norm, __hadd2(as_half2(t.w), minus)));
        }
    }
}

__device__ __forceinline__ uint32_t highest(uint32_t a, uint32_t b)
{
    return as_bits(__hmax2(as_half2(a), as_half2(b)));
}

/* Stages blocks FIRST .. LAST - 1 of a tile where they hold a candidate, from place s.staged on, while there are
 * places. Gives the hits as bits. */
template <int FIRST, int LAST, int WORKERS>
__device__ __forceinline__ uint32_t stage_blocks(const uint32_t (&acc)[64], const two_rows &s)
{
    const uint32_t last = s.place_at + PLACES * WORKERS * 16;
    uint32_t at = s.place_at + s.staged * WORKERS * 16, hits = 0;
#pragma unroll
    for (int n = FIRST; n < LAST; n++) {
        const uint32_t *v = acc + 4 * n;
        const bool hit = fgi_any_greater(highest(highest(v[0], v[1]), highest(v[2], v[3])), s.limit);
        fgi_store_16_if(hit & (at < last), at, v[0], v[1], v[2], v[3]);
        fgi_add_if<WORKERS * 16>(hit, at);
        hits |= hit ? 1u << n : 0u;
    }
    return hits;
}

/* Numbers the blocks that were staged. */
template <int CHUNKS>
__device__ __forceinline__ void tag_blocks(uint8_t *smem_at, two_rows &s, uint32_t hits, int component_tile)
{
    constexpr layout L = layout_for(CHUNKS);
    uint16_t *tags = reinterpret_cast<uint16_t *>(smem_at + L.tags) + threadIdx.x;
#pragma unroll 1
    while (__any_sync(~0u, hits != 0)) {
        if (hits) tags[s.staged * L.workers] = (uint16_t)(component_tile * BLOCKS + __ffs(hits) - 1);
        s.staged += hits != 0;
        hits &= hits - 1;
    }
}

/* Staged blocks go to the queue. */
template <int CHUNKS> __device__ __forceinline__ void enqueue(const params &p, uint8_t *smem_at, two_rows &s)
{
    constexpr layout L = layout_for(CHUNKS);
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    const uint4 *place = reinterpret_cast<const uint4 *>(smem_at + L.places) + threadIdx.x;
    const uint16_t *tag = reinterpret_cast<const uint16_t *>(smem_at + L.tags) + threadIdx.x;
    volatile const uint32_t *consumed = reinterpret_cast<volatile const uint32_t *>(smem_at + L.consumed) + warp;
    const int64_t queue = (int64_t)(blockIdx.x * L.workers / 32 + warp) * QUEUE;
    const int most = __reduce_max_sync(~0u, s.staged);
#pragma unroll 1
    for (int i = 0; i < most; i++) {
        const bool has = i < s.staged;
        const uint32_t mask = __ballot_sync(~0u, has), count = __popc(mask);
        if ((s.end & ~CROWDED) - s.begin + count > QUEUE) {
            s.end |= CROWDED;
            break;
        }
        while ((s.end & ~CROWDED) + count - *consumed > QUEUE) {} /* the helper is behind; earlier row tiles will go */
        const uint32_t to = ((s.end & ~CROWDED) + __popc(mask & ((1u << lane) - 1))) % QUEUE;
        if (has) {
            p.queue[queue + to] = place[i * L.workers];
            p.queue_tag[queue + to] = lane << 16 | tag[i * L.workers];
        }
        s.end += count;
    }
    __syncwarp();
    s.staged = 0;
}

template <int FROM, int CHUNKS>
__device__ __forceinline__ void stage_in_parts(const params &p, uint8_t *smem_at, const uint32_t (&acc)[64], two_rows &s,
                                               int component_tile)
{
    if constexpr (FROM < BLOCKS) {
        constexpr int to = FROM + PLACES < BLOCKS ? FROM + PLACES : BLOCKS;
        tag_blocks<CHUNKS>(smem_at, s, stage_blocks<FROM, to, layout_for(CHUNKS).workers>(acc, s), component_tile);
        enqueue<CHUNKS>(p, smem_at, s);
        stage_in_parts<to, CHUNKS>(p, smem_at, acc, s, component_tile);
    }
}

template <int CHUNKS>
__device__ __forceinline__ void stage_tile(const params &p, uint8_t *smem_at, uint32_t (&acc)[64], two_rows &s,
                                           int component_tile)
{
    const uint32_t hits = stage_blocks<0, BLOCKS, layout_for(CHUNKS).workers>(acc, s);
    const int after = s.staged + __popc(hits);
    if (!__any_sync(~0u, after > PLACES)) {
        tag_blocks<CHUNKS>(smem_at, s, hits, component_tile);
        if (__any_sync(~0u, after == PLACES)) enqueue<CHUNKS>(p, smem_at, s);
    } else { /* again, in parts that cannot run out of places */
        fgi_wgmma_pin(acc); /* else the first attempt would keep its comparisons for this rare one */
        enqueue<CHUNKS>(p, smem_at, s);
        stage_in_parts<0, CHUNKS>(p, smem_at, acc, s, component_tile);
    }
}

__device__ __forceinline__ void raise_top(const uint32_t (&acc)[64], two_rows &s)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        uint32_t high = acc[r];
#pragma unroll
        for (int b = 1; b < 32; b++) high = highest(high, acc[2 * b + r]);
        s.top[r] = __hmax2(s.top[r], as_half2(high));
    }
}

/* The bound is a screened score less the margin; screening was done against a reference of 0. */
__device__ __forceinline__ void tell_bound(const params &p, const two_rows &s, int64_t row)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float top = fmaxf(__low2float(s.top[r]), __high2float(s.top[r]));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
        if ((threadIdx.x & 3) == 0 && row + 8 * r < p.rows)
            p.bound[row + 8 * r] = top - margin_for(p, __ldg(p.norm + row + 8 * r));
    }
}

template <int MODE, int CHUNKS>
__device__ void compute(const params &p, uint8_t *smem_at, uint32_t smem, barriers bar)
{
    constexpr layout L = layout_for(CHUNKS);
    const int thread = threadIdx.x, lane = thread & 31, helper = thread >> 6;
    const int group = __shfl_sync(~0u, thread >> 7, 0); /* known to be uniform: so are operand addresses */
    const int in_tile = (thread >> 5) * 16 + (lane >> 2);
    const uint32_t rows_at = L.rows + group * CHUNKS * ROW_CHUNK_BYTES;
    const uint32_t release_at = fgi_cluster_address(bar.empty(0), lane & 1); /* lane r tells CTA r of the cluster */
    const uint32_t my_turn = 1 + group, next_turn = 1 + (group + 1 == L.groups ? 0 : group + 1);
    uint32_t turn = 0;
    two_rows s = {};
    uint32_t acc[64];
    s.limit = both_halves(-p.cut);
    s.place_at = smem + L.places + thread * 16;
    auto row_of = [&](int t) { return ((int64_t)t * gridDim.x + blockIdx.x) * L.tile_rows + in_tile; };
    float next_norm[2] = {0.0f, 0.0f};
    auto look_ahead = [&](int t) {
        const int64_t row = row_of(t);
        if (row < p.rows) next_norm[0] = __ldg(p.norm + row);
        if (row + 8 < p.rows) next_norm[1] = __ldg(p.norm + row + 8);
    };
    look_ahead(0);
    if (group == L.groups - 1) fgi_named_arrive(1, 256); /* the first turn is group 0's */
    for (int t = 0; t < p.tiles_each; t++) {
#pragma unroll
        for (int r = 0; r < 2; r++) s.norm[r] = both_halves(next_norm[r] * p.norm_scale);
        look_ahead(t + 1);
        if (MODE == FGI_CUDA_FIND) {
            fgi_mbar_wait(bar.begun(t, helper), t / RING & 1);
            const float *references = reinterpret_cast<const float *>(smem_at + L.references) + t % RING * L.tile_rows + in_tile;
            s.minus_reference[0] = both_halves(-references[0]);
            s.minus_reference[1] = both_halves(-references[8]);
        }
        s.top[0] = s.top[1] = __half2half2(__ushort_as_half(0xfc00));
        for (int ct = 0; ct < p.component_tiles; ct++, turn++) {
            const uint32_t terms = turn % TERMS_STAGES;
            fgi_mbar_wait(bar.terms_full(terms), turn / TERMS_STAGES & 1);
            start_sums(acc, smem_at + L.terms + terms * TERMS_BYTES, s);
            if (ct == 0) fgi_mbar_wait(bar.rows_full(group), t & 1);

            fgi_wgmma_pin(acc); /* all of the above comes before the turn */
            fgi_named_sync(my_turn, 256);
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                const uint32_t stage = stage_of(turn * CHUNKS + c);
                fgi_mbar_wait(bar.full(stage), phase_of(turn * CHUNKS + c));
                fgi_wgmma_pin(acc);
                fgi_wgmma_fence();
                const uint64_t a = fgi_wgmma_operand(smem + rows_at + c * ROW_CHUNK_BYTES);
                const uint64_t b = fgi_wgmma_operand(smem + L.means + stage * STAGE_BYTES);
#pragma unroll
                for (int k16 = 0; k16 < CHUNK / 16; k16++) fgi_wgmma_64x256x16(acc, a + 2 * k16, b + 2 * k16);
                fgi_wgmma_commit();
            }
            if (group + 1 < L.groups || t + 1 < p.tiles_each || ct + 1 < p.component_tiles)
                fgi_named_arrive(next_turn, 256);
            fgi_wgmma_wait<0>();
            fgi_wgmma_pin(acc);
            if (lane < 2)
#pragma unroll
                for (int c = 0; c < CHUNKS; c++) fgi_mbar_arrive_cluster(release_at + 8 * stage_of(turn * CHUNKS + c));
            /* not before: a load that is under way does not hold back an arrive */
            if (lane == 0) fgi_mbar_arrive(bar.terms_empty(terms));
            if (ct + 1 == p.component_tiles && lane == 0) fgi_mbar_arrive(bar.rows_empty(group));
            if (MODE == FGI_CUDA_FIND)
                stage_tile<CHUNKS>(p, smem_at, acc, s, ct);
            else if (MODE == FGI_CUDA_BOUND)
                raise_top(acc, s);
            else
                s.top[0] = __hmax2(as_half2(acc[0]), __hmax2(as_half2(acc[17]), as_half2(acc[63])));
        }
        if (MODE == FGI_CUDA_FIND) {
            enqueue<CHUNKS>(p, smem_at, s);
            fgi_mbar_wait(bar.drained(t, helper), (t / LAG & 1) ^ 1); /* row tile t - LAG */
            if (lane == 0)
                reinterpret_cast<volatile uint32_t *>(smem_at + L.ends)[(thread / 32) * LAG + t % LAG] = s.end;
            fgi_mbar_arrive(bar.staged(t, helper));
            s.end &= ~CROWDED;
            s.begin = s.end;
        }
        if (MODE == FGI_CUDA_BOUND) tell_bound(p, s, row_of(t));
    }
    if (MODE == FGI_CUDA_PRODUCT && __low2float(s.top[0]) == 1.2345f) p.count[0] = 1;
}

template <int MODE, int CHUNKS>
__global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(layout_for(CHUNKS).threads, 1)
    screen(const __grid_constant__ CUtensorMap rows_map, const __grid_constant__ CUtensorMap means_map,
           const __grid_constant__ params p)
{
    extern __shared__ uint8_t raw[];
    constexpr layout L = layout_for(CHUNKS);
    const uint32_t smem = (fgi_shared_address(raw) + 1023) & ~1023u;
    uint8_t *smem_at = raw + (smem - fgi_shared_address(raw));
    const barriers bar = {smem + L.barriers};
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            fgi_mbar_init(bar.full(s), 1);
            fgi_mbar_init(bar.empty(s), 2 * L.workers / 32);
        }
        for (int s = 0; s < TERMS_STAGES; s++) {
            fgi_mbar_init(bar.terms_full(s), 1);
            fgi_mbar_init(bar.terms_empty(s), L.workers / 32);
        }
        for (int group = 0; group < L.groups; group++) {
            fgi_mbar_init(bar.rows_full(group), 1);
            fgi_mbar_init(bar.rows_empty(group), 4);
        }
        for (int helper = 0; helper < L.helpers; helper++) {
            for (int t = 0; t < RING; t++) fgi_mbar_init(bar.begun(t, helper), 32);
            for (int t = 0; t < LAG; t++) {
                fgi_mbar_init(bar.staged(t, helper), 64);
                fgi_mbar_init(bar.drained(t, helper), 32);
            }
        }
        for (int warp = 0; warp < L.workers / 32; warp++) reinterpret_cast<uint32_t *>(smem_at + L.consumed)[warp] = 0;
        fgi_mbar_init_fence();
        fgi_tma_prefetch_map(&rows_map);
        fgi_tma_prefetch_map(&means_map);
    }
    __syncthreads();
    fgi_cluster_arrive();
    fgi_cluster_wait();
    if (threadIdx.x < L.workers) {
        if (L.groups == 3) fgi_registers_more<104>();
        compute<MODE, CHUNKS>(p, smem_at, smem, bar);
    } else {
        if (L.groups == 3) fgi_registers_less<80>();
        const int warp = (int)(threadIdx.x - L.workers) / 32;
        if (threadIdx.x == L.workers) load<CHUNKS>(p, &rows_map, &means_map, smem, bar, fgi_cluster_rank());
        if (MODE == FGI_CUDA_FIND && warp >= 1 && warp <= L.helpers) help<CHUNKS>(p, smem_at, bar);
        __syncwarp();
    }
    /* neither CTA may leave while the other still writes to it */
    fgi_cluster_arrive();
    fgi_cluster_wait();
}

/* ------------------------------------------------------------------------------------------------- launching */

typedef CUresult (*encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *,
                              const cuuint64_t *, const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave,
                              CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

cudaError_t make_map(CUtensorMap *map, const void *base, int64_t rows, int32_t d, int32_t ld, int32_t box_rows)
{
    void *f = nullptr;
    cudaDriverEntryPointQueryResult found;
    cudaError_t e = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &found);
    if (e != cudaSuccess) return e;
    const cuuint64_t size[2] = {(cuuint64_t)d, (cuuint64_t)rows}, stride[1] = {(cuuint64_t)ld * 2};
    const cuuint32_t box[2] = {CHUNK, (cuuint32_t)box_rows}, step[2] = {1, 1};
    const CUresult r = ((encode_fn)f)(map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<void *>(base), size, stride,
                                      box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

template <int MODE, int CHUNKS>
cudaError_t launch(const fgi_cuda_screen_args *a, const params &p, const CUtensorMap &rows_map,
                   const CUtensorMap &means_map, cudaStream_t s)
{
    constexpr layout L = layout_for(CHUNKS);
    cudaError_t e = cudaFuncSetAttribute(screen<MODE, CHUNKS>, cudaFuncAttributeMaxDynamicSharedMemorySize, L.total);
    if (e != cudaSuccess) return e;
    screen<MODE, CHUNKS><<<a->grid, L.threads, L.total, s>>>(rows_map, means_map, p);
    return cudaGetLastError();
}

template <int CHUNKS>
cudaError_t launch_mode(const fgi_cuda_screen_args *a, const params &p, const CUtensorMap &rows_map,
                        const CUtensorMap &means_map, cudaStream_t s)
{
    switch (a->mode) {
    case FGI_CUDA_FIND: return launch<FGI_CUDA_FIND, CHUNKS>(a, p, rows_map, means_map, s);
    case FGI_CUDA_BOUND: return launch<FGI_CUDA_BOUND, CHUNKS>(a, p, rows_map, means_map, s);
    default: return launch<FGI_CUDA_PRODUCT, CHUNKS>(a, p, rows_map, means_map, s);
    }
}

} // namespace

extern "C" int64_t fgi_cuda_screen_scratch_bytes(int32_t grid)
{
    return (int64_t)grid * (12 * QUEUE * 20 + 6 * MORE * 8);
}

extern "C" fg_status fgi_cuda_screen(const fgi_cuda_screen_args *a, cudaStream_t s)
{
    const fgi_cuda_model *m = &a->model;
    if (a->rows.ld != m->ld || a->rows.d != m->d) return cudaErrorInvalidValue;
    CUtensorMap rows_map, means_map;
    cudaError_t e = make_map(&rows_map, a->rows.high, a->rows.rows, m->d, m->ld, GROUP_ROWS);
    if (e == cudaSuccess) e = make_map(&means_map, m->means16, m->k, m->d, m->ld, TILE_COMPONENTS / 2);
    if (e != cudaSuccess) return e;
    const int32_t tile_rows = GROUP_ROWS * fgi_cuda_screen_groups(m->d);
    const int64_t tiles = (a->rows.rows + tile_rows - 1) / tile_rows;
    params p = {};
    p.terms16 = (const uint8_t *)m->terms16;
    p.terms = m->terms;
    p.norm = a->rows.norm;
    p.means = (const __half *)m->means16;
    p.high = (const __half *)a->rows.high;
    p.spheres = m->spheres;
    p.state = a->state;
    p.reference = a->reference;
    p.bound = a->bound;
    p.entry = a->out.entry;
    p.weight = a->out.weight;
    p.count = a->out.count;
    p.entropy = a->out.entropy;
    p.lost = (unsigned long long *)a->out.lost;
    p.value = a->value;
    p.best = a->best;
    p.queue = (uint4 *)a->scratch;
    p.more = (uint2 *)(p.queue + (int64_t)a->grid * 12 * QUEUE);
    p.queue_tag = (uint32_t *)(p.more + (int64_t)a->grid * 6 * MORE);
    p.rows = a->rows.rows;
    p.tiles_each = (int32_t)((tiles + a->grid - 1) / a->grid);
    p.component_tiles = (m->k + TILE_COMPONENTS - 1) / TILE_COMPONENTS;
    p.capacity = a->out.capacity;
    p.ld = m->ld;
    p.unit = m->unit;
    p.norm_scale = m->norm_scale;
    p.largest = m->largest;
    p.steps = (float)((m->d + 15) / 16);
    p.cut = a->cut / m->unit;
    p.hard = m->kind == FGI_CUDA_HARD;
    p.near = p.hard ? INFINITY : a->near / m->unit;
    switch ((m->d + CHUNK - 1) / CHUNK) {
    case 1: return launch_mode<1>(a, p, rows_map, means_map, s);
    case 2: return launch_mode<2>(a, p, rows_map, means_map, s);
    case 3:
    case 4: return launch_mode<4>(a, p, rows_map, means_map, s);
    default: return cudaErrorInvalidValue;
    }
}
