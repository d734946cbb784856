/* SPDX-License-Identifier: Apache-2.0 */
/* ivf.c - the index as an object: life, size, walk. Knows its parts; knows no pass and no file. */
#include "ivf.h"

fg_status fgi_ivf_create(const fgi_params *coarse, fg_dtype dtype, fg_metric metric,
                         const fgi_rule *rule, fg_ivf **out)
{
    fg_ivf *ivf;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *ivf, &ivf));
    ivf->dtype = dtype;
    ivf->metric = metric;
    ivf->rule = *rule;
    fg_status s = fgi_coarse_create(coarse, &ivf->coarse);
    if (s == FG_OK && metric != FG_METRIC_IP) /* the nearest are asked for */
        s = fgi_packed_create(&ivf->coarse, fgi_kernels_pick(NULL), &ivf->packed);
    if (s == FG_OK) {
        const fgi_sketch_kind kind = fgi_ivf_sketch_kind(ivf);
        ivf->sketch_bytes = fgi_sketch_bytes(&kind);
        s = fgi_sets_create(&ivf->sets);
    }
    if (s == FG_OK) s = fgi_alloc_zero(NULL, coarse->k, sizeof *ivf->lists, &ivf->lists);
    if (s == FG_OK) s = fgi_alloc_zero(NULL, coarse->k, FGI_NEAR * sizeof *ivf->near, &ivf->near);
    if (s != FG_OK)
        fgi_ivf_destroy(ivf);
    else
        *out = ivf;
    return s;
}

void fgi_list_destroy(fgi_list *list)
{
    if (!list->shared) fgi_free(list->entries);
    fgi_free(list->segments);
    fgi_free(list->others);
    fgi_places_destroy(&list->places);
    *list = (fgi_list){0};
}

void fgi_ivf_destroy(fg_ivf *ivf)
{
    if (!ivf) return;
    for (int32_t l = 0; ivf->lists && l < fgi_ivf_lists(ivf); l++) fgi_list_destroy(&ivf->lists[l]);
    fgi_free(ivf->lists);
    fgi_free(ivf->block);
    fgi_free(ivf->near);
    fgi_free(ivf->cells);
    fgi_sets_destroy(&ivf->sets);
    fgi_packed_destroy(&ivf->packed);
    fgi_coarse_destroy(&ivf->coarse);
    fgi_graph_destroy(&ivf->graph);
    fgi_container_close(&ivf->container);
    fgi_free(ivf);
}

uint64_t fgi_ivf_bytes(const fg_ivf *ivf)
{
    const int64_t norm_bytes = ivf->metric == FG_METRIC_COSINE ? (int64_t)sizeof(float) : 0;
    int64_t bytes = (int64_t)sizeof *ivf + fgi_coarse_bytes(&ivf->coarse) +
                    fgi_packed_bytes(&ivf->packed) + fgi_graph_bytes(&ivf->graph) +
                    fgi_sets_bytes(&ivf->sets) +
                    ivf->entries * (fgi_ivf_row_bytes(ivf) + (int64_t)sizeof(int64_t) + norm_bytes);
    bytes += ivf->sets.count * (int64_t)sizeof *ivf->cells;
    bytes += fgi_ivf_lists(ivf) * (int64_t)sizeof *ivf->near * FGI_NEAR;
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) {
        const fgi_list *list = &ivf->lists[l];
        bytes += (int64_t)sizeof *list;
        if (list->sketches) bytes += list->count * ivf->sketch_bytes;
        if (!list->segments) continue;
        bytes += (list->segment_count + (int64_t)1) * (int64_t)sizeof *list->segments +
                 fgi_places_bytes(&list->places) +
                 list->segments[list->segment_count].others * (int64_t)sizeof *list->others;
    }
    return (uint64_t)bytes;
}

void fgi_ivf_each_row(const fg_ivf *ivf, fgi_visit visit, void *user)
{
    for (int32_t l = 0; l < fgi_ivf_lists(ivf); l++) {
        const fgi_list *list = &ivf->lists[l];
        for (int32_t i = 0; i < list->segment_count; i++) {
            const fgi_segment *segment = &list->segments[i];
            const bool first_copy = ivf->sets.members[ivf->sets.begin[segment->set]] == l;
            if (first_copy)
                visit(user, list, segment->begin, segment[1].begin - segment->begin, segment->set);
        }
    }
}
