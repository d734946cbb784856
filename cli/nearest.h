/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - which word was meant: edit distance. Knows no command and no option. */
#ifndef NEAREST_H
#define NEAREST_H
#include <stddef.h> /* size_t */

/* Looks for the word next to `typed`, one candidate after the other. Start from {.typed = ...}. */
typedef struct nearest_word {
    const char *typed;
    const char *word; /* NULL while nothing is near enough to be worth a suggestion */
    size_t distance;
} nearest_word;

void nearest_offer(nearest_word *nearest, const char *candidate);

#endif
