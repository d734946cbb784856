/* SPDX-License-Identifier: Apache-2.0 */
/* outside.c - a program that only has an installed copy of the library: does it run, and is it the version that
 * the header says? */
#include <flashgmm.h>

#include <stdio.h>  /* fprintf */
#include <string.h> /* strcmp */

int main(void)
{
    const uint32_t header = FG_VERSION_MAJOR << 16 | FG_VERSION_MINOR << 8 | FG_VERSION_PATCH;
    fg_context *ctx = NULL;
    if (fg_version() != header) {
        fprintf(stderr, "the library is %#x, the header %#x\n", fg_version(), header);
        return 1;
    }
    if (strcmp(fg_status_text(FG_OK), "success") != 0 || fg_dtype_bytes(FG_F16) != 2) return 1;
    if (fg_context_create(NULL, &ctx) != FG_OK) {
        fprintf(stderr, "%s\n", fg_last_error());
        return 1;
    }
    fg_context_destroy(ctx);
    return 0;
}
