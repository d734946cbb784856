#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recall against distance computations: hard lists of k-means and of a mixture, and lists filled softly.

    recall.py FLASHGMM DATA_FOLDER [--output FILE] [--figure FILE.svg]

DATA_FOLDER holds sift-photos_{base,query}.bvecs, glove-100_{base,query}.fvecs and their ground truths. Every
quantizer is trained once on each set (10 Lloyd passes and up to 90 of EM for mixtures, 25 Lloyd passes for
k-means, on all rows) and shared by its storing rules. Distance computations count the K centroids and every scanned
entry, copies included. The table interpolates the curves at fixed recalls; above 1 is better than hard k-means lists.
Needs numpy; matplotlib for the figure.
"""
import argparse
import os
import tempfile

import numpy as np

import measure

TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)
SETS = (
    # name, base, queries, ground truth, metric, lists
    ("SIFT-photos 300K", "sift-photos_base.bvecs", "sift-photos_query.bvecs", "sift-photos_groundtruth.ivecs",
     "l2", 512),
    ("GloVe-100 cosine 100K", "glove-100_base.fvecs", "glove-100_query.fvecs",
     "glove-100_groundtruth_cosine.ivecs", "cosine", 256),
)
SOFT = ["--assign", "posterior"]
RULES = (
    # name, quantizer, options of the storing rule
    ("k-means, hard lists", "kmeans", ["--assign", "hard"]),
    ("k-means, two nearest lists", "kmeans", ["--assign", "nearest", "--max-lists", 2]),
    ("k-means, margin, 1.5 copies", "kmeans", ["--assign", "margin", "--copies", 1.5]),
    ("mixture, hard lists", "gmm", ["--assign", "hard"]),
    ("mixture, r > 1/K", "gmm", SOFT),
    ("mixture, r > tau, 1.15 copies", "gmm", [*SOFT, "--copies", 1.15]),
    ("mixture, r > tau, 1.5 copies", "gmm", [*SOFT, "--copies", 1.5]),
)


def probes_up_to(most):
    return [p for p in sorted({round(2 ** (i / 2)) for i in range(40)}) if p <= most]


def cost_at(curve, recall):
    """Distance computations at a recall, between the measured points in log cost; None beyond the curve."""
    recalls = [point["recall"] for point in curve]
    if recalls[0] > recall or recalls[-1] < recall:
        return None
    return float(np.exp(np.interp(recall, recalls, np.log([point["dco"] for point in curve]))))


def train(args, folder, base, metric, lists):
    cosine = ["--normalize"] if metric == "cosine" else []
    quantizers = {"kmeans": os.path.join(folder, "kmeans.fvecs"), "gmm": os.path.join(folder, "gmm.fgm")}
    measure.tool(args.flashgmm, "kmeans", base, "-k", lists, *cosine, "-o", quantizers["kmeans"])
    fit = measure.tool(args.flashgmm, "fit", base, "-k", lists, *cosine, "--covariance", "spherical",
                       "-o", quantizers["gmm"])
    print(f"  mixture: {fit['iterations']} EM passes, {fit['log_likelihood']:.4f} nats a row", flush=True)
    return {"kmeans": ["--centroids", quantizers["kmeans"]], "gmm": ["--model", quantizers["gmm"]]}


def measure_set(args, name, base, queries, truth, metric, lists):
    base, queries, truth = (os.path.join(args.data, file) for file in (base, queries, truth))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        quantizers = train(args, folder, base, metric, lists)
        for rule, quantizer, options in RULES:
            index = os.path.join(folder, "index.fgi")
            measure.tool(args.flashgmm, "index", base, *quantizers[quantizer], "--metric", metric, *options,
                         "-o", index)
            found = measure.tool(args.flashgmm, "eval", index, queries, "--groundtruth", truth, "-n", 10,
                                 "--latency-queries", 100,
                                 "--probes", ",".join(map(str, probes_up_to(lists // 4))))
            curve = [{key: point[key] for key in ("probes", "recall", "dco", "dco_unique")}
                     for point in found["curve"]]
            rows.append({"set": name, "rule": rule, "K": lists, "copies": found["copies"], "curve": curve})
            print(f"  {rule}: {found['copies']:.2f} copies", flush=True)
    return rows


def table(rows):
    hard = {row["set"]: row["curve"] for row in rows if row["rule"] == RULES[0][0]}
    for name in hard:
        print(f"\n{name}: distance computations of hard k-means lists over those of each rule, at equal recall@10")
        print(f"{'':32}{'copies':>7}" + "".join(f"{target:>8}" for target in TARGETS))
        for row in rows:
            if row["set"] != name:
                continue
            cells = []
            for target in TARGETS:
                mine, theirs = cost_at(row["curve"], target), cost_at(hard[name], target)
                cells.append(f"{theirs / mine:8.2f}" if mine and theirs else f"{'-':>8}")
            print(f"{row['rule']:32}{row['copies']:7.2f}" + "".join(cells))


def draw(rows, path):
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    names = list(dict.fromkeys(row["set"] for row in rows))
    figure, axes = plt.subplots(1, len(names), figsize=(6 * len(names), 5), squeeze=False)
    for axis, name in zip(axes[0], names):
        for row in rows:
            if row["set"] == name:
                style = "-" if row["rule"].startswith("k-means") else "--"
                axis.plot([p["dco"] for p in row["curve"]], [p["recall"] for p in row["curve"]], style,
                          marker=".", label=f"{row['rule']} ({row['copies']:.2f})")
        axis.set(xscale="log", xlabel="distance computations a query", ylabel="recall@10", title=name, ylim=(0.6, 1))
        axis.grid(alpha=0.3)
        axis.legend(title="rule (copies a row)", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("data")
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--figure", help="SVG")
    args = parser.parse_args()
    rows = []
    for one in SETS:
        print(one[0], flush=True)
        rows += measure_set(args, *one)
    table(rows)
    if args.output:
        measure.write_rows(rows, args.output)
    if args.figure:
        draw(rows, args.figure)


main()
