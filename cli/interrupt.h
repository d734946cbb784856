/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.h - Ctrl-C as a question: the first one asks the work to end, the second one kills. */
#ifndef INTERRUPT_H
#define INTERRUPT_H
#include <stdbool.h>

/* From here on the first SIGINT is noted instead of ending the process. */
void interrupt_listen(void);

/* Whether one came. */
bool interrupt_came(void);

#endif
