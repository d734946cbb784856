#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds until a mixture's log-likelihood is reached, not only seconds of a pass: ours from each of its starts, and
scikit-learn's GaussianMixture from each of its own.

    bench/study_reaching.py build/release/bin/flashgmm DATA --output bench/results/study_reaching.jsonl

DATA holds GloVe and SIFT (bench/study.py). Every fit goes on for a fixed number of iterations, with the same least variance.
The goal of a case is 0.1 % below the best log-likelihood that any fit of it has ended with; a fit that never comes there has
no time. Seconds are wall clock: those of the start, and as many passes as it took. Needs numpy and scikit-learn.
"""
import argparse
import collections
import functools
import os
import statistics
import time
import warnings

import numpy as np

import measure
import study

Case = collections.namedtuple("Case", "set rows k covariance passes peer_passes seeds")
CASES = [Case("glove", 20000, 256, "spherical", 60, 40, 3), Case("glove", 20000, 256, "diag", 60, 40, 3),
         Case("sift", 50000, 256, "spherical", 60, 20, 3), Case("sift", 50000, 256, "diag", 60, 20, 3),
         Case("glove", 100000, 1024, "spherical", 60, 0, 2), Case("sift", 300000, 1024, "spherical", 60, 0, 2)]
OURS = ("kmeans", "kmeans++", "random")
PEERS = ("kmeans", "k-means++", "random_from_data")
FLOOR = 1e-3  # of the data's variance, so that no likelihood grows by rows of which copies are in the data
SHARE = 1e-3  # how near to the best


def rows_of(args, case):
    data = study.SETS[case.set]
    return measure.texmex(os.path.join(args.data, data.base), data.dtype)[:case.rows].astype("f4")


def ours(args, case, start, seed, folder):
    rows = os.path.join(folder, "rows.npy")
    np.save(rows, rows_of(args, case))
    told = measure.tool(args.flashgmm, "fit", rows, "-k", case.k, "--covariance", case.covariance, "--init", start,
                        "--seed", seed, "--max-iter", case.passes, "--tol", -1, "--tol-relative", -1, "--var-floor", FLOOR,
                        "--device", "cpu", "-o", os.path.join(folder, "model.fgm"))
    return told["seconds_init"], told["seconds_per_iteration"], told["history"]


def peer(args, case, start, seed, _):
    from sklearn.mixture import GaussianMixture
    x = rows_of(args, case)
    mixture = GaussianMixture(case.k, covariance_type=case.covariance, max_iter=case.peer_passes, tol=0, n_init=1,
                              reg_covar=FLOOR * float(x.var(0).mean()), init_params=start, random_state=seed)
    began = time.perf_counter()
    mixture._initialize_parameters(x, np.random.RandomState(seed))
    init = time.perf_counter() - began
    whole = measure.seconds(lambda: mixture.fit(x))
    return init, (whole - init) / len(mixture.lower_bounds_), [float(value) for value in mixture.lower_bounds_]


def piece(args, case, by, start, seed, folder):
    warnings.filterwarnings("ignore")
    init, a_pass, history = (ours if by == "flashgmm" else peer)(args, case, start, seed, folder)
    return [{**case._asdict(), "by": by, "start": start, "seed": seed, "seconds_init": init,
             "seconds_per_iteration": a_pass, "history": history}]


def seconds_to(row, goal):
    """None: it was not reached."""
    for passes, value in enumerate(row["history"]):
        if value >= goal:
            return row["seconds_init"] + (passes + 1) * row["seconds_per_iteration"]
    return None


def tell(rows):
    print("| rows | K | | start | start, s | a pass, s | passes | at the end | s to 0.1 % below the best |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        of_case = [row for row in rows if all(row[name] == value for name, value in case._asdict().items())]
        if not of_case:
            continue
        best = max(row["history"][-1] for row in of_case)
        goal = best - SHARE * abs(best)
        for by, start in dict.fromkeys((row["by"], row["start"]) for row in of_case):
            some = [row for row in of_case if (row["by"], row["start"]) == (by, start)]
            mean = lambda value: measure.digits(statistics.mean(map(value, some)))
            reached = [seconds for row in some if (seconds := seconds_to(row, goal)) is not None]
            told = measure.digits(statistics.median(reached)) if reached else "not reached"
            told += f" ({len(reached)} of {len(some)})" if 0 < len(reached) < len(some) else ""
            print(f"| {case.set} {case.rows} | {case.k} | {case.covariance}, {by} | {start} | "
                  f"{mean(lambda row: row['seconds_init'])} | {mean(lambda row: row['seconds_per_iteration'])} | "
                  f"{len(some[0]['history'])} | {statistics.mean(row['history'][-1] for row in some):.3f} | {told} |")


def main():
    args = study.arguments(__doc__).parse_args()
    pieces = []
    for case in CASES:
        for seed in range(min(args.seeds, case.seeds)):
            for start in OURS:
                pieces.append((("flashgmm", *case, start, seed),
                               functools.partial(piece, args, case, "flashgmm", start, seed)))
        for start in PEERS if case.peer_passes else ():
            pieces.append((("scikit-learn", *case, start, 0),
                           functools.partial(piece, args, case, "scikit-learn", start, 0)))
    tell(study.run(args, pieces))


main()
