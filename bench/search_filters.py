#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether soft probing gives the recall that was asked for under a filter by ids, and for other numbers of results than
it was tuned for; and what that takes.

    search_filters.py LIBFLASHGMM.so DATA_FOLDER [--output FILE] [--seeds N] [--sets NAME,...]

DATA_FOLDER holds sift-photos_{base,query}.bvecs and glove-100_{base,query}.fvecs. Tuned on 1500 queries, measured on 2000
others. Filters: one id in so many, at random; the rows nearest to some row, wherever the query is; the ids of the first tenth of the file. Needs numpy.
"""
import argparse
import pathlib
import sys
import time

import numpy as np

import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import client

SAMPLE, FRESH, RESULTS, TARGETS = 1500, 2000, 10, (0.9, 0.95, 0.99)
SETS = {"sift": ("sift-photos_{}.bvecs", client.L2, 512), "glove-cosine": ("glove-100_{}.fvecs", client.COSINE, 256)}
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
    file, metric, lists = SETS[name]
    base, queries = (client.read_vecs(data / file.format(x)) for x in ("base", "query"))
    random = np.random.default_rng(seed)
    queries = np.ascontiguousarray(queries[random.permutation(len(queries))])
    sample, fresh = queries[:SAMPLE], queries[SAMPLE : SAMPLE + FRESH]
    index = library.build(base, lists=lists, metric=metric, seed=seed)
    began = time.time()
    library.tune(index, sample, RESULTS, 0.95)
    print(f"tuned in {time.time() - began:.2f} s")
    case = {"set": name, "K": lists, "seed": seed}
    for what, may in filters(base, metric, random):
        yield from ask(library, index, fresh, lists, RESULTS, np.packbits(may, bitorder="little"), **case, filter=what)
    for n in (1, 3, 30, 100):
        yield from ask(library, index, fresh, lists, n, None, **case, filter="none")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", default=",".join(SETS))
    args = parser.parse_args()
    library = client.Library(args.library)
    rows = [row for name in args.sets.split(",") for seed in range(args.seeds)
            for row in measure_set(library, args.data, name, seed)]
    if args.output:
        measure.write_rows(rows, args.output)


main()
