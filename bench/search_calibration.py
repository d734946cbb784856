#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether soft probing gives the recall that was asked for: on queries that took no part in tuning, tuned on queries
like them and on rows of the index.

    search_calibration.py LIBFLASHGMM.so DATA_FOLDER [--output FILE] [--seeds N] [--sets NAME,...]

DATA_FOLDER holds sift-photos_{base,query}.bvecs and glove-100_{base,query}.fvecs. A seed shuffles the queries (1500 to
tune on, 3000 to measure) and trains the lists anew. Needs numpy.
"""
import argparse
import pathlib
import sys

import numpy as np

import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import client

RESULTS, SAMPLE, FRESH, TARGETS = 10, 1500, 3000, (0.8, 0.9, 0.95, 0.99)
SETS = {"sift": ("sift-photos_{}.bvecs", client.L2, 512), "glove-cosine": ("glove-100_{}.fvecs", client.COSINE, 256)}


def recall_of(ids, truth):
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth)]) / RESULTS)


def measure_set(library, data, name, seed):
    file, metric, lists = SETS[name]
    base, queries = (client.read_vecs(data / file.format(x)) for x in ("base", "query"))
    queries = np.ascontiguousarray(queries[np.random.default_rng(seed).permutation(len(queries))])
    sample, fresh = queries[:SAMPLE], queries[SAMPLE : SAMPLE + FRESH]
    index = library.build(base, lists=lists, metric=metric, seed=seed)
    truth = library.search(index, fresh, RESULTS, lists)[0]
    for tuned_on, rows in (("queries", sample), ("rows of the index", None)):
        library.tune(index, rows, RESULTS, 0.95)
        for target in TARGETS:
            ids, _, stats = library.search(index, fresh, RESULTS, 0, target)
            recall = recall_of(ids, truth)
            dco = (stats.centroids + stats.entries) / FRESH
            print(f"{name:14} seed {seed} {tuned_on:18} asked {target:5} got {recall:.4f} for {dco:.0f}", flush=True)
            yield {"set": name, "K": lists, "seed": seed, "tuned_on": tuned_on, "target": target,
                   "recall": round(recall, 4), "dco": round(dco, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    args = parser.parse_args()
    library = client.Library(args.library)
    rows = [row for name in args.sets.split(",") for seed in range(args.seeds)
            for row in measure_set(library, args.data, name, seed)]
    if args.output:
        measure.write_rows(rows, args.output)


main()
