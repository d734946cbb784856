/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - lists of words with bars between. Knows no option. */
#include "words.h"

#include <stdio.h>  /* snprintf */
#include <string.h> /* strcspn, strlen, strncmp */

text words_at(const char *words, int32_t position)
{
    text out = {"?"};
    for (; position > 0 && *words; position--) {
        words += strcspn(words, "|");
        words += *words == '|';
    }
    if (position == 0 && *words)
        snprintf(out.s, sizeof out.s, "%.*s", (int)strcspn(words, "|"), words);
    return out;
}

int32_t words_find(const char *words, const char *word)
{
    size_t letters = strlen(word);
    for (int32_t position = 0; letters && *words; position++) {
        size_t length = strcspn(words, "|");
        if (length == letters && !strncmp(words, word, length)) return position;
        words += length;
        words += *words == '|';
    }
    return -1;
}
