/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - reads a command line by its table and names every mistake. Knows no command. */
#include "options.h"
#include "command.h"
#include "flashgmm.h"
#include "help.h"
#include "nearest.h"
#include "words.h"

#include <errno.h>    /* errno, ERANGE */
#include <inttypes.h> /* PRId64, strtoimax, strtoumax */
#include <math.h>     /* isfinite, isinf */
#include <stdarg.h>   /* va_list */
#include <stdio.h>    /* fprintf */
#include <stdlib.h>   /* strtod */
#include <string.h>   /* memcpy, strchr, strcmp, strcspn, strlen, strncmp, strspn */

/* What a command's table and the common one make together, and how far the reading is. */
typedef struct reader {
    const command_line *line;
    const option *common;
    int common_count;
    bool *given; /* one an option: the command's, then the common ones */
    int operands;
} reader;

int options_mistake(const command_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "flashgmm %s: ", line->command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_USAGE;
}

static int out_of_bounds(const command_line *line, const option *o, const char *typed)
{
    const char *name = o->name;
    if (o->open && isinf(o->most))
        return options_mistake(line, "--%s is %s; it must be above %.15g", name, typed, o->least);
    if (o->open)
        return options_mistake(line, "--%s is %s; it must be above %.15g and below %.15g", name,
                               typed, o->least, o->most);
    if (isinf(o->most))
        return options_mistake(line, "--%s is %s; it must be at least %.15g", name, typed,
                               o->least);
    return options_mistake(line, "--%s is %s; it must be in %.15g..%.15g", name, typed, o->least,
                           o->most);
}

static bool within(const option *o, double value)
{
    if (o->least == o->most) return true;
    return o->open ? value > o->least && value < o->most : value >= o->least && value <= o->most;
}

/* A whole number in the range of its type and its option. */
static int read_whole(const command_line *line, const option *o, const char *typed, int64_t *out)
{
    char *end;
    errno = 0;
    intmax_t value = strtoimax(typed, &end, 10);
    if (end == typed || *end)
        return options_mistake(line, "--%s is \"%s\"; it must be a whole number", o->name, typed);
    bool narrow = o->i32 || o->list;
    if (within(o, (double)value) && (errno == ERANGE || (narrow && value > INT32_MAX)))
        return options_mistake(line, "--%s is %s; it must be at most %" PRId64, o->name, typed,
                               narrow ? (int64_t)INT32_MAX : INT64_MAX);
    if (!within(o, (double)value)) return out_of_bounds(line, o, typed);
    *out = value;
    return OPTIONS_READ;
}

static int read_seed(const command_line *line, const option *o, const char *typed)
{
    char *end;
    errno = 0;
    uintmax_t value = strtoumax(typed, &end, 10);
    if (end == typed || *end || errno == ERANGE || strchr(typed, '-'))
        return options_mistake(line, "--%s is \"%s\"; it must be a whole number in 0..2^64-1",
                               o->name, typed);
    *o->u64 = value;
    return OPTIONS_READ;
}

static int read_real(const command_line *line, const option *o, const char *typed)
{
    char *end;
    double value = strtod(typed, &end);
    if (end == typed || *end || !isfinite(value))
        return options_mistake(line, "--%s is \"%s\"; it must be a number", o->name, typed);
    if (!within(o, value)) return out_of_bounds(line, o, typed);
    *o->f64 = value;
    return OPTIONS_READ;
}

static int read_choice(const command_line *line, const option *o, const char *typed)
{
    int32_t position = words_find(o->words, typed);
    if (position < 0)
        return options_mistake(line, "--%s is \"%s\"; it must be one of %s", o->name, typed,
                               o->words);
    *o->choice = position;
    return OPTIONS_READ;
}

static int read_list(const command_line *line, const option *o, const char *typed)
{
    char number[24];
    o->list->count = 0;
    for (const char *rest = typed; rest;) {
        size_t length = strcspn(rest, ",");
        if (o->list->count == COUNT_OF(o->list->values))
            return options_mistake(line, "--%s holds more than %d numbers", o->name,
                                   COUNT_OF(o->list->values));
        if (length == 0 || length >= sizeof number)
            return options_mistake(line,
                                   "--%s is \"%s\"; it must be whole numbers with commas between",
                                   o->name, typed);
        memcpy(number, rest, length);
        number[length] = '\0';
        int64_t value;
        int code = read_whole(line, o, number, &value);
        if (code != OPTIONS_READ) return code;
        o->list->values[o->list->count++] = (int32_t)value;
        rest = rest[length] ? rest + length + 1 : NULL;
    }
    return OPTIONS_READ;
}

static int read_value(const command_line *line, const option *o, const char *typed)
{
    int64_t whole = 0;
    int code = OPTIONS_READ;
    if (o->i32 || o->i64) code = read_whole(line, o, typed, &whole);
    if (o->u64) code = read_seed(line, o, typed);
    if (o->f64) code = read_real(line, o, typed);
    if (o->choice) code = read_choice(line, o, typed);
    if (o->list) code = read_list(line, o, typed);
    if (code != OPTIONS_READ) return code;
    if (o->i32) *o->i32 = (int32_t)whole;
    if (o->i64) *o->i64 = whole;
    if (o->text) *o->text = typed;
    return OPTIONS_READ;
}

static const option *option_at(const reader *r, int i)
{
    int own = r->line->option_count;
    return i < own ? &r->line->options[i] : &r->common[i - own];
}

/* Position of the option whose name (or letter, after one dash) this is, -1 if there is none. */
static int find(const reader *r, const char *word, size_t length, bool one_dash)
{
    for (int i = 0; i < r->line->option_count + r->common_count; i++) {
        const option *o = option_at(r, i);
        if (length == 1 && o->letter == *word) return i;
        bool long_form = !one_dash || length == 1;
        if (long_form && strlen(o->name) == length && !strncmp(o->name, word, length)) return i;
    }
    return -1;
}

static int unknown_option(const reader *r, const char *typed)
{
    nearest_word nearest = {.typed = typed + strspn(typed, "-")};
    for (int i = 0; i < r->line->option_count + r->common_count; i++)
        nearest_offer(&nearest, option_at(r, i)->name);
    if (nearest.word)
        return options_mistake(r->line, "%s is not an option; did you mean --%s?", typed,
                               nearest.word);
    return options_mistake(r->line, "%s is not an option; see flashgmm %s --help", typed,
                           r->line->command);
}

/* Reads the option in argv[*i] and its value; moves *i to the last word that was used. */
static int read_option(reader *r, int argc, char **argv, int *i)
{
    char *typed = argv[*i];
    bool one_dash = typed[1] != '-';
    char *word = typed + (one_dash ? 1 : 2);
    size_t length = strcspn(word, "=");
    int found = find(r, word, length, one_dash);
    if (found < 0) return unknown_option(r, typed);
    const option *o = option_at(r, found);
    const char *value = word[length] ? word + length + 1 : NULL;
    r->given[found] = true;
    if (o->flag) {
        if (value) return options_mistake(r->line, "--%s takes no value", o->name);
        *o->flag = true;
        return OPTIONS_READ;
    }
    if (!value && *i + 1 == argc)
        return options_mistake(r->line, "--%s lacks its value %s", o->name, o->value);
    return read_value(r->line, o, value ? value : argv[++*i]);
}

static int read_operand(reader *r, const char *typed)
{
    const command_line *line = r->line;
    if (r->operands == line->operand_count)
        return options_mistake(line, "\"%s\" is one too many; usage: flashgmm %s %s", typed,
                               line->command, line->synopsis);
    *line->operands[r->operands++].text = typed;
    return OPTIONS_READ;
}

static int check_complete(const reader *r)
{
    const command_line *line = r->line;
    if (r->operands < line->operand_count && !line->operands[r->operands].optional)
        return options_mistake(line, "%s is missing; usage: flashgmm %s %s",
                               line->operands[r->operands].name, line->command, line->synopsis);
    for (int i = 0; i < line->option_count; i++)
        if (line->options[i].required && !r->given[i])
            return options_mistake(line, "%s%s is missing; usage: flashgmm %s %s",
                                   line->options[i].name[1] ? "--" : "-", line->options[i].name,
                                   line->command, line->synopsis);
    return OPTIONS_READ;
}

/* auto, cpu, cuda or cuda:I. */
static int read_device(const command_line *line, const char *typed, general_options *general)
{
    general->backend = FG_BACKEND_CUDA;
    general->device = 0;
    if (!strcmp(typed, "auto")) {
        general->backend = FG_BACKEND_AUTO;
    } else if (!strcmp(typed, "cpu")) {
        general->backend = FG_BACKEND_CPU;
    } else if (!strncmp(typed, "cuda:", 5)) {
        const option number = {.name = "device", .i32 = &general->device, WITHIN(0, 1023)};
        return read_value(line, &number, typed + 5);
    } else if (strcmp(typed, "cuda") != 0) {
        return options_mistake(line, "--device is \"%s\"; it must be auto, cpu, cuda or cuda:I",
                               typed);
    }
    return OPTIONS_READ;
}

int options_parse(const command_line *line, general_options *general, int argc, char **argv)
{
    bool help = false, given[64] = {false};
    const char *device = "auto";
    const option common[] = {
        {"threads", 0, "N", "threads to use (default: one a usable core)", .i32 = &general->threads,
         WITHIN(1, 1024)},
        {"isa", 0, "NAME",
         "kernels: amx, avx512vnni, avx512, avx2, neon or ref (default: the best here, or FG_ISA)",
         .text = &general->isa},
        {"device", 0, "WHERE", "auto (default: a GPU if there is one), cpu, cuda or cuda:I",
         .text = &device},
        {"precision", 0, NULL, "of a GPU: f32-grade (default), or free to round to f16 (fast)",
         .choice = &general->precision, .words = WORDS_PRECISION},
        {"json", 0, "FILE", "write the result as JSON; - for standard output, alone there",
         .text = &general->json},
        {"quiet", 'q', NULL, "no progress, no report", .flag = &general->quiet},
        {"help", 'h', NULL, "this text", .flag = &help},
    };
    reader r = {.line = line, .common = common, .common_count = COUNT_OF(common), .given = given};
    bool operands_only = false;
    for (int i = 1; i < argc && !help; i++) {
        const char *typed = argv[i];
        bool is_option = !operands_only && typed[0] == '-' && typed[1];
        if (is_option && !strcmp(typed, "--")) {
            operands_only = true;
            continue;
        }
        int code = is_option ? read_option(&r, argc, argv, &i) : read_operand(&r, typed);
        if (code != OPTIONS_READ) return code;
    }
    if (help) {
        help_print(line, common, COUNT_OF(common));
        return EXIT_DONE;
    }
    const int code = read_device(line, device, general);
    return code == OPTIONS_READ ? check_complete(&r) : code;
}
