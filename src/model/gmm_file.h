/* SPDX-License-Identifier: Apache-2.0 */
/* gmm_file.h - mixtures in files (docs/format.md). Knows the container; knows no pass. */
#ifndef FGI_GMM_FILE_H
#define FGI_GMM_FILE_H
#include "gmm.h"

fg_status fgi_gmm_save(const fg_gmm *gmm, const char *path);
fg_status fgi_gmm_load(const char *path, bool mapped, fg_gmm **out);

#endif
