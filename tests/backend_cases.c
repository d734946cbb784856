/* SPDX-License-Identifier: Apache-2.0 */
/* backend_cases.c - problems, outcomes and the bounds between them. Knows passes; knows no backend. */
#include "backend_cases.h"

#include "half.h"
#include "random.h"

#include <math.h> /* fabs */

static const double unit = 0x1p-24;

/* ---------------------------------------------------------------------------------------- cases */

const pass_case backend_cases[CASE_COUNT] = {
    {1, 1, 1, FG_F32, 4, false, 0},
    {127, 3, 2, FG_F32, 4, false, 1},
    {129, 65, 31, FG_F64, 4, false, 3},
    {200, 150, 260, FG_F32, 3, true, 0},
    {1000, 1000, 2, FG_F32, 20, false, 0}, /* dense: most components matter */
    {20000, 100, 3, FG_F32, 0.5, false, 0},
    {100003, 64, 31, FG_F16, 4, false, 0},
    {20000, 1000, 100, FG_F32, 3, false, 5},
    {100003, 1025, 128, FG_F32, 3, false, 0},
    {20000, 1025, 128, FG_F32, 100, false, 0}, /* far from the centre: screening gives much away */
    {20000, 300, 128, FG_U8, 1, false, 0},
    {20000, 300, 128, FG_I8, 1, false, 7},
    {5000, 129, 129, FG_BF16, 3, false, 0},
    {5000, 257, 100, FG_F32, 3, true, 0},
    {3001, 257, 768, FG_F32, 3, false, 0},
    {400, 5, 4096, FG_F16, 2, false, 0},
    {300, 9000, 17, FG_F32, 4, false, 0},
    {200, 8192, 33, FG_F32, 2, false, 0}, /* scores of a row that just fit in shared memory */
    {129, 65536, 2, FG_F32, 30, false, 0},
    {500, 64, 64, FG_F32, 3, false, 1}, /* small enough to stay in a block */
    {65, 20, 40, FG_F32, 3, false, 0},
    {30, 100, 16, FG_F32, 4, false, 0},
    {20000, 33, 40, FG_U8, 1, true, 0},
    {100003, 64, 32, FG_F32, 100, false, 0},
};

enum { MEANS = 1, NOISE = 2, WEIGHTS = 3, VARIANCES = 4 };

static double noise_at(const pass_case *c, int32_t stream, int64_t row, int32_t i)
{
    return 2 * fgi_random_uniform(5, (uint64_t)stream, (uint64_t)(row * c->d + i)) - 1;
}

static double mean_at(const pass_case *c, int64_t j, int32_t i)
{
    return c->spread * sqrt(3) * noise_at(c, MEANS, j, i);
}

static void put(void *rows, int64_t at, fg_dtype dtype, double value)
{
    switch (dtype) {
    case FG_F32: ((float *)rows)[at] = (float)value; break;
    case FG_F64: ((double *)rows)[at] = value; break;
    case FG_F16: ((uint16_t *)rows)[at] = fgi_f16_of_f32((float)value); break;
    case FG_BF16: ((uint16_t *)rows)[at] = fgi_bf16_of_f32((float)value); break;
    case FG_U8:
        ((uint8_t *)rows)[at] = (uint8_t)fmin(255, fmax(0, nearbyint(100 + 20 * value)));
        break;
    default: ((int8_t *)rows)[at] = (int8_t)fmin(127, fmax(-128, nearbyint(20 * value)));
    }
}

/* What one standard deviation is, and 0, in the units of the rows. */
static double scale_of(const pass_case *c)
{
    if (c->normalize) return 1.0 / sqrt((double)c->d * (1.0 + c->spread * c->spread));
    return c->dtype == FG_U8 || c->dtype == FG_I8 ? 20.0 : 1.0;
}

static void make_params(problem *p)
{
    const pass_case *c = p->how;
    const double scale = scale_of(c), origin = c->dtype == FG_U8 && !c->normalize ? 100.0 : 0.0;
    const int32_t cols = fgi_variance_cols(p->kind, c->d);
    expect_ok(fgi_params_create(NULL, p->kind, c->k, c->d, &p->params));
    p->params.normalize = c->normalize;
    for (int32_t i = 0; i < c->d; i++)
        p->params.center[i] = (float)(origin + 0.25 * scale * (i % 3));
    double total = 0.0;
    for (int32_t j = 0; j < c->k; j++) total += fgi_random_uniform(5, WEIGHTS, (uint64_t)j) + 0.1;
    for (int32_t j = 0; j < c->k; j++) {
        const double w = (fgi_random_uniform(5, WEIGHTS, (uint64_t)j) + 0.1) / total;
        p->params.log_weights[j] = j % 50 == 7 ? -INFINITY : log(w); /* some are dead */
        for (int32_t i = 0; i < c->d; i++)
            p->params.means[(int64_t)j * c->d + i] =
                origin + scale * mean_at(c, j, i) - p->params.center[i];
        for (int32_t i = 0; i < cols; i++) {
            const uint64_t at = (uint64_t)((int64_t)j * cols + i);
            p->params.variances[at] = scale * scale * (0.5 + fgi_random_uniform(5, VARIANCES, at));
        }
    }
}

static void find_extremes(problem *p)
{
    const fgi_params *m = &p->params;
    const int32_t cols = fgi_variance_cols(p->kind, m->d);
    p->least_variance = 1.0;
    for (int32_t j = 0; j < m->k && cols; j++) {
        double volume = 0.0;
        for (int32_t i = 0; i < cols; i++) {
            const double v = m->variances[(int64_t)j * cols + i];
            volume += 0.5 * log(6.283185307179586 * v) * (m->d / cols);
            p->least_variance = fmin(p->least_variance, v);
            p->most_variance = fmax(p->most_variance, v);
        }
        if (isfinite(m->log_weights[j]))
            p->largest_offset = fmax(p->largest_offset, fabs(m->log_weights[j] - volume));
    }
}

void make_problem(const pass_case *c, fgi_kind kind, problem *p)
{
    *p = (problem){.how = c, .kind = kind};
    const int64_t stride = c->d + c->gap;
    p->rows = calloc((size_t)(c->n * stride), fg_dtype_bytes(c->dtype));
    assert_non_null(p->rows);
    for (int64_t r = 0; r < c->n; r++)
        for (int32_t i = 0; i < c->d; i++) {
            const double noise = sqrt(3) * noise_at(c, NOISE, r, i);
            put(p->rows, r * stride + i, c->dtype, mean_at(c, r % c->k, i) + noise);
        }
    if (c->n > 1000 && (c->dtype == FG_F32 || c->dtype == FG_F64)) { /* two rows that are no rows */
        put(p->rows, 777 * stride, c->dtype, NAN);
        put(p->rows, 778 * stride + c->d - 1, c->dtype, INFINITY);
    }
    const fg_view view = {.data = p->rows,
                          .rows = c->n,
                          .cols = c->d,
                          .row_stride = stride,
                          .dtype = (int16_t)c->dtype};
    expect_ok(fgi_source_memory(&view, NULL, &p->src));
    make_params(p);
    find_extremes(p);
}

void free_problem(problem *p)
{
    fg_source_destroy(p->src);
    fgi_params_destroy(&p->params);
    free(p->rows);
}

/* ---------------------------------------------------------------------------------------- outcomes */

static fg_status keep_rows(void *user, int64_t first, int64_t rows, const fgi_row_results *results)
{
    outcome *out = user;
    const size_t top = (size_t)out->top, count = (size_t)rows, at = (size_t)first;
    if (top) {
        memcpy(out->components + at * top, results->components, count * top * sizeof(int32_t));
        memcpy(out->values + at * top, results->values, count * top * sizeof(float));
    }
    if (results->log_density)
        memcpy(out->log_density + at, results->log_density, count * sizeof(double));
    return FG_OK;
}

static void pass_over(fg_context *ctx, const problem *p, const fgi_row_request *want,
                      fgi_stats *stats, outcome *out)
{
    const fgi_pass pass = {
        .params = &p->params,
        .rows = *want,
        .stats = stats,
        .consume = keep_rows,
        .user = out,
        .bad_rows = FG_BAD_ROWS_SKIP,
    };
    const pass_case *c = p->how;
    out->top = want->top;
    out->told_density = want->log_density;
    const size_t rows = (size_t)c->n, cells = rows * (size_t)(want->top ? want->top : 1);
    out->components = calloc(cells, sizeof(int32_t));
    out->values = calloc(cells, sizeof(float));
    out->log_density = calloc(rows, sizeof(double));
    expect_ok(fgi_pass_run(ctx, p->src, &pass, false));
}

void run_pass(fg_context *ctx, const problem *p, const fgi_row_request *want, fgi_kind stats_kind,
              outcome *out)
{
    *out = (outcome){0};
    expect_ok(fgi_stats_create(NULL, stats_kind, p->how->k, p->how->d, &out->stats));
    pass_over(ctx, p, want, &out->stats, out);
}

void ask_rows(fg_context *ctx, const problem *p, const fgi_row_request *want, outcome *out)
{
    *out = (outcome){0};
    pass_over(ctx, p, want, NULL, out);
}

void hold_rows(fg_context *ctx, const problem *p)
{
    const fgi_hold all = {
        .source = p->src, .rows = p->src->rows, .cols = p->src->cols, .dtype = p->src->dtype};
    ctx->backend->ops->hold(ctx->backend, &all);
}

void free_outcome(outcome *o)
{
    if (o->stats.mass) fgi_stats_destroy(&o->stats);
    free(o->components);
    free(o->values);
    free(o->log_density);
}

static size_t stats_bytes(const fgi_stats *s)
{
    const size_t k = (size_t)s->k, d = (size_t)s->d;
    return k * (1 + d + (s->kind == FGI_DIAGONAL ? d : 1)) * sizeof(double);
}

void expect_same_bits(const problem *p, const outcome *a, const outcome *b)
{
    const size_t rows = (size_t)p->how->n, cells = rows * (size_t)a->top;
    if (a->stats.mass) assert_memory_equal(a->stats.mass, b->stats.mass, stats_bytes(&a->stats));
    assert_memory_equal(&a->stats.objective, &b->stats.objective, sizeof(double));
    assert_memory_equal(a->log_density, b->log_density, rows * sizeof(double));
    if (cells) assert_memory_equal(a->components, b->components, cells * sizeof(int32_t));
    if (cells) assert_memory_equal(a->values, b->values, cells * sizeof(float));
}

/* ---------------------------------------------------------------------------------------- bounds */

/* How far two f32-grade values of a row may lie apart, in nats or squared distance: each sums d terms of equal sign in an
 * order of its own, so each is off by less than (d / 16 + 8) units of the largest distance that matters; that is bounded by
 * the density and the largest offset. Normalised rows may differ by a unit of each coordinate. */
double value_bound(const problem *p, double density)
{
    const int32_t d = p->how->d;
    const double size = fabs(density) + p->largest_offset + 26 + log(p->how->k);
    return 2 * (d / 16.0 + 8) * unit * size +
           (p->how->normalize ? 8 * unit / p->least_variance : 0);
}

bool close_to(double a, double b, double bound)
{
    return a == b || fabs(a - b) <= bound || (isnan(a) && isnan(b));
}

/* Whether what `gpu` has in a place where the CPU has a component worth `value` is worth as much to the CPU; it may stand beyond the
 * last that is known. */
static bool is_of_equal_worth(const outcome *cpu, int64_t r, int32_t i, int32_t component,
                              double value, double allowed)
{
    for (int32_t q = 0; q < cpu->top; q++)
        if (cpu->components[r * cpu->top + q] == component)
            return close_to(cpu->values[r * cpu->top + q], value, 2 * allowed);
    return i == cpu->top - 1;
}

static void compare_row(const problem *p, const outcome *cpu, const outcome *gpu, int64_t r,
                        int64_t *flips)
{
    const bool hard = p->kind == FGI_HARD;
    const double density = cpu->log_density[r], bound = value_bound(p, density);
    if (gpu->told_density && !close_to(density, gpu->log_density[r], bound))
        fail_msg("row %lld: log-density %.17g and %.17g, bound %g", (long long)r, density,
                 gpu->log_density[r], bound);
    for (int32_t i = 0; i < gpu->top; i++) {
        const int64_t at = r * cpu->top + i, there = r * gpu->top + i;
        const int32_t wanted = cpu->components[at], component = gpu->components[there];
        const double a = cpu->values[at], b = gpu->values[there];
        const double allowed = hard ? value_bound(p, a) : 3 * bound;
        if (!close_to(a, b, allowed))
            fail_msg("row %lld, rank %d: value %.9g and %.9g, bound %g", (long long)r, i, a, b,
                     allowed);
        if (wanted == component) continue;
        if (wanted < 0 || component < 0) { /* one stopped at tau, or at 0 */
            assert_true(fmax(a, b) <= 3 * bound + 0x1p-20);
            continue;
        }
        if (!is_of_equal_worth(cpu, r, i, component, a, allowed))
            fail_msg("row %lld, rank %d: components %d and %d", (long long)r, i, wanted, component);
        if (i == 0) ++*flips;
    }
}

/* How far statistics may lie apart. */
typedef struct allowance {
    double value;    /* of a row: nats, or squared distance */
    double flips;    /* rows that may have gone to another of two nearest centroids */
    double row, far; /* of a row, in distance: by how much it was rounded; how far off it lies */
} allowance;

static void compare_stats(const fgi_stats *a, const fgi_stats *b, bool soft, const allowance *off)
{
    const int32_t d = a->d, cols = a->kind == FGI_DIAGONAL ? d : 1;
    const double square_off = off->row * (2 * off->far + off->row);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->rows_skipped, b->rows_skipped);
    assert_int_equal(a->first_bad_row, b->first_bad_row);
    if (!close_to(a->objective, b->objective, off->value * (double)a->rows))
        fail_msg("objective %.17g and %.17g, bound %g a row", a->objective, b->objective,
                 off->value);
    /* responsibilities differ by a factor of at most e^(2 bound); what is dropped is below 2^-26 of a row, which lies as far off as
     * one that matters, or hardly further */
    const double share = soft ? expm1(2.1 * off->value) : 0.0, moved = off->flips;
    const double tiny = 0x1p-24 * (double)a->rows;
    for (int32_t j = 0; j < a->k; j++) {
        double square = 0.0;
        for (int32_t i = 0; i < cols; i++) {
            const int64_t at = (int64_t)j * cols + i;
            square += a->square[at];
            const double allowed = (share + (d / 8.0 + 16) * unit) * a->square[at] +
                                   moved * off->far * off->far + a->mass[j] * square_off +
                                   tiny * off->far * off->far + 1e-30;
            if (!close_to(a->square[at], b->square[at], allowed))
                fail_msg("square of %d, %d: %.17g and %.17g, bound %g", j, i, a->square[at],
                         b->square[at], allowed);
        }
        if (!close_to(a->mass[j], b->mass[j], share * a->mass[j] + moved + tiny))
            fail_msg("mass of %d: %.17g and %.17g", j, a->mass[j], b->mass[j]);
        const double reach = sqrt(a->mass[j] * square) + moved * off->far;
        for (int32_t i = 0; i < d; i++) {
            const int64_t at = (int64_t)j * d + i;
            if (!close_to(a->shift[at], b->shift[at],
                          (share + 8 * unit) * reach + moved * off->far + a->mass[j] * off->row +
                              tiny * off->far))
                fail_msg("shift of %d, %d: %.17g and %.17g", j, i, a->shift[at], b->shift[at]);
        }
    }
}

/* The distance at which rows still matter, from the largest density. */
static double farthest(const problem *p, const outcome *cpu)
{
    double most = 0.0;
    for (int64_t r = 0; r < p->how->n; r++)
        if (isfinite(cpu->log_density[r])) most = fmax(most, fabs(cpu->log_density[r]));
    if (p->kind == FGI_HARD) return sqrt(most);
    return sqrt(2 * p->most_variance * (most + p->largest_offset + 26 + log(p->how->k)));
}

static double largest_bound(const problem *p, const outcome *cpu)
{
    double bound = 0.0;
    for (int64_t r = 0; r < p->how->n; r++)
        if (isfinite(cpu->log_density[r])) bound = fmax(bound, value_bound(p, cpu->log_density[r]));
    return bound;
}

/* Tells how many rows have another best component. */
static int64_t count_flips(const problem *p, const outcome *cpu, const outcome *gpu)
{
    assert_true(gpu->top <= cpu->top);
    int64_t flips = 0;
    for (int64_t r = 0; r < p->how->n; r++) compare_row(p, cpu, gpu, r, &flips);
    return flips;
}

void compare_rows(const problem *p, const outcome *cpu, const outcome *gpu)
{
    (void)count_flips(p, cpu, gpu);
}

void compare_rows_and_statistics(const problem *p, const outcome *cpu, const outcome *gpu)
{
    const int64_t flips = count_flips(p, cpu, gpu);
    const allowance off = {
        .value = largest_bound(p, cpu),
        .flips = p->kind == FGI_HARD ? (double)flips : 0.0,
        .far = farthest(p, cpu),
    };
    compare_stats(&cpu->stats, &gpu->stats, p->kind != FGI_HARD, &off);
}

/* Rows whose nearest two centroids are as near as can be told. */
static double near_ties(const problem *p, const outcome *cpu, double bound)
{
    double ties = 0.0;
    for (int64_t r = 0; r < p->how->n && cpu->top > 1; r++)
        ties += cpu->components[2 * r] >= 0 && cpu->components[2 * r + 1] >= 0 &&
                cpu->values[2 * r + 1] - cpu->values[2 * r] <= 2 * bound;
    return ties;
}

/* Rounding x and m to f16 moves each by 2^-11 of its length at most, hence a distance by e = 2^-11 (|x| + |m|), and its
 * square by e (2 distance + e). */
void compare_statistics(const problem *p, const outcome *cpu, const outcome *gpu, bool f16)
{
    allowance off = {.value = largest_bound(p, cpu), .far = farthest(p, cpu)};
    if (f16) {
        double longest = 0.0; /* of means; rows lie `far` from one of them at most */
        for (int32_t j = 0; j < p->how->k; j++) {
            double length2 = 0.0;
            for (int32_t i = 0; i < p->how->d; i++) {
                const double m = p->params.means[(int64_t)j * p->how->d + i];
                length2 += m * m;
            }
            longest = fmax(longest, sqrt(length2));
        }
        off.row = 0x1p-11 * (2 * longest + off.far);
        const double square = off.row * (2 * off.far + off.row);
        off.value += p->kind == FGI_HARD ? square : square / (2 * p->least_variance);
    }
    if (p->kind == FGI_HARD) off.flips = near_ties(p, cpu, off.value);
    compare_stats(&cpu->stats, &gpu->stats, p->kind != FGI_HARD, &off);
}
