/* SPDX-License-Identifier: Apache-2.0 */
/* fit_and_predict.c - fits a mixture to the rows of a file, labels every row, and keeps the model.
 * Usage: fit_and_predict [DATA]; without DATA it writes a file of three blobs first. */
#include <flashgmm.h>

#include <stdio.h>  /* printf, fprintf */
#include <stdlib.h> /* calloc, free */

enum { COMPONENTS = 3 };

/* 900 points of the plane in three blobs, as .fvecs */
static fg_status write_blobs(const char *path)
{
    static float points[900][2];
    for (int i = 0; i < 900; i++) {
        points[i][0] = (float)(10 * (i % 3)) + (float)(i * 37 % 101) / 101.0f;
        points[i][1] = (float)(i * 53 % 97) / 97.0f;
    }
    const fg_view rows = {.data = points, .rows = 900, .cols = 2, .dtype = FG_F32};
    fg_sink *sink = NULL;
    fg_status s = fg_sink_file(path, "fvecs", rows.cols, FG_F32, &sink);
    if (s == FG_OK) s = fg_sink_write(sink, &rows);
    if (s == FG_OK) s = fg_sink_close(sink);
    fg_sink_destroy(sink);
    return s;
}

/* Labels every row of the file with its component; *labels (the caller frees it) holds *count of them. */
static fg_status fit_and_predict(const char *path, int32_t **labels, int64_t *count)
{
    /* [readme] */
    fg_context *ctx = NULL;
    fg_source *rows = NULL;
    fg_gmm *gmm = NULL;
    fg_source_info info = {.struct_size = sizeof info};
    fg_gmm_options opt = {.struct_size = sizeof opt, .k = COMPONENTS, .seed = 7};

    fg_status s = fg_context_create(NULL, &ctx);           /* one thread a core */
    if (s == FG_OK) s = fg_source_file(path, NULL, &rows); /* mapped, never loaded whole */
    if (s == FG_OK) s = fg_source_get_info(rows, &info);
    if (s == FG_OK) s = fg_gmm_fit(ctx, rows, &opt, &gmm, NULL);
    if (s == FG_OK) s = fg_gmm_save(gmm, "mixture.fgm");

    fg_out out = {.rows = info.rows, .cols = 1, .dtype = FG_I32};
    if (s == FG_OK) out.data = *labels = calloc((size_t)info.rows, sizeof **labels);
    if (s == FG_OK) s = out.data ? fg_gmm_predict(ctx, gmm, rows, &out, NULL) : FG_MEMORY;

    fg_gmm_destroy(gmm);
    fg_source_destroy(rows);
    fg_context_destroy(ctx);
    /* [/readme] */
    *count = info.rows;
    return s;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "blobs.fvecs";
    int32_t *labels = NULL;
    int64_t count = 0;
    int64_t sizes[COMPONENTS] = {0};

    fg_status s = argc > 1 ? FG_OK : write_blobs(path);
    if (s == FG_OK) s = fit_and_predict(path, &labels, &count);
    for (int64_t i = 0; s == FG_OK && i < count; i++) sizes[labels[i]]++;
    free(labels);
    if (s != FG_OK) {
        fprintf(stderr, "%s: %s\n", fg_status_text(s), fg_last_error());
        return 1;
    }
    for (int j = 0; j < COMPONENTS; j++)
        printf("component %d: %lld rows\n", j, (long long)sizes[j]);
    return 0;
}
