/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_queries.c - vectors, numbers and sketches side by side. Knows no list. */
#include "ivf_queries.h"

#include <string.h> /* memcpy */

fg_status fgi_queries_create(fgi_ledger *ledger, int32_t room, int32_t d, fgi_queries *out)
{
    fgi_queries q = {.d = d};
    fg_status s = fgi_alloc(ledger, (int64_t)room * d, sizeof *q.vectors, &q.vectors);
    if (s == FG_OK)
        s = fgi_alloc(ledger, room * fgi_query_sketch_room(d), sizeof *q.numbers, &q.numbers);
    if (s == FG_OK) s = fgi_alloc(ledger, room, sizeof *q.sketches, &q.sketches);
    if (s == FG_OK)
        *out = q;
    else
        fgi_queries_destroy(&q);
    return s;
}

void fgi_queries_destroy(fgi_queries *queries)
{
    fgi_free(queries->vectors);
    fgi_free(queries->numbers);
    fgi_free(queries->sketches);
    *queries = (fgi_queries){0};
}

void fgi_queries_sketch(const fgi_queries *queries, int32_t number)
{
    const int32_t d = queries->d;
    fgi_query_sketch_make(fgi_queries_vector(queries, number), d,
                          queries->numbers + number * fgi_query_sketch_room(d),
                          &queries->sketches[number]);
}
