/* SPDX-License-Identifier: Apache-2.0 */
/* ivf_faiss.h - an index as FAISS stores one. Knows lists; knows no search. */
#ifndef FGI_IVF_FAISS_H
#define FGI_IVF_FAISS_H
#include "ivf.h"

/* As fg_ivf_export_faiss, whose arguments have been checked. */
fg_status fgi_ivf_export_faiss(const fg_ivf *ivf, const char *path, int32_t probes);

#endif
