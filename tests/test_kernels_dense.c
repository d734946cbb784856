/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernels_dense.c - distances, shares and moments of all components: every instruction set this CPU has, ref
 * included, against the formulas in f64. Knows kernels.h alone; kernel_case.h derives the bounds.
 *
 * Eights of d terms, each of three roundings before it is added, then their sums: gamma(8 + d / 8 + 3). Moments of a run
 * of FGI_DENSE_RUN rows: gamma(FGI_DENSE_RUN + 2) * sum |added|. */
#include "kernel_case.h"

enum { PANEL = FGI_DENSE_PANEL, MOST_PANELS = 3, MOST_LANES = MOST_PANELS * PANEL };

typedef struct shape {
    int32_t rows, d, panels;
    bool scaled;
} shape;

/* Where component j, dimension i stands. */
static int64_t packed(const shape *s, int32_t j, int32_t i)
{
    return ((int64_t)(j / PANEL) * s->d + i) * PANEL + j % PANEL;
}

static fgi_dense_args dense_case(const shape *s, float *r, int32_t ld)
{
    const int32_t ldx = s->d + 2;
    const int64_t cells = (int64_t)s->panels * PANEL * s->d;
    float *scale = random_floats_at_end(2, cells);
    for (int64_t i = 0; i < cells; i++) scale[i] = fabsf(scale[i]);
    return (fgi_dense_args){
        .x = random_floats_at_end(0, (int64_t)(s->rows - 1) * ldx + s->d),
        .ldx = ldx,
        .rows = s->rows,
        .d = s->d,
        .panels = s->panels,
        .means = random_floats_at_end(1, cells),
        .scale = s->scaled ? scale : NULL,
        .r = r,
        .ld = ld,
    };
}

static void check_distances(const shape *s)
{
    static float r[80 * (MOST_LANES + 4)];
    const int32_t lanes = s->panels * PANEL, ld = lanes + 4;
    const fgi_dense_args a = dense_case(s, r, ld);
    fill_canaries(r, (int64_t)s->rows * ld);
    table->dense_distances(&a);
    for (int32_t n = 0; n < s->rows; n++) {
        for (int32_t j = 0; j < lanes; j++) {
            double sum = 0;
            for (int32_t i = 0; i < s->d; i++) {
                const int64_t at = packed(s, j, i);
                const double difference = (double)a.x[n * a.ldx + i] - a.means[at];
                sum += (s->scaled ? a.scale[at] : 1.0) * difference * difference;
            }
            assert_near("dense_distances", s->d, r[n * ld + j], sum,
                        gamma_bound(8 + s->d / 8 + 3) * sum);
        }
        assert_canaries(r + n * ld + lanes, ld - lanes);
    }
}

static void all_distances_are_found(void **state)
{
    (void)state;
    static const int32_t dims[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 128, 300};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int32_t rows = 1; rows <= 19; rows++)
            check_distances(&(shape){rows, dims[d], 1 + rows % MOST_PANELS, rows % 2});
}

/* Moments of `rows` rows, added to what is there. */
static void check_moments(const shape *s)
{
    static float r[80 * (MOST_LANES + 4)];
    const int32_t lanes = s->panels * PANEL, ld = lanes + 4;
    const int64_t cells = (int64_t)lanes * s->d;
    const fgi_dense_args a = dense_case(s, r, ld);
    double *shift = malloc((size_t)cells * sizeof *shift);
    double *square = malloc((size_t)cells * sizeof *square);
    for (int64_t i = 0; i < (int64_t)s->rows * ld; i++) r[i] = fabsf(random_float((uint64_t)i));
    for (int64_t i = 0; i < cells; i++) shift[i] = square[i] = (double)i;
    table->dense_moments(&a, shift, s->scaled ? square : NULL);
    for (int32_t j = 0; j < lanes; j++) {
        for (int32_t i = 0; i < s->d; i++) {
            const int64_t at = packed(s, j, i);
            double sum = 0, magnitude = 0, sum2 = 0;
            for (int32_t n = 0; n < s->rows; n++) {
                const float difference = a.x[n * a.ldx + i] - a.means[at];
                const double added = (double)r[n * ld + j] * difference;
                sum += added;
                magnitude += fabs(added);
                sum2 += added * difference;
            }
            const double f64 = 0x1p-50 * (double)at, run = gamma_bound(FGI_DENSE_RUN + 2);
            assert_near("dense_moments, shift", s->d, shift[at] - (double)at, sum,
                        run * magnitude + f64);
            assert_near("dense_moments, square", s->d, square[at] - (double)at,
                        s->scaled ? sum2 : 0, run * sum2 + f64);
        }
    }
    free(shift);
    free(square);
}

static void all_moments_are_added(void **state)
{
    (void)state;
    static const int32_t dims[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 100};
    static const int32_t rows[] = {1, 2, 31, 32, 33, 64, 80};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int32_t n = 0; n < 14; n++)
            check_moments(&(shape){rows[n / 2], dims[d], 1 + n % MOST_PANELS, n % 2});
}

/* The last component has no row; where `far`, others are too far away for any share. */
static void check_shares(int32_t rows, int32_t panels, bool squares, float far)
{
    enum { ROWS = 9 };
    const int32_t count = panels * PANEL, ld = count + 4;
    static float r[ROWS * (MOST_LANES + 4)], distance[ROWS * (MOST_LANES + 4)], sum[ROWS];
    static double offset[MOST_LANES], scale[MOST_LANES], most[ROWS], mass[MOST_LANES],
        square[MOST_LANES];
    double *value = at_end(3, count * (int64_t)sizeof *value, 0), masses[MOST_LANES] = {0};
    double squared[MOST_LANES] = {0};
    for (int32_t j = 0; j < count; j++) {
        offset[j] = j == count - 1 ? -INFINITY : 5 * random_float((uint64_t)j);
        scale[j] = j == count - 1 ? 0 : 1 + random_float((uint64_t)j + 5);
        mass[j] = square[j] = 0;
    }
    for (int32_t i = 0; i < rows * ld; i++) {
        const bool alone = i % ld % 5 == 0;
        r[i] = distance[i] = fabsf(random_float((uint64_t)i)) * (alone ? 10 : far);
    }
    table->dense_shares(&(fgi_dense_shares_args){.r = r,
                                                 .ld = ld,
                                                 .rows = rows,
                                                 .count = count,
                                                 .offset = offset,
                                                 .scale = scale,
                                                 .value = value,
                                                 .mass = mass,
                                                 .square = squares ? square : NULL,
                                                 .most = most,
                                                 .sum = sum});
    for (int32_t n = 0; n < rows; n++) {
        double best = -INFINITY, powers = 0, power[MOST_LANES];
        for (int32_t j = 0; j < count; j++)
            best = fmax(best, offset[j] - scale[j] * distance[n * ld + j]);
        for (int32_t j = 0; j < count; j++) {
            const double e = (float)(offset[j] - scale[j] * distance[n * ld + j] - best);
            powers += power[j] = e < FGI_DENSE_LEAST ? 0 : exp2(e);
        }
        assert_true(most[n] == best);
        assert_near("sum of powers", count, sum[n], powers,
                    (gamma_bound(count) + 0x1p-22) * powers);
        for (int32_t j = 0; j < count; j++) {
            const double share = power[j] / sum[n];
            assert_near("dense share", count, r[n * ld + j], share, 1.5 * 0x1p-22 * share);
            masses[j] += r[n * ld + j];
            squared[j] += (double)r[n * ld + j] * distance[n * ld + j];
        }
    }
    for (int32_t j = 0; j < count; j++) {
        assert_near("mass", count, mass[j], masses[j], 0x1p-49 * masses[j]);
        assert_near("square", count, square[j], squares ? squared[j] : 0, 0x1p-49 * squared[j]);
    }
}

static void all_rows_are_shared(void **state)
{
    (void)state;
    for (int32_t rows = 1; rows <= 9; rows++)
        for (int32_t panels = 1; panels <= MOST_PANELS; panels++)
            check_shares(rows, panels, rows % 2, panels == 2 ? 1e4f : 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_distances_are_found),
        cmocka_unit_test(all_moments_are_added),
        cmocka_unit_test(all_rows_are_shared),
    };
    make_regions();
    int failed = 0;
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
