/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_demo.c - soft clusters of real words, and two kinds of index measured. Knows the story; its parts do the work. */
#define _POSIX_C_SOURCE 200809L /* isatty, fileno */
#include "command.h"
#include "demo.h"
#include "stopwatch.h"
#include "text.h"

#include <stdlib.h> /* getenv */
#include <unistd.h> /* isatty */

#ifndef FLASHGMM_DEMO_DIR
#define FLASHGMM_DEMO_DIR "demo"
#endif

static fg_status fit(demo *d)
{
    session *s = d->session;
    fg_source *known = NULL;
    fg_fit_report report = {.struct_size = sizeof report};
    const fg_gmm_options opt = {.struct_size = sizeof opt,
                                .k = DEMO_COMPONENTS,
                                .covariance = FG_COV_SPHERICAL,
                                .normalize = 1,
                                .progress = progress_report,
                                .user = &s->progress};
    fg_status status = fg_source_memory(&d->known, &known);
    if (status == FG_OK) status = fg_gmm_fit(s->ctx, known, &opt, &d->gmm, &report);
    fg_source_destroy(known);
    if (status != FG_OK) return status;
    json_whole(&s->json, "rows", report.rows);
    json_whole(&s->json, "components", DEMO_COMPONENTS);
    json_whole(&s->json, "iterations", report.iterations);
    json_real(&s->json, "log_likelihood", report.objective);
    session_say(
        s, "%sA mixture%s of %d spherical Gaussians fitted to %s words of %d dimensions: %s, %s\n",
        d->bold, d->plain, DEMO_COMPONENTS, text_count(report.rows).s, d->known.cols,
        text_plural(report.iterations, "iteration").s, text_seconds(report.seconds).s);
    return FG_OK;
}

static void tell_next(const demo *d)
{
    session *s = d->session;
    session_say(s, "\nfigure: %s", d->figure);
    session_say(s, "next, with the same words or with your own vectors:");
    session_say(s, "  flashgmm fit %s/glove-20k.npy -k 128 --normalize -o words.fgm", d->folder);
    session_say(s, "  flashgmm predict words.fgm %s/glove-20k.npy --top 3", d->folder);
    session_say(s, "  flashgmm index %s/glove-20k.npy -k 128 --metric cosine -o words.fgi",
                d->folder);
    session_say(s, "  flashgmm --help");
}

static fg_status run(demo *d)
{
    session *s = d->session;
    fg_status status = demo_load(d);
    if (status != FG_OK) return status;
    json_open(&s->json, NULL, '{');
    session_say(s, "\n%s%s English words%s, each a GloVe vector of %d numbers (%s)\n", d->bold,
                text_count(d->vectors.rows).s, d->plain, d->vectors.cols, d->folder);
    status = fit(d);
    if (status == FG_OK) status = demo_words(d);
    if (status == FG_OK) status = demo_search(d);
    if (status == FG_OK) tell_next(d);
    json_text(&s->json, "figure", d->figure);
    json_real(&s->json, "seconds", stopwatch_seconds() - s->began);
    json_close(&s->json, '}');
    return status;
}

int cmd_demo(int argc, char **argv)
{
    session s = {0};
    demo d = {.session = &s,
              .folder = FLASHGMM_DEMO_DIR,
              .figure = "flashgmm-demo.svg",
              .bold = "",
              .plain = ""};
    const option options[] = {
        {"data", 0, "DIR", "the folder with glove-20k.npy and its words", .text = &d.folder},
        {"output", 'o', "FIGURE.svg", "where the figure goes (default flashgmm-demo.svg)",
         .text = &d.figure}};
    const command_line line = {.command = "demo",
                               .summary = "soft clusters of real words, and two indexes measured",
                               .synopsis = "[--data DIR] [--output FIGURE.svg]",
                               .options = options,
                               .option_count = COUNT_OF(options),
                               .example = "flashgmm demo"};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    if (isatty(fileno(stdout)) && !getenv("NO_COLOR")) {
        d.bold = "\033[1m";
        d.plain = "\033[0m";
    }
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&d);
    demo_free(&d);
    return session_close(&s, status);
}
