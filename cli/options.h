/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - a command line as a table: what may be typed, where it goes, what --help says. Knows no command. */
#ifndef OPTIONS_H
#define OPTIONS_H
#include <math.h> /* INFINITY */
#include <stdbool.h>
#include <stdint.h> /* int32_t, int64_t, uint64_t */

/* Whole numbers with commas between, in the order typed. */
typedef struct option_list {
    int32_t values[64];
    int32_t count;
} option_list;

/* One option. Exactly one target is set and tells what kind of value it takes; the target is written only
 * if the option is given, so its value before is the default. */
typedef struct option {
    const char *name;  /* without dashes; "k" is reached by -k and --k */
    char letter;       /* short form, 0: none */
    const char *value; /* what --help calls the value; NULL: it takes none, or one of words */
    const char *help;

    bool *flag;
    int32_t *i32;
    int64_t *i64;
    uint64_t *u64;
    double *f64;
    const char **text;
    int32_t *choice; /* position of the word in `words` */
    option_list *list;

    const char *words;  /* "spherical|diag" */
    double least, most; /* bounds of a number (of each in a list); both 0: none */
    bool open;          /* the bounds themselves are not allowed */
    bool required;
} option;

#define AT_LEAST(bound)    .least = (bound), .most = INFINITY
#define WITHIN(low, high)  .least = (low), .most = (high)
#define ABOVE(bound)       .least = (bound), .most = INFINITY, .open = true
#define BETWEEN(low, high) .least = (low), .most = (high), .open = true

/* What must be typed besides options, in order. */
typedef struct operand {
    const char *name, *help;
    const char **text;
    bool optional;
} operand;

typedef struct command_line {
    const char *command, *summary;
    const char *synopsis; /* the part after the command: "DATA -k K [-o MODEL.fgm]" */
    const operand *operands;
    int operand_count, option_count;
    const option *options;
    const char *notes; /* paragraphs after the options, NULL: none */
    const char *example;
} command_line;

/* The options that every command has. */
typedef struct general_options {
    int32_t threads;
    const char *isa, *json;
    int32_t backend, device; /* fg_backend, and its number */
    int32_t precision;       /* fg_precision */
    bool quiet;
} general_options;

enum { OPTIONS_READ = -1 };

/* OPTIONS_READ when the command may begin, else the exit code (help was printed, or a mistake named). */
int options_parse(const command_line *line, general_options *general, int argc, char **argv);

/* Names a mistake in the use of a command, after the table has been satisfied: exit code 2. */
int options_mistake(const command_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof *(array)))

/* The tables of a command_line, with their lengths. */
#define TABLES(operand_table, option_table)                                                        \
    .operands = (operand_table), .operand_count = COUNT_OF(operand_table),                         \
    .options = (option_table), .option_count = COUNT_OF(option_table)

#endif
