/* SPDX-License-Identifier: Apache-2.0 */
/* demo_load.c - reads the demo's words and vectors and parts them. Knows the demo's files. */
#include "demo.h"
#include "rows.h"
#include "text.h"

#include <errno.h>  /* errno */
#include <stdlib.h> /* free */
#include <string.h> /* memcpy, strchr, strerror */

static const char VECTORS[] = "glove-20k.npy", WORDS[] = "glove-20k.words.txt";

enum { PATH_BYTES = 4096, MOST_TEXT_BYTES = 1 << 22 };

static fg_status read_text(demo *d)
{
    char path[PATH_BYTES];
    void *memory = NULL;
    snprintf(path, sizeof path, "%s/%s", d->folder, WORDS);
    fg_status status = session_alloc(d->session, MOST_TEXT_BYTES, 1, &memory);
    if (status != FG_OK) return status;
    d->text = memory;
    FILE *file = fopen(path, "r");
    if (!file) return session_fail(d->session, FG_IO, "%s: %s", path, strerror(errno));
    size_t bytes = fread(d->text, 1, MOST_TEXT_BYTES - 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    d->text[bytes] = '\0';
    return failed ? session_fail(d->session, FG_IO, "%s: %s", path, strerror(errno)) : FG_OK;
}

/* Cuts the text at its line ends: one word a row of the vectors, neither more nor fewer. */
static fg_status cut_words(demo *d)
{
    void *words = NULL;
    fg_status status = session_alloc(d->session, d->vectors.rows, sizeof(const char *), &words);
    if (status != FG_OK) return status;
    d->words = words;
    int64_t count = 0;
    for (char *line = d->text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, count++) {
        *end = '\0';
        if (count < d->vectors.rows) d->words[count] = line;
    }
    if (count == d->vectors.rows) return FG_OK;
    return session_fail(d->session, FG_FORMAT, "%s/%s has %lld lines; %s has %lld rows", d->folder,
                        WORDS, (long long)count, VECTORS, (long long)d->vectors.rows);
}

static fg_status read_vectors(demo *d)
{
    char path[PATH_BYTES];
    fg_source *source = NULL;
    fg_source_info info;
    fg_out all = {0};
    snprintf(path, sizeof path, "%s/%s", d->folder, VECTORS);
    fg_status status = rows_open(path, NULL, &source, &info);
    if (status == FG_OK) status = rows_alloc(d->session, info.rows, info.cols, FG_F32, &all);
    if (status == FG_OK) status = fg_source_read(source, 0, &all);
    d->vectors = rows_written(&all, all.rows);
    fg_source_destroy(source);
    return status;
}

/* Every DEMO_ASKS_EVERY-th word asks: frequent and rare words alike, as they stand in order of frequency. */
static fg_status part_vectors(demo *d)
{
    int64_t rows = d->vectors.rows, asking_rows = rows / DEMO_ASKS_EVERY;
    int32_t cols = d->vectors.cols;
    fg_out known = {0}, asking = {0};
    fg_status status = rows_alloc(d->session, rows - asking_rows, cols, FG_F32, &known);
    if (status == FG_OK) status = rows_alloc(d->session, asking_rows, cols, FG_F32, &asking);
    const float *row = d->vectors.data;
    float *to_known = known.data, *to_asking = asking.data;
    for (int64_t i = 0; status == FG_OK && i < rows; i++, row += cols) {
        float **to = i % DEMO_ASKS_EVERY == DEMO_ASKS_EVERY - 1 ? &to_asking : &to_known;
        memcpy(*to, row, (size_t)cols * sizeof *row);
        *to += cols;
    }
    d->known = rows_written(&known, known.rows);
    d->asking = rows_written(&asking, asking.rows);
    return status;
}

fg_status demo_load(demo *d)
{
    fg_status status = read_vectors(d);
    if (status == FG_OK) status = read_text(d);
    if (status == FG_OK) status = cut_words(d);
    return status == FG_OK ? part_vectors(d) : status;
}

void demo_free(demo *d)
{
    fg_gmm_destroy(d->gmm);
    rows_free(&d->vectors);
    rows_free(&d->known);
    rows_free(&d->asking);
    free(d->words);
    free(d->text);
}
