/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_rank.c - a heap with the best at its root, taken apart `top` times; then the taken ones are turned into
 * rising places. qsort will not do: it may allocate, and sorts what nobody asked for. */
#include "cpu_rank.h"

#include <stdbool.h> /* bool */

typedef struct keys {
    const double *value;
    const int32_t *index;
} keys;

static bool better(const keys *k, int32_t a, int32_t b)
{
    if (k->value[a] != k->value[b]) return k->value[a] > k->value[b];
    return k->index[a] < k->index[b];
}

static void sift_down(int32_t *heap, int32_t count, int32_t at, const keys *k)
{
    const int32_t moving = heap[at];
    for (int32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && better(k, heap[child + 1], heap[child])) child++;
        if (!better(k, heap[child], moving)) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

void fgi_cpu_rank(int32_t *order, int32_t count, int32_t top, const double *value,
                  const int32_t *index)
{
    const keys k = {.value = value, .index = index};
    for (int32_t i = count / 2 - 1; i >= 0; i--) sift_down(order, count, i, &k);
    if (top > count) top = count;
    for (int32_t taken = 0; taken < top; taken++) { /* the best go to the end, falling outwards */
        const int32_t last = count - 1 - taken, best = order[0];
        order[0] = order[last];
        order[last] = best;
        sift_down(order, last, 0, &k);
    }
    for (int32_t i = 0, j = count - 1; i < j; i++, j--) {
        const int32_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}
