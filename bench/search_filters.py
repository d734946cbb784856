#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether soft probing gives the recall that was asked for under a filter by ids, and for other numbers of results than
it was tuned for; and what that takes.

    search_filters.py LIBFLASHGMM.so DATA_FOLDER [--output FILE] [--seeds N] [--sets NAME,...]

DATA_FOLDER holds sift-photos_{base,query}.bvecs and glove-100_{base,query}.fvecs. Tuned on 1500 queries, measured on 2000
others. Filters: one id in so many, at random; the rows nearest to some row, wherever the query is; the ids of the first tenth of the file. Needs numpy.
"""
import time

import numpy as np

import tuned_sets
from tuned_sets import RESULTS, client

FRESH, TARGETS = 2000, (0.9, 0.95, 0.99)
ONE_IN = (1, 2, 4, 10, 30, 100, 300, 1000)


def filters(base, metric, random):
    """Names, and which rows may be found."""
    rows = client.as_compared(base, metric)
    far = ((rows - rows[random.integers(len(rows))]) ** 2).sum(1)
    for one_in in ONE_IN:
        yield f"1 in {one_in}", random.permutation(len(base)) < len(base) / one_in
    for share in (2, 4, 16, 64):
        yield f"a region of 1 in {share}", far <= np.quantile(far, 1 / share)
    yield "the first tenth", np.arange(len(base)) < len(base) / 10


def timed(library, *args, **kwargs):
    began = time.process_time()
    found = library.search(*args, **kwargs)
    return found, 1e6 * (time.process_time() - began) / FRESH


def ask(library, index, fresh, lists, n, allow, **case):
    truth, _, _ = library.search(index, fresh, n, lists, allow=allow)
    truth = [row[row >= 0] for row in truth]
    for target in TARGETS:
        (ids, _, stats), us = timed(library, index, fresh, n, 0, target, allow=allow)
        shares = [len(np.intersect1d(a, b)) / max(len(b), 1) for a, b in zip(ids, truth)]
        row = {**case, "n": n, "target": target, "recall": round(float(np.mean(shares)), 4),
               "entries": round(stats.entries / FRESH, 1), "distances": round(stats.distances / FRESH, 1),
               "cpu_us": round(us, 1)}
        print(*row.values(), flush=True)
        yield row


def measure_set(library, data, name, seed):
    random = np.random.default_rng(seed)
    base, metric, lists, sample, fresh = tuned_sets.read(data, name, random, FRESH)
    index = library.build(base, lists=lists, metric=metric, seed=seed)
    began = time.time()
    library.tune(index, sample, RESULTS, 0.95)
    print(f"tuned in {time.time() - began:.2f} s")
    case = {"set": name, "K": lists, "seed": seed}
    for what, may in filters(base, metric, random):
        yield from ask(library, index, fresh, lists, RESULTS, np.packbits(may, bitorder="little"), **case, filter=what)
    for n in (1, 3, 30, 100):
        yield from ask(library, index, fresh, lists, n, None, **case, filter="none")


tuned_sets.main(__doc__, measure_set, seeds=1)
