/* SPDX-License-Identifier: Apache-2.0 */
/* demo_words.c - what a mixture of words holds: typical words, and words between components. Knows no index. */
#include "demo.h"
#include "rows.h"
#include "text.h"

#include <math.h>   /* INFINITY, fmin, sqrt */
#include <stdlib.h> /* free, qsort */
#include <string.h> /* strlen, strspn */

enum { TYPICAL_SHOWN = 7, TYPICAL_NAMED = 3, COMPONENTS_SHOWN = 12, BETWEEN_SHOWN = 14, PARTS = 3 };
/* rarer words are known to fewer readers */
enum { FREQUENT_WORDS = 10000, LETTERS_AT_LEAST = 4 };

typedef struct typical_word {
    int64_t row;
    double likeness;
} typical_word;

typedef struct cluster {
    double weight;
    int shown_count;
    typical_word typical[TYPICAL_SHOWN]; /* best first */
} cluster;

typedef struct membership {
    demo *demo;
    int64_t rows;
    int32_t k, dims;
    fg_out components, responsibilities; /* rows x PARTS */
    fg_out weights, means;
    cluster *clusters;
} membership;

static fg_status ask_library(membership *m)
{
    demo *d = m->demo;
    session *s = d->session;
    fg_source *all = NULL;
    fg_status status = fg_source_memory(&d->vectors, &all);
    if (status == FG_OK) status = rows_alloc(s, m->rows, PARTS, FG_I32, &m->components);
    if (status == FG_OK) status = rows_alloc(s, m->rows, PARTS, FG_F32, &m->responsibilities);
    if (status == FG_OK) status = rows_alloc(s, m->k, 1, FG_F32, &m->weights);
    if (status == FG_OK) status = rows_alloc(s, m->k, m->dims, FG_F32, &m->means);
    if (status == FG_OK)
        status = fg_gmm_top(s->ctx, d->gmm, all, &m->components, &m->responsibilities);
    if (status == FG_OK) status = fg_gmm_get(d->gmm, &m->weights, &m->means, NULL, NULL);
    fg_source_destroy(all);
    return status;
}

static const int32_t *components_of(const membership *m, int64_t row)
{
    return (const int32_t *)m->components.data + row * PARTS;
}

static const float *responsibilities_of(const membership *m, int64_t row)
{
    return (const float *)m->responsibilities.data + row * PARTS;
}

static const float *mean_of(const membership *m, int32_t component)
{
    return (const float *)m->means.data + (int64_t)component * m->dims;
}

/* Within one component of one variance, and among rows of length 1, the likeliest are those whose inner
 * product with the mean is largest. */
static double likeness(const membership *m, int64_t row, int32_t component)
{
    const float *x = (const float *)m->demo->vectors.data + row * m->dims;
    const float *mean = mean_of(m, component);
    double product = 0, square = 0;
    for (int32_t i = 0; i < m->dims; i++) {
        product += (double)x[i] * (double)mean[i];
        square += (double)x[i] * (double)x[i];
    }
    return product / sqrt(square);
}

/* Whether a row is a word to show: rows stand in order of frequency. */
static bool readable(const membership *m, int64_t row)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    const char *word = m->demo->words[row];
    size_t length = strlen(word);
    return row < FREQUENT_WORDS && length >= LETTERS_AT_LEAST && strspn(word, letters) == length;
}

/* Keeps the best TYPICAL_SHOWN of each component, by insertion. */
static void offer_typical(cluster *c, typical_word offered)
{
    if (c->shown_count < TYPICAL_SHOWN) c->typical[c->shown_count++].likeness = -INFINITY;
    int at = c->shown_count;
    while (at > 0 && c->typical[at - 1].likeness < offered.likeness) at--;
    for (int i = c->shown_count - 1; i > at; i--) c->typical[i] = c->typical[i - 1];
    if (at < c->shown_count) c->typical[at] = offered;
}

static void find_typical(membership *m)
{
    for (int32_t j = 0; j < m->k; j++) m->clusters[j].weight = ((const float *)m->weights.data)[j];
    for (int64_t row = 0; row < m->rows; row++) {
        int32_t component = components_of(m, row)[0];
        if (readable(m, row))
            offer_typical(&m->clusters[component],
                          (typical_word){row, likeness(m, row, component)});
    }
}

static double squared_distance(const membership *m, int32_t a, int32_t b)
{
    double sum = 0;
    for (int32_t i = 0; i < m->dims; i++) {
        double difference = (double)mean_of(m, a)[i] - (double)mean_of(m, b)[i];
        sum += difference * difference;
    }
    return sum;
}

/* The next component to show: the one farthest from all that were shown, so that topics differ. Components
 * much smaller than most are left out, as are those without enough words to read. */
static int32_t next_component(const membership *m, const int32_t *shown, int count)
{
    int32_t best = -1;
    double best_distance = -1;
    for (int32_t j = 0; j < m->k; j++) {
        const cluster *c = &m->clusters[j];
        if (c->weight * m->k < 0.5 || c->shown_count < TYPICAL_SHOWN) continue;
        double nearest = count ? INFINITY : c->weight;
        for (int i = 0; i < count; i++) nearest = fmin(nearest, squared_distance(m, j, shown[i]));
        if (nearest > best_distance) {
            best_distance = nearest;
            best = j;
        }
    }
    return best;
}

static void print_components(const membership *m)
{
    int32_t shown[COMPONENTS_SHOWN];
    session *s = m->demo->session;
    session_say(s, "%sA dozen components%s, far apart, by the words nearest their means:\n",
                m->demo->bold, m->demo->plain);
    for (int i = 0; i < COMPONENTS_SHOWN; i++) {
        shown[i] = next_component(m, shown, i);
        if (shown[i] < 0) break;
        const cluster *c = &m->clusters[shown[i]];
        char line[160];
        int used = snprintf(line, sizeof line, "%7.1f%% ", 100 * c->weight);
        for (int w = 0; w < c->shown_count && used < (int)sizeof line; w++)
            used += snprintf(line + used, sizeof line - (size_t)used, " %s",
                             m->demo->words[c->typical[w].row]);
        session_say(s, "%s", line);
    }
}

/* A word stands well between two components if both claim it and they are far apart. */
static double between(const membership *m, int64_t row)
{
    const int32_t *component = components_of(m, row);
    if (component[1] < 0) return 0;
    return (double)responsibilities_of(m, row)[1] * squared_distance(m, component[0], component[1]);
}

static int descending(const void *a, const void *b)
{
    const typical_word *left = a, *right = b;
    if (left->likeness != right->likeness) return left->likeness < right->likeness ? 1 : -1;
    return (left->row > right->row) - (left->row < right->row);
}

/* The first words of a component, as its name. */
static text name_of(const membership *m, int32_t component)
{
    text out = {""};
    size_t used = 0;
    for (int w = 0; w < TYPICAL_NAMED && used < sizeof out.s; w++)
        used += (size_t)snprintf(out.s + used, sizeof out.s - used, "%s%s", w ? " " : "",
                                 m->demo->words[m->clusters[component].typical[w].row]);
    return out;
}

static void print_between(const membership *m, int64_t row)
{
    const demo *d = m->demo;
    const int32_t *component = components_of(m, row);
    const float *responsibility = responsibilities_of(m, row);
    session_say(d->session, "  %s%-12s%s  %.2f %-38s  %.2f %s", d->bold, d->words[row], d->plain,
                (double)responsibility[0], name_of(m, component[0]).s, (double)responsibility[1],
                name_of(m, component[1]).s);
}

/* Each component is used once, as many words stand between the same two. */
static fg_status print_words_between(const membership *m)
{
    session *s = m->demo->session;
    void *memory = NULL, *used_memory = NULL;
    int64_t count = 0;
    fg_status status = session_alloc(s, m->rows, sizeof(typical_word), &memory);
    if (status == FG_OK) status = session_alloc(s, m->k, sizeof(bool), &used_memory);
    if (status == FG_OK) {
        typical_word *candidates = memory;
        bool *used = used_memory;
        for (int64_t row = 0; row < m->rows; row++)
            if (readable(m, row)) candidates[count++] = (typical_word){row, between(m, row)};
        qsort(candidates, (size_t)count, sizeof *candidates, descending);
        session_say(s, "\n%sWords that live in two%s, with their responsibilities:\n",
                    m->demo->bold, m->demo->plain);
        for (int64_t i = 0, printed = 0; i < count && printed < BETWEEN_SHOWN; i++) {
            const int32_t *component = components_of(m, candidates[i].row);
            if (candidates[i].likeness <= 0) break;
            if (used[component[0]] || used[component[1]]) continue;
            if (m->clusters[component[0]].shown_count < TYPICAL_NAMED ||
                m->clusters[component[1]].shown_count < TYPICAL_NAMED)
                continue;
            used[component[0]] = used[component[1]] = true;
            print_between(m, candidates[i].row);
            printed++;
        }
    }
    free(memory);
    free(used_memory);
    return status;
}

fg_status demo_words(demo *d)
{
    fg_gmm_info info = {.struct_size = sizeof info};
    fg_status status = fg_gmm_get_info(d->gmm, &info);
    if (status != FG_OK) return status;
    void *clusters = NULL;
    membership m = {.demo = d, .rows = d->vectors.rows, .k = info.components, .dims = info.dims};
    status = session_alloc(d->session, m.k, sizeof(cluster), &clusters);
    m.clusters = clusters;
    if (status == FG_OK) status = ask_library(&m);
    if (status == FG_OK) {
        find_typical(&m);
        print_components(&m);
        status = print_words_between(&m);
    }
    free(m.components.data);
    free(m.responsibilities.data);
    free(m.weights.data);
    free(m.means.data);
    free(clusters);
    return status;
}
