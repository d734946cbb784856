/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - gives every file of the named folders to a fuzz target, once, with any compiler. Knows
 * folders. */
#include "fuzz_file.h"

#include <dirent.h> /* opendir */

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    const size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size + 1);
    FUZZ_REQUIRE(data && fread(data, 1, size, file) == size);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

/* The number of files, or -1. */
static int replay_folder(const char *path)
{
    int files = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && files >= 0 && (entry = readdir(folder));) {
        char file[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        files = replay_file(file) == 0 ? files + 1 : -1;
    }
    if (folder) closedir(folder);
    return files;
}

int main(int count, char **folders)
{
    for (int i = 1; i < count; i++) {
        const int files = replay_folder(folders[i]);
        if (files <= 0) {
            fprintf(stderr, "%s: no corpus\n", folders[i]);
            return 1;
        }
        printf("%s: %d files\n", folders[i], files);
    }
    return 0;
}
