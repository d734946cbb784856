/* SPDX-License-Identifier: Apache-2.0 */
/* help.h - what --help prints. Knows option tables; knows no command. */
#ifndef HELP_H
#define HELP_H
#include "options.h"

void help_print(const command_line *line, const option *common, int common_count);

#endif
