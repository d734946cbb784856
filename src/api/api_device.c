/* SPDX-License-Identifier: Apache-2.0 */
/* api_device.c - the public functions on places to compute. Checks arguments. */
#include "check.h"
#include "registry.h"

int32_t fg_device_count(void)
{
    return fgi_device_count();
}

fg_status fg_device_get(int32_t i, fg_device *out)
{
    FGI_CHECK_STRUCT(out, "device");
    fg_device found = {.struct_size = sizeof found};
    FG_TRY(fgi_device_get(i, &found));
    *out = found;
    return FG_OK;
}
