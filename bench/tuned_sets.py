# SPDX-License-Identifier: Apache-2.0
"""What the scripts share that ask tuned indexes for a recall: data sets, a sample beside fresh queries, and their frame."""
import argparse
import pathlib
import sys

import numpy as np

import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import client

RESULTS, SAMPLE = 10, 1500
SETS = {"sift": ("sift-photos_{}.bvecs", client.L2, 512), "glove-cosine": ("glove-100_{}.fvecs", client.COSINE, 256)}


def read(data, name, random, fresh):
    """Rows, metric, lists, and two parts of the queries, which `random` shuffles: a sample to tune on, `fresh` to measure."""
    file, metric, lists = SETS[name]
    base, queries = (client.read_vecs(data / file.format(x)) for x in ("base", "query"))
    queries = np.ascontiguousarray(queries[random.permutation(len(queries))])
    return base, metric, lists, queries[:SAMPLE], queries[SAMPLE : SAMPLE + fresh]


def main(description, measure_set, seeds):
    """Writes the rows that measure_set(library, data, name, seed) yields, of every set and seed asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--sets", default=",".join(SETS))
    args = parser.parse_args()
    library = client.Library(args.library)
    rows = [row for name in args.sets.split(",") for seed in range(args.seeds)
            for row in measure_set(library, args.data, name, seed)]
    if args.output:
        measure.write_rows(rows, args.output)
