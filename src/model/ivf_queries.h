/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_queries.h - queries that are searched for together, or one, each with its sketch. Knows no list. */
#ifndef FGI_IVF_QUERIES_H
#define FGI_IVF_QUERIES_H
#include "ivf_sketch.h"
#include "memory.h"

typedef struct fgi_queries {
    int32_t d;
    float *vectors;             /* room x d */
    int16_t *numbers;           /* of the sketches */
    fgi_query_sketch *sketches; /* room */
} fgi_queries;

fg_status fgi_queries_create(fgi_ledger *ledger, int32_t room, int32_t d, fgi_queries *out);
void fgi_queries_destroy(fgi_queries *queries); /* also of zeroed ones */

static inline float *fgi_queries_vector(const fgi_queries *queries, int32_t number)
{
    return queries->vectors + (int64_t)number * queries->d;
}

/* Makes the sketch of a vector that was written. */
void fgi_queries_sketch(const fgi_queries *queries, int32_t number);

#endif
