// SPDX-License-Identifier: Apache-2.0
// outside.cpp - the header from C++11, with constants and functions in use.
#include <flashgmm.h>

int main()
{
    fg_gmm_options options = fg_gmm_options();
    options.struct_size = sizeof options;
    return fg_dtype_bytes(FG_F32) == 4 && fg_version() != 0 ? 0 : 1;
}
