/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.c - Ctrl-C as a question. Knows signals; knows no work. */
#define _POSIX_C_SOURCE 200809L /* sigaction */
#include "interrupt.h"

#include <signal.h> /* sigaction */
#include <stddef.h> /* NULL */

/* a signal handler has nothing but file scope to speak through */
static volatile sig_atomic_t came;

static void note(int signal_number)
{
    (void)signal_number;
    came = 1;
}

void interrupt_listen(void)
{
    struct sigaction before,
        action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    /* a job that was started with SIGINT ignored (nohup, a background shell) stays that way */
    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}

bool interrupt_came(void)
{
    return came != 0;
}
