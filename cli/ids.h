/* SPDX-License-Identifier: Apache-2.0 */
/* ids.h - ids of rows, read from files. Knows sources; knows no command. */
#ifndef IDS_H
#define IDS_H
#include "session.h"

/* All ids of a file, row after row. wanted: how many there must be, -1: any number. count may be
 * NULL. Freed with free. */
fg_status ids_load(session *s, const char *path, int64_t wanted, int64_t **out, int64_t *count);

/* The same as a bitmap: bit i % 64 of word i / 64 says whether i is among them. */
fg_status ids_bitmap(session *s, const char *path, uint64_t **out, int64_t *bits);

#endif
