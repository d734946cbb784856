/* SPDX-License-Identifier: Apache-2.0 */
/* params_file.h - parameters as two sections of a container: the shape, and one block of numbers. Shared by
 * mixtures and by indexes. Knows no object. */
#ifndef FGI_PARAMS_FILE_H
#define FGI_PARAMS_FILE_H
#include "container.h"
#include "params.h"

/* Writes sections PSHP and PARM. */
fg_status fgi_params_write(fgi_container_writer *writer, const fgi_params *params);

/* Reads and checks them: means and variances within their bounds (params.h), a living component at least. mapped: *out points into the
 * container, which must outlive it, and is not to be destroyed; else it is a copy without a ledger. */
fg_status fgi_params_read(const fgi_container *file, bool mapped, fgi_params *out);

#endif
