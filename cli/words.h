/* SPDX-License-Identifier: Apache-2.0 */
/* words.h - the words for the library's enumerations, in the order of their values: for options and reports alike. */
#ifndef WORDS_H
#define WORDS_H
#include "text.h"

#define WORDS_COVARIANCE "diag|spherical"                                    /* fg_covariance  */
#define WORDS_METRIC     "l2|ip|cosine"                                      /* fg_metric      */
#define WORDS_COARSE     "kmeans|gmm"                                        /* fg_coarse      */
#define WORDS_GRAPH      "auto|always|never"                                 /* fg_graph       */
#define WORDS_ORDER      "nearest|posterior"                                 /* fg_probe_order */
#define WORDS_ASSIGN     "hard|nearest|margin|posterior|ratio|rair|soar|rng" /* fg_assign */
#define WORDS_PRECISION  "default|fast"                                      /* fg_precision */
#define WORDS_STOP       "max_iter|tol|callback|steady"                      /* fg_stop */

/* The word at a position, "?" past the last one. */
text words_at(const char *words, int32_t position);

/* The position of a word, -1 if it is not there. */
int32_t words_find(const char *words, const char *word);

#endif
