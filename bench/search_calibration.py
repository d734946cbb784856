#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether soft probing gives the recall that was asked for: on queries that took no part in tuning, tuned on queries
like them and on rows of the index; and, for the latter, on rows that were left out of the index.

    search_calibration.py LIBFLASHGMM.so DATA_FOLDER [--output FILE] [--seeds N] [--sets NAME,...]

DATA_FOLDER holds sift-photos_{base,query}.bvecs and glove-100_{base,query}.fvecs. A seed shuffles the queries (1500 to
tune on, 3000 to measure) and trains the lists anew. Rows left out are like the sample by construction: where they get what
was asked for and queries do not, the queries are of another kind. Needs numpy.
"""
import numpy as np

import tuned_sets
from tuned_sets import RESULTS

FRESH, TARGETS = 3000, (0.8, 0.9, 0.95, 0.99)


def recall_of(ids, truth):
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth)]) / RESULTS)


def ask(library, index, fresh, lists, **case):
    """What each target finds and costs on fresh rows. `nearest` is their median distance to the nearest row, which tells
    how hard they are."""
    truth, distances, _ = library.search(index, fresh, RESULTS, lists)
    case["nearest"] = round(float(np.median(distances[:, 0])), 4)
    for target in TARGETS:
        ids, _, stats = library.search(index, fresh, RESULTS, 0, target)
        recall = recall_of(ids, truth)
        dco = (stats.centroids + stats.entries) / FRESH
        print(*case.values(), f"asked {target} got {recall:.4f} for {dco:.0f}", flush=True)
        yield {**case, "target": target, "recall": round(recall, 4), "dco": round(dco, 1)}


def measure_set(library, data, name, seed):
    random = np.random.default_rng(seed)
    base, metric, lists, sample, fresh = tuned_sets.read(data, name, random, FRESH)
    case = {"set": name, "K": lists, "seed": seed}
    index = library.build(base, lists=lists, metric=metric, seed=seed)
    for tuned_on, rows in (("queries", sample), ("rows of the index", None)):
        library.tune(index, rows, RESULTS, 0.95)
        yield from ask(library, index, fresh, lists, **case, tuned_on=tuned_on, measured_on="queries")
    order = random.permutation(len(base))
    left_out, others = (np.ascontiguousarray(base[some]) for some in (order[:FRESH], order[FRESH:]))
    index = library.build(others, lists=lists, metric=metric, seed=seed)
    library.tune(index, None, RESULTS, 0.95)
    yield from ask(library, index, left_out, lists, **case, tuned_on="rows of the index", measured_on="rows left out")


tuned_sets.main(__doc__, measure_set, seeds=3)
