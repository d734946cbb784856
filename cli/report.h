/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - how results are told, in lines and in JSON, where several commands tell the same. Knows no command. */
#ifndef REPORT_H
#define REPORT_H
#include "session.h"
#include "text.h"

/* Why a fit ended, as a clause. */
const char *report_stop_clause(int32_t stop_reason);

/* The lines "stopped", "time", "memory", and warnings if there is cause. restarts: as asked for. */
void report_fit_say(session *s, const fg_fit_report *report, int32_t restarts);

/* The keys that every fit has, without the objective's own name. */
void report_fit_json(session *s, const fg_fit_report *report, int32_t restarts);

/* The rule by which an index stores rows, as a phrase. */
text report_rule(const fg_ivf_info *info);

#endif
