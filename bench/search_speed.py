#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speed of searches beside FAISS's IndexIVFFlat over the same centroids with the same threads, a batch of queries, and
queries one by one: hard lists at the same probes, and soft probing at the same recall.

    search_speed.py LIBFLASHGMM.so DATA_FOLDER [--output FILE] [--runs N] [--sets NAME,...] [--threads N,...]
                    [--what probes,recall]

DATA_FOLDER holds sift-photos_{base,query}.bvecs and glove-100_{base,query}.fvecs. At the same probes, results are
compared first. At the same recall, soft probing is tuned on 1500 queries and measured on 1000 others, and FAISS's
seconds are interpolated between the two numbers of probes whose recalls enclose the one that we got. Both
are timed in turn, so that a change of the machine's pace meets both alike. A ratio above 1 says that we are
faster; it is the median over the runs of FAISS's CPU seconds to ours (and of seconds on the clock, which other
programs on the machine disturb). FAISS holds rows as f32 whatever their type; we hold them as they are, so
there is a set of bytes, and the same one as f32. Needs numpy and faiss.
"""
import argparse
import ctypes as c
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of FAISS's would count as its CPU time

import faiss
import numpy as np

import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import client

RESULTS, QUERIES, SAMPLE, SINGLES, PROBES = 10, 1000, 1500, 300, (1, 4, 16, 64)
RECALLS = (0.9, 0.95, 0.99)
SETS = {
    # name: file, element type, metric, lists
    "glove": ("glove-100_{}.fvecs", np.float32, client.L2, 256),
    "glove-cosine": ("glove-100_{}.fvecs", np.float32, client.COSINE, 256),
    "sift-u8": ("sift-photos_{}.bvecs", np.uint8, client.L2, 512),
    "sift-f32": ("sift-photos_{}.bvecs", np.float32, client.L2, 512),
    "sift-u8-1024": ("sift-photos_{}.bvecs", np.uint8, client.L2, 1024),
    "sift-f32-1024": ("sift-photos_{}.bvecs", np.float32, client.L2, 1024),
}


class Ours:
    def __init__(self, library, index, queries):
        self.library, self.index, self.queries = library, index, queries
        self.batch = self.calls(queries)
        self.single = self.calls(queries[:1])

    def calls(self, queries):
        """What a call needs, made once: ctypes should cost as little as FAISS's binding."""
        ids = np.empty((len(queries), RESULTS), np.int64)
        scores = np.empty((len(queries), RESULTS), np.float32)
        views = [client.View(x) for x in (queries, ids, scores)]
        options = client.sized(client.SearchOptions, n=RESULTS)
        return options, views, [c.byref(x) for x in (views[0], options, *views[1:])]

    def prepare(self, threads, probes=0, recall=0.0):
        self.context = self.library.make_context(threads)
        for options, _, _ in (self.batch, self.single):
            options.probes, options.recall = probes, recall

    def finish(self):
        self.library.so.fg_context_destroy(self.context)

    def search_batch(self):
        _, views, arguments = self.batch
        self.library.call("fg_ivf_search", self.context, self.index, *arguments, None)
        return views[1].array, views[2].array

    def search_singles(self):
        search, (_, views, arguments) = self.library.so.fg_ivf_search, self.single
        begin, step = self.queries.ctypes.data, self.queries.strides[0]
        for i in range(SINGLES):
            views[0].data = begin + i * step
            search(self.context, self.index, *arguments, None)


class Theirs:
    def __init__(self, base, centroids, metric, queries):
        self.quantizer = faiss.IndexFlatL2(base.shape[1])
        self.quantizer.add(centroids)
        kind = faiss.METRIC_L2 if metric == client.L2 else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.IndexIVFFlat(self.quantizer, base.shape[1], len(centroids), kind)
        self.index.add(base)
        self.queries = queries
        self.pointers = [faiss.swig_ptr(queries[i : i + 1]) for i in range(SINGLES)]
        self.scores, self.ids = np.empty((1, RESULTS), np.float32), np.empty((1, RESULTS), np.int64)

    def prepare(self, threads, probes):
        self.index.nprobe = probes
        faiss.omp_set_num_threads(threads)

    def search_batch(self):
        scores, ids = self.index.search(self.queries, RESULTS)
        return ids, scores

    def search_singles(self):
        search, scores, ids = self.index.search_c, faiss.swig_ptr(self.scores), faiss.swig_ptr(self.ids)
        for pointer in self.pointers:
            search(1, pointer, RESULTS, scores, ids)


def expect_same(ours, theirs):
    """Centroids and rows that are equally near but for rounding may be taken one for the other."""
    (our_ids, our_scores), (their_ids, their_scores) = ours.search_batch(), theirs.search_batch()
    same = (our_ids == their_ids).mean()
    close = np.isclose(our_scores, their_scores, rtol=1e-4, atol=1e-4).mean()
    if same < 0.999 or close < 0.999:
        sys.exit(f"results differ: {same:.4%} of ids and {close:.4%} of scores are the same")


def cpu_and_clock(work):
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def compare(ours, theirs, runs, count):
    """Queries a CPU second of both, and the median ratios."""
    pairs = []
    for _ in range(runs):
        pairs.append((cpu_and_clock(ours), cpu_and_clock(theirs)))
    middle = statistics.median
    return {"qps_cpu": round(count / middle(a[0] for a, _ in pairs)),
            "faiss_qps_cpu": round(count / middle(b[0] for _, b in pairs)),
            "ratio_cpu": round(middle(b[0] / a[0] for a, b in pairs), 3),
            "ratio_clock": round(middle(b[1] / a[1] for a, b in pairs), 3)}


def time_both(args, ours, theirs):
    return {"batch": compare(ours.search_batch, theirs.search_batch, args.runs, QUERIES),
            "single": compare(ours.search_singles, theirs.search_singles, args.runs, SINGLES)}


def same_probes(args, ours, theirs):
    for threads in args.threads:
        for probes in PROBES:
            ours.prepare(threads, probes=probes)
            theirs.prepare(threads, probes)
            expect_same(ours, theirs)
            yield {"threads": threads, "probes": probes, **time_both(args, ours, theirs)}
            ours.finish()


def recall_of(ids, truth):
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth)]) / RESULTS)


def enclosing_probes(theirs, truth, recall):
    """The fewest probes that reach the recall, and their recall and that of one less."""
    below = 0.0
    for probes in range(1, theirs.index.nlist + 1):
        theirs.prepare(os.cpu_count(), probes)
        reached = recall_of(theirs.search_batch()[0], truth)
        if reached >= recall:
            return probes, below, reached
        below = reached


def same_recall(args, ours, theirs, truth):
    for threads in args.threads:
        for target in RECALLS:
            ours.prepare(threads, recall=target)
            recall = recall_of(ours.search_batch()[0], truth)
            probes, below, reached = enclosing_probes(theirs, truth, recall)
            share = (recall - below) / (reached - below)
            times = []
            for count in (max(probes - 1, 1), probes):
                theirs.prepare(threads, count)
                times.append(time_both(args, ours, theirs))
            ours.finish()
            row = {"threads": threads, "target": target, "recall": round(recall, 4), "faiss_probes": probes,
                   "faiss_recalls": [round(below, 4), round(reached, 4)]}
            for way in ("batch", "single"):
                low, high = (t[way] for t in times)
                row[way] = {key: round(low[key] + share * (high[key] - low[key]), 3) for key in low}
            yield row


def measure_set(args, library, name):
    file, dtype, metric, lists = SETS[name]
    base, queries = (client.read_vecs(pathlib.Path(args.data) / file.format(x)) for x in ("base", "query"))
    order = np.random.default_rng(1).permutation(len(queries))  # neighbours in the file are alike
    queries = np.ascontiguousarray(queries[order].astype(dtype))
    base, sample, queries = base.astype(dtype), queries[QUERIES : QUERIES + SAMPLE], queries[:QUERIES]
    trained = library.build(base, lists=lists, metric=metric, kmeans_iter=10)
    centroids = library.centroids(trained, lists, base.shape[1])
    library.destroy(trained)
    index = library.build(base, metric=metric, centroids=c.pointer(client.View(centroids)))
    ours = Ours(library, index, queries)
    compared = client.as_compared(base, metric), client.as_compared(queries, metric)
    theirs = Theirs(compared[0], centroids, metric, compared[1])
    rows = []
    if "probes" in args.what:
        rows.append(same_probes(args, ours, theirs))
    if "recall" in args.what:
        library.tune(index, sample, RESULTS, 0.95)
        exact = faiss.IndexFlatL2(base.shape[1]) if metric == client.L2 else faiss.IndexFlatIP(base.shape[1])
        exact.add(compared[0])
        rows.append(same_recall(args, ours, theirs, exact.search(compared[1], RESULTS)[1]))
    for row in (row for some in rows for row in some):
        way = f"{row['probes']:3} probes" if "probes" in row else f"recall {row['recall']:.4f}"
        print(f"{name:14} {row['threads']} threads {way}: batch {row['batch']['ratio_cpu']:5.2f} "
              f"single {row['single']['ratio_cpu']:5.2f} (CPU time; FAISS = 1)", flush=True)
        yield {"set": name, "K": lists, **row}
    library.destroy(index)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("data")
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--what", default="probes,recall")
    args = parser.parse_args()
    library = client.Library(args.library)
    rows = [row for name in args.sets.split(",") for row in measure_set(args, library, name)]
    if args.output:
        measure.write_rows([{"faiss": faiss.__version__, "options": faiss.get_compile_options()}, *rows], args.output)


main()
