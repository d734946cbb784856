/* SPDX-License-Identifier: Apache-2.0 */
/* api_faiss.c - the public function that hands an index to FAISS. Checks arguments; knows no byte. */
#include "check.h"
#include "fit.h"
#include "ivf_faiss.h"

fg_status fg_ivf_export_faiss(const fg_ivf *ivf, const char *path, int32_t probes)
{
    FG_TRY(fgi_check_given(ivf, "ivf"));
    FG_TRY(fgi_check_given(path, "path"));
    FG_TRY(fgi_check_range("probes", probes, 0, INT32_MAX));
    if (probes == 0) probes = 1;
    if (probes > fgi_ivf_lists(ivf)) probes = fgi_ivf_lists(ivf);
    return fgi_ivf_export_faiss(ivf, path, probes);
}
