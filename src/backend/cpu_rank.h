/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_rank.h - puts candidates in order. Knows values and numbers only. */
#ifndef FGI_CPU_RANK_H
#define FGI_CPU_RANK_H
#include <stdint.h> /* int32_t */

/* Sorts order[0 .. count - 1], places in value and index, so that the first `top` are the best in falling order
 * of value, ties by the lower index. Time count + top * log(count). */
void fgi_cpu_rank(int32_t *order, int32_t count, int32_t top, const double *value,
                  const int32_t *index);

#endif
