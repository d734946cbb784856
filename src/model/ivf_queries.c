/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_queries.c - vectors, numbers and sketches side by side. Knows no list. */
#include "ivf_queries.h"

fg_status fgi_queries_create(fgi_ledger *ledger, int32_t room, int32_t d, fgi_queries *out)
{
    const int64_t numbers = room * fgi_query_sketch_room(d);
    const fgi_part parts[] = {{&out->vectors, (int64_t)room * d, sizeof *out->vectors},
                              {&out->numbers, numbers, sizeof *out->numbers},
                              {&out->sketches, room, sizeof *out->sketches}};
    out->d = d;
    return fgi_alloc_parts(ledger, parts, 3);
}

void fgi_queries_destroy(fgi_queries *queries)
{
    fgi_free(queries->vectors);
    *queries = (fgi_queries){0};
}

void fgi_queries_sketch(const fgi_queries *queries, int32_t number)
{
    const int32_t d = queries->d;
    fgi_query_sketch_make(fgi_queries_vector(queries, number), d,
                          queries->numbers + number * fgi_query_sketch_room(d),
                          &queries->sketches[number]);
}
