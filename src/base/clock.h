/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - seconds of a clock that only goes forward. */
#ifndef FGI_CLOCK_H
#define FGI_CLOCK_H

double fgi_seconds(void);

#endif
