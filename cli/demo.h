/* SPDX-License-Identifier: Apache-2.0 */
/* demo.h - the parts of the demo and what they share. Knows the demo's data; knows no option. */
#ifndef DEMO_H
#define DEMO_H
#include "session.h"

/* One word in so many is kept out of the mixture and the indexes, and asks for its neighbours later. */
enum { DEMO_ASKS_EVERY = 20, DEMO_COMPONENTS = 128 };

typedef struct demo {
    session *session;
    const char *folder, *figure;
    char *text;         /* the words, one after the other */
    const char **words; /* one a row */
    fg_view vectors;    /* all words, f32 */
    fg_view known, asking;
    fg_gmm *gmm;              /* of the known words, scaled to length 1 */
    const char *bold, *plain; /* switch the terminal's style; "" where there is none */
} demo;

/* Reads the words and their vectors and parts them. demo_free whatever it gave. */
fg_status demo_load(demo *d);
void demo_free(demo *d);

/* Prints typical words of a dozen components, and words that live in several. */
fg_status demo_words(demo *d);

/* Builds a k-means index and two soft ones, measures them, prints the table, draws the figure. */
fg_status demo_search(demo *d);

#endif
