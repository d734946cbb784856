/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_export.c - writes an index as a file that FAISS reads. */
#include "command.h"
#include "session.h"
#include "stopwatch.h"
#include "text.h"

typedef struct export_args {
    const char *index, *output;
    int32_t probes;
    bool mapped;
} export_args;

static void tell(session *s, const export_args *args, const fg_ivf_info *info)
{
    double seconds = stopwatch_seconds() - s->began;
    json *out = &s->json;
    json_open(out, NULL, '{');
    json_text(out, "index", args->index);
    json_text(out, "output", args->output);
    json_whole(out, "rows", info->rows);
    json_whole(out, "entries", info->entries);
    json_whole(out, "dims", info->dims);
    json_whole(out, "lists", info->lists);
    json_whole(out, "probes", args->probes);
    json_real(out, "seconds", seconds);
    json_close(out, '}');
    session_say(s, "written          %s: an IndexIVFFlat of %s in %s, in %s",
                text_file_name(args->output), text_plural(info->entries, "vector").s,
                text_plural(info->lists, "list").s, text_seconds(seconds).s);
    if (info->entries > info->rows)
        session_say(s,
                    "copies           %.3f a row: FAISS returns each that it meets; ask for as "
                    "many more, and drop repeats",
                    (double)info->entries / (double)info->rows);
}

static fg_status run(session *s, const export_args *args)
{
    fg_ivf *ivf = NULL;
    fg_ivf_info info = {.struct_size = sizeof info};
    fg_status status = fg_ivf_load(args->index, args->mapped, &ivf);
    if (status == FG_OK) status = fg_ivf_export_faiss(ivf, args->output, args->probes);
    if (status == FG_OK) status = fg_ivf_get_info(ivf, &info);
    if (status == FG_OK) tell(s, args, &info);
    fg_ivf_destroy(ivf);
    return status;
}

int cmd_export(int argc, char **argv)
{
    export_args args = {.probes = 1};
    const operand operands[] = {{"INDEX", "an index made by flashgmm index", &args.index}};
    const option options[] = {
        {"output", 'o', "FILE.faiss", "where FAISS's index goes", .text = &args.output,
         .required = true},
        {"probes", 0, "P", "the nprobe that FAISS will begin with (default 1)", .i32 = &args.probes,
         AT_LEAST(1)},
        {"mapped", 0, NULL,
         "leave the index in its file: takes little memory, but the codes' checksum is not "
         "verified",
         .flag = &args.mapped}};
    const command_line line = {
        .command = "export",
        .summary = "write an index as a file that FAISS reads",
        .synopsis = "INDEX -o FILE.faiss [--probes P]",
        TABLES(operands, options),
        .notes =
            "FAISS reads it as an IndexIVFFlat of f32: l2 and ip as they are, cosine with rows "
            "of length 1\n"
            "under the inner product. Centroids come back with --centroids FILE.faiss.",
        .example = "flashgmm export words.fgi -o words.faiss --probes 8"};
    session s = {0};
    int code = options_parse(&line, &s.general, argc, argv);
    if (code != OPTIONS_READ) return code;
    fg_status status = session_open(&s);
    if (status == FG_OK) status = run(&s, &args);
    return session_close(&s, status);
}
