#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_search_faiss.py - hard lists against FAISS's IndexIVFFlat with the same centroids: the same
results, the same number of distances; and all lists against an exhaustive search.

Usage: FLASHGMM_DATA=FOLDER test_search_faiss.py LIBFLASHGMM.so [QUERIES]

Real distances tie and round, so exactness is checked where it is defined: base rows and queries for
which two centroids are equally near but for rounding are left out, and two results may trade places
if their distances in f64 are equal but for rounding. Exit code 77: skipped, as numpy, faiss or the
data are not there.
"""

import ctypes as c
import os
import sys
from pathlib import Path

SKIPPED = 77
try:
    import faiss
    import numpy as np

    from client import COSINE, L2, Library, View, as_compared, read_vecs
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(SKIPPED)

ROUNDING = 1e-5  # of f32 sums over a few hundred terms, relative; generous
PROBES = (1, 4, 16, 64)
RESULTS = 10


def clear_of_ties(rows, centroids, ranks):
    """Which rows have, after each of the ranks, a centroid that is clearly farther."""
    clear = np.empty(len(rows), bool)
    exact = centroids.astype(np.float64)
    for at in range(0, len(rows), 10000):
        x = rows[at : at + 10000].astype(np.float64)
        distance = (x * x).sum(1)[:, None] - 2 * x @ exact.T + (exact * exact).sum(1)
        distance.sort(axis=1)
        gap = np.min([distance[:, r] - distance[:, r - 1] for r in ranks], axis=0)
        clear[at : at + 10000] = gap > ROUNDING * distance[:, max(ranks)]
    return clear


def expect_equal(ours, theirs, base, queries, what):
    """The same ids, or ids of rows that are equally far but for rounding; every row once."""
    assert all(len(set(row)) == RESULTS for row in ours), f"{what}: a row was returned twice"
    differ = np.argwhere(ours != theirs)
    for q, i in differ:
        a, b = (
            ((queries[q].astype(np.float64) - base[x[q, i]].astype(np.float64)) ** 2).sum()
            for x in (ours, theirs)
        )
        assert abs(a - b) <= ROUNDING * max(a, b), f"{what}: query {q}, result {i}: {a} and {b}"
    return len(differ)


def check(library, name, rows, queries, metric, lists):
    trained = library.build(rows, lists=lists, metric=metric, kmeans_iter=5)
    centroids = library.centroids(trained, lists, rows.shape[1])
    library.destroy(trained)

    base = as_compared(rows, metric)
    kept = clear_of_ties(base, centroids, [1])
    rows, base = np.ascontiguousarray(rows[kept]), np.ascontiguousarray(base[kept])
    seen = as_compared(queries, metric)
    clear = clear_of_ties(seen, centroids, PROBES)
    queries, seen = np.ascontiguousarray(queries[clear]), np.ascontiguousarray(seen[clear])

    ours = library.build(rows, metric=metric, centroids=c.pointer(View(centroids)))
    quantizer = faiss.IndexFlatL2(base.shape[1])
    quantizer.add(centroids)
    theirs = faiss.IndexIVFFlat(quantizer, base.shape[1], lists, faiss.METRIC_L2)
    theirs.add(base)
    exhaustive = faiss.IndexFlatL2(base.shape[1])
    exhaustive.add(base)
    for probes in (*PROBES, lists):
        ids, scores, stats = library.search(ours, queries, RESULTS, probes)
        theirs.nprobe = probes
        faiss.cvar.indexIVF_stats.reset()
        distances, wanted = theirs.search(seen, RESULTS)
        scanned = faiss.cvar.indexIVF_stats.ndis
        assert stats.distances == stats.entries == scanned, f"{stats.distances} and {scanned}"
        traded = expect_equal(ids, wanted, base, seen, f"{name}, {probes} probes")
        as_distances = 2 - 2 * scores if metric == COSINE else scores
        scale = 1 if metric == COSINE else distances
        assert (abs(as_distances - distances) <= ROUNDING * scale).all(), "distances differ"
        print(
            f"{name}: {len(base)} rows, {len(seen)} queries, {lists} lists, {probes} probes: "
            f"{scanned} distances, {traded} of {ids.size} results traded places in a tie"
        )
    expect_equal(ids, exhaustive.search(seen, RESULTS)[1], base, seen, f"{name}, exhaustive")
    library.destroy(ours)


def main():
    folder = os.environ.get("FLASHGMM_DATA")
    if len(sys.argv) < 2 or not folder:
        print("skipped: FLASHGMM_DATA and the path of the library must be given")
        sys.exit(SKIPPED)
    library, data = Library(sys.argv[1]), Path(folder)
    queries = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    glove = read_vecs(data / "glove-100_base.fvecs"), read_vecs(data / "glove-100_query.fvecs")
    sift = read_vecs(data / "sift-photos_base.bvecs"), read_vecs(data / "sift-photos_query.bvecs")
    check(library, "glove l2", glove[0], glove[1][:queries], L2, 256)
    check(library, "glove cosine", glove[0], glove[1][:queries], COSINE, 256)
    check(library, "sift l2", sift[0], sift[1][:queries], L2, 512)


main()
