/* SPDX-License-Identifier: Apache-2.0 */
/* test_screen.c - what scores promise, and that labels do not depend on them. Knows the plan and the kernels of the CPU
 * backend, every instruction set this CPU has, ref included. */
#include "mixtures.h"

#include "context.h"
#include "cpu_tile.h"
#include "kernels.h"
#include "pass.h"
#include "random.h"
#include "source.h"

#include <math.h> /* exp2, fabs, fmaxf, pow */

/* ------------------------------------------------------------------------------------------ margins */

/* The least that a score may be by what the screen promises, for the row opposite a centroid, whose norm is as wrong as any
 * order of sums makes it. */
static double lowest_score(const fgi_cpu_plan *plan, int32_t j)
{
    const double u = 0x1p-24;
    double squares = 0.0;
    for (int32_t i = 0; i < plan->d; i++) {
        const double m = plan->means[(int64_t)j * plan->ld + i];
        squares += m * m;
    }
    const double norm2 = squares * (1.0 + (plan->d + 3) * u);
    const double terms = fabs((double)plan->bias[j]) + fabs(plan->slope[j] * norm2);
    const double error = fgi_product_error(plan->screen, plan->depth) * 2.0 * squares;
    return plan->bias[j] + plan->slope[j] * norm2 - 2.0 * squares - error -
           (plan->depth + 4) * u * terms;
}

/* Opposite a centroid, a distance is as large as it gets beside |x|^2 + |m|^2, and so is its rounding. */
static void no_score_is_below_a_refined_value(void **state)
{
    (void)state;
    enum { K = 2, D = 8 };
    fgi_params p;
    expect_ok(fgi_params_create(NULL, FGI_HARD, K, D, &p));
    for (int32_t i = 0; i < D; i++) {
        p.means[i] = 1.0 + 0.125 * i;
        p.means[D + i] = -p.means[i];
    }
    for (const char *const *isa = every_isa; *isa; isa++) {
        const fgi_kernels *kernels = fgi_kernels_pick(*isa);
        fgi_cpu_plan plan;
        if (!kernels) continue;
        expect_ok(fgi_cpu_plan_create(NULL, kernels, &p, NULL, &plan));
        for (int32_t j = 0; j < K; j++) {
            double distance = 0.0;
            for (int32_t i = 0; i < D; i++) distance += 4.0 * p.means[i] * p.means[i];
            assert_true(lowest_score(&plan, j) >= -distance * (1.0 - fgi_distance_error(D)));
        }
        fgi_cpu_plan_destroy(&plan);
    }
    fgi_params_destroy(&p);
}

/* Scores of a few rows by one screen of a table. */
typedef struct scored {
    fgi_cpu_plan plan;
    fgi_cpu_scratch scratch;
    fgi_kernels kernels; /* with no other screen */
} scored;

static void score_rows(const fgi_kernels *kernels, int32_t screen, const fgi_params *p,
                       const fg_view *rows, scored *out)
{
    out->kernels = *kernels;
    out->kernels.screens = &kernels->screens[screen];
    out->kernels.screen_count = 1;
    expect_ok(fgi_cpu_plan_create(NULL, &out->kernels, p, NULL, &out->plan));
    out->plan.dense_panels = 0; /* a tile of all components has no scores */
    expect_ok(fgi_cpu_scratch_create(NULL, &out->plan, &out->scratch));
    const fgi_row_request none = {0};
    const fgi_cpu_job job = fgi_cpu_job_of(&out->kernels, &out->plan, &none);
    fgi_cpu_tile_absorb(&job, &out->scratch, rows, 0, NULL, NULL);
}

static void scored_free(scored *s)
{
    fgi_cpu_scratch_destroy(&s->scratch);
    fgi_cpu_plan_destroy(&s->plan);
}

/* In f64, less what refining may lose. */
static double least_value(const fgi_cpu_plan *plan, const float *x, int32_t j)
{
    double sum = 0.0;
    for (int32_t i = 0; i < plan->d; i++) {
        const double difference = (double)x[i] - plan->means[(int64_t)j * plan->ld + i];
        sum += plan->scale[(int64_t)j * plan->ld + i] * difference * difference;
    }
    return plan->offset[j] - sum * (1.0 - fgi_distance_error(plan->d));
}

enum { DIAGONAL_K = 50, DIAGONAL_ROWS = 24 };

/* Dimensions of all sizes. Components have variances of their own; some of them lie at a floor, in one dimension, in every
 * third, or in all. Rows lie at means, and a step away. */
static void make_diagonal(fgi_params *p, float *x, int32_t d, double offset)
{
    expect_ok(fgi_params_create(NULL, FGI_DIAGONAL, DIAGONAL_K, d, p));
    for (int64_t i = 0; i < (int64_t)DIAGONAL_K * d; i++) {
        const int32_t j = (int32_t)(i / d), dim = (int32_t)(i % d);
        const double size = exp2(dim % 7 - 3), normal = fgi_random_normal(9, 1, (uint64_t)i);
        const double other = fgi_random_normal(9, 2, (uint64_t)i);
        const bool low = j == 1 || (j == 2 && dim == 0) || (j == 3 && dim % 3 == 0);
        p->means[i] = (float)(size * (offset + normal));
        p->variances[i] = size * size * (low ? 1e-6 : 0.3 * exp2(0.5 * other));
    }
    for (int32_t r = 0; r < DIAGONAL_ROWS; r++)
        for (int32_t i = 0; i < d; i++)
            x[r * d + i] =
                (float)(p->means[r * d + i] + r % 4 * 0.4 * exp2(i % 7 - 3) *
                                                  fgi_random_normal(9, 3, (uint64_t)(r * d + i)));
}

/* Every screen, of squares that are about as large as values, of such that are all of a score, and of scales cut off. */
static void no_diagonal_score_is_below_its_value(void **state)
{
    (void)state;
    static const int32_t depths[] = {1, 3, 16, 33, 130};
    static const double offsets[] = {0.0, 1.0, 40.0};
    static float x[DIAGONAL_ROWS * 130];
    for (int32_t c = 0; c < 15; c++) {
        fgi_params p;
        const int32_t d = depths[c / 3];
        make_diagonal(&p, x, d, offsets[c % 3]);
        const fg_view rows = view_of(x, DIAGONAL_ROWS, d, FG_F32);
        for (const char *const *isa = every_isa; *isa; isa++) {
            const fgi_kernels *kernels = fgi_kernels_pick(*isa);
            for (int32_t s = 0; kernels && s < kernels->screen_count; s++) {
                scored of;
                score_rows(kernels, s, &p, &rows, &of);
                for (int32_t r = 0; r < DIAGONAL_ROWS; r++)
                    for (int32_t j = 0; j < DIAGONAL_K; j++) {
                        const float score = of.scratch.scores[r * of.scratch.ld_scores + j];
                        const double value = least_value(&of.plan, x + r * d, j);
                        if (!(score >= value))
                            fail_msg("%s %s, d %d, offset %g: row %d, component %d: %.9g < %.9g",
                                     *isa, of.plan.screen->name, d, offsets[c % 3], r, j, score,
                                     value);
                    }
                scored_free(&of);
            }
        }
        fgi_params_destroy(&p);
    }
}

/* Of components alike, a coarse screen's scores are near: products of what differs from the typical scale are small. */
static void diagonal_scores_are_near_their_values(void **state)
{
    (void)state;
    enum { D = 64 };
    static float x[DIAGONAL_ROWS * D];
    fgi_params p;
    make_diagonal(&p, x, D, 0.0);
    for (int64_t i = 0; i < (int64_t)DIAGONAL_K * D; i++) { /* all of one size */
        const double size = exp2((double)(i % D % 7 - 3));
        p.means[i] = (float)(p.means[i] / size);
        p.variances[i] = 0.3 * exp2(0.2 * fgi_random_normal(9, 2, (uint64_t)i));
    }
    for (int32_t i = 0; i < DIAGONAL_ROWS * D; i++) x[i] = (float)p.means[i];
    const fg_view rows = view_of(x, DIAGONAL_ROWS, D, FG_F32);
    for (const char *const *isa = every_isa; *isa; isa++) {
        const fgi_kernels *kernels = fgi_kernels_pick(*isa);
        for (int32_t s = 0; kernels && s < kernels->screen_count; s++) {
            scored of;
            score_rows(kernels, s, &p, &rows, &of);
            assert_true(of.plan.margin < 16.0);
            for (int32_t r = 0; r < DIAGONAL_ROWS; r++)
                for (int32_t j = 0; j < DIAGONAL_K; j++)
                    assert_true(of.scratch.scores[r * of.scratch.ld_scores + j] <
                                least_value(&of.plan, x + r * D, j) + 4.0 * of.plan.margin + 0.01);
            scored_free(&of);
        }
    }
    fgi_params_destroy(&p);
}

/* The first component's are far too high. */
static void lying_scores(const fgi_scores_args *a)
{
    fgi_kernels_ref.screens->scores(a);
    for (int32_t r = 0; r < a->rows; r++) {
        a->scores[(int64_t)r * a->ld_scores] += 1e6f;
        a->row_max[r] = fmaxf(a->row_max[r], a->scores[(int64_t)r * a->ld_scores]);
    }
}

/* A row that a score misleads looks for the best of the others, not for all. */
static void a_false_score_does_not_make_candidates_of_all(void **state)
{
    (void)state;
    enum { D = 33, ROW = 5 };
    static float x[DIAGONAL_ROWS * D];
    fgi_params p;
    make_diagonal(&p, x, D, 0.0);
    fgi_screen liar = *fgi_kernels_ref.screens;
    liar.scores = lying_scores;
    fgi_kernels kernels = fgi_kernels_ref;
    kernels.screens = &liar;
    const fg_view row = view_of(x + ROW * D, 1, D, FG_F32);
    scored of;
    score_rows(&kernels, 0, &p, &row, &of);
    assert_in_range(of.scratch.block.count, 2, DIAGONAL_K / 4);
    assert_int_equal(of.scratch.block.component[of.scratch.block.count - 1], ROW);
    scored_free(&of);
    fgi_params_destroy(&p);
}

/* ------------------------------------------------------------------------------------------- labels */

enum { N = 3000, MOST_D = 260, MOST_K = 300 };

typedef struct shape {
    int32_t k, d;
    double offset; /* of everything from the centre: screens give the more away */
} shape;

/* Rows in the middle between two centroids, or as good as there; some centroids stand twice. */
static void make_ties(const shape *s, fgi_params *p, float *x)
{
    expect_ok(fgi_params_create(NULL, FGI_HARD, s->k, s->d, p));
    for (int64_t i = 0; i < (int64_t)s->k * s->d; i++)
        p->means[i] = (float)(s->offset + fgi_random_normal(3, 1, (uint64_t)i));
    for (int32_t i = 0; i < s->d; i++) p->means[(s->k - 1) * s->d + i] = p->means[3 * s->d + i];
    for (int32_t n = 0; n < N; n++) {
        const double *a = p->means + n % s->k * s->d, *b = p->means + n * 7 % s->k * s->d;
        for (int32_t i = 0; i < s->d; i++) x[n * s->d + i] = (float)(0.5 * (a[i] + b[i]));
    }
}

/* The first of the nearest among all, by the distances that refine. */
static int32_t nearest(const fgi_kernels *kernels, const fgi_cpu_plan *plan, const float *x)
{
    static int32_t row[MOST_K], component[MOST_K];
    static float distance[MOST_K];
    for (int32_t j = 0; j < plan->k; j++) component[j] = j;
    kernels->distances(&(fgi_distances_args){
        .pairs = {.count = plan->k, .row = row, .component = component},
        .x = x,
        .means = plan->means,
        .ld = plan->ld,
        .d = plan->d,
        .out = distance,
    });
    int32_t best = 0;
    for (int32_t j = 1; j < plan->k; j++)
        if (distance[j] < distance[best]) best = j;
    return best;
}

typedef struct expected {
    const fgi_kernels *kernels;
    const fgi_cpu_plan *plan;
    const float *x; /* the rows */
} expected;

static fg_status expect_nearest(void *user, int64_t first, int64_t rows,
                                const fgi_row_results *results)
{
    const expected *e = user;
    for (int64_t n = 0; n < rows; n++) {
        const float *x = e->x + (first + n) * e->plan->d;
        assert_int_equal(results->components[n], nearest(e->kernels, e->plan, x));
    }
    return FG_OK;
}

/* One screen of a table, as if it had no other. */
static void check_labels(const fgi_kernels *kernels, const fgi_params *p, fg_source *src,
                         const float *x)
{
    fg_context ctx = {.kernels = kernels};
    fgi_cpu_plan plan;
    expect_ok(fgi_pool_create(&ctx.ledger, 1, &ctx.pool));
    expect_ok(fgi_backend_cpu(&ctx.ledger, ctx.pool, kernels, &ctx.backend));
    expect_ok(fgi_cpu_plan_create(&ctx.ledger, kernels, p, NULL, &plan));
    expected e = {kernels, &plan, x};
    const fgi_pass pass = {.params = p, .rows = {.top = 1}, .consume = expect_nearest, .user = &e};
    expect_ok(fgi_pass_run(&ctx, src, &pass, false));
    fgi_cpu_plan_destroy(&plan);
    ctx.backend->ops->destroy(ctx.backend);
    fgi_pool_destroy(ctx.pool);
}

static void labels_are_of_all_refined_distances(void **state)
{
    (void)state;
    static const shape shapes[] = {{40, 3, 0}, {300, 17, 0}, {129, 128, 0}, {64, 260, 30}};
    static float x[N * MOST_D];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fgi_params p;
        make_ties(&shapes[i], &p, x);
        fg_source *src = source_of(x, N, shapes[i].d, FG_F32);
        for (const char *const *isa = every_isa; *isa; isa++) {
            const fgi_kernels *kernels = fgi_kernels_pick(*isa);
            for (int32_t s = 0; kernels && s < kernels->screen_count; s++) {
                fgi_kernels one = *kernels;
                one.screens = &kernels->screens[s];
                one.screen_count = 1;
                check_labels(&one, &p, src, x);
            }
        }
        fg_source_destroy(src);
        fgi_params_destroy(&p);
    }
}

/* -------------------------------------------------------------------------------------------- sums */

/* Centroids about the origin and one far away, whose scores are much too large: rows about half way to it, some nearer to the
 * middle than others, of which those are looked at twice that it seems to win. */
static void make_lonely(fgi_params *p, float *x, int32_t k, int32_t d)
{
    expect_ok(fgi_params_create(NULL, FGI_HARD, k, d, p));
    for (int64_t i = 0; i < (int64_t)k * d; i++)
        p->means[i] = (float)(fgi_random_normal(4, 1, (uint64_t)i) + (i < d ? 100.0 : 0.0));
    for (int32_t n = 0; n < N; n++) {
        const double *near = p->means + (1 + n % 3) * d;
        const double part = 0.5 - pow(0.1, 1.0 + 6.0 * fgi_random_uniform(4, 2, (uint64_t)n));
        for (int32_t i = 0; i < d; i++)
            x[n * d + i] = (float)(near[i] + part * (p->means[i] - near[i]));
    }
}

static void sums_of(const fgi_kernels *kernels, const fgi_params *p, fg_source *src, fgi_stats *out)
{
    fg_context ctx = {.kernels = kernels};
    expect_ok(fgi_pool_create(&ctx.ledger, 1, &ctx.pool));
    expect_ok(fgi_backend_cpu(&ctx.ledger, ctx.pool, kernels, &ctx.backend));
    expect_ok(fgi_stats_create(NULL, out->kind, p->k, p->d, out));
    const fgi_pass pass = {.params = p, .stats = out};
    expect_ok(fgi_pass_run(&ctx, src, &pass, false));
    ctx.backend->ops->destroy(ctx.backend);
    fgi_pool_destroy(ctx.pool);
}

static void expect_same_sums(const fgi_stats *a, const fgi_stats *b)
{
    const int64_t doubles = fgi_stats_doubles(a->kind, a->k, a->d);
    assert_memory_equal(a->mass, b->mass, (size_t)doubles * sizeof *a->mass);
    assert_memory_equal(&a->objective, &b->objective, sizeof a->objective);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->survivors, b->survivors);
}

/* Every screen of a table, in tiles as they are and in the least: rows are put back in other places. */
static void hard_sums_do_not_depend_on_the_screen(void **state)
{
    (void)state;
    enum { K = 60, D = 20 };
    static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};
    static float x[N * D];
    fgi_params p;
    make_lonely(&p, x, K, D);
    fg_source *src = source_of(x, N, D, FG_F32);
    for (const char *const *isa = every_isa; *isa; isa++) {
        const fgi_kernels *kernels = fgi_kernels_pick(*isa);
        for (int32_t kind = 0; kernels && kind < 3; kind++) {
            fgi_stats expected_sums = {.kind = kinds[kind]};
            sums_of(kernels, &p, src, &expected_sums);
            for (int32_t s = 0; s < 2 * kernels->screen_count; s++) {
                fgi_screen screen = kernels->screens[s / 2];
                if (s % 2) screen.most_rows = screen.row_group;
                fgi_kernels one = *kernels;
                one.screens = &screen;
                one.screen_count = 1;
                fgi_stats sums = {.kind = kinds[kind]};
                sums_of(&one, &p, src, &sums);
                expect_same_sums(&sums, &expected_sums);
                fgi_stats_destroy(&sums);
            }
            fgi_stats_destroy(&expected_sums);
        }
    }
    fg_source_destroy(src);
    fgi_params_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_score_is_below_a_refined_value),
        cmocka_unit_test(no_diagonal_score_is_below_its_value),
        cmocka_unit_test(diagonal_scores_are_near_their_values),
        cmocka_unit_test(a_false_score_does_not_make_candidates_of_all),
        cmocka_unit_test(labels_are_of_all_refined_distances),
        cmocka_unit_test(hard_sums_do_not_depend_on_the_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
