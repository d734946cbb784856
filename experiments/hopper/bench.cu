/* SPDX-License-Identifier: Apache-2.0 */
/* bench.cu - checks one iteration against float64, then times it. One JSON object a line.
 *     bench check KIND N K D SPREAD CUT       fresh data; spread: standard deviation of the true means (rows: 0.7 about them)
 *     bench time  KIND N K D SPREAD CUT [CHUNK SURVIVORS_A_ROW GUESS NEAR] */
#include "prepare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#define CK(e)                                                                                              \
    do {                                                                                                   \
        cudaError_t e_ = (cudaError_t)(e);                                                                 \
        if (e_ != cudaSuccess) {                                                                           \
            printf("{\"error\": \"%s\", \"line\": %d}\n", cudaGetErrorString(e_), __LINE__);               \
            exit(1);                                                                                       \
        }                                                                                                  \
    } while (0)

static const float SIGMA = 0.7f;

__host__ __device__ static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

__device__ static float normal(uint64_t seed, uint64_t i)
{
    const uint64_t h = mix(seed * 0x2545f4914f6cdd1dull + i);
    const float u = ((uint32_t)h + 0.5f) * 0x1p-32f, v = (uint32_t)(h >> 32) * 0x1p-32f;
    return sqrtf(-2.0f * logf(u)) * cospif(2.0f * v);
}

__global__ void make_means(uint64_t seed, float spread, float extra, int64_t n, float *m)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) m[i] = spread * normal(seed, i) + extra * normal(seed + 1, i);
}

__global__ void make_rows(uint64_t seed, float spread, int64_t rows, int k, int d, float *x)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows * d) return;
    const int64_t row = i / d, c = i % d;
    const int64_t j = mix(seed * 77 + row) % k;
    x[i] = spread * normal(seed, j * d + c) + SIGMA * normal(seed + 2, i);
}

/* ---- float64 reference: 8 rows a block, components over threads */
enum { REF_ROWS = 8, REF_THREADS = 256 };

__device__ double ref_score(int kind, const double *x, const double *means_t, const double *variance, const double *lw, int k,
                            int d, int j)
{
    double s = 0.0;
    for (int c = 0; c < d; c++) {
        const double v = x[c] - means_t[(int64_t)c * k + j];
        s += v * v;
    }
    return kind == FGI_CUDA_HARD ? -s : lw[j] - 0.5 * d * log(2.0 * 3.14159265358979323846 * variance[j]) - 0.5 * s / variance[j];
}

__global__ void reference(int kind, const float *x, int64_t rows, int k, int d, const double *means_t, const double *variance,
                          const double *lw, double *lse, int *best, double *mass, double *shift, double *square,
                          unsigned long long *near)
{
    extern __shared__ double sm[];
    double *xs = sm;                              /* d */
    double *red = sm + d;                         /* 256 */
    int *redj = (int *)(red + REF_THREADS);       /* 256 */
    for (int r = 0; r < REF_ROWS; r++) {
        const int64_t row = (int64_t)blockIdx.x * REF_ROWS + r;
        if (row >= rows) return;
        __syncthreads();
        for (int c = threadIdx.x; c < d; c += blockDim.x) xs[c] = x[row * d + c];
        __syncthreads();
        double score[64], top = -1e300;
        int topj = 0, n = 0;
        for (int j = threadIdx.x; j < k; j += blockDim.x, n++) {
            score[n] = ref_score(kind, xs, means_t, variance, lw, k, d, j);
            if (score[n] > top) top = score[n], topj = j;
        }
        red[threadIdx.x] = top, redj[threadIdx.x] = topj;
        __syncthreads();
        for (int step = 128; step; step /= 2) {
            if ((int)threadIdx.x < step && (red[threadIdx.x + step] > red[threadIdx.x] ||
                (red[threadIdx.x + step] == red[threadIdx.x] && redj[threadIdx.x + step] < redj[threadIdx.x])))
                red[threadIdx.x] = red[threadIdx.x + step], redj[threadIdx.x] = redj[threadIdx.x + step];
            __syncthreads();
        }
        top = red[0], topj = redj[0];
        __syncthreads();
        double sum = 0.0;
        for (int i = 0; i < n; i++) sum += exp(score[i] - top);
        red[threadIdx.x] = sum;
        __syncthreads();
        for (int step = 128; step; step /= 2) {
            if ((int)threadIdx.x < step) red[threadIdx.x] += red[threadIdx.x + step];
            __syncthreads();
        }
        const double z = kind == FGI_CUDA_HARD ? top : top + log(red[0]);
        __syncthreads();
        if (threadIdx.x == 0) lse[row] = z, best[row] = topj;
        n = 0;
        for (int j = threadIdx.x; j < k; j += blockDim.x, n++) {
            const double w = kind == FGI_CUDA_HARD ? (j == topj) : exp(score[n] - z);
            if (w > 1e-7) atomicAdd(near, 1ull);
            if (w < 1e-13) continue;
            atomicAdd(mass + j, w);
            double sq = 0.0;
            for (int c = 0; c < d; c++) {
                const double v = xs[c] - means_t[(int64_t)c * k + j];
                atomicAdd(shift + (int64_t)j * d + c, w * v);
                sq += v * v;
            }
            atomicAdd(square + j, w * sq);
        }
    }
}

template <class T> static T *take(int64_t count)
{
    void *p;
    CK(cudaMalloc(&p, count * sizeof(T) + 16));
    CK(cudaMemset(p, 0xff, count * sizeof(T)));
    return (T *)p;
}

template <class T> static std::vector<T> fetch(const T *p, int64_t n)
{
    std::vector<T> v(n);
    CK(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
    return v;
}

struct problem {
    int kind, k, d, ld, grid, streams;
    int64_t n, chunk, capacity;
    float cut, near;
    float *x, *center;
    fgi_cuda_rows rows;
    fgi_cuda_model model;
    fgi_cuda_params params, next;
    fgi_cuda_model next_model;
    fgi_cuda_screen_args screen;
    fgi_cuda_order_args order;
    fgi_cuda_sums_args sums;
    double *mass, *shift, *square;
    uint32_t *state;
    float *bound;
    bool guessing;
    int64_t workspace;
};

static void setup(problem &p, float spread, double per_row)
{
    cudaDeviceProp prop;
    CK(cudaGetDeviceProperties(&prop, 0));
    p.grid = prop.multiProcessorCount & ~1;
    const int d = p.d, k = p.k;
    p.ld = (d + 7) & ~7;
    const uint64_t seed = 12345 + p.n;
    p.center = take<float>(d);
    CK(cudaMemset(p.center, 0, d * 4));
    void *high = take<uint16_t>(p.n * p.ld);
    float *norm = take<float>(p.n);
    const int64_t slab = 1 << 20;
    const bool keep = p.x != nullptr;
    if (keep) p.x = take<float>(p.n * d);
    float *tmp = keep ? p.x : take<float>(std::min(slab, p.n) * d);
    if (keep) {
        make_rows<<<(unsigned)((p.n * d + 255) / 256), 256>>>(seed, spread, p.n, k, d, p.x);
        CK(fgi_cuda_pack_rows(p.x, p.n, d, p.center, p.ld, high, norm, 0));
    } else {
        for (int64_t i = 0; i < p.n; i += slab) { /* the same rows' labels repeat with other noise: seed varies by slab */
            const int64_t m = std::min(slab, p.n - i);
            make_rows<<<(unsigned)((m * d + 255) / 256), 256>>>(seed, spread, m, k, d, tmp);
            CK(fgi_cuda_pack_rows(tmp, m, d, p.center, p.ld, (char *)high + i * p.ld * 2, norm + i, 0));
        }
    }
    CK(cudaDeviceSynchronize());
    if (!keep) CK(cudaFree(tmp));
    float *start = take<float>((int64_t)k * d);
    make_means<<<(unsigned)(((int64_t)k * d + 255) / 256), 256>>>(seed, spread, 0.1f, (int64_t)k * d, start);
    std::vector<float> m = fetch(start, (int64_t)k * d);
    std::vector<double> means(m.begin(), m.end()), variance(k), lw(k);
    for (int j = 0; j < k; j++) {
        variance[j] = p.kind == FGI_CUDA_HARD ? 1.0 : 0.6 * (1.0 + 0.2 * (j % 5 - 2) / 2.0);
        lw[j] = -log((double)k) + 0.1 * (j % 3 - 1);
    }
    p.params = {take<double>((int64_t)k * d), take<double>(k), take<double>(k)};
    p.next = {take<double>((int64_t)k * d), take<double>(k), take<double>(k)};
    CK(cudaMemcpy(p.params.means, means.data(), means.size() * 8, cudaMemcpyHostToDevice));
    CK(cudaMemcpy(p.params.variance, variance.data(), k * 8, cudaMemcpyHostToDevice));
    CK(cudaMemcpy(p.params.log_weight, lw.data(), k * 8, cudaMemcpyHostToDevice));
    const int padded = (k + 255) / 256 * 256;
    auto make_model = [&]() {
        fgi_cuda_model m = {p.kind, k, d, p.ld, take<uint16_t>((int64_t)k * p.ld), take<float2>(k), take<uint32_t>(padded),
                            take<float>((int64_t)k * d), take<float4>(k), 1.0f, 0.25f, take<float>(3)};
        return m;
    };
    p.model = make_model(), p.next_model = make_model();
    CK(fgi_cuda_pack_model(&p.model, &p.params, nullptr, 0));
    p.rows = {p.n, d, p.ld, high, norm};
    const int groups = fgi_cuda_screen_groups(d), tile_rows = groups * FGI_CUDA_GROUP_ROWS;
    p.streams = p.grid * groups * 2;
    const int64_t each = (p.chunk + (int64_t)p.grid * tile_rows - 1) / ((int64_t)p.grid * tile_rows) * FGI_CUDA_STREAM_ROWS; /* rows a stream */
    p.capacity = p.kind == FGI_CUDA_SPHERICAL ? (int64_t)(each * per_row) + 64 : each;
    const int64_t entries = p.capacity * p.streams;
    const int64_t floats = fgi_cuda_sums_partial_floats(prop.multiProcessorCount, k, d, entries);
    fgi_cuda_streams st = {p.streams, (int32_t)p.capacity, take<uint32_t>(entries), take<float>(entries),
                           take<uint32_t>(p.streams), take<double>(p.streams), take<uint64_t>(1)};
    CK(cudaMemset(st.lost, 0, 8));
    p.screen = {FGI_CUDA_FIND, p.model, p.rows, st, p.kind == FGI_CUDA_HARD ? 0.0f : p.cut, p.near, nullptr, nullptr, nullptr, nullptr,
                nullptr, take<char>(fgi_cuda_screen_scratch_bytes(p.grid)), p.grid};
    const int blocks = fgi_cuda_order_blocks(p.streams, (int32_t)p.capacity);
    p.order = {st, k, take<uint32_t>((int64_t)blocks * k), take<uint32_t>(k + 1),
               take<uint2>(entries)};
    p.mass = take<double>(k), p.shift = take<double>((int64_t)k * d), p.square = take<double>(k);
    p.sums = {p.model, p.rows, p.order.sorted, p.order.start, prop.multiProcessorCount, take<float>(floats), p.mass, p.shift,
              p.square};
    p.workspace = entries * 16 + fgi_cuda_screen_scratch_bytes(p.grid) + (int64_t)blocks * k * 4 + floats * 4;
    /* what an earlier pass would have told: the best component of each row */
    p.state = take<uint32_t>(p.n);
    p.bound = take<float>(p.n);
    fgi_cuda_screen_args a = p.screen;
    a.mode = FGI_CUDA_BOUND, a.bound = p.bound;
    CK(fgi_cuda_screen(&a, 0));
    a.mode = FGI_CUDA_FIND, a.bound = nullptr, a.reference = p.bound, a.state = p.state;
    CK(fgi_cuda_screen(&a, 0));
    CK(cudaDeviceSynchronize());
    cudaFree(start);
}

/* mask: 1 screen, 2 order, 4 sums, 8 update */
static void iterate(problem &p, int mask, cudaStream_t s)
{
    CK(cudaMemsetAsync(p.mass, 0, p.k * 8, s));
    CK(cudaMemsetAsync(p.shift, 0, (int64_t)p.k * p.d * 8, s));
    CK(cudaMemsetAsync(p.square, 0, p.k * 8, s));
    for (int64_t i = 0; i < p.n; i += p.chunk) {
        fgi_cuda_rows rows = p.rows;
        rows.rows = std::min(p.chunk, p.n - i);
        rows.high = (const char *)rows.high + i * p.ld * 2;
        rows.norm += i;
        p.screen.rows = p.sums.rows = rows;
        fgi_cuda_screen_args a = p.screen;
        a.state = p.state + i;
        if (!p.guessing) a.reference = p.bound + i;
        if (a.value) a.value += i;
        if (a.best) a.best += i;
        if (mask & 1) CK(fgi_cuda_screen(&a, s));
        if (mask & 2) CK(fgi_cuda_order(&p.order, s));
        if (mask & 4) CK(fgi_cuda_sums(&p.sums, s));
    }
    if (mask & 8) {
        CK(fgi_cuda_update(p.k, p.d, (double)p.n, p.mass, p.shift, p.square, &p.params, &p.next, s));
        CK(fgi_cuda_pack_model(&p.next_model, &p.next, &p.model, s));
    }
}

static double relative(const std::vector<double> &a, const std::vector<double> &b)
{
    double e = 0, r = 0;
    for (size_t i = 0; i < a.size(); i++) e += (a[i] - b[i]) * (a[i] - b[i]), r += b[i] * b[i];
    return sqrt(e / r);
}

static void check(problem &p)
{
    const int k = p.k, d = p.d;
    cudaStream_t s;
    CK(cudaStreamCreate(&s));
    const bool values = p.kind == FGI_CUDA_SPHERICAL;
    p.screen.best = take<int32_t>(p.n);
    const std::vector<uint32_t> state = fetch(p.state, p.n);
    iterate(p, 15, s);
    CK(cudaStreamSynchronize(s));
    std::vector<double> mass = fetch(p.mass, k), shift = fetch(p.shift, (int64_t)k * d), square = fetch(p.square, k);
    const std::vector<uint32_t> count = fetch(p.screen.out.count, p.streams);
    const uint64_t lost = fetch(p.screen.out.lost, 1)[0];
    CK(cudaMemcpy(p.state, state.data(), p.n * 4, cudaMemcpyHostToDevice));
    iterate(p, 15, s);
    CK(cudaStreamSynchronize(s));
    const bool same = fetch(p.mass, k) == mass && fetch(p.shift, (int64_t)k * d) == shift && fetch(p.square, k) == square;
    p.screen.value = values ? take<float>(p.n) : nullptr;
    if (values) iterate(p, 1, s);
    CK(cudaStreamSynchronize(s));
    /* reference */
    std::vector<double> means = fetch(p.params.means, (int64_t)k * d), t((int64_t)k * d);
    for (int j = 0; j < k; j++)
        for (int c = 0; c < d; c++) t[(int64_t)c * k + j] = means[(int64_t)j * d + c];
    double *mt = take<double>((int64_t)k * d), *lse = take<double>(p.n), *rm = take<double>(k), *rs = take<double>((int64_t)k * d),
           *rq = take<double>(k);
    int *best = take<int>(p.n);
    unsigned long long *near = take<unsigned long long>(1);
    CK(cudaMemcpy(mt, t.data(), t.size() * 8, cudaMemcpyHostToDevice));
    CK(cudaMemset(rm, 0, k * 8)); CK(cudaMemset(rs, 0, (int64_t)k * d * 8)); CK(cudaMemset(rq, 0, k * 8)); CK(cudaMemset(near, 0, 8));
    reference<<<(unsigned)((p.n + REF_ROWS - 1) / REF_ROWS), REF_THREADS, d * 8 + REF_THREADS * 12>>>(
        p.kind, p.x, p.n, k, d, mt, p.params.variance, p.params.log_weight, lse, best, rm, rs, rq, near);
    CK(cudaGetLastError());
    CK(cudaDeviceSynchronize());
    std::vector<double> z = fetch(lse, p.n);
    double worst = 0, mean = 0;
    int64_t differ = 0;
    if (p.kind == FGI_CUDA_SPHERICAL) {
        std::vector<float> v = fetch(p.screen.value, p.n);
        for (int64_t i = 0; i < p.n; i++) {
            const double e = fabs(v[i] * 0.6931471805599453 - z[i]);
            worst = e > worst || e != e ? e : worst, mean += e / p.n;
        }
    }
    {
        std::vector<int> b = fetch(p.screen.best, p.n), rb = fetch(best, p.n);
        for (int64_t i = 0; i < p.n; i++) differ += b[i] != rb[i];
    }
    if (getenv("FGI_DEBUG")) {
        std::vector<int> b = fetch(p.screen.best, p.n), rb = fetch(best, p.n), gs(p.n);
        for (int64_t i = 0; i < p.n; i++) gs[i] = state[i] >> 16;
        std::vector<float> bd = fetch(p.bound, p.n), v = values ? fetch(p.screen.value, p.n) : std::vector<float>(p.n);
        int told = 0;
        for (int64_t i = 0; i < p.n && told < 12; i++)
            if (b[i] != rb[i] || gs[i] != rb[i] || v[i] != v[i])
                printf("row %lld in_tile %lld: best %d ref %d guess %d bound %g lse2 %g value %g\n", (long long)i, (long long)(i % 192), b[i], rb[i],
                       gs[i], bd[i], z[i] * 1.4426950408889634, v[i]), told++;
    }
    uint64_t kept = 0, full = 0;
    for (uint32_t c : count) kept += c, full += c > p.capacity;
    /* an independent look at one row on the host */
    double host = 0;
    if (p.kind == FGI_CUDA_SPHERICAL) {
        const int64_t row = p.n - 1;
        float *at = p.x + row * d;
        std::vector<float> x = fetch(at, d);
        std::vector<double> var = fetch(p.params.variance, k), lw = fetch(p.params.log_weight, k);
        double top = -1e300, sum = 0;
        std::vector<double> sc(k);
        for (int j = 0; j < k; j++) {
            double q = 0;
            for (int c = 0; c < d; c++) q += (x[c] - means[(int64_t)j * d + c]) * (x[c] - means[(int64_t)j * d + c]);
            sc[j] = lw[j] - 0.5 * d * log(2 * M_PI * var[j]) - 0.5 * q / var[j];
            top = std::max(top, sc[j]);
        }
        for (double v : sc) sum += exp(v - top);
        host = fabs(top + log(sum) - z[row]);
    }
    printf("{\"check\": \"%s\", \"N\": %lld, \"K\": %d, \"D\": %d, \"kept_per_row\": %.3f, \"above_1e-7\": %.3f, \"lost\": %llu, \"full\": %llu, "
           "\"lse_max\": %.3g, \"lse_mean\": %.3g, \"labels_differ\": %lld, \"mass\": %.3g, \"shift\": %.3g, \"square\": %.3g, "
           "\"repeatable\": %s, \"host_vs_ref\": %.2g}\n",
           p.kind ? "spherical" : "hard", (long long)p.n, k, d, (double)kept / p.n, (double)fetch(near, 1)[0] / p.n,
           (unsigned long long)lost, (unsigned long long)full, worst, mean, (long long)differ, relative(mass, fetch(rm, k)),
           relative(shift, fetch(rs, (int64_t)k * d)), relative(square, fetch(rq, k)), same ? "true" : "false", host);
    fflush(stdout);
}

static double median(problem &p, int mask, int runs, double *spread)
{
    cudaStream_t s;
    cudaEvent_t a, b;
    CK(cudaStreamCreate(&s)); CK(cudaEventCreate(&a)); CK(cudaEventCreate(&b));
    std::vector<float> ms;
    for (int i = 0; i < runs + 2; i++) {
        CK(cudaEventRecord(a, s));
        iterate(p, mask, s);
        CK(cudaEventRecord(b, s));
        CK(cudaEventSynchronize(b));
        float t;
        CK(cudaEventElapsedTime(&t, a, b));
        if (i >= 2) ms.push_back(t);
    }
    std::sort(ms.begin(), ms.end());
    *spread = ms.back() - ms.front();
    return ms[ms.size() / 2];
}

static void time_it(problem &p)
{
    const int kind = p.kind;
    double spread, s2;
    const double all = median(p, 15, 9, &spread), screen = median(p, 1, 9, &s2), order = median(p, 2, 9, &s2),
                 sums = median(p, 4, 9, &s2), update = median(p, 8, 9, &s2);
    const int mode = p.screen.mode;
    p.screen.mode = FGI_CUDA_PRODUCT;
    const double product = median(p, 1, 9, &s2);
    p.screen.mode = FGI_CUDA_BOUND;
    p.screen.bound = p.bound;
    const double best = median(p, 1, 9, &s2);
    p.screen.mode = mode;
    iterate(p, 1, 0);
    CK(cudaDeviceSynchronize());
    uint64_t kept = 0, full = 0;
    for (uint32_t c : fetch(p.screen.out.count, p.streams)) kept += c, full += c > p.capacity;
    const double flop = 2.0 * p.n * p.k * p.d;
    printf("{\"time\": \"%s\", \"N\": %lld, \"K\": %d, \"D\": %d, \"chunk\": %lld, \"guess\": %d, \"ms\": %.3f, \"spread\": %.3f, \"screen\": %.3f, \"order\": %.3f, "
           "\"sums\": %.3f, \"update\": %.3f, \"bound\": %.3f, \"product_only\": %.3f, \"screen_tflops\": %.0f, \"product_tflops\": %.0f, \"kept_last_chunk\": %.3f, \"full\": %llu, "
           "\"lost\": %llu, \"workspace_mb\": %.1f}\n",
           kind ? "spherical" : "hard", (long long)p.n, p.k, p.d, (long long)p.chunk, (int)p.guessing, all, spread, screen, order, sums, update, best,
           product, flop / screen * 1e-9, flop / product * 1e-9, (double)kept / std::min<int64_t>(p.chunk, p.n % p.chunk ? p.n % p.chunk : p.chunk),
           (unsigned long long)full, (unsigned long long)fetch(p.screen.out.lost, 1)[0], p.workspace * 1e-6);
    fflush(stdout);
}

/* Real EM (or Lloyd) iterations from the start values, each timed; every one but the first has the state of the last. */
static void em(problem &p, int iterations)
{
    cudaStream_t s;
    cudaEvent_t a, b;
    CK(cudaStreamCreate(&s)); CK(cudaEventCreate(&a)); CK(cudaEventCreate(&b));
    std::string times, objectives, kept;
    double last = -1e300;
    bool rises = true;
    for (int it = 0; it < iterations; it++) {
        CK(cudaEventRecord(a, s));
        iterate(p, 15, s);
        CK(cudaEventRecord(b, s));
        CK(cudaEventSynchronize(b));
        float ms;
        CK(cudaEventElapsedTime(&ms, a, b));
        const std::vector<double> mass = fetch(p.mass, p.k), square = fetch(p.square, p.k), var = fetch(p.params.variance, p.k),
                                  lw = fetch(p.params.log_weight, p.k), entropy = fetch(p.screen.out.entropy, p.streams);
        double f = 0;
        for (int j = 0; j < p.k; j++)
            f += p.kind == FGI_CUDA_HARD ? -square[j] : mass[j] * (lw[j] - 0.5 * p.d * log(2 * M_PI * var[j])) - 0.5 * square[j] / var[j];
        if (p.kind != FGI_CUDA_HARD && p.n <= p.chunk)
            for (double e : entropy) f += e * 0.6931471805599453;
        f /= p.n;
        rises &= f >= last - 1e-6 * fabs(last);
        last = f;
        uint64_t count = 0;
        for (uint32_t c : fetch(p.screen.out.count, p.streams)) count += c;
        char text[64];
        snprintf(text, sizeof text, "%s%.3f", it ? ", " : "", ms), times += text;
        snprintf(text, sizeof text, "%s%.6f", it ? ", " : "", f), objectives += text;
        snprintf(text, sizeof text, "%s%.2f", it ? ", " : "", (double)count / std::min<int64_t>(p.n, p.n % p.chunk ? p.n % p.chunk : p.chunk)), kept += text;
        std::swap(p.model, p.next_model);
        std::swap(p.params, p.next);
        p.screen.model = p.sums.model = p.model;
    }
    printf("{\"em\": \"%s\", \"N\": %lld, \"K\": %d, \"D\": %d, \"rises\": %s, \"lost\": %llu, \"ms\": [%s], \"objective\": [%s], \"kept\": [%s]}\n",
           p.kind ? "spherical" : "hard", (long long)p.n, p.k, p.d, rises ? "true" : "false", (unsigned long long)fetch(p.screen.out.lost, 1)[0],
           times.c_str(), objectives.c_str(), kept.c_str());
}

int main(int argc, char **argv)
{
    if (argc < 8) return 2;
    problem p = {};
    p.kind = !strcmp(argv[2], "hard") ? FGI_CUDA_HARD : FGI_CUDA_SPHERICAL;
    p.n = atoll(argv[3]), p.k = atoi(argv[4]), p.d = atoi(argv[5]);
    p.cut = atof(argv[7]);
    p.chunk = argc > 8 ? atoll(argv[8]) : p.n;
    const double per_row = argc > 9 ? atof(argv[9]) : 1.5;
    p.near = argc > 11 ? atof(argv[11]) : 6.0;
    p.guessing = argc > 10 ? atoi(argv[10]) != 0 : true;
    const bool checks = !strcmp(argv[1], "check");
    p.x = checks ? (float *)1 : nullptr;
    setup(p, atof(argv[6]), per_row);
    if (checks) check(p);
    else if (!strcmp(argv[1], "em")) em(p, 8);
    else time_it(p);
    return 0;
}
