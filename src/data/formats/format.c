/* SPDX-License-Identifier: Apache-2.0 */
/* format.c - finds a file's format by name or suffix. Knows the list of them; knows no layout. */
#include "format.h"

#include <string.h> /* strcmp, strlen, strrchr */

static const fgi_format formats[] = {
#define FG_X(format_name, format_suffix, type, format_family)                                      \
    {.name = format_name,                                                                          \
     .suffix = format_suffix,                                                                      \
     .dtype = (fg_dtype)(type),                                                                    \
     .family = &format_family},
    FGI_FORMAT_MAP(FG_X)
#undef FG_X
};

enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

/* for messages: every name, every suffix */
#define FG_X(name, suffix, type, family) " " name
static const char all_names[] = FGI_FORMAT_MAP(FG_X);
#undef FG_X
#define FG_X(name, suffix, type, family) " " suffix
static const char all_suffixes[] = FGI_FORMAT_MAP(FG_X);
#undef FG_X

static const fgi_format *by_suffix(const char *path, size_t length)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const size_t suffix_length = strlen(formats[i].suffix);
        if (length >= suffix_length &&
            strncmp(path + length - suffix_length, formats[i].suffix, suffix_length) == 0)
            return &formats[i];
    }
    return NULL;
}

const char *fgi_format_dataset(const char *path)
{
    /* a whole path that ends in a known suffix has no dataset, whatever colons its folders have */
    return by_suffix(path, strlen(path)) ? NULL : strrchr(path, ':');
}

static const fgi_format *by_name(const char *name)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (strcmp(name, formats[i].name) == 0) return &formats[i];
    return NULL;
}

fg_status fgi_format_find(const char *path, const char *name, const fgi_format **out)
{
    const char *colon = fgi_format_dataset(path);
    const fgi_format *found;
    if (name) {
        found = by_name(name);
        if (!found)
            return fgi_fail(FG_ARGUMENT, "%s: format is \"%s\"; the formats are%s", path, name,
                            all_names);
    } else {
        found = by_suffix(path, colon ? (size_t)(colon - path) : strlen(path));
        if (found && colon && found->family != &fgi_hdf5) found = NULL;
        if (!found)
            return fgi_fail(FG_FORMAT, "%s: the name does not end in a known suffix, which are%s",
                            path, all_suffixes);
    }
    *out = found;
    return FG_OK;
}

fg_status fgi_source_file(const char *path, const char *format, fg_source **out)
{
    const fgi_format *found;
    FG_TRY(fgi_format_find(path, format, &found));
    return found->family->open(path, found->dtype, out);
}
