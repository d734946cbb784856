/* SPDX-License-Identifier: Apache-2.0 */
/* screens_amx.h - the screens that multiply tiles of bf16. Knows their number. */
#ifndef FGI_SCREENS_AMX_H
#define FGI_SCREENS_AMX_H
#include "kernels.h"

enum { FGI_AMX_SCREENS = 2 };
extern const fgi_screen fgi_screens_amx[FGI_AMX_SCREENS];

#endif
