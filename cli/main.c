/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the tool's front door: one table of commands. Knows their names; knows nothing they do. */
#include "command.h"
#include "flashgmm.h"
#include "nearest.h"

#include <stdio.h>  /* printf */
#include <string.h> /* strcmp */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"fit", cmd_fit, "fit a Gaussian mixture to the rows of a file"},
    {"predict", cmd_predict, "which components each row belongs to, and how much"},
    {"score", cmd_score, "how probable the rows are under a mixture; AIC and BIC"},
    {"sample", cmd_sample, "draw rows from a mixture"},
    {"kmeans", cmd_kmeans, "cluster the rows of a file by k-means"},
    {"index", cmd_index, "build a search index over the rows of a file"},
    {"search", cmd_search, "find the nearest rows of queries in an index"},
    {"tune", cmd_tune, "find how much a search must look into for a recall"},
    {"eval", cmd_eval, "measure an index: recall against cost"},
    {"info", cmd_info, "what a model, an index or a file of rows holds"},
    {"export", cmd_export, "write an index as a file that FAISS reads"},
    {"convert", cmd_convert, "turn a file of rows into another format"},
    {"demo", cmd_demo, "soft clusters of real words, and two indexes measured"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void)
{
    printf("flashgmm - Gaussian mixtures, k-means and vector search\n\n"
           "usage: flashgmm COMMAND [operands] [options]\n\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-9s %s\n", commands[i].name, commands[i].help);
    printf("\n  flashgmm COMMAND --help   its operands and options, with an example\n"
           "  flashgmm --version        the version\n\n"
           "Files of rows: .fvecs .bvecs .ivecs .npy .fbin .u8bin .i8bin .ibin, the vectors of "
           ".faiss,\n"
           "and .hdf5 (FILE:DATASET) where the build has it. Exit codes: 0 done, 1 failed, 2 bad "
           "usage.\n\n"
           "start here:\n  flashgmm demo\n");
}

static void print_version(void)
{
    unsigned version = fg_version();
    printf("flashgmm %u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
}

static int unknown_command(const char *typed)
{
    nearest_word nearest = {.typed = typed};
    for (int i = 0; i < COMMANDS; i++) nearest_offer(&nearest, commands[i].name);
    if (nearest.word)
        fprintf(stderr, "flashgmm: %s is not a command; did you mean %s?\n", typed, nearest.word);
    else
        fprintf(stderr, "flashgmm: %s is not a command; see flashgmm --help\n", typed);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "flashgmm: no command; see flashgmm --help\n");
        return EXIT_USAGE;
    }
    const char *typed = argv[1];
    if (!strcmp(typed, "--help") || !strcmp(typed, "-h") || !strcmp(typed, "help")) {
        print_help();
        return EXIT_DONE;
    }
    if (!strcmp(typed, "--version")) {
        print_version();
        return EXIT_DONE;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(typed, commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    return unknown_command(typed);
}
