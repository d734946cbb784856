/* SPDX-License-Identifier: Apache-2.0 */
/* drawn_cases.h - shapes that a seed draws, about the sizes at which kernels take turns. Knows cases; knows no pass. */
#ifndef DRAWN_CASES_H
#define DRAWN_CASES_H
#include "backend_cases.h"

/* Number 0, 1, 2 ..; n k d is at most `work`. */
pass_case draw_case(uint64_t number, int64_t work, fgi_kind *kind);

/* In words, for whoever reads how a test failed. */
void tell_case(uint64_t number, const pass_case *c, fgi_kind kind);

#endif
