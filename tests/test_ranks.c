/* SPDX-License-Identifier: Apache-2.0 */
/* test_ranks.c - passes that tell the best components of each row, exactly ranked, by all kernels that this CPU has: against a
 * search through all components in float64. In few dimensions, where screening scores stand exactly their margins above values. */
#include "backend_cases.h"

#include <math.h> /* INFINITY */

static const char *const isas[] = {"amx", "avx512vnni", "avx512", "avx2", "neon", "ref"};
enum { ISAS = sizeof isas / sizeof *isas, TOP = 3 };

/* The largest values of a row, in falling order. */
static void find_best(const problem *p, int64_t row, double best[TOP])
{
    const fgi_params *m = &p->params;
    const float *x = (const float *)p->rows + row * (p->how->d + p->how->gap);
    const int32_t cols = fgi_variance_cols(p->kind, m->d);
    for (int r = 0; r < TOP; r++) best[r] = -INFINITY;
    for (int32_t j = 0; j < m->k; j++) {
        double value = p->kind == FGI_HARD ? 0.0 : m->log_weights[j];
        if (m->log_weights[j] == -INFINITY) continue;
        for (int32_t i = 0; i < m->d; i++) {
            const double off = (double)x[i] - m->center[i] - m->means[(int64_t)j * m->d + i];
            const double v = cols ? m->variances[(int64_t)j * cols + (cols > 1 ? i : 0)] : 0.0;
            value -= cols ? 0.5 * (off * off / v + log(6.283185307179586 * v)) : off * off;
        }
        for (int r = 0; r < TOP; r++)
            if (value > best[r]) {
                const double worse = best[r];
                best[r] = value;
                value = worse;
            }
    }
}

/* Of mixtures responsibilities, of centroids squared distances; -1 where no component is left. */
static void check_row(const problem *p, const double best[TOP], const outcome *found, int64_t row)
{
    const double density = found->log_density[row], bound = value_bound(p, density);
    for (int r = 0; r < TOP; r++) {
        const int64_t at = row * TOP + r;
        const bool there = best[r] > -INFINITY, hard = p->kind == FGI_HARD;
        if ((found->components[at] >= 0) != there)
            fail_msg("row %lld, rank %d: component %d", (long long)row, r, found->components[at]);
        if (!there) continue;
        const double wanted = hard ? -best[r] : exp(best[r] - density);
        if (!close_to(wanted, found->values[at], hard ? bound : 3 * bound))
            fail_msg("row %lld, rank %d: %.9g, not %.9g, bound %g", (long long)row, r,
                     found->values[at], wanted, bound);
    }
}

static void check_kernels(const char *isa, const problem *p, double (*best)[TOP])
{
    const fg_context_options o = {.struct_size = sizeof o, .backend = FG_BACKEND_CPU, .isa = isa};
    const fgi_row_request want = {.top = TOP, .exact_rank = true, .log_density = true};
    fg_context *ctx;
    outcome found;
    const fg_status status = fg_context_create(&o, &ctx);
    if (status == FG_ARGUMENT && strcmp(isa, "ref") != 0) return; /* this CPU lacks them */
    expect_ok(status);
    run_pass(ctx, p, &want, p->kind, &found);
    for (int64_t row = 0; row < p->how->n; row++) check_row(p, best[row], &found, row);
    free_outcome(&found);
    fg_context_destroy(ctx);
}

static void check_ranks(const pass_case *c, fgi_kind kind)
{
    problem p;
    double(*best)[TOP] = malloc((size_t)c->n * sizeof *best);
    assert_non_null(best);
    make_problem(c, kind, &p);
    for (int64_t row = 0; row < c->n; row++) find_best(&p, row, best[row]);
    for (int i = 0; i < ISAS; i++) check_kernels(isas[i], &p, best);
    free_problem(&p);
    free(best);
}

static void test_few_dimensions(void **state)
{
    (void)state;
    static const fgi_kind kinds[] = {FGI_HARD, FGI_SPHERICAL, FGI_DIAGONAL};
    static const int32_t sizes[] = {2, 40, 384, 1000};
    for (int size = 0; size < 4; size++)
        for (int32_t d = 1; d <= 4; d++)
            for (int spread = 0; spread < 4; spread++) {
                const pass_case c = {.n = 400,
                                     .k = sizes[size],
                                     .d = d,
                                     .dtype = FG_F32,
                                     .spread = 0.02 * exp2(2 * spread)};
                for (int kind = 0; kind < 3; kind++) check_ranks(&c, kinds[kind]);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_dimensions)};
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
