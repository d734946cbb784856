/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - what --help prints: two columns made from an option table. Knows no command. */
#include "help.h"

#include <stdio.h>  /* printf */
#include <string.h> /* strcspn */

enum { LEFT_COLUMN = 26, PAGE = 92 };

/* Prints text in the right column; words that do not fit go to lines of their own. */
static void right_column(const char *text)
{
    int column = LEFT_COLUMN;
    for (const char *word = text; *word;) {
        int length = (int)strcspn(word, " ");
        if (column > LEFT_COLUMN && column + 1 + length > PAGE) {
            printf("\n%*s", LEFT_COLUMN, "");
            column = LEFT_COLUMN;
        }
        if (column > LEFT_COLUMN) column += printf(" ");
        column += printf("%.*s", length, word);
        word += length;
        while (*word == ' ') word++;
    }
    printf("\n");
}

static void two_columns(const char *left, const char *right)
{
    int width = printf("  %s", left);
    bool fits = width <= LEFT_COLUMN - 2;
    if (!fits) printf("\n");
    printf("%*s", fits ? LEFT_COLUMN - width : LEFT_COLUMN, "");
    right_column(right);
}

static void print_option(const option *o)
{
    char left[80];
    const char *value = o->choice ? o->words : o->value ? o->value : "";
    bool letter_only = !o->name[1];
    char short_form[8] = "";
    if (o->letter && !letter_only) snprintf(short_form, sizeof short_form, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s%s%s%s%s", short_form, letter_only ? "-" : "--", o->name,
             *value ? " " : "", value);
    two_columns(left, o->help);
}

void help_print(const command_line *line, const option *common, int common_count)
{
    printf("flashgmm %s - %s\n\nusage: flashgmm %s %s\n\n", line->command, line->summary,
           line->command, line->synopsis);
    for (int i = 0; i < line->operand_count; i++)
        two_columns(line->operands[i].name, line->operands[i].help);
    if (line->operand_count) printf("\n");
    for (int i = 0; i < line->option_count; i++) print_option(&line->options[i]);
    if (line->option_count) printf("\n");
    for (int i = 0; i < common_count; i++) print_option(&common[i]);
    if (line->notes) printf("\n%s\n", line->notes);
    printf("\nexample:\n  %s\n", line->example);
}
