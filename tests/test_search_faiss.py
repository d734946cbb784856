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
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(SKIPPED)

ROUNDING = 1e-5  # of f32 sums over a few hundred terms, relative; generous
PROBES = (1, 4, 16, 64)
RESULTS = 10
L2, COSINE = 0, 2
DTYPES = {"float32": 1, "float16": 2, "int8": 4, "uint8": 5, "int64": 7, "float64": 8}


class View(c.Structure):
    _fields_ = [
        ("data", c.c_void_p), ("rows", c.c_int64), ("row_stride", c.c_int64),
        ("cols", c.c_int32), ("dtype", c.c_int16), ("place", c.c_int16),
    ]  # fmt: skip

    def __init__(self, array):
        assert array.flags.c_contiguous
        rows, cols = array.shape
        super().__init__(array.ctypes.data, rows, 0, cols, DTYPES[str(array.dtype)], 0)
        self.array = array  # keeps it alive


class IvfOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("lists", c.c_int32), ("coarse", c.c_int32),
        ("assign", c.c_int32), ("max_lists", c.c_int32), ("threshold", c.c_double),
        ("copies", c.c_double), ("metric", c.c_int32), ("covariance", c.c_int32),
        ("kmeans_iter", c.c_int32), ("em_iter", c.c_int32), ("sample_rows", c.c_int64),
        ("seed", c.c_uint64), ("model", c.c_void_p), ("centroids", c.POINTER(View)),
        ("ids", c.c_void_p), ("progress", c.c_void_p), ("user", c.c_void_p),
    ]  # fmt: skip


class SearchOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("n", c.c_int32), ("probes", c.c_int32),
        ("order", c.c_int32), ("reserved", c.c_int32),
    ]  # fmt: skip


class SearchStats(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("queries", c.c_int64), ("entries", c.c_int64),
        ("distances", c.c_int64), ("centroids", c.c_int64),
    ]  # fmt: skip


class Library:
    """The calls that are needed; each raises what the library says."""

    def __init__(self, path):
        self.so = c.CDLL(path)
        self.so.fg_last_error.restype = c.c_char_p
        self.context = c.c_void_p()
        self.call("fg_context_create", None, c.byref(self.context))

    def call(self, name, *arguments):
        if getattr(self.so, name)(*arguments) != 0:
            raise RuntimeError(f"{name}: {self.so.fg_last_error().decode()}")

    def build(self, rows, **options):
        source, index = c.c_void_p(), c.c_void_p()
        view = View(rows)
        wanted = IvfOptions(struct_size=c.sizeof(IvfOptions), **options)
        self.call("fg_source_memory", c.byref(view), c.byref(source))
        self.call("fg_ivf_build", self.context, source, c.byref(wanted), c.byref(index), None)
        self.so.fg_source_destroy(source)
        return index

    def centroids(self, index, lists, cols):
        out = np.empty((lists, cols), np.float32)
        self.call("fg_ivf_get_lists", index, None, c.byref(View(out)))
        return out

    def search(self, index, queries, probes):
        ids = np.empty((len(queries), RESULTS), np.int64)
        scores = np.empty((len(queries), RESULTS), np.float32)
        options = SearchOptions(c.sizeof(SearchOptions), RESULTS, probes, 0, 0)
        stats = SearchStats(struct_size=c.sizeof(SearchStats))
        self.call(
            "fg_ivf_search", self.context, index, c.byref(View(queries)), c.byref(options),
            c.byref(View(ids)), c.byref(View(scores)), c.byref(stats),
        )  # fmt: skip
        return ids, scores, stats

    def destroy(self, index):
        self.so.fg_ivf_destroy(index)


def read_vecs(path):
    """Rows of .fvecs or .bvecs."""
    raw = np.fromfile(path, np.uint8)
    cols = int(raw[:4].view(np.int32)[0])
    item = 4 if path.suffix == ".fvecs" else 1
    body = np.ascontiguousarray(raw.reshape(-1, 4 + cols * item)[:, 4:])
    return body.view(np.float32) if item == 4 else body


def as_compared(rows, metric):
    """The rows that FAISS sees: f32, of length 1 under cosine."""
    rows = rows.astype(np.float32)
    if metric == COSINE:
        rows /= np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True).astype(np.float32)
    return rows


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
        ids, scores, stats = library.search(ours, queries, probes)
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
