/* SPDX-License-Identifier: Apache-2.0 */
/* order.h - the lowest of many (float, number) pairs, in order: by piles, in a time that does not grow with
 * the logarithm of their number. Knows no index. */
#ifndef FGI_ORDER_H
#define FGI_ORDER_H
#include "memory.h"

#include <string.h> /* memcpy */

/* Pairs, each as one integer: lower floats first, equal ones by number. */
typedef struct fgi_order {
    uint64_t *pairs, *spare; /* room */
    int32_t *ends;           /* of piles */
} fgi_order;

fg_status fgi_order_create(fgi_ledger *ledger, int64_t room, fgi_order *out);
void fgi_order_destroy(fgi_order *order); /* also of a zeroed one */

/* key: not NaN. number: 0 or above. */
static inline uint64_t fgi_order_pair(float key, int32_t number)
{
    uint32_t bits;
    memcpy(&bits, &key, sizeof bits);
    bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u; /* in the order of the floats */
    return (uint64_t)bits << 32 | (uint32_t)number;
}

static inline int32_t fgi_order_number(uint64_t pair)
{
    return (int32_t)(uint32_t)pair;
}

static inline float fgi_order_key(uint64_t pair)
{
    uint32_t bits = (uint32_t)(pair >> 32);
    float key;
    bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
    memcpy(&key, &bits, sizeof key);
    return key;
}

/* Brings the lowest `want` of `count` pairs to their front, in order; the others come behind. */
void fgi_order_lowest(const fgi_order *order, int64_t count, int64_t want);

#endif
