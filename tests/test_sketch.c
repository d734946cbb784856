/* SPDX-License-Identifier: Apache-2.0 */
/* test_sketch.c - sketches leave out no row that they must not: for every instruction set, metric, size and kind of
 * row, one whose key the exact kernel finds passes where that key is the worst that is wanted. And the inequalities of
 * ivf_sketch.h hold in f64. Knows sketches and kernels. */
#include "kernel_case.h"

#include "ivf_sketch.h"

enum { ROWS = 48, KINDS = 12 };

static const int32_t sizes[] = {1,  2,  3,   5,   12,  31,  32,  33,  63,
                                64, 65, 100, 128, 129, 255, 256, 257, 300};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Rows of many kinds, most of which no index would take from anybody but an untrusted file. */
static double value_of(int32_t row, int32_t i, int32_t d)
{
    const double x = random_float((uint64_t)row * 1000 + (uint64_t)i);
    switch (row % KINDS) {
    case 0: return 0;
    case 1: return x * 1e30;
    case 2: return x * 1e-30;
    case 3: return x * 1e-42;
    case 4: return x * 3e38;
    case 5: return i == row % d ? NAN : x;
    case 6: return i == row % d ? INFINITY : x;
    case 7: return i == row % d ? 1000 : 0;
    case 8: return i == row % d ? 1e-20 : x * 1e-25;
    case 9: return 5 + x / 100;
    case 10: return x > 0.9 ? 1 : 0.001 * x;
    default: return x;
    }
}

typedef struct sample {
    fgi_sketch_kind kind;
    float *rows, *inverse_norms;
    float query[300];
    float keys[ROWS];
    unsigned char *sketches;
    fgi_query_sketch sketch;
    int16_t numbers[320];
} sample;

static void find_keys(sample *s)
{
    const fgi_sketch_kind *k = &s->kind;
    if (k->metric == FG_METRIC_L2) {
        table->scan_l2[FG_F32](s->query, s->rows, NULL, ROWS, k->d, s->keys);
        return;
    }
    table->scan_ip[FG_F32](s->query, s->rows, NULL, ROWS, k->d, s->keys);
    for (int32_t r = 0; r < ROWS; r++)
        s->keys[r] *= k->metric == FG_METRIC_COSINE ? -s->inverse_norms[r] : -1;
}

static void make(sample *s, double query_scale)
{
    const int32_t d = s->kind.d;
    double norm2 = 0;
    s->rows = malloc((size_t)(ROWS * d) * sizeof *s->rows);
    s->inverse_norms = malloc(ROWS * sizeof *s->inverse_norms);
    for (int32_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int32_t i = 0; i < d; i++) {
            const float v = (float)value_of(r, i, d);
            s->rows[r * d + i] = v;
            sum += (double)v * v;
        }
        s->inverse_norms[r] = (float)(1 / sqrt(sum));
        if (r == ROWS - 1) s->inverse_norms[r] = -3; /* as only a file would say */
        if (r == ROWS - 2) s->inverse_norms[r] = 1e20F;
    }
    for (int32_t i = 0; i < d; i++) {
        s->query[i] = (float)(value_of(11, i + 400, d) * query_scale);
        norm2 += (double)s->query[i] * s->query[i];
    }
    for (int32_t i = 0; s->kind.metric == FG_METRIC_COSINE && i < d; i++)
        s->query[i] = (float)(s->query[i] / sqrt(norm2));
    find_keys(s);
    const int64_t bytes = fgi_sketch_bytes(&s->kind);
    s->sketches = malloc((size_t)(ROWS * bytes));
    fgi_sketch_rows(&s->kind, s->rows, s->inverse_norms, ROWS, s->sketches);
    fgi_query_sketch_make(s->query, d, s->numbers, &s->sketch);
}

static void clear(sample *s)
{
    free(s->rows);
    free(s->inverse_norms);
    free(s->sketches);
}

static bool among(const int32_t *kept, int32_t count, int32_t number)
{
    for (int32_t i = 0; i < count; i++)
        if (kept[i] == number) return true;
    return false;
}

static void check_passing(const fgi_sketch_kind *kind, double query_scale)
{
    sample s = {.kind = *kind};
    int32_t kept[FGI_SKETCH_BLOCK], index[ROWS];
    make(&s, query_scale);
    for (int32_t i = 0; i < ROWS; i++) index[i] = ROWS - 1 - i;
    const fgi_sketches all = {(const char *)s.sketches, fgi_sketch_bytes(kind), NULL};
    const fgi_sketches by_number = {all.rows, all.stride, index};
    for (int32_t r = 0; s.sketch.numbers && r < ROWS; r++) {
        const float worst = s.keys[r];
        if (isnan(worst) || worst == INFINITY)
            continue; /* such keys are no results, and screen nothing */
        const int32_t found = fgi_sketch_screen(kind, table, &s.sketch, &all, ROWS, worst, kept);
        for (int32_t o = 0; o < ROWS; o++)
            if (s.keys[o] <= worst && !among(kept, found, o))
                fail_msg("%s: metric %d, %d dimensions, query of %g: row %d is left out",
                         table->isa, kind->metric, kind->d, query_scale, o);
        int32_t again[FGI_SKETCH_BLOCK];
        const int32_t found_again =
            fgi_sketch_screen(kind, table, &s.sketch, &by_number, ROWS, worst, again);
        assert_int_equal(found_again, found);
        for (int32_t i = 0; i < found; i++) assert_int_equal(again[i], kept[found - 1 - i]);
    }
    clear(&s);
}

static void rows_that_may_be_results_pass(void **state)
{
    static const double scales[] = {1, 300, 1e15, 1e-5, 1e-20, 1e-35, 3e38};
    (void)state;
    for (int32_t m = FG_METRIC_L2; m <= FG_METRIC_COSINE; m++)
        for (int32_t i = 0; i < SIZES; i++)
            for (int32_t q = 0; q < 7; q++) {
                const fgi_sketch_kind kind = {(fg_metric)m, FG_F32, sizes[i]};
                if (fgi_sketch_bytes(&kind) > 0) check_passing(&kind, scales[q]);
            }
}

/* Of ordinary rows, sketches must leave out most, or all this is for nothing. */
static void most_rows_are_left_out(void **state)
{
    (void)state;
    for (int32_t m = FG_METRIC_L2; m <= FG_METRIC_COSINE; m++) {
        const fgi_sketch_kind kind = {(fg_metric)m, FG_F32, 100};
        sample s = {.kind = kind};
        float ordinary[ROWS / KINDS * 100];
        int32_t kept[FGI_SKETCH_BLOCK];
        make(&s, 1);
        for (int32_t r = 0; r < ROWS / KINDS; r++) /* those of the last kind alone */
            memcpy(ordinary + r * 100, s.rows + (r * KINDS + KINDS - 1) * 100,
                   100 * sizeof *ordinary);
        for (int32_t r = 0; r < ROWS / KINDS; r++) s.inverse_norms[r] = s.inverse_norms[KINDS - 1];
        fgi_sketch_rows(&kind, ordinary, s.inverse_norms, ROWS / KINDS, s.sketches);
        float best = INFINITY;
        for (int32_t r = 0; r < ROWS / KINDS; r++)
            best = fminf(best, s.keys[r * KINDS + KINDS - 1]);
        const fgi_sketches sketches = {(const char *)s.sketches, fgi_sketch_bytes(&kind), NULL};
        assert_true(
            fgi_sketch_screen(&kind, table, &s.sketch, &sketches, ROWS / KINDS, best, kept) <= 2);
        clear(&s);
    }
}

/* The numbers behind the codes of a row. */
typedef struct sketch_end {
    float scale, norm, error;
} sketch_end;

static void check_inequalities(const sample *s, int32_t r, const double *v)
{
    const int32_t d = s->kind.d;
    const signed char *codes = (const signed char *)s->sketches + r * fgi_sketch_bytes(&s->kind);
    double inner = 0, inner_sketch = 0, apart2 = 0, apart_sketch2 = 0, length2 = 0,
           slack = 0x1p-300;
    sketch_end end;
    memcpy(&end, codes + (d + 3) / 4 * 4, sizeof end);
    for (int32_t i = 0; i < d; i++) {
        const double q = s->query[i], of_row = (double)end.scale * codes[i];
        const double of_query = (double)s->sketch.scale * s->sketch.numbers[i];
        inner += q * v[i];
        inner_sketch += of_query * of_row;
        apart2 += (q - v[i]) * (q - v[i]);
        apart_sketch2 += (of_query - of_row) * (of_query - of_row);
        length2 += v[i] * v[i];
    }
    slack += 0x1p-40 * (s->sketch.length + sqrt(length2)); /* of these sums in f64 */
    assert_true(inner <= inner_sketch + (double)s->sketch.length * end.error +
                             s->sketch.error * sqrt(length2 * 2) + slack * (1 + sqrt(length2)));
    assert_true(sqrt(apart2) >= sqrt(apart_sketch2) - s->sketch.error - end.error - slack);
}

static void inequalities_hold(void **state)
{
    (void)state;
    for (int32_t i = 0; i < SIZES; i++) {
        sample s = {.kind = {FG_METRIC_L2, FG_F32, sizes[i]}};
        if (fgi_sketch_bytes(&s.kind) == 0) continue;
        make(&s, 1);
        for (int32_t r = 0; r < ROWS; r++) {
            double v[300], most = 0;
            for (int32_t c = 0; c < sizes[i]; c++) {
                v[c] = s.rows[r * sizes[i] + c];
                most = isfinite(v[c]) ? fmax(most, fabs(v[c])) : INFINITY;
            }
            if (most < 1e10) check_inequalities(&s, r, v);
        }
        clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_may_be_results_pass),
        cmocka_unit_test(most_rows_are_left_out),
        cmocka_unit_test(inequalities_hold),
    };
    int failed = 0;
    while (next_table()) failed += cmocka_run_group_tests_name(table->isa, tests, NULL, NULL);
    return failed;
}
