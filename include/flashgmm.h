/* SPDX-License-Identifier: Apache-2.0 */
/* flashgmm.h - the public interface: Gaussian mixtures and k-means that never build the N x K matrix,
 * and inverted-file (IVF) vector search on top of them.
 *
 * What to know before the first call
 *   - Every function that can fail returns fg_status. On failure no object is made or changed, matrices of
 *     results may be filled in part, and fg_last_error() holds a sentence (per thread) that names the
 *     value, the bound and the place.
 *   - Parameter order: context, subject, inputs, options, outputs. An optional output may be NULL; nothing
 *     is computed for it.
 *   - Option structs: zero the struct, set struct_size to its sizeof, set what you need. Zero always means
 *     the documented default, so later versions can add fields at the end.
 *   - Matrices are row-major. Strides count elements, not bytes.
 *   - The library never prints, exits, aborts or keeps global state. It starts threads only inside a
 *     context, and joins them in fg_context_destroy.
 *   - Log-likelihoods are natural logarithms (nats), means over rows where the name says mean.
 *
 * Threads: an fg_context serves one caller at a time. fg_gmm and fg_ivf are immutable after they are made
 * (fg_ivf: except through fg_ivf_add and fg_ivf_remove) and may then be shared between threads, each with
 * a context of its own. An fg_source is used by one call at a time. */
#ifndef FLASHGMM_H
#define FLASHGMM_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#ifndef FG_API
#if defined(_WIN32) || !defined(__GNUC__)
#define FG_API
#else
#define FG_API __attribute__((visibility("default")))
#endif
#endif

#define FG_VERSION_MAJOR 0
#define FG_VERSION_MINOR 1
#define FG_VERSION_PATCH 0

/* ------------------------------------------------------------------------------------------ status */

/* 0 is success, negative is failure; a number is never reused. */
#define FG_STATUS_MAP(X)                                                                           \
    X(OK, 0, "success")                                                                            \
    X(ARGUMENT, -1, "invalid argument")                                                            \
    X(MEMORY, -2, "out of memory")                                                                 \
    X(IO, -3, "input/output error")                                                                \
    X(FORMAT, -4, "malformed file")                                                                \
    X(VERSION, -5, "file from a newer library")                                                    \
    X(UNSUPPORTED, -6, "not supported")                                                            \
    X(DEVICE, -7, "device error")                                                                  \
    X(NUMERIC, -8, "data or model outside the numeric domain")                                     \
    X(CANCELLED, -9, "cancelled by callback")

#define FG_X(name, value, text) FG_##name = value,
typedef enum fg_status { FG_STATUS_MAP(FG_X) FG_STATUS_FORCE_I32 = 0x7fffffff } fg_status;
#undef FG_X

/* (major << 16) | (minor << 8) | patch of the library that is running. */
FG_API uint32_t fg_version(void);

/* The text of a status: a static string, never NULL, also for unknown values. */
FG_API const char *fg_status_text(fg_status status);

/* This thread's last failure as a sentence; "" if none yet. Valid until the thread's next failure. */
FG_API const char *fg_last_error(void);

/* ------------------------------------------------------------------------------------------- views */

/* Element types. F16 is IEEE binary16, BF16 the upper half of an f32. */
#define FG_DTYPE_MAP(X)                                                                            \
    X(F32, 1, 4, "f32")                                                                            \
    X(F16, 2, 2, "f16")                                                                            \
    X(BF16, 3, 2, "bf16")                                                                          \
    X(I8, 4, 1, "i8")                                                                              \
    X(U8, 5, 1, "u8")                                                                              \
    X(I32, 6, 4, "i32")                                                                            \
    X(I64, 7, 8, "i64")                                                                            \
    X(F64, 8, 8, "f64")

#define FG_X(name, value, bytes, text) FG_##name = value,
typedef enum fg_dtype { FG_DTYPE_MAP(FG_X) FG_DTYPE_FORCE_I32 = 0x7fffffff } fg_dtype;
#undef FG_X

/* Bytes of one element, 0 for an unknown type. */
FG_API size_t fg_dtype_bytes(fg_dtype dtype);

/* The short name of a type ("f32"), "?" for an unknown one. A static string. */
FG_API const char *fg_dtype_text(fg_dtype dtype);

/* Where memory lies. Only FG_HOST is served by this version; others fail with FG_UNSUPPORTED. */
typedef enum fg_place { FG_HOST = 0, FG_CUDA = 1 } fg_place;

/* A matrix that the library reads: the caller owns it and keeps it for the length of the call (or longer
 * where a function says "borrows"). row_stride in elements, 0 means cols. */
typedef struct fg_view {
    const void *data;
    int64_t rows, row_stride;
    int32_t cols;
    int16_t dtype, place;
} fg_view;

/* A matrix that the library writes: rows is its capacity. A vector is a matrix with one column. */
typedef struct fg_out {
    void *data;
    int64_t rows, row_stride;
    int32_t cols;
    int16_t dtype, place;
} fg_out;

/* ----------------------------------------------------------------------------------------- objects */

typedef struct fg_context fg_context; /* threads, kernels, workspace: one caller at a time  */
typedef struct fg_source fg_source;   /* rows that can be read as often as needed           */
typedef struct fg_sink fg_sink;       /* a file of rows being written                       */
typedef struct fg_gmm fg_gmm;         /* a fitted mixture: immutable, share it freely       */
typedef struct fg_ivf fg_ivf;         /* an index: many searchers, or one writer            */

/* Progress of a long call, reported on the caller's thread between chunks of rows. */
typedef struct fg_progress {
    size_t struct_size;
    const char *phase;        /* static: "moments", "seeding", "k-means", "em", "assign", "add" and
                                 others */
    int64_t step, steps;      /* iteration now and at most; 0 and 0 in phases without iterations */
    int64_t rows, rows_total; /* rows done in this step; rows_total < 0 if unknown */
    double objective;         /* last known mean log-likelihood (em) or mean squared distance
                                 (k-means); NaN before the first */
    double change;            /* its last change, NaN before the second */
    double seconds;           /* since the call began */
} fg_progress;

/* Return non-zero to stop. A fit then ends at the end of the pass and hands back the best model so far
 * (stop reason FG_STOP_CALLBACK); a call that has nothing to hand back fails with FG_CANCELLED. */
typedef int (*fg_progress_fn)(void *user, const fg_progress *now);

/* ----------------------------------------------------------------------------------------- context */

typedef enum fg_backend { FG_BACKEND_AUTO = 0, FG_BACKEND_CPU = 1, FG_BACKEND_CUDA = 2 } fg_backend;

/* How exact a device computes. The CPU is always f32-grade. */
typedef enum fg_precision {
    FG_PRECISION_DEFAULT = 0, /* f32-grade: differences of f32, sums in f64 */
    /* Allows a device to round centred rows to f16 once, and to leave out 2^-10 of a row's
     * responsibilities: log-likelihoods are off by some 0.005 nats a row (docs/math.md). Made use
     * of by fits, on compute capability 9.0: what single rows are asked stays f32-grade. */
    FG_PRECISION_FAST = 1
} fg_precision;

/* A place to compute. */
typedef struct fg_device {
    size_t struct_size;
    int32_t backend, index;           /* what fg_context_options wants to hear */
    char name[64], isa[32];           /* "NVIDIA H200", "sm_90" */
    uint64_t bytes_total, bytes_free; /* of its memory */
} fg_device;

/* How many places there are, the CPU always among them, as the first. */
FG_API int32_t fg_device_count(void);

/* Describes one of them; out->struct_size must be set. To learn the free memory of a CUDA device takes some
 * tenths of a second the first time. FG_ARGUMENT: no such place. FG_DEVICE: it fails. */
FG_API fg_status fg_device_get(int32_t i, fg_device *out);

typedef struct fg_context_options {
    size_t struct_size;
    int32_t backend;   /* fg_backend; AUTO chooses the fastest that is usable */
    int32_t device;    /* index among the CUDA devices, from 0; CUDA only */
    int32_t threads;   /* 0: one per usable core (affinity respected), but 1 if made inside a
                          parallel region of OpenMP, whose threads have the cores; at most 1024 */
    int32_t precision; /* fg_precision */
    const char *isa;   /* "amx", "avx512vnni", "avx512", "avx2", "neon" or "ref"; NULL: the
                          environment's FG_ISA, else the best. Whoever asks for one asks for the CPU:
                          AUTO then looks for no device */
} fg_context_options;

/* Makes a context. opt may be NULL. Threads start here and sleep between calls. AUTO takes CUDA device
 * `device` where it can be used, else the CPU.
 * FG_ARGUMENT: unknown isa or one this CPU lacks, threads out of range. FG_DEVICE: no such device, or one that
 * cannot be used: the sentence says why. */
FG_API fg_status fg_context_create(const fg_context_options *opt, fg_context **out);

/* Joins the threads and frees everything. NULL is allowed. */
FG_API void fg_context_destroy(fg_context *ctx);

typedef struct fg_context_info {
    size_t struct_size;
    int32_t backend, device, threads, precision;
    const char *isa; /* static string: the CPU kernels in use */
} fg_context_info;

/* What a context uses. info->struct_size must be set. */
FG_API fg_status fg_context_get_info(const fg_context *ctx, fg_context_info *info);

/* ----------------------------------------------------------------------------------------- sources */

/* A caller's own stream of rows. Each pass calls rewind, then next until it gives 0 rows.
 *   rewind: back to the first row.
 *   next:   point *chunk at 1..want rows (fewer than asked is fine), or at 0 rows at the end. The rows must
 *           stay valid until the next call of next, rewind or close; dtype and cols as declared.
 *   close:  may be NULL; called once by fg_source_destroy.
 * A status other than FG_OK from rewind or next ends the library's call with that status. */
typedef struct fg_reader {
    size_t struct_size;
    int64_t rows; /* total, or -1 if unknown: it is then counted in the first pass */
    int32_t cols, dtype;
    void *user;
    fg_status (*rewind)(void *user);
    fg_status (*next)(void *user, int64_t want, fg_view *chunk);
    void (*close)(void *user);
} fg_reader;

/* Rows in the caller's memory: f32, f16, bf16, u8 or i8, with any stride >= cols. Borrows the memory until
 * fg_source_destroy; the struct itself is copied. */
FG_API fg_status fg_source_memory(const fg_view *rows, fg_source **out);

/* Rows of a file, memory-mapped and read in chunks, never loaded whole.
 * format: "fvecs" "bvecs" "ivecs" "npy" "fbin" "u8bin" "i8bin" "ibin" "hdf5" "faiss", or NULL for the suffix.
 * For hdf5 the dataset "train" is read unless the path ends in ":NAME" ("glove.hdf5:test"); of a FAISS index the
 * vectors of an IndexFlat, or the centroids of an inverted file (IndexIVFFlat, IVFPQ, IVFScalarQuantizer).
 * A file that shrinks while it is mapped ends the process with SIGBUS, as with every mapped file.
 * FG_IO: cannot be opened or read. FG_FORMAT: names file, offset, value and bound. FG_UNSUPPORTED: hdf5
 * in a build without libhdf5, or an element type that is not served. */
FG_API fg_status fg_source_file(const char *path, const char *format, fg_source **out);

/* Rows of a caller's stream; the struct is copied, user stays the caller's until close. */
FG_API fg_status fg_source_reader(const fg_reader *reader, fg_source **out);

/* NULL is allowed. */
FG_API void fg_source_destroy(fg_source *src);

typedef struct fg_source_info {
    size_t struct_size;
    int64_t rows; /* -1 if not known yet (a reader that did not say) */
    int32_t cols, dtype;
} fg_source_info;

FG_API fg_status fg_source_get_info(const fg_source *src, fg_source_info *info);

/* Copies rows first .. first + out->rows - 1 into out, converted to out->dtype (the source's own type, or
 * f32 for any source with real elements). Random access costs one read for files and memory, a pass from
 * the start for a reader. FG_ARGUMENT: rows outside the source, other cols, other dtype. */
FG_API fg_status fg_source_read(fg_source *src, int64_t first, const fg_out *out);

/* A file of rows to be written in pieces: "fvecs" "bvecs" "ivecs" "npy" "fbin" "u8bin" "i8bin" "ibin", or
 * NULL for the suffix. It is written under a temporary name in the same folder; fg_sink_close syncs it and
 * renames it to path. dtype must be one that the format holds (fvecs f32, bvecs u8, ivecs i32, npy f32 f16
 * u8 i8 i32 i64 f64, fbin f32, u8bin u8, i8bin i8, ibin i32). */
FG_API fg_status fg_sink_file(const char *path, const char *format, int32_t cols, fg_dtype dtype,
                              fg_sink **out);

/* Appends rows; they must have the sink's cols and dtype. */
FG_API fg_status fg_sink_write(fg_sink *sink, const fg_view *rows);

/* Completes the file under its name. The sink is then finished either way; destroy it. */
FG_API fg_status fg_sink_close(fg_sink *sink);

/* Removes the temporary file unless closed. NULL is allowed. */
FG_API void fg_sink_destroy(fg_sink *sink);

/* ----------------------------------------------------------------------------------------- k-means */

typedef enum fg_init {
    FG_INIT_KMEANS = 0, /* mixtures: k-means++ seeds, then Lloyd iterations; k-means: as PLUSPLUS */
    FG_INIT_PLUSPLUS = 1,
    FG_INIT_RANDOM = 2, /* distinct random rows */
    FG_INIT_GIVEN = 3   /* the caller's start */
} fg_init;

typedef enum fg_stop {
    FG_STOP_MAX_ITER = 0, /* the maximum number of iterations */
    FG_STOP_TOL = 1,      /* the objective's change fell to the tolerance */
    FG_STOP_CALLBACK = 2, /* the progress function asked for it */
    FG_STOP_STEADY = 3    /* k-means: nothing moved any more */
} fg_stop;

/* Rows with NaN or infinity: refused with the row's number, or skipped and counted in the report. */
typedef enum fg_bad_rows { FG_BAD_ROWS_REFUSE = 0, FG_BAD_ROWS_SKIP = 1 } fg_bad_rows;

/* What a fit tells about itself. The caller may lend `history`: the objective of every iteration (mean
 * log-likelihood before the M-step; k-means: mean squared distance), history_capacity values at most. */
typedef struct fg_fit_report {
    size_t struct_size;
    int32_t iterations;   /* passes that ended in an update */
    int32_t stop_reason;  /* fg_stop */
    int32_t restart;      /* which restart was kept, from 0 */
    int32_t revived;      /* empty components that were re-seeded by a split */
    int32_t dead;         /* components left without rows (weight 0) */
    int32_t floored;      /* components whose variance stands at the floor */
    int64_t rows;         /* rows used */
    int64_t rows_skipped; /* rows with NaN or infinity, if skipping was asked for */
    double objective;     /* of the returned model: mean log-likelihood in nats (k-means: mean
                             squared distance) */
    double dropped;       /* responsibility mass per row left out as below f32 rounding, at most */
    double seconds, seconds_init;
    uint64_t peak_workspace_bytes; /* most memory the call itself held at once, without the rows */
    double *history;
    int32_t history_capacity, history_count;
} fg_fit_report;

typedef struct fg_kmeans_options {
    size_t struct_size;
    int32_t k;            /* 1 .. rows; has no default */
    int32_t init;         /* fg_init */
    int32_t max_iter;     /* 0: 25 */
    int32_t restarts;     /* 0: 1 */
    double tol;           /* stop when the mean squared distance falls by at most this share;
                             0: 1e-4, negative: never */
    uint64_t seed;        /* 0 is a seed like any other */
    int64_t sample_rows;  /* train on this many random rows; 0: all */
    int32_t bad_rows;     /* fg_bad_rows */
    int32_t normalize;    /* non-zero: every row is scaled to length 1 first (cosine) */
    const fg_view *start; /* FG_INIT_GIVEN: k x cols, f32 or f64 */
    fg_progress_fn progress;
    void *user;
    int32_t spherical; /* non-zero: centroids too are scaled to length 1, after each iteration: the
                          greatest mean cosine. Needs normalize */
    int32_t reserved;
} fg_kmeans_options;

/* Lloyd's k-means. centroids: k x cols, f32 or f64. report may be NULL. An empty cluster is re-seeded by
 * splitting the cluster with the largest squared error. Time N*K*D per iteration. The result does not
 * depend on the number of threads. */
FG_API fg_status fg_kmeans_fit(fg_context *ctx, fg_source *rows, const fg_kmeans_options *opt,
                               const fg_out *centroids, fg_fit_report *report);

/* The nearest centroid of every row (ties: the lowest number). labels: rows x m, i32, the m nearest in order;
 * sqdist: rows x m, f32, squared distances. Either may be NULL, not both; both given: the same m. */
FG_API fg_status fg_kmeans_assign(fg_context *ctx, const fg_view *centroids, fg_source *rows,
                                  const fg_out *labels, const fg_out *sqdist);

/* ---------------------------------------------------------------------------------------- mixtures */

/* What a component's covariance may be. Tied and full are reserved: FG_UNSUPPORTED in this version. */
typedef enum fg_covariance {
    FG_COV_DIAG = 0,
    FG_COV_SPHERICAL = 1,
    FG_COV_FULL = 2,
    FG_COV_TIED = 3
} fg_covariance;

typedef struct fg_gmm_options {
    size_t struct_size;
    int32_t k;           /* 1 .. rows; has no default */
    int32_t covariance;  /* fg_covariance */
    int32_t init;        /* fg_init */
    int32_t kmeans_iter; /* Lloyd iterations of FG_INIT_KMEANS; 0: 10 */
    int32_t max_iter;    /* EM iterations; 0: 90 */
    int32_t restarts;    /* 0: 1; the model with the best log-likelihood is kept */
    double tol;          /* stop when the mean log-likelihood (nats a row) rises by at most this;
                            0: 1e-4, negative: never */
    double tol_relative; /* the same as a share of its absolute value; 0: 1e-7, negative: never */
    double var_floor;    /* least variance as a share of the data's; 0: 1e-6 */
    uint64_t seed;
    int64_t sample_rows; /* fit on this many random rows; 0: all */
    int32_t bad_rows;    /* fg_bad_rows */
    int32_t normalize;   /* non-zero: every row is scaled to length 1 first (cosine) */
    const fg_gmm *start; /* FG_INIT_GIVEN: its parameters; k and covariance must agree */
    fg_progress_fn progress;
    void *user;
    int32_t shared_variance; /* non-zero: all components have the same variance (one a dimension if
                                diagonal) */
    int32_t reserved;
} fg_gmm_options;

/* Fits by expectation maximisation (Dempster, Laird, Rubin 1977) in passes over the rows, without the
 * N x K matrix (Flash-GMM, arXiv 2606.10896). Exact EM: variances about the new means, so the
 * log-likelihood never falls while no component is revived or floored. Time 2*N*K*D per iteration for
 * spherical, 4*N*K*D for diagonal; memory O(K*D) a thread. See docs/math.md for degenerate data.
 * FG_ARGUMENT: k outside 1..rows, other bad options. FG_NUMERIC: NaN or infinity, with the row's number; rows
 * so far apart that a variance overflows. */
FG_API fg_status fg_gmm_fit(fg_context *ctx, fg_source *rows, const fg_gmm_options *opt,
                            fg_gmm **out, fg_fit_report *report);

/* Fills in every default of `in` for data of this shape, and checks it. */
FG_API fg_status fg_gmm_options_resolve(const fg_gmm_options *in, int64_t rows, int32_t cols,
                                        fg_gmm_options *out);

/* The most probable component of every row (labels: rows x 1, i32) and its responsibility (posterior:
 * rows x 1, f32). Either may be NULL. */
FG_API fg_status fg_gmm_predict(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                                const fg_out *labels, const fg_out *posterior);

/* The log-density of every row (rows x 1, f64 or f32, may be NULL) and the mean over rows (may be NULL). */
FG_API fg_status fg_gmm_score(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                              const fg_out *log_density, double *mean_log_likelihood);

/* The m most probable components of every row, best first: components (rows x m, i32) and responsibilities
 * (rows x m, f32); m is their number of columns. Places left over (responsibilities too small to matter)
 * hold component -1 and responsibility 0. */
FG_API fg_status fg_gmm_top(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                            const fg_out *components, const fg_out *responsibilities);

/* Sparse responsibilities, rows compressed: those of row i stand at offsets[i] .. offsets[i + 1] - 1 of
 * components and responsibilities, best first. */
typedef struct fg_csr {
    int64_t rows;
    int64_t *offsets; /* rows + 1 */
    int32_t *components;
    float *responsibilities;
} fg_csr;

/* All responsibilities above tau (0 < tau < 1), and always the largest. At most 1/tau a row. */
FG_API fg_status fg_gmm_above(fg_context *ctx, const fg_gmm *gmm, fg_source *rows, double tau,
                              fg_csr **out);
FG_API void fg_csr_destroy(fg_csr *csr);

/* The dense matrix (rows x k, f32), for who must have it. */
FG_API fg_status fg_gmm_responsibilities(fg_context *ctx, const fg_gmm *gmm, fg_source *rows,
                                         const fg_out *responsibilities);

/* Draws rows first .. first + out->rows - 1 (f32, cols columns) of the endless sequence that seed names;
 * labels (rows x 1, i32, may be NULL) tells their component. A row depends on seed and its number alone.
 * FG_ARGUMENT: first < 0. FG_UNSUPPORTED for a model of normalised rows. */
FG_API fg_status fg_gmm_sample(const fg_gmm *gmm, uint64_t seed, int64_t first, const fg_out *out,
                               const fg_out *labels);

/* State of a component after the fit. */
typedef enum fg_component_state {
    FG_COMPONENT_OK = 0,
    FG_COMPONENT_FLOORED = 1, /* its variance stands at the floor */
    FG_COMPONENT_DEAD = 2     /* weight 0: no row belongs to it */
} fg_component_state;

typedef struct fg_gmm_info {
    size_t struct_size;
    int32_t components, dims, covariance, normalize;
    int32_t iterations, stop_reason; /* of the fit that made it; 0 for given parameters */
    int64_t rows;                    /* that it was fitted on; 0 for given parameters */
    double log_likelihood;           /* mean per row at the fit's end; NaN for given parameters */
    int64_t parameters;              /* free parameters: what AIC and BIC count; variances that all
                                        components have in common count once */
} fg_gmm_info;

FG_API fg_status fg_gmm_get_info(const fg_gmm *gmm, fg_gmm_info *info);

/* Copies parameters out, as f64 or f32: weights k x 1, means k x cols, variances k x 1 (spherical) or
 * k x cols (diagonal); states k x 1, i32 (fg_component_state). Each may be NULL. */
FG_API fg_status fg_gmm_get(const fg_gmm *gmm, const fg_out *weights, const fg_out *means,
                            const fg_out *variances, const fg_out *states);

/* A mixture from given parameters (f64 or f32; shapes as in fg_gmm_get). Weights must be >= 0 and are
 * scaled to sum 1; variances must be in 2^-100 .. 2^200, means at most 1e30 in size. */
FG_API fg_status fg_gmm_from(const fg_view *weights, const fg_view *means, const fg_view *variances,
                             fg_covariance covariance, fg_gmm **out);

/* Akaike's and the Bayesian information criterion for `rows` rows of this mean log-likelihood; lower is
 * better. */
FG_API double fg_gmm_aic(const fg_gmm *gmm, double mean_log_likelihood, int64_t rows);
FG_API double fg_gmm_bic(const fg_gmm *gmm, double mean_log_likelihood, int64_t rows);

/* Writes the model (docs/format.md) under a temporary name, syncs, renames. */
FG_API fg_status fg_gmm_save(const fg_gmm *gmm, const char *path);

/* Reads a model; mapped non-zero keeps the parameters in the mapped file instead of copying them.
 * FG_FORMAT: damaged, with offset, value and bound. FG_VERSION: written by a newer library. */
FG_API fg_status fg_gmm_load(const char *path, int32_t mapped, fg_gmm **out);

/* NULL is allowed. */
FG_API void fg_gmm_destroy(fg_gmm *gmm);

/* ------------------------------------------------------------------------------------------- index */

typedef enum fg_metric { FG_METRIC_L2 = 0, FG_METRIC_IP = 1, FG_METRIC_COSINE = 2 } fg_metric;

/* Which lists a row is stored in. The nearest (or most probable) list always holds it; each rule adds those
 * that `threshold` lets join, the best first, max_lists in all. Formulas: src/model/assign.c. */
typedef enum fg_assign {
    FG_ASSIGN_HARD = 0,      /* one list */
    FG_ASSIGN_NEAREST = 1,   /* the max_lists nearest */
    FG_ASSIGN_MARGIN = 2,    /* squared distance within `threshold` of the nearest one's (ScaNN:
                                additive) */
    FG_ASSIGN_POSTERIOR = 3, /* responsibility above `threshold`, default 1/K (Flash-GMM,
                                section 4) */
    FG_ASSIGN_RATIO = 4,     /* distance at most `threshold` times the nearest one's (ScaNN:
                                multiplicative) */
    FG_ASSIGN_RAIR = 5,      /* the list whose residual is short and points back; threshold is
                                lambda, default 0.75 (RAIRS, theorem 4.1) */
    FG_ASSIGN_SOAR = 6,      /* the list whose residual is short and at a right angle; threshold is
                                lambda, default 1 (SOAR, NeurIPS 2023, theorem 3.1) */
    FG_ASSIGN_RNG = 7        /* lists that no chosen list hides: |c_j - c_s|^2 * threshold >= d_j^2,
                                default 1 (SPANN, NeurIPS 2021, section 3.2) */
} fg_assign;

typedef enum fg_coarse { FG_COARSE_KMEANS = 0, FG_COARSE_GMM = 1 } fg_coarse;

/* How a query finds its nearest lists. Along a graph of the centroids it finds nearly all of them (997 of
 * 1000 on a sample of the rows) with few of the distances; where that does not pay, and in the order by
 * responsibility, it compares all. FG_UNSUPPORTED under FG_METRIC_IP. */
typedef enum fg_graph {
    FG_GRAPH_AUTO = 0, /* above 16,384 lists, but not under FG_METRIC_IP */
    FG_GRAPH_ALWAYS = 1,
    FG_GRAPH_NEVER = 2
} fg_graph;

typedef struct fg_ivf_options {
    size_t struct_size;
    int32_t lists;       /* number of lists, K; no default unless centroids or model is given */
    int32_t coarse;      /* fg_coarse: what is trained if neither centroids nor model is given */
    int32_t assign;      /* fg_assign */
    int32_t max_lists;   /* 1..64, the most lists a row is stored in; 0: 8 (hard: 1; nearest,
                            rair, soar: 2) */
    double threshold;    /* see fg_assign; 0: the rule's default (ratio has none) */
    double copies;       /* storage budget: mean copies a row, 1 .. max_lists; sets threshold
                            by solving on a sample of the rows. 0: threshold as given */
    int32_t metric;      /* fg_metric */
    int32_t covariance;  /* of a trained mixture: fg_covariance; default diagonal */
    int32_t kmeans_iter; /* Lloyd iterations; 0: 25 for k-means, 10 before EM */
    int32_t em_iter;     /* EM iterations of a trained mixture; 0: 90 */
    int64_t sample_rows; /* rows to train on; 0: min(rows, 256 * lists) */
    uint64_t seed;
    const fg_gmm *model;      /* a mixture to use as it is; copied */
    const fg_view *centroids; /* k x cols centroids to use as they are (f32 or f64); copied */
    const int64_t *ids;       /* one id a row, NULL: 0, 1, 2, ... */
    fg_progress_fn progress;
    void *user;
    int32_t strict; /* rair, soar: non-zero: always max_lists lists (SOAR of
                       Elasticsearch, SRAIR) */
    int32_t reserved;
    double temperature;      /* of the mixture: responsibilities become
                                softmax(log r / temperature); 0: 1 */
    int32_t shared_variance; /* of a trained mixture, as in fg_gmm_options */
    int32_t spherical;       /* of trained centroids under cosine, as in fg_kmeans_options */
    int32_t graph;           /* fg_graph */
    int32_t reserved2;
} fg_ivf_options;

/* Trains the coarse quantizer (unless given) and stores every row of the source, in the rows' own type
 * (f32, f16, bf16, u8, i8). report may be NULL: it describes the training. Under cosine, rows are clustered
 * and compared as if of length 1, and stored as they are. FG_NUMERIC: a row with NaN or infinity, or a
 * zero row under cosine, with its number. */
FG_API fg_status fg_ivf_build(fg_context *ctx, fg_source *rows, const fg_ivf_options *opt,
                              fg_ivf **out, fg_fit_report *report);

/* Stores more rows (same cols and dtype) by the index's own rule. ids may be NULL: the next numbers after
 * the largest id so far. FG_ARGUMENT: an id that is negative or already present. On failure the index is
 * as it was. */
FG_API fg_status fg_ivf_add(fg_context *ctx, fg_ivf *ivf, fg_source *rows, const int64_t *ids);

/* Removes every copy of the given ids; ids that are not there are passed over. removed (may be NULL): how
 * many rows went. */
FG_API fg_status fg_ivf_remove(fg_ivf *ivf, const int64_t *ids, int64_t count, int64_t *removed);

typedef enum fg_probe_order {
    FG_PROBE_NEAREST = 0,  /* by distance to the means; by inner product under FG_METRIC_IP */
    FG_PROBE_POSTERIOR = 1 /* by responsibility; needs a mixture */
} fg_probe_order;

typedef struct fg_search_options {
    size_t struct_size;
    int32_t n;      /* results a query; 0: 10 */
    int32_t probes; /* lists to scan; 0: 1; more than there are: all */
    int32_t order;  /* fg_probe_order */
    int32_t reserved;
    const uint64_t *allow; /* a filter: whether the row with id i may be found says bit i % 64 of
                              allow[i / 64]; NULL: all may. A row that may not costs no distance */
    int64_t allow_bits;    /* of that bitmap; ids beyond it may not be found. 0 without one */
    /* Look into as much as this recall takes, instead of `probes` lists: needs fg_ivf_tune, for
     * whatever n. It holds for filters that leave rows at random; where they leave a region, little
     * less may be found (docs/search.md). 0: not asked for. */
    double recall;
    double theta; /* the same by the probing rule's own parameter (docs/search.md); INFINITY:
                     everything. 0: not asked for */
} fg_search_options;

/* What a search cost, summed over its queries. */
typedef struct fg_search_stats {
    size_t struct_size;
    int64_t queries;
    int64_t entries;   /* entries of the probed lists, copies counted each time; or rows gathered
                          by a filter */
    int64_t distances; /* distances to rows, computed or ruled out by bounds: each row once a query,
                          but for queries with a recall that found too little under a filter, and
                          began again with all lists */
    int64_t centroids; /* distances to centroids, computed or ruled out by bounds: to all, or to
                          those seen along the graph */
} fg_search_stats;

/* The n best rows of every query: ids (queries x n, i64) and scores (queries x n, f32, may be NULL), best
 * first, ties by the lower id. Scores: squared distance (L2), inner product (IP), cosine similarity
 * (cosine). A row stored in several lists is scored once and returned once. Places without a result hold
 * id -1 and score +inf (L2) or -inf. queries: the index's cols; f32, f16, bf16, u8 or i8. stats may be NULL.
 * FG_NUMERIC: a query with NaN or infinity, with its number. Queries run in parallel. */
FG_API fg_status fg_ivf_search(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                               const fg_search_options *opt, const fg_out *ids,
                               const fg_out *scores, fg_search_stats *stats);

typedef struct fg_ivf_info {
    size_t struct_size;
    int64_t rows;    /* distinct rows */
    int64_t entries; /* rows and their copies */
    int32_t dims, dtype, lists, metric, assign, max_lists, coarse;
    int32_t strict;            /* as in fg_ivf_options */
    double threshold;          /* in force, solved for or given */
    uint64_t bytes;            /* of codes, ids and tables, and sketches of rows (docs/search.md) */
    int64_t tuned_queries;     /* that it was tuned on; 0: not tuned */
    int32_t tuned_n, reserved; /* results a query that it was tuned for */
    double tuned_recall;       /* the highest target that it serves */
    int64_t graph_edges;       /* of the graph of its centroids; 0: there is none */
} fg_ivf_info;

FG_API fg_status fg_ivf_get_info(const fg_ivf *ivf, fg_ivf_info *info);

/* Entries in every list (lists x 1, i64; may be NULL) and the centroids (lists x cols, f32; may be NULL). */
FG_API fg_status fg_ivf_get_lists(const fg_ivf *ivf, const fg_out *sizes, const fg_out *centroids);

typedef struct fg_tune_options {
    size_t struct_size;
    int32_t n; /* results a query; searches for others are served too. 0: 10 */
    int32_t reserved;
    double recall;       /* the target to tune for; others are served too. 0: 0.95 */
    int64_t sample_rows; /* without queries: rows of the index that are searched for; 0: 1000 */
    uint64_t seed;       /* of that sample */
    fg_progress_fn progress;
    void *user;
} fg_tune_options;

/* What to expect on queries that took no part: each quarter of the sample is judged by a rule fitted on the
 * rest. */
typedef struct fg_tune_report {
    size_t struct_size;
    int64_t queries;         /* of the sample */
    double recall;           /* expected at the target */
    double recall_error;     /* standard error of what the sample tells about recall */
    double dco;              /* expected distance computations a query */
    double steepness, theta; /* of the probing rule */
    int32_t lists, reserved; /* that a query looks at, at most */
    double most_recall;      /* the highest target that can be served */
} fg_tune_report;

/* Finds how much a query must look into for which recall, and keeps it in the index (fg_ivf_save stores it).
 * queries: like those to come; NULL: rows of the index, each looking for others than itself: they may be easier
 * than queries from elsewhere. Costs an exhaustive search, and some more under filters. report may be NULL.
 * FG_ARGUMENT: a target outside of 0..1, fewer than 20 queries, an index without n rows. FG_UNSUPPORTED:
 * FG_METRIC_IP. As fg_ivf_add, it needs the index for itself. */
FG_API fg_status fg_ivf_tune(fg_context *ctx, fg_ivf *ivf, const fg_view *queries,
                             const fg_tune_options *opt, fg_tune_report *report);

/* One point of a recall curve. */
typedef struct fg_eval_point {
    int32_t probes, reserved; /* probes: 0 for a target */
    double target;            /* recall that was asked for; 0: probes were */
    double recall;            /* share of the true n nearest that were found (by score: ties
                                 count as found) */
    double dco;               /* distance computations a query: lists + entries scanned, copies
                                 included */
    double dco_unique;        /* lists + distances to distinct rows */
    double qps;               /* queries a second, all threads, one batch */
    double p50_us, p99_us;    /* latency of single queries, one after the other */
} fg_eval_point;

typedef struct fg_eval_options {
    size_t struct_size;
    int32_t n;               /* recall@n; 0: 10 */
    int32_t order;           /* fg_probe_order */
    const fg_view *truth;    /* queries x (>= n) ids of the true nearest, i32 or i64; NULL:
                                computed exactly by scanning every list */
    int32_t latency_queries; /* queries timed one by one; 0: min(queries, 1000) */
    int32_t reserved;
    fg_progress_fn progress;
    void *user;
    const double *recalls; /* instead of probes: `count` targets of a tuned index */
} fg_eval_options;

/* Measures recall against cost for each number of probes (ascending or not): points[i] for probes[i], or for
 * opt->recalls[i]; then probes may be NULL. */
FG_API fg_status fg_ivf_eval(fg_context *ctx, const fg_ivf *ivf, const fg_view *queries,
                             const fg_eval_options *opt, const int32_t *probes, int32_t count,
                             fg_eval_point *points);

/* Writes the index (docs/format.md) under a temporary name, syncs, renames. */
FG_API fg_status fg_ivf_save(const fg_ivf *ivf, const char *path);

/* Writes the index as an IndexIVFFlat that FAISS reads and searches (docs/format.md): rows as f32 with their
 * ids, list by list, and `probes` (0: 1; at most the lists) as its nprobe. Under cosine rows have length 1 and are
 * compared by inner product; lists are ranked by distance still. A row that is stored in several lists
 * stands in each of them, and FAISS returns it as often as it meets it: ask for copies * n results, drop
 * repeats. A mixture is left out but for its means. FG_IO. */
FG_API fg_status fg_ivf_export_faiss(const fg_ivf *ivf, const char *path, int32_t probes);

/* Reads an index. mapped non-zero: codes and ids stay in the mapped file (their checksums are then not
 * verified; everything that steers the reading is), and fg_ivf_add copies what it must change. Rows that stay in
 * the file have no sketches: searches among them find the same, and take longer. */
FG_API fg_status fg_ivf_load(const char *path, int32_t mapped, fg_ivf **out);

/* NULL is allowed. */
FG_API void fg_ivf_destroy(fg_ivf *ivf);

/* What kind of file this is: "fgm", "fgi", a data format's name, or FG_FORMAT. A static string. */
FG_API fg_status fg_file_kind(const char *path, const char **kind);

#ifdef __cplusplus
}
#endif
#endif
