/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c - edit distance by one row of the table. Knows no command and no option. */
#include "nearest.h"

#include <string.h> /* strlen, strncmp */

enum { LONGEST_WORD = 40 };

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Fewest letters to insert, delete or replace that turn a into b (Levenshtein 1966). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[LONGEST_WORD + 1];
    size_t columns = strlen(b);
    for (size_t j = 0; j <= columns; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < columns; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least_of(replaced, diagonal + 1, row[j] + 1);
        }
    }
    return row[columns];
}

void nearest_offer(nearest_word *nearest, const char *candidate)
{
    size_t typed = strlen(nearest->typed), letters = strlen(candidate);
    if (typed == 0 || typed > LONGEST_WORD || letters > LONGEST_WORD) return;
    /* a beginning of the word counts as one slip: "--cov" means "--covariance" */
    size_t distance =
        !strncmp(nearest->typed, candidate, typed) ? 1 : edit_distance(nearest->typed, candidate);
    size_t worth = letters < 6 ? 2 : 3;
    if (distance >= letters || distance > worth) return;
    if (nearest->word && nearest->distance <= distance) return;
    nearest->word = candidate;
    nearest->distance = distance;
}
