/* SPDX-License-Identifier: Apache-2.0 */
/* select_simd.h - which scores reach a threshold, over the vocabulary of vec.h.
 *
 * Whether one vector holds such a score is a coin's toss where there are few components, and a wrong guess costs
 * as much as writing several vectors: so four are asked at once. */
#ifndef FGI_SELECT_SIMD_H
#define FGI_SELECT_SIMD_H

enum { SELECT_VECTORS = 4, SELECT_STEP = SELECT_VECTORS * LANES };

/* Where to append, and how many there are. */
typedef struct selection {
    int32_t row, *rows, *components, count;
} selection;

/* `vectors` vectors of scores from j on. */
FGI_INLINE void select_step(const float *scores, int32_t j, const int vectors, vec_f32 bound,
                            selection *s)
{
    uint32_t reached[SELECT_VECTORS], any = 0;
    FGI_UNROLL
    for (int v = 0; v < vectors; v++) {
        reached[v] = vec_at_least(vec_load(scores + j + v * LANES, LANES, FG_F32), bound);
        any |= reached[v];
    }
    if (!any) return;
    FGI_UNROLL
    for (int v = 0; v < vectors; v++) {
        vec_write_lanes(reached[v], j + v * LANES, s->components + s->count);
        vec_write_same(s->row, s->rows + s->count);
        s->count += __builtin_popcount(reached[v]);
    }
}

FGI_INLINE void select_all(const float *scores, int32_t count, float threshold, selection *s)
{
    const vec_f32 bound = vec_splat(threshold);
    const int32_t whole = count / SELECT_STEP * SELECT_STEP;
    for (int32_t j = 0; j < whole; j += SELECT_STEP)
        select_step(scores, j, SELECT_VECTORS, bound, s);
    for (int32_t j = whole; j < count; j += LANES) select_step(scores, j, 1, bound, s);
}

static int32_t select_scores(const float *scores, int32_t count, float threshold, int32_t row,
                             int32_t *FGI_RESTRICT rows, int32_t *FGI_RESTRICT components)
{
    selection s = {.row = row, .rows = rows, .components = components};
    select_all(scores, count, threshold, &s);
    return s.count;
}

static int32_t select_rows(const fgi_select_rows_args *a)
{
    selection s = {.rows = a->chosen, .components = a->component, .count = a->begin[0]};
    for (int32_t i = 0; i < a->rows; i++) {
        const int32_t begin = s.count;
        if (a->threshold[i] == -INFINITY || a->places - begin < a->count) return i;
        s.row = a->row[i];
        select_all(a->scores + (int64_t)s.row * a->ld_scores, a->count, a->threshold[i], &s);
        if (s.count == begin) return i;
        a->begin[i + 1] = s.count;
    }
    return a->rows;
}

#endif
