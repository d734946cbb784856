#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_export_faiss.py - our indexes as FAISS reads them, and FAISS's own files as we do: the same bytes,
the same results, the same centroids.

Usage: test_export_faiss.py LIBFLASHGMM.so

Rows and queries are random; distances do not tie but for rounding, so results may trade places only if they are
equal but for rounding. Exit code 77: skipped, as numpy or faiss are not there.
"""

import ctypes as c
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
try:
    import faiss
    import numpy as np

    from client import COSINE, HARD, IP, L2, MARGIN, NEAREST, Library, View, as_compared
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(SKIPPED)

ROWS, QUERIES, COLS, LISTS, RESULTS, COPIES = 4000, 50, 24, 32, 10, 2
ROUNDING = 1e-5
METRICS = {L2: "l2", IP: "ip", COSINE: "cosine"}


def draw(count, dtype, seed):
    """Clusters of rows, of the type."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(0).uniform(-60, 60, (20, COLS))
    rows = centers[random.integers(0, 20, count)] + random.normal(0, 20, (count, COLS))
    if dtype == np.uint8:
        rows = np.clip(rows + 128, 0, 255).round()
    if dtype == np.int8:
        rows = np.clip(rows, -128, 127).round()
    return rows.astype(dtype)


def in_order(index):
    """The ids of an index, list after list."""
    lists = index.invlists
    return np.concatenate([faiss.rev_swig_ptr(lists.get_ids(i), lists.list_size(i)).copy()
                           for i in range(index.nlist)])  # fmt: skip


def build_theirs(base, order, centroids, metric):
    """The same index by FAISS's own calls, rows added in this order."""
    kind = faiss.METRIC_L2 if metric == L2 else faiss.METRIC_INNER_PRODUCT
    quantizer = (faiss.IndexFlatIP if metric == IP else faiss.IndexFlatL2)(COLS)
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, COLS, len(centroids), kind)
    rows = np.ascontiguousarray(base[order])
    if metric == IP:  # rows are stored in their nearest list, whatever ranks the lists
        nearest = faiss.IndexFlatL2(COLS)
        nearest.add(centroids)
        lists = nearest.search(rows, 1)[1].ravel()
        pointers = map(faiss.swig_ptr, (rows, order, lists))
        index.add_core(len(rows), *pointers)
    else:
        index.add_with_ids(rows, order)
    return index, quantizer  # the index does not own it


def first_of_each(ids, scores, n):
    """The first n distinct ids of every row."""
    kept = [np.sort(np.unique(row, return_index=True)[1])[:n] for row in ids]
    return (np.array([row[k] for row, k in zip(ids, kept)]),
            np.array([row[k] for row, k in zip(scores, kept)]))  # fmt: skip


def expect_same_results(ours, theirs, metric, what):
    (our_ids, our_scores), (their_ids, their_scores) = ours, theirs
    bound = ROUNDING * (1 if metric == COSINE else np.abs(their_scores).max())
    assert np.abs(our_scores - their_scores).max() <= bound, f"{what}: scores differ"
    for q, i in np.argwhere(our_ids != their_ids):  # a tie that rounding has turned round
        places = np.flatnonzero(our_ids[q] == their_ids[q, i])
        near = our_scores[q, places[0] if len(places) else -1]
        assert abs(near - their_scores[q, i]) <= bound, f"{what}: query {q}, result {i}"


def contents(index):
    """Every list as its entries by rising id: in which order they stand is each library's own affair."""
    lists = []
    for i in range(index.nlist):
        size = index.invlists.list_size(i)
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(i), size).copy() if size else np.empty(0, "i8")
        codes = faiss.rev_swig_ptr(index.invlists.get_codes(i), size * index.code_size) if size else b""
        rows = np.frombuffer(bytes(codes), "u1").reshape(size, -1) if size else np.empty((0, 0), "u1")
        order = np.argsort(ids)
        lists.append((ids[order].tolist(), rows[order].tobytes()))
    return lists


def check_export(library, folder, dtype, metric, assign):
    what = f"{np.dtype(dtype).name} {METRICS[metric]} assign {assign}"
    rows, queries = draw(ROWS, dtype, 1), draw(QUERIES, dtype, 2)
    threshold = 200.0 if assign == MARGIN and metric != COSINE else 0.1
    ours = library.build(
        rows, lists=LISTS, metric=metric, assign=assign, kmeans_iter=5,
        max_lists=COPIES, threshold=threshold if assign == MARGIN else 0,
    )  # fmt: skip
    path = folder / "ours.faiss"
    library.export(ours, path, 3)
    theirs = faiss.read_index(str(path))
    assert theirs.nprobe == 3 and theirs.nlist == LISTS and theirs.d == COLS
    assert theirs.ntotal == sum(theirs.invlists.list_size(i) for i in range(LISTS))
    faiss.write_index(theirs, str(folder / "written.faiss"))
    assert path.read_bytes() == (folder / "written.faiss").read_bytes(), f"{what}: bytes change"
    base, seen = as_compared(rows, metric), as_compared(queries, metric)
    if assign == HARD and metric != COSINE:
        centroids = library.centroids(ours, LISTS, COLS)
        made, quantizer = build_theirs(base, in_order(theirs), centroids, metric)
        made.nprobe = 3
        assert contents(theirs) == contents(made), f"{what}: FAISS fills its lists otherwise"
        del made, quantizer
    for probes in (1, 4, LISTS):
        theirs.nprobe = probes
        scores, ids = theirs.search(seen, RESULTS * (1 if assign == HARD else COPIES))
        our_ids, our_scores, _ = library.search(ours, queries, RESULTS, probes)
        found = first_of_each(ids, scores, RESULTS)
        expect_same_results((our_ids, our_scores), found, metric, f"{what}, {probes} probes")
    library.destroy(ours)
    print(f"{what}: {theirs.ntotal} entries")


def check_centroids(library, folder):
    rows = draw(ROWS, np.float32, 1)
    path = folder / "theirs.faiss"
    for kind in ("Flat", "IVF32,Flat", "IVF32,SQ8", "IVF32,PQ6x4"):
        for metric in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
            index = faiss.index_factory(COLS, kind, metric)
            index.train(rows)
            index.add(rows)
            faiss.write_index(index, str(path))
            wanted = rows if kind == "Flat" else index.quantizer.reconstruct_n(0, LISTS)
            assert (library.read_rows(path) == wanted).all(), f"{kind}: other vectors"
    ours = library.build(rows, centroids=c.pointer(View(wanted)))
    assert (library.centroids(ours, LISTS, COLS) == wanted).all()
    library.destroy(ours)
    faiss.write_index(faiss.index_factory(COLS, "HNSW8"), str(path))
    try:
        library.read_rows(path)
    except RuntimeError as refused:
        assert "IndexFlat" in str(refused)
    else:
        raise AssertionError("an index of another kind was read")
    print("centroids come back")


def main():
    if len(sys.argv) < 2:
        print("skipped: the path of the library must be given")
        sys.exit(SKIPPED)
    library = Library(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for metric in METRICS:
            for assign in (HARD, NEAREST, MARGIN):
                check_export(library, folder, np.float32, metric, assign)
            for dtype in (np.float16, np.int8, np.uint8):
                check_export(library, folder, dtype, metric, HARD)
        check_centroids(library, folder)


main()
