/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - how results are told, in lines and in JSON. Knows reports of the library; knows no command. */
#include "report.h"
#include "words.h"

#include <math.h>  /* NAN, isnan */
#include <stdio.h> /* snprintf */

const char *report_stop_clause(int32_t stop_reason)
{
    switch (stop_reason) {
    case FG_STOP_MAX_ITER: return "as many as allowed";
    case FG_STOP_TOL: return "the change fell to the tolerance";
    case FG_STOP_CALLBACK: return "interrupted";
    case FG_STOP_STEADY: return "nothing moved any more";
    default: return "for an unknown reason";
    }
}

/* NAN where the report cannot tell: it counts the iterations of the kept restart, but the seconds of all. */
static double seconds_per_iteration(const fg_fit_report *r, int32_t restarts)
{
    if (r->iterations == 0 || restarts > 1) return NAN;
    return (r->seconds - r->seconds_init) / r->iterations;
}

void report_fit_say(session *s, const fg_fit_report *r, int32_t restarts)
{
    fg_context_info machine = session_machine(s);
    double each = seconds_per_iteration(r, restarts);
    session_say(s, "stopped          after %s: %s", text_plural(r->iterations, "iteration").s,
                report_stop_clause(r->stop_reason));
    session_say(s, "time             %s%s%s (%s, %s)", text_seconds(r->seconds).s,
                isnan(each) ? "" : ", an iteration ", isnan(each) ? "" : text_seconds(each).s,
                text_plural(machine.threads, "thread").s, machine.isa);
    session_say(s, "memory           %s beside the rows", text_bytes(r->peak_workspace_bytes).s);
    if (r->rows_skipped)
        session_say(s, "skipped          %s with NaN or infinity",
                    text_plural(r->rows_skipped, "row").s);
    if (r->dead)
        session_say(s, "dead             %s left without rows",
                    text_plural(r->dead, "component").s);
    if (r->floored)
        session_say(s, "floored          %s with the variance at its floor",
                    text_plural(r->floored, "component").s);
}

void report_fit_json(session *s, const fg_fit_report *r, int32_t restarts)
{
    json *out = &s->json;
    fg_context_info machine = session_machine(s);
    json_whole(out, "iterations", r->iterations);
    json_text(out, "stop_reason", words_at(WORDS_STOP, r->stop_reason).s);
    json_open(out, "history", '[');
    for (int32_t i = 0; i < r->history_count; i++) json_real(out, NULL, r->history[i]);
    json_close(out, ']');
    json_real(out, "seconds", r->seconds);
    json_real(out, "seconds_init", r->seconds_init);
    json_real(out, "seconds_per_iteration", seconds_per_iteration(r, restarts));
    json_whole(out, "peak_workspace_bytes", (int64_t)r->peak_workspace_bytes);
    json_whole(out, "restart", r->restart);
    json_whole(out, "revived", r->revived);
    json_whole(out, "dead", r->dead);
    json_whole(out, "floored", r->floored);
    json_whole(out, "rows_skipped", r->rows_skipped);
    json_real(out, "dropped", r->dropped);
    json_whole(out, "threads", machine.threads);
    json_text(out, "isa", machine.isa);
}

text report_rule(const fg_ivf_info *info)
{
    text out;
    int most = info->max_lists;
    switch (info->assign) {
    case FG_ASSIGN_HARD: snprintf(out.s, sizeof out.s, "the nearest list"); break;
    case FG_ASSIGN_NEAREST: snprintf(out.s, sizeof out.s, "the %d nearest lists", most); break;
    case FG_ASSIGN_MARGIN:
        snprintf(out.s, sizeof out.s, "lists within margin %.4g, at most %d", info->threshold,
                 most);
        break;
    case FG_ASSIGN_POSTERIOR:
        snprintf(out.s, sizeof out.s, "lists with r > %.4g, at most %d", info->threshold, most);
        break;
    case FG_ASSIGN_RATIO:
        snprintf(out.s, sizeof out.s, "lists within ratio %.4g, at most %d", info->threshold, most);
        break;
    default:
        snprintf(out.s, sizeof out.s, "lists by %.4s of %.4g, %s %d",
                 words_at(WORDS_ASSIGN, info->assign).s, info->threshold,
                 info->strict ? "always" : "at most", most);
    }
    return out;
}
