/* SPDX-License-Identifier: Apache-2.0 */
/* search.c - stores rows in a soft index, in 1.5 lists each on average, and searches it. */
#include <flashgmm.h>

#include <stdio.h> /* printf, fprintf */

enum { ROWS = 4000, COLS = 16, QUERIES = 5, NEAREST = 10 };

/* Points around 32 centres, wide enough that many lie between two; any numbers do. */
static void make_rows(float rows[ROWS][COLS])
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) {
            const int centre = i % 32 * (j + 3) % 11, offset = (i * (j + 7) + 13 * j) % 1009;
            rows[i][j] = (float)centre + 12.0f * (float)offset / 1009.0f;
        }
}

static fg_status index_and_search(const fg_view *rows, const fg_view *queries, const fg_out *ids,
                                  const fg_out *scores)
{
    /* [readme] */
    fg_context *ctx = NULL;
    fg_source *source = NULL;
    fg_ivf *index = NULL;
    const fg_ivf_options how = {.struct_size = sizeof how,
                                .lists = 32,
                                .coarse = FG_COARSE_GMM,
                                .assign = FG_ASSIGN_POSTERIOR,
                                .copies = 1.5};
    const fg_search_options want = {.struct_size = sizeof want, .n = NEAREST, .probes = 4};

    fg_status s = fg_context_create(NULL, &ctx);
    if (s == FG_OK) s = fg_source_memory(rows, &source);
    if (s == FG_OK) s = fg_ivf_build(ctx, source, &how, &index, NULL);
    if (s == FG_OK) s = fg_ivf_search(ctx, index, queries, &want, ids, scores, NULL);

    fg_ivf_destroy(index);
    fg_source_destroy(source);
    fg_context_destroy(ctx);
    /* [/readme] */
    return s;
}

int main(void)
{
    static float data[ROWS][COLS];
    static int64_t ids[QUERIES][NEAREST];
    static float scores[QUERIES][NEAREST];
    make_rows(data);

    const fg_view rows = {.data = data, .rows = ROWS, .cols = COLS, .dtype = FG_F32};
    const fg_view queries = {.data = data, .rows = QUERIES, .cols = COLS, .dtype = FG_F32};
    const fg_out ids_out = {.data = ids, .rows = QUERIES, .cols = NEAREST, .dtype = FG_I64};
    const fg_out scores_out = {.data = scores, .rows = QUERIES, .cols = NEAREST, .dtype = FG_F32};
    const fg_status s = index_and_search(&rows, &queries, &ids_out, &scores_out);
    if (s != FG_OK) {
        fprintf(stderr, "%s: %s\n", fg_status_text(s), fg_last_error());
        return 1;
    }
    for (int q = 0; q < QUERIES; q++)
        printf("query %d: row %lld at squared distance %g, then row %lld at %g\n", q,
               (long long)ids[q][0], scores[q][0], (long long)ids[q][1], scores[q][1]);
    return scores[0][0] == 0.0f ? 0 : 1; /* the first query is a row: it finds itself */
}
